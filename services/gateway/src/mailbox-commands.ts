/**
 * What the gateway sends to an agent's mailbox besides wakes: commands of people, costs, and what a
 * run's agent reports of itself. It is acknowledged when JetStream has it; what it did shows in the
 * rows.
 */
import type { z } from "zod";
import type { StoredPublisher } from "@reveille/shared/nats/stored-publisher";
import { encodePayload } from "@reveille/shared/protocol/codec";
import type {
  agentCommandSchema,
  cancelSchema,
  configureSchema,
  costSchema,
  resetSessionSchema,
} from "@reveille/shared/protocol/commands";
import type { runReportedSchema } from "@reveille/shared/protocol/execution";
import type { Subjects } from "@reveille/shared/protocol/subjects";
import { currentTrace, traced } from "./current-trace.js";

type AgentCommand = z.input<typeof agentCommandSchema>;
interface Commands {
  cancel: z.input<typeof cancelSchema>;
  pause: AgentCommand;
  resume: AgentCommand;
  terminate: AgentCommand;
  delete: AgentCommand;
  approve: AgentCommand;
  "cancel-all": AgentCommand;
  /** Look at your queue again: what kept it waiting may have changed. */
  admit: AgentCommand;
  configure: z.input<typeof configureSchema>;
  "reset-session": z.input<typeof resetSessionSchema>;
  cost: z.input<typeof costSchema>;
  "run.reported": z.input<typeof runReportedSchema>;
}
export type CommandKind = keyof Commands;

export interface MailboxCommands {
  /** Resolves when JetStream has stored it. @throws RuntimeError `BrokerRefused`, `BrokerUnavailable`. */
  send<Kind extends CommandKind>(
    companyId: string,
    agentId: string,
    kind: Kind,
    command: Commands[Kind],
  ): Promise<void>;
}

export function createMailboxCommands(
  publisher: StoredPublisher,
  subjects: Subjects,
): MailboxCommands {
  return {
    send: async (companyId, agentId, kind, command) => {
      const subject = subjects.mailbox(companyId, agentId, kind);
      await publisher.publish(subject, encodePayload(command), traced(currentTrace()));
    },
  };
}
