// Owns the first moment of a simulated connection, as `connectBus` has it: connected within a time, or an error.
import { brokerUnavailable } from "@reveille/shared/errors";
import { pause } from "@reveille/shared/runtime/clock";
import type { SimProcess } from "../machine/process.js";
import type { Random } from "../machine/random.js";
import type { SimConnection } from "../nats/sim-nats.js";

/** A new connection of a process. */
export type Connect = (process: SimProcess) => SimConnection;

/** Of a client that starts: its socket, the greeting, the first ping; ms. */
const handshakeMs = { least: 2, most: 20 } as const;

/** Resolves when it is connected. @throws RuntimeError `BrokerUnavailable` after `limitMs`. */
export async function dial(
  connect: Connect,
  process: SimProcess,
  random: Random,
  limitMs: number,
): Promise<SimConnection> {
  const { least, most } = handshakeMs;
  await pause(process.clock, random.between(least, most));
  const connection = connect(process);
  const { bus } = connection;
  if (bus.connected) return connection;
  const reached = await new Promise<boolean>((resolve) => {
    const limit = process.clock.after(limitMs, () => resolve(false));
    const forget = bus.onState((state) => {
      if (state !== "connected") return;
      forget();
      limit.cancel();
      resolve(true);
    });
  });
  if (reached) return connection;
  await bus.close();
  throw brokerUnavailable("cannot reach the simulated NATS");
}
