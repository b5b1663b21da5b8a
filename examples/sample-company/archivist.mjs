// The Archivist looks at the repository in which it runs and files an issue for the Builder: count what is here.
import { call, run, say } from "./company-api.mjs";
import { countKinds, git, listFiles } from "./repository.mjs";

/** Kinds of files that the Builder is asked to count: enough to keep it busy for some seconds. */
const kindsMax = 6;

say(`woken (${run.wakeReason}), looking at ${process.cwd()}`);

const head = git("log", "-n", "3", "--format=%h %an: %s");
if (head === null) say("no git history here; walking the folder instead");
else {
  say(`${git("rev-list", "--count", "HEAD")} commits, the newest:`);
  for (const line of head.split("\n")) say(`  ${line}`);
  const authors = git("shortlog", "-sn", "HEAD");
  if (authors) say(`most from ${authors.split("\n")[0].trim().replace(/\s+/, " x ")}`);
}

const files = listFiles();
const kinds = countKinds(files);
say(
  `${files.length} files: ${kinds
    .slice(0, kindsMax)
    .map(([kind, n]) => `${n} ${kind}`)
    .join(", ")}`,
);

const agents = await call("GET", `/companies/${run.companyId}/agents`);
const builder = agents.find((agent) => agent.name === "Builder");
if (!builder) throw new Error("this company has no Builder to work on what was found");

const issue = await call("POST", `/companies/${run.companyId}/issues`, {
  title: `Count the lines of ${files.length} files`,
  description: `Kinds: ${kinds
    .slice(0, kindsMax)
    .map(([kind]) => kind)
    .join(" ")}`,
  status: "todo",
  assigneeAgentId: builder.id,
});
say(`filed ${issue.identifier ?? issue.id} for Builder: ${issue.title}`);
