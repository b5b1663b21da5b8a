// Links in the documents of the repository lead somewhere: to a file that exists, and to a heading that it has.
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));
const documentsIn = (folder: string): string[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".md") && !/(^|\/)(node_modules|dist)\//.test(name))
    .map((name) => join(root, folder, name));
const documents = [
  ...readdirSync(root)
    .filter((name) => name.endsWith(".md"))
    .map((name) => join(root, name)),
  ...["docs", "bench", "examples", "deploy"].flatMap(documentsIn),
];

const withoutCode = (text: string): string =>
  text.replaceAll(/```[\s\S]*?```/g, "").replaceAll(/`[^`\n]*`/g, "");
/** The anchors of a document's headings, as forges make them. */
const anchorsOf = (file: string): string[] =>
  [...readFileSync(file, "utf8").matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-"),
  );

test("there are documents", () => {
  expect(documents.length).toBeGreaterThan(10);
});

test.each(documents.map((file) => relative(root, file)))("links in %s lead somewhere", (name) => {
  const file = join(root, name);
  const broken = [...withoutCode(readFileSync(file, "utf8")).matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target]) => target!)
    .filter((target) => !/^[a-z]+:/.test(target))
    .filter((target) => {
      const [path, anchor] = target.split("#");
      const to = path ? resolve(dirname(file), path) : file;
      if (!existsSync(to) || !to.startsWith(root)) return true;
      return anchor !== undefined && !anchorsOf(to).includes(anchor);
    });
  expect(broken).toEqual([]);
});

test("every test and source file that the documents name exists", () => {
  const missing = documents.flatMap((file) =>
    [
      ...readFileSync(file, "utf8").matchAll(
        /`((?:services|shared|test|deploy|cli|bench)\/[\w./-]+\.\w+)`/g,
      ),
    ]
      .map(([, path]) => path!)
      .filter((path) => !existsSync(join(root, path)) && !path.includes("results/"))
      .map((path) => `${relative(root, file)}: ${path}`),
  );
  expect(missing).toEqual([]);
});
