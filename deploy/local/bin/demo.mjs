#!/usr/bin/env node
// `npm run demo`: makes a fresh clone runnable, then plays the main job without a person. The rest is in ../src/demo.ts.
import { prepare } from "./prepare.mjs";

await prepare();
await import("../dist/demo.js");
