/**
 * Answers questions about this runner's adapters: which there are, and whether a configuration would
 * work here. Starts no run, changes nothing, and tells no value of an environment.
 */
import type { Bus, BusMessage, BusSubscription } from "@reveille/shared/nats/bus";
import { decodePayload, encodePayload } from "@reveille/shared/protocol/codec";
import { environmentCheckSchema, probeRequestSchema } from "@reveille/shared/protocol/probe";
import type { EnvironmentTest, ProbeAnswer, ProbeRequest } from "@reveille/shared/protocol/probe";
import { secretRefsOf } from "@reveille/shared/protocol/secrets";
import type { Subjects } from "@reveille/shared/protocol/subjects";
import type { Clock, Timer } from "@reveille/shared/runtime/clock";
import type { Logger } from "@reveille/shared/runtime/log";
import type { Adapter, EnvironmentCheck, Json, TestContext } from "./adapter.js";
import type { AdapterCatalog } from "./adapters/catalog.js";
import { readLimits } from "./adapters/limits.js";
import { configFault, describeAdapter } from "./adapters/shape.js";
import type { RunnerConfig } from "./config.js";
import type { RunFiles } from "./run-files.js";
import { checkWorkspaces } from "./workspace/workspace-checks.js";

export interface ProbeParts {
  clock: Clock;
  bus: Bus;
  subjects: Subjects;
  config: Pick<
    RunnerConfig,
    "pool" | "timeoutSecDefault" | "idleTimeoutSecDefault" | "repositories"
  >;
  files: Pick<RunFiles, "findCommand">;
  adapters: AdapterCatalog;
  inherited: Readonly<Record<string, string>>;
  logger: Logger;
}

/** A test may wait for a name server; four at once are more people than look at one pool's runner. */
const atOnceMax = 4;
/** The asker waits 10 s. */
const answerWithinMs = 8_000;
/** What an answer may hold (`environmentTestSchema`). */
const checksMax = 50;

/** Answers until it is unsubscribed; of a pool's runners any one answers. */
export function answerProbes(parts: ProbeParts): BusSubscription {
  const { bus, subjects, config, logger } = parts;
  let busy = 0;
  const answer = async ({ data, reply }: BusMessage): Promise<void> => {
    busy += 1;
    try {
      const answered =
        busy > atOnceMax ? refused("busy with other questions") : await ask(parts, data);
      bus.publish(reply, encodePayload(answered));
    } catch (error) {
      logger.error({ err: error }, "a question about adapters broke");
      bus.publish(reply, encodePayload(refused("the question broke in the runner")));
    } finally {
      busy -= 1;
    }
  };
  return bus.subscribe(
    subjects.probe(config.pool),
    (message) => {
      if (message.reply !== "") void answer(message);
    },
    {
      queue: "probe",
      onDenied: (error) => logger.warn({ err: error }, "questions about adapters are not allowed"),
    },
  );
}

const refused = (reason: string): ProbeAnswer => ({ kind: "refused", reason });

async function ask(parts: ProbeParts, data: Uint8Array): Promise<ProbeAnswer> {
  const { adapters } = parts;
  const decoded = decodePayload(data);
  if (!decoded.ok) return refused(decoded.reason);
  const read = probeRequestSchema.safeParse(decoded.value);
  if (!read.success) {
    const [issue] = read.error.issues;
    return refused(`${issue?.path.join(".")}: ${issue?.message}`);
  }
  const request = read.data;
  if (request.kind === "describe")
    return { kind: "describe", adapters: adapters.all.map(describeAdapter) };
  const adapter = adapters.find(request.adapterType);
  if (!adapter)
    return refused(
      `Unknown adapter type "${request.adapterType}"; here: ${adapters.types.join(", ")}`,
    );
  return { kind: "test", test: await testAdapter(parts, adapter, request) };
}

async function testAdapter(
  { clock, inherited: env, config, files }: ProbeParts,
  adapter: Adapter,
  { companyId, adapterConfig, workspaces }: Extract<ProbeRequest, { kind: "test" }>,
): Promise<EnvironmentTest> {
  const { timeoutSecDefault: timeoutSec, idleTimeoutSecDefault: idleTimeoutSec } = config;
  const given = withoutSecrets(adapterConfig);
  const git = files.findCommand("git", "/", env["PATH"] ?? "");
  const place = { clock, settings: config.repositories, git, inherited: process.env };
  const [checks, found] = await Promise.all([
    checksOf(clock, adapter, { companyId, config: given, env }),
    workspaces === undefined || adapter.starts === "nothing"
      ? []
      : checkWorkspaces(place, workspaces, adapterConfig),
  ]);
  const limits = readLimits(given, { timeoutSec, idleTimeoutSec });
  const known = checks.some(({ level }) => level === "error");
  // What the adapter says in words of its own is not said again.
  const fault = limits.ok ? (known ? null : configFault(adapter, given)) : limits.message;
  const hint = "Change adapterConfig of the agent";
  if (fault) checks.push({ code: "config_invalid", level: "error", message: fault, hint });
  if (checks.length === 0)
    checks.push({ code: "config_valid", level: "info", message: "The configuration is complete" });
  checks.push(...found);
  const has = (level: EnvironmentCheck["level"]): boolean =>
    checks.some((check) => check.level === level);
  return {
    adapterType: adapter.type,
    status: has("error") ? "fail" : has("warn") ? "warn" : "pass",
    checks: checks.slice(0, checksMax),
    testedAt: new Date(clock.wallMs()).toISOString(),
  };
}

/** With any text in place of references to secrets: whether they can be resolved is not asked here. */
function withoutSecrets(config: Json): Json {
  const shown: Record<string, Json> = {};
  for (const { field, name } of secretRefsOf(config))
    (shown[field] ??= { ...(config[field] as Json) })[name] = "secret";
  return { ...config, ...shown };
}

/** What the adapter says within its time; it cannot make the question fail. */
async function checksOf(
  clock: Clock,
  adapter: Adapter,
  context: Omit<TestContext, "signal">,
): Promise<EnvironmentCheck[]> {
  if (!adapter.test) return [];
  const due = new AbortController();
  let timer: Timer | undefined;
  const late = new Promise<"late">((resolve) => {
    timer = clock.after(answerWithinMs, () => {
      due.abort();
      resolve("late");
    });
  });
  const failed = (message: string): EnvironmentCheck[] => [
    { code: "test_failed", level: "error", message: message.slice(0, 1_000) },
  ];
  try {
    const answer = await Promise.race([adapter.test({ ...context, signal: due.signal }), late]);
    if (answer === "late") return failed(`The test took longer than ${answerWithinMs / 1_000} s`);
    const read = environmentCheckSchema.array().safeParse(answer);
    return read.success ? [...read.data] : failed("The adapter's answer is no list of checks");
  } catch (error) {
    return failed(`The test broke: ${(error as Error).message}`);
  } finally {
    timer?.cancel();
  }
}
