/** A whole log as a file, page by page. Streams are put together as they were written; colours stay as they are. */
import { request } from "../api/client.js";

/** The largest page that the API gives. */
const pageBytes = 1_048_576;

interface Page {
  content: string;
  nextOffset?: number;
}

/** @param told how many characters have come. @throws ApiError. */
export async function downloadLog(runId: string, told: (chars: number) => void): Promise<void> {
  const parts: string[] = [];
  let chars = 0;
  let offset: number | undefined = 0;
  while (offset !== undefined) {
    const page: Page = await request(
      "GET",
      `/heartbeat-runs/${runId}/log?offset=${offset}&limitBytes=${pageBytes}`,
    );
    for (const line of page.content.split("\n")) {
      if (line === "") continue;
      const { chunk } = JSON.parse(line) as { chunk: string };
      parts.push(chunk);
      chars += chunk.length;
    }
    told(chars);
    // A page that leads nowhere is the end of a log that is still written.
    offset =
      page.nextOffset !== undefined && page.nextOffset > offset ? page.nextOffset : undefined;
  }
  save(new Blob(parts, { type: "text/plain;charset=utf-8" }), `run-${runId}.log`);
}

/** Long enough for any browser to have taken it. */
const keptMs = 60_000;

function save(blob: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), keptMs);
}
