-- Tenants. A purged one keeps its id and the time, so that the id is never given again.
CREATE TABLE tenants (
  tenant_id  TEXT PRIMARY KEY CHECK (tenant_id <> ''),
  version    INTEGER NOT NULL,
  tier       TEXT,
  is_active  INTEGER NOT NULL,
  created_at INTEGER NOT NULL, -- microseconds since 1970 UTC, as all times
  deleted_at INTEGER,
  purged_at  INTEGER,
  config     TEXT,             -- the 17 fields as JSON
  CHECK ((config IS NULL) = (purged_at IS NOT NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX tenants_by_age ON tenants (created_at DESC, tenant_id);
