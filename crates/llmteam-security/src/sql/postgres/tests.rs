//! Roles, migrations, the check at the start and the tenant of a transaction, on a real server.

use super::{
    PostgresDatabase, PostgresOwner, UnsafeDatabase,
    roles::{APP, DISPATCH, OWNER},
    testing::TestDatabase,
};
use crate::{id::TenantId, sql::SqlError};

const NOTES: &[(&str, &str)] = &[(
    "0001_notes",
    "CREATE TABLE notes (
       tenant_id text NOT NULL CHECK (tenant_id <> ''),
       id bigint NOT NULL,
       PRIMARY KEY (tenant_id, id));
     ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
     ALTER TABLE notes FORCE ROW LEVEL SECURITY;
     CREATE POLICY tenant ON notes TO llmteam_app
       USING (tenant_id = NULLIF(current_setting('llmteam.tenant_id', true), ''))
       WITH CHECK (tenant_id = NULLIF(current_setting('llmteam.tenant_id', true), ''));
     GRANT SELECT, INSERT, UPDATE, DELETE ON notes TO llmteam_app;",
)];

fn tenant(id: &str) -> TenantId {
    id.parse().unwrap()
}

async fn notes() -> TestDatabase {
    TestDatabase::migrated("test-notes", NOTES).await.unwrap()
}

async fn add(database: &PostgresDatabase, owner: &str, id: i64) {
    let mut transaction = database.tenant_transaction(&tenant(owner)).await.unwrap();
    sqlx::query("INSERT INTO notes VALUES ($1, $2)")
        .bind(owner)
        .bind(id)
        .execute(&mut *transaction)
        .await
        .unwrap();
    transaction.commit().await.unwrap();
}

async fn count(connection: &mut sqlx::PgConnection) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM notes")
        .fetch_one(connection)
        .await
        .unwrap()
}

/// Four connections do `work` at the same time.
async fn at_once(it: &TestDatabase, work: impl AsyncFn(PostgresOwner) -> Result<(), SqlError>) {
    let one = async || work(it.owner().await.unwrap()).await.unwrap();
    tokio::join!(one(), one(), one(), one());
}

#[tokio::test]
async fn each_migration_is_applied_once_by_whoever_comes_first_and_belongs_to_the_owner() {
    let it = TestDatabase::new().await.unwrap();
    at_once(&it, async |owner| owner.migrate("test-notes", NOTES).await).await;
    let app = it.app().await.unwrap();
    app.require("test-notes", NOTES).await.unwrap();
    let mut transaction = app.begin().await.unwrap();
    let owner: String = sqlx::query_scalar(
        "SELECT string_agg(DISTINCT tableowner, ',') FROM pg_tables WHERE schemaname = 'public'",
    )
    .fetch_one(&mut *transaction)
    .await
    .unwrap();
    assert_eq!(owner, OWNER);
    sqlx::query("CREATE TABLE mine (x int)")
        .execute(&mut *transaction)
        .await
        .unwrap_err();
}

#[tokio::test]
async fn a_newer_or_rewritten_history_is_refused_and_a_failure_leaves_nothing() {
    let it = notes().await;
    let owner = it.owner().await.unwrap();
    let newer = owner.migrate("test-notes", &[]).await.unwrap_err();
    assert!(matches!(newer, SqlError::NewerSchema { version, .. } if version == "0001_notes"));
    let changed = [("0001_notes", "SELECT 1")];
    let changed = owner.migrate("test-notes", &changed).await.unwrap_err();
    assert!(matches!(changed, SqlError::ChangedMigration { .. }));
    let longer = [
        NOTES[0],
        ("0002", "CREATE TABLE more (x int); SELECT nothing;"),
    ];
    let failed = owner.migrate("test-notes", &longer).await.unwrap_err();
    assert!(matches!(
        failed,
        SqlError::Migration {
            version: "0002",
            ..
        }
    ));
    let app = it.app().await.unwrap();
    let missing = app.require("test-notes", &longer).await.unwrap_err();
    assert!(matches!(
        missing,
        SqlError::MissingMigration {
            version: "0002",
            ..
        }
    ));
    let unknown = app.require("test-other", NOTES).await.unwrap_err();
    assert!(matches!(unknown, SqlError::MissingMigration { .. }));
    owner
        .migrate(
            "test-notes",
            &[NOTES[0], ("0002", "CREATE TABLE more (x int)")],
        )
        .await
        .unwrap();
}

#[tokio::test]
async fn a_transaction_shows_its_tenant_alone_and_leaves_none_on_the_connection() {
    // covers: TEN-60
    let it = notes().await;
    let app = PostgresDatabase::connect_with(&it.url(Some(APP)).unwrap(), 1)
        .await
        .unwrap();
    add(&app, "a", 1).await;
    add(&app, "b", 1).await;
    for (id, end) in [("a", "commit"), ("b", "rollback"), ("a", "drop")] {
        let mut transaction = app.tenant_transaction(&tenant(id)).await.unwrap();
        assert_eq!(transaction.tenant().as_str(), id);
        assert_eq!(count(&mut transaction).await, 1);
        match end {
            "commit" => transaction.commit().await.unwrap(),
            "rollback" => transaction.rollback().await.unwrap(),
            _ => drop(transaction),
        }
        // The pool has one connection, so this is the same one, without the setting.
        let mut raw = app.begin_bare().await.unwrap();
        let left: Option<String> =
            sqlx::query_scalar("SELECT current_setting('llmteam.tenant_id', true)")
                .fetch_one(&mut *raw)
                .await
                .unwrap();
        assert_eq!(left.unwrap_or_default(), "", "{end}");
        assert_eq!(count(&mut raw).await, 0, "{end}");
    }
}

#[tokio::test]
async fn roles_are_made_once_by_many_at_once_and_are_harmless() {
    let it = notes().await;
    at_once(&it, async |owner| owner.create_roles().await).await;
    let mut transaction = it.app().await.unwrap().begin().await.unwrap();
    let harmful: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM pg_roles
         WHERE rolname IN ('llmteam_owner', 'llmteam_app', 'llmteam_dispatch', 'llmteam_audit_ro')
         AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication)",
    )
    .fetch_one(&mut *transaction)
    .await
    .unwrap();
    assert_eq!(harmful, 0);
}

/// The reason for which `role` is refused; `None` when it is not.
async fn refusal(it: &TestDatabase, role: Option<&str>) -> Option<UnsafeDatabase> {
    match PostgresDatabase::connect(&it.url(role).unwrap()).await {
        Ok(_) => None,
        Err(SqlError::Unsafe(reason)) => Some(reason),
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_role_that_is_not_bound_is_refused() {
    // covers: TEN-61
    let it = notes().await;
    assert_eq!(refusal(&it, Some(APP)).await, None);
    assert_eq!(refusal(&it, Some(DISPATCH)).await, None);
    assert!(matches!(
        refusal(&it, None).await,
        Some(UnsafeDatabase::Superuser { .. })
    ));
    assert!(matches!(
        refusal(&it, Some(OWNER)).await,
        Some(UnsafeDatabase::Owner { .. })
    ));
    // Roles are the server's: these have the name of the throw-away database and go with it.
    let name = |suffix| format!("{}_{suffix}", it.name());
    for (suffix, sql, expected) in [
        ("bypass", "BYPASSRLS", "bypasses"),
        ("maker", "CREATEROLE", "may make roles"),
        ("member", "IN ROLE llmteam_owner", "member of owner"),
        (
            "member2",
            "NOINHERIT IN ROLE llmteam_owner",
            "member of owner",
        ),
    ] {
        let role = name(suffix);
        it.execute(&format!("CREATE ROLE {role} LOGIN {sql}"))
            .await
            .unwrap();
        let reason = refusal(&it, Some(&role)).await;
        it.execute(&format!("DROP ROLE {role}")).await.unwrap();
        let reason = reason.expect(suffix).to_string();
        assert!(
            reason.contains(expected) && reason.contains(&role),
            "{reason}"
        );
    }
}

#[tokio::test]
async fn a_table_that_does_not_keep_tenants_apart_is_refused() {
    // covers: TEN-61
    let it = notes().await;
    for (harm, mend, expected) in [
        (
            "ALTER TABLE notes DISABLE ROW LEVEL SECURITY",
            "ALTER TABLE notes ENABLE ROW LEVEL SECURITY",
            "no row-level security",
        ),
        (
            "ALTER TABLE notes NO FORCE ROW LEVEL SECURITY",
            "ALTER TABLE notes FORCE ROW LEVEL SECURITY",
            "does not force",
        ),
        (
            "CREATE POLICY wide ON notes TO llmteam_app USING (true)",
            "DROP POLICY wide ON notes",
            "has no policy",
        ),
        (
            "CREATE POLICY wide ON notes FOR INSERT WITH CHECK (true)",
            "DROP POLICY wide ON notes",
            "has no policy",
        ),
        (
            "CREATE TABLE more (tenant_id text); ALTER TABLE more ENABLE ROW LEVEL SECURITY; ALTER TABLE more FORCE ROW LEVEL SECURITY",
            "DROP TABLE more",
            "`more` has no policy",
        ),
        (
            "CREATE VIEW shown AS SELECT * FROM notes",
            "DROP VIEW shown",
            "view `shown`",
        ),
        (
            "CREATE MATERIALIZED VIEW kept AS SELECT * FROM notes",
            "DROP MATERIALIZED VIEW kept",
            "view `kept`",
        ),
    ] {
        it.execute(harm).await.unwrap();
        let reason = refusal(&it, Some(APP)).await.expect(harm).to_string();
        assert!(reason.contains(expected), "{harm}: {reason}");
        it.execute(mend).await.unwrap();
        assert_eq!(refusal(&it, Some(APP)).await, None, "{mend}");
    }
    // What obeys the policies of who asks, and what a role of its own sees by design, is no reason.
    it.execute(
        "CREATE VIEW obedient WITH (security_invoker = true) AS SELECT * FROM notes;
         CREATE POLICY due ON notes FOR SELECT TO llmteam_dispatch USING (true)",
    )
    .await
    .unwrap();
    assert_eq!(refusal(&it, Some(APP)).await, None);
    assert_eq!(refusal(&it, Some(DISPATCH)).await, None);
}

#[tokio::test]
async fn an_address_is_not_repeated_and_a_handle_shows_no_password() {
    let error = PostgresDatabase::connect("mysql://u:hunter2@h/d")
        .await
        .unwrap_err();
    assert!(matches!(&error, SqlError::Address(text) if !text.contains("hunter2")));
    let it = notes().await;
    let shown = format!("{:?}", it.app().await.unwrap());
    assert!(shown.contains("llmteam_app"), "{shown}");
}
