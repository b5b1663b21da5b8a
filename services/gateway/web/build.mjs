// Builds the console into dist/, with a brotli and a gzip file beside each text: gateways only pick one. Does nothing when what was
// built is newer than all it was built from. Knows nothing of what is built.
import { constants, brotliCompressSync, gzipSync } from "node:zlib";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("./", import.meta.url));
const dist = path.join(root, "dist");
/** Written last: a build that was interrupted does not count. */
const stamp = path.join(dist, ".built");
const inputs = [
  "src",
  "public",
  "index.html",
  "package.json",
  "tsconfig.json",
  "vite.config.ts",
  "build.mjs",
];
/** Smaller files travel in one packet either way. */
const compressedBytesMin = 1_024;

/** Newest change of a file or of anything below a folder; tests are not built. */
function newestIn(file) {
  const found = fs.statSync(file, { throwIfNoEntry: false });
  if (!found) return 0;
  if (!found.isDirectory()) return file.endsWith(".test.ts") ? 0 : found.mtimeMs;
  return Math.max(0, ...fs.readdirSync(file).map((name) => newestIn(path.join(file, name))));
}

function compress(folder) {
  for (const name of fs.readdirSync(folder)) {
    const file = path.join(folder, name);
    if (fs.statSync(file).isDirectory()) compress(file);
    else if (/\.(html|js|css|svg)$/.test(name)) {
      const bytes = fs.readFileSync(file);
      if (bytes.length < compressedBytesMin) continue;
      const params = { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY };
      fs.writeFileSync(`${file}.br`, brotliCompressSync(bytes, { params }));
      fs.writeFileSync(`${file}.gz`, gzipSync(bytes, { level: 9 }));
    }
  }
}

const newest = Math.max(...inputs.map((name) => newestIn(path.join(root, name))));
if ((fs.statSync(stamp, { throwIfNoEntry: false })?.mtimeMs ?? 0) < newest) {
  const { build } = await import("vite");
  await build({ root, logLevel: "warn" });
  compress(dist);
  fs.writeFileSync(stamp, "");
}
