/**
 * The activity log: one row per thing that somebody did through the gateway, and one live event.
 * The row belongs to the transaction of what it tells; the event follows the commit.
 */
import type { NatsBus } from "@reveille/shared/nats/bus";
import type { Queryable } from "@reveille/shared/postgres/sql";
import { activityLog } from "@reveille/shared/postgres/schema";
import type { EventFrame } from "@reveille/shared/protocol/events";
import type { Subjects } from "@reveille/shared/protocol/subjects";
import { requester } from "./auth.js";
import type { Actor } from "./auth.js";

export interface Activity {
  companyId: string;
  actor: Actor;
  runId?: string | null;
  action: string;
  entityType: string;
  entityId: string;
  details?: Record<string, unknown> | null;
}
export interface ActivityLog {
  /** Writes the row; call `tell` after the commit. */
  write(on: Queryable, activity: Activity): Promise<void>;
  tell(activity: Activity): void;
}

export function createActivityLog(bus: NatsBus, subjects: Subjects): ActivityLog {
  const rowOf = (activity: Activity) => ({
    ...requester(activity.actor),
    companyId: activity.companyId,
    action: activity.action,
    entityType: activity.entityType,
    entityId: activity.entityId,
    runId: activity.runId ?? null,
    details: activity.details ?? null,
  });
  return {
    write: async (on, activity) => {
      await on.insert(activityLog).values(rowOf(activity));
    },
    tell: (activity) => {
      const { companyId, ...payload } = rowOf(activity);
      const frame: EventFrame = {
        type: "activity.logged",
        companyId,
        createdAt: new Date().toISOString(),
        payload,
      };
      bus.publish(subjects.event(companyId, frame.type), Buffer.from(JSON.stringify(frame)));
    },
  };
}

/** For what needs no transaction: writes the row and tells. */
export async function recordActivity(
  { db, activity }: { db: Queryable; activity: ActivityLog },
  entry: Activity,
): Promise<void> {
  await activity.write(db, entry);
  activity.tell(entry);
}
