// Owns starting one built program as a pod would: the environment of the manifest, but for addresses of this machine; and what its
// probes answer, before and after SIGTERM.
import { spawn, type ChildProcess } from "node:child_process";
import { connect, type Socket } from "node:net";
import { fileURLToPath } from "node:url";
import { freePort } from "@reveille/local/free-port";
import { healthPaths } from "@reveille/shared/runtime/health-server";
import { until } from "../harness/until.js";
import type { Behaviour, Environment } from "./facts.js";

const programs: Readonly<Record<string, string>> = {
  gateway: "services/gateway/dist/main.js",
  "agent-actor": "services/agent-actor/dist/main.js",
  runner: "services/runner/dist/main.js",
  reveille: "cli/dist/main.js",
};

export interface Program {
  readonly child: ChildProcess;
  readonly exited: Promise<number | string>;
  readonly output: () => string;
}

export function start(name: string, env: Environment, args: readonly string[] = []): Program {
  const file = fileURLToPath(new URL(`../../../${programs[name]}`, import.meta.url));
  const child = spawn(process.execPath, [file, ...args], {
    env: { PATH: process.env["PATH"], ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const output: string[] = [];
  for (const pipe of [child.stdout, child.stderr])
    pipe.setEncoding("utf8").on("data", (text: string) => output.push(text));
  const exited = new Promise<number | string>((resolve) => {
    child.once("exit", (code, signal) => resolve(signal ?? code ?? -1));
  });
  return { child, exited, output: () => output.join("") };
}

/** Runs a program to its end, which it has to reach within 60 s. */
export async function run(
  name: string,
  env: Environment,
  args: readonly string[] = [],
): Promise<{ code: number | string; output: string }> {
  const program = start(name, env, args);
  const timer = setTimeout(() => program.child.kill("SIGKILL"), 60_000);
  const code = await program.exited.finally(() => clearTimeout(timer));
  return { code, output: program.output() };
}

/** Status of a path; undefined when nobody answers. */
async function statusOf(port: number, path: string): Promise<number | undefined> {
  try {
    const { status } = await fetch(`http://127.0.0.1:${port}${path}`, {
      signal: AbortSignal.timeout(5_000),
    });
    return status;
  } catch {
    return undefined;
  }
}

/**
 * Starts it, asks its paths once it is ready, sends SIGTERM and asks on until it is not ready any more. A request that is never
 * finished keeps a gateway draining meanwhile: without, it would be gone at once, and that is no answer.
 * @throws Error when it does not become ready, or does not end with 0.
 */
export async function observe(name: string, env: Environment): Promise<Behaviour> {
  const port = await freePort();
  const httpPort = await freePort();
  const program = start(name, {
    ...env,
    REVEILLE_HEALTH_PORT: String(port),
    ...(name === "gateway" ? { REVEILLE_HTTP_PORT: String(httpPort) } : {}),
  });
  let request: Socket | undefined;
  try {
    const ready = until(
      `${name} is ready`,
      async () => (await statusOf(port, healthPaths.ready)) === 200,
      { timeoutMs: 60_000, describe: program.output },
    );
    const ended = program.exited.then((code) => {
      throw new Error(`${name} ended with ${code}: ${program.output()}`);
    });
    await Promise.race([ready, ended]);
    const statuses: Record<string, number> = {};
    for (const path of Object.values(healthPaths))
      statuses[path] = (await statusOf(port, path)) ?? 0;
    if (name === "gateway") request = await unfinishedRequest(httpPort);
    ended.catch(() => undefined); // from here on its end is what is waited for
    const from = performance.now();
    program.child.kill("SIGTERM");
    await until(
      `${name} is not ready any more`,
      async () => (await statusOf(port, healthPaths.ready)) !== 200,
    );
    const unreadyAfterMs = performance.now() - from;
    const code = await program.exited;
    if (code !== 0) throw new Error(`${name} ended with ${code}: ${program.output()}`);
    return { statuses, unreadyAfterMs };
  } finally {
    request?.destroy();
    program.child.kill("SIGKILL");
    await program.exited;
  }
}

function unfinishedRequest(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => {
      socket.write("POST /api/companies HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n", () =>
        resolve(socket),
      );
    });
    // It is cut off at the end of the drain.
    socket.on("error", reject);
  });
}
