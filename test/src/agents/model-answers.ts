// One answer of a model in the forms of two APIs: the events of a stream, and the whole for who wants none. Pure.
import { randomUUID } from "node:crypto";
import type { Step } from "./model-server.js";

export interface AnswerEvent {
  type: string;
  data: object;
  /** A piece of text: where a slow model pauses. */
  isPiece?: boolean;
}
export interface ModelAnswer {
  events: AnswerEvent[];
  whole: object;
}

const piecesOf = (text: string): string[] => text.match(/[\s\S]{1,12}/g) ?? [""];
const tokensOf = ({ usage }: Step) => ({ input: 100, output: 20, cached: 0, ...usage });
const idOf = (prefix: string): string => `${prefix}_${randomUUID().slice(0, 12)}`;

/** As `POST /v1/messages` of Anthropic's API. */
export function anthropicAnswer(step: Step, model: string): ModelAnswer {
  const tokens = tokensOf(step);
  const usage = {
    input_tokens: tokens.input,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: tokens.cached,
  };
  const stop = { stop_reason: step.tool ? "tool_use" : "end_turn", stop_sequence: null };
  const message = { id: idOf("msg"), type: "message", role: "assistant", model };
  const blocks: { block: object; empty: object; deltas: object[] }[] = [];
  if (step.thinking !== undefined)
    blocks.push({
      block: { type: "thinking", thinking: step.thinking, signature: "s" },
      empty: { type: "thinking", thinking: "", signature: "" },
      deltas: [
        { type: "thinking_delta", thinking: step.thinking },
        { type: "signature_delta", signature: "s" },
      ],
    });
  if (step.text !== undefined)
    blocks.push({
      block: { type: "text", text: step.text },
      empty: { type: "text", text: "" },
      deltas: piecesOf(step.text).map((text) => ({ type: "text_delta", text })),
    });
  if (step.tool) {
    const call = { type: "tool_use", id: idOf("toolu"), name: step.tool.name };
    blocks.push({
      block: { ...call, input: step.tool.input },
      empty: { ...call, input: {} },
      deltas: [{ type: "input_json_delta", partial_json: JSON.stringify(step.tool.input) }],
    });
  }
  const event = (type: string, fields: object = {}, isPiece = false): AnswerEvent => ({
    type,
    data: { type, ...fields },
    isPiece,
  });
  const begun = { ...message, content: [], stop_reason: null, stop_sequence: null };
  const ended = { ...usage, output_tokens: tokens.output };
  const events = [
    event("message_start", { message: { ...begun, usage: { ...usage, output_tokens: 1 } } }),
    ...blocks.flatMap(({ empty, deltas }, index) => [
      event("content_block_start", { index, content_block: empty }),
      ...deltas.map((delta) => event("content_block_delta", { index, delta }, true)),
      event("content_block_stop", { index }),
    ]),
    event("message_delta", { delta: stop, usage: ended }),
    event("message_stop"),
  ];
  const content = blocks.map(({ block }) => block);
  return { events, whole: { ...message, content, ...stop, usage: ended } };
}

/** As `POST /v1/responses` of OpenAI's API. */
export function openAiAnswer(step: Step, model: string): ModelAnswer {
  const tokens = tokensOf(step);
  const response = { id: idOf("resp"), object: "response", created_at: 0, model };
  const output: { id: string; item: object; empty: object; pieces: string[] }[] = [];
  if (step.thinking !== undefined) {
    const item = { type: "reasoning", id: idOf("rs") };
    const summary = [{ type: "summary_text", text: step.thinking }];
    output.push({
      id: item.id,
      item: { ...item, summary },
      empty: { ...item, summary: [] },
      pieces: [],
    });
  }
  if (step.text !== undefined) {
    const item = { type: "message", id: idOf("msg"), role: "assistant", status: "completed" };
    const content = [{ type: "output_text", text: step.text, annotations: [] }];
    const empty = { ...item, content: [] };
    output.push({ id: item.id, item: { ...item, content }, empty, pieces: piecesOf(step.text) });
  }
  if (step.tool) {
    const { name, input } = step.tool;
    const item = { type: "function_call", id: idOf("fc"), call_id: idOf("call"), name };
    const whole = { ...item, arguments: JSON.stringify(input) };
    output.push({ id: item.id, item: whole, empty: whole, pieces: [] });
  }
  const done = {
    ...response,
    status: "completed",
    output: output.map(({ item }) => item),
    usage: {
      input_tokens: tokens.input,
      input_tokens_details: { cached_tokens: tokens.cached },
      output_tokens: tokens.output,
      output_tokens_details: { reasoning_tokens: 0 },
      total_tokens: tokens.input + tokens.output,
    },
  };
  const begun = { ...response, status: "in_progress", output: [] };
  const plain: AnswerEvent[] = [
    { type: "response.created", data: { response: begun } },
    ...output.flatMap(({ id, item, empty, pieces }, at): AnswerEvent[] => [
      { type: "response.output_item.added", data: { output_index: at, item: empty } },
      ...pieces.map((delta) => ({
        type: "response.output_text.delta",
        data: { item_id: id, output_index: at, content_index: 0, delta },
        isPiece: true,
      })),
      { type: "response.output_item.done", data: { output_index: at, item } },
    ]),
    { type: "response.completed", data: { response: done } },
  ];
  const events = plain.map((event, index) => ({
    ...event,
    data: { type: event.type, sequence_number: index, ...event.data },
  }));
  return { events, whole: done };
}
