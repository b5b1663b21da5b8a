// Owns three nats-servers that are one JetStream cluster, on ports and in folders of their own: finding who leads a stream, killing,
// starting again, one after the other. They come back on the same ports with the same passwords and data.
import { spawn, type ChildProcess } from "node:child_process";
import { closeSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { end, exited } from "@reveille/local/child-exit";
import { freePort } from "@reveille/local/free-port";
import { openLog, tailOf } from "@reveille/local/log-file";
import { natsConfig } from "@reveille/local/nats-config";
import { testPassword, testPools, userUrl, type NatsAddresses } from "./nats.js";
import { natsServerBin } from "./provided.js";
import { until } from "./until.js";

export interface NatsCluster extends NatsAddresses {
  /** Index of the server that leads a stream (`null`: the cluster itself); undefined while nobody does. */
  leaderOf(stream: string | null): Promise<number | undefined>;
  /** SIGKILL; resolves when the process is gone. */
  kill(index: number): Promise<void>;
  /** SIGTERM, as a rolling upgrade does it; resolves when the process is gone. */
  stopOne(index: number): Promise<void>;
  /** Starts a killed or stopped server again; resolves when it listens, which is before it has caught up. */
  start(index: number): Promise<void>;
  /** Resolves when every server is healthy: a leader of the cluster is known, and all of its streams are current. */
  healthy(timeoutMs?: number): Promise<void>;
  /** Ends them all and removes their folders. Idempotent. */
  stop(): Promise<void>;
}

interface Member {
  readonly name: string;
  readonly port: number;
  readonly monitorPort: number;
  readonly configFile: string;
  readonly logFile: string;
  child: ChildProcess | undefined;
}
/** As `/jsz` answers, as far as it is read. */
interface Jsz {
  meta_cluster?: { leader?: string };
  account_details?: { stream_detail?: { name: string; cluster?: { leader?: string } }[] }[];
}

const servers = 3;
/** A first election and three empty stores: measured 1-4 s. */
const healthyMs = 60_000;

export async function startNatsCluster(options: { prefix?: string } = {}): Promise<NatsCluster> {
  const dir = mkdtempSync(join(tmpdir(), "reveille-nats-cluster-"));
  const members = await layOut(dir, options.prefix ?? "rv");
  const start = async (index: number): Promise<void> => {
    const member = members[index]!;
    member.child = spawnMember(member);
    await until(
      `${member.name} listens`,
      () => ask(member, "/varz").then((answer) => answer !== undefined),
      { describe: () => tailOf(member.logFile, 5) },
    );
  };
  const endOne = async (index: number, politeMs: number): Promise<void> => {
    const { child } = members[index]!;
    members[index]!.child = undefined;
    if (!child) return;
    await end(child, politeMs > 0 ? [{ signal: "SIGTERM", waitMs: politeMs }] : []);
    await exited(child);
  };
  const cluster: NatsCluster = {
    url: addresses(members, ""),
    serviceUrl: addresses(members, `admin:${testPassword}@`),
    urlOf: (user) => userUrl(addresses(members, `admin:${testPassword}@`), user),
    leaderOf: (stream) => leaderOf(members, stream),
    kill: (index) => endOne(index, 0),
    stopOne: (index) => endOne(index, 15_000),
    start,
    healthy: async (timeoutMs = healthyMs) => {
      for (const member of members)
        await until(`${member.name} is healthy`, () => ask(member, "/healthz"), {
          timeoutMs,
          describe: () => tailOf(member.logFile, 5),
        });
    },
    stop: async () => {
      await Promise.all(members.map((_, index) => endOne(index, 0)));
      rmSync(dir, { recursive: true, force: true });
    },
  };
  await Promise.all(members.map((_, index) => start(index)));
  await cluster.healthy();
  return cluster;
}

/** Names, ports and configurations: each one's is that of a single server, and the routes to all. */
async function layOut(dir: string, prefix: string): Promise<Member[]> {
  const routes: number[] = [];
  for (let n = 0; n < servers; n += 1) routes.push(await freePort());
  const routeList = routes.map((port) => `"nats-route://127.0.0.1:${port}"`).join(", ");
  const members: Member[] = [];
  for (const [index, routePort] of routes.entries()) {
    const name = `n${index + 1}`;
    const own = join(dir, name);
    mkdirSync(own);
    const [port, monitorPort] = [await freePort(), await freePort()];
    const single = natsConfig({
      dir: own,
      port,
      monitorPort,
      prefix,
      pools: testPools,
      passwordOf: () => testPassword,
      withAdmin: true,
    });
    const configFile = join(own, "nats-server.conf");
    writeFileSync(
      configFile,
      `${single.replace(/^server_name: .*$/m, `server_name: ${name}`)}
cluster {
  name: faults
  listen: "127.0.0.1:${routePort}"
  routes: [${routeList}]
}
`,
    );
    const logFile = join(own, "nats.log");
    members.push({ name, port, monitorPort, configFile, logFile, child: undefined });
  }
  return members;
}

function spawnMember({ configFile, logFile }: Member): ChildProcess {
  const log = openLog(logFile);
  try {
    return spawn(natsServerBin(), ["-c", configFile], { cwd: "/", stdio: ["ignore", log, log] });
  } finally {
    closeSync(log);
  }
}

/** In the form that both our services and the public client take: credentials once, then addresses by commas. */
const addresses = (members: readonly Member[], credentials: string): string =>
  members.map(({ port }, n) => `nats://${n === 0 ? credentials : ""}127.0.0.1:${port}`).join(",");

/** Every server that lives is asked; what a majority of them says counts, for one that was cut off remembers old leaders. */
async function leaderOf(
  members: readonly Member[],
  stream: string | null,
): Promise<number | undefined> {
  const votes = await Promise.all(
    members.map(async (member) => {
      const answer = await ask(member, "/jsz?streams=true&leader_only=false");
      const { meta_cluster: meta, account_details: accounts = [] } = (answer ?? {}) as Jsz;
      if (stream === null) return meta?.leader;
      const found = accounts.flatMap((account) => account.stream_detail ?? []);
      return found.find(({ name }) => name === stream)?.cluster?.leader;
    }),
  );
  const index = members.findIndex(
    ({ name, child }) =>
      child !== undefined && votes.filter((vote) => vote === name).length > servers / 2,
  );
  return index < 0 ? undefined : index;
}

/** One answer of a monitor port; undefined when there is none, or not a good one. */
async function ask(member: Member, path: string): Promise<unknown> {
  try {
    const response = await fetch(`http://127.0.0.1:${member.monitorPort}${path}`, {
      signal: AbortSignal.timeout(2_000),
    });
    return response.ok ? await response.json() : undefined;
  } catch {
    return undefined; // not up, which is what is asked
  }
}
