// Owns what the code says of itself, as far as manifests repeat it: variables, ports, paths, names of streams, times, metrics; and the
// secrets that docs/kubernetes.md lists. Everything is read from the code or the document; nothing is written down here a second time.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { actorShape, readActorConfig } from "@reveille/agent-actor/config";
import { gatewayDrainMs, gatewayShape, readGatewayConfig } from "@reveille/gateway/config";
import { readRunnerConfig, runnerShape } from "@reveille/runner/config";
import { defaultPartitionCount } from "@reveille/shared/protocol/partition";
import { createSubjects } from "@reveille/shared/protocol/subjects";
import { poolConsumerConfig, topologyNames } from "@reveille/shared/protocol/topology";
import { databaseShape, readConfig } from "@reveille/shared/runtime/config";
import { healthPaths } from "@reveille/shared/runtime/health-server";
import { metricsCatalogue } from "@reveille/shared/runtime/metrics-catalogue";
import { userName } from "@reveille/shared/nats/permissions";
import { topologyCommandShape } from "reveille/topology-writer";

export type Environment = Readonly<Record<string, string>>;

export interface ProgramFacts {
  /** Variables that its configuration knows. */
  readonly variables: ReadonlySet<string>;
  /** Reads the environment as the program does. @throws ConfigError */
  readonly read: (env: Environment, args: readonly string[]) => unknown;
  /** Where it listens, by what the manifests call the port; absent: nowhere. */
  readonly ports: Readonly<Record<string, { port: string; host: string }>>;
  /** From SIGTERM to the end of its work, in ms; null: it does not serve. */
  readonly drainMs: ((env: Environment) => number) | null;
}
/** What a started service did; from the real thing, in the tests that start it. */
export interface Behaviour {
  /** Status of the path, by path. */
  readonly statuses: Readonly<Record<string, number>>;
  /** From SIGTERM until `/readyz` said no (or nobody answered any more), in ms. */
  readonly unreadyAfterMs: number;
}

export interface Facts {
  readonly programs: Readonly<Record<string, ProgramFacts>>;
  readonly paths: typeof healthPaths;
  /** Documented secrets, and their keys. */
  readonly secrets: ReadonlyMap<string, ReadonlySet<string>>;
  /** The NATS user of a program, the keeper being nobody's own; undefined: it has none. */
  readonly natsUserOf: (program: string, pool: string) => string | undefined;
  /** Of whoever makes streams and consumers. */
  readonly keeperUser: string;
  readonly execStream: string;
  readonly consumerOf: (pool: string) => string;
  readonly ackPendingMax: number;
  readonly partitions: number;
  /** Names of metrics that a gateway exposes. */
  readonly gatewayMetrics: ReadonlySet<string>;
  /** By service; empty: none was started. */
  readonly behaviour: Readonly<Record<string, Behaviour>>;
  /** Services that end at once, with a word about the migration, when the schema is older; empty: none was tried. */
  readonly refusesOldSchema: Readonly<Record<string, boolean>>;
}

const health = { port: "REVEILLE_HEALTH_PORT", host: "REVEILLE_HEALTH_HOST" };
const names = topologyNames("rv");
const consumer = poolConsumerConfig(createSubjects("rv"), "default");
const variablesOf = (shape: object): ReadonlySet<string> => new Set(Object.keys(shape));

const programs: Facts["programs"] = {
  gateway: {
    variables: variablesOf(gatewayShape),
    read: (env) => readGatewayConfig(env),
    ports: { http: { port: "REVEILLE_HTTP_PORT", host: "REVEILLE_HTTP_HOST" }, health },
    drainMs: () => gatewayDrainMs,
  },
  "agent-actor": {
    variables: variablesOf(actorShape),
    read: (env) => readActorConfig(env),
    ports: { health },
    drainMs: (env) => readActorConfig(env).REVEILLE_DRAIN_MS,
  },
  runner: {
    variables: variablesOf(runnerShape),
    read: (env, args) => readRunnerConfig(env, args),
    ports: { health },
    drainMs: (env) => readRunnerConfig(env, []).drainMs,
  },
  migrate: {
    variables: variablesOf(databaseShape),
    read: (env) => readConfig(databaseShape, env),
    ports: {},
    drainMs: null,
  },
  admin: {
    variables: new Set([...Object.keys(databaseShape), "REVEILLE_API_URL"]),
    read: (env) => readConfig(databaseShape, env),
    ports: {},
    drainMs: null,
  },
  topology: {
    variables: variablesOf(topologyCommandShape),
    read: (env) => readConfig(topologyCommandShape, env),
    ports: {},
    drainMs: null,
  },
};

export const document = fileURLToPath(new URL("../../../docs/kubernetes.md", import.meta.url));

/** The table of secrets: a name in the first column, keys in the second, each in backticks. */
export function documentedSecrets(text: string): Map<string, Set<string>> {
  const rows = text
    .split("\n")
    .map((line) => /^\| `(reveille-[a-z-]+)` +\| ([^|]+)\|/.exec(line))
    .filter((row) => row !== null);
  return new Map(
    rows.map(([, name = "", keys = ""]) => [
      name,
      new Set([...keys.matchAll(/`([^`]+)`/g)].map(([, key = ""]) => key)),
    ]),
  );
}

export const codeFacts = (): Facts => ({
  programs,
  paths: healthPaths,
  secrets: documentedSecrets(readFileSync(document, "utf8")),
  natsUserOf: (program, pool) => {
    if (program === "runner") return userName({ kind: "runner", pool });
    if (program === "gateway" || program === "agent-actor") return userName({ kind: program });
    return undefined;
  },
  keeperUser: userName({ kind: "keeper" }),
  execStream: names.exec,
  consumerOf: names.poolConsumer,
  ackPendingMax: consumer.max_ack_pending,
  partitions: defaultPartitionCount,
  gatewayMetrics: new Set(
    Object.entries(metricsCatalogue)
      .filter(([, { services }]) => (services as readonly string[]).includes("gateway"))
      .map(([name]) => name),
  ),
  behaviour: {},
  refusesOldSchema: {},
});
