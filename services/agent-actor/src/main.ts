/** Starts an actor host from the environment. */
import { createLogger } from "@reveille/shared/runtime/log";
import { runMain } from "@reveille/shared/runtime/main";
import { startAgentActor } from "./agent-actor.js";
import { readActorConfig } from "./config.js";

await runMain(async () => {
  const config = readActorConfig();
  const logger = createLogger("agent-actor", config.REVEILLE_LOG_LEVEL);
  return {
    started: await startAgentActor(config, logger),
    logger,
    drainMs: config.REVEILLE_DRAIN_MS,
  };
});
