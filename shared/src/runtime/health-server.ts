/**
 * `/livez`, `/readyz` and `/metrics` of one service on a port of its own: for supervisors and
 * Prometheus, beside whatever else the service listens on. Knows nothing of what is healthy.
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { metricsContentType } from "./metrics.js";
import type { Service } from "./service.js";

/** Where what is answered; deployments name these. */
export const healthPaths = { live: "/livez", ready: "/readyz", metrics: "/metrics" } as const;

export interface HealthServerOptions {
  host: string;
  /** 0: any free port. */
  port: number;
  /** Whether the service can do its work now; false and errors are 503. */
  ready: () => Promise<boolean>;
  /** Prometheus' text format. */
  metrics: () => string | Promise<string>;
}

/** Starts to listen. @throws the listener's error, such as a port that is taken. */
export async function startHealthServer(
  options: HealthServerOptions,
): Promise<Service & { port: number }> {
  const answer = async (path: string): Promise<[status: number, text: string]> => {
    if (path === healthPaths.live) return [200, "ok\n"];
    if (path === healthPaths.metrics) return [200, await options.metrics()];
    if (path !== healthPaths.ready) return [404, "not found\n"];
    const ready = await options.ready().catch(() => false);
    return ready ? [200, "ok\n"] : [503, "not ready\n"];
  };
  const server = createServer((request, response) => {
    const path = (request.url ?? "").split("?")[0]!;
    void answer(path).then(([status, text]) => {
      response.writeHead(status, {
        "content-type":
          path === healthPaths.metrics ? metricsContentType : "text/plain; charset=utf-8",
      });
      response.end(text);
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port, options.host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
