// Owns one simulated run from its seed to its judgement: a fleet of shipped hosts and runners on a simulated store and server, what is
// asked of it, what is done to it, the heal, the quiet and the last look. Everything random follows from the seed.
import { createSubjects } from "@reveille/shared/protocol/subjects";
import { topologyNames } from "@reveille/shared/protocol/topology";
import { Loop, simulationStartMs } from "../machine/loop.js";
import { createRandom } from "../machine/random.js";
import { createSimNats } from "../nats/sim-nats.js";
import { createSimStore } from "../store/store.js";
import { ActorHost } from "./actor-host.js";
import { FaultInjection, StatementFaults } from "./fault-injection.js";
import type { Fleet } from "./fault-injection.js";
import { Findings } from "./findings.js";
import type { Finding } from "./findings.js";
import type { Ground } from "./ground.js";
import { watchLocks } from "./lock-witness.js";
import { Patience } from "./patience.js";
import { Publisher } from "./publisher.js";
import { publicationOf, toAgent, withoutTimer } from "./publications.js";
import { judgeAtRest, unrest } from "./rest.js";
import { RunnerPlace } from "./runner-place.js";
import { scenarioOf } from "./scenario.js";
import type { Scenario } from "./scenario.js";
import type { Operation } from "./scenario-operations.js";
import { StoreWitness } from "./store-witness.js";
import { Trace } from "./trace.js";

export interface Outcome {
  seed: number;
  finding: Finding | null;
  /** The same for two runs of a seed. */
  hash: string;
  /** The last events, oldest first; only with a finding. */
  lines: string[];
  scenario: Scenario;
  steps: number;
  simulatedMs: number;
  /** From the heal to the rest. */
  restMs: number;
  processStarts: number;
}
export interface RunOptions {
  /** Lines of the trace to keep with a finding. */
  linesMax?: number;
}

/** From the heal to the rest: leases, rounds of reconciling, and a queue of lasting runs on one slot. 51 s were the longest of some hundred seeds. */
const restLimitMs = 180_000;
/** How often it is asked whether all is quiet. */
const quietEveryMs = 500;

/** Runs one seed to its end. @throws Error when the simulation itself is at fault. */
export async function runSeed(seed: number, options: RunOptions = {}): Promise<Outcome> {
  const ground = groundOf(scenarioOf(seed));
  const { scenario, loop, findings, trace, witness } = ground;
  const fleet = startFleet(ground);
  const injection = new FaultInjection(ground, fleet, ground.sqlFaults);
  injection.schedule();
  for (const operation of scenario.operations)
    loop.schedule(operation.atMs, () => operate(ground, fleet, operation));
  loop.schedule(scenario.healAtMs, () => heal(ground, fleet));
  const patience = new Patience(ground, injection);
  let why: string | null = "it has only begun";
  const look = (): void => {
    patience.look();
    if (loop.nowMs > scenario.healAtMs) why = unrest(ground, fleet.publishers);
    loop.schedule(quietEveryMs, look);
  };
  look();
  const done = (): boolean => findings.first !== null || why === null;
  const ended = await loop.run(scenario.healAtMs + restLimitMs, { done });
  const restMs = loop.nowMs - scenario.healAtMs;
  if (ended !== "done") findings.add("rest", `does not come to rest: ${why}`);
  if (findings.first === null && loop.nowMs < scenario.untilMs) {
    await loop.run(scenario.untilMs - loop.nowMs, { done: () => findings.first !== null });
    if (why !== null) findings.add("rest", `does not stay at rest: ${why as string}`);
  }
  if (findings.first === null) judgeAtRest(ground, fleet.publishers, injection.losses);
  return {
    seed,
    finding: findings.first,
    hash: trace.hash,
    lines: findings.first ? trace.last(options.linesMax ?? 200) : [],
    scenario,
    steps: loop.steps,
    simulatedMs: loop.nowMs,
    restMs,
    processStarts: witness.processes.starts,
  };
}

function groundOf(scenario: Scenario): Ground & { sqlFaults: StatementFaults } {
  const loop = new Loop();
  // Another sequence than the scenario's: what is planned does not change with how it goes.
  const random = createRandom(scenario.seed ^ 0x5eed);
  const now = (): number => loop.nowMs;
  const findings = new Findings(now);
  const trace = new Trace();
  const { partitions, hopMaxMs } = scenario;
  const store = createSimStore({
    nowMs: () => simulationStartMs + Math.floor(loop.nowMs),
    partitions,
  });
  const subjects = createSubjects("rv");
  const hop = (): number => 0.05 + (random.below(1_000) / 1_000) * hopMaxMs;
  const ground = {
    scenario,
    loop,
    random,
    store,
    sqlFaults: new StatementFaults(random, hopMaxMs),
    nats: createSimNats({ loop, random, delayMs: hop }),
    subjects,
    names: topologyNames(subjects.prefix),
    witness: new StoreWitness(store, findings, trace, now),
    findings,
    trace,
  };
  watchLocks({
    jetstream: ground.nats.jetstream,
    stream: `KV_${ground.names.issueLocks}`,
    tables: store.tables,
    findings,
    trace,
    nowMs: now,
  });
  for (const { id, budgetMonthlyCents } of scenario.companies)
    store.insertCompany({ id, budget_monthly_cents: budgetMonthlyCents });
  for (const agent of scenario.agents)
    store.insertAgent({
      id: agent.id,
      company_id: agent.companyId,
      runtime_config: agent.runtimeConfig,
      budget_monthly_cents: agent.budgetMonthlyCents,
      next_timer_at: agent.timerAtMs === null ? null : simulationStartMs + agent.timerAtMs,
    });
  for (const { id, companyId } of scenario.issues)
    store.insertIssue({ id, company_id: companyId, identifier: id });
  return ground;
}

function startFleet(ground: Ground): Fleet {
  const { scenario, loop, random } = ground;
  const hosts = Array.from({ length: scenario.hosts }, (_, place) => new ActorHost(ground, place));
  const runners = scenario.runners.map((_, place) => new RunnerPlace(ground, place));
  const publishers = [0, 1].map((place) => new Publisher(ground, place));
  for (const place of [...hosts, ...runners]) loop.schedule(random.below(300), () => place.start());
  return { hosts, runners, publishers };
}

function operate(ground: Ground, { publishers }: Fleet, operation: Operation): void {
  const { scenario, subjects, store, loop } = ground;
  const sender = { scenario, subjects, tables: store.tables, nowMs: loop.nowMs };
  const publisher = publishers[operation.by % publishers.length]!;
  if (operation.kind === "company")
    return setCompany(ground, publisher, operation.company, operation.status);
  if (operation.kind === "remove-issue") {
    const issue = store.tables.issues.get(scenario.issues[operation.issue]!.id);
    return issue ? store.write((tables) => tables.issues.delete(issue)) : undefined;
  }
  const publication = publicationOf(sender, operation);
  if (publication) publisher.publish(publication);
}

/** Between the two words of a gateway to the agents of a company that was opened, ms: as its `admissions.ts` has it. */
const admitAgainMs = 3_000;

/** As a gateway: the row first, then word to every agent that it may go on, and once more when every host must have seen the row. */
function setCompany(
  ground: Ground,
  publisher: Publisher,
  at: number,
  status: "active" | "paused",
): void {
  const { scenario, subjects, store, loop } = ground;
  const { id } = scenario.companies[at]!;
  store.write((tables) => tables.companies.update(tables.companies.get(id)!, { status }));
  if (status !== "active") return;
  const sender = { scenario, subjects, tables: store.tables, nowMs: loop.nowMs };
  const admit = (): void => {
    for (const [agent, { companyId }] of scenario.agents.entries())
      if (companyId === id)
        publisher.publish(toAgent(sender, agent, "admit", { actorType: "user" }));
  };
  admit();
  loop.schedule(admitAgainMs, admit);
}

/** Nothing breaks any more; whatever keeps an agent from its queue is taken away, and nothing wakes it by itself. */
function heal(ground: Ground, { publishers }: Fleet): void {
  const { scenario, subjects, store, loop, trace } = ground;
  trace.note(loop.nowMs, "world", "heals");
  const publisher = publishers[0]!;
  const sender = { scenario, subjects, tables: store.tables, nowMs: loop.nowMs };
  for (const at of scenario.companies.keys()) setCompany(ground, publisher, at, "active");
  for (const agent of scenario.agents.keys()) {
    publisher.publish(toAgent(sender, agent, "configure", withoutTimer(sender, agent)));
    publisher.publish(toAgent(sender, agent, "resume", { actorType: "user" }));
  }
}
