/** What the routes share: the stores, the bus and the parts built on them. Holds no state of its own. */
import type { NatsBus } from "@reveille/shared/nats/bus";
import type { StoredPublisher } from "@reveille/shared/nats/stored-publisher";
import type { Database, Pool } from "@reveille/shared/postgres/pool";
import type { Subjects } from "@reveille/shared/protocol/subjects";
import type { Failpoint } from "@reveille/shared/runtime/failpoint";
import type { Logger } from "@reveille/shared/runtime/log";
import type { Metrics } from "@reveille/shared/runtime/metrics";
import type { Tracing } from "@reveille/shared/runtime/tracing";
import type { ActivityLog } from "./activity.js";
import type { Adapters } from "./adapters.js";
import type { Admissions } from "./admissions.js";
import type { Authenticate } from "./auth.js";
import type { DeploymentMode } from "./config.js";
import type { LiveEvents } from "./live-events.js";
import type { LogFollower } from "./log-follower.js";
import type { LogReader } from "./log-reader.js";
import type { MailboxCommands } from "./mailbox-commands.js";
import type { OpenStreams } from "./open-streams.js";
import type { OwedWakes } from "./owed-wakes.js";
import type { RunnerPools } from "./runner-pools.js";
import type { UndecidedWakes } from "./undecided-wakes.js";
import type { WakeSubmitter } from "./wake-submitter.js";

export interface Context {
  bus: NatsBus;
  pool: Pool;
  db: Database;
  subjects: Subjects;
  logger: Logger;
  /** Of the mailbox, fixed when the database was new. */
  partitionCount: number;
  mode: DeploymentMode;
  authenticate: Authenticate;
  activity: ActivityLog;
  adapters: Adapters;
  runnerPools: RunnerPools;
  admissions: Admissions;
  live: LiveEvents;
  logs: LogReader;
  follower: LogFollower;
  streams: OpenStreams;
  commands: MailboxCommands;
  metrics: Metrics;
  tracing: Tracing;
  failpoint: Failpoint;
  publisher: StoredPublisher;
  owed: OwedWakes;
  /** `masterKey` null: no secret can be stored. `strict`: plain values under secret-looking names are refused. */
  secrets: { masterKey: Buffer | null; strict: boolean };
  /** Sent by this gateway and without a verdict yet. */
  undecided: UndecidedWakes;
  wakes: WakeSubmitter;
}
