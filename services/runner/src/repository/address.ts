/**
 * Which repositories may be cloned, and which refs of them: an address is refused when it could be taken
 * for an option, run a program, carry a password, or leave the allowed protocols. Pure; asks no network.
 */
import { createHash } from "node:crypto";

export interface RepositoryAddress {
  /** As git gets it. */
  url: string;
  protocol: "https" | "ssh" | "file";
  /** `https://host[:port]`, where a token may go and nowhere else; null for other protocols. */
  origin: string | null;
}
export type ReadAddress = { ok: true; address: RepositoryAddress } | { ok: false; reason: string };

/** `user@host:path`, the short form of ssh. Neither host nor path may begin like an option. */
const shortSsh = /^[A-Za-z0-9._][A-Za-z0-9._-]*@[A-Za-z0-9][A-Za-z0-9.-]*:[^\s:-][^\s]*$/;
/** As the route takes it. */
const urlCharsMax = 2_048;

/** @param allowFile repositories of this machine's own disk, which every agent of the runner could then read. */
export function readAddress(text: string, allowFile: boolean): ReadAddress {
  const no = (reason: string): ReadAddress => ({ ok: false, reason: `repoUrl ${reason}` });
  // oxlint-disable-next-line no-control-regex -- that is what is looked for
  if (text.length > urlCharsMax || /[\u0000-\u0020\u007f]/.test(text))
    return no(`must have no blanks and at most ${urlCharsMax} characters`);
  if (text.startsWith("-")) return no("must not begin with a dash");
  if (shortSsh.test(text))
    return { ok: true, address: { url: text, protocol: "ssh", origin: null } };
  if (!URL.canParse(text)) return no("must be an https:// or ssh:// address, or user@host:path");
  const url = new URL(text);
  if (url.password !== "" || (url.protocol === "https:" && url.username !== ""))
    return no("must carry no credential: set REVEILLE_GIT_TOKEN as a secret of the agent");
  const optionLike = (part: string): boolean => decoded(part).startsWith("-");
  if (optionLike(url.hostname) || optionLike(url.username) || optionLike(url.pathname.slice(1)))
    return no("must not begin with a dash in any part");
  switch (url.protocol) {
    case "https:":
      return { ok: true, address: { url: text, protocol: "https", origin: url.origin } };
    case "ssh:":
      return { ok: true, address: { url: text, protocol: "ssh", origin: null } };
    case "file:":
      if (!allowFile) return no("names a file, which this runner does not allow");
      return url.hostname === ""
        ? { ok: true, address: { url: text, protocol: "file", origin: null } }
        : no("names a file on another host");
    default:
      return no(`has the protocol ${url.protocol.slice(0, 20)} which is not allowed`);
  }
}

/** What cannot be decoded begins with what it begins with. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // a lone percent sign
  }
}

/** Null: usable as a branch, tag or commit. Stricter than git: what no name of a branch needs is refused. */
export function refFault(ref: string): string | null {
  const plain = /^[A-Za-z0-9_@+][A-Za-z0-9_@+./#=,-]*$/.test(ref) && ref.length <= 255;
  const odd = /\.\.|\/\/|@\{|\.lock(\/|$)|[./]$|\/\./.test(ref) || ref === "@";
  return plain && !odd ? null : "repoRef must be the name of a branch or tag, or a commit";
}

/** One folder for each repository of each company: what one company could fetch is none of another's business. */
export const repositoryId = (companyId: string, url: string): string =>
  createHash("sha256").update(`${companyId}\0${url}`).digest("hex").slice(0, 32);
