// Owns what a simulated agent program does, as data: how long it runs, what it prints, what it leaves behind. Knows nothing of who runs it.
import type { OutputStream } from "@reveille/runner/adapter";
import type { Random } from "../machine/random.js";

export interface AgentPlan {
  /** Of its first process, when nobody ends it; ms. */
  runMs: number;
  exitCode: number;
  output: readonly { atMs: number; stream: OutputStream; text: string }[];
  /** A process that it leaves in the background lives so long after the start, ms; null: none. */
  backgroundMs: number | null;
  /** False: only SIGKILL ends it. */
  heedsTerm: boolean;
  /** Total of its usage, told on the way and with the result; null: none. */
  costUsd: number | null;
}

/** Mostly short and well-behaved; now and then one that lasts, fails, clings to life or leaves something behind. */
export function drawAgentPlan(random: Random): AgentPlan {
  const runMs = random.chance(0.1) ? random.between(2_000, 9_000) : random.between(1, 900);
  const lines = random.below(4);
  return {
    runMs,
    exitCode: random.chance(0.15) ? random.between(1, 3) : 0,
    output: Array.from({ length: lines }, (_, at) => ({
      atMs: Math.floor((runMs * at) / lines),
      stream: random.chance(0.2) ? ("stderr" as const) : ("stdout" as const),
      text: `line ${at}\n`,
    })),
    backgroundMs: random.chance(0.15) ? runMs + random.between(1, 5_000) : null,
    heedsTerm: !random.chance(0.2),
    costUsd: random.chance(0.5) ? random.between(1, 50) / 100 : null,
  };
}
