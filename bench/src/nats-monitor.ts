/** What a nats-server says of itself on its monitor port: messages, JetStream calls, what each stream has stored. */

export interface NatsCounts {
  /** Messages from and to clients, all kinds. */
  in: number;
  out: number;
  /** Calls of the JetStream API: consumers, purges, reads of single messages. */
  apiCalls: number;
  /** Messages ever stored, by stream; a bucket is the stream `KV_<bucket>`. */
  stored: Record<string, number>;
}

/** Reads the counters. @throws Error when the port does not answer within 5 s. */
export async function readNatsCounts(monitorUrl: string): Promise<NatsCounts> {
  const varz = (await get(`${monitorUrl}/varz`)) as { in_msgs: number; out_msgs: number };
  const jsz = (await get(`${monitorUrl}/jsz?streams=true`)) as {
    api: { total: number };
    account_details?: { stream_detail?: { name: string; state: { last_seq: number } }[] }[];
  };
  const streams = (jsz.account_details ?? []).flatMap((account) => account.stream_detail ?? []);
  return {
    in: varz.in_msgs,
    out: varz.out_msgs,
    apiCalls: jsz.api.total,
    stored: Object.fromEntries(streams.map(({ name, state }) => [name, state.last_seq])),
  };
}

/** What happened between two readings. */
export const countsBetween = (before: NatsCounts, after: NatsCounts): NatsCounts => ({
  in: after.in - before.in,
  out: after.out - before.out,
  apiCalls: after.apiCalls - before.apiCalls,
  stored: Object.fromEntries(
    Object.entries(after.stored).map(([name, seq]) => [name, seq - (before.stored[name] ?? 0)]),
  ),
});

async function get(url: string): Promise<unknown> {
  const response = await fetch(url, { signal: AbortSignal.timeout(5_000) });
  return response.json();
}
