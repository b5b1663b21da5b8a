/**
 * The agents that are in memory. State is loaded on the first message, kept while it is used, dropped
 * when idle (passivation): a sleeping agent costs its row and nothing else.
 */
import type { Clock } from "@reveille/shared/runtime/clock";
import type { AgentState } from "../core/state.js";

export interface Activations {
  get(agentId: string): AgentState | undefined;
  set(state: AgentState): void;
  /** Forgets every agent of a partition: its owner may be another host now. */
  dropPartition(partition: number): void;
  drop(agentId: string): void;
  readonly residentCount: number;
  /** Drops what was not used for the idle time; call now and then. */
  sweep(): void;
}
export interface ActivationsOptions {
  clock: Clock;
  /** Idle time after which an agent is dropped. 60 s: longer than the pauses within one task. */
  idleMs?: number;
  /** Most agents in memory. 20,000: about 100 MB at 5 KB an agent. */
  residentMax?: number;
}

export function createActivations(options: ActivationsOptions): Activations {
  const idleMs = options.idleMs ?? 60_000;
  const residentMax = options.residentMax ?? 20_000;
  // Insertion order is order of use: the first entries are the idlest.
  const resident = new Map<string, { state: AgentState; usedAt: number }>();
  return {
    get: (agentId) => resident.get(agentId)?.state,
    set: (state) => {
      resident.delete(state.agent.id);
      resident.set(state.agent.id, { state, usedAt: options.clock.monotonicMs() });
      if (resident.size <= residentMax) return;
      const [idlest] = resident.keys();
      resident.delete(idlest!);
    },
    dropPartition: (partition) => {
      for (const [id, { state }] of resident)
        if (state.agent.partition === partition) resident.delete(id);
    },
    drop: (agentId) => void resident.delete(agentId),
    get residentCount() {
      return resident.size;
    },
    sweep: () => {
      const before = options.clock.monotonicMs() - idleMs;
      for (const [id, { usedAt }] of resident) {
        if (usedAt >= before) break;
        resident.delete(id);
      }
    },
  };
}
