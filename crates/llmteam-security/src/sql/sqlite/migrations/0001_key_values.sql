-- Named JSON values. Keys are bytes: no collation, no case folding.
CREATE TABLE key_values (
  store TEXT NOT NULL,
  key   BLOB NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (store, key)
) STRICT, WITHOUT ROWID;
