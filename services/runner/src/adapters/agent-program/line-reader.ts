/**
 * Lines out of bytes as they come, whatever the cuts between the pieces. Memory is bounded: a line that
 * is too long is passed over whole, and counted. Knows nothing of what is in a line.
 */

export interface LineReader {
  push(chunk: Uint8Array): void;
  /** What came without a line end is the last line. */
  end(): void;
  /** Lines that were too long. */
  readonly skipped: number;
}

const lineEnd = 0x0a;

/** Calls `onLine` for each line that is not blank, of at most `bytesMax` bytes. */
export function createLineReader(bytesMax: number, onLine: (line: string) => void): LineReader {
  let parts: Uint8Array[] = [];
  let bytes = 0;
  let skipped = 0;
  const add = (part: Uint8Array): void => {
    bytes += part.length;
    if (bytes > bytesMax) parts = [];
    // A copy: what is kept must not keep the pipe's whole block alive.
    else if (part.length > 0) parts.push(Uint8Array.from(part));
  };
  const finish = (): void => {
    if (bytes > bytesMax) skipped += 1;
    else if (bytes > 0) {
      const line = Buffer.concat(parts, bytes).toString("utf8").trim();
      if (line !== "") onLine(line);
    }
    parts = [];
    bytes = 0;
  };
  return {
    push: (chunk) => {
      let from = 0;
      for (let at = chunk.indexOf(lineEnd); at >= 0; at = chunk.indexOf(lineEnd, from)) {
        add(chunk.subarray(from, at));
        finish();
        from = at + 1;
      }
      add(chunk.subarray(from));
    },
    end: finish,
    get skipped() {
      return skipped;
    },
  };
}
