// Owns the planted bugs: each a replacement of texts in one compiled file, so small that a tired person could have written it. The first
// are those that a simulation must find to be worth anything; then come those that it has found.
import { readFileSync } from "node:fs";

export interface Mutant {
  name: string;
  /** What a system with this bug does wrong. */
  what: string;
  /** Below the root of the repository. */
  file: string;
  /** Each text is found exactly once. */
  changes: readonly (readonly [find: string, put: string])[];
  /** From this seed on it is found soon: recorded when it was last looked for. */
  seed: number;
}

const shell = "services/agent-actor/dist/shell";
const core = "services/agent-actor/dist/core";
const runner = "services/runner/dist";

export const mutants: readonly Mutant[] = [
  {
    name: "drop-epoch-check",
    what: "a host that was frozen beyond its lease still writes",
    file: "test/dist/simulation/store/statements/commit.js",
    changes: [["row?.epoch !== epoch || ", ""]],
    seed: 1,
  },
  {
    name: "effects-before-commit",
    what: "what a batch decides is told before it is committed",
    file: `${shell}/batch.js`,
    changes: [
      [
        "const outcome = await commitBatch(",
        "context.perform(effects);\n    const outcome = await commitBatch(",
      ],
    ],
    seed: 1,
  },
  {
    name: "skip-reconcile",
    what: "what is owed is never done again",
    file: `${shell}/reconcile.js`,
    changes: [["if (partitions.length === 0)", "if (partitions.length >= 0)"]],
    seed: 1,
  },
  {
    name: "read-behind-sentinel",
    what: "a stream that was replaced or rolled back is read on as if it were the same",
    file: `${shell}/partition.js`,
    changes: [
      ["this.#row.cursorSeq > 0 && !(await this.#sentinelIsThere())", "false"],
      ["let sentinel = cursorSeq > 0 ?", "let sentinel = false ?"],
      ["startSeq: Math.max(1, cursorSeq),", "startSeq: cursorSeq + 1,"],
    ],
    seed: 40,
  },
  {
    name: "forget-waiter",
    what: "who waits for an issue is told so and put into no queue",
    file: `${core}/lock.js`,
    changes: [
      [
        'return { outcome: "waiting", write: { holder: value.holder, waiters: queue } };',
        'return { outcome: "waiting", write: null };',
      ],
    ],
    seed: 1,
  },
  {
    name: "grant-lock-twice",
    what: "the lock of an issue is given to the next while its holder lives",
    file: `${core}/lock.js`,
    changes: [["if (!holderAlive) {", "{"]],
    seed: 1,
  },
  {
    name: "grant-go-twice",
    what: "a second claim gets the go of the same attempt",
    file: `${core}/on-run-started.js`,
    changes: [["run.claim?.claimId !== report.claimId", "false"]],
    seed: 50,
  },
  {
    name: "hand-over-before-commit",
    what: "the lock of an issue goes to the next before the end of its holder is committed",
    file: `${shell}/batch.js`,
    changes: [
      [
        "const outcome = await commitBatch(",
        'context.perform(effects.filter(({ kind }) => kind === "release"));\n    const outcome = await commitBatch(',
      ],
    ],
    seed: 1,
  },
  {
    name: "start-without-go",
    what: "a runner starts a process whatever it was answered",
    file: `${runner}/attempt.js`,
    changes: [['if (answer.kind === "go")', "if (answer.kind)"]],
    seed: 1,
  },
  {
    name: "cancel-frees-at-once",
    what: "a cancelled run gives its slot and its issue back while its process lives",
    file: `${core}/cancel-run.js`,
    changes: [["if (isRunning(run)) {", "if (false) {"]],
    seed: 1,
  },
  {
    name: "guard-without-deadline",
    what: "a runner that is frozen or cut off keeps its agents alive beyond its lease",
    file: `${runner}/guard/guard.js`,
    changes: [["ports.machineNs() > this.#deadlineNs", "false"]],
    seed: 50,
  },
  {
    name: "forget-evicted-agent",
    what: "an agent that leaves memory while facts are read passes for one that nobody knows (was shipped)",
    file: `${shell}/batch.js`,
    changes: [["resident.get(agentId) ?? loaded", "context.activations.get(agentId) ?? loaded"]],
    seed: 1,
  },
  {
    name: "believe-second-decision",
    what: "a batch whose first try was written unseen goes on with what a later try has decided (was shipped)",
    file: `${shell}/commit.js`,
    changes: [
      [
        '? { kind: "overtaken" } : { kind: "fenced" }',
        '? { kind: "committed" } : { kind: "fenced" }',
      ],
      ['outcome.kind === "committed" && again', "false"],
    ],
    seed: 250,
  },
  {
    name: "forget-granted-lock",
    what: "a limit stops the run that was granted a lock, and the lock stays with it (was shipped)",
    file: `${core}/on-grant.js`,
    changes: [["if (!run) {", "if (!run) return draft.done();\n    if (false) {"]],
    seed: 150,
  },
];

/** The file with the bug in it. @throws Error when the texts are not there exactly once: the code has moved on, and so must the bug. */
export function plant(mutant: Mutant, source: string): string {
  let planted = source;
  for (const [find, put] of mutant.changes) {
    const count = planted.split(find).length - 1;
    if (count !== 1)
      throw new Error(
        `mutant ${mutant.name}: ${JSON.stringify(find)} is ${count} times in ${mutant.file}`,
      );
    planted = planted.replace(find, () => put);
  }
  return planted;
}

/** Does it still apply? @throws Error as `plant`. */
export const checkMutant = (mutant: Mutant, root: string): string =>
  plant(mutant, readFileSync(new URL(mutant.file, root), "utf8"));
