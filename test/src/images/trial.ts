// Owns the proof that laid-out images work: each is started as its ENTRYPOINT says, against real servers, is asked through its HEALTHCHECK,
// does its part of one agent's run, and ends when told to. Knows no rule about files.
import { randomBytes } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "@reveille/local/free-port";
import { serviceNats } from "../harness/nats.js";
import { until } from "../harness/until.js";
import { startContainer } from "./container.js";
import type { Container } from "./container.js";
import { imageConfig } from "./dockerfile.js";
import type { Dockerfile } from "./dockerfile.js";
import type { Target } from "./subjects.js";

export interface Ground {
  readonly file: Dockerfile;
  /** Root folder of each image. */
  readonly roots: ReadonlyMap<string, string>;
  /** An empty database. */
  readonly databaseUrl: string;
  /** As services reach it. */
  readonly natsUrl: string;
  /** An existing folder for what containers write. */
  readonly scratch: string;
}
/** One thing that was tried; `problem` is null when it was as it should be. */
export interface Tried {
  readonly what: string;
  readonly problem: string | null;
}
type Service = Exclude<Target, "cli">;
interface Running {
  readonly name: Service;
  readonly container: Container;
  readonly healthPort: number;
}

/** The gateway and actor hosts end within 10 s of SIGTERM, an idle runner at once. */
const stopLimitMs = 15_000;
/** A start on two busy cores. */
const startLimitMs = 60_000;
/** With it runs get tokens for the API, which the command needs inside of them. */
const runTokenSecret = randomBytes(32).toString("hex");
const services: readonly Service[] = ["agent-actor", "gateway", "runner"];

/** Tries everything, one thing after the other; stops what it started. Never throws for what it tries. */
export async function tryImages(ground: Ground): Promise<Tried[]> {
  const tried: Tried[] = [];
  const running: Running[] = [];
  const attempt = async <T>(what: string, work: () => Promise<T>): Promise<T | undefined> => {
    try {
      const result = await work();
      tried.push({ what, problem: null });
      return result;
    } catch (error) {
      tried.push({ what, problem: (error as Error).message });
      return undefined;
    }
  };
  try {
    await attempt("reveille --version says this version", () => showVersion(ground));
    await attempt("reveille up says that an image has nothing to start", () => refuseUp(ground));
    await attempt("reveille migrate makes the schema", () =>
      command(ground, ["migrate"], { DATABASE_URL: ground.databaseUrl }),
    );
    const httpPort = await freePort();
    for (const name of services)
      await attempt(`${name} starts, is healthy and ready`, async () => {
        const one = await startService(ground, name, httpPort);
        running.push(one);
        await ready(ground, one);
      });
    await attempt("nothing but its data and /tmp can be written", () => refuseWrites(ground));
    await attempt("an agent of the gateway's is run by the runner", () =>
      wakeAgent(ground, httpPort),
    );
    for (const one of running.toReversed())
      await attempt(`${one.name} ends with 0 on SIGTERM, and is unhealthy then`, () =>
        end(ground, one),
      );
  } finally {
    for (const { container } of running) container.signal("SIGKILL");
    await Promise.all(running.map(({ container }) => container.exited));
  }
  return tried;
}

let folders = 0;
function start(
  { file, roots, scratch }: Ground,
  name: Target,
  more: { env?: Record<string, string>; args?: string[]; command?: string[] },
): Container {
  const data = join(scratch, `${name}-${(folders += 1)}`);
  mkdirSync(data);
  return startContainer({ root: roots.get(name)!, config: imageConfig(file, name), data, ...more });
}

/** Runs the command's image to its end. @throws Error with its output when it did not end with 0. */
async function command(
  ground: Ground,
  args: string[],
  env: Record<string, string> = {},
): Promise<string> {
  const container = start(ground, "cli", { args, env });
  const code = await container.exited;
  if (code !== 0) throw new Error(`reveille ${args[0]} ended with ${code}: ${container.output()}`);
  return container.output();
}

async function showVersion(ground: Ground): Promise<void> {
  const said = (await command(ground, ["--version"])).trim();
  if (!/^\d+\.\d+\.\d+$/.test(said)) throw new Error(`it says ${said}`);
}

async function refuseUp(ground: Ground): Promise<void> {
  const container = start(ground, "cli", { args: ["up"] });
  const code = await container.exited;
  if (code !== 2 || !container.output().includes("clone"))
    throw new Error(`it ended with ${code}: ${container.output()}`);
}

async function startService(ground: Ground, name: Service, httpPort: number): Promise<Running> {
  const healthPort = await freePort();
  const env: Record<string, string> = {
    ...serviceNats(ground.natsUrl, name),
    REVEILLE_HEALTH_PORT: String(healthPort),
    ...(name === "runner"
      ? { REVEILLE_API_URL: `http://127.0.0.1:${httpPort}` }
      : { DATABASE_URL: ground.databaseUrl, REVEILLE_RUN_TOKEN_SECRET: runTokenSecret }),
    ...(name === "gateway" ? { REVEILLE_HTTP_PORT: String(httpPort) } : {}),
  };
  return { name, container: start(ground, name, { env }), healthPort };
}

async function ready(ground: Ground, one: Running): Promise<void> {
  const { container, healthPort } = one;
  const ended = container.exited.then((code) => {
    throw new Error(`it ended with ${code}: ${container.output()}`);
  });
  const answers = until("/readyz answers 200", () => isOk(healthPort, "/readyz"), {
    timeoutMs: startLimitMs,
    describe: () => container.output(),
  });
  await Promise.race([answers, ended]);
  if (!(await isOk(healthPort, "/livez"))) throw new Error("/livez does not answer 200");
  const code = await healthcheck(ground, one);
  if (code !== 0) throw new Error(`its HEALTHCHECK ended with ${code}`);
}

const isOk = (port: number, path: string): Promise<boolean> =>
  fetch(`http://127.0.0.1:${port}${path}`, { signal: AbortSignal.timeout(5_000) }).then(
    ({ status }) => status === 200,
    () => false,
  );

/** As an engine would: in the image, with the container's environment. */
function healthcheck(ground: Ground, { name, healthPort }: Running): Promise<number> {
  const check = imageConfig(ground.file, name).healthcheck?.json ?? [];
  const env = { REVEILLE_HEALTH_PORT: String(healthPort) };
  return start(ground, name, { command: [...check], env }).exited;
}

async function refuseWrites(ground: Ground): Promise<void> {
  const script =
    'touch "$REVEILLE_DATA_DIR/mine" || exit 2; for path in x shared/x; do touch $path 2>/dev/null && exit 1; done; exit 0';
  const container = start(ground, "runner", { command: ["/bin/sh", "-c", script] });
  const code = await container.exited;
  if (code !== 0) throw new Error(code === 1 ? "/app can be written" : container.output());
}

async function end(ground: Ground, one: Running): Promise<void> {
  one.container.signal("SIGTERM");
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("it does not end")), stopLimitMs);
  });
  const code = await Promise.race([one.container.exited, late]).finally(() => clearTimeout(timer));
  if (code !== 0) throw new Error(`it ended with ${code}: ${one.container.output()}`);
  if ((await healthcheck(ground, one)) !== 1) throw new Error("its HEALTHCHECK finds it healthy");
}

/** Company, agent, wake, run: through all four images and both servers. */
async function wakeAgent(ground: Ground, httpPort: number): Promise<void> {
  const made = await command(ground, ["board-token", "create", "--name", "images", "--json"], {
    DATABASE_URL: ground.databaseUrl,
  });
  const { token } = JSON.parse(made) as { token: string };
  const call = async (method: string, path: string, body?: object): Promise<Row> => {
    const response = await fetch(`http://127.0.0.1:${httpPort}/api${path}`, {
      method,
      signal: AbortSignal.timeout(30_000),
      headers: {
        authorization: `Bearer ${token}`,
        ...(body ? { "content-type": "application/json" } : {}),
      },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return JSON.parse(text) as Row;
  };
  const id = (row: Row): string => String(row["id"]);
  const company = await call("POST", "/companies", { name: "Images" });
  const agent = await call("POST", `/companies/${id(company)}/agents`, {
    name: "Worker",
    adapterType: "process",
    adapterConfig: {
      command: "/bin/sh",
      args: ["-c", "reveille my progress begun && echo from an image"],
    },
  });
  const wake = await call("POST", `/agents/${id(agent)}/wakeup`, { reason: "try the images" });
  const over = await until("the run is over", async () => {
    const run = await call("GET", `/heartbeat-runs/${id(wake)}`);
    return run["finishedAt"] ? run : undefined;
  });
  if (over["status"] !== "succeeded") throw new Error(`the run: ${JSON.stringify(over)}`);
  const log = await call("GET", `/heartbeat-runs/${id(wake)}/log`);
  if (!String(log["content"]).includes("from an image"))
    throw new Error(`its log: ${JSON.stringify(log)}`);
}
type Row = Record<string, unknown>;
