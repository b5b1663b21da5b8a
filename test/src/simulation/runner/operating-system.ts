// Owns what a simulated machine keeps for runners, guards and agents: lifelines, the trees below them, which claim an attempt runs
// under. It outlives its processes. Knows no NATS.
import type { Lifeline, Place } from "@reveille/runner/containment/lifeline";
import { LifelineGone } from "@reveille/runner/containment/tree";
import type { Tree, Trees } from "@reveille/runner/containment/tree";
import type { ClaimNote } from "@reveille/runner/guard/guard-protocol";
import type { Loop } from "../machine/loop.js";
import { SimProcess } from "../machine/process.js";
import type { Random } from "../machine/random.js";
import type { AgentPlan } from "./agent-plan.js";
import { AgentTree } from "./agent-tree.js";

/** An agent's process with its whole tree, as the world sees it. */
export interface AgentProcess {
  companyId: string;
  agentId: string;
  issueId: string | null;
  runId: string;
  attempt: number;
  incarnation: string;
  /** Under which its runner told its guard of it; null: it never did. */
  claimId: string | null;
}
export interface AgentHooks {
  /** The command runs now. */
  onStart: (process: AgentProcess) => void;
  /** The last process of its tree is dead. */
  onEnd: (process: AgentProcess, how: "ended" | "killed") => void;
}
/** What the first process is told on its command line. */
export interface AgentOrders {
  companyId: string;
  agentId: string;
  issueId: string | null;
  plan: AgentPlan;
}

interface KeptLifeline {
  incarnation: string;
  guard: SimProcess;
  cut: boolean;
  trees: Set<AgentTree>;
}

/** Between looks whether what was killed is dead, as the shipped `cutCgroup` makes its pauses. */
const cutPauseMs = 1;

const guardStates = { running: "alive", frozen: "stopped", dead: "gone" } as const;

export class OperatingSystem {
  /** By whose clock the agents live: frozen with the machine, or as the supervisor freezes a cgroup. */
  readonly agents: SimProcess;
  readonly #loop: Loop;
  readonly #random: Random;
  readonly #hooks: AgentHooks;
  readonly #name: string;
  readonly #lifelines = new Map<string, KeptLifeline>();
  readonly #claims = new Map<string, string>();
  #pids = 1_000;

  constructor(options: { loop: Loop; random: Random; name: string; hooks: AgentHooks }) {
    this.#loop = options.loop;
    this.#random = options.random;
    this.#name = options.name;
    this.#hooks = options.hooks;
    this.agents = new SimProcess(options.loop, `${options.name} agents`);
  }

  nextPid(): number {
    return this.#pids++;
  }
  /** Trees with a living process. */
  get liveCount(): number {
    let count = 0;
    for (const { trees } of this.#lifelines.values())
      for (const tree of trees) if (tree.alive) count += 1;
    return count;
  }

  /** What a runner writes to its guard is known to its machine. */
  claimed(incarnation: string, { runId, attempt, claimId }: ClaimNote): void {
    this.#claims.set(`${incarnation}:${runId}:${attempt}`, claimId);
  }

  makeLifeline(incarnation: string, guard: SimProcess): Lifeline {
    const path = `/${this.#name}/reveille-${incarnation}`;
    this.#lifelines.set(path, { incarnation, guard, cut: false, trees: new Set() });
    return { kind: "cgroup", path };
  }

  /** The trees of one incarnation, for its runner. */
  openTrees({ path }: Lifeline, incarnation: string, runner: SimProcess): Trees {
    return {
      kind: "cgroup",
      spareCount: 0,
      open: (runId, attempt, { args }) =>
        this.#open(path, { runId, attempt, incarnation }, args[0]!, runner),
      retire: () => undefined,
      close: () => undefined,
    };
  }

  /** Kills what is below a lifeline, by whom ever; resolves when nothing is left and nothing can start. */
  async cut({ path }: Pick<Lifeline, "path">, by: SimProcess): Promise<void> {
    const lifeline = this.#lifelines.get(path);
    if (!lifeline) return;
    lifeline.cut = true;
    while ([...lifeline.trees].some(({ alive }) => alive)) {
      for (const tree of lifeline.trees) tree.kill();
      await new Promise<void>((resume) => void by.later(cutPauseMs, resume));
    }
    this.#lifelines.delete(path);
  }

  /** All lifelines of this machine, as one of its processes finds and cuts them. */
  place(by: SimProcess): Place {
    return {
      find: () =>
        [...this.#lifelines].map(([path, { incarnation, guard }]) => ({
          incarnation,
          lifeline: { kind: "cgroup", path },
          guard: guardStates[guard.state],
        })),
      cutAll: async (found) => {
        for (const { lifeline } of found) await this.cut(lifeline, by);
        return { swept: found.map(({ incarnation }) => incarnation), stuck: [] };
      },
    };
  }

  /** The machine loses its power: its processes (runner and guard are the world's to kill) are gone at once. */
  powerOff(): void {
    for (const { trees } of this.#lifelines.values()) for (const tree of trees) tree.vanish();
    this.#lifelines.clear();
  }

  /** @throws LifelineGone */
  #open(
    path: string,
    attempt: Pick<AgentProcess, "runId" | "attempt" | "incarnation">,
    argument: string,
    runner: SimProcess,
  ): Tree {
    const lifeline = this.#lifelines.get(path);
    if (!lifeline || lifeline.cut) throw new LifelineGone(`no cgroup ${path}`);
    const { plan, ...whose } = JSON.parse(argument) as AgentOrders;
    const process: AgentProcess = {
      ...whose,
      ...attempt,
      claimId:
        this.#claims.get(`${attempt.incarnation}:${attempt.runId}:${attempt.attempt}`) ?? null,
    };
    const tree: AgentTree = new AgentTree({
      loop: this.#loop,
      random: this.#random,
      runner,
      agents: this.agents,
      pid: this.nextPid(),
      plan,
      canJoin: () => !lifeline.cut,
      onStart: () => this.#hooks.onStart(process),
      onEnd: (killed) => {
        lifeline.trees.delete(tree);
        this.#hooks.onEnd(process, killed ? "killed" : "ended");
      },
    });
    lifeline.trees.add(tree);
    return tree;
  }
}
