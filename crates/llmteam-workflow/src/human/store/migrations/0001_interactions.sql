-- Questions to people. `seq` is the order in which they were asked.
CREATE TABLE interaction_requests (
  seq        INTEGER PRIMARY KEY AUTOINCREMENT,
  tenant_id  TEXT    NOT NULL,
  request_id TEXT    NOT NULL,
  dedup_key  TEXT    NOT NULL,
  run_id     TEXT    NOT NULL,
  open       INTEGER NOT NULL,
  version    INTEGER NOT NULL,
  closed_at  INTEGER,
  body       TEXT    NOT NULL,
  UNIQUE (tenant_id, request_id),
  UNIQUE (tenant_id, dedup_key)
) STRICT;
CREATE INDEX interaction_requests_by_run ON interaction_requests (tenant_id, run_id);
CREATE INDEX interaction_requests_open ON interaction_requests (tenant_id) WHERE open = 1;

-- One answer per question.
CREATE TABLE interaction_responses (
  tenant_id   TEXT NOT NULL,
  request_id  TEXT NOT NULL,
  response_id TEXT NOT NULL,
  body        TEXT NOT NULL,
  PRIMARY KEY (tenant_id, request_id),
  FOREIGN KEY (tenant_id, request_id) REFERENCES interaction_requests (tenant_id, request_id) ON DELETE CASCADE
) STRICT;

-- The lines of a chat.
CREATE TABLE interaction_messages (
  tenant_id  TEXT    NOT NULL,
  request_id TEXT    NOT NULL,
  seq        INTEGER NOT NULL,
  author_id  TEXT    NOT NULL,
  body       TEXT    NOT NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, request_id, seq),
  FOREIGN KEY (tenant_id, request_id) REFERENCES interaction_requests (tenant_id, request_id) ON DELETE CASCADE
) STRICT;

-- What fires while a question is open, once per kind and level.
CREATE TABLE interaction_timers (
  tenant_id  TEXT    NOT NULL,
  request_id TEXT    NOT NULL,
  kind       TEXT    NOT NULL,
  level      INTEGER NOT NULL,
  due_at     INTEGER NOT NULL,
  fired_at   INTEGER,
  PRIMARY KEY (tenant_id, request_id, kind, level),
  FOREIGN KEY (tenant_id, request_id) REFERENCES interaction_requests (tenant_id, request_id) ON DELETE CASCADE
) STRICT;
CREATE INDEX interaction_timers_due ON interaction_timers (due_at) WHERE fired_at IS NULL;

-- What a run has yet to hear of. `wakeup_id` is the order in which it happened.
CREATE TABLE run_wakeups (
  wakeup_id   INTEGER PRIMARY KEY AUTOINCREMENT,
  tenant_id   TEXT    NOT NULL,
  run_id      TEXT    NOT NULL,
  cause       TEXT    NOT NULL,
  ref_id      TEXT    NOT NULL,
  request_id  TEXT    NOT NULL,
  created_at  INTEGER NOT NULL,
  consumed_at INTEGER,
  body        TEXT    NOT NULL,
  UNIQUE (tenant_id, cause, ref_id),
  FOREIGN KEY (tenant_id, request_id) REFERENCES interaction_requests (tenant_id, request_id) ON DELETE CASCADE
) STRICT;
CREATE INDEX run_wakeups_unconsumed ON run_wakeups (tenant_id, run_id) WHERE consumed_at IS NULL;
