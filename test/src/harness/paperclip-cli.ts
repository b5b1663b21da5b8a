// Owns the unmodified command of Paperclip, as its users have it from npm: in a folder of its own, with no account of anything but where
// it is and what it printed. Without its server, which no client needs: that alone would be hundreds of megabytes.
import { execFile, execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const paperclipVersion = "0.2.7";
/** Set to run what needs the command: the first time it is downloaded (21 MB). */
export const paperclipFlag = "REVEILLE_TEST_PAPERCLIP_CLI";

const cache = fileURLToPath(new URL("../../../.cache/", import.meta.url));

export interface Printed {
  /** Null: killed, after a minute. */
  code: number | null;
  stdout: string;
  stderr: string;
}
export type PaperclipCli = (...args: string[]) => Promise<Printed>;

/** Installs it unless that was done before, and binds it to an API. `home` is where it keeps what it remembers. */
export function paperclipCli(apiBase: string, home: string): PaperclipCli {
  const program = join(installed(), "node_modules", "paperclipai", "dist", "index.js");
  const env = { PATH: process.env["PATH"], HOME: home, PAPERCLIP_HOME: home, NO_COLOR: "1" };
  return (...args) =>
    new Promise((resolve) => {
      const full = [program, ...args, "--api-base", apiBase];
      execFile(process.execPath, full, { env, timeout: 60_000 }, (error, stdout, stderr) => {
        const code = error ? (typeof error.code === "number" ? error.code : null) : 0;
        resolve({ code, stdout, stderr });
      });
    });
}

/** The folder with the pinned version; made whole or not at all, so that an interrupted download is not taken for it. */
function installed(): string {
  const folder = join(cache, `paperclipai-${paperclipVersion}`);
  if (existsSync(folder)) return folder;
  mkdirSync(cache, { recursive: true });
  const making = mkdtempSync(join(cache, "paperclipai-"));
  try {
    mkdirSync(join(making, "no-server"));
    const noServer = { name: "@paperclipai/server", version: paperclipVersion };
    writeFileSync(join(making, "no-server", "package.json"), JSON.stringify(noServer));
    const wanted = {
      private: true,
      dependencies: { paperclipai: paperclipVersion },
      overrides: { "@paperclipai/server": "file:./no-server" },
    };
    writeFileSync(join(making, "package.json"), JSON.stringify(wanted));
    const install = ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"];
    execFileSync("npm", install, { cwd: making, timeout: 240_000 });
    renameSync(making, folder);
  } catch (error) {
    rmSync(making, { recursive: true, force: true });
    throw error;
  }
  return folder;
}
