// Owns what a service says of its live heap, when a soak has it load this file first (`node --expose-gc --import`): memory that is resident
// grows until V8 collects, whether anything is kept or not, and only what is left after a whole collection tells a leak.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { memoryUsage, pid } from "node:process";
import { heapFolderVariable } from "./heap-folder.js";

/** A collection takes some 50 ms: seen by nobody so seldom. */
const everyMs = 20_000;

const folder = process.env[heapFolderVariable];
const { gc } = globalThis;
if (folder && gc)
  setInterval(() => {
    gc();
    const { heapUsed, external } = memoryUsage();
    writeFileSync(join(folder, String(pid)), String(heapUsed + external));
  }, everyMs).unref();
