// Owns what the agents of fault tests are: a shell program that writes down, outside of the system, when it and its grandchildren
// live, and the judgement of what was written. Knows nothing of rows and streams.
//
// Two kinds of evidence. The order of the lines in one file (appended whole, so in the order in which they happened) says who started
// when. A kernel lock on an inherited descriptor says more: it is free only when every process of a tree is dead, grandchildren and
// killed ones included, so whoever finds it taken has met somebody alive who should not be.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { WitnessLine as EvidenceLine } from "@reveille/shared/evidence/witness";

export interface WitnessLine {
  what: "start" | "end" | "child" | "overlap-run" | "overlap-agent" | "overlap-issue";
  runId: string;
  attempt: number;
  agentId: string;
  /** Null: no issue. */
  issueId: string | null;
  pid: number;
  /** Seconds since boot, in hundredths, when the line was written: one clock for all processes of the machine. */
  at: number;
}

/** Where a program outside of a system has no company. */
const noCompany = "00000000-0000-4000-8000-000000000000";

/**
 * `$1` is the folder, `$2` how long to live: milliseconds, `random` (50 to 500, from the run's id) or `released` (until the file
 * `release` is there). `$3`: `exclusive` when the agent has one slot. `$4`: how many lines to print and to give account of. Odd runs put
 * their grandchild into a session of its own; one in eight leaves it behind when it ends, where it would stay for as long as the folder
 * does. Lines are those of shared/src/evidence/witness.ts.
 */
const program = `
dir=$1 run=$REVEILLE_RUN_ID issue=\${REVEILLE_TASK_ID:-}
company=\${REVEILLE_COMPANY_ID:-${noCompany}}
[ -n "$issue" ] && named="\\"$issue\\"" || named=null
say() {
  read -r up rest < /proc/uptime
  echo "{\\"what\\":\\"$1\\",\\"companyId\\":\\"$company\\",\\"runId\\":\\"$run\\",\\"attempt\\":$REVEILLE_ATTEMPT,\\"agentId\\":\\"$REVEILLE_AGENT_ID\\",\\"issueId\\":$named,\\"pid\\":$$,\\"bootMs\\":\${up%.*}\${up#*.}0$2}" >> "$dir/witness.ndjson"
}
met() { say overlap ",\\"with\\":\\"$1\\""; }
say start
exec 7>>"$dir/run-$run"; flock -n 7 || met run
if [ "$3" = exclusive ]; then exec 8>>"$dir/agent-$REVEILLE_AGENT_ID"; flock -n 8 || met agent; fi
if [ -n "$issue" ]; then exec 9>>"$dir/issue-$issue"; flock -n 9 || met issue; fi
account=
if [ "\${4:-0}" -gt 0 ]; then
  seq 1 "$4"
  sum=$(seq 1 "$4" | sha256sum)
  account=",\\"stream\\":\\"stdout\\",\\"bytes\\":$(seq 1 "$4" | wc -c),\\"sha256\\":\\"\${sum%% *}\\""
fi
dice=$((0x\${run%%-*}))
ms=$2
[ "$ms" = random ] && ms=$((dice % 450 + 50))
[ "$ms" = released ] || seconds=$((ms / 1000)).$(printf %03d $((ms % 1000)))
if [ "$ms" = released ]; then
  sh -c 'while :; do sleep 1; done' &
  while [ ! -e "$dir/release" ]; do sleep 0.05; done
elif [ $((dice % 8)) = 0 ]; then
  say child; setsid sh -c 'while [ -e "$0" ]; do sleep 1; done' "$dir/witness.ndjson" & sleep $seconds
elif [ $((dice % 2)) = 1 ]; then
  say child; setsid sleep $seconds & wait
else
  sleep $seconds
fi
say end "$account"
`;

export interface Witness {
  readonly dir: string;
  /** What `reveille verify --witness` reads; there from the first line on. */
  readonly file: string;
  /** `adapterConfig` of an agent that lives so long; `released`: until `release` is called. `prints`: so many lines, and their account. */
  agent(lives: number | "random" | "released", exclusive: boolean, prints?: number): object;
  /** Lets every process that lives until then end, and later ones at once. */
  release(): void;
  /** Later ones live again until the next release. */
  hold(): void;
  lines(): WitnessLine[];
}

/** A witness below `parent`, which outlives the processes. */
export function openWitness(parent: string): Witness {
  const dir = join(parent, "witness");
  mkdirSync(dir, { recursive: true });
  const file = join(dir, "witness.ndjson");
  return {
    dir,
    file,
    agent: (lives, exclusive, prints = 0) => ({
      command: "/bin/sh",
      args: [
        "-c",
        program,
        "witness",
        dir,
        String(lives),
        exclusive ? "exclusive" : "shared",
        String(prints),
      ],
      graceSec: 1,
    }),
    release: () => writeFileSync(join(dir, "release"), ""),
    hold: () => rmSync(join(dir, "release"), { force: true }),
    lines: () =>
      existsSync(file)
        ? readFileSync(file, "utf8")
            .split("\n")
            .filter((line) => line.endsWith("}"))
            .map(parse)
        : [],
  };
}

function parse(text: string): WitnessLine {
  // Unchecked: tests look many times a second, and the checker checks every line.
  const line = JSON.parse(text) as EvidenceLine;
  const { runId, attempt, agentId, issueId, pid, bootMs } = line;
  const what = line.what === "overlap" ? (`overlap-${line.with ?? "run"}` as const) : line.what;
  return { what, runId, attempt, agentId, issueId, pid, at: Math.round(bootMs / 10) };
}

/** What must never have happened, one text each. `slots`: `maxConcurrentRuns` by agent. */
export function witnessViolations(
  lines: readonly WitnessLine[],
  slots: ReadonlyMap<string, number>,
): string[] {
  const found = lines
    .filter(({ what }) => what.startsWith("overlap"))
    .map((line) => `${line.what}: ${line.runId} attempt ${line.attempt} met somebody alive`);
  const key = (line: WitnessLine): string => `${line.runId} attempt ${line.attempt}`;
  const ended = new Set(lines.filter(({ what }) => what === "end").map(key));
  const last = new Map(
    lines.filter(({ what }) => what === "start").map(({ runId, attempt }) => [runId, attempt]),
  );
  const started = new Set<string>();
  const live = new Map<string, Set<string>>();
  for (const line of lines) {
    const { what, runId, attempt, agentId } = line;
    const runs = live.get(agentId) ?? new Set();
    live.set(agentId, runs);
    if (what === "start") {
      if (started.has(key(line))) found.push(`started twice: ${key(line)}`);
      started.add(key(line));
      // A killed attempt writes no end; its run keeps the slot, so the next attempt takes its place. When it was the last, nothing
      // here tells how long it had the slot; the kernel's locks do.
      runs.delete(runId);
      if (!ended.has(key(line)) && last.get(runId) === attempt) continue;
      runs.add(runId);
      const most = slots.get(agentId) ?? 1;
      if (runs.size > most)
        found.push(`${runs.size} runs of agent ${agentId} at once, ${most} allowed`);
    } else if (what === "end") runs.delete(runId);
  }
  return found;
}

/** First starts of an agent's runs, in order. */
export function firstStarts(lines: readonly WitnessLine[], agentId: string): string[] {
  const runs = lines.filter((line) => line.what === "start" && line.agentId === agentId);
  return [...new Set(runs.map(({ runId }) => runId))];
}
