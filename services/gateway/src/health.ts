/** Whether the servers that the gateway needs answer, now and in time. */
import type { Context } from "./context.js";

/** A server that answers no ping within this is away. */
const pingMs = 2_000;

/** A JetStream that has stored nothing for so long, although it was asked to, is away: its disk may be full. One publish's patience. */
const silentMaxMs = 5_000;

/** Asks both; never throws. */
export async function pingServers({
  bus,
  pool,
  publisher,
}: Pick<Context, "bus" | "pool" | "publisher">): Promise<{ nats: boolean; postgres: boolean }> {
  const stores = publisher.silentMs < silentMaxMs;
  const [nats, postgres] = await Promise.all([
    bus.connected && stores ? inTime(bus.flush()) : false,
    inTime(pool.query("select 1")),
  ]);
  return { nats, postgres };
}

function inTime(work: Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), pingMs);
  });
  const done = work.then(
    () => true,
    () => false,
  );
  return Promise.race([done, late]).finally(() => clearTimeout(timer));
}
