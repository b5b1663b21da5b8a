/**
 * Commands to an agent's mailbox: cancel, pause, resume, terminate, configure. A command is
 * acknowledged when JetStream has it; what it did shows in the rows.
 */
import type { z } from "zod";
import type { StoredPublisher } from "@reveille/shared/nats/stored-publisher";
import { encodePayload } from "@reveille/shared/protocol/codec";
import type {
  agentCommandSchema,
  cancelSchema,
  configureSchema,
} from "@reveille/shared/protocol/commands";
import type { Subjects } from "@reveille/shared/protocol/subjects";

interface Commands {
  cancel: z.input<typeof cancelSchema>;
  pause: z.input<typeof agentCommandSchema>;
  resume: z.input<typeof agentCommandSchema>;
  terminate: z.input<typeof agentCommandSchema>;
  configure: z.input<typeof configureSchema>;
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
      await publisher.publish(subjects.mailbox(companyId, agentId, kind), encodePayload(command));
    },
  };
}
