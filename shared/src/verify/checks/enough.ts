/** I0: a pass over nothing proves nothing. So many runs have succeeded, and so many things stand in each file that was given. */
import type { Check } from "../check.js";

/** `least`: 0 asks for nothing. */
export const enoughToJudge = (least: number): Check => ({
  invariant: "I0",
  title: `at least ${least} runs have succeeded, and each file says as much`,
  unit: "succeeded runs",
  needs: ["rows"],
  stage: "snapshot",
  run: async ({ snapshot, history, witness }) => {
    const succeeded = await snapshot.count("heartbeat_runs where status = 'succeeded'");
    const counted = { "succeeded runs": succeeded } as Record<string, number>;
    if (history)
      counted["answered operations"] = history.operations.filter(
        ({ phase }) => phase === "ok",
      ).length;
    if (witness) counted["witnessed attempts"] = witness.attempts.size;
    const rows = Object.entries(counted)
      .filter(([, count]) => count < least)
      .map(([what, count]) => ({ what, count, required: least }));
    return { looked: succeeded, violations: rows.length, rows };
  },
});
