/**
 * `reveille verify`: judges the system by its rows, its streams and what was written down outside of it. The judging is
 * shared/src/verify; this gives it what it needs and prints what it says. Changes nothing, but for `--record`.
 */
import { readFileSync } from "node:fs";
import { InvalidArgumentError } from "commander";
import type { Command } from "commander";
import { EvidenceError } from "@reveille/shared/evidence/ndjson";
import { setRecorder } from "@reveille/shared/postgres/recorder";
import type { CheckReport, InvariantId, VerifyReport } from "@reveille/shared/verify/report";
import { verify } from "@reveille/shared/verify/verify";
import type { VerifyOptions } from "@reveille/shared/verify/verify";
import type { Action } from "../action.js";
import { connectOperator } from "../context.js";
import type { Context } from "../context.js";
import { CliFailure, exitCodes, usageFailure } from "../failure.js";
import type { ExitCode } from "../failure.js";
import { paintStatus } from "../output.js";
import { withDatabase } from "../record.js";

interface Options {
  atRest?: boolean;
  history?: string[];
  witness?: string[];
  canaries?: string;
  only?: ReadonlySet<InvariantId>;
  logs?: number;
  require?: number;
  rows?: number;
  settle?: number;
  streams: boolean;
  record?: "on" | "off";
}

export function registerVerify(program: Command, action: Action): void {
  program
    .command("verify")
    .description("check every invariant of the system; show the rows of what violates one")
    .option("--at-rest", "nothing may be under way: what is open is a violation")
    .option("--history <file...>", "what was asked and answered (NDJSON)")
    .option("--witness <file...>", "what agents' processes wrote down (NDJSON)")
    .option("--canaries <file>", "secret values, one a line, that must be found nowhere")
    .option("--only <ids>", "some invariants alone, for example I1,I7", readIds)
    .option("--logs <n>", "read the logs of the n newest runs, or of all (default 200)", readLogs)
    .option("--require <n>", "fail when fewer runs have succeeded", whole(0))
    .option("--rows <n>", "rows shown of one violation (default 5)", whole(1))
    .option("--settle <seconds>", "how long NATS and Postgres may differ (default 20)", whole(0))
    .option("--no-streams", "look at Postgres and the files alone")
    .option("--record <on|off>", "install or remove the recorder of transitions, and check nothing")
    .addHelpText(
      "after",
      `
Safe on a live system: it reads one snapshot of Postgres, takes no locks, and each statement is bounded in time. Without the
system's own NATS credentials, streams and buckets are skipped.

Exit codes: 0 clean, 1 something is violated, 2 something could not be checked.`,
    )
    .action(action<Options>(({ context, options }) => run(context, options)));
}

function readIds(text: string): ReadonlySet<InvariantId> {
  const ids = text.split(",").map((part) => part.trim().toUpperCase());
  if (!ids.every((id) => /^I\d{1,2}$/.test(id)))
    throw new InvalidArgumentError("must be ids such as I1,I7");
  return new Set(ids as InvariantId[]);
}

const whole =
  (min: number) =>
  (text: string): number => {
    const value = Number(text);
    if (!Number.isInteger(value) || value < min || value > 1_000_000)
      throw new InvalidArgumentError(`must be a whole number from ${min} to 1000000`);
    return value;
  };

const readLogs = (text: string): number =>
  text === "all" ? Number.POSITIVE_INFINITY : whole(0)(text);

async function run(context: Context, options: Options): Promise<ExitCode> {
  const { record } = options;
  if (record !== undefined) {
    if (record !== "on" && record !== "off") throw usageFailure("--record is on or off");
    await withDatabase(context, (pool) => setRecorder(pool, record === "on"));
    context.output.document({ recorder: record });
    context.output.line(`the recorder of transitions is ${record}`);
    return exitCodes.ok;
  }
  const report = await judge(context, options);
  context.output.document(report);
  print(context, report);
  if (report.verdict === "violated") return exitCodes.failed;
  return report.verdict === "clean" ? exitCodes.ok : exitCodes.unchecked;
}

async function judge(context: Context, options: Options): Promise<VerifyReport> {
  const { databaseUrl, serviceNats, prefix, dataDir } = context.system;
  if (!databaseUrl)
    throw usageFailure(
      "this needs the database: DATABASE_URL is not set",
      `No running system was found in ${dataDir} either (--data-dir says where to look).`,
    );
  if (options.streams && !serviceNats)
    context.output.note(
      "The system's own NATS credentials are not known here: streams and buckets are skipped.",
    );
  const canaries = options.canaries === undefined ? [] : readCanaries(options.canaries);
  try {
    const bus =
      options.streams && serviceNats
        ? await connectOperator(context.system, serviceNats)
        : undefined;
    try {
      const { history, witness, atRest, only, logs, rows, require: required, settle } = options;
      const asked: VerifyOptions = { database: databaseUrl, prefix, canaries };
      return await verify({
        ...asked,
        ...(bus ? { bus } : {}),
        ...(history ? { history } : {}),
        ...(witness ? { witness } : {}),
        ...(atRest ? { atRest } : {}),
        ...(only ? { only } : {}),
        ...(logs === undefined ? {} : { logs }),
        ...(rows === undefined ? {} : { rows }),
        ...(required === undefined ? {} : { require: required }),
        ...(settle === undefined ? {} : { settleMs: settle * 1_000 }),
      });
    } finally {
      await bus?.close();
    }
  } catch (error) {
    throw notChecked(error);
  }
}

function readCanaries(file: string): string[] {
  try {
    return readFileSync(file, "utf8")
      .split("\n")
      .filter((line) => line.length > 0);
  } catch (error) {
    throw usageFailure(`${file} cannot be read: ${(error as Error).message}`);
  }
}

/** Whatever was in the way: the answer is that nothing was checked. */
function notChecked(error: unknown): unknown {
  const { code } = error as { code?: string };
  if (error instanceof CliFailure)
    return new CliFailure(exitCodes.unchecked, error.message, error.hint, { cause: error });
  if (error instanceof EvidenceError || code === "StoreUnavailable" || code === "BrokerUnavailable")
    return new CliFailure(exitCodes.unchecked, (error as Error).message, undefined, {
      cause: error,
    });
  return error;
}

const words: Readonly<Record<CheckReport["status"], string>> = {
  clean: "ok",
  violated: "fail",
  unchecked: "error",
  skipped: "skip",
};
const skipTexts: Readonly<Record<string, string>> = {
  rest: "only at rest (--at-rest)",
  recorder: "needs the recorder (--record on)",
  streams: "needs NATS",
  history: "needs --history",
  witness: "needs --witness",
  canaries: "needs --canaries",
};

function print({ output }: Context, { checks, verdict }: VerifyReport): void {
  for (const check of checks) {
    const { invariant, title, status, looked, unit, violations, rows, reason } = check;
    const word = words[status];
    const painted = paintStatus(output.paint, word) + " ".repeat(6 - word.length);
    const why = reason === null ? "" : (skipTexts[reason] ?? reason);
    const seen = status === "skipped" ? why : `checked ${looked} ${unit}`;
    output.line(`${painted}${invariant.padEnd(4)} ${title} ${output.paint.dim(`(${seen})`)}`);
    if (status === "unchecked") output.line(`          could not be checked: ${why}`);
    if (status !== "violated") continue;
    output.line(`          ${violations} violations${violations > rows.length ? ", such as" : ""}`);
    for (const row of rows) output.line(`          ${JSON.stringify(row)}`);
  }
  const number = (status: CheckReport["status"]): number =>
    checks.filter((check) => check.status === status).length;
  output.line();
  output.line(
    `${verdict}: ${number("clean")} clean, ${number("violated")} violated, ${number("unchecked")} could not be made, ${number("skipped")} skipped.`,
  );
}
