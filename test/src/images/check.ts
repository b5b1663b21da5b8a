// Owns the whole check of the images: rules, layout, contents, trial; for the command and for the test. Starts no server.
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspectImage, nestedModules } from "./contents.js";
import type { Contents } from "./contents.js";
import { layOut } from "./layout.js";
import { imagesSubject, root, targets } from "./subjects.js";
import type { Target } from "./subjects.js";

export interface LaidOut {
  readonly roots: ReadonlyMap<string, string>;
  readonly contents: ReadonlyMap<Target, Contents>;
  /** Packages that an install put where no COPY takes them from. */
  readonly leftBehind: readonly string[];
  /** For containers' own folders. */
  readonly scratch: string;
  remove(): void;
}

/** Lays out the four images and looks at what is in them. */
export async function layOutImages(say?: (line: string) => void): Promise<LaidOut> {
  const { file, context } = imagesSubject();
  const folder = mkdtempSync(join(tmpdir(), "reveille-images-"));
  chmodSync(folder, 0o711); // containers run as somebody else
  const [into, scratch] = [join(folder, "stages"), join(folder, "scratch")];
  for (const path of [into, scratch]) mkdirSync(path, { mode: 0o711 });
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  try {
    const installs = targets.map((target) => `${target}-dependencies`);
    const roots = await layOut({ file, context, into, ...(say ? { say } : {}) }, [
      ...targets,
      ...installs,
    ]);
    const lock = readFileSync(join(root, "package-lock.json"), "utf8");
    const contents = new Map(
      targets.map((target) => [
        target,
        inspectImage(roots.get(target)!, lock, ourPackages(target)),
      ]),
    );
    const leftBehind = installs.flatMap((stage) => nestedModules(roots.get(stage)!));
    return { roots, contents, leftBehind, scratch, remove };
  } catch (error) {
    remove();
    throw error;
  }
}

/** Agents call the command from inside their runs. */
const ourPackages = (target: Target): string[] => [
  "shared",
  ...(target === "cli" || target === "runner" ? ["cli"] : []),
  ...(target === "cli" ? [] : [`services/${target}`]),
];
