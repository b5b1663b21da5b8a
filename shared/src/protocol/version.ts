/**
 * The version of what services say to each other: mailbox messages, executions, reports, answers, leases.
 * It is raised only by a change that an older reader would misread; new optional fields do not count. All
 * services write the version that the database names, and each says here which versions it can read, so
 * a new release runs beside the old one until the operator raises the number. Pure.
 */
import { wrongVersion } from "../errors.js";

/** What this release writes and reads. */
export const protocolVersions = { oldest: 1, newest: 1 } as const;

/** Is a message of this version (absent in messages older than the field: 1) one that this release can read? */
export const isReadable = (version: unknown): boolean =>
  version === undefined ||
  (typeof version === "number" &&
    version >= protocolVersions.oldest &&
    version <= protocolVersions.newest);

/** @throws RuntimeError `WrongVersion` that says which side is too old. */
export function checkProtocol(inForce: number): void {
  if (isReadable(inForce)) return;
  const { oldest, newest } = protocolVersions;
  const why =
    inForce > newest ? "this release is too old for it" : "it is too old for this release";
  throw wrongVersion(
    `the services here speak protocol ${inForce}, this release reads ${oldest} to ${newest}: ${why}`,
  );
}
