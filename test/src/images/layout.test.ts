// The replay of COPY and RUN does what an engine does, and refuses what would change this machine.
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { openContext } from "./context.js";
import { readDockerfile } from "./dockerfile.js";
import { layOut } from "./layout.js";

/** A repository with two files, a folder and what is kept out; and where to lay out. */
function ground(): { repository: string; into: string } {
  const folder = mkdtempSync(join(tmpdir(), "reveille-layout-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const [repository, into] = [join(folder, "repository"), join(folder, "into")];
  for (const path of [into, join(repository, "code/deep"), join(repository, "code/dist")])
    mkdirSync(path, { recursive: true });
  for (const path of ["a.txt", "b.txt", "code/c.txt", "code/deep/d.txt", "code/dist/e.txt"])
    writeFileSync(join(repository, path), path);
  symlinkSync("deep/d.txt", join(repository, "code/link"));
  return { repository, into };
}

async function lay(dockerfile: string, stage: string): Promise<(path: string) => string> {
  const { repository, into } = ground();
  const context = openContext(repository, "**/dist\n");
  const roots = await layOut({ file: readDockerfile(dockerfile), context, into }, [stage]);
  return (path) => readFileSync(join(roots.get(stage)!, path), "utf8");
}

test("files go into a folder, folders leave their names behind, links stay links", async () => {
  const read = await lay(
    "FROM scratch AS one\nWORKDIR /app\nCOPY a.txt b.txt ./\nCOPY a.txt renamed.txt\nCOPY code code/\n" +
      "FROM one AS two\nWORKDIR below\nCOPY --from=one /app/code ./\nRUN rm c.txt\nRUN echo no >/etc/motd\n",
    "two",
  );
  expect([read("app/a.txt"), read("app/renamed.txt"), read("app/code/c.txt")]).toEqual([
    "a.txt",
    "a.txt",
    "code/c.txt",
  ]);
  expect(read("app/below/deep/d.txt")).toBe("code/deep/d.txt");
  expect(read("app/below/link")).toBe("code/deep/d.txt");
  expect(() => read("app/below/c.txt")).toThrow("ENOENT");
  expect(() => read("app/code/dist/e.txt")).toThrow("ENOENT");
});

test("a link of one stage is the same link in the next", async () => {
  const { repository, into } = ground();
  const context = openContext(repository, "");
  const file = readDockerfile(
    "FROM scratch AS one\nCOPY code /code/\nFROM scratch AS two\nCOPY --from=one / ./\n",
  );
  const roots = await layOut({ file, context, into }, ["two"]);
  expect(readlinkSync(join(roots.get("two")!, "code/link"))).toBe("deep/d.txt");
});

test.each([
  [
    "a file that is not in the context",
    "FROM scratch AS one\nCOPY code/dist ./\n",
    "Dockerfile:2: nothing of code/dist",
  ],
  [
    "a path that the other stage does not have",
    "FROM scratch AS zero\nFROM scratch AS one\nCOPY --from=zero /app ./\n",
    "Dockerfile:3: the stage has no",
  ],
  [
    "a step that nobody has thought about",
    "FROM scratch AS one\nRUN make install\n",
    "Dockerfile:2: cannot replay make",
  ],
  ["a step that fails", "FROM scratch AS one\nRUN rm nothing\n", "Dockerfile:2: "],
])("refuses %s", async (_, dockerfile, message) => {
  await expect(lay(dockerfile, "one")).rejects.toThrow(message);
});
