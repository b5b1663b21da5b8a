// Checks the adapter against the contract: `node contract.mjs`. Ends with 1 and every violation in a line.
import { checkAdapter } from "@reveille/runner/adapter-contract";
import echo from "./index.js";

const faults = await checkAdapter(echo, {
  works: { text: "hello", times: 3 },
  lasts: { text: "still here", times: 1000, pauseMs: 50 },
  broken: { text: "" },
});
for (const fault of faults) console.error(fault);
console.log(faults.length === 0 ? "the contract is kept" : `${faults.length} violations`);
process.exitCode = faults.length === 0 ? 0 : 1;
