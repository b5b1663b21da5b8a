ALTER TABLE "agent_wakeup_requests" ADD COLUMN "traceparent" text;--> statement-breakpoint
ALTER TABLE "heartbeat_runs" ADD COLUMN "traceparent" text;--> statement-breakpoint
ALTER TABLE "owed_wakes" ADD COLUMN "traceparent" text;