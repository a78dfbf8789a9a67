-- Tenants. A purged one keeps its id and the time, so that the id is never given again.
CREATE TABLE tenants (
  tenant_id  text COLLATE "C" PRIMARY KEY CHECK (tenant_id <> ''),
  version    bigint NOT NULL,
  tier       text,
  is_active  boolean NOT NULL,
  created_at bigint NOT NULL, -- microseconds since 1970 UTC, as all times
  deleted_at bigint,
  purged_at  bigint,
  config     json,            -- the 17 fields
  CHECK ((config IS NULL) = (purged_at IS NOT NULL))
);

CREATE INDEX tenants_by_age ON tenants (created_at DESC, tenant_id);

ALTER TABLE tenants ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenants FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON tenants TO llmteam_app
  USING (tenant_id = NULLIF(current_setting('llmteam.tenant_id', true), ''))
  WITH CHECK (tenant_id = NULLIF(current_setting('llmteam.tenant_id', true), ''));
-- Listing and counting tenants, in a transaction that says so.
CREATE POLICY platform ON tenants FOR SELECT TO llmteam_app
  USING (current_setting('llmteam.platform', true) = 'on');
-- Nothing deletes a row.
GRANT SELECT, INSERT, UPDATE ON tenants TO llmteam_app;
