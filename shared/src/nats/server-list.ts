/**
 * `NATS_URL` in parts: one or several servers, separated by commas, and one set of credentials for all of them. Pure; connects to nothing.
 */

export interface ServerList {
  /** `host:port`, at least one. */
  servers: string[];
  user: string | undefined;
  password: string | undefined;
  tls: boolean;
  /** Without credentials, for messages. */
  shown: string;
}

/** NATS's registered port. */
const defaultPort = "4222";

/**
 * Reads the list. A scheme (`nats://`, `tls://`) and credentials may stand before any server; the first ones hold for all.
 * @throws TypeError when a part is no address.
 */
export function readServerList(text: string): ServerList {
  const parts = text
    .split(",")
    .map((part) => part.trim())
    .filter(Boolean)
    .map((part) => new URL(part.includes("://") ? part : `nats://${part}`));
  const servers = parts.map(({ hostname, port }) => `${hostname}:${port || defaultPort}`);
  const named = parts.find(({ username }) => username !== "");
  return {
    servers,
    user: named && decodeURIComponent(named.username),
    password: named && decodeURIComponent(named.password),
    tls: parts.some(({ protocol }) => protocol === "tls:"),
    shown: servers.join(","),
  };
}
