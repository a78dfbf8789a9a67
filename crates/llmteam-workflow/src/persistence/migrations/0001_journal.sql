-- The row of a run. `run_key` is the order in which runs were created and never used twice; `next_index` is
-- how many entries its journal has; nobody owns a run whose `owner_host` is null.
CREATE TABLE runs (
  run_key       INTEGER PRIMARY KEY AUTOINCREMENT,
  tenant_id     TEXT    NOT NULL,
  run_id        TEXT    NOT NULL,
  instance_id   TEXT    NOT NULL,
  segment_id    TEXT    NOT NULL,
  definition    TEXT    NOT NULL,
  parent_id     TEXT,
  format        INTEGER NOT NULL,
  started_at    INTEGER NOT NULL,
  epoch         INTEGER NOT NULL,
  next_index    INTEGER NOT NULL,
  updated_at    INTEGER NOT NULL,
  state         TEXT    NOT NULL,
  ended         INTEGER NOT NULL DEFAULT 0,
  wake_at       INTEGER,
  idle_claims   INTEGER NOT NULL DEFAULT 0,
  owner_host    TEXT,
  owner_pid     INTEGER,
  owner_started INTEGER,
  summary       TEXT,
  UNIQUE (tenant_id, run_id)
) STRICT;
CREATE INDEX runs_by_tenant ON runs (tenant_id);
CREATE INDEX runs_open ON runs (tenant_id) WHERE ended = 0;
CREATE INDEX runs_by_parent ON runs (tenant_id, parent_id) WHERE parent_id IS NOT NULL;

-- What happened, in the order in which it was committed: rows of many runs stand side by side, so that one
-- commit touches few pages. `epoch` is the owner's who added the row.
CREATE TABLE journal (
  position INTEGER PRIMARY KEY,
  run_key  INTEGER NOT NULL,
  idx      INTEGER NOT NULL,
  epoch    INTEGER NOT NULL,
  kind     TEXT    NOT NULL,
  step_id  TEXT,
  time     INTEGER NOT NULL,
  crc      INTEGER NOT NULL,
  body     TEXT    NOT NULL
) STRICT;
CREATE UNIQUE INDEX journal_by_run ON journal (run_key, idx);

-- The one way into the journal: an entry, and what the run has come to by it. The run's row is written first;
-- if it is not the writer's any more, or the entry does not come next, the whole statement fails.
CREATE VIEW journal_append (run_key, epoch, idx, kind, step_id, time, crc, body, state, ends, wake_at, summary) AS
  SELECT run_key, epoch, idx, kind, step_id, time, crc, body, NULL, NULL, NULL, NULL FROM journal;
CREATE TRIGGER journal_append_fenced INSTEAD OF INSERT ON journal_append WHEN NEW.run_key IS NOT NULL BEGIN
  UPDATE runs
     SET next_index = NEW.idx + 1, updated_at = NEW.time, idle_claims = 0,
         state = NEW.state, wake_at = NEW.wake_at, summary = NEW.summary
   WHERE run_key = NEW.run_key AND epoch = NEW.epoch AND next_index = NEW.idx AND ended = 0;
  SELECT RAISE(ABORT, 'the entry does not follow') WHERE changes() = 0;
  INSERT INTO journal (run_key, idx, epoch, kind, step_id, time, crc, body)
  VALUES (NEW.run_key, NEW.idx, NEW.epoch, NEW.kind, NEW.step_id, NEW.time, NEW.crc, NEW.body);
  UPDATE runs SET ended = 1, owner_host = NULL, owner_pid = NULL, owner_started = NULL
   WHERE NEW.ends AND run_key = NEW.run_key;
END;

-- Definitions that runs are pinned to, by content hash.
CREATE TABLE definitions (
  tenant_id TEXT NOT NULL,
  hash      TEXT NOT NULL,
  body      TEXT NOT NULL,
  PRIMARY KEY (tenant_id, hash)
) STRICT;
