// Owns what the agents of fault tests are: a shell program that writes down, outside of the system, when it and its grandchildren
// live, and the judgement of what was written. Knows nothing of rows and streams.
//
// Two kinds of evidence. The order of the lines in one file (appended whole, so in the order in which they happened) says who started
// when. A kernel lock on an inherited descriptor says more: it is free only when every process of a tree is dead, grandchildren and
// killed ones included, so whoever finds it taken has met somebody alive who should not be.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

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

/**
 * `$1` is the folder, `$2` how long to live: milliseconds, `random` (50 to 500, from the run's id) or `released` (until the file
 * `release` is there). `$3`: `exclusive` when the agent has one slot. Odd runs put their grandchild into a session of its own; one in
 * eight leaves it behind when it ends, where it would stay for as long as the folder does.
 */
const program = `
dir=$1 run=$REVEILLE_RUN_ID issue=\${REVEILLE_TASK_ID:--}
say() { read -r up rest < /proc/uptime; echo "$1 $run $REVEILLE_ATTEMPT $REVEILLE_AGENT_ID $issue $$ $up" >> "$dir/witness"; }
say start
exec 7>>"$dir/run-$run"; flock -n 7 || say overlap-run
if [ "$3" = exclusive ]; then exec 8>>"$dir/agent-$REVEILLE_AGENT_ID"; flock -n 8 || say overlap-agent; fi
if [ "$issue" != - ]; then exec 9>>"$dir/issue-$issue"; flock -n 9 || say overlap-issue; fi
dice=$((0x\${run%%-*}))
ms=$2
[ "$ms" = random ] && ms=$((dice % 450 + 50))
if [ "$ms" = released ]; then
  sh -c 'while :; do sleep 1; done' &
  while [ ! -e "$dir/release" ]; do sleep 0.05; done
elif [ $((dice % 8)) = 0 ]; then
  say child; setsid sh -c 'while [ -e "$0" ]; do sleep 1; done' "$dir/witness" & sleep $(printf 0.%03d "$ms")
elif [ $((dice % 2)) = 1 ]; then
  say child; setsid sleep $(printf 0.%03d "$ms") & wait
else
  sleep $(printf 0.%03d "$ms")
fi
say end
`;

export interface Witness {
  readonly dir: string;
  /** `adapterConfig` of an agent that lives so long; `released`: until `release` is called. */
  agent(lives: number | "random" | "released", exclusive: boolean): object;
  /** Lets every process that lives until then end, and later ones at once. */
  release(): void;
  lines(): WitnessLine[];
}

/** A witness below `parent`, which outlives the processes. */
export function openWitness(parent: string): Witness {
  const dir = join(parent, "witness");
  mkdirSync(dir, { recursive: true });
  const file = join(dir, "witness");
  return {
    dir,
    agent: (lives, exclusive) => ({
      command: "/bin/sh",
      args: ["-c", program, "witness", dir, String(lives), exclusive ? "exclusive" : "shared"],
      graceSec: 1,
    }),
    release: () => writeFileSync(join(dir, "release"), ""),
    lines: () =>
      existsSync(file) ? readFileSync(file, "utf8").split("\n").filter(Boolean).map(parse) : [],
  };
}

function parse(line: string): WitnessLine {
  const [what, runId, attempt, agentId, issue, pid, at] = line.split(" ");
  return {
    what: what as WitnessLine["what"],
    runId: runId!,
    attempt: Number(attempt),
    agentId: agentId!,
    issueId: issue === "-" ? null : issue!,
    pid: Number(pid),
    at: Math.round(Number(at) * 100),
  };
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
