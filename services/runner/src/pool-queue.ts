/**
 * The queue of this runner's pool: its consumer is made when it is missing, and what comes is an execution
 * or is dropped with its reason. Knows no slot.
 */
import type { WorkItem, WorkQueue } from "@reveille/shared/nats/work-queue";
import { decodeTrusted } from "@reveille/shared/protocol/codec";
import { executionSchema } from "@reveille/shared/protocol/execution";
import type { Execution } from "@reveille/shared/protocol/execution";
import { topologyNames } from "@reveille/shared/protocol/topology";
import type { Logger } from "@reveille/shared/runtime/log";
import type { RunnerConfig } from "./config.js";
import type { RunnerPorts } from "./ports.js";

interface PoolParts extends Pick<RunnerPorts, "openQueue" | "ensurePoolConsumer"> {
  config: Pick<RunnerConfig, "subjectPrefix" | "pool">;
  logger: Logger;
}

/** Starts with nothing wanted. */
export function openPool(parts: PoolParts, take: (item: WorkItem) => void): WorkQueue {
  const { config, logger } = parts;
  const names = topologyNames(config.subjectPrefix);
  let missing = false;
  return parts.openQueue({
    stream: names.exec,
    consumer: names.poolConsumer(config.pool),
    take,
    onMissing: () => {
      if (!missing) logger.warn({ pool: config.pool }, "the pool's consumer does not exist yet");
      missing = true;
      parts
        .ensurePoolConsumer()
        .catch((error: unknown) => logger.debug({ err: error }, "cannot make the pool's consumer"));
    },
    onFound: () => {
      missing = false;
      logger.info({ pool: config.pool }, "the pool's consumer is there");
    },
  });
}

/** The execution; null when it can never be run, which it is then told. */
export function readExecution(item: WorkItem, logger: Logger): Execution | null {
  let reason: string;
  try {
    const read = executionSchema.safeParse(decodeTrusted(item.data));
    if (read.success) return read.data;
    const [issue] = read.error.issues;
    reason = `${issue?.path.join(".")}: ${issue?.message}`;
  } catch (error) {
    reason = `not msgpack: ${(error as Error).message}`;
  }
  logger.error({ subject: item.subject, reason }, "an execution cannot be read and is dropped");
  item.term(reason.slice(0, 200));
  return null;
}
