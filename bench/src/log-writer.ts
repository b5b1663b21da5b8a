/** The agent of the log scenario: prints as many bytes as its argument says, as fast as its pipe takes them. */
import { once } from "node:events";
import { logBlocks } from "./log-content.js";

for (const block of logBlocks(Number(process.argv[2])))
  if (!process.stdout.write(block)) await once(process.stdout, "drain");
