// Owns what may be in an image's part that is ours, how large it is, and a digest that is the same wherever the same commit is built.
// Looks only; starts nothing.
import { createHash } from "node:crypto";
import {
  existsSync,
  lstatSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  realpathSync,
} from "node:fs";
import { join, relative } from "node:path";

export interface Contents {
  bytes: number;
  fileCount: number;
  /** sha256 of paths, execute bits, contents and links; of no time and no owner. */
  digest: string;
  /** What should not be so. */
  problems: string[];
}

/** Of our own packages, what only an editor, a compiler or a test reads. */
const notForImages = /\.(ts|map|tsbuildinfo)$|\.test\.|(^|\/)(src|tsconfig[^/]*\.json)$/;
/** For everybody who may run the image: files can be read, folders entered. */
const readable = { file: 0o004, folder: 0o005 };

/**
 * Looks at the root folder of a laid-out image. `lock`: the text of package-lock.json. `expected`: the packages of ours that it should
 * have, as folders below /app.
 */
export function inspectImage(root: string, lock: string, expected: readonly string[]): Contents {
  const entries = walk(root).sort();
  const hash = createHash("sha256");
  const contents: Contents = { bytes: 0, fileCount: 0, digest: "", problems: [] };
  for (const path of entries) {
    const name = relative(root, path);
    const stat = lstatSync(path);
    if (stat.isSymbolicLink()) {
      hash.update(`${name} -> ${readlinkSync(path)}\n`);
      if (!existsSync(path)) contents.problems.push(`${name} points to nothing`);
      else if (relative(root, realpathSync(path)).startsWith(".."))
        contents.problems.push(`${name} points out of the image`);
      continue;
    }
    const wanted = stat.isDirectory() ? readable.folder : readable.file;
    if ((stat.mode & wanted) !== wanted) contents.problems.push(`${name} cannot be read by all`);
    if (!name.includes("node_modules") && notForImages.test(name))
      contents.problems.push(`${name} is not for an image`);
    if (stat.isDirectory()) continue;
    contents.bytes += stat.size;
    contents.fileCount += 1;
    hash.update(`${name} ${stat.mode & 0o111} `).update(readFileSync(path));
  }
  contents.problems.push(...packageProblems(join(root, "app"), lock, expected));
  contents.digest = hash.digest("hex");
  return contents;
}

/** Folders of packages that an install made elsewhere than at the top: a COPY of the top alone leaves them behind. */
export const nestedModules = (dependenciesRoot: string): string[] =>
  ["shared", "services", "cli"]
    .flatMap((folder) => walk(join(dependenciesRoot, "app", folder)))
    .filter((path) => path.endsWith("/node_modules"))
    .map((path) => relative(dependenciesRoot, path));

function packageProblems(app: string, lock: string, expected: readonly string[]): string[] {
  const { packages } = JSON.parse(lock) as { packages: Record<string, { dev?: boolean }> };
  const development = Object.entries(packages)
    .filter(([path, { dev }]) => dev === true && existsSync(join(app, path)))
    .map(([path]) => `${path} is for development`);
  const ours = [
    "shared",
    "cli",
    ...foldersIn(join(app, "services")).map((one) => `services/${one}`),
  ];
  const found = ours.filter((folder) => existsSync(join(app, folder)));
  return [
    ...development,
    ...found.filter((one) => !expected.includes(one)).map((one) => `${one} is another image's`),
    ...expected.filter((one) => !found.includes(one)).map((one) => `${one} is missing`),
  ];
}

const foldersIn = (path: string): string[] => (existsSync(path) ? readdirSync(path) : []);

/** Everything below; links are not followed. */
function walk(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? [path, ...walk(path)] : [path];
  });
}
