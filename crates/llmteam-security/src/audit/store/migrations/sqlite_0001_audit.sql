CREATE TABLE audit_deployment (one INTEGER PRIMARY KEY CHECK (one = 1), name TEXT NOT NULL) STRICT;

CREATE TABLE audit_head (
  tenant_id TEXT NOT NULL PRIMARY KEY CHECK (tenant_id <> ''),
  origin TEXT NOT NULL UNIQUE,
  size INTEGER NOT NULL,
  last_leaf BLOB NOT NULL,
  frontier BLOB NOT NULL,
  epoch INTEGER NOT NULL,
  first_seq INTEGER NOT NULL,
  pseudonyms BLOB NOT NULL,
  fmt TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE audit_record (
  tenant_id TEXT NOT NULL CHECK (tenant_id <> ''),
  seq INTEGER NOT NULL,
  leaf BLOB NOT NULL,
  body BLOB NOT NULL,
  event_id BLOB NOT NULL,
  action TEXT NOT NULL,
  ts_us INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, seq),
  UNIQUE (tenant_id, event_id)
) STRICT;
CREATE INDEX audit_record_time ON audit_record (tenant_id, ts_us, seq);

-- What may be erased stands apart from what may not.
CREATE TABLE audit_payload (
  tenant_id TEXT NOT NULL,
  seq INTEGER NOT NULL,
  dek_id TEXT,
  salt BLOB NOT NULL,
  bytes BLOB NOT NULL,
  PRIMARY KEY (tenant_id, seq)
) STRICT;

-- Hashes of pruned records.
CREATE TABLE audit_leaf (
  tenant_id TEXT NOT NULL,
  seq INTEGER NOT NULL,
  leaf BLOB NOT NULL,
  PRIMARY KEY (tenant_id, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE audit_subject_key (
  tenant_id TEXT NOT NULL,
  dek_id TEXT NOT NULL,
  subject TEXT NOT NULL,
  kek_id TEXT NOT NULL,
  wrapped BLOB NOT NULL,
  PRIMARY KEY (tenant_id, dek_id),
  UNIQUE (tenant_id, subject)
) STRICT, WITHOUT ROWID;

CREATE TABLE audit_outbox (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  tenant_id TEXT NOT NULL,
  event BLOB NOT NULL
) STRICT;
CREATE INDEX audit_outbox_tenant ON audit_outbox (tenant_id, id);

CREATE TRIGGER audit_record_update BEFORE UPDATE ON audit_record
BEGIN SELECT RAISE(ABORT, 'audit records are append-only'); END;
CREATE TRIGGER audit_record_delete BEFORE DELETE ON audit_record
WHEN NOT EXISTS (SELECT 1 FROM audit_head h WHERE h.tenant_id = OLD.tenant_id AND OLD.seq < h.first_seq)
  OR NOT EXISTS (SELECT 1 FROM audit_leaf l WHERE l.tenant_id = OLD.tenant_id AND l.seq = OLD.seq AND l.leaf = OLD.leaf)
BEGIN SELECT RAISE(ABORT, 'audit records are append-only'); END;
CREATE TRIGGER audit_leaf_update BEFORE UPDATE ON audit_leaf
BEGIN SELECT RAISE(ABORT, 'audit records are append-only'); END;
CREATE TRIGGER audit_leaf_delete BEFORE DELETE ON audit_leaf
BEGIN SELECT RAISE(ABORT, 'audit records are append-only'); END;
CREATE TRIGGER audit_payload_update BEFORE UPDATE ON audit_payload
BEGIN SELECT RAISE(ABORT, 'audit payloads are erased or kept, never changed'); END;
