// Paperclip's own command, unmodified, against our gateway: its users go on typing what they type. Needs a download, so it runs behind
// a flag (see CONTRIBUTING.md).
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  paperclipCli,
  paperclipFlag,
  paperclipVersion,
  type PaperclipCli,
  type Printed,
} from "../harness/paperclip-cli.js";
import {
  createAgent,
  startWholeSystem,
  type Row,
  type WholeSystem,
} from "../harness/whole-system.js";

const isWanted = process.env[paperclipFlag] === "1";
/** The command reads a page of the log every 200 ms and none after the end: what is to be seen must be there for some pages. */
const staying = "setTimeout(() => {}, 2_000)";
const title = `paperclipai@${paperclipVersion}`;

describe.skipIf(!isWanted)(
  isWanted ? title : `${title} (skipped: set ${paperclipFlag}=1; it is downloaded once)`,
  () => {
    let system: WholeSystem;
    let cli: PaperclipCli;
    let home: string;
    let companyId: string;
    let agentId: string;

    beforeAll(async () => {
      home = mkdtempSync(join(tmpdir(), "reveille-paperclip-"));
      system = await startWholeSystem();
      cli = paperclipCli(system.http, home);
      const program = `console.log("said on stdout"); console.error("said on stderr"); ${staying}`;
      ({ companyId, agentId } = await createAgent(system, program, { name: "Bob Smith" }));
    }, 300_000);
    afterAll(async () => {
      await system?.stop();
      rmSync(home, { recursive: true, force: true });
    });

    /** Its answer as JSON. */
    const json = async (...args: string[]): Promise<unknown> => {
      const { code, stdout, stderr } = await cli(...args, "--json");
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      return JSON.parse(stdout);
    };
    /** What a person reads, when all went well. */
    const text = async (...args: string[]): Promise<string> => {
      const { code, stdout, stderr }: Printed = await cli(...args);
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      return stdout;
    };

    test("company list", async () => {
      expect(await json("company", "list")).toMatchObject([{ id: companyId, name: "Test" }]);
      expect(await text("company", "list")).toContain(companyId);
    });

    test("agent list and get", async () => {
      const rows = await json("agent", "list", "--company-id", companyId);
      expect(rows).toMatchObject([{ id: agentId, name: "Bob Smith", urlKey: "bob-smith" }]);
      expect(await text("agent", "list", "--company-id", companyId)).toContain("Bob Smith");
      expect(await json("agent", "get", agentId)).toMatchObject({ id: agentId, status: "idle" });
    });

    test("issue create, list, update, comment, checkout, release", async () => {
      const created = (await json(
        "issue",
        "create",
        `--company-id=${companyId}`,
        "--title=From the command",
        "--description=Long",
        "--status=todo",
        "--priority=high",
      )) as Row;
      expect(created).toMatchObject({ title: "From the command", priority: "high" });
      const id = String(created["id"]);
      const identifier = String(created["identifier"]);
      const listed = await text("issue", "list", "--company-id", companyId, "--match", "command");
      expect(listed).toContain(identifier);
      expect(await json("issue", "list", "--company-id", companyId, "--status", "done")).toEqual(
        [],
      );
      expect(await json("issue", "get", identifier)).toMatchObject({ id });
      expect(
        await json("issue", "update", id, "--title", "Renamed", "--comment", "why it is renamed"),
      ).toMatchObject({ id, title: "Renamed" });
      expect(await json("issue", "comment", id, "--body", "hello")).toMatchObject({
        issueId: id,
        body: "hello",
      });
      expect(await json("issue", "checkout", id, "--agent-id", agentId)).toMatchObject({
        id,
        status: "in_progress",
        assigneeAgentId: agentId,
      });
      expect(await json("issue", "release", id)).toMatchObject({
        status: "todo",
        assigneeAgentId: null,
      });
      const comments = await system.call("GET", `/issues/${id}/comments`);
      const bodies = (comments.body as unknown as Row[]).map(({ body }) => body);
      expect(new Set(bodies)).toEqual(new Set(["hello", "why it is renamed"]));
    });

    test("heartbeat run shows events and log, and ends with 0 when the run has succeeded", async () => {
      const printed = await text("heartbeat", "run", "--agent-id", agentId);
      for (const part of [
        "lifecycle: run started",
        "Adapter: process",
        "said on stdout",
        "said on stderr",
      ])
        expect(printed).toContain(part);
      expect(printed).toMatch(/succeeded/);
    });

    test("heartbeat run ends with 1 when the run fails, and shows why", async () => {
      const failing = await createAgent(system, `console.error("broken"); process.exit(3)`, {
        companyId,
        name: "Failing",
      });
      const { code, stdout, stderr } = await cli("heartbeat", "run", "--agent-id", failing.agentId);
      expect(code).toBe(1);
      expect(stdout + stderr).toContain("broken");
      expect(stdout + stderr).toMatch(/Process exited with code 3/);
    });

    test("heartbeat run shows every line of a log that is longer than one of its pages", async () => {
      const count = 400;
      const program = `for (let n = 0; n < ${count}; n += 1) console.log("line " + n + " " + "x".repeat(80)); ${staying}`;
      const talking = await createAgent(system, program, { companyId, name: "Talking" });
      const printed = await text("heartbeat", "run", "--agent-id", talking.agentId);
      const shown = [...printed.matchAll(/^line (\d+) x{80}$/gm)].map(([, n]) => Number(n));
      expect(shown).toEqual(Array.from({ length: count }, (_, n) => n));
    });

    test("heartbeat run of an unknown agent says so and ends with 1", async () => {
      const nobody = "00000000-0000-4000-8000-000000000000";
      const { code, stdout, stderr } = await cli("heartbeat", "run", "--agent-id", nobody);
      expect(code).toBe(1);
      expect(stdout + stderr).toContain("Agent not found");
    });
  },
);
