// Owns reading a Dockerfile into stages and steps, and what the image of a stage is configured to be. Knows no rule, builds nothing.
import {
  DockerfileParser,
  JSONInstruction,
  ModifiableInstruction,
  PropertyInstruction,
} from "dockerfile-ast";

export interface Step {
  /** From 1. */
  readonly line: number;
  readonly keyword: string;
  readonly flags: Readonly<Record<string, string>>;
  /** Everything after keyword and flags, lines joined. */
  readonly text: string;
  /** The exec form; null for the shell form and for steps that have neither. */
  readonly json: readonly string[] | null;
  /** Of ARG, ENV and LABEL; null: named without a value. */
  readonly properties: Readonly<Record<string, string | null>>;
}
export interface Stage {
  /** `AS` name, else its number. */
  readonly name: string;
  /** Image or stage, arguments filled in. */
  readonly from: string;
  readonly line: number;
  readonly steps: readonly Step[];
}
export interface Dockerfile {
  /** Arguments before the first stage, with defaults. */
  readonly args: Readonly<Record<string, string | null>>;
  readonly stages: readonly Stage[];
}

/** What an engine would run: settings of the stage over those of its bases. */
export interface ImageConfig {
  readonly env: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly workdir: string;
  readonly user: string | null;
  readonly exposed: readonly number[];
  readonly entrypoint: Step | null;
  readonly cmd: Step | null;
  readonly healthcheck: Step | null;
}

/** Reads a Dockerfile's text. `args` are `--build-arg`s. */
export function readDockerfile(
  text: string,
  args: Readonly<Record<string, string>> = {},
): Dockerfile {
  const global: Record<string, string | null> = {};
  const stages: { name: string; from: string; line: number; steps: Step[] }[] = [];
  for (const instruction of parsed(text)) {
    const step = stepOf(instruction);
    if (step.keyword === "FROM") {
      const [image = "", as, name] = step.text.split(/\s+/);
      const from = fill(image, { ...global, ...args });
      const named = as?.toUpperCase() === "AS" && name ? name : String(stages.length);
      stages.push({ name: named, from, line: step.line, steps: [] });
    } else if (stages.length > 0) stages.at(-1)!.steps.push(step);
    else if (step.keyword === "ARG") Object.assign(global, step.properties);
  }
  return { args: global, stages };
}

function stepOf(instruction: ReturnType<typeof parsed>[number]): Step {
  const flags =
    instruction instanceof ModifiableInstruction || "getFlags" in instruction
      ? (instruction as ModifiableInstruction).getFlags()
      : [];
  const json = instruction instanceof JSONInstruction ? instruction.getJSONStrings() : [];
  const properties = instruction instanceof PropertyInstruction ? instruction.getProperties() : [];
  const text = (instruction.getArgumentsContent() ?? "").replaceAll(/\s+/g, " ").trim();
  return {
    line: instruction.getRange().start.line + 1,
    keyword: instruction.getKeyword(),
    flags: Object.fromEntries(flags.map((flag) => [flag.getName(), flag.getValue() ?? ""])),
    text,
    json: json.length > 0 ? json.map((one) => one.getJSONValue()) : jsonAfterCmd(text),
    properties: Object.fromEntries(
      properties.map((property) => [property.getName(), property.getValue()]),
    ),
  };
}
const parsed = (text: string) =>
  DockerfileParser.parse(withoutInnerComments(text)).getInstructions();

/** A comment between the lines of one instruction belongs to none of them; the parser takes it for words. */
const withoutInnerComments = (text: string): string =>
  text.replaceAll(/(?<=\\\n(?:[ \t]*#.*\n)*)[ \t]*#.*$/gm, "\\");

/** HEALTHCHECK has its exec form behind a word. */
function jsonAfterCmd(text: string): string[] | null {
  const list = /^(?:CMD )?(\[.*\])$/.exec(text)?.[1];
  if (list === undefined) return null;
  try {
    return JSON.parse(list) as string[];
  } catch {
    return null; // no list after all: a shell's test
  }
}

/** `${NAME}`, `$NAME` and `${NAME:-default}`. */
const fill = (text: string, values: Readonly<Record<string, string | null>>): string =>
  text.replaceAll(
    /\$(?:\{(\w+)(?::-([^}]*))?\}|(\w+))/g,
    (_, braced?: string, fallback?: string, bare?: string) =>
      values[braced ?? bare ?? ""] ?? fallback ?? "",
  );

/** The stage and those that it is made from, oldest first. */
export function lineage(file: Dockerfile, name: string): Stage[] {
  const stage = file.stages.find((one) => one.name === name);
  return stage ? [...lineage(file, stage.from), stage] : [];
}

/** The image that a stage ends as. Labels and variables are as written, arguments not filled in. */
export function imageConfig(file: Dockerfile, name: string): ImageConfig {
  const steps = lineage(file, name).flatMap((stage) => stage.steps);
  const all = (keyword: string): Step[] => steps.filter((step) => step.keyword === keyword);
  const merged = (keyword: string): Record<string, string> =>
    Object.fromEntries(
      all(keyword).flatMap((step) =>
        Object.entries(step.properties).map(([key, value]) => [key, value ?? ""]),
      ),
    );
  return {
    env: merged("ENV"),
    labels: merged("LABEL"),
    workdir: all("WORKDIR").at(-1)?.text ?? "/",
    user: all("USER").at(-1)?.text ?? null,
    exposed: all("EXPOSE").flatMap((step) =>
      step.text.split(" ").map((port) => parseInt(port, 10)),
    ),
    entrypoint: all("ENTRYPOINT").at(-1) ?? null,
    cmd: all("CMD").at(-1) ?? null,
    healthcheck: all("HEALTHCHECK").at(-1) ?? null,
  };
}

/** Stages from which no other is made or copied: what somebody builds. */
export function finalStages(file: Dockerfile): Stage[] {
  const used = new Set(
    file.stages.flatMap((stage) => [
      stage.from,
      ...stage.steps.flatMap((step) => step.flags["from"] ?? []),
    ]),
  );
  return file.stages.filter((stage) => !used.has(stage.name));
}

/** Sources and target of a COPY or ADD. */
export function copied(step: Step): { sources: string[]; to: string } {
  const words = step.json ? [...step.json] : step.text.split(" ");
  return { sources: words.slice(0, -1), to: words.at(-1) ?? "" };
}
