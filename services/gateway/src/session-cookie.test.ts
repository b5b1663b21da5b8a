import { expect, test } from "vitest";
import {
  csrfTokenOf,
  refuseForeignPage,
  refuseForgery,
  sessionCookie,
  sessionTokenOf,
} from "./session-cookie.js";

test("the session's cookie is found among others", () => {
  expect(sessionTokenOf("a=1; reveille_session=rvb_x; b=2")).toBe("rvb_x");
  for (const none of [undefined, "", "a=1", "reveille_session=", "xreveille_session=1"])
    expect(sessionTokenOf(none)).toBeUndefined();
});

test("no script reads it, no other site sends it, and over TLS it stays there", () => {
  expect(sessionCookie("rvb_x", true)).toBe(
    "reveille_session=rvb_x; Path=/api; HttpOnly; SameSite=Strict; Secure",
  );
  expect(sessionCookie(null, false)).toContain("Max-Age=0");
});

test("what changes something needs the session's second token, reading does not", () => {
  expect(() => refuseForgery("GET", "rvb_x", undefined)).not.toThrow();
  expect(() => refuseForgery("POST", "rvb_x", csrfTokenOf("rvb_x"))).not.toThrow();
  for (const wrong of [undefined, "", csrfTokenOf("rvb_y"), "é".repeat(43)])
    expect(() => refuseForgery("POST", "rvb_x", wrong)).toThrow(/x-csrf-token/);
});

test("a WebSocket with a session comes from a page of this host", () => {
  expect(() => refuseForeignPage("https://here.example:8443", "here.example:8443")).not.toThrow();
  for (const other of [undefined, "null", "https://there.example:8443", "https://here.example"])
    expect(() => refuseForeignPage(other, "here.example:8443")).toThrow("Origin");
});
