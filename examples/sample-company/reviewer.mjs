// The Reviewer counts again what the Builder counted. It is mentioned while the Builder still holds the issue, so its wake waits
// and its run begins in the moment in which the issue is handed over.
import { call, run, say } from "./company-api.mjs";
import { countLines, listFiles } from "./repository.mjs";

if (!run.issueId) {
  say(`woken (${run.wakeReason}) without an issue: nothing to do`);
  process.exit(0);
}
const issue = await call("GET", `/issues/${run.issueId}`);
const name = issue.identifier ?? issue.id;
say(`woken (${run.wakeReason}), the issue ${name} is mine now`);

const comments = await call("GET", `/issues/${issue.id}/comments`);
const claimed = comments.map(({ body }) => /^total: (\d+) lines/.exec(body)?.[1]).find(Boolean);
if (claimed === undefined) {
  say("no total to check yet");
  process.exit(0);
}
const files = listFiles();
const kinds = (issue.description ?? "")
  .replace(/^Kinds:/, "")
  .trim()
  .split(/\s+/);
const counted = kinds.reduce((sum, kind) => sum + countLines(files, kind), 0);
if (counted !== Number(claimed)) {
  say(
    `Builder says ${claimed} lines, I count ${counted}: somebody is editing here; ${name} stays open`,
  );
  process.exit(0);
}
await call("PATCH", `/issues/${issue.id}`, { status: "done" });
say(`${counted} lines, as Builder said: ${name} is done`);
