/** Whether the servers that the gateway needs answer, now and in time. */
import type { NatsBus } from "@reveille/shared/nats/bus";
import type { Pool } from "@reveille/shared/postgres/pool";

/** A server that answers no ping within this is away. */
const pingMs = 2_000;

/** Asks both; never throws. */
export async function pingServers(
  bus: NatsBus,
  pool: Pool,
): Promise<{ nats: boolean; postgres: boolean }> {
  const [nats, postgres] = await Promise.all([
    bus.connected ? inTime(bus.flush()) : false,
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
