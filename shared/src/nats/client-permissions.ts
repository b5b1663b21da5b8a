/**
 * What clients of people may do: those of one company, those without credentials on a machine of one's own, and whoever runs the
 * system. docs/nats.md shows the first two to their users.
 */
import { companyInboxPrefix, inboxPrefixes } from "../protocol/inboxes.js";
import { isUuid } from "../protocol/ids.js";
import { topologyNames } from "../protocol/topology.js";
import { grant, readBucket, readLogs } from "./grants.js";
import type { Grant, Permissions } from "./grants.js";

/** The public subjects of one company and nothing else. @throws RangeError when the id is none. */
export function companyPermissions(prefix: string, companyId: string): Permissions {
  if (!isUuid(companyId))
    throw new RangeError(`company is not a UUID: ${JSON.stringify(companyId).slice(0, 80)}`);
  return publicPermissions(prefix, companyId, companyInboxPrefix(companyId));
}

/** The public subjects of every company: for a server that only its owner reaches. */
export const clientPermissions = (prefix: string): Permissions => {
  const all = publicPermissions(prefix, undefined, "_INBOX");
  const { logs } = topologyNames(prefix);
  return {
    ...all,
    publish: [
      ...all.publish,
      grant("$JS.API.STREAM.NAMES", "clients that look for the stream of a subject"),
      grant(`$JS.API.DIRECT.GET.${logs}.>`, "the newest line of a run"),
      grant(`$JS.ACK.${logs}.>`, "clients that acknowledge what they read"),
    ],
  };
};

function publicPermissions(
  prefix: string,
  companyId: string | undefined,
  inbox: string,
): Permissions {
  const { logs } = topologyNames(prefix);
  const below = companyId === undefined ? `${prefix}.*` : `${prefix}.${companyId}`;
  return {
    publish: [
      grant(`${below}.agent.*.wake`, "wakes"),
      grant("$JS.API.INFO", "clients that ask whether JetStream is there"),
      grant(
        `$JS.API.STREAM.INFO.${logs}`,
        "clients that look at the stream before they read it in order",
      ),
      ...readLogs(logs, companyId === undefined ? prefix : below, "logs again"),
      // Replays at full speed: the server asks whether its reader keeps up.
      grant(
        `$JS.FC.${logs}.>`,
        "clients that are pushed to, when the server asks whether they keep up",
      ),
    ],
    subscribe: [
      grant(`${below}.run.*.log.>`, "logs, live"),
      grant(`${below}.run.*.transcript`, "what agents do, live"),
      grant(`${below}.event.>`, "what happens"),
      grant(`${inbox}.>`, "verdicts, and answers to its own requests"),
    ],
  };
}

/** Reads streams, consumers and buckets whole; changes nothing but readers that go by themselves. */
export function operatorPermissions(prefix: string): Permissions {
  const { mailbox, exec, logs, issueLocks, runnerLeases } = topologyNames(prefix);
  const readable = [mailbox, logs].flatMap((name): Grant[] => [
    grant(`$JS.API.CONSUMER.CREATE.${name}`, "`verify` reads all of it"),
    grant(`$JS.API.CONSUMER.CREATE.${name}.>`, "`verify` reads single runs of it"),
    grant(`$JS.API.CONSUMER.INFO.${name}.*`, "`verify` reads all of it"),
    grant(`$JS.API.CONSUMER.MSG.NEXT.${name}.*`, "`verify` reads all of it"),
    grant(`$JS.API.CONSUMER.DELETE.${name}.*`, "`verify` reads all of it"),
  ]);
  return {
    publish: [
      grant("$JS.API.INFO", "`doctor`: JetStream's level"),
      grant("$JS.API.STREAM.NAMES", "looking on with the `nats` command"),
      grant("$JS.API.STREAM.LIST", "looking on with the `nats` command"),
      ...[mailbox, exec, logs].flatMap((name): Grant[] => [
        grant(`$JS.API.STREAM.INFO.${name}`, "`topology`, `doctor`, `verify`"),
        grant(`$JS.API.DIRECT.GET.${name}`, "`doctor`, `verify`: single messages"),
        grant(`$JS.API.STREAM.MSG.GET.${name}`, "`verify`: the message at a cursor"),
        grant(`$JS.API.CONSUMER.LIST.${name}`, "`verify`: readers that are left over"),
        grant(`$JS.API.CONSUMER.NAMES.${name}`, "looking on with the `nats` command"),
      ]),
      grant(`$JS.API.CONSUMER.INFO.${exec}.*`, "what a pool waits for"),
      ...readable,
      ...readBucket(issueLocks, "`verify`: locks"),
      ...readBucket(runnerLeases, "`doctor`, `verify`: runners"),
      grant(`$JS.API.DIRECT.GET.KV_${issueLocks}`, "`verify`: single entries"),
      grant(`$JS.API.DIRECT.GET.KV_${runnerLeases}`, "`verify`: single entries"),
    ],
    subscribe: [
      grant(`${prefix}.*.event.>`, "what happens"),
      grant(`${prefix}.*.run.*.log.>`, "logs, live"),
      grant(`${prefix}.*.run.*.transcript`, "what agents do, live"),
      grant(`${inboxPrefixes.operator}.>`, "answers to its own requests"),
    ],
  };
}
