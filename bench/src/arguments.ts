/** The command line of the bench. Pure: words in, options or a complaint out. */

export const scenarioNames = ["latency", "throughput", "logs", "memory", "cost", "size"] as const;
export type ScenarioName = (typeof scenarioNames)[number];

export interface BenchArguments {
  scenarios: readonly ScenarioName[];
  quick: boolean;
  /** Where the JSON document goes; undefined: standard output, before the table. */
  json: string | undefined;
  /** Keep the result as `bench/results/<date>-<name>.json`. */
  save: string | undefined;
}
export type ReadArguments =
  { kind: "run"; arguments: BenchArguments } | { kind: "help" } | { kind: "bad"; reason: string };

export const help = `npm run bench -- [scenario ...] [--quick] [--json FILE] [--save NAME]

Scenarios (default: all): ${scenarioNames.join(", ")}
  --quick      few samples, floors once: a look, not a record
  --json FILE  write the JSON document to FILE; without it, it goes to standard output and the table to standard error
  --save NAME  also keep it as bench/results/<date>-NAME.json

Exit status: 0 every bar and check held, 1 not all did, 2 bad arguments.`;

/** Reads the words after the program's name. */
export function readArguments(words: readonly string[]): ReadArguments {
  const scenarios: ScenarioName[] = [];
  const read: Omit<BenchArguments, "scenarios"> & { quick: boolean } = {
    quick: false,
    json: undefined,
    save: undefined,
  };
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at]!;
    if (word === "--help" || word === "-h") return { kind: "help" };
    if (word === "--quick") read.quick = true;
    else if (word === "--json" || word === "--save") {
      const value = words[(at += 1)];
      if (value === undefined || value.startsWith("--"))
        return { kind: "bad", reason: `${word} needs a value` };
      if (word === "--json") read.json = value;
      else if (/^[a-z0-9][a-z0-9-]{0,60}$/.test(value)) read.save = value;
      else return { kind: "bad", reason: "--save needs a name of a-z, 0-9 and dashes" };
    } else if (isScenario(word)) scenarios.push(word);
    else return { kind: "bad", reason: `unknown word ${word}; known: ${scenarioNames.join(", ")}` };
  }
  const chosen = scenarios.length > 0 ? scenarios : scenarioNames;
  return { kind: "run", arguments: { ...read, scenarios: chosen } };
}

const isScenario = (word: string): word is ScenarioName =>
  (scenarioNames as readonly string[]).includes(word);
