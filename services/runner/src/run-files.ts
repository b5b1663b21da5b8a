/** What a run looks for on this machine's disk before anything is started; a port of the runner. */
import type { AdapterWorkspace } from "./adapter.js";
import { privateFile } from "./private-folders.js";
import { findCommand } from "./command-path.js";
import type { FoundCommand } from "./command-path.js";
import { openCheckout } from "./repository/checkout.js";
import type { OpenCheckout } from "./repository/checkout.js";
import { agentHome, findWorkspace } from "./workspace/workspace-folder.js";
import type { WorkspaceOrder } from "./workspace/workspace-order.js";

export interface RunFiles {
  /** The agent's own folder, made when it is not there. */
  agentHome: (workDir: string, agentId: string) => string;
  /** The first folder of the order that is there. */
  findWorkspace: (order: WorkspaceOrder) => Promise<AdapterWorkspace>;
  /** A working tree of a repository, for one run at a time. */
  openCheckout: OpenCheckout;
  /** Names a file that is not there yet, for nobody else to find. */
  privateFile: (workDir: string, runId: string, attempt: number) => string;
  findCommand: (command: string, cwd: string, pathVariable: string) => FoundCommand;
}

export const runFiles: RunFiles = {
  agentHome,
  findWorkspace,
  openCheckout,
  privateFile,
  findCommand,
};
