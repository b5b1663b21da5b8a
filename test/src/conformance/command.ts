// Owns the replay as a command, for any server that runs: one line a scenario, and an exit status.
import { parseArgs } from "node:util";
import { createClient } from "./client.js";
import { replay, targetOf } from "./replay.js";
import type { Server } from "./replay.js";
import { openRows } from "./rows.js";
import type { Scenario } from "./scenario.js";
import { scenarios } from "./scenarios/all.js";

const usage = `usage: npm run conformance -- BASE_URL --db POSTGRES_URL [--only REGEX] [--parallel N] [--server-cwd DIR]
  Plays every recorded scenario against the server at BASE_URL, whose rows are in POSTGRES_URL.
  --only        scenarios whose name matches
  --parallel    so many at once (default 4)
  --server-cwd  the folder that the server runs in, if it shows in its rows`;

interface Options {
  server: Server;
  chosen: readonly Scenario[];
  parallel: number;
}

/** Null: not understood. */
function readOptions(): Options | null {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: {
      db: { type: "string" },
      only: { type: "string", default: "." },
      parallel: { type: "string", default: "4" },
      "server-cwd": { type: "string" },
    },
  });
  const [base] = positionals;
  const parallel = Number(values.parallel);
  if (!base || !values.db || !Number.isInteger(parallel) || parallel < 1) return null;
  const only = new RegExp(values.only);
  return {
    server: {
      client: createClient(base.replace(/\/$/, "")),
      rows: openRows(values.db),
      serverCwd: values["server-cwd"],
    },
    chosen: scenarios.filter(({ id }) => only.test(id)),
    parallel,
  };
}

/** How many failed. */
async function play({ server, chosen, parallel }: Options): Promise<number> {
  const todo = [...chosen];
  let failures = 0;
  const worker = async (): Promise<void> => {
    for (let next = todo.shift(); next; next = todo.shift()) {
      const began = performance.now();
      const line = `${next.id.padEnd(40)}${targetOf(next.id).target.padEnd(8)}`;
      const failure = await replay(next, server).then(
        () => null,
        (error: Error) => error,
      );
      const took = `${Math.round(performance.now() - began)} ms`;
      if (failure) failures += 1;
      const text = failure ? `FAIL ${line}${took}\n${failure.message}` : `ok   ${line}${took}`;
      process.stdout.write(`${text}\n`);
    }
  };
  await Promise.all(Array.from({ length: parallel }, worker));
  return failures;
}

const options = readOptions();
if (options) {
  const failures = await play(options);
  process.stdout.write(
    `conformance: ${options.chosen.length - failures} passed, ${failures} failed\n`,
  );
  options.server.client.close();
  await options.server.rows.close();
  process.exitCode = failures > 0 ? 1 : 0;
} else {
  process.stderr.write(`${usage}\n`);
  process.exitCode = 2;
}
