/** Answers that are no JSON: what a handler gives instead of a value, and how a route declares it. */
import type { Readable } from "node:stream";
import { z } from "zod";

/** A text of another type than JSON. */
export class PlainText {
  readonly text: string;
  readonly type: string;
  constructor(text: string, type = "text/plain; charset=utf-8") {
    this.text = text;
    this.type = type;
  }
}

/** Server-Sent Events. Whoever reads them ends them by going away; then the stream is destroyed. */
export class EventStream {
  readonly events: Readable;
  constructor(events: Readable) {
    this.events = events;
  }
}

/** A route's declaration of such an answer. */
export interface TextAnswer {
  mediaType: string;
  schema: z.ZodType;
}
export const textAnswer = (mediaType: string, description: string): TextAnswer => ({
  mediaType,
  schema: z.string().describe(description),
});
