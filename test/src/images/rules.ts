// Owns what is asked of a Dockerfile without building it: each rule by name, with the lines that break it. Runs nothing.
import type { BuildContext } from "./context.js";
import { copied, finalStages, imageConfig, lineage } from "./dockerfile.js";
import type { Dockerfile, Stage, Step } from "./dockerfile.js";

export interface Subject {
  readonly file: Dockerfile;
  readonly context: BuildContext;
  /** An image made from one of ours, as the example is: what it inherits is not in its file. */
  readonly extension: boolean;
  /** Targets that must be there. */
  readonly targets: readonly string[];
  /** Whether our code serves this path on the health port. */
  readonly servesPath: (path: string) => boolean;
  /** Whether a target's service reads this variable. */
  readonly readsVariable: (target: string, name: string) => boolean;
}
export interface Finding {
  readonly rule: string;
  readonly line: number;
  readonly text: string;
}
/** What is wrong, by line; line 0: of the file as a whole. */
type Problems = readonly (readonly [line: number, text: string])[];
type Rule = (subject: Subject) => Problems;

/** Applies every rule. Empty: nothing is wrong. */
export function lint(subject: Subject): Finding[] {
  return Object.entries(rules).flatMap(([rule, check]) =>
    check(subject).map(([line, text]) => ({ rule, line, text })),
  );
}

const steps = (subject: Subject, ...keywords: string[]): Step[] =>
  subject.file.stages.flatMap((stage) => stage.steps.filter((s) => keywords.includes(s.keyword)));
const eachFinal = (
  subject: Subject,
  look: (stage: Stage, config: ReturnType<typeof imageConfig>) => Problems,
): Problems =>
  finalStages(subject.file).flatMap((stage) => look(stage, imageConfig(subject.file, stage.name)));
const isStage = (file: Dockerfile, name: string): boolean =>
  file.stages.some((stage) => stage.name === name);

const knownKeywords =
  "ADD ARG CMD COPY ENTRYPOINT ENV EXPOSE HEALTHCHECK LABEL ONBUILD RUN SHELL STOPSIGNAL USER VOLUME WORKDIR".split(
    " ",
  );
/** Of an image: three numbers at least, or a digest. */
const exactTag = /(:[\w.-]*\d+\.\d+\.\d+[\w.-]*|@sha256:[0-9a-f]{64})$/;
const exactPackage = /^(@[\w.-]+\/)?[\w.-]+@\d+\.\d+\.\d+[\w.-]*$/;
const secretName = /(PASSWORD|SECRET|TOKEN|CREDENTIAL|API_?KEY|MASTER_KEY|PRIVATE)/;
const requiredLabels = ["title", "description", "version", "revision", "licenses", "base.name"];
/** What must stay out of a build whatever else changes; paths need not exist. */
const neverInContext = [
  ".git/config",
  ".reveille/keys/master-key",
  "node_modules/zod/package.json",
  "services/gateway/dist/main.js",
  "services/runner/node_modules/x/index.js",
  "test/src/images/rules.ts",
  "shared/src/documents.test.ts",
  ".env",
  "cli/npm-debug.log",
];

export const rules: Readonly<Record<string, Rule>> = {
  "known-instructions": (subject) =>
    subject.file.stages
      .flatMap((stage) => stage.steps)
      .filter((step) => !knownKeywords.includes(step.keyword))
      .map((step) => [step.line, `${step.keyword} is no instruction`]),

  "all-targets": ({ file, targets }) =>
    targets
      .filter((name) => !finalStages(file).some((stage) => stage.name === name))
      .map((name) => [0, `there is no image ${name}`]),

  "exact-base": ({ file }) =>
    file.stages
      .filter(({ from }) => from !== "scratch" && !isStage(file, from))
      .filter(({ from }) => !exactTag.test(from) || from.includes(":latest"))
      .map(({ line, from }) => [
        line,
        `${from || "the base"} has neither an exact tag nor a digest`,
      ]),

  "numbered-user": (subject) =>
    eachFinal(subject, ({ name, line }, { user }) =>
      user !== null && /^[1-9]\d*:[1-9]\d*$/.test(user)
        ? []
        : [[line, `${name} runs as ${user ?? "root"}; wanted: two numbers, neither 0`]],
    ),

  "no-add": (subject) =>
    steps(subject, "ADD").map(({ line }) => [line, "ADD unpacks and fetches; COPY does neither"]),

  "exec-form": (subject) =>
    steps(subject, "ENTRYPOINT", "CMD", "HEALTHCHECK")
      .filter(({ json, text }) => json === null && text !== "NONE")
      .map(({ line, keyword }) => [line, `${keyword} starts a shell that swallows signals`]),

  init: (subject) =>
    subject.extension
      ? steps(subject, "ENTRYPOINT").map(({ line }) => [line, "it loses its base's init"])
      : eachFinal(subject, ({ name, line }, { entrypoint }) => {
          const installs = lineage(subject.file, name).some((stage) =>
            stage.steps.some((s) => s.keyword === "RUN" && / tini( |$)/.test(s.text)),
          );
          const first = entrypoint?.json?.slice(0, 2).join(" ");
          return installs && first === "/usr/bin/tini --"
            ? []
            : [[line, `${name} has no init as its first process`]];
        }),

  "copied-exists": ({ file, context }) =>
    file.stages.flatMap((stage, at) =>
      stage.steps
        .filter(({ keyword }) => keyword === "COPY" || keyword === "ADD")
        .flatMap((step): Problems => {
          const from = step.flags["from"];
          if (from !== undefined) {
            const earlier = file.stages.slice(0, at).some((other) => other.name === from);
            return earlier ? [] : [[step.line, `there is no stage ${from} before it`]];
          }
          return copied(step)
            .sources.filter((path) => context.files(path).length === 0)
            .map((path) => [step.line, `${path} does not exist, or .dockerignore keeps it out`]);
        }),
    ),

  "small-context": ({ context }) =>
    neverInContext
      .filter((path) => !context.ignores(path))
      .map((path) => [0, `.dockerignore lets ${path} in`]),

  labels: (subject) =>
    eachFinal(subject, ({ name, line }, { labels }) =>
      (subject.extension ? ["title", "description"] : requiredLabels)
        .filter((label) => !labels[`org.opencontainers.image.${label}`])
        .map((label) => [line, `${name} has no label org.opencontainers.image.${label}`]),
    ),

  healthcheck: (subject) =>
    subject.extension ? [] : eachFinal(subject, (stage) => healthProblems(subject, stage)),

  "known-variables": (subject) =>
    eachFinal(subject, ({ name, line }, { env }) =>
      Object.keys(env)
        .filter((variable) => variable.startsWith("REVEILLE_"))
        .filter((variable) => !subject.readsVariable(name, variable))
        .map((variable) => [line, `${name} does not read ${variable}`]),
    ),

  "no-secrets": (subject) => [
    ...Object.keys(subject.file.args)
      .filter((name) => secretName.test(name))
      .map((name) => [0, `${name} would stay in the image's history`] as const),
    ...steps(subject, "ARG", "ENV").flatMap(({ line, properties }) =>
      Object.keys(properties)
        .filter((name) => secretName.test(name))
        .map((name) => [line, `${name} would stay in the image`] as const),
    ),
  ],

  "locked-packages": (subject) =>
    steps(subject, "RUN").flatMap(({ line, text }) => npmProblems(text).map((p) => [line, p])),

  "production-modules": ({ file }) =>
    file.stages.flatMap((stage) =>
      stage.steps
        .filter(
          (s) => s.keyword === "COPY" && s.flags["from"] && /\/node_modules( |$)/.test(s.text),
        )
        .filter((s) => {
          const runs = file.stages.find(({ name }) => name === s.flags["from"])?.steps ?? [];
          return !runs.some((r) => r.keyword === "RUN" && /npm ci .*--omit=dev/.test(r.text));
        })
        .map((s) => [s.line, `${s.flags["from"]} was not installed with --omit=dev`]),
    ),

  "clean-apt": (subject) =>
    steps(subject, "RUN")
      .filter(({ text }) => text.includes("apt-get install"))
      .flatMap(({ line, text }): Problems => [
        ...(text.includes("--no-install-recommends")
          ? []
          : [[line, "apt-get install without --no-install-recommends"] as const]),
        ...(/apt-get update &&.* rm -rf \/var\/lib\/apt\/lists\//.test(text)
          ? []
          : [[line, "package lists are not fetched and removed in the same step"] as const]),
      ]),

  // What differs between two builds of one commit: clocks, and tools that write today's date.
  reproducible: (subject) =>
    steps(subject, "RUN")
      .filter(({ text }) =>
        /(^|[\s(;`])(date|useradd|adduser|curl|wget|git)\s/.test(withoutApt(text)),
      )
      .map(({ line }) => [line, "it reads a clock or the network, or writes today's date"]),
};

const withoutApt = (text: string): string => text.replaceAll(/apt-get install [^&]*/g, "");

function healthProblems(subject: Subject, { name, line }: Stage): Problems {
  const { healthcheck, exposed, env } = imageConfig(subject.file, name);
  if (healthcheck === null) return [[line, `${name} has no HEALTHCHECK`]];
  if (healthcheck.text === "NONE") return [];
  const path = healthcheck.json?.at(-1) ?? "";
  const port = Number(env["REVEILLE_HEALTH_PORT"]);
  return [
    ...(subject.servesPath(path) ? [] : [[healthcheck.line, `nothing serves ${path}`] as const]),
    ...(exposed.includes(port)
      ? []
      : [[healthcheck.line, `REVEILLE_HEALTH_PORT is not exposed`] as const]),
  ];
}

function npmProblems(text: string): string[] {
  return [...text.matchAll(/npm (ci|install|i|exec|update|add)\b([^&]*)/g)].flatMap(
    ([, verb, rest = ""]) => {
      const words = rest.trim().split(" ").filter(Boolean);
      if (verb === "ci")
        return words.includes("--ignore-scripts") ? [] : ["npm ci without --ignore-scripts"];
      const packages = words.filter((word) => !word.startsWith("-"));
      return verb === "install" && words.includes("--global")
        ? packages
            .filter((one) => !exactPackage.test(one))
            .map((one) => `${one} has no exact version`)
        : [`npm ${verb} does not follow the lock file`];
    },
  );
}
