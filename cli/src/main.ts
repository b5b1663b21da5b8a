/** Entry of the `reveille` command: runs it and ends the process with its exit code. */
import { run } from "./program.js";

// `reveille logs x | head`: the reader has enough. That is no error, and nothing is left to say.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  process.exit(error.code === "EPIPE" ? 0 : 1);
});

process.exitCode = await run(process.argv.slice(2));
