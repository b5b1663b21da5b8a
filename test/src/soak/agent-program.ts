// Owns what the agents of a soak are: a shell program that lives a while, prints lines of which it gives account, sometimes has a
// grandchild, sometimes costs something, sometimes fails, and writes down outside of the system when it lived. Knows no rows.
//
// Lines are those of shared/src/evidence/witness.ts. A kernel lock on a descriptor that the whole tree inherits tells when somebody lives
// who should be dead, grandchildren and killed ones included.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface AgentManner {
  /** It has one slot: two of its processes at once are an overlap. */
  exclusive: boolean;
  /** Of a hundred attempts, those that end with status 3. */
  failPercent: number;
  /** It tells usage and a cost. */
  costs: boolean;
  /** Longest life, ms. Seven of ten live 50 to 500 ms, one in twenty as long as that, the others in between. */
  longestMs: number;
}

/**
 * `$1` folder, `$2` exclusive or shared, `$3` percentage that fails, `$4` `costs` or `free`, `$5` longest life. The last group of a run's id
 * is the dice: the first one may be a time. Grandchildren are left behind once in eight, to be ended by the runner; they end with the folder.
 */
const program = `
dir=$1 run=$REVEILLE_RUN_ID issue=\${REVEILLE_TASK_ID:-}
[ -n "$issue" ] && named="\\"$issue\\"" || named=null
say() {
  read -r up rest < /proc/uptime
  echo "{\\"what\\":\\"$1\\",\\"companyId\\":\\"$REVEILLE_COMPANY_ID\\",\\"runId\\":\\"$run\\",\\"attempt\\":$REVEILLE_ATTEMPT,\\"agentId\\":\\"$REVEILLE_AGENT_ID\\",\\"issueId\\":$named,\\"pid\\":$$,\\"bootMs\\":\${up%.*}\${up#*.}0$2}" >> "$dir/witness.ndjson"
}
met() { say overlap ",\\"with\\":\\"$1\\""; }
say start
exec 7>>"$dir/locks/run-$run"; flock -n 7 || met run
if [ "$2" = exclusive ]; then exec 8>>"$dir/locks/agent-$REVEILLE_AGENT_ID"; flock -n 8 || met agent; fi
if [ -n "$issue" ]; then exec 9>>"$dir/locks/issue-$issue"; flock -n 9 || met issue; fi
dice=$((0x\${run##*-}))
lines=$((dice % 60 + 1))
seq 1 "$lines"
sum=$(seq 1 "$lines" | sha256sum)
account=",\\"stream\\":\\"stdout\\",\\"bytes\\":$(seq 1 "$lines" | wc -c),\\"sha256\\":\\"\${sum%% *}\\""
share=$((dice / 64 % 100))
if [ $share -lt 70 ]; then ms=$((dice / 6400 % 450 + 50))
elif [ $share -lt 95 ]; then ms=$((dice / 6400 % ($5 / 2) + 50))
else ms=$5; fi
life=$((ms / 1000)).$(printf %03d $((ms % 1000)))
child=$((dice / 640000 % 8))
if [ $child = 0 ]; then
  say child; setsid sh -c 'while [ -e "$0" ]; do sleep 1; done' "$dir/witness.ndjson" & sleep $life
elif [ $child -lt 3 ]; then
  say child; setsid sleep $life & wait
else
  sleep $life
fi
if [ "$4" = costs ]; then
  micros=$((dice % 900 + 100))
  echo "{\\"usage\\":{\\"inputTokens\\":$lines,\\"outputTokens\\":3,\\"cachedInputTokens\\":1},\\"costUsd\\":0.000$micros}" > "$REVEILLE_RESULT_FILE"
  account="$account,\\"costMicros\\":$micros"
fi
say end "$account"
[ $((dice / 5120000 % 100)) -lt "$3" ] && exit 3
exit 0
`;

export interface AgentPrograms {
  /** What `reveille verify --witness` reads. */
  readonly file: string;
  /** `adapterConfig` of an agent of this manner. */
  config(manner: AgentManner): object;
}

/** Programs that write below `folder`. It is to outlive their processes. */
export function openPrograms(folder: string): AgentPrograms {
  mkdirSync(join(folder, "locks"), { recursive: true });
  const file = join(folder, "witness.ndjson");
  writeFileSync(file, "");
  return {
    file,
    config: ({ exclusive, failPercent, costs, longestMs }) => ({
      command: "/bin/sh",
      args: [
        "-c",
        program,
        "soak",
        folder,
        exclusive ? "exclusive" : "shared",
        String(failPercent),
        costs ? "costs" : "free",
        String(longestMs),
      ],
      graceSec: 1,
    }),
  };
}
