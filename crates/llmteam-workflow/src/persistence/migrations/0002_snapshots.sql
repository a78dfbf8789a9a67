-- Sealed snapshots. `data` is the whole snapshot as JSON; the other columns repeat what keys and lists need.
CREATE TABLE pipeline_snapshots (
  tenant_id     TEXT    NOT NULL,
  snapshot_id   TEXT    NOT NULL,
  pipeline_id   TEXT    NOT NULL,
  run_id        TEXT    NOT NULL,
  seq           INTEGER NOT NULL,
  snapshot_type TEXT    NOT NULL,
  phase         TEXT    NOT NULL,
  fencing_token INTEGER,
  created_at    INTEGER NOT NULL,
  consumed      INTEGER NOT NULL DEFAULT 0,
  size_bytes    INTEGER NOT NULL,
  data          TEXT    NOT NULL,
  PRIMARY KEY (tenant_id, snapshot_id),
  UNIQUE (tenant_id, run_id, seq)
) STRICT;
CREATE INDEX pipeline_snapshots_by_pipeline ON pipeline_snapshots (tenant_id, pipeline_id, created_at DESC);
