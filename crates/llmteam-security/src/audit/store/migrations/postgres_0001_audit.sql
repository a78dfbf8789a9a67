CREATE TABLE audit_deployment (one int PRIMARY KEY CHECK (one = 1), name text NOT NULL);
INSERT INTO audit_deployment VALUES (1, 'pg-' || substr(replace(gen_random_uuid()::text, '-', ''), 1, 16));

CREATE TABLE audit_head (
  tenant_id text NOT NULL PRIMARY KEY CHECK (tenant_id <> ''),
  origin text NOT NULL,
  size bigint NOT NULL,
  last_leaf bytea NOT NULL,
  frontier bytea NOT NULL,
  epoch bigint NOT NULL,
  first_seq bigint NOT NULL,
  pseudonyms bytea NOT NULL,
  fmt text NOT NULL
);

CREATE TABLE audit_record (
  tenant_id text NOT NULL CHECK (tenant_id <> ''),
  seq bigint NOT NULL,
  leaf bytea NOT NULL,
  body bytea NOT NULL,
  event_id bytea NOT NULL,
  action text NOT NULL,
  ts_us bigint NOT NULL,
  PRIMARY KEY (tenant_id, seq),
  UNIQUE (tenant_id, event_id)
);
CREATE INDEX audit_record_time ON audit_record (tenant_id, ts_us, seq);

-- What may be erased stands apart from what may not.
CREATE TABLE audit_payload (
  tenant_id text NOT NULL CHECK (tenant_id <> ''),
  seq bigint NOT NULL,
  dek_id text,
  salt bytea NOT NULL,
  bytes bytea NOT NULL,
  PRIMARY KEY (tenant_id, seq)
);

-- Hashes of pruned records.
CREATE TABLE audit_leaf (
  tenant_id text NOT NULL CHECK (tenant_id <> ''),
  seq bigint NOT NULL,
  leaf bytea NOT NULL,
  PRIMARY KEY (tenant_id, seq)
);

CREATE TABLE audit_subject_key (
  tenant_id text NOT NULL CHECK (tenant_id <> ''),
  dek_id text NOT NULL,
  subject text NOT NULL,
  kek_id text NOT NULL,
  wrapped bytea NOT NULL,
  PRIMARY KEY (tenant_id, dek_id),
  UNIQUE (tenant_id, subject)
);

CREATE TABLE audit_outbox (
  tenant_id text NOT NULL CHECK (tenant_id <> ''),
  id bigint GENERATED ALWAYS AS IDENTITY,
  event bytea NOT NULL,
  PRIMARY KEY (tenant_id, id)
);

ALTER TABLE audit_head ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_head FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON audit_head TO llmteam_app
  USING (tenant_id = NULLIF(current_setting('llmteam.tenant_id', true), ''))
  WITH CHECK (tenant_id = NULLIF(current_setting('llmteam.tenant_id', true), ''));
ALTER TABLE audit_record ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_record FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON audit_record TO llmteam_app
  USING (tenant_id = NULLIF(current_setting('llmteam.tenant_id', true), ''))
  WITH CHECK (tenant_id = NULLIF(current_setting('llmteam.tenant_id', true), ''));
ALTER TABLE audit_payload ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_payload FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON audit_payload TO llmteam_app
  USING (tenant_id = NULLIF(current_setting('llmteam.tenant_id', true), ''))
  WITH CHECK (tenant_id = NULLIF(current_setting('llmteam.tenant_id', true), ''));
ALTER TABLE audit_leaf ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_leaf FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON audit_leaf TO llmteam_app
  USING (tenant_id = NULLIF(current_setting('llmteam.tenant_id', true), ''))
  WITH CHECK (tenant_id = NULLIF(current_setting('llmteam.tenant_id', true), ''));
ALTER TABLE audit_subject_key ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_subject_key FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON audit_subject_key TO llmteam_app
  USING (tenant_id = NULLIF(current_setting('llmteam.tenant_id', true), ''))
  WITH CHECK (tenant_id = NULLIF(current_setting('llmteam.tenant_id', true), ''));
ALTER TABLE audit_outbox ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_outbox FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON audit_outbox TO llmteam_app
  USING (tenant_id = NULLIF(current_setting('llmteam.tenant_id', true), ''))
  WITH CHECK (tenant_id = NULLIF(current_setting('llmteam.tenant_id', true), ''));

GRANT SELECT ON audit_deployment TO llmteam_app;
GRANT SELECT, INSERT, UPDATE ON audit_head TO llmteam_app;
-- No UPDATE, no DELETE, no TRUNCATE: audit_prune removes, and only what a record says was pruned.
GRANT SELECT, INSERT ON audit_record, audit_leaf TO llmteam_app;
GRANT SELECT, INSERT, DELETE ON audit_payload TO llmteam_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON audit_outbox TO llmteam_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON audit_subject_key TO llmteam_app;

CREATE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'audit records are append-only' USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE FUNCTION audit_only_pruned() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM audit_head h WHERE h.tenant_id = OLD.tenant_id AND OLD.seq < h.first_seq)
    OR NOT EXISTS (SELECT FROM audit_leaf l WHERE l.tenant_id = OLD.tenant_id AND l.seq = OLD.seq AND l.leaf = OLD.leaf) THEN
    RAISE EXCEPTION 'audit records are append-only' USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN OLD;
END $$;

CREATE TRIGGER append_only BEFORE UPDATE ON audit_record FOR EACH ROW EXECUTE FUNCTION audit_append_only();
CREATE TRIGGER only_pruned BEFORE DELETE ON audit_record FOR EACH ROW EXECUTE FUNCTION audit_only_pruned();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON audit_record FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON audit_leaf FOR EACH ROW EXECUTE FUNCTION audit_append_only();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON audit_leaf FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only();
CREATE TRIGGER append_only BEFORE UPDATE ON audit_payload FOR EACH ROW EXECUTE FUNCTION audit_append_only();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON audit_head FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only();

CREATE POLICY owner ON audit_record TO llmteam_owner
  USING (tenant_id = NULLIF(current_setting('llmteam.tenant_id', true), ''))
  WITH CHECK (tenant_id = NULLIF(current_setting('llmteam.tenant_id', true), ''));
CREATE POLICY owner ON audit_head TO llmteam_owner
  USING (tenant_id = NULLIF(current_setting('llmteam.tenant_id', true), ''))
  WITH CHECK (tenant_id = NULLIF(current_setting('llmteam.tenant_id', true), ''));
CREATE POLICY owner ON audit_leaf TO llmteam_owner
  USING (tenant_id = NULLIF(current_setting('llmteam.tenant_id', true), ''))
  WITH CHECK (tenant_id = NULLIF(current_setting('llmteam.tenant_id', true), ''));

CREATE FUNCTION audit_prune(tenant text, below bigint) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM audit_record r JOIN audit_head h ON h.tenant_id = r.tenant_id AND r.seq = h.size - 1
                 WHERE r.tenant_id = tenant AND r.action = 'log.pruned') THEN
    RAISE EXCEPTION 'audit records are append-only' USING ERRCODE = 'insufficient_privilege';
  END IF;
  DELETE FROM audit_record WHERE tenant_id = tenant AND seq < below;
END $$;
REVOKE ALL ON FUNCTION audit_prune(text, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit_prune(text, bigint) TO llmteam_app;
