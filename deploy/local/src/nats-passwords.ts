// Owns the passwords of an embedded nats-server's users: one file each, made once, so that services that live longer than the server
// stay connected to the next one. Knows no permission.
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { writeAtomically } from "./data-dir.js";

/** 192 bits: nothing guesses them, and they stay short in an URL. */
const PASSWORD_BYTES = 24;

/** The password of a user, by files in `<dir>/users` that only this system's owner reads. */
export function passwordFiles(dir: string): (user: string) => string {
  const folder = join(dir, "users");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return (user) => {
    const file = join(folder, `${user}.password`);
    if (!existsSync(file))
      writeAtomically(file, `${randomBytes(PASSWORD_BYTES).toString("hex")}\n`);
    return readFileSync(file, "utf8").trim();
  };
}

/**
 * The same address as another user. Credentials stand before the first server, which is where clients look for them; without a new
 * password the old one stays.
 */
export function asUser(url: string, user: string, password?: string): string {
  const [first = "", ...more] = url.split(",");
  const {
    scheme = "nats://",
    secret,
    host = first,
  } = /^(?<scheme>\w+:\/\/)?(?:[^@:/]*:(?<secret>[^@/]*)@)?(?<host>.*)$/.exec(first)?.groups ?? {};
  return [`${scheme}${user}:${password ?? secret ?? ""}@${host}`, ...more].join(",");
}
