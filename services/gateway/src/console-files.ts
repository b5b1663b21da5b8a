/**
 * The files of the console, as they were built: read once, then served from memory with what a browser has to know about them. Which path
 * gets which file is decided here; nothing outside of the folder can be asked for, because nothing is looked up on disk.
 */
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** Where the build of `web` puts them: beside the sources and beside what they are compiled to. */
const builtFolder = fileURLToPath(new URL("../web/dist/", import.meta.url));

const types: Readonly<Record<string, string>> = {
  ".css": "text/css; charset=utf-8",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".svg": "image/svg+xml",
};

/** Only our own files, no inline script or style, no frame around the page, no form to elsewhere. */
const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join("; ");

interface ConsoleFile {
  type: string;
  /** By content encoding, the smallest first. */
  bodies: readonly (readonly [encoding: "br" | "gzip" | "identity", body: Buffer])[];
  etag: string;
  /** Its name changes with its content. */
  immutable: boolean;
}
export interface ConsoleAnswer {
  status: 200 | 304;
  headers: Readonly<Record<string, string>>;
  body: Buffer | null;
}
export interface ConsoleRequest {
  path: string;
  accept: string | undefined;
  acceptEncoding: string | undefined;
  ifNoneMatch: string | undefined;
}
/** What a path shows; null: no page and no file of the console, so the API's own refusal stands. */
export type ConsoleFiles = (request: ConsoleRequest) => ConsoleAnswer | null;

/** Paths of the API and of probes: a wrong one has to look wrong to a client, not like a page. */
const reserved = /^\/(api|metrics|livez|readyz|healthz)(\/|$)/;

/** @param folder for tests. */
export async function readConsole(folder = builtFolder): Promise<ConsoleFiles> {
  const files = await readFiles(folder);
  const index = files.get("/index.html");
  return ({ path, accept, ...request }) => {
    if (reserved.test(path)) return null;
    const file = files.get(path);
    if (file) return answer(file, request);
    // A page's address, typed or reloaded. Files that are missing stay missing: a script must not turn out to be a page.
    const page = path === "/" || (accept?.includes("text/html") && !/\.[^/]*$/.test(path));
    if (!page) return null;
    return index ? answer(index, request) : notBuilt;
  };
}

const notBuilt: ConsoleAnswer = {
  status: 200,
  headers: { "content-type": "text/plain; charset=utf-8", "cache-control": "no-store" },
  body: Buffer.from("The console is not built: npm run build makes it. The API is below /api.\n"),
};

async function readFiles(folder: string): Promise<Map<string, ConsoleFile>> {
  const names = await readdir(folder, { recursive: true }).catch(() => []);
  const known = new Set(names);
  const files = new Map<string, ConsoleFile>();
  for (const name of names) {
    const type = types[extname(name)];
    if (type === undefined) continue;
    const plain = await readFile(join(folder, name));
    const bodies: [ConsoleFile["bodies"][number][0], Buffer][] = [["identity", plain]];
    if (known.has(`${name}.gz`))
      bodies.unshift(["gzip", await readFile(join(folder, `${name}.gz`))]);
    if (known.has(`${name}.br`)) bodies.unshift(["br", await readFile(join(folder, `${name}.br`))]);
    files.set(`/${name}`, {
      type,
      bodies,
      etag: `"${createHash("sha256").update(plain).digest("base64url").slice(0, 22)}"`,
      immutable: name.startsWith("assets/"),
    });
  }
  return files;
}

function answer(
  { type, bodies, etag, immutable }: ConsoleFile,
  { acceptEncoding = "", ifNoneMatch = "" }: Omit<ConsoleRequest, "path" | "accept">,
): ConsoleAnswer {
  const wanted = acceptEncoding.toLowerCase().split(/[,;\s]+/);
  const [encoding, body] = bodies.find(([name]) => name === "identity" || wanted.includes(name))!;
  const headers = {
    "content-type": type,
    "cache-control": immutable ? "public, max-age=31536000, immutable" : "no-cache",
    etag,
    vary: "Accept-Encoding",
    "content-security-policy": contentSecurityPolicy,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    ...(encoding === "identity" ? {} : { "content-encoding": encoding }),
  };
  const same = ifNoneMatch.split(/\s*,\s*/).some((each) => each.replace(/^W\//, "") === etag);
  return same ? { status: 304, headers, body: null } : { status: 200, headers, body };
}
