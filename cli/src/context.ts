/**
 * What every command gets: where the system is, its API, NATS when it is asked for, and the output.
 * Closes what it opened.
 */
import { connectBus } from "@reveille/shared/nats/bus";
import type { BusOptions, NatsBus } from "@reveille/shared/nats/bus";
import { inboxPrefixes } from "@reveille/shared/protocol/inboxes";
import { createSubjects } from "@reveille/shared/protocol/subjects";
import type { Subjects } from "@reveille/shared/protocol/subjects";
import { createApi } from "./api.js";
import type { Api } from "./api.js";
import { unreachable } from "./failure.js";
import { createOutput } from "./output.js";
import type { Output } from "./output.js";
import { findSystem } from "./system-address.js";
import type { SystemAddress } from "./system-address.js";

/** The options that every command understands. */
export interface GlobalOptions {
  api?: string;
  nats?: string;
  company?: string;
  dataDir?: string;
  json?: boolean;
}

export interface Context {
  readonly options: GlobalOptions;
  readonly system: SystemAddress;
  readonly api: Api;
  readonly subjects: Subjects;
  readonly output: Output;
  /** Connects on the first call, as a client without privileges. @throws CliFailure (unreachable). */
  bus(): Promise<NatsBus>;
  close(): Promise<void>;
}

/** 5 s: a healthy server answers in milliseconds, and somebody is waiting at a terminal. */
const connectTimeoutMs = 5_000;

export function createContext(given: GlobalOptions): Context {
  // An agent that uses this command finds its own company in its environment.
  const company = given.company ?? (process.env["REVEILLE_COMPANY_ID"] || undefined);
  const options = company === undefined ? given : { ...given, company };
  const system = findSystem(options);
  let bus: Promise<NatsBus> | undefined;
  return {
    options,
    system,
    api: createApi(system.api),
    subjects: createSubjects(system.prefix),
    output: createOutput(options.json === true),
    bus: () => (bus ??= connectClient(system)),
    close: async () => {
      // A failed connection has been reported to whoever asked for it; there is nothing to close.
      const connected = await bus?.catch(() => undefined);
      await connected?.close();
    },
  };
}

/** Connects as a client: with the credentials of the address or of the environment's files, if any. @throws CliFailure (unreachable). */
export const connectClient = ({ nats, natsProof, natsInbox }: SystemAddress): Promise<NatsBus> =>
  connect({ url: nats, ...natsProof, inboxPrefix: natsInbox });

/** Connects as the operator, who sees streams and buckets. @throws CliFailure (unreachable). */
export const connectOperator = ({ natsProof }: SystemAddress, url: string): Promise<NatsBus> =>
  connect({ url, ...natsProof, inboxPrefix: inboxPrefixes.operator });

async function connect(options: Omit<BusOptions, "name" | "connectTimeoutMs">): Promise<NatsBus> {
  try {
    return await connectBus({ ...options, name: "reveille-cli", connectTimeoutMs });
  } catch (error) {
    throw unreachable(
      (error as Error).message,
      "Is the system up? `npm start` starts it; --nats or NATS_URL says where NATS is.",
      error,
    );
  }
}
