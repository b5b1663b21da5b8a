// Owns a simulated guard: the shipped guard in a process of its own, and the pipes between it and its runner, which break when one of
// them dies. Decides nothing.
import type { SpawnGuard } from "@reveille/runner/guard/guard-link";
import { createGuard } from "@reveille/runner/guard/guard";
import type { Guard } from "@reveille/runner/guard/guard";
import type { Hello, ToGuard } from "@reveille/runner/guard/guard-protocol";
import type { GuardConnection } from "@reveille/runner/guard/last-words";
import { StoredPublisher } from "@reveille/shared/nats/stored-publisher";
import { topologyNames } from "@reveille/shared/protocol/topology";
import type { Logger } from "@reveille/shared/runtime/log";
import type { Loop } from "../machine/loop.js";
import type { SimProcess } from "../machine/process.js";
import type { Random } from "../machine/random.js";
import { Channel } from "./channel.js";
import { dial } from "./dial.js";
import type { Connect } from "./dial.js";
import type { OperatingSystem } from "./operating-system.js";

export interface GuardWorld {
  loop: Loop;
  random: Random;
  os: OperatingSystem;
  runner: SimProcess;
  /** The process of the next guard: a runner has one for each of its lives. */
  newGuard: () => SimProcess;
  connect: Connect;
  logger: Logger;
}

/** A Node process starts in about so long, ms. */
const startMs = { least: 30, most: 120 } as const;
/** As the shipped guard's own. */
const connectMs = 5_000;

/** Monotonic nanoseconds of a simulated machine. */
export const machineNs = (process: SimProcess) => (): bigint =>
  BigInt(Math.round(process.clock.monotonicMs() * 1_000_000));

export const simSpawnGuard =
  (world: GuardWorld): SpawnGuard =>
  ({ onMessage, onGone }) => {
    const { loop, random, os, runner } = world;
    const process = world.newGuard();
    const pid = os.nextPid();
    const bootMs = random.between(startMs.least, startMs.most);
    const toRunner = new Channel(loop, random, runner);
    const toGuard = new Channel(loop, random, process, loop.nowMs + bootMs);
    let guard: Guard | null = null;
    let incarnation = "";
    process.later(bootMs, () => {
      guard = createGuard({
        clock: process.clock,
        machineNs: machineNs(process),
        pid,
        tell: (message) => toRunner.send(() => onMessage(message)),
        makeLifeline: async (_wish, _workDir, of) => os.makeLifeline(of, process),
        cut: (lifeline) => os.cut(lifeline, process),
        connect: (hello) => connectGuard(world, process, hello),
        exit: () => process.kill(),
        logger: () => world.logger,
      });
    });
    const exited = new Promise<void>((resolve) => {
      process.onDeath(() =>
        toRunner.send(() => {
          onGone("it ended");
          resolve();
        }),
      );
    });
    // The end of its pipe is how a guard hears that its runner is dead.
    runner.onDeath(() => toGuard.send(() => guard?.pipeClosed()));
    const send = (message: ToGuard): void => {
      if (message.type === "hello") incarnation = message.incarnation;
      if (message.type === "claim") os.claimed(incarnation, message);
      toGuard.send(() => guard?.take(message));
    };
    // Not at once: also a signal takes its time.
    const kill = (): void => void loop.schedule(0, () => process.kill());
    return { pid, exited, send, sendSoon: send, kill };
  };

async function connectGuard(
  { connect, random }: GuardWorld,
  process: SimProcess,
  hello: Hello,
): Promise<GuardConnection> {
  const { bus, bucket } = await dial(connect, process, random, connectMs);
  const stored = new StoredPublisher(bus, { clock: process.clock });
  return {
    bus,
    stored,
    leases: async () => bucket(topologyNames(hello.subjectPrefix).runnerLeases),
    close: async () => {
      stored.close();
      await bus.close();
    },
  };
}
