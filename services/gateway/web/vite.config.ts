/** How the console is built, and where a page under development finds its gateway (REVEILLE_CONSOLE_API). */
import { defineConfig } from "vite";

export default defineConfig(({ mode }) => ({
  build: {
    target: "es2022",
    // Browsers that know modules and `es2022` preload them by themselves; the polyfill would be an inline script.
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    reportCompressedSize: false,
    emptyOutDir: true,
  },
  // Only `vite dev` looks at it; gateways serve what `vite build` made.
  ...(mode === "development"
    ? { server: { proxy: { "/api": { ws: true, target: gateway() } } } }
    : {}),
}));

function gateway(): string {
  const from = globalThis as { process?: { env: Record<string, string | undefined> } };
  return from.process?.env["REVEILLE_CONSOLE_API"] ?? "http://127.0.0.1:3100";
}
