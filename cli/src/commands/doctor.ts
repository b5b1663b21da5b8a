/** `reveille doctor`: looks at everything once, says what is wrong and how to mend it. Changes nothing. */
import { statfs } from "node:fs/promises";
import type { Command } from "commander";
import type { NatsBus } from "@reveille/shared/nats/bus";
import type { Pool } from "@reveille/shared/postgres/pool";
import type { Action } from "../action.js";
import type { Row } from "../api.js";
import { connectClient, connectOperator } from "../context.js";
import type { Context } from "../context.js";
import { fail, guardedCheck, ok, warn } from "../doctor/check.js";
import type { Check } from "../doctor/check.js";
import {
  checkDatabase,
  checkLag,
  checkLeftBehind,
  checkOwnership,
  checkRuns,
} from "../doctor/database-checks.js";
import { checkLocalUser, checkServer, checkTopology } from "../doctor/nats-checks.js";
import { checkPools } from "../doctor/pool-checks.js";
import { checkRunners, readRunnerLeases } from "../doctor/runner-checks.js";
import { CliFailure, exitCodes } from "../failure.js";
import type { ExitCode } from "../failure.js";
import { byteSize, paintStatus } from "../output.js";
import { readMailboxState, withDatabase } from "../record.js";

/** 1 GiB and 5 %: below either, a busy log stream can fill the disk before somebody reads the warning. */
const diskFreeMin = 1024 ** 3;
const diskFreeShareMin = 0.05;

export function registerDoctor(program: Command, action: Action): void {
  program
    .command("doctor")
    .description(
      "check NATS, Postgres, hosts, runners and runs; say what is wrong and how to mend it",
    )
    .addHelpText(
      "after",
      `
Reads the addresses and credentials of a system on this machine from its data directory; elsewhere set
NATS_URL (with the system's own user), DATABASE_URL and REVEILLE_API_URL.

Exit codes: 0 nothing fails (there may be warnings), 1 something fails.`,
    )
    .action(action(({ context }) => doctor(context)));
}

async function doctor(context: Context): Promise<ExitCode> {
  const checks: Check[] = [];
  checks.push(await checkHttp(context));
  const bus = await checkNats(context, checks);
  try {
    await checkPostgres(context, bus, checks);
  } finally {
    await bus?.close();
  }
  checks.push(...(await guardedCheck("disk", "Is --data-dir right?", () => checkDisk(context))));
  const failed = checks.filter((check) => check.status === "fail").length;
  const warned = checks.filter((check) => check.status === "warn").length;
  context.output.document({ ok: failed === 0, failed, warned, checks });
  print(context, checks, failed, warned);
  return failed > 0 ? exitCodes.failed : exitCodes.ok;
}

async function checkHttp({ api }: Context): Promise<Check> {
  try {
    await api.get("/health");
    return ok("gateway", `${api.base} answers`);
  } catch (error) {
    return fail(
      "gateway",
      (error as Error).message,
      "Start it with `npm start`, or say where it is with --api.",
    );
  }
}

/** Everything that NATS alone tells; gives the connection for what needs Postgres too. */
async function checkNats(context: Context, checks: Check[]): Promise<NatsBus | undefined> {
  const { system } = context;
  const shown = system.nats.replace(/\/\/[^@/]*@/, "//");
  let bus: NatsBus;
  try {
    bus = await (system.serviceNats
      ? connectOperator(system, system.serviceNats)
      : connectClient(system));
  } catch (error) {
    checks.push(
      fail(
        "nats",
        (error as Error).message,
        `Is nats-server running at ${shown}? --nats or NATS_URL says where.`,
      ),
    );
    return undefined;
  }
  checks.push(ok("nats", `${shown} answers`));
  if (!/^\w+:\/\/[^/]*@/.test(system.nats))
    checks.push(
      ...(await guardedCheck("nats local user", "Clients without credentials are not let in.", () =>
        checkLocalUser(system.nats, context.subjects),
      )),
    );
  if (!system.serviceNats) {
    checks.push(
      warn(
        "nats credentials",
        "the system's own NATS user is not known here: streams, buckets and runners were not checked",
        "Set NATS_URL=nats://user:password@host, or --data-dir to the folder of a running system.",
      ),
    );
    await bus.close();
    return undefined;
  }
  checks.push(
    ...(await guardedCheck("jetstream", "Switch JetStream on (-js, or a jetstream block).", () =>
      checkServer(bus),
    )),
  );
  return bus;
}

async function checkPostgres(
  context: Context,
  bus: NatsBus | undefined,
  checks: Check[],
): Promise<void> {
  const mend = "Is Postgres running, and is DATABASE_URL right?";
  try {
    await withDatabase(context, async (pool) => {
      checks.push(...(await checkDatabase(pool)));
      checks.push(...(await guardedCheck("actor hosts", mend, () => checkOwnership(pool))));
      if (bus) await checkTogether(context, bus, pool, checks);
      checks.push(...(await guardedCheck("dead letters", mend, () => checkLeftBehind(pool))));
    });
  } catch (error) {
    const hint = error instanceof CliFailure ? error.hint : undefined;
    checks.push(fail("postgres", (error as Error).message, hint ?? mend));
  }
}

/** What is only right when NATS and Postgres agree. */
async function checkTogether(
  context: Context,
  bus: NatsBus,
  pool: Pool,
  checks: Check[],
): Promise<void> {
  const { subjects, system } = context;
  const mend = "The checks above say what is missing.";
  const state = await readMailboxState(pool);
  if (!state) {
    checks.push(fail("mailbox state", "no row", "Run `reveille migrate`."));
    return;
  }
  const { generation, partitionCount } = state;
  checks.push(
    ...(await guardedCheck("streams", mend, () =>
      checkTopology(bus, subjects, generation, partitionCount),
    )),
    ...(await guardedCheck("mailbox lag", mend, () => checkLag(bus, pool, subjects))),
    ...(await guardedCheck("runners", mend, async () => {
      const leases = await readRunnerLeases(bus, system.prefix);
      const pools = new Set(leases.map((lease) => lease.pool));
      return [...checkRunners(leases), ...(await checkRuns(pool, pools))];
    })),
    ...(await guardedCheck("pool consumers", "It needs the gateway, too.", async () => {
      const { pools } = (await context.api.get("/pools")) as { pools: Row[] };
      return checkPools(bus, pool, system.prefix, pools);
    })),
  );
}

async function checkDisk({ system }: Context): Promise<Check[]> {
  if (!system.hasEndpoints) return [];
  const { bavail, blocks, bsize } = await statfs(system.dataDir);
  const free = bavail * bsize;
  const share = bavail / blocks;
  const detail = `${byteSize(free)} free (${Math.round(share * 100)} %) at ${system.dataDir}`;
  return [
    free < diskFreeMin || share < diskFreeShareMin
      ? warn("disk", detail, "Free some space: a full disk stops JetStream and Postgres.")
      : ok("disk", detail),
  ];
}

function print(
  { output }: Context,
  checks: readonly Check[],
  failed: number,
  warned: number,
): void {
  const width = Math.max(...checks.map((check) => check.name.length));
  for (const check of checks) {
    const status = paintStatus(output.paint, check.status) + " ".repeat(5 - check.status.length);
    output.line(`${status} ${check.name.padEnd(width)}  ${check.detail}`);
    if (check.mend) output.line(`${" ".repeat(8 + width)}${output.paint.dim(`-> ${check.mend}`)}`);
  }
  output.line();
  output.line(
    failed + warned === 0
      ? "Everything is well."
      : `${failed} failed, ${warned} warned, ${checks.length - failed - warned} well.`,
  );
}
