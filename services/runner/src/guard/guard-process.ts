/**
 * Starts a guard as a process of its own, and carries messages to and from it, a line each. Knows no
 * claim and no deadline.
 */
import { spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import type { SpawnGuard } from "./guard-link.js";
import { lineReader } from "./guard-protocol.js";
import type { FromGuard, ToGuard } from "./guard-protocol.js";

const entry = fileURLToPath(new URL("./guard-main.js", import.meta.url));

export const spawnGuard: SpawnGuard = ({ onMessage, onGone }) => {
  const child = spawn(process.execPath, [entry], {
    // Its own session: what is sent to the runner's group must not end both.
    detached: true,
    stdio: ["pipe", "inherit", "inherit", "pipe"],
  });
  const input = child.stdin as Writable;
  const output = child.stdio[3] as Readable;
  for (const pipe of [input, output])
    pipe.on("error", (error: Error) => onGone(`its pipe broke: ${error.message}`));
  const exited = new Promise<void>((resolve) => {
    child.once("error", (error) => {
      onGone(`it could not be started: ${error.message}`);
      resolve();
    });
    child.once("exit", (code, signal) => {
      onGone(`it ended with ${signal ?? code}`);
      resolve();
    });
  });
  output.setEncoding("utf8");
  output.on("data", lineReader<FromGuard>(onMessage));
  let corked = false;
  const send = (message: ToGuard): void => {
    if (input.writable) input.write(`${JSON.stringify(message)}\n`);
  };
  return {
    pid: child.pid ?? 0,
    exited,
    send,
    sendSoon: (message) => {
      // Lines of one turn go out in one write.
      if (!corked) {
        corked = true;
        input.cork();
        process.nextTick(() => {
          corked = false;
          input.uncork();
        });
      }
      send(message);
    },
    kill: () => void child.kill("SIGKILL"),
  };
};
