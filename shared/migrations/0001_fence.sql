CREATE OR REPLACE FUNCTION reveille_fence(moved bigint, expected bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF moved IS DISTINCT FROM expected THEN
    RAISE EXCEPTION 'fenced: % of % cursors are still ours', moved, expected USING ERRCODE = 'RV001';
  END IF;
END $$;
