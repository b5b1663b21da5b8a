// The agent of `npm run demo`: prints for a while and leaves witnesses. Beside its output it keeps what it wrote in a file of its own,
// and notes when it began and ended, so that somebody else can prove what the system says about it.
import { spawn } from "node:child_process";
import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

const {
  REVEILLE_RUN_ID: run,
  REVEILLE_ATTEMPT: attempt = "1",
  REVEILLE_TASK_ID: issue,
} = process.env;
const {
  DEMO_NAME: name = "worker",
  DEMO_WITNESS: folder = ".",
  DEMO_STEPS: steps = "5",
  DEMO_CHILD,
} = process.env;
/** Time between two lines, ms. */
const stepMs = 200;

const witness = (event, more = {}) =>
  appendFileSync(
    join(folder, "witness.ndjson"),
    `${JSON.stringify({ event, run, attempt: Number(attempt), issue: issue ?? null, name, pid: process.pid, at: Date.now(), ...more })}\n`,
  );
/** Writes to a stream and, the same bytes, to the witness of that stream. */
const print = (stream, bytes) => {
  appendFileSync(join(folder, `${run}.${attempt}.${stream}`), bytes);
  return new Promise((resolve) => process[stream].write(bytes, resolve));
};

// A grandchild that does not listen to anybody: only a kill of the whole tree ends it.
const child = DEMO_CHILD
  ? spawn("sh", ["-c", "trap '' TERM; while :; do sleep 1; done"], {
      stdio: "ignore",
      detached: true,
    })
  : undefined;
witness("start", { child: child?.pid ?? null });

for (let step = 1; step <= Number(steps); step += 1) {
  await print("stdout", Buffer.from(`${name}: step ${step} of ${steps}, attempt ${attempt}\n`));
  await pause(stepMs);
}
await print("stderr", Buffer.from(`${name}: bytes that are no text: `));
await print("stderr", Buffer.from([0xff, 0x00, 0xfe, 0x0a]));
witness("end");
