/**
 * Reads files of one JSON document a line with bounded memory, whatever their length, and checks each line. Knows no meaning of a
 * line. A last line without its end is half written by somebody who was killed, and is left out; any other bad line is an error.
 */
import { createReadStream } from "node:fs";
import type { z } from "zod";

/** 64 KiB: a line of evidence has some hundred bytes; a longer one is another file. */
const lineBytesMax = 64 * 1024;

/** A file that is not what it should be; the message names the file and the line. */
export class EvidenceError extends Error {
  override readonly name = "EvidenceError";
}

/** The lines of a file, checked, in order. @throws EvidenceError: no such file, or a line that is not evidence. */
export async function* readNdjson<T>(file: string, schema: z.ZodType<T>): AsyncGenerator<T> {
  let number = 0;
  for await (const text of linesOf(file)) {
    number += 1;
    if (text === "") continue;
    yield parseLine(schema, text, `${file}, line ${number}`);
  }
}

function parseLine<T>(schema: z.ZodType<T>, text: string, where: string): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new EvidenceError(`${where}: not JSON: ${(error as Error).message}`);
  }
  const read = schema.safeParse(value);
  if (read.success) return read.data;
  const [issue] = read.error.issues;
  throw new EvidenceError(`${where}: ${issue?.path.join(".") || "line"}: ${issue?.message ?? ""}`);
}

async function* linesOf(file: string): AsyncGenerator<string> {
  const stream = createReadStream(file, { encoding: "utf8" });
  let rest = "";
  try {
    for await (const chunk of stream) {
      const parts = (rest + String(chunk)).split("\n");
      rest = parts.pop()!;
      if (rest.length > lineBytesMax)
        throw new EvidenceError(`${file}: a line of more than ${lineBytesMax} characters`);
      yield* parts;
    }
  } catch (error) {
    if (error instanceof EvidenceError) throw error;
    throw new EvidenceError(`${file} cannot be read: ${(error as Error).message}`);
  }
}
