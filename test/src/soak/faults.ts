// Owns what can happen to a soak's system: for each kind of fault how it begins, how long it lasts and how it is over. When and which is
// plan.ts. Each fault heals what it broke, whatever else is broken meanwhile.
import { cpSync, rmSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import type { ServiceName } from "@reveille/local/endpoints";
import { signal } from "@reveille/local/process-identity";
import { topologyNames } from "@reveille/shared/protocol/topology";
import { guardOf } from "../harness/runner-process.js";
import type { Random } from "../simulation/machine/random.js";
import type { Ground, Place } from "./ground.js";

/** Faults of one kind of victim exclude each other within a period. */
export type Victim = ServiceName | "nats" | "postgres" | `link ${ServiceName}`;
export interface FaultKind {
  name: string;
  victim: Victim;
  /** Against the others of its victim. */
  weight: number;
  /** Resolves when it is healed. */
  cause(scene: FaultScene): Promise<void>;
}
export interface FaultScene {
  ground: Ground;
  random: Random;
  /** Of the two places of a service, the one that is killed now; the other one lives long enough to show what it keeps. */
  victimIndex: 0 | 1;
  /** From here on the system may recover: what was broken is whole, or is nobody's to heal. */
  cleared: () => void;
  /** JetStream is dead and its store is about to come back without what it had: what it alone has now may be lost. */
  losing: () => void;
}

const placeOf = ({ ground, victimIndex }: FaultScene, name: ServiceName): Place =>
  ground.places.find((place) => place.name === name && place.index === victimIndex)!;
/** A fault has the place: nobody else starts it again meanwhile. */
async function inHand(place: Place, work: () => Promise<void>): Promise<void> {
  place.inHand = true;
  try {
    await work();
  } finally {
    place.inHand = false;
  }
}
/** Until a killed process is gone. */
const goneMs = 10_000;
async function gone(place: Place): Promise<void> {
  const deadline = performance.now() + goneMs;
  while (place.process.pid !== undefined && performance.now() < deadline) await pause(10);
}

const kill = (name: ServiceName): FaultKind => ({
  name: `kill ${name}`,
  victim: name,
  weight: 2,
  cause: (scene) => {
    const place = placeOf(scene, name);
    return inHand(place, async () => {
      place.process.kill("SIGKILL");
      await gone(place);
      // The others have to do without it: a kill is over when it has happened.
      scene.cleared();
      await pause(scene.random.below(6_000));
      await scene.ground.replace(place);
    });
  },
});

const killWithGuard: FaultKind = {
  name: "kill runner and guard",
  victim: "runner",
  weight: 1,
  cause: (scene) => {
    const place = placeOf(scene, "runner");
    return inHand(place, async () => {
      const guard = place.process.pid === undefined ? undefined : guardOf(place.process.pid);
      if (guard) signal(guard, "SIGKILL");
      place.process.kill("SIGKILL");
      await gone(place);
      scene.cleared();
      await pause(scene.random.below(6_000));
      await scene.ground.replace(place);
    });
  },
};

/** Longer than its lease, mostly: 3 s of a host, 4 s of a runner. */
const freeze = (name: ServiceName): FaultKind => ({
  name: `freeze ${name}`,
  victim: name,
  weight: 2,
  cause: async (scene) => {
    const place = placeOf(scene, name);
    await inHand(place, async () => {
      const { process } = place;
      process.kill("SIGSTOP");
      await pause(scene.random.between(3_000, 9_000));
      process.kill("SIGCONT");
      scene.cleared();
    });
  },
});

/** More than a runner's own time to drain (10 s). */
const drainMs = 30_000;
const restart = (name: ServiceName): FaultKind => ({
  name: `restart ${name}`,
  victim: name,
  weight: 1,
  cause: (scene) => {
    const place = placeOf(scene, name);
    return inHand(place, async () => {
      await place.process.stop(drainMs);
      await scene.ground.replace(place);
      scene.cleared();
    });
  },
});

/** What was stored while it lasted is gone. */
export const rollBackName = "roll back nats";

const ofNats: readonly FaultKind[] = [
  {
    name: "kill nats",
    victim: "nats",
    weight: 3,
    cause: async ({ ground: { nats }, random, cleared }) => {
      await nats.kill();
      await pause(random.below(5_000));
      await nats.start();
      cleared();
    },
  },
  {
    name: "freeze nats",
    victim: "nats",
    weight: 3,
    cause: async ({ ground: { nats }, random, cleared }) => {
      nats.freeze();
      await pause(random.between(2_000, 10_000));
      nats.thaw();
      cleared();
    },
  },
  {
    name: "wipe nats",
    victim: "nats",
    weight: 1,
    cause: async ({ ground: { nats }, losing, cleared }) => {
      await nats.damage((store) => {
        losing();
        rmSync(store, { recursive: true, force: true });
      });
      cleared();
    },
  },
  {
    name: rollBackName,
    victim: "nats",
    weight: 1,
    cause: async ({ ground: { nats }, random, losing, cleared }) => {
      const saved = await nats.save();
      await pause(random.between(1_000, 6_000));
      await nats.damage((store) => {
        losing();
        rmSync(store, { recursive: true, force: true });
        cpSync(saved.folder, store, { recursive: true });
      });
      cleared();
    },
  },
  {
    name: "wipe locks",
    victim: "nats",
    weight: 2,
    cause: async ({ ground: { bus }, cleared }) => {
      await bus.jsm.streams.delete(`KV_${topologyNames("rv").issueLocks}`);
      cleared();
    },
  },
];

const ofPostgres: readonly FaultKind[] = [
  {
    name: "kill postgres",
    victim: "postgres",
    weight: 2,
    cause: async ({ ground: { postgres }, random, cleared }) => {
      await postgres.kill();
      await pause(random.below(3_000));
      await postgres.start();
      cleared();
    },
  },
  {
    name: "freeze postgres",
    victim: "postgres",
    weight: 2,
    cause: async ({ ground: { postgres }, random, cleared }) => {
      postgres.freeze();
      await pause(random.between(1_000, 8_000));
      postgres.thaw();
      cleared();
    },
  },
  {
    name: "terminate backends",
    victim: "postgres",
    weight: 2,
    cause: async ({ ground: { database }, cleared }) => {
      await database.query(
        `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`,
      );
      cleared();
    },
  },
];

type Link = NonNullable<Place["links"]>["nats"];
const weathers: Readonly<Record<string, (link: Link, random: Random) => void>> = {
  cut: (link) => link.blackhole(),
  "half open": (link, random) => link.blackhole(random.chance(0.5) ? "up" : "down"),
  slow: (link) => link.delay(200, 100),
  reset: (link) => link.reset(),
};
/** Two thirds lose NATS, two thirds Postgres, one third both. */
const linkFault = (name: ServiceName, weather: string): FaultKind => ({
  name: `${weather} link of ${name}`,
  victim: `link ${name}`,
  weight: 1,
  cause: async ({ ground, random, cleared }) => {
    const { nats, postgres } = ground.places.find(
      (place) => place.name === name && place.links,
    )!.links!;
    const dice = random.below(3);
    const links = [...(dice > 0 ? [nats] : []), ...(dice < 2 ? [postgres] : [])];
    for (const link of links) weathers[weather]!(link, random);
    await pause(random.between(2_000, 9_000));
    for (const link of links) link.heal();
    cleared();
  },
});

const services: readonly ServiceName[] = ["agent-actor", "runner", "gateway"];
export const faultKinds: readonly FaultKind[] = [
  ...services.flatMap((name) => [kill(name), freeze(name), restart(name)]),
  killWithGuard,
  ...ofNats,
  ...ofPostgres,
  ...services.flatMap((name) => Object.keys(weathers).map((weather) => linkFault(name, weather))),
];
