-- The data key of each run, wrapped by the key of its tenant; a destroyed one leaves its name.
CREATE TABLE deks (
    tenant_id TEXT NOT NULL CHECK (tenant_id <> ''),
    run_id TEXT NOT NULL CHECK (run_id <> ''),
    dek_id BLOB NOT NULL CHECK (length(dek_id) = 16),
    kek_version INTEGER,
    wrapped BLOB,
    created_at INTEGER NOT NULL,
    shredded_at INTEGER,
    PRIMARY KEY (tenant_id, run_id),
    UNIQUE (tenant_id, dek_id),
    CHECK ((wrapped IS NULL) = (shredded_at IS NOT NULL)),
    CHECK ((wrapped IS NULL) = (kek_version IS NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX deks_by_kek ON deks (tenant_id, kek_version) WHERE wrapped IS NOT NULL;

-- Up to which version a tenant's key wraps no data key any more.
CREATE TABLE closed_keks (
    tenant_id TEXT NOT NULL PRIMARY KEY CHECK (tenant_id <> ''),
    version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
