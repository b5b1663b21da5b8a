// Owns one scenario while it happens: its company, the steps that a recording shows, and everything that was seen. Waiting is in
// waits.ts, comparing in comparison.ts; it knows no target.
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openEvents } from "./client.js";
import type { Answer, CallOptions, Client, Frame, Row, SocketAnswer } from "./client.js";
import { Names } from "./names.js";

export interface RequestOptions extends CallOptions {
  /** Who asks, as the recording calls it. */
  as?: string;
  /** What of the answer is recorded; default all. */
  pick?: (body: Row) => unknown;
  /** The answer's body is not recorded. */
  noBody?: boolean;
  /** Nothing is recorded. */
  silent?: boolean;
}

/** What a scenario may put in the way of its agent's processes. */
export interface Shell {
  command: string;
  args: string[];
  cwd: string;
}

export class Scene {
  readonly id: string;
  readonly client: Client;
  readonly names: Names;
  readonly steps: Row[] = [];
  readonly frames: Frame[] = [];
  /** Answers to recorded requests, in order, as they came. */
  readonly answers: Answer[] = [];
  /** What a scenario keeps for its own assertion, beside what is recorded. */
  readonly seen: Row = {};
  readonly folder: string;
  companyId = "";

  constructor(id: string, client: Client, serverCwd?: string) {
    const parent = join(tmpdir(), "reveille-conformance");
    mkdirSync(parent, { recursive: true });
    this.id = id;
    this.client = client;
    this.folder = mkdtempSync(join(parent, `${id}-`));
    this.names = new Names({ base: client.base, folder: this.folder, serverCwd });
  }

  /** Not recorded. */
  call(method: string, path: string, body?: unknown, options?: CallOptions): Promise<Answer> {
    return this.client.call(method, path, body, options);
  }

  /** Recorded, unless the options say otherwise. */
  async request(
    method: string,
    path: string,
    body?: unknown,
    options: RequestOptions = {},
  ): Promise<Answer> {
    const answer = await this.call(method, path, body, options);
    const row = answer.body as Row | null;
    if (typeof row === "object" && row !== null && "invocationSource" in row) {
      this.names.give("run", row["id"]);
      this.names.give("wake", row["wakeupRequestId"]);
    }
    if (options.silent) return answer;
    this.answers.push(answer);
    const picked = options.pick ? options.pick(answer.body as Row) : answer.body;
    const asked = {
      method,
      path,
      ...(body === undefined ? {} : { body }),
      ...(options.as ? { as: options.as } : {}),
    };
    this.steps.push({
      req: this.names.normalise(asked),
      res: {
        status: answer.status,
        body: options.noBody ? "<omitted>" : this.names.normalise(picked),
      },
    });
    return answer;
  }

  wake(agentId: string, body?: unknown, options?: RequestOptions): Promise<Answer> {
    return this.request("POST", `/api/agents/${agentId}/wakeup`, body, options);
  }

  cancel(runId: string, options?: RequestOptions): Promise<Answer> {
    return this.request("POST", `/api/heartbeat-runs/${runId}/cancel`, undefined, options);
  }

  observe(what: string, value: unknown): void {
    this.steps.push({ observe: what, value: this.names.normalise(value) });
  }

  note(note: string): void {
    this.steps.push({ note });
  }

  /** A company; the first one is the scenario's own. Its name begins with random letters: they become the prefix of its issues. */
  async company(): Promise<string> {
    const letter = (): string => String.fromCharCode(65 + Math.floor(Math.random() * 26));
    const name = `${Array.from({ length: 6 }, letter).join("")} ${this.id}`;
    const { body } = await this.call("POST", "/api/companies", { name });
    const id = String((body as Row)["id"]);
    this.names.give("company", id, this.companyId === "" ? "C" : undefined);
    this.companyId ||= id;
    return id;
  }

  /** An agent; by default one that runs `/bin/true`. */
  async agent(label: string, more: Row = {}): Promise<string> {
    const create = {
      name: label,
      adapterType: "process",
      adapterConfig: { command: "/bin/true" },
      ...more,
    };
    const id = await this.#made(`/api/companies/${this.companyId}/agents`, create);
    this.names.give("agent", id, label);
    this.steps.push({ setup: "agent", label, create: this.names.normalise(create) });
    return id;
  }

  async issue(label: string, more: Row = {}): Promise<string> {
    const create = { title: label, status: "todo", ...more };
    const id = await this.#made(`/api/companies/${this.companyId}/issues`, create);
    this.names.give("issue", id, label);
    this.steps.push({ setup: "issue", label, create: this.names.normalise(more) });
    return id;
  }

  /** A comment whose answer is not recorded: what it causes is. */
  async comment(issueId: string, body: Row, options: RequestOptions = {}): Promise<void> {
    const path = `/api/issues/${issueId}/comments`;
    const answer = await this.request("POST", path, body, { ...options, noBody: true });
    this.names.give("comment", (answer.body as Row)["id"], "1");
  }

  /** The token of a new key of an agent. */
  async key(agentId: string): Promise<{ id: string; token: string }> {
    const { body } = await this.call("POST", `/api/agents/${agentId}/keys`, { name: "k" });
    return body as { id: string; token: string };
  }

  shell(script: string, more: Row = {}): Shell & Row {
    return { command: "/bin/sh", args: ["-c", script], cwd: "/tmp", ...more };
  }

  /** Shell text that waits until `open` was called with the same name. */
  gate(name: string): string {
    return `while [ ! -e ${this.folder}/${name} ]; do sleep 0.02; done`;
  }

  open(name: string): void {
    writeFileSync(join(this.folder, name), "");
    this.steps.push({ gate: name });
  }

  /** An agent whose runs wait for the gate `go`. */
  gated(more: Row = {}): Row {
    return {
      adapterConfig: this.shell(`echo start $$ >/dev/null; ${this.gate("go")}`),
      ...more,
    };
  }

  /** Follows the events of the scenario's company, or of `companyId`, into `frames`. */
  follow(
    options: { headers?: Record<string, string>; query?: string; companyId?: string } = {},
  ): Promise<SocketAnswer> {
    const companyId = options.companyId ?? this.companyId;
    return openEvents(this.client.base, companyId, (frame) => this.frames.push(frame), options);
  }

  async #made(path: string, create: Row): Promise<string> {
    const { status, body } = await this.call("POST", path, create);
    if (status !== 201) throw new Error(`${path} answered ${status}: ${JSON.stringify(body)}`);
    return String((body as Row)["id"]);
  }
}
