/** Runs a short process outside of any run's tree, for questions without a run. Kills its group when time is up. */
import { spawn } from "node:child_process";
import type { Clock } from "@reveille/shared/runtime/clock";
import { createByteTail } from "../core/byte-tail.js";
import { signalProcess } from "../process-identity.js";
import { outputBytesMax } from "./git.js";
import type { RunProcess } from "./git.js";

/** @param signal ends what runs. */
export const plainProcess =
  (clock: Clock, signal?: AbortSignal): RunProcess =>
  (request) =>
    new Promise((resolve) => {
      const stdout = createByteTail(outputBytesMax);
      const stderr = createByteTail(outputBytesMax);
      const { path, args, cwd, env, timeoutMs } = request;
      const child = spawn(path, [...args], {
        cwd,
        env,
        detached: true,
        stdio: ["ignore", "pipe", "pipe"],
      });
      let stopped: string | null = null;
      const kill = (why: string): void => {
        stopped ??= why;
        if (child.pid !== undefined) signalProcess(-child.pid, "SIGKILL");
      };
      const limit = clock.after(timeoutMs, () => kill(`no end within ${timeoutMs / 1_000} s`));
      const abort = (): void => kill("not wanted any more");
      signal?.addEventListener("abort", abort);
      child.stdout.on("data", (chunk: Buffer) => stdout.push(chunk));
      child.stderr.on("data", (chunk: Buffer) => stderr.push(chunk));
      child.on("error", (error) => (stopped ??= error.message));
      child.once("close", (exitCode) => {
        limit.cancel();
        signal?.removeEventListener("abort", abort);
        const text = (tail: typeof stdout): string => tail.text(outputBytesMax);
        resolve({ exitCode, stdout: text(stdout), stderr: text(stderr), stopped });
      });
    });
