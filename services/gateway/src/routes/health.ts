/** Whether the gateway can do its work, for people, supervisors and Prometheus. */
import { metricsContentType } from "@reveille/shared/runtime/metrics";
import { z } from "zod";
import { deploymentModes } from "../config.js";
import type { Context } from "../context.js";
import { HttpError } from "../errors.js";
import { pingServers } from "../health.js";
import { PlainText, textAnswer } from "../answer.js";
import type { AnyRoute } from "../route.js";
import { route } from "../route.js";

export const version = "0.1.0";

const healthSchema = z.strictObject({
  status: z.literal("ok"),
  service: z.literal("reveille"),
  version: z.string(),
  deploymentMode: z.enum(deploymentModes),
  authReady: z.boolean(),
  nats: z.literal("ok"),
  postgres: z.literal("ok"),
});
const metricsText = textAnswer(metricsContentType, "Prometheus's text format");

export function healthRoutes(context: Context): AnyRoute[] {
  const { metrics, mode } = context;
  const check = async (): Promise<unknown> => {
    const { nats, postgres } = await pingServers(context);
    const parts = { nats: nats ? "ok" : "away", postgres: postgres ? "ok" : "away" };
    if (!nats || !postgres)
      throw new HttpError(503, "A server that the gateway needs is away", { details: parts });
    return {
      status: "ok",
      service: "reveille",
      version,
      deploymentMode: mode,
      authReady: true,
      ...parts,
    };
  };
  return [
    route({
      method: "GET",
      path: "/api/health",
      summary: "200 when NATS and Postgres answer",
      open: true,
      responses: { 200: healthSchema },
      handle: check,
    }),
    route({
      method: "GET",
      path: "/readyz",
      summary: "As /api/health",
      open: true,
      responses: { 200: healthSchema },
      handle: check,
    }),
    route({
      method: "GET",
      path: "/livez",
      summary: "200 while the process works",
      open: true,
      responses: { 200: z.strictObject({ status: z.literal("ok") }) },
      handle: async () => ({ status: "ok" }),
    }),
    route({
      method: "GET",
      path: "/metrics",
      summary: "Counters and gauges for Prometheus",
      operatorOnly: true,
      responses: { 200: metricsText },
      handle: async () => new PlainText(await metrics.text(), metricsText.mediaType),
    }),
  ];
}
