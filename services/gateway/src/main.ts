/** The gateway as a process: environment, start, drain. */
import { createLogger } from "@reveille/shared/runtime/log";
import { runMain } from "@reveille/shared/runtime/main";
import { gatewayDrainMs, readGatewayConfig } from "./config.js";
import { startGateway } from "./gateway.js";

await runMain(async () => {
  const config = readGatewayConfig();
  const logger = createLogger("gateway", config.REVEILLE_LOG_LEVEL);
  return { started: await startGateway(config, logger), logger, drainMs: gatewayDrainMs };
});
