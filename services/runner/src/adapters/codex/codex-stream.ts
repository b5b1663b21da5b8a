/**
 * Reads what `codex exec --json` prints (seen in version 0.169.0). Usage comes at the end of a turn and
 * counts on through the thread; there is no model and no cost. An item of type `error` is a warning, an
 * `error` event may be followed by success. Pure, never throws; unknown events mean nothing.
 */
import type { Usage, UsageSoFar } from "@reveille/shared/protocol/execution";
import type { TranscriptEntry } from "@reveille/shared/protocol/transcript";
import { failureOf } from "../agent-program/failure.js";
import {
  countOf,
  fieldsOf,
  jsonOf,
  listOf,
  parseLine,
  sinceUsage,
  textOf,
  usedOf,
  noUsage,
} from "../agent-program/fields.js";
import type { Fields } from "../agent-program/fields.js";
import { endFailureText } from "../agent-program/stream.js";
import type { Conclusion, StreamEnd, StreamReader, StreamStart } from "../agent-program/stream.js";
import { codexFailure } from "./codex-failure.js";

/** Calls whose end is awaited; a run has a few at once. */
const openCallsMax = 1_024;

export const readCodexStream = (start: StreamStart): StreamReader => new CodexStream(start);

class CodexStream implements StreamReader {
  readonly #start: StreamStart;
  #threadId: string | null = null;
  /** Of the thread. */
  #total: Usage | null = null;
  #completed = false;
  #failed: string | null = null;
  #lastError: string | null = null;
  #summary: string | null = null;
  #waitingCount = 0;
  readonly #open = new Set<string>();

  constructor(start: StreamStart) {
    this.#start = start;
  }

  get used(): UsageSoFar {
    return usedOf(this.#usage, null);
  }
  get waitingCount(): number {
    return this.#waitingCount;
  }

  /** Nothing when the thread is older than our knowledge of it: its counters are not this run's. */
  get #usage(): Usage {
    const base = this.#start.base?.usage;
    return this.#total && base ? sinceUsage(this.#total, base) : noUsage;
  }

  read(line: string): readonly TranscriptEntry[] {
    const event = parseLine(line);
    if (!event) return [];
    const type = textOf(event["type"]) ?? "";
    if (type !== "error") this.#waitingCount = 0;
    switch (type) {
      case "thread.started":
        this.#threadId = textOf(event["thread_id"]) ?? this.#threadId;
        return [{ kind: "start", sessionId: this.#threadId, model: null }];
      case "item.started":
        return this.#itemStarted(fieldsOf(event["item"]));
      case "item.completed":
        return this.#itemCompleted(fieldsOf(event["item"]));
      case "turn.completed":
        return this.#turnCompleted(fieldsOf(event["usage"]));
      case "turn.failed":
        this.#failed = textOf(fieldsOf(event["error"])["message"]) ?? "the turn failed";
        return [
          { kind: "error", message: this.#failed, code: null, final: true },
          { kind: "result", ok: false, text: this.#failed, sessionId: this.#threadId },
        ];
      case "error":
        return this.#error(textOf(event["message"]) ?? "error");
      default:
        return [];
    }
  }

  conclude(end: StreamEnd): Conclusion {
    const ended = endFailureText("codex", end);
    const said = this.#failed ?? (this.#completed ? null : this.#lastError);
    const failure =
      said !== null || ended !== null
        ? codexFailure(said ?? ended!, end)
        : this.#completed
          ? null
          : failureOf("incomplete", "codex ended without a result");
    const base = this.#start.base?.usage ?? null;
    const usage = this.#total ?? base;
    return {
      sessionId: failure?.family === "session_unknown" ? null : this.#threadId,
      model: null,
      used: this.used,
      totals: usage && { usage },
      summary: this.#summary,
      billing: null,
      failure,
      facts: failure && ended !== null && failure.message !== ended ? { ended } : {},
    };
  }

  #error(message: string): readonly TranscriptEntry[] {
    this.#lastError = message;
    this.#waitingCount = /waiting for network/i.test(message) ? this.#waitingCount + 1 : 0;
    return [{ kind: "error", message, code: null, final: false }];
  }

  #turnCompleted(usage: Fields): readonly TranscriptEntry[] {
    this.#completed = true;
    this.#failed = null;
    this.#total = {
      inputTokens: countOf(usage["input_tokens"]),
      outputTokens: countOf(usage["output_tokens"]),
      cachedInputTokens: countOf(usage["cached_input_tokens"]),
    };
    return [
      { kind: "usage", usage: this.#usage, costUsd: null },
      { kind: "result", ok: true, text: this.#summary ?? "", sessionId: this.#threadId },
    ];
  }

  #itemStarted(item: Fields): readonly TranscriptEntry[] {
    const call = callOf(item);
    if (!call) return [];
    if (this.#open.size < openCallsMax) this.#open.add(call.callId);
    return [call];
  }

  #itemCompleted(item: Fields): readonly TranscriptEntry[] {
    const text = textOf(item["text"]);
    switch (item["type"]) {
      case "agent_message":
        this.#summary = text ?? this.#summary;
        return text === null ? [] : [{ kind: "text", text }];
      case "reasoning":
        return text === null ? [] : [{ kind: "thinking", text }];
      case "error":
        return [
          { kind: "error", message: textOf(item["message"]) ?? "error", code: null, final: false },
        ];
      default: {
        const call = callOf(item);
        if (!call) return [];
        const begun = this.#open.delete(call.callId);
        const result: TranscriptEntry = {
          kind: "tool_result",
          callId: call.callId,
          isError: isFailed(item),
          text: outputOf(item),
        };
        return begun ? [result] : [call, result];
      }
    }
  }
}

type ToolCall = Extract<TranscriptEntry, { kind: "tool_call" }>;

/** Items that are work done with a tool; null for the others. */
function callOf(item: Fields): ToolCall | null {
  const callId = textOf(item["id"]) ?? "";
  const call = (name: string, input: unknown): ToolCall => ({
    kind: "tool_call",
    callId,
    name,
    input: jsonOf(input),
  });
  switch (item["type"]) {
    case "command_execution":
      return call("command", { command: item["command"] });
    case "file_change":
      return call("file_change", { changes: item["changes"] });
    case "mcp_tool_call":
      return call(
        `${textOf(item["server"]) ?? "mcp"}.${textOf(item["tool"]) ?? ""}`,
        item["arguments"],
      );
    case "web_search":
      return call("web_search", { query: item["query"] });
    default:
      return null;
  }
}

const isFailed = (item: Fields): boolean =>
  item["status"] === "failed" || countOf(item["exit_code"]) > 0;

function outputOf(item: Fields): string {
  const output = textOf(item["aggregated_output"]);
  if (output !== null) return output;
  const error = textOf(fieldsOf(item["error"])["message"]);
  if (error !== null) return error;
  if (item["type"] === "file_change")
    return listOf(item["changes"])
      .map((change) => `${textOf(fieldsOf(change)["kind"])} ${textOf(fieldsOf(change)["path"])}`)
      .join("\n");
  return item["result"] === undefined ? "" : jsonOf(item["result"]);
}
