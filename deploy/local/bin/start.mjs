#!/usr/bin/env node
// `npm start`: makes a fresh clone runnable, then runs the whole system until Ctrl-C. The rest is in ../src/start.ts.
import { prepare } from "./prepare.mjs";

await prepare();
const { start } = await import("../dist/start.js");
await start();
