#!/usr/bin/env node
// `npm run bench`: makes a fresh clone runnable, then measures. Arguments go to the benches (bench/src/main.ts).
import { prepare } from "./prepare.mjs";

await prepare();
await import("../../../bench/dist/main.js");
