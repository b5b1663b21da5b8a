// The Dockerfiles keep every rule, and each rule finds what is planted against it: a rule that finds nothing proves nothing.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { pinned } from "../agents/programs.js";
import { openContext } from "./context.js";
import { copied, imageConfig, readDockerfile } from "./dockerfile.js";
import { lint, rules } from "./rules.js";
import type { Subject } from "./rules.js";
import { extensionSubject, imagesSubject, root } from "./subjects.js";

const images = readFileSync(join(root, "Dockerfile"), "utf8");
const extension = readFileSync(join(root, "deploy/images/runner-with-agents.Dockerfile"), "utf8");

/** The images' file with a text in place of another, everywhere. */
const planted = (from: string, to: string): Subject => {
  expect(images).toContain(from);
  return imagesSubject(images.replaceAll(from, to));
};
const plantedInExtension = (from: string, to: string): Subject => {
  expect(extension).toContain(from);
  return extensionSubject(extension.replaceAll(from, to));
};
const withRules = (dockerignore: string): Subject => ({
  ...imagesSubject(),
  context: openContext(root, dockerignore),
});
const ignoreFile = readFileSync(join(root, ".dockerignore"), "utf8");
const entrypoint =
  'ENTRYPOINT ["/usr/bin/tini", "--", "node", "/app/services/gateway/dist/main.js"]';

const plants: [rule: string, what: string, subject: () => Subject][] = [
  ["known-instructions", "a misspelt one", () => planted("EXPOSE 3100", "EXPOSES 3100")],
  [
    "all-targets",
    "one is missing",
    () => planted("FROM service AS cli\n", "FROM service AS tool\n"),
  ],
  [
    "all-targets",
    "one is only a part of another",
    () => planted("FROM base AS runner", "FROM gateway AS runner"),
  ],
  ["exact-base", "latest", () => planted("node:20.20.2-bookworm-slim", "node:latest")],
  ["exact-base", "no tag", () => planted("node:20.20.2-bookworm-slim", "node")],
  ["exact-base", "a tag that moves", () => planted("node:20.20.2-bookworm-slim", "node:20-slim")],
  [
    "exact-base",
    "no default",
    () => planted("ARG NODE_IMAGE=node:20.20.2-bookworm-slim", "ARG NODE_IMAGE"),
  ],
  [
    "exact-base",
    "the example's",
    () => plantedInExtension("reveille-runner:0.1.0", "reveille-runner"),
  ],
  ["numbered-user", "none", () => planted("USER 10001:10001\n", "")],
  ["numbered-user", "a name", () => planted("USER 10001:10001", "USER reveille")],
  ["numbered-user", "root", () => planted("USER 10001:10001", "USER 0:0")],
  ["numbered-user", "the example stays root", () => plantedInExtension("USER 10001:10001\n", "")],
  ["no-add", "a download", () => planted("COPY LICENSE ./", "ADD https://example.org/LICENSE ./")],
  [
    "exec-form",
    "a shell's entry",
    () => planted(entrypoint, "ENTRYPOINT node /app/services/gateway/dist/main.js"),
  ],
  [
    "exec-form",
    "a shell's check",
    () => planted('CMD ["node", "/app/health.mjs", "/livez"]', "CMD node /app/health.mjs /livez"),
  ],
  ["init", "none", () => planted('["/usr/bin/tini", "--", ', "[")],
  [
    "init",
    "not installed",
    () => planted("--no-install-recommends tini", "--no-install-recommends bash"),
  ],
  [
    "init",
    "the example drops it",
    () => plantedInExtension("USER 10001:10001\n", 'USER 10001:10001\nENTRYPOINT ["claude"]\n'),
  ],
  ["copied-exists", "no such file", () => planted("COPY LICENSE ./", "COPY LICENCE ./")],
  [
    "copied-exists",
    "no such stage",
    () => planted("--from=cli-dependencies", "--from=command-dependencies"),
  ],
  ["copied-exists", "kept out", () => withRules(ignoreFile.replace("!LICENSE\n", ""))],
  ["small-context", "everything gets in", () => withRules("")],
  ["small-context", "tests get in", () => withRules(ignoreFile.replace("**/*.test.ts\n", ""))],
  ["small-context", "old builds get in", () => withRules(ignoreFile.replace("**/dist\n", ""))],
  ["labels", "no licence", () => planted('  org.opencontainers.image.licenses="MIT" \\\n', "")],
  [
    "labels",
    "no title",
    () => plantedInExtension('title="reveille-runner-with-agents"', 'name="x"'),
  ],
  ["healthcheck", "none", () => planted("HEALTHCHECK NONE\n", "")],
  ["healthcheck", "a path that nobody serves", () => planted('"/livez"', '"/healthz"')],
  ["healthcheck", "a port that is not exposed", () => planted("EXPOSE 9464\n", "EXPOSE 9465\n")],
  ["known-variables", "a misspelt one", () => planted("REVEILLE_HTTP_PORT=", "REVEILLE_PORT=")],
  [
    "known-variables",
    "another service's",
    () => planted("  REVEILLE_HTTP_PORT=3100", "  REVEILLE_RUNNER_SLOTS=3"),
  ],
  ["no-secrets", "a variable", () => planted("ENV NODE_ENV=production", "ENV NATS_PASSWORD=x")],
  [
    "no-secrets",
    "an argument",
    () => planted("ARG VERSION=unknown", "ARG NPM_TOKEN\nARG VERSION=unknown"),
  ],
  ["locked-packages", "install", () => planted("npm ci", "npm install")],
  ["locked-packages", "strange scripts", () => planted("--ignore-scripts", "--foreground-scripts")],
  [
    "locked-packages",
    "any version of a program",
    () => plantedInExtension("@openai/codex@0.169.0", "@openai/codex@latest"),
  ],
  ["production-modules", "tools of development", () => planted("npm ci --omit=dev", "npm ci")],
  ["clean-apt", "recommended packages", () => planted("--no-install-recommends ", "")],
  ["clean-apt", "lists stay", () => planted("rm -rf /var/lib/apt/lists/* ", "rm -rf ")],
  [
    "reproducible",
    "today's date",
    () => planted("RUN find shared", "RUN date >built && find shared"),
  ],
  [
    "reproducible",
    "a download",
    () => planted("RUN find shared", "RUN curl -O https://example.org/x && find shared"),
  ],
];

test.each([
  ["Dockerfile", imagesSubject],
  ["deploy/images/runner-with-agents.Dockerfile", extensionSubject],
])("%s keeps every rule", (_, subject) => {
  expect(lint(subject())).toEqual([]);
});

test.each(plants)("%s finds %s", (rule, _, subject) => {
  expect(lint(subject()).map((finding) => finding.rule)).toContain(rule);
});

test("each rule has something planted against it", () => {
  expect([...new Set(plants.map(([rule]) => rule))].sort()).toEqual(Object.keys(rules).sort());
});

test("the example has the versions that the adapters are tested with", () => {
  for (const [name, version] of Object.entries(pinned))
    expect(extension).toContain(` ${name}@${version}`);
});

test("a stage is read as an engine reads it", () => {
  const file = readDockerfile(
    'ARG TAG=1.2.3\nFROM node:${TAG} AS base\nENV A=1 B="two words"\nUSER 1:1\nWORKDIR /app\n' +
      "FROM base\nENV A=3\nCOPY --from=base --chown=1:1 x \\\n  # between\n  y z/\nEXPOSE 80/tcp 81\nHEALTHCHECK NONE\n",
    { TAG: "4.5.6" },
  );
  expect(file.stages.map(({ name, from }) => [name, from])).toEqual([
    ["base", "node:4.5.6"],
    ["1", "base"],
  ]);
  const { env, user, workdir, exposed, healthcheck } = imageConfig(file, "1");
  expect({ env, user, workdir, exposed, check: healthcheck?.text }).toEqual({
    env: { A: "3", B: "two words" },
    user: "1:1",
    workdir: "/app",
    exposed: [80, 81],
    check: "NONE",
  });
  const copy = file.stages[1]!.steps.find(({ keyword }) => keyword === "COPY")!;
  expect(copied(copy)).toEqual({ sources: ["x", "y"], to: "z/" });
  expect(copy.flags).toEqual({ from: "base", chown: "1:1" });
});
