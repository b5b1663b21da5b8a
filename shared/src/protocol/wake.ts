/**
 * The wake: what anybody who may wake an agent publishes, and the verdict that comes back. A `wake`
 * is public: its source, requester and context are overwritten by the actor. A `request` is the same
 * from a gateway, which has authenticated the requester, and is believed.
 */
import { z } from "zod";
import { uuidSchema } from "./ids.js";

export const wakeSources = ["timer", "assignment", "on_demand", "automation"] as const;
export const triggerDetails = ["manual", "ping", "callback", "system"] as const;
export type WakeSource = (typeof wakeSources)[number];

const jsonObject = z.record(z.string(), z.unknown());
/** 200 characters: a reason is a code or a short phrase, and it is repeated on rows and events. */
const reason = z.string().max(200);
/** 255 characters, as the well-known idempotency headers allow. */
const idempotencyKey = z.string().min(1).max(255);
/** The publisher's own id of a wake: any token of at most 128 characters. */
export const wakeIdSchema = z
  .string()
  .regex(/^[A-Za-z0-9_:.-]{1,128}$/, "must be 1 to 128 of A-Z a-z 0-9 _ : . -");

/** A context or payload names issues by UUID; anything else is refused before a row is written. */
const payloadSchema = jsonObject.superRefine((payload, context) => {
  const issueId = payload["issueId"];
  if (issueId === undefined || issueId === null || issueId === "") return;
  if (!uuidSchema.safeParse(issueId).success)
    context.addIssue({ code: "custom", path: ["issueId"], message: "must be a UUID" });
});

const wakeFields = {
  id: wakeIdSchema.optional(),
  reason: reason.nullish(),
  payload: payloadSchema.nullish(),
  idempotencyKey: idempotencyKey.nullish(),
};

/** What a publisher without a gateway may say. Unknown keys are dropped. */
export const publicWakeSchema = z.object(wakeFields);

/** What a gateway says for somebody it has authenticated. */
export const wakeRequestSchema = z.object({
  ...wakeFields,
  source: z.enum(wakeSources).default("on_demand"),
  triggerDetail: z.enum(triggerDetails).nullish(),
  requestedByActorType: z.enum(["user", "agent", "system"]).nullish(),
  requestedByActorId: z.string().max(255).nullish(),
  contextSnapshot: payloadSchema.nullish(),
});
export type PublicWake = z.infer<typeof publicWakeSchema>;
export type WakeRequest = z.infer<typeof wakeRequestSchema>;

export const wakeOutcomes = ["queued", "coalesced", "deferred", "skipped", "rejected"] as const;
export type WakeOutcome = (typeof wakeOutcomes)[number];

/** What became of a wake. `run` is the run's row (JSON names) as the deciding transaction left it. */
export interface Verdict {
  outcome: WakeOutcome;
  /** The publisher's wake id; a derived UUID when it gave none. */
  wakeId: string;
  /** The id of the row in `agent_wakeup_requests`; absent when none was written. */
  requestId?: string;
  run?: Record<string, unknown>;
  /** Why not, or why otherwise: a code such as `agent_not_found` or `queue_full`. */
  reason?: string;
  /** For `rejected` because of the agent's status: that status. For bad input: what is wrong, naming the field. */
  details?: Record<string, unknown>;
}
