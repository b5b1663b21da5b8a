// The Builder works on the issue that it was assigned. While it works it holds the issue: the Reviewer, whom it mentions at the
// beginning, is woken at once and has to wait until the Builder is done.
import { setTimeout as pause } from "node:timers/promises";
import { call, run, say } from "./company-api.mjs";
import { countLines, listFiles } from "./repository.mjs";

/** One kind of files a second: slow enough to be watched. */
const stepMs = 1_000;

if (!run.issueId) {
  say(`woken (${run.wakeReason}) without an issue: nothing to do`);
  process.exit(0);
}
const issue = await call("GET", `/issues/${run.issueId}`);
const name = issue.identifier ?? issue.id;
if (issue.status === "done") {
  say(`woken (${run.wakeReason}) for ${name}, which is done`);
  process.exit(0);
}
say(`woken (${run.wakeReason}), working on ${name}: ${issue.title}`);
await call("POST", `/issues/${issue.id}/comments`, {
  body: "@Reviewer I am counting now. Please check the figures when I am done.",
});
say(`asked Reviewer to check ${name}; it waits until I let go of the issue`);

const files = listFiles();
const kinds = (issue.description ?? "")
  .replace(/^Kinds:/, "")
  .trim()
  .split(/\s+/);
let total = 0;
for (const [index, kind] of kinds.entries()) {
  const lines = countLines(files, kind);
  total += lines;
  say(`[${index + 1}/${kinds.length}] ${kind}: ${lines} lines`);
  await pause(stepMs);
}
await call("POST", `/issues/${issue.id}/comments`, { body: `total: ${total} lines` });
say(`done with ${name}: ${total} lines in all`);
