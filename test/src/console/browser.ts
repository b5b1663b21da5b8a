// Owns a Chromium for tests of the console: finds one, starts it, and ends it. Where there is none these tests are skipped, and say so.
import { existsSync } from "node:fs";
import { chromium } from "playwright-core";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";

/** Debian's and others' names for it; REVEILLE_CHROMIUM names another one. */
const candidates = [
  process.env["REVEILLE_CHROMIUM"],
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
];
const program = candidates.find((path) => path !== undefined && existsSync(path));

/** Why the tests are skipped; false: they are not. */
export const missing =
  program === undefined &&
  "skipped: no Chromium here (apt-get install chromium, or REVEILLE_CHROMIUM)";

export interface ShownPage {
  page: Page;
  /** What went wrong inside of the page: exceptions, and what its policy kept out. */
  complaints: string[];
}
export interface TestBrowser {
  open(url: string, options?: BrowserContextOptions): Promise<ShownPage>;
  stop(): Promise<void>;
}

/** The first start of a Chromium on a busy machine. */
const startMs = 60_000;
/** Tall, so that what a page draws of a list is all of a short one. */
const viewport = { width: 1_400, height: 1_800 };

export async function startBrowser(): Promise<TestBrowser> {
  const browser: Browser = await chromium.launch({
    executablePath: program!,
    timeout: startMs,
    // Root has no sandbox to give; the pages are our own.
    args: ["--no-sandbox", "--disable-dev-shm-usage"],
  });
  return {
    open: async (url, options = {}) => {
      const context = await browser.newContext({ viewport, ...options });
      const page = await context.newPage();
      const complaints: string[] = [];
      page.on("pageerror", (error) => complaints.push(String(error)));
      page.on("console", (message) => {
        if (/Content Security Policy/.test(message.text())) complaints.push(message.text());
      });
      page.on("dialog", (dialog) => {
        complaints.push(`dialog: ${dialog.message()}`);
        void dialog.dismiss();
      });
      await page.goto(url);
      return { page, complaints };
    },
    stop: () => browser.close(),
  };
}
