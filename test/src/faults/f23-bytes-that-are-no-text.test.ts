// F23: a process writes what is no text, or text cut at any byte. The log keeps the bytes; whoever shows them gets valid UTF-8 and JSON
// with whole characters; Postgres gets no NUL. What comes with a wake is held to the same.
// The runner alone, byte by byte over both streams: test/src/runner/logs.test.ts.
import { expect, test } from "vitest";
import { clusterOfFile } from "../harness/cluster.js";
import { inForm } from "../harness/fault-form.js";
import { followEvents, followSocket, readPages, textOf } from "../harness/log-viewers.js";
import { addProgram, overRun, runIdOf, storedLog, wakeOf } from "../harness/run-evidence.js";
import { until } from "../harness/until.js";

const cluster = clusterOfFile();

/** Characters of one to four bytes, NUL, ANSI, lone CR, a byte order mark, a lone continuation, 0xFF, the start of what never ends. */
const nasty = Buffer.concat([
  Buffer.from("aé€🐧\u0000\u001b[31mred\u001b[0m\r\ufeffz\r\n", "utf8"),
  Buffer.from([0x80, 0xff, 0xc3, 0x28, 0xed, 0xa0, 0x80, 0xf0, 0x9f, 0x90]),
]);
const rounds = inForm(1, 4);

/** Writes the bytes cut in two at every place, the halves so far apart that each is a chunk of its own; on both streams. */
const program = `
  const fs = require("fs"), bytes = Buffer.from(process.argv[1], "hex"), rounds = Number(process.argv[2]);
  const pause = () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 12);
  for (let round = 0; round < rounds; round++)
    for (let cut = 0; cut <= bytes.length; cut++)
      for (const fd of [1, 2]) {
        if (cut > 0) fs.writeSync(fd, bytes.subarray(0, cut));
        pause();
        if (cut < bytes.length) fs.writeSync(fd, bytes.subarray(cut));
        pause();
      }
`;

test("[F23] bytes that are no text, cut at every byte: the log is exact, and what is shown of it is valid", async () => {
  const agent = await addProgram(cluster(), program, {
    args: [nasty.toString("hex"), String(rounds)],
  });
  const wake = wakeOf(agent, "nasty");
  await cluster().client.wake(wake);
  const runId = runIdOf(wake);
  await until("there is a run", async () => {
    const answer = await fetch(`${cluster().gateway(0)}/api/heartbeat-runs/${runId}`);
    await answer.arrayBuffer();
    return answer.status === 200;
  });
  const viewers = [
    followEvents(cluster().gateway(0), runId),
    followSocket(cluster().gateway(1), runId),
  ];
  const run = await overRun(cluster(), wake);
  expect(run).toMatchObject({ status: "succeeded", exit_code: 0, log_cut: null });

  const written = Buffer.concat(Array.from({ length: rounds * (nasty.length + 1) }, () => nasty));
  const shown = new TextDecoder("utf-8", { ignoreBOM: true }).decode(written);
  for (const stream of ["stdout", "stderr"] as const) {
    const log = await storedLog(cluster(), wake, { keep: true, stream });
    expect(log.content.equals(written)).toBe(true);
  }
  const whole = await storedLog(cluster(), wake);
  expect(whole).toMatchObject({ missing: 0, bytes: written.length * 2 });
  expect(run).toMatchObject({ log_bytes: String(whole.bytes), log_sha256: whole.sha256 });
  expect(whole.end).toMatchObject({ bytes: whole.bytes, sha256: whole.sha256, cut: null });
  // The halves have really come apart.
  expect(whole.end!.chunks).toBeGreaterThan(rounds * nasty.length * 2);

  await Promise.all(viewers.map(({ over }) => over));
  const pages = [
    await readPages(cluster().gateway(0), runId, 256_000),
    await readPages(cluster().gateway(1), runId, 61),
  ];
  for (const viewed of [...viewers.map((one) => one.viewed), ...pages]) {
    expect(viewed.ended).toBe(true);
    for (const stream of ["stdout", "stderr"] as const) expect(textOf(viewed, stream)).toBe(shown);
  }
  // Postgres keeps no NUL, an excerpt no character without its end; everything else is as it was shown.
  const kept = shown.replaceAll("\u0000", "").slice(0, -1);
  expect(kept.endsWith(run.stdout_excerpt!)).toBe(true);
  expect(kept.endsWith(run.stderr_excerpt!)).toBe(true);
  await cluster().atRest([wake], 30_000);
  await cluster().expectAllWell([wake], [agent]);
});

test("[F23] what a wake brings along and a process says of itself: NUL and halves of characters reach no row as such", async () => {
  const agent = await addProgram(
    cluster(),
    `process.stdout.write(JSON.stringify({ result: "a\\u0000b\\ud800c", summary: "x\\u0000" }) + "\\n\\0\\ud83d")`,
  );
  const notes = ["a\u0000b", "\ud83d", "\udc27\ud83d", "\u0000"];
  const wakes = notes.map((text, n) => ({
    ...wakeOf(agent, `text-${n}`),
    payload: { taskKey: `text-${n}`, note: text, [`key ${text}`]: [text] },
  }));
  await cluster().client.wakeAll(wakes);
  for (const wake of wakes)
    expect(await overRun(cluster(), wake)).toMatchObject({ status: "succeeded" });
  const payloads = await cluster().rows<{ note: string }>(
    "select payload ->> 'note' as note from agent_wakeup_requests where agent_id = $1 order by wake_id",
    [agent.agentId],
  );
  expect(payloads.map(({ note }) => note)).toEqual(["ab", "\ufffd", "\ufffd\ufffd", ""]);
  await cluster().atRest(wakes, 30_000);
  await cluster().expectAllWell(wakes, [agent]);
});
