/** I6: what is stored of a run's log are the bytes that its processes wrote, in order, or its row says where they were cut. */
import { createHash } from "node:crypto";
import type { Hash } from "node:crypto";
import { firstStoredFrom, inspectStream } from "../../nats/inspection.js";
import { replayLog } from "../../nats/log-stream.js";
import type { LogChunk, LogEnd } from "../../protocol/log-order.js";
import type { LogStreamName } from "../../protocol/subjects.js";
import type { Check } from "../check.js";
import type { Evidence, StreamAccess } from "../evidence.js";
import type { Found, Shown } from "../report.js";
import { attemptKey } from "../witness-index.js";
import { over } from "../words.js";

interface Run {
  id: string;
  companyId: string;
  attempt: number;
  logBytes: number | null;
  logSha256: string | null;
  logCut: string | null;
}

/** A hundred thousand: days of runs. Each is read in a few milliseconds and bytes are not kept. */
const runsMax = 100_000;

/** Runs that are over and began since the store holds everything, the newest first. */
async function runsToRead(evidence: Evidence): Promise<Run[]> {
  const since = await keptSince(evidence.streams!);
  if (since === null) return [];
  return evidence.snapshot.query<Run>(
    `select id, company_id as "companyId", attempt, log_bytes::float8 as "logBytes", log_sha256 as "logSha256", log_cut as "logCut"
     from heartbeat_runs where status in ${over} and started_at >= to_timestamp($1 / 1000.0)
       and not exists (select 1 from unnest($3::float8[], $4::float8[]) as lost(began, ended)
         where started_at <= to_timestamp(lost.ended / 1000) and finished_at >= to_timestamp(lost.began / 1000))
     order by created_at desc limit $2`,
    [
      since,
      Math.min(evidence.logsMax, runsMax),
      evidence.lostSpans.map(({ from }) => from),
      evidence.lostSpans.map(({ to }) => to),
    ],
  );
}

/** Ms since 1970. Streams drop their oldest, by age and when they are full; what a lost one held is lost. Null: it holds nothing more. */
async function keptSince({ bus, names }: StreamAccess): Promise<number | null> {
  const facts = await inspectStream(bus, names.logs);
  if (!facts) throw new Error(`there is no stream ${names.logs}`);
  const created = Date.parse(facts.created);
  if (facts.firstSeq <= 1) return created;
  const first = await firstStoredFrom(bus, names.logs, ">", facts.firstSeq);
  return first && Math.max(created, first.storedAtMs);
}

/** What one attempt has left in the store. */
interface Part {
  attempt: number;
  chunks: number;
  bytes: number;
  hash: Hash;
  offsets: Partial<Record<LogStreamName, number>>;
  byStream: Partial<Record<LogStreamName, { hash: Hash; bytes: number }>>;
  missing: number;
  end: LogEnd | null;
  faults: string[];
}

function takeChunk(part: Part, chunk: LogChunk): void {
  part.missing += chunk.missing ?? 0;
  if (chunk.end) {
    part.end = chunk.end;
    return;
  }
  const expected = part.offsets[chunk.stream] ?? 0;
  if (chunk.offset !== expected && (chunk.offset < expected || part.missing === 0))
    part.faults.push(`${chunk.stream} goes on at byte ${chunk.offset} after ${expected}`);
  part.offsets[chunk.stream] = chunk.offset + chunk.bytes.length;
  part.chunks += 1;
  part.bytes += chunk.bytes.length;
  part.hash.update(chunk.bytes);
  const stream = (part.byStream[chunk.stream] ??= { hash: createHash("sha256"), bytes: 0 });
  stream.hash.update(chunk.bytes);
  stream.bytes += chunk.bytes.length;
}

async function readParts({ bus, subjects }: StreamAccess, run: Run): Promise<Part[]> {
  const parts: Part[] = [];
  const source = { bus, subjects, companyId: run.companyId, runId: run.id };
  for await (const chunk of replayLog(source)) {
    let part = parts.at(-1);
    if (part?.attempt !== chunk.attempt) {
      part = {
        attempt: chunk.attempt,
        chunks: 0,
        bytes: 0,
        hash: createHash("sha256"),
        offsets: {},
        byStream: {},
        missing: 0,
        end: null,
        faults: [],
      };
      parts.push(part);
    }
    takeChunk(part, chunk);
  }
  return parts;
}

/** What is wrong with the log of one run; nothing of a cut one but what would be a lie all the same. */
function judge(run: Run, parts: readonly Part[], { witness }: Evidence): string[] {
  const faults = parts.flatMap((part) =>
    part.faults.map((fault) => `attempt ${part.attempt}: ${fault}`),
  );
  if (parts.some(({ attempt }) => attempt > run.attempt))
    faults.push("the store has an attempt that the run has not");
  const last = parts.find(({ attempt }) => attempt === run.attempt);
  const sealed = run.logBytes !== null;
  const cut = run.logCut !== null || (last?.end ?? null)?.cut !== null;
  if (sealed && run.logCut === null && !last?.end) faults.push("its closing message is missing");
  for (const part of parts) {
    const hash = part.hash.copy().digest("hex");
    if (part.end && part.end.cut === null) {
      if (part.missing > 0)
        faults.push(`attempt ${part.attempt}: ${part.missing} chunks are missing`);
      else if (part.bytes !== part.end.bytes || hash !== part.end.sha256)
        faults.push(`attempt ${part.attempt}: not the bytes that its closing message tells`);
    }
    if (part === last && sealed && !cut && part.missing === 0)
      if (part.bytes !== run.logBytes || hash !== run.logSha256)
        faults.push("not the bytes that its row tells");
    faults.push(...againstWitness(run, part, witness));
  }
  return faults;
}

function againstWitness(run: Run, part: Part, witness: Evidence["witness"]): string[] {
  const seen = witness?.attempts.get(attemptKey({ runId: run.id, attempt: part.attempt }));
  if (!seen || !part.end || part.end.cut !== null) return [];
  return seen.ends.flatMap(({ stream, bytes, sha256 }) => {
    if (!stream || bytes === undefined) return [];
    const stored = part.byStream[stream];
    const same =
      (stored?.bytes ?? 0) === bytes &&
      (bytes === 0 || sha256 === undefined || stored!.hash.copy().digest("hex") === sha256);
    return same
      ? []
      : [
          `attempt ${part.attempt}: ${stream} has ${stored?.bytes ?? 0} bytes, its process wrote ${bytes} or others`,
        ];
  });
}

async function logsAreWhole(evidence: Evidence): Promise<Found> {
  const runs = await runsToRead(evidence);
  const wrong: Shown[] = [];
  for (const run of runs) {
    const parts = await readParts(evidence.streams!, run);
    const faults = judge(run, parts, evidence);
    if (faults.length > 0)
      wrong.push({
        runId: run.id,
        faults,
        row: { bytes: run.logBytes, sha256: run.logSha256, cut: run.logCut },
        stored: parts.map(({ attempt, chunks, bytes, end }) => ({ attempt, chunks, bytes, end })),
      });
  }
  return { looked: runs.length, violations: wrong.length, rows: wrong.slice(0, evidence.rowsMax) };
}

export const logChecks: readonly Check[] = [
  {
    invariant: "I6",
    title: "a run's log is whole, or says that it was cut",
    unit: "logs of ended runs",
    needs: ["streams"],
    // Ended runs change no more, and what they are compared with is asked of the snapshot.
    stage: "snapshot",
    run: logsAreWhole,
  },
];
