-- Starts that happen once: a caller's key, and the run that it made. A key may be used anew from `until` on.
CREATE TABLE start_keys (
  tenant_id  TEXT    NOT NULL,
  segment_id TEXT    NOT NULL,
  start_key  TEXT    NOT NULL,
  run_id     TEXT    NOT NULL,
  input_hash TEXT    NOT NULL,
  until      INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, segment_id, start_key)
) STRICT;
