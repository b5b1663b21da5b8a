/**
 * The file in which a process may say what it has done: its last line that is not blank is the result,
 * and while it runs each complete line may tell the usage so far. Whatever is wrong with it is named
 * and never fails a run. Whose file it is, and where, is the caller's business.
 */
import { closeSync, constants, fstatSync, openSync, readSync, statSync } from "node:fs";
import type { UsageSoFar } from "../adapter.js";
import { readReportLine, usageOf } from "../core/reported-result.js";
import type { ReadReport } from "../core/reported-result.js";

/** Of the line: what the result may weigh in a report of 512 KiB beside output and excerpts. */
export const lineBytesMax = 64 * 1024;
/** Blank lines at the end are passed over, so many bytes of them. */
const blankBytesMax = 4 * 1024;
/** Twice as often as progress is told. */
const lookEveryMs = 500;

export interface ResultFile {
  /** The last word; null when there is none. Nothing is looked at afterwards. */
  close(): ReadReport | null;
}

/** Looks at the file from now on; `onUsage` hears each usage that differs from the last. */
export function watchResultFile(path: string, onUsage: (used: UsageSoFar) => void): ResultFile {
  let seen = "";
  let told = "";
  const look = (): void => {
    // A look costs one system call until something was written.
    const stat = statSync(path, { throwIfNoEntry: false });
    const now = stat ? `${stat.size}:${stat.mtimeMs}` : "";
    if (now === seen) return;
    seen = now;
    const read = readLastLine(path, true);
    const used = read?.line === undefined ? null : usageOf(readReportLine(read.line).reported);
    const text = JSON.stringify(used);
    if (used === null || text === told) return;
    told = text;
    onUsage(used);
  };
  const timer = setInterval(look, lookEveryMs);
  return {
    close: () => {
      clearInterval(timer);
      const read = readLastLine(path, false);
      if (read === null) return null;
      return read.line === undefined
        ? { reported: {}, wrong: [read.wrong ?? "it cannot be read"] }
        : readReportLine(read.line);
    },
  };
}

/** Null: no file, or nothing in it. `complete`: what has no line end yet is not looked at. */
function readLastLine(path: string, complete: boolean): { line?: string; wrong?: string } | null {
  let descriptor: number;
  try {
    // A link may lead anywhere, and a pipe would hold us until somebody writes.
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
    descriptor = openSync(path, flags);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === "ENOENT" ? null : { wrong: `it cannot be opened (${code ?? "no reason"})` };
  }
  try {
    const { size } = fstatSync(descriptor);
    if (!fstatSync(descriptor).isFile()) return { wrong: "it is no regular file" };
    const length = Math.min(size, lineBytesMax + blankBytesMax);
    const bytes = Buffer.alloc(length);
    const got = readSync(descriptor, bytes, 0, length, size - length);
    return lastLine(bytes.subarray(0, got), size > length, complete);
  } catch (error) {
    return { wrong: `it cannot be read (${(error as NodeJS.ErrnoException).code ?? "no reason"})` };
  } finally {
    closeSync(descriptor);
  }
}

function lastLine(
  bytes: Buffer,
  cut: boolean,
  complete: boolean,
): { line?: string; wrong?: string } | null {
  const text = bytes.toString("utf8", 0, complete ? bytes.lastIndexOf(0x0a) + 1 : bytes.length);
  const end = text.trimEnd();
  if (end === "") return cut ? { wrong: `it ends with more than ${blankBytesMax} blanks` } : null;
  const from = end.lastIndexOf("\n") + 1;
  const line = end.slice(from);
  if ((from === 0 && cut) || Buffer.byteLength(line) > lineBytesMax)
    return { wrong: `its last line is longer than ${lineBytesMax} bytes` };
  return { line };
}
