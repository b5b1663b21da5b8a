// Owns where manifests come from: `kubectl kustomize` when kubectl is there, else what was rendered and committed. Knows no rule.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseAllDocuments } from "yaml";
import { fieldsAt, isFields, textAt, type Fields } from "./look.js";

const root = fileURLToPath(new URL("../../../deploy/k8s/", import.meta.url));

/** What is checked: the overlays, and small ones that exist to have the components that no overlay has. */
export const renderingNames = ["dev", "production", "keda-jobs", "hpa-external"] as const;
export type RenderingName = (typeof renderingNames)[number];
const folders: Record<RenderingName, string> = {
  dev: "overlays/dev",
  production: "overlays/production",
  "keda-jobs": "checks/keda-jobs",
  "hpa-external": "checks/hpa-external",
};

export interface Rendering {
  readonly name: string;
  readonly objects: readonly Fields[];
  /** What the renderer complained of. */
  readonly warnings: readonly string[];
}

const renderedFile = (name: RenderingName): string => `${root}rendered/${name}.yaml`;

/** 20 s: it takes 0.2 s on a machine that has time. */
const renderMaxMs = 20_000;

/** Components, and how they are ordered, are as they are here since kustomize 5; Debian 12 has a kubectl with 2. */
const kustomizeLeast = 5;

/** Whether this machine has a kubectl that renders as ours does; CI machines need not. */
export function hasKubectl(): boolean {
  const { stdout } = spawnSync("kubectl", ["version", "--client", "--output=yaml"], {
    encoding: "utf8",
    timeout: renderMaxMs,
  });
  const [, major = "0"] = /^kustomizeVersion: v(\d+)\./m.exec(stdout ?? "") ?? [];
  return Number(major) >= kustomizeLeast;
}

/** The overlay as kubectl renders it now. @throws Error with kubectl's words. */
export function renderWithKubectl(name: RenderingName): { text: string; warnings: string[] } {
  const { status, stdout, stderr, error } = spawnSync("kubectl", ["kustomize", folders[name]], {
    cwd: root,
    encoding: "utf8",
    timeout: renderMaxMs,
    maxBuffer: 16 * 1024 ** 2,
  });
  if (status !== 0) throw new Error(`kubectl cannot render ${name}: ${error?.message ?? stderr}`);
  return { text: stdout, warnings: stderr.split("\n").filter((line) => line.trim() !== "") };
}

/** What was rendered and committed. @throws Error when it was not. */
export function readRendered(name: RenderingName): string {
  const file = renderedFile(name);
  if (!existsSync(file)) throw new Error(`${file} is missing: run npm run k8s:check -- --write`);
  return readFileSync(file, "utf8");
}
export function writeRendered(name: RenderingName, text: string): void {
  mkdirSync(`${root}rendered`, { recursive: true });
  writeFileSync(renderedFile(name), text);
}

/** Reads rendered YAML. @throws Error for what is no YAML. */
export function parseRendering(name: string, text: string, warnings: readonly string[]): Rendering {
  const objects = parseAllDocuments(text).map((document) => {
    if (document.errors[0]) throw document.errors[0];
    return document.toJS() as unknown;
  });
  return { name, objects: objects.filter(isFields), warnings };
}

export const kindOf = (object: Fields): string => textAt(object, "kind") ?? "";
export const nameOf = (object: Fields): string => textAt(object, "metadata", "name") ?? "";
/** For messages. */
export const titleOf = (object: Fields): string => `${kindOf(object)}/${nameOf(object)}`;
export const ofKind = ({ objects }: Rendering, ...kinds: readonly string[]): Fields[] =>
  objects.filter((object) => kinds.includes(kindOf(object)));
export const labelsOf = (object: Fields): Fields => fieldsAt(object, "metadata", "labels");
