// Owns the load of a soak: which operation comes next, from the seed, and when: open loop, at a fixed beat, whatever has become of the
// ones before. Bounded in what may be under way. Knows no fault.
import { randomUUID } from "node:crypto";
import { createRandom, type Random } from "../simulation/machine/random.js";
import type { Askers } from "./askers.js";
import type { Population, SoakAgent, SoakIssue } from "./population.js";

export interface LoadOptions {
  seed: number;
  /** Operations a second. */
  rate: number;
  /** A run that is under way now, to cancel it; undefined: none is known. */
  liveRun: () => { companyId: string; agentId: string; runId: string } | undefined;
}
export interface Load {
  /** Operations begun. */
  readonly begun: number;
  /** Operations left out because too many were under way. */
  readonly leftOut: number;
  /** No more operations; resolves when those under way have their ends. */
  stop(): Promise<void>;
}

/** 500: what a minute of silence holds back at 8 operations a second. */
const underWayMax = 500;

type Operation = (
  context: Pick<Scene, "askers" | "random" | "population" | "liveRun">,
) => Promise<void>;
interface Scene {
  askers: Askers;
  random: Random;
  population: Population;
  liveRun: LoadOptions["liveRun"];
  /** Earlier idempotency keys with the agent that they were for. */
  keys: { agent: SoakAgent; key: string }[];
}

const wakeable = ({ role }: SoakAgent): boolean => role !== "timed";
const someAgent = ({ population, random }: Pick<Scene, "population" | "random">): SoakAgent =>
  random.pick(population.agents.filter(wakeable));
const issueOf = (
  { population, random }: Pick<Scene, "population" | "random">,
  companyId: string,
): SoakIssue => random.pick(population.issues.filter((issue) => issue.companyId === companyId));

/** One wake of four is for an issue, which its agent may have to wait for. */
const payloadFor = (scene: Pick<Scene, "population" | "random">, agent: SoakAgent): object =>
  scene.random.chance(0.25)
    ? { issueId: issueOf(scene, agent.companyId).issueId }
    : { taskKey: `task-${scene.random.below(1_000_000)}` };

const publishWithId: Operation = (scene) => {
  const agent = someAgent(scene);
  return scene.askers.publish(agent, { payload: payloadFor(scene, agent), id: randomUUID() });
};
const publishWithout: Operation = (scene) => {
  const agent = someAgent(scene);
  return scene.askers.publish(agent, { payload: payloadFor(scene, agent) });
};
const wakeOverHttp: Operation = (scene) => {
  const agent = someAgent(scene);
  return scene.askers.wake(agent, { payload: payloadFor(scene, agent), mark: randomUUID() });
};

/** Every second one repeats one of the last keys, over the other way in. */
const withKey =
  (keys: Scene["keys"]): Operation =>
  (scene) => {
    const { random, askers } = scene;
    const again = keys.length > 0 && random.chance(0.5) ? random.pick(keys) : undefined;
    const agent = again?.agent ?? someAgent(scene);
    const idempotencyKey = again?.key ?? randomUUID();
    if (!again) keys.push({ agent, key: idempotencyKey });
    if (keys.length > 20) keys.shift();
    const payload = { taskKey: idempotencyKey };
    return random.chance(0.5)
      ? askers.publish(agent, { payload, id: randomUUID(), idempotencyKey })
      : askers.wake(agent, { payload, mark: randomUUID(), idempotencyKey });
  };

/** Agents that are never behind a gate: a comment must reach them. */
const comment: Operation = (scene) => {
  const { population, random, askers } = scene;
  const reachable = population.agents.filter(({ role }) => role === "narrow" || role === "wide");
  const mentioned = random.pick(reachable);
  const { companyId, issueId } = issueOf(scene, mentioned.companyId);
  return askers.operate(
    { op: "comment", id: randomUUID(), companyId, issueId, agentId: mentioned.agentId },
    {
      method: "POST",
      path: `/issues/${issueId}/comments`,
      body: { body: `Look at this, @${mentioned.name}` },
    },
    ({ body }) => ({ commentId: String(body["id"]) }),
  );
};
const assign: Operation = (scene) => {
  const agent = someAgent(scene);
  const { companyId, issueId } = issueOf(scene, agent.companyId);
  return scene.askers.operate(
    { op: "assign", id: randomUUID(), companyId, issueId, agentId: agent.agentId },
    { method: "PATCH", path: `/issues/${issueId}`, body: { assigneeAgentId: agent.agentId } },
  );
};
const cancel: Operation = async (scene) => {
  const run = scene.liveRun();
  if (!run) return publishWithId(scene);
  await scene.askers.operate(
    { op: "cancel", id: randomUUID(), ...run },
    { method: "POST", path: `/heartbeat-runs/${run.runId}/cancel`, body: {} },
    // After 30 s it is answered with the run as it is.
    ({ body }) => (body["status"] === "queued" || body["status"] === "running" ? undefined : {}),
  );
};
const gate: Operation = ({ population, random, askers }) => {
  const { companyId, agentId } = random.pick(
    population.agents.filter(({ role }) => role === "gated"),
  );
  const op = random.chance(0.4) ? "pause" : "resume";
  return askers.operate(
    { op, id: randomUUID(), companyId, agentId },
    { method: "POST", path: `/agents/${agentId}/${op}`, body: {} },
  );
};
const configure: Operation = ({ population, random, askers }) => {
  const { companyId, agentId } = random.pick(
    population.agents.filter(({ role }) => role === "altered"),
  );
  return askers.operate(
    { op: "configure", id: randomUUID(), companyId, agentId },
    {
      method: "PATCH",
      path: `/agents/${agentId}`,
      body: { title: `Title ${random.below(1_000)}` },
    },
  );
};

/** Of a hundred operations. */
const mix = (keys: Scene["keys"]): readonly (readonly [number, Operation])[] => [
  [42, publishWithId],
  [10, publishWithout],
  [16, wakeOverHttp],
  [10, withKey(keys)],
  [8, comment],
  [4, assign],
  [4, cancel],
  [4, gate],
  [2, configure],
];

/** Begins at once, and goes on until it is stopped. */
export function startLoad(askers: Askers, population: Population, options: LoadOptions): Load {
  const random = createRandom(options.seed);
  const keys: Scene["keys"] = [];
  const weighted = mix(keys).flatMap(([share, operation]) =>
    Array.from({ length: share }, () => operation),
  );
  const scene = { askers, random, population, liveRun: options.liveRun };
  const underWay = new Set<Promise<void>>();
  const counted = { begun: 0, leftOut: 0 };
  const began = performance.now();
  const beat = (): void => {
    const due = Math.floor(((performance.now() - began) / 1_000) * options.rate);
    while (counted.begun + counted.leftOut < due) {
      const operation = random.pick(weighted);
      if (underWay.size >= underWayMax) {
        counted.leftOut += 1;
        continue;
      }
      counted.begun += 1;
      const work: Promise<void> = operation(scene).finally(() => underWay.delete(work));
      underWay.add(work);
    }
  };
  const timer = setInterval(beat, 1_000 / options.rate / 2);
  return {
    get begun() {
      return counted.begun;
    },
    get leftOut() {
      return counted.leftOut;
    },
    stop: async () => {
      clearInterval(timer);
      await Promise.all(underWay);
    },
  };
}
