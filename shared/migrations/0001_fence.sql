-- The end of every batch: fewer cursors moved than were ours means that another epoch owns a partition.
CREATE OR REPLACE FUNCTION reveille_fence(moved bigint, expected bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF moved IS DISTINCT FROM expected THEN
    RAISE EXCEPTION 'fenced: % of % cursors are still ours', moved, expected USING ERRCODE = 'RV001';
  END IF;
END $$;
--> statement-breakpoint
-- Room on each page for the two updates in the life of a run and of its wake (HOT).
ALTER TABLE heartbeat_runs SET (fillfactor = 60);
--> statement-breakpoint
ALTER TABLE agent_wakeup_requests SET (fillfactor = 60);
--> statement-breakpoint
ALTER TABLE agents SET (fillfactor = 80);
--> statement-breakpoint
-- One row a partition, updated by every batch: small and always cleaned.
ALTER TABLE partitions SET (fillfactor = 10, autovacuum_vacuum_threshold = 200, autovacuum_vacuum_scale_factor = 0);
