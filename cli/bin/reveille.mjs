#!/usr/bin/env node
// The `reveille` command of this clone or image. `up` works before anything is built; the rest says what to do.
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const entry = new URL("../dist/main.js", import.meta.url);
const words = process.argv.slice(2).filter((word) => !word.startsWith("-"));
const isBuilt = existsSync(fileURLToPath(entry));
const wantsHelp = process.argv.some((word) => word === "--help" || word === "-h");
const launcher = new URL("../../deploy/local/bin/start.mjs", import.meta.url);

if (words[0] === "up" && !(isBuilt && wantsHelp)) {
  if (existsSync(fileURLToPath(launcher))) {
    process.argv.splice(process.argv.indexOf("up"), 1); // the launcher reads the rest as its own
    await import(launcher.href);
  } else {
    process.stderr.write(
      "reveille: `up` starts a system from a clone of the repository; this is an image, see docs/images.md.\n",
    );
    process.exitCode = 2;
  }
} else if (isBuilt) {
  await import(entry.href);
} else {
  process.stderr.write(
    "reveille: this clone is not built yet. `npm start` builds and starts it; `npm run build` only builds.\n",
  );
  process.exitCode = 1;
}
