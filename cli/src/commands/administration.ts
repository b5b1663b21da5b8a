/** Commands for whoever runs the system: up, migrate, topology and topology apply. */
import type { Command } from "commander";
import { migrate } from "@reveille/shared/postgres/migrate";
import { defaultPartitionCount } from "@reveille/shared/protocol/partition";
import type { Action } from "../action.js";
import type { Context } from "../context.js";
import { CliFailure, exitCodes, usageFailure } from "../failure.js";
import { byteSize, formatTable, orDash } from "../output.js";
import { readTopology } from "../topology-facts.js";
import { applyTopology } from "../topology-writer.js";

export function registerAdministration(program: Command, action: Action): void {
  program
    .command("up")
    .description("start everything on this machine (the same as `npm start`)")
    .addHelpText(
      "after",
      `
Environment: REVEILLE_DATA_DIR (default .reveille), REVEILLE_HTTP_PORT (default 3100), REVEILLE_SAMPLE=0 for
no sample company, NATS_URL and DATABASE_URL for existing servers.`,
    )
    // The launcher takes \`up\` before anything is loaded: it also works in a clone that is not built.
    .action(
      action(() => Promise.reject(new CliFailure(exitCodes.usage, "run it as `reveille up`"))),
    );
  program
    .command("migrate")
    .description("bring the database (DATABASE_URL) to this version's schema; safe to repeat")
    .action(
      action(async ({ context }) => {
        const url = context.system.databaseUrl;
        if (!url)
          throw usageFailure("DATABASE_URL is not set", "postgres://user:password@host/database");
        await migrate(url, { partitionCount: defaultPartitionCount });
        context.output.document({ migrated: true });
        context.output.line("the database is at this version's schema");
      }),
    );
  const topology = program
    .command("topology")
    .description("streams, buckets, generation, and which host owns which partitions")
    .action(action(({ context }) => showTopology(context)));
  topology
    .command("apply")
    .description("make streams, buckets and the consumers of runner pools, once; safe to repeat")
    .addHelpText(
      "after",
      `
For installations in which something needs them before the first actor host, such as an autoscaler; hosts keep them from then on.
Environment, as agent-actor has it: DATABASE_URL (migrated), NATS_URL, NATS_CREDS_FILE or NATS_NKEY_FILE, REVEILLE_KEEPER_NATS_*,
REVEILLE_RUNNER_POOLS, REVEILLE_JETSTREAM_REPLICAS, REVEILLE_MAILBOX_MAX_BYTES, REVEILLE_EXEC_MAX_BYTES, REVEILLE_LOGS_MAX_BYTES.`,
    )
    .action(action(({ context }) => writeTopology(context)));
}

async function writeTopology({ output }: Context): Promise<void> {
  const applied = await applyTopology(process.env);
  output.document(applied);
  if (output.json) return;
  if (applied.kept === "here")
    for (const { name, change } of applied.changes)
      output.line(`${name}: ${change === "none" ? "as it should be" : change}`);
  else output.line(`streams and buckets are kept by host ${applied.keeper}`);
  output.line(`pools with a consumer: ${applied.pools.join(", ")}`);
}

async function showTopology(context: Context): Promise<void> {
  const { output } = context;
  const facts = await readTopology(context);
  output.document(facts);
  if (output.json) return;
  const { paint } = output;
  output.line(
    `generation ${facts.generation}, ${facts.partitionCount} partitions, keeper ${orDash(facts.keeper)}`,
  );
  output.line();
  output.line(
    formatTable(
      ["STREAM", "MESSAGES", "BYTES", "OF", "FIRST", "LAST", "CONSUMERS", "REPLICAS"],
      facts.streams.map((stream) =>
        stream.found
          ? [
              stream.name,
              String(stream.messages),
              byteSize(stream.bytes),
              stream.bytesMax > 0 ? byteSize(stream.bytesMax) : "-",
              String(stream.firstSeq),
              String(stream.lastSeq),
              String(stream.consumers),
              String(stream.replicas),
            ]
          : [stream.name, paint.bad("missing")],
      ),
    ),
  );
  output.line();
  output.line(
    formatTable(
      ["HOST", "LEASE ENDS IN", "VERSION", "PARTITIONS"],
      facts.hosts.map((host) => [
        host.id ?? paint.bad("no owner"),
        host.leaseMs === null ? "-" : `${(host.leaseMs / 1000).toFixed(1)} s`,
        orDash(host.version),
        ranges(host.partitions),
      ]),
    ),
  );
}

/** 0-3, 7, 9-12 */
function ranges(numbers: readonly number[]): string {
  const parts: [number, number][] = [];
  for (const number of numbers) {
    const last = parts.at(-1);
    if (last && last[1] === number - 1) last[1] = number;
    else parts.push([number, number]);
  }
  return parts.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(", ") || "-";
}
