import { expect, test } from "vitest";
import { startHealthServer } from "./health-server.js";

test("says whether the service lives, is ready, and what it counts", async () => {
  const state = { ready: async (): Promise<boolean> => true };
  const server = await startHealthServer({
    host: "127.0.0.1",
    port: 0,
    ready: () => state.ready(),
    metrics: () => "runs_total 1\n",
  });
  const status = async (path: string): Promise<number> =>
    (await fetch(`http://127.0.0.1:${server.port}${path}`)).status;
  try {
    expect(await status("/livez")).toBe(200);
    expect(await status("/readyz")).toBe(200);
    state.ready = async () => false;
    expect(await status("/readyz")).toBe(503);
    state.ready = () => Promise.reject(new Error("away"));
    expect(await status("/readyz")).toBe(503);
    expect(await status("/other")).toBe(404);
    const metrics = await fetch(`http://127.0.0.1:${server.port}/metrics`);
    expect(await metrics.text()).toBe("runs_total 1\n");
  } finally {
    await server.stop();
  }
});
