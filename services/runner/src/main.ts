/** Starts one runner as a process: environment and arguments in, exit code out. `--once`: one execution. */
import { createLogger } from "@reveille/shared/runtime/log";
import { runMain } from "@reveille/shared/runtime/main";
import { readRunnerConfig } from "./config.js";
import { startRunner } from "./runner.js";

await runMain(async () => {
  const config = readRunnerConfig(process.env, process.argv.slice(2));
  const logger = createLogger("runner", config.logLevel);
  return { started: await startRunner(config, logger), logger, drainMs: config.drainMs };
});
