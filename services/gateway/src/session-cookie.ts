/**
 * The session of a browser: a board token in a cookie that no script can read and no other site can send. There is nothing to store: the session is as
 * good as its token, and ends with it. What changes something has to show a second token, which only pages of this gateway can have. Knows no route.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import { forbidden } from "./errors.js";

export const sessionCookieName = "reveille_session";
/** What a request that changes something carries besides the cookie. */
export const csrfHeader = "x-csrf-token";

/** The token in a `Cookie` header; undefined: none. */
export function sessionTokenOf(cookies: string | undefined): string | undefined {
  for (const pair of cookies?.split(";") ?? []) {
    const at = pair.indexOf("=");
    if (pair.slice(0, at).trim() === sessionCookieName)
      return pair.slice(at + 1).trim() || undefined;
  }
  return undefined;
}

/**
 * A `Set-Cookie` header that starts a session, or (null) ends it. It lasts for as long as the browser is open. @param secure whether the browser came over
 * TLS: over plain HTTP it would not keep such a cookie.
 */
export const sessionCookie = (token: string | null, secure: boolean): string =>
  [
    `${sessionCookieName}=${token ?? ""}`,
    "Path=/api",
    "HttpOnly",
    "SameSite=Strict",
    ...(secure ? ["Secure"] : []),
    ...(token === null ? ["Max-Age=0"] : []),
  ].join("; ");

/** Belongs to the session and cannot be turned back into it. */
export const csrfTokenOf = (token: string): string =>
  createHmac("sha256", token).update("reveille-csrf").digest("base64url");

/** A page of another site can make a browser send its cookie, but not this header. @throws HttpError 403. */
export function refuseForgery(method: string, token: string, shown: string | undefined): void {
  if (method === "GET" || method === "HEAD") return;
  const [wanted, given] = [Buffer.from(csrfTokenOf(token)), Buffer.from(shown ?? "")];
  if (wanted.length !== given.length || !timingSafeEqual(wanted, given))
    throw forbidden(`A session has to show its token in ${csrfHeader}`);
}

/** WebSockets know no such header: their page has to be one of this very host. @throws HttpError 403. */
export function refuseForeignPage(origin: string | undefined, host: string | undefined): void {
  if (origin === undefined || !URL.canParse(origin) || new URL(origin).host !== host)
    throw forbidden("Origin is not allowed");
}
