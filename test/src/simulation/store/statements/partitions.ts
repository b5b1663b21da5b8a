// Owns the statements on ownership of partitions, the generation of the stream, and the election of the keeper.
import type { Handler } from "../store.js";
import type { Tables } from "../tables.js";
import { answer, changed, listOf, numberOf, textOf } from "./parameters.js";

type PartitionRow = ReturnType<Tables["partitions"]["insert"]>;

const shown = ({ partitions }: Tables, row: PartitionRow): Record<string, unknown> =>
  partitions.pick(
    row,
    "partition",
    "epoch",
    "generation",
    "cursor_seq",
    "cursor_ns",
    "skip_seq",
    "skip_ns",
  );
const among = ({ partitions }: Tables, wanted: readonly number[]): PartitionRow[] => {
  const set = new Set(wanted);
  return partitions.where(({ partition }) => set.has(partition));
};
const larger = <T extends number | bigint>(a: T, b: T): T => (a > b ? a : b);

const takePartitions: Handler = ({ tables, nowMs }, values) => {
  const me = textOf(values, 0);
  const lives = (owner: string | null): boolean =>
    owner !== null && owner !== me && (tables.hosts.get(owner)?.lease_until ?? 0) > nowMs;
  return answer(
    among(tables, listOf<number>(values, 1))
      .filter(({ owner }) => owner !== me && !lives(owner))
      .map((row) =>
        shown(tables, tables.partitions.update(row, { owner: me, epoch: row.epoch + 1 })),
      ),
  );
};

const releasePartitions: Handler = ({ tables }, values) => {
  const me = textOf(values, 0);
  const mine = among(tables, listOf<number>(values, 1)).filter(({ owner }) => owner === me);
  for (const row of mine) tables.partitions.update(row, { owner: null });
  return changed(mine.length);
};

const adoptGeneration: Handler = ({ tables }, values) => {
  const [partition, epoch, generation] = [0, 1, 2].map((at) => numberOf(values, at)) as [
    number,
    number,
    number,
  ];
  const row = tables.partitions.get(partition);
  if (row?.epoch !== epoch || row.generation >= generation) return answer([]);
  const adopted = tables.partitions.update(row, {
    generation,
    skip_seq: larger(row.cursor_seq, row.skip_seq),
    skip_ns: larger(row.cursor_ns, row.skip_ns),
    cursor_seq: 0,
    cursor_ns: 0n,
  });
  return answer([shown(tables, adopted)]);
};

const raiseGeneration: Handler = ({ tables }, values) => {
  const state = tables.mailbox_state.get(1)!;
  const raised = state.generation === numberOf(values, 0);
  const generation = raised ? state.generation + 1 : state.generation;
  if (raised) tables.mailbox_state.update(state, { generation });
  return answer([{ generation, raised }]);
};

const electKeeper: Handler = ({ tables, nowMs }, values) => {
  const me = textOf(values, 0);
  const state = tables.mailbox_state.get(1)!;
  const { keeper, keeper_until: until } = state;
  if (keeper !== me && keeper !== null && !(until !== null && until < nowMs)) return answer([]);
  tables.mailbox_state.update(state, { keeper: me, keeper_until: nowMs + numberOf(values, 1) });
  const { generation, partition_count } = state;
  const owned_before = tables.partitions.some(({ epoch }) => epoch > 0);
  return answer([{ generation, partition_count, owned_before }]);
};

export const partitionHandlers: Record<string, Handler> = {
  take_partitions: takePartitions,
  release_partitions: releasePartitions,
  adopt_generation: adoptGeneration,
  raise_generation: raiseGeneration,
  keeper_election: electKeeper,
};
