/**
 * What each service may publish and subscribe, derived from the subjects and the topology: one line for each need, with who needs it
 * for what. The generated configurations are printed from here, and `test/src/permissions` tries every line and its neighbours.
 * Knows no server, no key and no file. Clients of people: `client-permissions.ts`.
 */
import { inboxPrefixes, runnerInboxPrefix } from "../protocol/inboxes.js";
import { isPoolName } from "../protocol/subjects.js";
import { topologyNames } from "../protocol/topology.js";
import {
  clientPermissions,
  companyPermissions,
  operatorPermissions,
} from "./client-permissions.js";
import { grant, readBucket, readLogs } from "./grants.js";
import type { Grant, Permissions } from "./grants.js";

/** Who connects. Each has a user of its own. */
export type Identity =
  | { kind: "gateway" }
  | { kind: "agent-actor" }
  /** The topology keeper: a second connection of the agent-actors that alone makes streams, consumers and buckets. */
  | { kind: "keeper" }
  /** Of one pool: executions of other pools are not for it. */
  | { kind: "runner"; pool: string }
  /** `reveille doctor`, `topology` and `verify`: reads everything, changes nothing. */
  | { kind: "operator" }
  /** Clients of one company. */
  | { kind: "company"; companyId: string }
  /** Clients without credentials on a machine of one's own: every company's public subjects. */
  | { kind: "local" }
  /** Everything: repairs by hand, and the test's own connection. No service has it. */
  | { kind: "admin" };

/** A pool's consumer takes its name from the pool, so it is a permission of its own. */
export function userName(identity: Identity): string {
  if (identity.kind === "runner") return `runner-${identity.pool}`;
  if (identity.kind === "company") return `company-${identity.companyId}`;
  return identity.kind;
}

/** The inbox prefix with which this identity must connect. */
export function inboxPrefixOf(identity: Identity): string {
  switch (identity.kind) {
    case "gateway":
      return inboxPrefixes.gateway;
    case "agent-actor":
      return inboxPrefixes.agentActor;
    case "keeper":
      return inboxPrefixes.keeper;
    case "runner":
      return runnerInboxPrefix(identity.pool);
    case "operator":
      return inboxPrefixes.operator;
    case "company":
      return `_INBOX.${identity.companyId}`;
    case "local":
    case "admin":
      return "_INBOX";
  }
}

/** What an identity may do below one prefix of subjects. @throws RangeError for a pool or company that is none. */
export function permissionsOf(identity: Identity, prefix: string): Permissions {
  switch (identity.kind) {
    case "gateway":
      return gateway(prefix);
    case "agent-actor":
      return agentActor(prefix);
    case "keeper":
      return keeper(prefix);
    case "runner":
      return runner(prefix, identity.pool);
    case "operator":
      return operatorPermissions(prefix);
    case "company":
      return companyPermissions(prefix, identity.companyId);
    case "local":
      return clientPermissions(prefix);
    case "admin":
      return {
        publish: [grant(">", "repairs by hand")],
        subscribe: [grant(">", "repairs by hand")],
      };
  }
}

const own = (inbox: string): Grant => grant(`${inbox}.>`, "answers to its own requests");

function gateway(prefix: string): Permissions {
  const { mailbox, logs, issueLocks, runnerLeases } = topologyNames(prefix);
  return {
    publish: [
      grant(
        `${prefix}.*.agent.*.*`,
        "requests and commands of the API; dead letters sent again, which are of any kind",
      ),
      grant(`${prefix}.*.agent.*.run.*`, "final words of callees; dead letters that are reports"),
      grant(`${prefix}.*.event.>`, "activity for consoles; wakes that were sent again"),
      grant(`${prefix}.runner.pool.*.probe`, "questions about adapters"),
      grant(`$JS.API.STREAM.INFO.${mailbox}`, "how full the mailbox is"),
      grant(
        `$JS.API.DIRECT.GET.${mailbox}`,
        "the oldest undecided message of a partition or an agent",
      ),
      ...readBucket(issueLocks, "who holds an issue"),
      ...readBucket(runnerLeases, "which runners live"),
      ...readLogs(logs, prefix, "logs, stored and followed"),
    ],
    subscribe: [
      own(inboxPrefixes.gateway),
      grant(
        `${prefix}.*.event.>`,
        "events for sockets, one subscription for each company that is watched",
      ),
      grant(`${prefix}.*.run.*.log.>`, "logs that are followed live"),
      grant(`${prefix}.*.run.*.transcript`, "transcripts that are followed"),
    ],
  };
}

function agentActor(prefix: string): Permissions {
  const { mailbox, exec, logs, issueLocks, runnerLeases } = topologyNames(prefix);
  return {
    publish: [
      grant(`${prefix}.*.agent.*.timer`, "timers that came due"),
      grant(`${prefix}.*.agent.*.grant`, "an issue that was handed over"),
      grant(`${prefix}.*.agent.*.expired`, "attempts whose runner is gone"),
      grant(`${prefix}.exec.pool.>`, "executions, of every pool"),
      grant(`${prefix}.*.run.*.control`, "cancels and finishes"),
      grant(`${prefix}.runner.*.answer`, "what became of a report"),
      grant(`${prefix}.*.event.>`, "what happened"),
      grant(`${prefix}.host.*.handover`, "partitions that are given away"),
      grant(`${prefix}.topology.generation`, "a lost stream"),
      grant(`${inboxPrefixes.gateway}.>`, "verdicts of wakes that came by the API"),
      grant("_INBOX.>", "verdicts of wakes that came by NATS"),
      grant(`${inboxPrefixes.runners}.>`, "secrets, sealed to the key of the claim"),
      grant(`$JS.API.STREAM.INFO.${mailbox}`, "transform and bounds of the mailbox"),
      grant(
        `$JS.API.STREAM.MSG.GET.${mailbox}`,
        "is the last applied message still there, by the leader",
      ),
      grant(`$JS.API.CONSUMER.CREATE.${mailbox}`, "a reader for each partition that it owns"),
      grant(`$JS.API.CONSUMER.INFO.${mailbox}.*`, "the reader that it made"),
      grant(`$JS.API.CONSUMER.MSG.NEXT.${mailbox}.*`, "messages of its partitions"),
      grant(`$JS.API.CONSUMER.DELETE.${mailbox}.*`, "readers of partitions that it gave up"),
      grant(`$JS.API.STREAM.INFO.${exec}`, "how full it is, for metrics"),
      grant(`$JS.API.STREAM.INFO.${logs}`, "how full it is, for metrics"),
      grant(`$JS.API.STREAM.PURGE.${mailbox}`, "what lies behind a cursor"),
      grant(`$JS.API.STREAM.PURGE.${exec}`, "an execution that is withdrawn"),
      ...readBucket(issueLocks, "locks of issues"),
      grant(`$KV.${issueLocks}.>`, "takes, hands over and releases locks of issues"),
      ...readBucket(runnerLeases, "does the runner behind an attempt live"),
    ],
    subscribe: [
      own(inboxPrefixes.agentActor),
      grant(`${prefix}.host.*.handover`, "partitions that it is given"),
      grant(`${prefix}.topology.generation`, "a lost stream"),
      grant(`${prefix}.secrets.resolve`, "questions of runners about secrets"),
    ],
  };
}

function keeper(prefix: string): Permissions {
  const { mailbox, exec, logs, issueLocks, runnerLeases } = topologyNames(prefix);
  const streams = [mailbox, exec, logs, `KV_${issueLocks}`, `KV_${runnerLeases}`];
  return {
    publish: [
      grant("$JS.API.INFO", "what the server is"),
      ...streams.flatMap((name) => [
        grant(`$JS.API.STREAM.INFO.${name}`, "is it there, and as it must be"),
        grant(`$JS.API.STREAM.CREATE.${name}`, "makes it"),
        grant(`$JS.API.STREAM.UPDATE.${name}`, "brings it to this version's settings"),
      ]),
      grant(`$JS.API.CONSUMER.CREATE.${exec}.*.${prefix}.exec.pool.>`, "the consumer of a pool"),
      grant(`$JS.API.CONSUMER.INFO.${exec}.*`, "the consumer of a pool"),
      grant(`$JS.API.CONSUMER.LIST.${exec}`, "pools that are no longer configured"),
      grant(`$JS.API.CONSUMER.NAMES.${exec}`, "pools that are no longer configured"),
      grant(`$JS.API.CONSUMER.DELETE.${exec}.*`, "the consumer of a pool that is gone"),
    ],
    subscribe: [own(inboxPrefixes.keeper)],
  };
}

/** 10 s: as long as a gateway waits for an answer about an adapter. */
const probeAnswerMs = 10_000;

function runner(prefix: string, pool: string): Permissions {
  if (!isPoolName(pool)) throw new RangeError(`not the name of a pool: ${JSON.stringify(pool)}`);
  const { exec, runnerLeases, poolConsumer } = topologyNames(prefix);
  const consumer = `${exec}.${poolConsumer(pool)}`;
  return {
    publish: [
      ...["started", "progress", "finished", "lost"].map((kind) =>
        grant(`${prefix}.*.agent.*.run.${kind}`, "reports about its runs"),
      ),
      grant(`${prefix}.*.run.*.log.*`, "what its runs print"),
      grant(`${prefix}.*.run.*.transcript`, "what its agents do"),
      grant(`${prefix}.*.event.heartbeat.run.log`, "the newest lines, for consoles"),
      grant(`${prefix}.secrets.resolve`, "secrets of a run that it has claimed"),
      grant(`$JS.API.CONSUMER.MSG.NEXT.${consumer}`, "executions of its pool"),
      grant(`$JS.ACK.${consumer}.>`, "takes an execution, or gives it back"),
      ...readBucket(runnerLeases, "its lease, and those of runners on its machine"),
      grant(`$KV.${runnerLeases}.>`, "its lease"),
    ],
    subscribe: [
      own(runnerInboxPrefix(pool)),
      grant(`${prefix}.runner.*.answer`, "what became of its reports"),
      grant(`${prefix}.*.run.*.control`, "cancels and finishes"),
      grant(`${prefix}.runner.pool.${pool}.probe`, "questions about its adapters"),
    ],
    responses: { max: 1, withinMs: probeAnswerMs, why: "answers to questions about its adapters" },
  };
}
