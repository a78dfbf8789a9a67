-- The data key of each run, wrapped by the key of its tenant; a destroyed one leaves its name.
CREATE TABLE deks (
  tenant_id   text COLLATE "C" NOT NULL CHECK (tenant_id <> ''),
  run_id      text COLLATE "C" NOT NULL CHECK (run_id <> ''),
  dek_id      bytea NOT NULL CHECK (length(dek_id) = 16),
  kek_version bigint,
  wrapped     bytea,
  created_at  bigint NOT NULL, -- microseconds since 1970, as all times here
  shredded_at bigint,
  PRIMARY KEY (tenant_id, run_id),
  UNIQUE (tenant_id, dek_id),
  CHECK ((wrapped IS NULL) = (shredded_at IS NOT NULL)),
  CHECK ((wrapped IS NULL) = (kek_version IS NULL))
);

CREATE INDEX deks_by_kek ON deks (tenant_id, kek_version) WHERE wrapped IS NOT NULL;

-- Up to which version a tenant's key wraps no data key any more. Who stores a data key holds the row in share.
CREATE TABLE closed_keks (
  tenant_id text COLLATE "C" NOT NULL PRIMARY KEY CHECK (tenant_id <> ''),
  version   bigint NOT NULL
);

ALTER TABLE deks ENABLE ROW LEVEL SECURITY;
ALTER TABLE deks FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON deks TO llmteam_app
  USING (tenant_id = NULLIF(current_setting('llmteam.tenant_id', true), ''))
  WITH CHECK (tenant_id = NULLIF(current_setting('llmteam.tenant_id', true), ''));
GRANT SELECT, INSERT, UPDATE ON deks TO llmteam_app;

ALTER TABLE closed_keks ENABLE ROW LEVEL SECURITY;
ALTER TABLE closed_keks FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON closed_keks TO llmteam_app
  USING (tenant_id = NULLIF(current_setting('llmteam.tenant_id', true), ''))
  WITH CHECK (tenant_id = NULLIF(current_setting('llmteam.tenant_id', true), ''));
GRANT SELECT, INSERT, UPDATE ON closed_keks TO llmteam_app;
