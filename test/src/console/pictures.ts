// `npm run pictures -- [address [folder]]`: pictures of the console's pages, light and dark, of a running system (`npm start`). Makes a company of its own there.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { missing, startBrowser } from "./browser.js";
import { makePicturedCompany } from "./pictured-company.js";

/** Those that the README shows are in the repository; all of them are for looking at. */
const [address = "http://127.0.0.1:3100", folder = "docs/images"] = process.argv.slice(2);
const size = { width: 1_280, height: 800 };
/** Enough of a log to fill its page. */
const workedMs = 8_000;
/** For what a page still asks for when it is there. */
const settleMs = 1_500;

if (missing) throw new Error(missing);
mkdirSync(folder, { recursive: true });
const { companyId, agentId, runId, issueId } = await makePicturedCompany(`${address}/api`);
await new Promise((resolve) => setTimeout(resolve, workedMs));
const pages: readonly (readonly [name: string, path: string])[] = [
  ["fleet", ""],
  ["run", `/runs/${runId}`],
  ["agent", `/agents/${agentId}`],
  ["issue", `/issues/${issueId}`],
  ["issues", "/issues"],
  ["runs", "/runs"],
  ["wakes", "/wakes"],
  ["costs", "/costs"],
  ["dead-letters", "/dead-letters"],
  ["runners", "/runners"],
  ["partitions", "/partitions"],
];
const browser = await startBrowser();
for (const colorScheme of ["light", "dark"] as const) {
  const { page } = await browser.open(`${address}/${companyId}`, { colorScheme, viewport: size });
  for (const [name, path] of pages) {
    await page.goto(`${address}/${companyId}${path}`);
    await page.getByText("Live", { exact: true }).waitFor();
    await page.waitForTimeout(settleMs);
    await page.screenshot({ path: join(folder, `console-${name}-${colorScheme}.png`) });
  }
}
await browser.stop();
