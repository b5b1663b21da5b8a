/**
 * The tools as a server of the Model Context Protocol: JSON-RPC, a message a line, over two streams. Knows
 * the protocol and no tool; whatever it is sent, it answers or drops it, and goes on.
 */
import { z } from "zod";
import { CliFailure } from "../failure.js";
import type { OwnRun, Tool } from "./tool.js";

/** Newest first; the server's side of tools is the same in all of them. */
const versions = ["2025-06-18", "2025-03-26", "2024-11-05"] as const;
/** A comment of 100,000 characters, each escaped, fits. */
const lineCharsMax = 1024 * 1024;
/** Calls at once: a model asks for a few. */
const callsMax = 16;

const codes = {
  parse: -32_700,
  invalid: -32_600,
  unknown: -32_601,
  params: -32_602,
  busy: -32_000,
};

const messageSchema = z.object({
  jsonrpc: z.literal("2.0"),
  id: z.union([z.string(), z.number()]).optional(),
  method: z.string().optional(),
  params: z.record(z.string(), z.unknown()).optional(),
});
type Id = string | number | null;
type Answer = { result: unknown } | { error: { code: number; message: string } };

export interface McpOptions {
  tools: readonly Tool[];
  run: OwnRun;
  version: string;
  input: AsyncIterable<Buffer | string>;
  write: (line: string) => void;
}

/** Serves until the input ends; calls that are under way then are answered first. */
export async function serveMcp(options: McpOptions): Promise<void> {
  const open = new Set<Promise<void>>();
  const answer = (id: Id, content: Answer): void =>
    options.write(`${JSON.stringify({ jsonrpc: "2.0", id, ...content })}\n`);
  for await (const line of linesOf(options.input)) {
    const message = readMessage(line);
    if ("error" in message) answer(null, message);
    // Notifications, and answers to what we never ask, want no answer.
    if ("error" in message || message.id === undefined || message.method === undefined) continue;
    const { id, method, params = {} } = message;
    if (open.size >= callsMax) {
      answer(id, { error: { code: codes.busy, message: "too many calls at once" } });
      continue;
    }
    const call = handle(options, method, params).then((content) => answer(id, content));
    open.add(call);
    void call.finally(() => open.delete(call));
  }
  await Promise.all(open);
}

type Message = z.output<typeof messageSchema> | { error: { code: number; message: string } };
function readMessage(line: string): Message {
  if (line.length > lineCharsMax)
    return { error: { code: codes.invalid, message: "the message is too long" } };
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return { error: { code: codes.parse, message: "the line is no JSON" } };
  }
  const read = messageSchema.safeParse(value);
  return read.success
    ? read.data
    : { error: { code: codes.invalid, message: "the message is none of JSON-RPC 2.0" } };
}

/** Never rejects. */
async function handle(
  { tools, run, version }: McpOptions,
  method: string,
  params: Record<string, unknown>,
): Promise<Answer> {
  switch (method) {
    case "initialize":
      return {
        result: {
          protocolVersion: versions.find((one) => one === params["protocolVersion"]) ?? versions[0],
          capabilities: { tools: {} },
          serverInfo: { name: "reveille", version },
        },
      };
    case "ping":
      return { result: {} };
    case "tools/list":
      return { result: { tools: tools.map(describe) } };
    case "tools/call": {
      const tool = tools.find(({ name }) => name === params["name"]);
      return tool
        ? { result: await callTool(tool, run, params["arguments"] ?? {}) }
        : { error: { code: codes.params, message: `no tool ${String(params["name"])}` } };
    }
    default:
      return { error: { code: codes.unknown, message: `no method ${method}` } };
  }
}

const describe = ({ name, description, input }: Tool): object => ({
  name,
  description,
  inputSchema: z.toJSONSchema(input, { io: "input" }),
});

/** A tool that fails is an answer for the model, which can do better; not an error of the protocol. */
async function callTool(tool: Tool, run: OwnRun, input: unknown): Promise<object> {
  const told = (text: string, isError: boolean): object => ({
    content: [{ type: "text", text }],
    isError,
  });
  try {
    return told(JSON.stringify(await tool.call(run, input), null, 1), false);
  } catch (error) {
    const hint = error instanceof CliFailure && error.hint ? `\n${error.hint}` : "";
    return told(`${(error as Error).message}${hint}`, true);
  }
}

/** Lines of a stream; of one that is too long only so much that it is known to be. */
async function* linesOf(input: AsyncIterable<Buffer | string>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of input) {
    rest += typeof chunk === "string" ? chunk : decoder.decode(chunk, { stream: true });
    const lines = rest.split("\n");
    rest = lines.pop()!.slice(0, lineCharsMax + 1);
    for (const line of lines) if (line.trim() !== "") yield line;
  }
  if (rest.trim() !== "") yield rest;
}
