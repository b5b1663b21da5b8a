/** Whether the gateway can do its work, for people, supervisors and Prometheus. */
import type { Context } from "../context.js";
import { HttpError } from "../errors.js";
import { pingServers } from "../health.js";
import { PlainText } from "../http.js";
import type { AnyRoute } from "../route.js";
import { route } from "../route.js";

export const version = "0.1.0";

export function healthRoutes({ bus, pool, metrics }: Context): AnyRoute[] {
  const check = async (): Promise<unknown> => {
    const { nats, postgres } = await pingServers(bus, pool);
    const parts = { nats: nats ? "ok" : "away", postgres: postgres ? "ok" : "away" };
    if (!nats || !postgres)
      throw new HttpError(503, "A server that the gateway needs is away", { details: parts });
    return {
      status: "ok",
      service: "reveille",
      version,
      deploymentMode: "local_trusted",
      authReady: true,
      ...parts,
    };
  };
  return [
    route({
      method: "GET",
      path: "/api/health",
      summary: "200 when NATS and Postgres answer",
      handle: check,
    }),
    route({ method: "GET", path: "/readyz", summary: "As /api/health", handle: check }),
    route({
      method: "GET",
      path: "/livez",
      summary: "200 while the process works",
      handle: async () => ({ status: "ok" }),
    }),
    route({
      method: "GET",
      path: "/metrics",
      summary: "Counters and gauges for Prometheus",
      handle: async () => new PlainText(metrics.text(), "text/plain; version=0.0.4"),
    }),
  ];
}
