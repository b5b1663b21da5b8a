// Owns the list of statements that the simulated store knows, by the names that the shell gives them.
import type { Handler } from "../store.js";
import { commitHandlers } from "./commit.js";
import { companyHandlers } from "./companies.js";
import { deletionHandlers } from "./deleted-agents.js";
import { executionHandlers } from "./execution-facts.js";
import { factHandlers } from "./facts.js";
import { hostHandlers } from "./hosts.js";
import { loadHandlers } from "./load.js";
import { lockHandlers } from "./locks.js";
import { partitionHandlers } from "./partitions.js";
import { reconcileHandlers } from "./reconcile.js";
import { retentionHandlers } from "./retention.js";
import { secretHandlers } from "./secrets.js";
import { timerHandlers } from "./timers.js";

export const handlers: ReadonlyMap<string, Handler> = new Map(
  Object.entries({
    ...commitHandlers,
    ...companyHandlers,
    ...deletionHandlers,
    ...executionHandlers,
    ...factHandlers,
    ...hostHandlers,
    ...loadHandlers,
    ...lockHandlers,
    ...partitionHandlers,
    ...reconcileHandlers,
    ...retentionHandlers,
    ...secretHandlers,
    ...timerHandlers,
  }),
);
