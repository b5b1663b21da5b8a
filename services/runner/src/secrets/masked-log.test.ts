import { systemClock } from "@reveille/shared/runtime/clock";
import { expect, test, vi } from "vitest";
import type { RunLog } from "../run-log.js";
import { createMask } from "./mask.js";
import { maskedLog } from "./masked-log.js";

/** A log that keeps what is written, and says what was in it when it was sealed. */
function heldLog() {
  const written: Record<"stdout" | "stderr", string> = { stdout: "", stderr: "" };
  const inner = {
    write: (stream: "stdout" | "stderr", chunk: Buffer) => (written[stream] += chunk.toString()),
    tail: (stream: "stdout" | "stderr") => written[stream],
    onPressure: () => undefined,
    cut: () => undefined,
    seal: () => Promise.resolve(written.stdout),
  } as unknown as RunLog;
  const log = maskedLog(inner, createMask(["hunter2-and-more"])!, systemClock);
  const write = (text: string, stream: "stdout" | "stderr" = "stdout"): void =>
    log.write(stream, Buffer.from(text));
  return { written, log, write };
}

test("each stream is masked by itself [B32]", () => {
  const { written, log, write } = heldLog();
  write("a hunter2-");
  write("b hunter2-", "stderr");
  write("and-more c");
  write("and-more d", "stderr");
  log.end();
  expect(written).toEqual({ stdout: "a *** c", stderr: "b *** d" });
});

test("a prompt that ends like a secret begins is shown after a pause", () => {
  vi.useFakeTimers();
  try {
    const { written, write } = heldLog();
    write("really? h");
    expect(written.stdout).toBe("really? ");
    vi.advanceTimersByTime(100);
    expect(written.stdout).toBe("really? h");
    write("unter2-and-more");
    vi.advanceTimersByTime(1_000);
    expect(written.stdout).toBe("really? h***");
  } finally {
    vi.useRealTimers();
  }
});

test("tail, end and seal wait for nothing [B32]", async () => {
  const { log, write } = heldLog();
  write("x hun");
  expect(log.tail("stdout", 100)).toBe("x hun");
  write("ter2-an");
  log.end();
  expect(await log.seal()).toBe("x hun***");
});
