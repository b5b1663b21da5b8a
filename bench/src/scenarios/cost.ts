/**
 * What one run costs, counted by the servers themselves: SQL statements (Postgres's log), stored messages and
 * KV operations (sequence numbers of the streams), messages over NATS. With a backlog, where batches share
 * statements, and one at a time, where they cannot; without and with an issue.
 */
import { readFileSync, statSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { drive } from "../floor/pipeline.js";
import type { DriverInput } from "../floor/wake-driver.js";
import { figure, type Figure, type Findings } from "../figure.js";
import { countsBetween, readNatsCounts, type NatsCounts } from "../nats-monitor.js";
import { addAgents, addIssues, noop, untilOver, type Product } from "../product.js";
import type { BenchServers } from "../servers.js";
import { countStatements, type StatementCount } from "../statement-log.js";
import { withProduct, withServers, type ScenarioOptions } from "./scenario.js";

/** The services' own names in Postgres begin with something else. */
const ownClients = new Set(["bench", "floor-observer", ""]);
const idleSeconds = 10;
const slots = 256;

interface Cost {
  runs: number;
  statements: StatementCount[];
  nats: NatsCounts;
}

/** Counts all of it. */
export const cost = (options: ScenarioOptions): Promise<Findings> =>
  withServers(
    options,
    (servers) =>
      withProduct(servers, slots, async (product) => {
        const backlog = options.quick ? 1_000 : 5_000;
        const few = options.quick ? 20 : 50;
        options.say("warm-up");
        await wakes(servers, product, { count: 500, agents: 200, issues: false });
        options.say("idle");
        const idle = await between(servers, 0, () => delay(idleSeconds * 1_000));
        options.say("backlog");
        const many = await between(servers, backlog, () =>
          wakes(servers, product, { count: backlog, agents: 1_000, issues: false }),
        );
        options.say("backlog with issues");
        const locked = await between(servers, backlog, () =>
          wakes(servers, product, { count: backlog, agents: 1_000, issues: true }),
        );
        options.say("one at a time");
        const single = await between(servers, few, async () => {
          for (let each = 0; each < few; each += 1)
            await wakes(servers, product, { count: 1, agents: 1, issues: false });
        });
        return { figures: figuresOf({ idle, many, locked, single }), checks: [] };
      }),
    { logStatements: true },
  );

function figuresOf(costs: { idle: Cost; many: Cost; locked: Cost; single: Cost }): Figure[] {
  const { idle, many, locked, single } = costs;
  const perRun = (cost: Cost, total: number): number => total / cost.runs;
  const statements = (cost: Cost): number => sum(cost.statements.map(({ count }) => count));
  const kv = (cost: Cost): number =>
    sum(Object.entries(cost.nats.stored).map(([name, n]) => (name.startsWith("KV_") ? n : 0)));
  const stored = (cost: Cost): number => sum(Object.values(cost.nats.stored)) - kv(cost);
  const detail = (cost: Cost): Record<string, unknown> => ({
    storedPerRun: mapValues(cost.nats.stored, (n) => perRun(cost, n)),
    natsInPerRun: perRun(cost, cost.nats.in),
    natsOutPerRun: perRun(cost, cost.nats.out),
    apiCallsPerRun: perRun(cost, cost.nats.apiCalls),
    writesPerRun: perRun(cost, sum(cost.statements.map(({ count, writes }) => count * writes))),
    statements: cost.statements.slice(0, 30),
  });
  const rows: [string, Cost][] = [
    ["with a backlog", many],
    ["with a backlog, on issues", locked],
    ["one at a time", single],
  ];
  // The bar of the issue is for the amortised share: the backlog.
  const bar = { direction: "lower", limit: 6 } as const;
  return [
    ...rows.flatMap(([name, one]) => [
      figure(
        `SQL statements a run, ${name}`,
        perRun(one, statements(one)),
        "statements",
        one === single ? undefined : bar,
        { samples: one.runs, detail: detail(one) },
      ),
      figure(`stored messages a run, ${name}`, perRun(one, stored(one)), "messages"),
      figure(`KV writes a run, ${name}`, perRun(one, kv(one)), "writes"),
      figure(`messages to NATS a run, ${name}`, perRun(one, one.nats.in), "messages"),
    ]),
    figure("SQL statements while idle", statements(idle) / idleSeconds, "a second", undefined, {
      detail: { statements: idle.statements.slice(0, 30) },
    }),
    figure("messages to NATS while idle", idle.nats.in / idleSeconds, "a second"),
  ];
}

async function between(
  servers: BenchServers,
  runs: number,
  work: () => Promise<unknown>,
): Promise<Cost> {
  const from = statSync(servers.postgresLog).size;
  const before = await readNatsCounts(servers.monitorUrl);
  await work();
  const nats = countsBetween(before, await readNatsCounts(servers.monitorUrl));
  const log = readFileSync(servers.postgresLog).subarray(from).toString();
  const statements = countStatements(log).filter(({ client }) => !ownClients.has(client));
  return { runs, statements, nats };
}

async function wakes(
  servers: BenchServers,
  { pool }: Product,
  size: { count: number; agents: number; issues: boolean },
): Promise<void> {
  const fleet = await addAgents(pool, size.agents, noop);
  const { count } = size;
  const input: DriverInput = {
    natsUrl: servers.publicNatsUrl,
    prefix: "rv",
    ...fleet,
    count,
    label: "cost",
    mode: "burst",
    ...(size.issues ? { issueIds: await addIssues(pool, fleet.companyId, count) } : {}),
  };
  await drive(input, 120_000);
  await untilOver(pool, fleet.companyId, count, 120_000);
}

const sum = (numbers: readonly number[]): number => numbers.reduce((all, one) => all + one, 0);
const mapValues = <In, Out>(
  record: Readonly<Record<string, In>>,
  change: (value: In) => Out,
): Record<string, Out> =>
  Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]));
