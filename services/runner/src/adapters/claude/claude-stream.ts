/**
 * Reads what `claude --print --output-format stream-json` prints (seen in version 2.1.330). The last word
 * is a `result`; that it calls itself a success says nothing, `is_error` does. Its usage is of this run,
 * its cost of the whole session. Pure, never throws; unknown events mean nothing.
 */
import type { Usage, UsageSoFar } from "@reveille/shared/protocol/execution";
import type { TranscriptEntry } from "@reveille/shared/protocol/transcript";
import {
  addUsage,
  amountOf,
  countOf,
  fieldsOf,
  isNoUsage,
  jsonOf,
  listOf,
  maxUsage,
  noUsage,
  parseLine,
  textOf,
  usedOf,
} from "../agent-program/fields.js";
import type { Fields } from "../agent-program/fields.js";
import { endFailureText } from "../agent-program/stream.js";
import type { Conclusion, StreamEnd, StreamReader, StreamStart } from "../agent-program/stream.js";
import { failureOf } from "../agent-program/failure.js";
import { claudeFailure } from "./claude-failure.js";
import type { ClaudeEvidence } from "./claude-failure.js";

/** Models' answers that are remembered to count each once; a run has a few hundred. */
const messagesMax = 4_096;

export const readClaudeStream = (start: StreamStart): StreamReader => new ClaudeStream(start);

class ClaudeStream implements StreamReader {
  /** It gives up by itself (`CLAUDE_CODE_MAX_RETRIES`). */
  readonly waitingCount = 0;
  readonly #start: StreamStart;
  #sessionId: string | null = null;
  #model: string | null = null;
  #keySource: string | null = null;
  /** Each answer's usage by its id: its parts come one by one, each with the same figure. */
  readonly #answers = new Map<string, Usage>();
  #told: Usage = noUsage;
  #counted: Usage = noUsage;
  #runCost: number | null = null;
  #sessionCost: number | null = null;
  #result: Fields | null = null;
  #evidence: ClaudeEvidence = { kind: null, status: null, resetsAtMs: null };

  constructor(start: StreamStart) {
    this.#start = start;
  }

  get used(): UsageSoFar {
    return usedOf(this.#usage, this.#cost);
  }

  /** What results counted, or more where an answer came after the last of them. */
  get #usage(): Usage {
    return maxUsage(this.#counted, this.#told);
  }

  /** Of this run: from the session's total where that was known before, else as the program splits it. */
  get #cost(): number | null {
    const before = this.#start.base?.costUsd ?? null;
    if (this.#sessionCost === null) return null;
    const part = before === null ? null : this.#sessionCost - before;
    // Lower than before: another session's.
    return part !== null && part >= 0 ? part : this.#runCost;
  }

  read(line: string): readonly TranscriptEntry[] {
    const event = parseLine(line);
    if (!event) return [];
    switch (event["type"]) {
      case "system":
        return this.#system(event);
      case "assistant":
        return this.#assistant(event);
      case "user":
        return toolResults(event);
      case "rate_limit_event":
        return this.#rateLimit(fieldsOf(event["rate_limit_info"]));
      case "result":
        return this.#ended(event);
      default:
        return [];
    }
  }

  conclude(end: StreamEnd): Conclusion {
    const failure = this.#failure(end);
    const unknownSession = failure?.family === "session_unknown";
    const result = this.#result ?? {};
    const ended = endFailureText("claude", end);
    return {
      sessionId: unknownSession ? null : this.#sessionId,
      model: this.#model,
      used: this.used,
      totals: this.#totals(),
      summary: textOf(result["result"]),
      billing:
        this.#keySource === null ? null : this.#keySource === "none" ? "subscription" : "api",
      failure,
      facts: {
        ...(this.#result
          ? {
              subtype: result["subtype"] ?? null,
              terminalReason: result["terminal_reason"] ?? null,
              numTurns: countOf(result["num_turns"]),
              durationMs: countOf(result["duration_ms"]),
              permissionDenials: listOf(result["permission_denials"]).length,
            }
          : {}),
        ...(failure && ended && failure.message !== ended ? { ended } : {}),
      },
    };
  }

  #failure(end: StreamEnd): Conclusion["failure"] {
    const said = claudeFailure(this.#result, this.#evidence, end);
    if (said) return said;
    const ended = endFailureText("claude", end);
    if (ended !== null) return failureOf("other", ended);
    return this.#result ? null : failureOf("incomplete", "claude ended without a result");
  }

  #totals(): Conclusion["totals"] {
    const before = this.#start.base?.costUsd ?? null;
    const costUsd = this.#sessionCost ?? before;
    return costUsd === null ? null : { costUsd };
  }

  #system(event: Fields): readonly TranscriptEntry[] {
    if (event["subtype"] === "init") {
      this.#sessionId = textOf(event["session_id"]) ?? this.#sessionId;
      this.#model = textOf(event["model"]) ?? this.#model;
      this.#keySource = textOf(event["apiKeySource"]) ?? this.#keySource;
      return [{ kind: "start", sessionId: this.#sessionId, model: this.#model }];
    }
    if (event["subtype"] !== "api_retry") return [];
    const code = textOf(event["error"]);
    const status = countOf(event["error_status"]) || null;
    this.#evidence = { ...this.#evidence, retried: { kind: code, status } };
    const tries = `${countOf(event["attempt"])} of ${countOf(event["max_retries"])}`;
    const message = `request failed (${status ?? code ?? "no answer"}), try ${tries} follows`;
    return [{ kind: "error", message, code, final: false }];
  }

  #assistant(event: Fields): readonly TranscriptEntry[] {
    const message = fieldsOf(event["message"]);
    const own = textOf(event["error"]);
    if (own !== null) this.#evidence = { ...this.#evidence, kind: own };
    const model = textOf(message["model"]);
    // `<synthetic>` are the program's own words, not a model's.
    if (model !== null && !model.startsWith("<")) {
      if (event["parent_tool_use_id"] === null) this.#model = model;
      this.#count(textOf(message["id"]), usageOf(fieldsOf(message["usage"])));
    }
    const entries: TranscriptEntry[] = [];
    for (const item of listOf(message["content"])) {
      const block = fieldsOf(item);
      const text = textOf(block["text"]);
      const thinking = textOf(block["thinking"]);
      if (block["type"] === "text" && text !== null)
        entries.push(
          own === null
            ? { kind: "text", text }
            : { kind: "error", message: text, code: own, final: false },
        );
      else if (block["type"] === "thinking" && thinking !== null)
        entries.push({ kind: "thinking", text: thinking });
      else if (block["type"] === "tool_use")
        entries.push({
          kind: "tool_call",
          callId: textOf(block["id"]) ?? "",
          name: textOf(block["name"]) ?? "",
          input: jsonOf(block["input"]),
        });
    }
    return ofParent(event, entries);
  }

  #count(id: string | null, usage: Usage): void {
    const known = id === null ? undefined : this.#answers.get(id);
    const now = known ? maxUsage(known, usage) : usage;
    if (id !== null && (known || this.#answers.size < messagesMax)) this.#answers.set(id, now);
    const before = known ?? noUsage;
    this.#told = addUsage(this.#told, {
      inputTokens: now.inputTokens - before.inputTokens,
      outputTokens: now.outputTokens - before.outputTokens,
      cachedInputTokens: now.cachedInputTokens - before.cachedInputTokens,
    });
  }

  #rateLimit(info: Fields): readonly TranscriptEntry[] {
    if (info["status"] !== "rejected") return [];
    const seconds = countOf(info["resetsAt"]);
    this.#evidence = { ...this.#evidence, resetsAtMs: seconds > 0 ? seconds * 1_000 : null };
    const which = textOf(info["rateLimitType"]) ?? "usage";
    const until = seconds > 0 ? ` until ${new Date(seconds * 1_000).toISOString()}` : "";
    return [{ kind: "error", message: `${which} limit${until}`, code: "rate_limit", final: false }];
  }

  #ended(event: Fields): readonly TranscriptEntry[] {
    this.#result = event;
    this.#sessionId = textOf(event["session_id"]) ?? this.#sessionId;
    const split = modelTotals(fieldsOf(event["model_usage_since_last_result"]));
    const counted = usageOf(fieldsOf(event["usage"]));
    // A run that its own budget ended says 0 there, and what it used only per model.
    this.#counted = addUsage(this.#counted, isNoUsage(counted) ? split.usage : counted);
    if (split.costUsd !== null) this.#runCost = (this.#runCost ?? 0) + split.costUsd;
    this.#sessionCost = amountOf(event["total_cost_usd"]) ?? this.#sessionCost;
    const ok = event["is_error"] !== true;
    const errors = listOf(event["errors"]).filter((one): one is string => typeof one === "string");
    const text = textOf(event["result"]) ?? errors.join("; ");
    return [
      { kind: "usage", usage: this.#usage, costUsd: this.#cost },
      ...(ok
        ? []
        : [{ kind: "error", message: text, code: this.#evidence.kind, final: true } as const]),
      { kind: "result", ok, text, sessionId: this.#sessionId },
    ];
  }
}

/** Tokens that were written to a cache were read from nowhere: they are input like any other. */
const usageOf = (usage: Fields): Usage => ({
  inputTokens: countOf(
    countOf(usage["input_tokens"]) + countOf(usage["cache_creation_input_tokens"]),
  ),
  outputTokens: countOf(usage["output_tokens"]),
  cachedInputTokens: countOf(usage["cache_read_input_tokens"]),
});

function modelTotals(byModel: Fields): { usage: Usage; costUsd: number | null } {
  let usage = noUsage;
  let costUsd: number | null = null;
  for (const value of Object.values(byModel)) {
    const model = fieldsOf(value);
    usage = addUsage(usage, {
      inputTokens: countOf(
        countOf(model["inputTokens"]) + countOf(model["cacheCreationInputTokens"]),
      ),
      outputTokens: countOf(model["outputTokens"]),
      cachedInputTokens: countOf(model["cacheReadInputTokens"]),
    });
    const cost = amountOf(model["costUSD"]);
    if (cost !== null) costUsd = (costUsd ?? 0) + cost;
  }
  return { usage, costUsd };
}

function toolResults(event: Fields): readonly TranscriptEntry[] {
  const entries: TranscriptEntry[] = [];
  for (const item of listOf(fieldsOf(event["message"])["content"])) {
    const block = fieldsOf(item);
    if (block["type"] !== "tool_result") continue;
    entries.push({
      kind: "tool_result",
      callId: textOf(block["tool_use_id"]) ?? "",
      isError: block["is_error"] === true,
      text: contentText(block["content"]),
    });
  }
  return ofParent(event, entries);
}

/** Text, or a list of blocks of which those with text count. */
function contentText(content: unknown): string {
  if (typeof content === "string") return content;
  return listOf(content)
    .map((item) => textOf(fieldsOf(item)["text"]) ?? "")
    .filter((text) => text !== "")
    .join("\n");
}

function ofParent(event: Fields, entries: TranscriptEntry[]): readonly TranscriptEntry[] {
  const parent = textOf(event["parent_tool_use_id"]);
  return parent === null ? entries : entries.map((entry) => ({ ...entry, parent }));
}
