// The console in a real browser, before a real system: what people see, when, and that nothing that programs print can harm them.
import axe from "axe-core";
import { freePort } from "@reveille/local/free-port";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { until } from "../harness/until.js";
import { createAgent, startWholeSystem } from "../harness/whole-system.js";
import type { WholeSystem } from "../harness/whole-system.js";
import { createBoardToken } from "../gateway/tenants.js";
import { missing, startBrowser } from "./browser.js";
import type { ShownPage, TestBrowser } from "./browser.js";

const wake = async (system: WholeSystem, agentId: string, body = {}): Promise<string> =>
  String((await system.call("POST", `/agents/${agentId}/wakeup`, body)).body["id"]);
/** Lines of the log that is shown. */
const linesOf = ({ page }: ShownPage): Promise<string[]> =>
  page.locator(".lines .line .text").allInnerTexts();

// A line of its own: a report shows a skipped file without the reason.
if (missing) process.stderr.write(`tests of the console are ${missing}\n`);

describe.skipIf(missing)(missing || "the console", () => {
  let system: WholeSystem;
  let browser: TestBrowser;
  beforeAll(async () => {
    system = await startWholeSystem({ httpPort: await freePort(0), restart: true });
    browser = await startBrowser();
  });
  afterAll(async () => {
    await browser?.stop();
    await system?.stop();
  });

  test("what a woken agent prints is in the fleet within a second", async () => {
    const program =
      "console.log('line of ' + process.env.PAPERCLIP_RUN_ID); setTimeout(() => {}, 700)";
    const { companyId, agentId } = await createAgent(system, program);
    const { page, complaints } = await browser.open(`${system.http}/${companyId}`);
    await page.getByText("Live", { exact: true }).waitFor();
    const took: number[] = [];
    // The machine may be busy with something else once; a page that polls would be late each time.
    for (let attempt = 0; attempt < 5; attempt += 1) {
      const beganAt = performance.now();
      const runId = await wake(system, agentId);
      await page.locator(".doing").getByText(`line of ${runId}`).waitFor();
      took.push(performance.now() - beganAt);
      await page.getByText("idle", { exact: true }).waitFor();
    }
    expect(Math.min(...took)).toBeLessThan(1_000);
    expect(complaints).toEqual([]);
  });

  test("a wake by keys alone shows its verdict, and leads to the run's log", async () => {
    const { companyId, agentId } = await createAgent(system, "console.log('woken by keys')");
    const { page } = await browser.open(`${system.http}/${companyId}/agents/${agentId}`);
    await page.getByRole("heading", { name: "Worker" }).waitFor();
    await page.keyboard.press("w");
    await page.getByLabel("Reason").fill("by keys");
    await page.keyboard.press("Enter");
    await page.getByRole("dialog").getByRole("link").click();
    await page.getByText("woken by keys", { exact: true }).waitFor();
    await page.getByText("The end: succeeded").waitFor();
  });

  test("a gateway that is killed and comes back: the page goes on, and shows every line once", async () => {
    const program =
      "let n = 0; setInterval(() => { console.log('tick ' + (n += 1)); if (n === 60) process.exit(0) }, 100)";
    const { companyId, agentId } = await createAgent(system, program);
    const runId = await wake(system, agentId);
    const shown = await browser.open(`${system.http}/${companyId}/runs/${runId}`);
    await shown.page.getByText("tick 5", { exact: true }).waitFor();
    system.stack.kill("gateway", 0, "SIGKILL");
    await shown.page.getByText(/^(Connecting|Offline)$/).waitFor();
    await shown.page.getByText("Live", { exact: true }).waitFor({ timeout: 60_000 });
    await shown.page.getByText("The end: succeeded").waitFor({ timeout: 60_000 });
    expect(await linesOf(shown)).toEqual(Array.from({ length: 60 }, (_, at) => `tick ${at + 1}`));
    await until("its course is told once", async () => {
      const steps = await shown.page.locator(".course strong").allInnerTexts();
      return steps.filter((step) => step === "Run succeeded").length === 1;
    });
    expect(shown.complaints).toEqual([]);
  });

  test("a hostile log does no harm", async () => {
    const program = `
      const out = (text) => process.stdout.write(text);
      out("<script>globalThis.harmed = 1</script><img src=x onerror='globalThis.harmed = 1'>\\n");
      out("\\u001b[31mred\\u001b[0m \\u001b]8;;javascript:globalThis.harmed=1\\u0007link\\u001b]8;;\\u0007 \\u001b[2J\\u001b]0;title\\u0007\\n");
      process.stdout.write(Buffer.from([0x62, 0x61, 0x64, 0xff, 0xfe, 0xc3, 0x28, 0x0a]));
      out("x".repeat(1 << 20) + "\\n");
      out("\\u202egnp.exe\\u0000\\u0007 the last line\\n");`;
    const { companyId, agentId } = await createAgent(system, program);
    const runId = await wake(system, agentId);
    const shown = await browser.open(`${system.http}/${companyId}/runs/${runId}`);
    await shown.page.getByText("The end: succeeded").waitFor();
    await shown.page.locator("button", { hasText: "Wrap" }).click();
    const lines = await linesOf(shown);
    expect(lines[0]).toContain("<script>globalThis.harmed = 1</script><img");
    expect(lines[1]?.trim()).toBe("red link");
    expect(lines[2]).toMatch(/^bad\ufffd+\(/);
    expect(lines.at(-1)).toBe("\ufffdgnp.exe\u2400\u2407 the last line");
    expect(await shown.page.locator(".fg-1").allInnerTexts()).toEqual(["red"]);
    await shown.page.getByText(/more characters: see the download/).waitFor();
    expect(await shown.page.evaluate("[globalThis.harmed, document.title]")).toEqual([
      undefined,
      "Reveille",
    ]);
    expect(shown.complaints).toEqual([]);
  });

  test("the cancel of a stubborn tree is followed to its end", async () => {
    const program =
      "process.on('SIGTERM', () => console.log('no')); console.log('stays'); setInterval(() => {}, 1000)";
    const { companyId, agentId } = await createAgent(system, program);
    await system.call("PATCH", `/agents/${agentId}`, {
      adapterConfig: { command: process.execPath, args: ["-e", program], graceSec: 2 },
    });
    const runId = await wake(system, agentId);
    const { page } = await browser.open(`${system.http}/${companyId}/runs/${runId}`);
    await page.getByText("stays", { exact: true }).waitFor();
    await page.getByRole("button", { name: "Cancel" }).click();
    await page.getByText(/^Asked/).waitFor();
    await page.getByText("no", { exact: true }).waitFor();
    await page.getByText(/^Dead after/).waitFor();
    await page.locator("h1").getByText("cancelled").waitFor();
  });

  test("a lock that goes from one agent to another is seen to go", async () => {
    const program = "setTimeout(() => process.exit(0), 3000)";
    const { companyId, agentId } = await createAgent(system, program, { name: "First" });
    const second = await createAgent(system, program, { companyId, name: "Second" });
    const issue = await system.call("POST", `/companies/${companyId}/issues`, { title: "A thing" });
    const payload = { issueId: String(issue.body["id"]) };
    const { page } = await browser.open(`${system.http}/${companyId}/issues/${payload.issueId}`);
    await page.getByText("Nobody holds it.").waitFor();
    await wake(system, agentId, { payload });
    await page.locator(".holder").getByText("First").waitFor();
    await wake(system, second.agentId, { payload });
    await page.locator(".waiters").getByText("Second").waitFor();
    await page.locator(".holder").getByText("Second").waitFor();
    await page.getByText("Nobody holds it.").waitFor();
  });

  test("companies see their own alone, and an unknown one is nothing", async () => {
    const one = await createAgent(system, "0", { name: "Only here" });
    const other = await createAgent(system, "0", { name: "Only there" });
    const { page } = await browser.open(`${system.http}/${one.companyId}`);
    await page.getByText("Only here").waitFor();
    expect(await page.getByText("Only there").count()).toBe(0);
    await page.getByLabel("Company").selectOption(other.companyId);
    await page.getByText("Only there").waitFor();
    expect(await page.getByText("Only here").count()).toBe(0);
    await page.goto(`${system.http}/${one.agentId}`);
    await page.getByText("There is no such company").waitFor();
  });

  test("axe finds no serious fault on any page, light or dark", async () => {
    const { companyId, agentId } = await createAgent(
      system,
      "console.log('\\u001b[32mgreen'); console.error('oh')",
    );
    const issue = await system.call("POST", `/companies/${companyId}/issues`, { title: "A thing" });
    const runId = await wake(system, agentId, { payload: { issueId: issue.body["id"] } });
    const paths = [
      "",
      `/agents/${agentId}`,
      "/runs",
      `/runs/${runId}`,
      "/issues",
      `/issues/${String(issue.body["id"])}`,
    ];
    paths.push("/wakes", "/costs", "/dead-letters", "/runners", "/partitions");
    for (const colorScheme of ["light", "dark"] as const) {
      const { page, complaints } = await browser.open(`${system.http}/${companyId}`, {
        colorScheme,
      });
      for (const path of paths) {
        await page.goto(`${system.http}/${companyId}${path}`);
        await page.getByText("Live", { exact: true }).waitFor();
        await until("it is loaded", async () => (await page.locator(".loading").count()) === 0);
        await page.evaluate(axe.source);
        const serious = await page.evaluate(
          `axe.run().then(({ violations }) => violations
            .filter(({ impact }) => impact === "serious" || impact === "critical")
            .map(({ id, nodes }) => [id, nodes.slice(0, 3).map(({ html, failureSummary }) => html + failureSummary)]))`,
        );
        expect(serious, `${colorScheme} ${path}`).toEqual([]);
      }
      expect(complaints).toEqual([]);
    }
  });

  test("where one has to log in a token makes a session, which acts, lives through a reload and ends", async () => {
    const token = await createBoardToken(system.database);
    const own = await system.stack.start("gateway", { REVEILLE_DEPLOYMENT_MODE: "authenticated" });
    const { companyId } = await createAgent(system, "0", { name: "Behind a login" });
    const { page, complaints } = await browser.open(`${own.ready?.http ?? ""}/${companyId}`);
    await page.getByLabel("Board token").fill("rvb_wrong");
    await page.keyboard.press("Enter");
    await page.getByRole("alert").getByText("Unauthorized").waitFor();
    await page.getByLabel("Board token").fill(token);
    await page.keyboard.press("Enter");
    await page.getByText("Behind a login").waitFor();
    await page.getByText("Live", { exact: true }).waitFor();
    expect(
      await page.evaluate("document.cookie + JSON.stringify(localStorage) + location.href"),
    ).not.toContain(token);
    await page.reload();
    await page.getByRole("button", { name: "Pause Behind a login" }).click();
    await page.getByRole("button", { name: "Resume Behind a login" }).waitFor();
    await page.getByText("Behind a login is paused").waitFor();
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByLabel("Board token").waitFor();
    expect(complaints).toEqual([]);
  });
});
