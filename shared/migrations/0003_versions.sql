ALTER TABLE "mailbox_state" ADD COLUMN "schema_oldest" integer DEFAULT 1 NOT NULL;--> statement-breakpoint
ALTER TABLE "mailbox_state" ADD COLUMN "protocol" integer DEFAULT 1 NOT NULL;