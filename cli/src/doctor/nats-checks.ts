/** NATS as doctor sees it: reachable, new enough, with the streams and buckets that must exist as they must be. */
import { connectBus } from "@reveille/shared/nats/bus";
import type { NatsBus } from "@reveille/shared/nats/bus";
import { inspectServer, inspectStream } from "@reveille/shared/nats/inspection";
import { defaultSizes, topology, topologyNames } from "@reveille/shared/protocol/topology";
import type { Subjects } from "@reveille/shared/protocol/subjects";
import { byteSize } from "../output.js";
import { fail, ok, warn } from "./check.js";
import type { Check } from "./check.js";

/** 2.12: per-key TTL, the API level that the stream settings need. */
const versionFloor = [2, 12] as const;
const apiLevelFloor = 2;
/** The gateway refuses wakes above 80 %; a warning should come before that. */
const fillWarn = 0.7;
const fillFail = 0.8;

export async function checkServer(bus: NatsBus): Promise<Check[]> {
  const facts = await inspectServer(bus);
  const [major = 0, minor = 0] = facts.version.split(".").map(Number);
  const isOld = major < versionFloor[0] || (major === versionFloor[0] && minor < versionFloor[1]);
  return [
    isOld
      ? fail(
          "nats version",
          `nats-server ${facts.version}`,
          `Run nats-server ${versionFloor.join(".")} or newer; older ones drop settings without an error.`,
        )
      : ok("nats version", `nats-server ${facts.version}`),
    facts.apiLevel < apiLevelFloor
      ? fail(
          "jetstream",
          `API level ${facts.apiLevel}`,
          `Level ${apiLevelFloor} is needed: a newer nats-server on every node.`,
        )
      : ok("jetstream", `API level ${facts.apiLevel}, ${byteSize(facts.storageBytes)} stored`),
  ];
}

/** Streams and buckets, read back and compared with what this version would make. */
export async function checkTopology(
  bus: NatsBus,
  subjects: Subjects,
  generation: number,
  partitionCount: number,
): Promise<Check[]> {
  const wanted = topology(subjects, generation, partitionCount, defaultSizes);
  const names = topologyNames(subjects.prefix);
  const checks: Check[] = [];
  for (const stream of wanted.streams) {
    const name = `stream ${stream.name}`;
    const facts = await inspectStream(bus, stream.name);
    if (!facts) {
      checks.push(
        fail(
          name,
          "missing",
          "The topology keeper makes it: is an agent-actor running? Its log says why not.",
        ),
      );
      continue;
    }
    const wrong = [
      facts.subjects.join() === stream.subjects.join() ? "" : `subjects ${facts.subjects.join()}`,
      facts.retention === stream.retention ? "" : `retention ${facts.retention}`,
      facts.storage === stream.storage ? "" : `storage ${facts.storage}`,
    ].filter(Boolean);
    if (wrong.length > 0)
      checks.push(
        fail(
          name,
          wrong.join(", "),
          "Somebody else made or changed it. Remove it; the topology keeper makes it anew.",
        ),
      );
    else checks.push(fillOf(name, facts.messages, facts.bytes, facts.bytesMax, stream.discard));
    if (stream.name === names.mailbox && "subject_transform" in stream)
      checks.push(checkTransform(facts.transform?.dest, stream.subject_transform.dest));
  }
  for (const bucket of wanted.buckets) {
    const facts = await inspectStream(bus, `KV_${bucket.name}`);
    const name = `bucket ${bucket.name}`;
    if (!facts)
      checks.push(
        fail(
          name,
          "missing",
          "The topology keeper makes it: is an agent-actor running? Its log says why not.",
        ),
      );
    else if ((bucket.ttlMs === 0) !== (facts.ageMaxNs === 0))
      checks.push(
        fail(
          name,
          `TTL ${facts.ageMaxNs / 1e6} ms`,
          "Remove it; the topology keeper makes it anew.",
        ),
      );
    else checks.push(ok(name, `${facts.messages} entries, created ${facts.created}`));
  }
  return checks;
}

function checkTransform(found: string | undefined, wanted: string): Check {
  const name = "mailbox generation";
  return found === wanted
    ? ok(name, `the stream's transform is ${wanted}, as Postgres says`)
    : fail(
        name,
        `the stream's transform is ${found ?? "missing"}, Postgres says ${wanted}`,
        "The topology keeper moves it within seconds; if this stays, look at the agent-actors' log.",
      );
}

function fillOf(
  name: string,
  messages: number,
  bytes: number,
  bytesMax: number,
  discard: string,
): Check {
  const fill = bytesMax > 0 ? bytes / bytesMax : 0;
  const detail = `${messages} messages, ${byteSize(bytes)} (${Math.round(fill * 100)} %)`;
  // A stream that drops its oldest is meant to be full.
  if (discard === "old" || fill < fillWarn) return ok(name, detail);
  const mend =
    "Wakes arrive faster than they are decided: add agent-actor hosts, or raise the stream's size.";
  return fill < fillFail ? warn(name, detail, mend) : fail(name, detail, mend);
}

/** A denied request is answered by silence; a granted one within milliseconds on the same machine. */
const silenceMs = 400;

/** What a client without credentials may and may not do. */
export async function checkLocalUser(url: string, subjects: Subjects): Promise<Check> {
  const name = "nats local user";
  const names = topologyNames(subjects.prefix);
  const denied: string[] = [];
  const bus = await connectBus({
    url,
    name: "reveille-doctor",
    connectTimeoutMs: 3_000,
    onError: () => undefined, // the violations that this check provokes
  });
  try {
    const forbidden = [...subjects.mailboxes, subjects.executions, ">"];
    for (const subject of forbidden)
      bus.subscribe(subject, () => undefined, { onDenied: () => denied.push(subject) });
    await bus.flush();
    const answers = async (subject: string): Promise<boolean> =>
      bus.request(subject, new Uint8Array(), silenceMs).then(
        () => true,
        () => false,
      );
    const [readsLogs, readsMailbox] = await Promise.all([
      answers(`$JS.API.STREAM.INFO.${names.logs}`),
      answers(`$JS.API.STREAM.INFO.${names.mailbox}`),
    ]);
    const open = forbidden.filter((subject) => !denied.includes(subject));
    if (open.length > 0 || readsMailbox)
      return fail(
        name,
        `a client without credentials may read ${[...open, ...(readsMailbox ? [names.mailbox] : [])].join(", ")}`,
        'Give clients a user with an allow-list: docs/nats.md, "What is public". Everybody can read everything now.',
      );
    return readsLogs
      ? ok(name, "wakes, logs and events, nothing else")
      : warn(
          name,
          `${names.logs} cannot be read`,
          "Replaying logs needs the permissions in docs/nats.md.",
        );
  } finally {
    await bus.close();
  }
}
