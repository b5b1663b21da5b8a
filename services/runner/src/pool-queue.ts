/**
 * The queue of this runner's pool: its consumer is made when it is missing, and what comes is an execution
 * or is dropped with its reason. Knows no slot.
 */
import type { WorkItem, WorkQueue } from "@reveille/shared/nats/work-queue";
import { decodeTrusted } from "@reveille/shared/protocol/codec";
import { executionSchema } from "@reveille/shared/protocol/execution";
import type { Execution } from "@reveille/shared/protocol/execution";
import { topologyNames } from "@reveille/shared/protocol/topology";
import { isReadable } from "@reveille/shared/protocol/version";
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
      if (!missing)
        logger.warn(
          { pool: config.pool },
          "the pool's consumer does not exist yet: is the pool among REVEILLE_RUNNER_POOLS of the actor hosts?",
        );
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

/** Before an execution that this release does not read comes to a runner again: to a newer one, with luck. */
const givenBackMs = 5_000;

/**
 * The execution; null when this runner cannot run it. One of another protocol is given back, for a runner of
 * another release; one that nobody can read is dropped.
 */
export function readExecution(item: WorkItem, logger: Logger): Execution | null {
  let reason: string;
  try {
    const decoded = decodeTrusted(item.data);
    const protocol = (decoded as { protocol?: unknown } | null)?.protocol;
    if (!isReadable(protocol)) {
      logger.error(
        { subject: item.subject, protocol },
        "this runner is not of the release that an execution is for",
      );
      item.nak(givenBackMs);
      return null;
    }
    const read = executionSchema.safeParse(decoded);
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
