/** Whether the gateway can do its work, for people, supervisors and Prometheus. */
import { guarded } from "@reveille/shared/postgres/pool";
import type { Context } from "../context.js";
import { HttpError } from "../errors.js";
import { PlainText } from "../http.js";
import type { AnyRoute } from "../route.js";
import { route } from "../route.js";

export const version = "0.1.0";
/** A server that answers no ping within this is away. */
const pingMs = 2_000;

export function healthRoutes({ bus, pool, metrics }: Context): AnyRoute[] {
  const within = async (work: Promise<unknown>): Promise<boolean> => {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<boolean>((resolve) => {
      timer = setTimeout(() => resolve(false), pingMs);
    });
    const done = work.then(
      () => true,
      () => false,
    );
    return Promise.race([done, late]).finally(() => clearTimeout(timer));
  };
  const check = async (): Promise<unknown> => {
    const [nats, postgres] = await Promise.all([
      bus.connected ? within(bus.flush()) : false,
      within(guarded("health", () => pool.query("select 1"))),
    ]);
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
