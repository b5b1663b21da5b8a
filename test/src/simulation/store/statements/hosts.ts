// Owns the statements on the leases of hosts.
import type { Handler } from "../store.js";
import { answer, changed, numberOf, sorted, textOf } from "./parameters.js";

/** Reads the other hosts, the generation and the owners as they were before the renewal. */
const renewHost: Handler = ({ tables, nowMs }, values) => {
  const me = textOf(values, 0);
  const live = tables.hosts.where(({ id, lease_until }) => lease_until > nowMs && id !== me);
  const others = live.map(({ id }) => id);
  const firstEnd = Math.min(...live.map(({ lease_until: until }) => until));
  const own = tables.hosts.get(me);
  const lease_until = nowMs + numberOf(values, 1);
  if (own) tables.hosts.update(own, { lease_until });
  else tables.hosts.insert({ id: me, lease_until, version: textOf(values, 2) });
  const { generation, partition_count } = tables.mailbox_state.get(1)!;
  const owners = sorted(tables.partitions.rows(), ({ partition }) => partition).map(
    ({ partition, owner, epoch }) => ({ partition, owner, epoch }),
  );
  return answer([
    {
      others: others.length > 0 ? others : null,
      first_end: others.length > 0 ? new Date(firstEnd) : null,
      now: new Date(nowMs),
      generation,
      partition_count,
      owners,
    },
  ]);
};

const resignHost: Handler = ({ tables }, values) => {
  const own = tables.hosts.get(values[0]);
  if (own) tables.hosts.delete(own);
  return changed(own ? 1 : 0);
};

export const hostHandlers: Record<string, Handler> = {
  renew_host: renewHost,
  resign_host: resignHost,
};
