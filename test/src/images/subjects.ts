// Owns which Dockerfiles this repository has and what our code says of the things that they name. Applies no rule.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { openContext, repositoryContext } from "./context.js";
import { readDockerfile } from "./dockerfile.js";
import type { Subject } from "./rules.js";

export const root = fileURLToPath(new URL("../../..", import.meta.url));
export const targets = ["gateway", "agent-actor", "runner", "cli"] as const;
export type Target = (typeof targets)[number];

const read = (path: string): string => readFileSync(join(root, path), "utf8");
/** The files whose keys are the environment of a service. */
const configFiles: Readonly<Record<string, readonly string[]>> = {
  gateway: ["services/gateway/src/config.ts"],
  "agent-actor": ["services/agent-actor/src/config.ts"],
  runner: ["services/runner/src/config.ts"],
};
const sharedConfig = "shared/src/runtime/config.ts";

/** Whether a service's configuration has this variable. The command only passes the images' common ones by. */
function readsVariable(target: string, name: string): boolean {
  const files = [sharedConfig, ...(configFiles[target] ?? [])];
  return files.some((file) => new RegExp(`^\\s*${name}:`, "m").test(read(file)));
}
const servesPath = (path: string): boolean =>
  read("shared/src/runtime/health-server.ts").includes(`"${path}"`);

/** The Dockerfile of the four images. `text`: in place of what the repository has. */
export const imagesSubject = (text = read("Dockerfile")): Subject => ({
  file: readDockerfile(text),
  context: repositoryContext(root),
  extension: false,
  targets,
  servesPath,
  readsVariable,
});

/** The example that adds agents' programs. Its context has nothing in it that it could copy. */
export const extensionSubject = (
  text = read("deploy/images/runner-with-agents.Dockerfile"),
): Subject => ({
  ...imagesSubject(text),
  context: openContext(root, "*"),
  extension: true,
  targets: [],
});
