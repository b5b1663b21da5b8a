// Owns what an operation of a scenario is on the wire: subject, body, headers. Knows the fleet's rows only where a gateway would look
// something up. Publishes nothing.
import { encodePayload } from "@reveille/shared/protocol/codec";
import type { MailboxKind, Subjects } from "@reveille/shared/protocol/subjects";
import { simulationStartMs } from "../machine/loop.js";
import type { Tables } from "../store/tables.js";
import { isOver } from "./rows.js";
import { idOf } from "./scenario.js";
import type { Scenario } from "./scenario.js";
import type { Operation, WakeOperation } from "./scenario-operations.js";

export interface Publication {
  companyId: string;
  agentId: string;
  subject: string;
  data: Uint8Array;
  /** What it wakes for; null: no wake. */
  wake: WakeSent | null;
  /** What was recorded as a cost by it; null: no cost. */
  costId: string | null;
  /** Nobody can read it: it ends among the dead letters. */
  dead: boolean;
}
export interface WakeSent {
  /** Null: the publisher gave none. */
  wakeId: string | null;
  key: string | null;
  commentId: string | null;
}

export interface Sender {
  scenario: Scenario;
  subjects: Subjects;
  tables: Tables;
  /** Simulated milliseconds since the start. */
  nowMs: number;
}

/** Null: there is nothing (any more) that the operation could be about. */
export function publicationOf(sender: Sender, operation: Operation): Publication | null {
  switch (operation.kind) {
    case "wake":
      return wakePublication(sender, operation);
    case "pause":
    case "resume":
    case "cancel-all":
    case "admit":
    case "delete":
    case "terminate":
      return toAgent(sender, operation.agent, operation.kind, { actorType: "user" });
    case "reset-session":
      return toAgent(sender, operation.agent, operation.kind, { actorType: "user" });
    case "configure":
      return toAgent(sender, operation.agent, "configure", {
        runtimeConfig: withSlots(sender, operation.agent, operation.maxConcurrentRuns),
      });
    case "cost":
      return costPublication(sender, operation.agent, operation.cost);
    case "garbage":
      return garbage(sender, operation.agent, operation.dice);
    case "cancel":
      return toRun(sender, operation.dice, "cancel", ({ id }) => ({ runId: id, reason: "enough" }));
    case "report":
      return toRun(sender, operation.dice, "run.reported", ({ id, attempt }) => ({
        runId: id,
        attempt: Math.max(1, attempt),
        final: operation.dice % 3 === 0,
        patch: { summary: "as said", costUsd: (operation.dice % 7) / 1_000 },
      }));
    case "company":
    case "remove-issue":
      return null;
  }
}

/** A message to one agent's mailbox. */
export function toAgent(
  sender: Sender,
  agent: number,
  kind: MailboxKind,
  body: object,
): Publication {
  const { id, companyId } = sender.scenario.agents[agent]!;
  return {
    companyId,
    agentId: id,
    subject: sender.subjects.mailbox(companyId, id, kind),
    data: encodePayload(body, "json"),
    wake: null,
    costId: null,
    dead: false,
  };
}

function wakePublication(sender: Sender, operation: WakeOperation): Publication {
  const { scenario } = sender;
  const { number, agent, id, key } = operation;
  const issueId = operation.issue === null ? undefined : scenario.issues[operation.issue]!.id;
  const commentId = operation.comment ? idOf(scenario.seed, `comment ${number}`) : undefined;
  const about = {
    ...(issueId === undefined ? { taskKey: operation.task } : { issueId }),
    ...(commentId === undefined ? {} : { commentId }),
  };
  const common = {
    ...(id === null ? {} : { id }),
    ...(key === null ? {} : { idempotencyKey: key }),
    reason: `operation ${number}`,
  };
  const body = operation.trusted
    ? { ...common, source: operation.onDemand ? "on_demand" : "assignment", contextSnapshot: about }
    : { ...common, payload: about };
  const kind = operation.trusted ? "request" : "wake";
  const wake = { wakeId: id, key, commentId: commentId ?? null };
  return { ...toAgent(sender, agent, kind, body), wake };
}

function costPublication(sender: Sender, agent: number, cost: number): Publication {
  const costId = idOf(sender.scenario.seed, `cost ${agent} ${cost}`);
  const body = {
    id: costId,
    provider: "p",
    model: "m",
    inputTokens: 1,
    costMicros: 2_500 * (cost + 1),
    occurredAt: new Date(simulationStartMs).toISOString(),
  };
  return { ...toAgent(sender, agent, "cost", body), costId };
}

/** What has to end as a refusal or as a dead letter, and stop nobody. */
function garbage(sender: Sender, agent: number, dice: number): Publication {
  const base = toAgent(sender, agent, dice === 0 ? "wake" : "cancel", {});
  switch (dice) {
    case 0:
      return { ...base, data: Buffer.from("no map") };
    case 1:
      return { ...base, data: Buffer.from('{"runId":"not a run"}'), dead: true };
    case 2:
      return { ...base, data: Uint8Array.from([0xc1, 0xff]), dead: true };
    default:
      return { ...base, data: encodePayload({ runId: 1 }, "msgpack"), dead: true };
  }
}

/** A run that lives, by the dice; now and then one that is over. */
function toRun(
  sender: Sender,
  dice: number,
  kind: MailboxKind,
  body: (run: { id: string; attempt: number }) => object,
): Publication | null {
  const runs = sender.tables.heartbeat_runs.rows();
  const live = runs.filter(({ status }) => !isOver(status));
  const from = live.length > 0 && dice % 10 > 0 ? live : runs;
  const run = from[dice % Math.max(1, from.length)];
  if (!run) return null;
  const agent = sender.scenario.agents.findIndex(({ id }) => id === run.agent_id);
  return toAgent(sender, agent, kind, body(run));
}

function withSlots({ scenario }: Sender, agent: number, maxConcurrentRuns: number): object {
  const { runtimeConfig } = scenario.agents[agent]!;
  const heartbeat = runtimeConfig["heartbeat"] as Record<string, unknown>;
  return { ...runtimeConfig, heartbeat: { ...heartbeat, maxConcurrentRuns } };
}

/** The agent's configuration without a timer: what rests has nothing that wakes it. */
export function withoutTimer({ scenario }: Sender, agent: number): object {
  const { runtimeConfig } = scenario.agents[agent]!;
  const { intervalSec: _timer, ...heartbeat } = runtimeConfig["heartbeat"] as Record<
    string,
    unknown
  >;
  return { runtimeConfig: { ...runtimeConfig, heartbeat } };
}
