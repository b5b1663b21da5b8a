/**
 * Which adapters there are: what the leases of living runners say, beside those that every runner has.
 * What an adapter is like, and whether it would work, is asked of a runner; nothing of it is kept long.
 */
import type { NatsBus } from "@reveille/shared/nats/bus";
import { decodePayload, encodePayload } from "@reveille/shared/protocol/codec";
import { probeAnswerSchema } from "@reveille/shared/protocol/probe";
import type {
  AdapterDescription,
  EnvironmentTest,
  ProbeAnswer,
  ProbeRequest,
} from "@reveille/shared/protocol/probe";
import type { Subjects } from "@reveille/shared/protocol/subjects";
import { HttpError, overloaded, unprocessable } from "./errors.js";
import type { ReadRunners } from "./runner-facts.js";

/** Adapters that are part of every runner. */
export const builtInAdapters = ["process", "http", "noop", "claude_local", "codex_local"] as const;
/** A runner answers a probe within 10 s, or it is as good as gone. */
const probeMs = 12_000;

export interface Adapters {
  /** Types that some runner has, sorted. Without NATS those that were known last. */
  types(): Promise<string[]>;
  /** @throws HttpError 400 that lists the known types. */
  requireKnown(type: string): Promise<void>;
  /** Asks one runner of each pool; empty without runners. */
  describe(): Promise<AdapterDescription[]>;
  /** @throws HttpError 503 without a runner that has it. */
  test(request: Omit<Extract<ProbeRequest, { kind: "test" }>, "kind">): Promise<EnvironmentTest>;
}

export function createAdapters(bus: NatsBus, subjects: Subjects, runners: ReadRunners): Adapters {
  const types = async (): Promise<string[]> => {
    const living = (await runners()).flatMap(({ adapters }) => adapters);
    return [...new Set([...builtInAdapters, ...living])].toSorted();
  };
  const ask = async (pool: string, request: ProbeRequest): Promise<ProbeAnswer> => {
    const reply = await bus
      .request(subjects.probe(pool), encodePayload(request), probeMs)
      .catch(() => {
        throw overloaded(503, `No runner of pool ${pool} answers`, 5);
      });
    const decoded = decodePayload(reply.data);
    const answer = probeAnswerSchema.safeParse(decoded.ok ? decoded.value : null);
    if (!answer.success) throw new HttpError(502, "A runner's answer was not understood");
    return answer.data;
  };
  return {
    types,
    requireKnown: async (type) => {
      const known = await types();
      if (known.includes(type)) return;
      const message = `Unknown adapter type: expected one of ${known.join(", ")}`;
      throw new HttpError(400, "Validation error", {
        details: [{ code: "invalid_value", path: ["adapterType"], message, options: known }],
      });
    },
    describe: async () => {
      const pools = [...new Set((await runners()).map(({ pool }) => pool))].toSorted();
      const answers = await Promise.allSettled(
        pools.map((pool) => ask(pool, { kind: "describe" })),
      );
      const found = new Map<string, AdapterDescription>();
      for (const answer of answers)
        if (answer.status === "fulfilled" && answer.value.kind === "describe")
          for (const adapter of answer.value.adapters)
            if (!found.has(adapter.type)) found.set(adapter.type, adapter);
      return [...found.values()].toSorted((a, b) => (a.type < b.type ? -1 : 1));
    },
    test: async (request) => {
      const able = (await runners()).filter(({ adapters }) =>
        adapters.includes(request.adapterType),
      );
      const pool = able.some((runner) => runner.pool === "default") ? "default" : able[0]?.pool;
      if (pool === undefined)
        throw overloaded(503, `No runner has the adapter ${request.adapterType}`, 5);
      const answer = await ask(pool, { kind: "test", ...request });
      if (answer.kind === "test") return answer.test;
      throw unprocessable(
        answer.kind === "refused" ? answer.reason : "The runner did not test the environment",
      );
    },
  };
}
