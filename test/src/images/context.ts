// Owns what a build can see of the repository: the files that .dockerignore lets through. Knows no Dockerfile.
import { existsSync, lstatSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import dockerignore from "@balena/dockerignore";

export interface BuildContext {
  readonly root: string;
  /** Whether .dockerignore keeps this path (relative, with /) out. */
  ignores(path: string): boolean;
  /** Files at or below a path, relative to the root, sorted; empty when nothing of it gets in. */
  files(path: string): string[];
}

/** `rules`: the text of .dockerignore. */
export function openContext(root: string, rules: string): BuildContext {
  const filter = dockerignore.default().add(rules);
  const exceptions = rules
    .split("\n")
    .filter((line) => line.startsWith("!"))
    .map((line) => line.slice(1).trim());
  const ignores = (path: string): boolean => filter.ignores(path);
  // As engines do: a folder that is kept out is still entered when an exception may be below it.
  const enters = (folder: string): boolean =>
    !ignores(folder) || exceptions.some((path) => path.startsWith(`${folder}/`));
  const files = (path: string): string[] => {
    const full = join(root, path);
    if (!existsSync(full)) return [];
    if (!lstatSync(full).isDirectory()) return ignores(path) ? [] : [path];
    return readdirSync(full)
      .map((name) => (path === "." ? name : `${path}/${name}`))
      .filter((child) => !lstatSync(join(root, child)).isDirectory() || enters(child))
      .flatMap(files)
      .sort();
  };
  return { root, ignores, files: (path) => files(path.replace(/^\.\/|\/$/g, "") || ".") };
}

/** The context of this repository. */
export const repositoryContext = (root: string): BuildContext =>
  openContext(root, readFileSync(join(root, ".dockerignore"), "utf8"));
