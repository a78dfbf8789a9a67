//! Tenants against each other on a real server, as the role that serves them.
//!
//! Two walls are tried one at a time: statements without a filter under row-level security, statements with one where it
//! is off. With neither the same statements must leak, or these tests would prove nothing.

use std::sync::Arc;

use futures_util::TryStreamExt;
use serde_json::json;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::{PostgresDatabase, PostgresKeyValueStore, roles::APP, testing::TestDatabase};
use crate::{
    audit::Actor,
    id::TenantId,
    kv::{KeyCodec, KeyValueStore, KvError, PhysicalKey, ScopedStore, tests::check},
    principal::Principal,
    sql::SqlError,
    tenancy::{
        AdminCapability, CrossTenantStore, MemoryAdminLog, PostgresTenantStore, TenantConfig,
        TenantFilter, TenantStore,
    },
};

/// What only tenant `b` may ever see.
const CANARY: &str = "canary-of-b";

/// Parents and children with keys that begin with the tenant, as every table has them.
const FAMILY: &[(&str, &str)] = &[(
    "0001_family",
    "CREATE TABLE parents (
       tenant_id text NOT NULL CHECK (tenant_id <> ''), id text NOT NULL, note text,
       PRIMARY KEY (tenant_id, id));
     CREATE TABLE children (
       tenant_id text NOT NULL CHECK (tenant_id <> ''), id text NOT NULL, parent text NOT NULL,
       PRIMARY KEY (tenant_id, id),
       FOREIGN KEY (tenant_id, parent) REFERENCES parents (tenant_id, id) ON DELETE CASCADE);
     ALTER TABLE parents ENABLE ROW LEVEL SECURITY;
     ALTER TABLE parents FORCE ROW LEVEL SECURITY;
     CREATE POLICY tenant ON parents TO llmteam_app
       USING (tenant_id = NULLIF(current_setting('llmteam.tenant_id', true), ''))
       WITH CHECK (tenant_id = NULLIF(current_setting('llmteam.tenant_id', true), ''));
     ALTER TABLE children ENABLE ROW LEVEL SECURITY;
     ALTER TABLE children FORCE ROW LEVEL SECURITY;
     CREATE POLICY tenant ON children TO llmteam_app
       USING (tenant_id = NULLIF(current_setting('llmteam.tenant_id', true), ''))
       WITH CHECK (tenant_id = NULLIF(current_setting('llmteam.tenant_id', true), ''));
     GRANT SELECT, INSERT, UPDATE, DELETE ON parents, children TO llmteam_app;",
)];

const TABLES: [&str; 4] = ["key_values", "tenants", "parents", "children"];

fn id(text: &str) -> TenantId {
    text.parse().unwrap()
}

fn notes(store: &PostgresKeyValueStore, tenant: &str) -> ScopedStore {
    ScopedStore::new(Arc::new(store.clone()), KeyCodec::tenant(&id(tenant)))
}

/// A database in which tenants `a` and `b` have data under the same names.
async fn house() -> TestDatabase {
    let it = TestDatabase::new().await.unwrap();
    let owner = it.owner().await.unwrap();
    PostgresKeyValueStore::migrate(&owner).await.unwrap();
    PostgresTenantStore::migrate(&owner).await.unwrap();
    owner.migrate("test-family", FAMILY).await.unwrap();
    let app = it.app().await.unwrap();
    let store = kv(&app).await;
    let tenants = PostgresTenantStore::open(app.clone()).await.unwrap();
    for (tenant, value) in [("a", "note-of-a"), ("b", CANARY)] {
        notes(&store, tenant).set("k", json!(value)).await.unwrap();
        let config = TenantConfig::new(id(tenant), value);
        tenants.create(&config, &Actor::system()).await.unwrap();
        let sql = format!(
            "INSERT INTO parents VALUES ('{tenant}', 'p', '{value}'), ('{tenant}', 'p-{tenant}', '{value}');
             INSERT INTO children VALUES ('{tenant}', 'c', 'p-{tenant}')"
        );
        write(&app, tenant, &sql).await.unwrap();
    }
    it
}

async fn kv(database: &PostgresDatabase) -> PostgresKeyValueStore {
    PostgresKeyValueStore::open(database.clone(), "main")
        .await
        .unwrap()
}

/// Runs statements for a tenant and says how many rows they touched.
async fn write(database: &PostgresDatabase, tenant: &str, sql: &str) -> Result<u64, SqlError> {
    let mut transaction = database.tenant_transaction(&id(tenant)).await?;
    let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(done.rows_affected())
}

/// All rows of a table as text, without a filter.
async fn dump(connection: &mut PgConnection, table: &str) -> String {
    let sql = format!("SELECT t::text FROM {table} t");
    let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(connection).await;
    let rows = rows.unwrap().into_iter().map(|row| row.get::<String, _>(0));
    rows.collect::<Vec<_>>().join("\n")
}

/// What `COPY table TO STDOUT` gives.
async fn copied(connection: &mut PgConnection, table: &str) -> String {
    let copy = format!("COPY {table} TO STDOUT");
    let chunks = connection.copy_out_raw(&copy).await.unwrap();
    let chunks: Vec<_> = chunks.try_collect().await.unwrap();
    String::from_utf8(chunks.concat()).unwrap()
}

/// The tables and ways by which tenant `a` sees rows of `b` without a filter.
async fn unfiltered_leaks(database: &PostgresDatabase) -> Vec<String> {
    let mut leaks = Vec::new();
    for table in TABLES {
        let mut transaction = database.tenant_transaction(&id("a")).await.unwrap();
        let selected = dump(&mut transaction, table).await;
        let copy = copied(&mut transaction, table).await;
        assert!(
            selected.contains("a,") && copy.contains('a'),
            "{table} has rows of its own"
        );
        for (way, text, foreign) in [
            ("select", selected, "(b,"),
            ("copy", format!("\n{copy}"), "\nb\t"),
        ] {
            if text.contains(foreign) || text.contains(CANARY) {
                leaks.push(format!("{way} {table}"));
            }
        }
    }
    leaks
}

/// Switches the first wall off.
async fn without_rls(it: &TestDatabase) -> PostgresDatabase {
    for table in TABLES {
        it.execute(&format!("ALTER TABLE {table} DISABLE ROW LEVEL SECURITY"))
            .await
            .unwrap();
    }
    it.app().await.expect_err("the check refuses such tables");
    it.unchecked(Some(APP)).await.unwrap()
}

#[tokio::test]
async fn statements_without_a_filter_see_their_tenant_alone_and_leak_without_row_level_security() {
    // covers: TEN-62, TEN-63
    let it = house().await;
    let app = it.app().await.unwrap();
    assert_eq!(unfiltered_leaks(&app).await, [""; 0]);
    // The control: with both walls gone each of these statements shows the other tenant.
    let open = without_rls(&it).await;
    let expected: Vec<_> = TABLES
        .iter()
        .flat_map(|table| [format!("select {table}"), format!("copy {table}")])
        .collect();
    assert_eq!(unfiltered_leaks(&open).await, expected);
}

#[tokio::test]
async fn writes_without_a_filter_touch_their_tenant_alone_and_others_without_row_level_security() {
    // covers: TEN-62
    let it = house().await;
    let app = it.app().await.unwrap();
    let statements = [
        ("UPDATE key_values SET value = '0'", 1),
        ("UPDATE parents SET note = 'x'", 2),
        ("UPDATE tenants SET tier = 'free'", 1),
        ("DELETE FROM children", 1),
    ];
    for (sql, own) in statements {
        assert_eq!(write(&app, "a", sql).await.unwrap(), own, "{sql}");
    }
    assert_eq!(
        notes(&kv(&app).await, "b").get("k").await.unwrap(),
        Some(json!(CANARY))
    );
    let open = without_rls(&it).await;
    for (sql, own) in &statements[..3] {
        assert_eq!(write(&open, "a", sql).await.unwrap(), own * 2, "{sql}");
    }
}

#[tokio::test]
async fn filters_hold_where_row_level_security_is_off() {
    // covers: TEN-63
    let it = house().await;
    let open = without_rls(&it).await;
    check(Arc::new(kv(&open).await)).await;
    let it = house().await;
    let open = without_rls(&it).await;
    let store = kv(&open).await;
    let a = notes(&store, "a");
    assert_eq!(a.list("").await.unwrap(), ["k"]);
    assert_eq!(a.get("k").await.unwrap(), Some(json!("note-of-a")));
    a.set("k", json!("changed")).await.unwrap();
    assert!(a.delete("k").await.unwrap());
    let b = notes(&store, "b");
    assert_eq!(b.get("k").await.unwrap(), Some(json!(CANARY)));
    let tenants = PostgresTenantStore::open(open).await.unwrap();
    let mut renamed = TenantConfig::new(id("a"), "renamed");
    renamed.is_active = false;
    tenants.update(&renamed, 1, &Actor::system()).await.unwrap();
    let b = tenants.get(&id("b")).await.unwrap().unwrap();
    assert_eq!((b.config.name.as_str(), b.version), (CANARY, 1));
}

#[tokio::test]
async fn rows_are_neither_made_nor_moved_for_another_tenant() {
    // covers: TEN-62, TEN-64
    let it = house().await;
    let app = it.app().await.unwrap();
    let (policy, denied) = ("row-level security", "permission denied");
    for (sql, reason) in [
        ("INSERT INTO parents VALUES ('b', 'new', 'x')", policy),
        (
            "INSERT INTO key_values VALUES ('b', 'main', 'new', '1')",
            policy,
        ),
        (
            "UPDATE parents SET tenant_id = 'b' WHERE id = 'p-a'",
            policy,
        ),
        ("UPDATE key_values SET tenant_id = 'b'", policy),
        (
            "INSERT INTO parents VALUES ('b', 'p', 'x') ON CONFLICT (tenant_id, id) DO UPDATE SET note = 'x'",
            policy,
        ),
        (
            "INSERT INTO parents VALUES ('b', 'p', 'x') ON CONFLICT DO NOTHING",
            policy,
        ),
        (
            "INSERT INTO parents VALUES ('b', 'unused', 'x') ON CONFLICT DO NOTHING",
            policy,
        ),
        // The child's key names its own tenant's parent, so another tenant's cannot be pointed at.
        (
            "INSERT INTO children VALUES ('a', 'c2', 'p-b')",
            "foreign key",
        ),
        ("UPDATE children SET parent = 'p-b'", "foreign key"),
        ("COPY parents FROM STDIN", policy),
        ("TRUNCATE parents", denied),
        ("DELETE FROM tenants", denied),
        (
            "ALTER TABLE parents DISABLE ROW LEVEL SECURITY",
            "must be owner",
        ),
        (
            "ALTER TABLE parents NO FORCE ROW LEVEL SECURITY",
            "must be owner",
        ),
        ("DROP POLICY tenant ON parents", "must be owner"),
        ("CREATE TABLE mine (tenant_id text)", denied),
        ("SET ROLE llmteam_owner", denied),
        (
            "SET LOCAL row_security = off; SELECT count(*) FROM parents",
            policy,
        ),
    ] {
        let error = write(&app, "a", sql).await.unwrap_err().to_string();
        assert!(error.contains(reason), "{sql}: {error}");
    }
    // A name that the other tenant uses is as free as one that nobody uses: no signal, and nothing is shared.
    for (sql, rows) in [
        ("INSERT INTO parents VALUES ('a', 'p-b', 'x')", 1),
        (
            "INSERT INTO parents VALUES ('a', 'p-b', 'y') ON CONFLICT (tenant_id, id) DO UPDATE SET note = 'y'",
            1,
        ),
        ("UPDATE parents SET note = 'z' WHERE tenant_id = 'b'", 0),
        ("DELETE FROM parents WHERE tenant_id = 'b'", 0),
        ("DELETE FROM parents WHERE id = 'p-b'", 1),
        ("SELECT * FROM parents WHERE tenant_id = 'b' FOR UPDATE", 0),
    ] {
        assert_eq!(write(&app, "a", sql).await.unwrap(), rows, "{sql}");
    }
    let mut transaction = app.tenant_transaction(&id("b")).await.unwrap();
    let left = dump(&mut transaction, "parents").await;
    assert_eq!(left.matches(CANARY).count(), 2, "{left}");
    assert_eq!(dump(&mut transaction, "children").await, "(b,c,p-b)");
}

#[tokio::test]
async fn without_a_tenant_nothing_is_seen_or_made_in_its_name() {
    // covers: TEN-62, TEN-64
    let it = house().await;
    let app = it.app().await.unwrap();
    for used_before in [false, true] {
        if used_before {
            write(&app, "a", "SELECT 1").await.unwrap();
        }
        for setting in [None, Some(""), Some("A"), Some("a b"), Some("nobody")] {
            for table in TABLES {
                let mut transaction = app.begin_bare().await.unwrap();
                if let Some(setting) = setting {
                    super::transaction::set_tenant(&mut transaction, setting)
                        .await
                        .unwrap();
                }
                assert_eq!(
                    dump(&mut transaction, table).await,
                    "",
                    "{setting:?} {table}"
                );
            }
            let mut transaction = app.begin_bare().await.unwrap();
            let anonymous = sqlx::raw_sql("INSERT INTO parents VALUES ('', 'p', 'x')");
            assert!(anonymous.execute(&mut *transaction).await.is_err());
        }
    }
    // Not even past the policies: the table itself refuses a tenant without a name.
    let nameless = it
        .execute("INSERT INTO parents VALUES ('', 'p', 'x')")
        .await;
    assert!(nameless.is_err());
}

#[tokio::test]
async fn a_prepared_statement_follows_the_tenant_of_each_transaction() {
    // covers: TEN-62
    let it = house().await;
    let one = PostgresDatabase::connect_with(&it.url(Some(APP)).unwrap(), 1)
        .await
        .unwrap();
    // Often enough for the server to choose a plan that it keeps.
    for round in 0..20 {
        let tenant = if round % 2 == 0 { "a" } else { "b" };
        let mut transaction = one.tenant_transaction(&id(tenant)).await.unwrap();
        let seen: Vec<String> = sqlx::query_scalar("SELECT DISTINCT tenant_id FROM parents")
            .fetch_all(&mut *transaction)
            .await
            .unwrap();
        assert_eq!(seen, [tenant]);
    }
}

#[tokio::test]
async fn the_key_value_store_keeps_the_contract_of_all() {
    // covers: TEN-50
    let it = TestDatabase::new().await.unwrap();
    PostgresKeyValueStore::migrate(&it.owner().await.unwrap())
        .await
        .unwrap();
    let store = kv(&it.app().await.unwrap()).await;
    check(Arc::new(store.clone())).await;
    let other = PostgresKeyValueStore::open(it.app().await.unwrap(), "other").await;
    let other = other.unwrap();
    assert!(other.list("a:").await.unwrap().is_empty());
    let value = json!({"ratio": 0.1, "text": "\0é", "big": u64::MAX, "null": null});
    let codec = KeyCodec::tenant(&id("a"));
    other.set(&codec.encode("k"), value.clone()).await.unwrap();
    assert_eq!(other.get(&codec.encode("k")).await.unwrap(), Some(value));
    // A key of no tenant has no place.
    for key in ["", "k", ":k", "%:k", "a b:k"] {
        assert_eq!(other.get(key).await, Err(KvError::Unscoped));
        assert_eq!(other.set(key, json!(1)).await, Err(KvError::Unscoped));
        assert_eq!(other.delete(key).await, Err(KvError::Unscoped));
        assert_eq!(other.list(key).await, Err(KvError::Unscoped));
    }
}

#[tokio::test]
async fn only_the_administrators_view_lists_all_tenants() {
    // covers: TEN-55, TEN-65
    let it = house().await;
    let store = kv(&it.app().await.unwrap()).await;
    let log = MemoryAdminLog::default();
    let grant = || AdminCapability::grant(&Principal::local(), Arc::new(log.clone())).unwrap();
    let blind = CrossTenantStore::new(Arc::new(store.clone()), grant());
    assert!(blind.list_all("").await.is_err());
    let admin = grant();
    let cross = CrossTenantStore::new(Arc::new(store.across_tenants(&admin)), grant());
    let all = cross.list_all("").await.unwrap();
    let tenants: Vec<_> = all
        .iter()
        .map(|it: &PhysicalKey| it.tenant.as_str())
        .collect();
    assert_eq!(tenants, ["a", "b"]);
    assert_eq!(log.events().len(), 2);
    assert_eq!(
        cross.get_for_tenant(&id("b"), "k").await.unwrap(),
        Some(json!(CANARY))
    );

    // What lists all reads only, and says so for its own transaction alone.
    let app = it.app().await.unwrap();
    let listed = PostgresTenantStore::open(app.clone()).await.unwrap();
    let listed = listed.list(&TenantFilter::default(), 10, 0).await.unwrap();
    assert_eq!(listed.len(), 2);
    let mut platform = app.platform_transaction().await.unwrap();
    let changed = sqlx::raw_sql("UPDATE tenants SET tier = 'enterprise'")
        .execute(&mut *platform)
        .await
        .unwrap();
    assert_eq!(changed.rows_affected(), 0);
    assert_eq!(dump(&mut platform, "parents").await, "");
    drop(platform);
    assert_eq!(unfiltered_leaks(&app).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_tenants_over_few_connections_never_see_another() {
    // covers: TEN-60, TEN-62
    let it = house().await;
    let app = PostgresDatabase::connect_with(&it.url(Some(APP)).unwrap(), 3)
        .await
        .unwrap();
    let tasks: Vec<_> = (0..32)
        .map(|n| {
            let app = app.clone();
            tokio::spawn(async move { mind_your_own(&app, &format!("tenant-{n}")).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

/// Writes and reads as one tenant, now and then giving up half-way, and looks for what is not its own.
async fn mind_your_own(app: &PostgresDatabase, tenant: &str) {
    let store = notes(&kv(app).await, tenant);
    for round in 0..8 {
        let value = json!({ "canary": tenant, "round": round });
        store.set("k", value.clone()).await.unwrap();
        assert_eq!(store.get("k").await.unwrap(), Some(value));
        let mut transaction = app.tenant_transaction(&id(tenant)).await.unwrap();
        sqlx::raw_sql("UPDATE key_values SET value = '\"lost\"'")
            .execute(&mut *transaction)
            .await
            .unwrap();
        let seen = dump(&mut transaction, "key_values").await;
        assert!(seen.starts_with(&format!("({tenant},")) && seen.lines().count() == 1);
        // Dropped: nothing of it is kept, and the next who gets the connection is somebody else.
        drop(transaction);
    }
    assert_eq!(store.list("").await.unwrap(), ["k"]);
}

#[tokio::test]
async fn a_connection_that_the_server_ended_is_replaced() {
    let it = house().await;
    let app = PostgresDatabase::connect_with(&it.url(Some(APP)).unwrap(), 1)
        .await
        .unwrap();
    let store = notes(&kv(&app).await, "a");
    for _ in 0..2 {
        assert_eq!(store.get("k").await.unwrap(), Some(json!("note-of-a")));
        let end = format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}' AND usename = '{APP}'",
            it.name()
        );
        it.execute(&end).await.unwrap();
    }
    assert_eq!(store.get("k").await.unwrap(), Some(json!("note-of-a")));
}
