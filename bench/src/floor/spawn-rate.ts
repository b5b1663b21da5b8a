/**
 * How many processes a second one Node process can start here, as a runner has to: pipes for all three
 * streams, a process group of its own, waited for until its pipes are closed.
 */
import { spawn } from "node:child_process";
import { nowMicros, parseDate } from "./clock.js";

export interface SpawnRate {
  concurrency: number;
  processesPerSecond: number;
}

/** Starts `count` of `program` with at most `concurrency` alive. */
export async function measureSpawnRate(
  program: string,
  concurrency: number,
  count: number,
): Promise<SpawnRate> {
  let left = count;
  const began = performance.now();
  const lane = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      await once(program, []);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, lane));
  return { concurrency, processesPerSecond: (count * 1_000) / (performance.now() - began) };
}

/** From before `spawn` to the time that the started process reads, ms; one at a time. */
export async function measureSpawnLatency(
  [program = "", ...args]: readonly string[],
  count: number,
): Promise<number[]> {
  const samples: number[] = [];
  for (let number = 0; number < count; number += 1) {
    const before = nowMicros();
    samples.push((parseDate(await once(program, args)) - before) / 1e3);
  }
  return samples;
}

function once(program: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { detached: true, stdio: ["pipe", "pipe", "pipe"] });
    let text = "";
    child.stdin.end();
    child.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
    child.stderr.resume();
    child.once("error", reject);
    child.once("close", () => resolve(text));
  });
}
