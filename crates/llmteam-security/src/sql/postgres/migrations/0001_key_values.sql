-- Named JSON values of tenants. Keys are bytes and text compares by bytes: no collation, no case folding.
CREATE TABLE key_values (
  tenant_id text COLLATE "C" NOT NULL CHECK (tenant_id <> ''),
  store     text COLLATE "C" NOT NULL,
  key       bytea NOT NULL, -- without the tenant, which is a column
  value     json NOT NULL,
  PRIMARY KEY (tenant_id, store, key)
);

ALTER TABLE key_values ENABLE ROW LEVEL SECURITY;
ALTER TABLE key_values FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON key_values TO llmteam_app
  USING (tenant_id = NULLIF(current_setting('llmteam.tenant_id', true), ''))
  WITH CHECK (tenant_id = NULLIF(current_setting('llmteam.tenant_id', true), ''));
-- Listing the keys of all tenants, in a transaction that says so.
CREATE POLICY platform ON key_values FOR SELECT TO llmteam_app
  USING (current_setting('llmteam.platform', true) = 'on');
GRANT SELECT, INSERT, UPDATE, DELETE ON key_values TO llmteam_app;
