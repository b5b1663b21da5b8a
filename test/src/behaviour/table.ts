// Owns docs/behaviour.md as text: each behaviour with the tests that show it. Pure.
import { families } from "./rows.js";
import type { Evidence } from "./shown-by.js";

/** Of each row: enough to believe it and to read on. */
const shownMax = 4;

/** The whole page; `evidence` by id. */
export function behaviourPage(evidence: ReadonlyMap<string, readonly Evidence[]>): string {
  return `${opening}${families
    .map(({ title, rows }) => {
      const lines = Object.entries(rows).map(
        ([id, text]) => `| ${id} | ${text} | ${shown(evidence.get(id) ?? [])} |`,
      );
      return `\n## ${title}\n\n| row | what is so | shown by |\n| --- | --- | --- |\n${lines.join("\n")}\n`;
    })
    .join("")}`;
}

const opening = `# Behaviour

What Reveille promises to those who come from Paperclip's heartbeat, row by row, and the tests that show it. Printed from
\`test/src/behaviour/rows.ts\` and from the titles of all tests, which carry the rows' ids in brackets; a test fails when a row has none, or when
this page is not what the tests say. \`UPDATE=1 npx vitest run --project unit behaviour\` prints it anew.
`;

function shown(tests: readonly Evidence[]): string {
  const cells = tests
    .toSorted((a, b) => rank(a) - rank(b))
    .slice(0, shownMax)
    .map(({ file, title }) => `[${escaped(title)}](../${file})`);
  const more = tests.length - cells.length;
  return cells.join("<br>") + (more > 0 ? `<br>and ${more} more` : "");
}

/** A test of the rule itself says more than one in which it happens to be seen. */
const rank = ({ file }: Evidence): number => (file.includes("/conformance/") ? 1 : 0);

const escaped = (title: string): string =>
  title
    .replaceAll("\\\\", "")
    .replaceAll("|", "\\|")
    .replaceAll("[", "\\[")
    .replaceAll("]", "\\]")
    .replaceAll("<", "&lt;")
    .replaceAll("*", "\\*");
