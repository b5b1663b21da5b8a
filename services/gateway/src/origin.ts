/**
 * Who may talk to a server without logins: callers that named this machine as the host, and pages
 * that were served from it. Without this any page in a browser could reach it (cross-site requests,
 * DNS rebinding).
 */

/** True for a host name or address that means this machine. Names with a port: cut it off first. */
export function isLoopbackName(name: string): boolean {
  const host = name.toLowerCase().replace(/^\[|\]$/g, "");
  return (
    host === "localhost" ||
    host.endsWith(".localhost") ||
    host === "::1" ||
    host === "::ffff:127.0.0.1" ||
    /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host)
  );
}

/** The host of a `Host` header, without its port. */
function hostOf(header: string): string | null {
  try {
    return new URL(`http://${header}`).hostname;
  } catch {
    return null;
  }
}

/** Why these headers are refused; null when they are fine. */
export function refuseOrigin(headers: {
  host?: string | undefined;
  origin?: string | string[] | undefined;
}): string | null {
  const host = hostOf(headers.host ?? "");
  if (host === null || !isLoopbackName(host)) return "Host is not this machine";
  const { origin } = headers;
  if (origin === undefined) return null;
  if (typeof origin !== "string") return "Origin is not allowed";
  try {
    const url = new URL(origin);
    return isLoopbackName(url.hostname) ? null : "Origin is not allowed";
  } catch {
    return "Origin is not allowed";
  }
}
