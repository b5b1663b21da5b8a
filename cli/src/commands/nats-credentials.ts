/** `reveille nats-config` and `reveille nats-creds`: a server's configuration with the least that everybody needs, and credentials. */
import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import type { Command } from "commander";
import { inboxPrefixOf } from "@reveille/shared/nats/permissions";
import { isUuid } from "@reveille/shared/protocol/ids";
import { isPoolName } from "@reveille/shared/protocol/subjects";
import type { Action } from "../action.js";
import type { Context } from "../context.js";
import { usageFailure } from "../failure.js";
import {
  credentialsFile,
  readSettings,
  writeInstallation,
  writePrivately,
} from "../nats-installation.js";
import type { NatsSettings } from "../nats-installation.js";
import { formatTable } from "../output.js";
import { resolveCompany } from "../resolve.js";

interface ConfigOptions {
  out: string;
  mode?: string;
  pools?: string;
  companies?: string;
  listen?: string;
  http?: string;
  store?: string;
  force?: boolean;
}
interface CredsOptions {
  dir: string;
  out: string;
  force?: boolean;
}

export function registerNatsCredentials(program: Command, action: Action): void {
  program
    .command("nats-config")
    .description(
      "write a nats-server's configuration and everybody's credentials; keeps the keys that are there",
    )
    .requiredOption("--out <folder>", "where it is kept; credentials are written with mode 0600")
    .option(
      "--mode <mode>",
      "plain (users by public key in the configuration) or operator (signed JWTs)",
    )
    .option("--pools <names>", "runner pools, by commas; default: default")
    .option("--companies <ids>", "companies with credentials of their own, by commas")
    .option("--listen <host:port>", "for clients; default 127.0.0.1:4222")
    .option("--http <host:port>", "of the monitoring page; default 127.0.0.1:8222")
    .option("--store <folder>", "of JetStream; default <out>/store")
    .option("--force", "new keys for everybody: what was given out ends")
    .addHelpText("after", configHelp)
    .action(action<ConfigOptions>(({ context, options }) => natsConfig(context, options)));
  program
    .command("nats-creds")
    .description(
      "credentials that wake one company's agents, follow its runs and events, and nothing else (--company)",
    )
    .requiredOption("--dir <folder>", "the folder of `nats-config`")
    .requiredOption("--out <file>", "where they are written, mode 0600")
    .option("--force", "overwrite the file")
    .addHelpText("after", credsHelp)
    .action(action<CredsOptions>(({ context, options }) => natsCreds(context, options)));
}

const configHelp = `
Repeated, it keeps all keys and all settings that are not given again, and adds what is new. Services take their file by
NATS_NKEY_FILE (plain) or NATS_CREDS_FILE (operator); agent-actors also the keeper's, by REVEILLE_KEEPER_NATS_NKEY_FILE or
REVEILLE_KEEPER_NATS_CREDS_FILE. A plain server has to read its configuration again: nats-server --signal reload.`;
const credsHelp = `
The company: its id, or as everywhere a beginning of it, a name or an issue prefix, which the API looks up. In operator mode nothing
else changes. In plain mode the server's configuration gets an entry, and the server has to read it again.
Clients connect with the inbox prefix _INBOX.<company id>.`;

async function natsConfig({ output, system }: Context, options: ConfigOptions): Promise<void> {
  const dir = resolve(options.out);
  const settings = mergedSettings(dir, system.prefix, options);
  const users = await writeInstallation(dir, settings, options.force === true);
  output.document({ dir, mode: settings.mode, users });
  if (output.json) return;
  output.line(`${dir}/nats-server.conf (${settings.mode} mode)`);
  output.line();
  output.line(
    formatTable(
      ["USER", "FILE", "INBOX PREFIX"],
      users.map(({ name, file, inbox }) => [name, file, inbox]),
    ),
  );
}

/** What is given counts, then what the folder remembers, then the defaults. */
function mergedSettings(dir: string, prefix: string, options: ConfigOptions): NatsSettings {
  const before = readSettings(dir);
  const mode = options.mode ?? before?.mode ?? "plain";
  if (mode !== "plain" && mode !== "operator")
    throw usageFailure(`--mode must be plain or operator: ${mode}`);
  const pools = added(before?.pools ?? ["default"], options.pools);
  const companies = added(before?.companies ?? [], options.companies);
  const badPool = pools.find((pool) => !isPoolName(pool));
  if (badPool !== undefined)
    throw usageFailure(`--pools: not the name of a pool: ${JSON.stringify(badPool)}`);
  const badCompany = companies.find((id) => !isUuid(id));
  if (badCompany !== undefined)
    throw usageFailure(`--companies: not the id of a company: ${JSON.stringify(badCompany)}`);
  return {
    mode,
    prefix: before?.prefix ?? prefix,
    pools,
    companies,
    listen: options.listen ?? before?.listen ?? "127.0.0.1:4222",
    http: options.http ?? before?.http ?? "127.0.0.1:8222",
    storeDir: options.store ? resolve(options.store) : (before?.storeDir ?? `${dir}/store`),
  };
}

const added = (before: readonly string[], list: string | undefined): string[] => [
  ...new Set([...before, ...(list?.split(",") ?? []).map((one) => one.trim()).filter(Boolean)]),
];

async function natsCreds(context: Context, options: CredsOptions): Promise<void> {
  const { output } = context;
  const dir = resolve(options.dir);
  const settings = readSettings(dir);
  if (!settings)
    throw usageFailure(
      `${dir} is not the folder of an installation`,
      "`reveille nats-config --out` makes one.",
    );
  const file = resolve(options.out);
  if (existsSync(file) && !options.force)
    throw usageFailure(`${file} is there already`, "--force overwrites it.");
  const companyId = await companyOf(context);
  const companies = added(settings.companies, companyId);
  await writeInstallation(dir, { ...settings, companies }, false);
  const identity = { kind: "company", companyId } as const;
  writePrivately(file, readFileSync(credentialsFile(dir, settings, identity), "utf8"));
  const inbox = inboxPrefixOf(identity);
  output.document({ file, companyId, inbox });
  if (output.json) return;
  output.line(`${file}: for company ${companyId}; connect with the inbox prefix ${inbox}`);
  if (settings.mode === "plain")
    output.line(
      `${dir}/nats-server.conf has a new user: let the server read it again (nats-server --signal reload).`,
    );
}

async function companyOf(context: Context): Promise<string> {
  const given = context.options.company;
  if (given === undefined) throw usageFailure("which company? --company says it");
  // By its id without the API: a server's configuration may be written before anything runs.
  return isUuid(given) ? given : String((await resolveCompany(context.api, given))["id"]);
}
