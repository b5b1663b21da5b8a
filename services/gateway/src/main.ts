/** The gateway as a process: environment, start, drain. */
import { createLogger } from "@reveille/shared/runtime/log";
import { runMain } from "@reveille/shared/runtime/main";
import { readGatewayConfig } from "./config.js";
import { startGateway } from "./gateway.js";

await runMain(async () => {
  const config = readGatewayConfig();
  const logger = createLogger("gateway", config.REVEILLE_LOG_LEVEL);
  // 5 s: requests end within 10 s at most, and those that wait so long are told to come back anyway.
  return { started: await startGateway(config, logger), logger, drainMs: 5_000 };
});
