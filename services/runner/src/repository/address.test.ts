import { expect, test } from "vitest";
import { readAddress, refFault, repositoryId } from "./address.js";

test.each([
  ["https://example.org/a/b.git", "https", "https://example.org"],
  ["https://example.org:8443/b", "https", "https://example.org:8443"],
  ["ssh://git@example.org:2222/b.git", "ssh", null],
  ["git@example.org:a/b.git", "ssh", null],
])("%s is a repository", (url, protocol, origin) => {
  expect(readAddress(url, false)).toEqual({ ok: true, address: { url, protocol, origin } });
});

test("a file is one only where the runner allows it", () => {
  expect(readAddress("file:///srv/a.git", true).ok).toBe(true);
  expect(readAddress("file:///srv/a.git", false)).toMatchObject({ ok: false });
  expect(readAddress("file://host/srv/a.git", true)).toMatchObject({ ok: false });
});

test.each([
  "--upload-pack=touch /tmp/x",
  "-oProxyCommand=x",
  "ext::sh -c touch% /tmp/x",
  "ssh://-oProxyCommand=x/y",
  "ssh://example.org/-x",
  "ssh://%2DoProxyCommand@example.org/x",
  "git@-host:a",
  "git@host:-a",
  "-x@host:a",
  "git://example.org/a",
  "http://example.org/a",
  "https://user:pw@example.org/a",
  "https://token@example.org/a",
  "ssh://git:pw@example.org/a",
  "https://example.org/a b",
  "https://example.org/a\nb",
  "/srv/a.git",
  "a",
  "",
])("%j is refused", (url) => {
  expect(readAddress(url, false)).toMatchObject({
    ok: false,
    reason: expect.stringMatching(/^repoUrl /),
  });
});

test.each(["main", "feature/x-1", "v1.2.3", "refs/heads/main", "a".repeat(40)])(
  "%s names a ref",
  (ref) => expect(refFault(ref)).toBeNull(),
);
test.each([
  "-b",
  "--force",
  "a..b",
  "a b",
  "a~1",
  "a^{/x}",
  "a:b",
  "@{u}",
  "@",
  "a.lock",
  "a/",
  "",
  "a\0b",
])("%j names none", (ref) => expect(refFault(ref)).not.toBeNull());

test("a repository of two companies is two", () => {
  expect(repositoryId("a", "https://x/y")).not.toBe(repositoryId("b", "https://x/y"));
});
