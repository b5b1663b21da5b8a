// Owns the scenarios of agents that wake by themselves. The reference looks every 10 s at who is due.
import { setTimeout as pause } from "node:timers/promises";
import type { Row } from "../client.js";
import type { Scenario } from "../scenario.js";
import type { Scene } from "../scene.js";
import { hasRuns, isQuiet } from "../waits.js";

const timed = (scene: Scene, heartbeat: Row): Promise<string> =>
  scene.agent("A", { runtimeConfig: { heartbeat } });

/** No more timers: what is recorded must not depend on when it is looked at. */
const switchOff = (scene: Scene, agentId: string) =>
  scene.call("PATCH", `/api/agents/${agentId}`, {
    runtimeConfig: { heartbeat: { enabled: false } },
  });

/** One look of the reference at who is due, and some. */
const oneTickMs = 11_500;

export const timerScenarios: readonly Scenario[] = [
  {
    id: "i01-timer-fires",
    rows: ["M1", "M4"],
    title: "an interval of one second",
    why: "source timer, trigger system, heartbeat_timer; context scheduler, interval_elapsed",
    run: async (scene) => {
      const agent = await timed(scene, { enabled: true, intervalSec: 1 });
      await hasRuns(scene, 1);
      await switchOff(scene, agent);
      await isQuiet(scene);
    },
  },
  {
    id: "i03-timer-wakeOnDemand-false",
    rows: ["M1"],
    title: "an interval, and wakeOnDemand is false",
    why: "the timer wakes all the same",
    run: async (scene) => {
      const agent = await timed(scene, { intervalSec: 1, wakeOnDemand: false });
      await hasRuns(scene, 1);
      await switchOff(scene, agent);
    },
  },
  {
    id: "i05-timer-new-agent-long-interval",
    rows: ["M3"],
    title: "a new agent with an interval of one hour",
    why: "seed: fires at the first look. 0.2.7: the interval begins with the agent",
    run: async (scene) => {
      const agent = await timed(scene, { intervalSec: 3_600 });
      // That nothing happens can only be waited for.
      await pause(oneTickMs);
      await switchOff(scene, agent);
    },
  },
];
