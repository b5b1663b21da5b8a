// Owns a simulated runner: the shipped one, from the sweep of leftovers on, on ports of the simulated world. Decides nothing.
import type { AdapterWorkspace } from "@reveille/runner/adapter";
import type { AdapterCatalog } from "@reveille/runner/adapters/catalog";
import type { FoundCommand } from "@reveille/runner/command-path";
import { readRunnerConfig } from "@reveille/runner/config";
import type { RunnerConfig } from "@reveille/runner/config";
import { failedResult } from "@reveille/runner/core/outcome";
import type { RunnerPorts } from "@reveille/runner/ports";
import { sweepLeftovers } from "@reveille/runner/containment/lifeline";
import type { OpenedCheckout } from "@reveille/runner/repository/checkout";
import { startRunnerOn } from "@reveille/runner/runner";
import type { WorkspaceOrder } from "@reveille/runner/workspace/workspace-order";
import { StoredPublisher } from "@reveille/shared/nats/stored-publisher";
import { createSubjects } from "@reveille/shared/protocol/subjects";
import { topologyNames } from "@reveille/shared/protocol/topology";
import type { Started } from "@reveille/shared/runtime/main";
import { noTracing } from "@reveille/shared/runtime/tracing";
import type { SimProcess } from "../machine/process.js";
import { dial } from "./dial.js";
import { machineNs, simSpawnGuard } from "./guard-process.js";
import type { GuardWorld } from "./guard-process.js";

export interface SimRunnerOptions extends Omit<GuardWorld, "runner"> {
  /** The runner's own. */
  process: SimProcess;
  config: RunnerConfig;
  adapters: AdapterCatalog;
  /** Incarnations and claims; never the same twice in a world. */
  newId: () => string;
}

/** As `connectBus` has it. */
const connectMs = 10_000;
/** A Node process starts in about so long, ms. */
const startMs = { least: 30, most: 150 } as const;

/** Every folder is there, every command is found, nothing is touched. */
const simFiles = {
  agentHome: (workDir: string, agentId: string): string => `${workDir}/${agentId}`,
  findWorkspace: async ({ otherwise }: WorkspaceOrder): Promise<AdapterWorkspace> => otherwise,
  openCheckout: async (): Promise<OpenedCheckout> => ({
    ok: false,
    result: failedResult("no repository can be reached here", "workspace_unavailable"),
  }),
  findCommand: (command: string): FoundCommand => ({ ok: true, path: `/simulated/${command}` }),
  privateFile: (workDir: string, runId: string, attempt: number): string =>
    `${workDir}/${runId}.${attempt}`,
};

/** A runner's settings as its environment gives them, with what a world wants otherwise. */
export const simRunnerConfig = (
  runnerId: string,
  wanted: Partial<RunnerConfig> = {},
): RunnerConfig => ({
  ...readRunnerConfig({ REVEILLE_RUNNER_ID: runnerId, REVEILLE_RUNNER_WORK_DIR: "/simulated" }, []),
  // No disk: what agents print here is far from what would go there.
  spoolBytesMax: 0,
  ...wanted,
});

/**
 * Starts it; resolves when it takes work. After `stop` its process is the world's to kill, as `runMain` ends it.
 * @throws as the shipped runner does: then its process is to be killed, and started again by who supervises it.
 */
export async function startSimRunner(options: SimRunnerOptions): Promise<Started> {
  const { os, random, process, logger } = options;
  const bootMs = random.between(startMs.least, startMs.most);
  await new Promise<void>((booted) => void process.later(bootMs, booted));
  await sweepLeftovers(os.place(process));
  return startRunnerOn(options.config, await simPorts(options), logger);
}

async function simPorts(options: SimRunnerOptions): Promise<RunnerPorts> {
  const { os, process, random, config, connect, adapters, newId } = options;
  const { clock } = process;
  const { bus, bucket, openQueue, ensurePoolConsumer } = await dial(
    connect,
    process,
    random,
    connectMs,
  );
  const subjects = createSubjects(config.subjectPrefix);
  const stored = new StoredPublisher(bus, { clock });
  return {
    clock,
    machineNs: machineNs(process),
    newId,
    self: { hostname: "simulated", pid: os.nextPid() },
    bus,
    // One connection for all: a second would tell nothing more here.
    logBus: bus,
    stored,
    logPublisher: stored,
    leases: bucket(topologyNames(config.subjectPrefix).runnerLeases),
    tracing: noTracing,
    openQueue,
    ensurePoolConsumer: () => ensurePoolConsumer(subjects, config.pool),
    spawnGuard: simSpawnGuard({ ...options, runner: process }),
    place: os.place(process),
    openTrees: (lifeline, incarnation) => os.openTrees(lifeline, incarnation, process),
    cut: (lifeline) => os.cut(lifeline, process),
    files: simFiles,
    adapters,
    inherited: {},
    close: async () => {
      stored.close();
      await bus.close();
    },
  };
}
