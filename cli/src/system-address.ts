/**
 * Where the system is: from the command line, else the environment, else `<data dir>/endpoints.json` of
 * a system that runs on this machine, else the default ports. Connects to nothing.
 */
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { userName } from "@reveille/shared/nats/permissions";
import { usageFailure } from "./failure.js";

export interface AddressOptions {
  api?: string;
  nats?: string;
  dataDir?: string;
}
export interface SystemAddress {
  /** Base URL of the HTTP API without a slash at the end. */
  readonly api: string;
  /** For clients: wakes, logs, events. */
  readonly nats: string;
  /** For looking into streams and buckets; undefined when no such credentials are known here. */
  readonly serviceNats: string | undefined;
  /** Files that say who connects, for servers that know users by keys. */
  readonly natsProof: { readonly credsFile?: string; readonly nkeyFile?: string };
  /** Below it a client hears answers; a company's credentials allow `_INBOX.<company>` alone. */
  readonly natsInbox: string;
  readonly databaseUrl: string | undefined;
  readonly prefix: string;
  /** The data directory that was looked at. */
  readonly dataDir: string;
  /** True when a running system has written `endpoints.json` there. */
  readonly hasEndpoints: boolean;
  /** Processes of the system by service, as its supervisor wrote them. */
  readonly pids: Readonly<Record<string, readonly number[]>>;
}

interface Endpoints {
  http?: string;
  nats?: string;
  databaseUrl?: string;
  pids?: Record<string, number[]>;
}

/** The user of the embedded server that reads everything and changes nothing. */
const operator = userName({ kind: "operator" });

/** @throws CliFailure (usage) when an address is no URL. */
export function findSystem(
  options: AddressOptions,
  env: Readonly<Record<string, string | undefined>> = process.env,
): SystemAddress {
  const dataDir = resolve(options.dataDir ?? (env["REVEILLE_DATA_DIR"] || defaultDataDir()));
  const endpoints = readEndpoints(join(dataDir, "endpoints.json"));
  const nats = options.nats || env["NATS_URL"] || endpoints?.nats || "nats://127.0.0.1:4222";
  const { NATS_CREDS_FILE: credsFile, NATS_NKEY_FILE: nkeyFile } = env;
  const natsProof = { ...(credsFile ? { credsFile } : {}), ...(nkeyFile ? { nkeyFile } : {}) };
  const api =
    options.api ||
    env["REVEILLE_API_URL"] ||
    endpoints?.http ||
    `http://127.0.0.1:${env["REVEILLE_HTTP_PORT"] || "3100"}`;
  return {
    api: checkedUrl(api, "--api", ["http:", "https:"])
      .replace(/\/+$/, "")
      .replace(/\/api$/, ""),
    nats: checkedUrl(nats.includes("://") ? nats : `nats://${nats}`, "--nats", ["nats:", "tls:"]),
    serviceNats:
      env["REVEILLE_SERVICE_NATS_URL"] ||
      serviceUrl(nats, dataDir, endpoints) ||
      credentialed(nats) ||
      (Object.keys(natsProof).length > 0 ? nats : undefined),
    natsProof,
    natsInbox: env["NATS_INBOX_PREFIX"] || "_INBOX",
    databaseUrl: env["DATABASE_URL"] || endpoints?.databaseUrl,
    prefix: env["REVEILLE_SUBJECT_PREFIX"] || "rv",
    dataDir,
    hasEndpoints: endpoints !== undefined,
    pids: endpoints?.pids ?? {},
  };
}

/** The clone's own folder when the command is run from elsewhere: `npm start` runs at its root. */
function defaultDataDir(): string {
  const here = resolve(".reveille");
  if (readEndpoints(join(here, "endpoints.json"))) return here;
  return fileURLToPath(new URL("../../.reveille", import.meta.url));
}

function readEndpoints(file: string): Endpoints | undefined {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Endpoints;
  } catch {
    return undefined; // no system has started here, or it has stopped
  }
}

/** The embedded server's operator; its password file is readable by the system's owner alone. */
function serviceUrl(nats: string, dataDir: string, endpoints?: Endpoints): string | undefined {
  if (!endpoints?.nats || nats !== endpoints.nats) return undefined;
  try {
    const password = readFileSync(
      join(dataDir, "nats", "users", `${operator}.password`),
      "utf8",
    ).trim();
    const url = new URL(endpoints.nats);
    return `nats://${operator}:${password}@${url.host}`;
  } catch {
    return undefined; // a server that is not ours, or a file that is not for us
  }
}

const credentialed = (nats: string): string | undefined =>
  /^\w+:\/\/[^/]*@/.test(nats) ? nats : undefined;

function checkedUrl(text: string, option: string, protocols: readonly string[]): string {
  // NATS takes a list of servers; each has to be an address.
  for (const part of text.split(",")) {
    let url: URL;
    try {
      url = new URL(part.includes("://") ? part : `nats://${part}`);
    } catch {
      throw usageFailure(`${option} is not a URL: ${JSON.stringify(part)}`);
    }
    if (!protocols.includes(url.protocol))
      throw usageFailure(`${option} must begin with ${protocols.join("// or ")}//: ${part}`);
  }
  return text;
}
