//! Opening the database: one connection that writes, a few that read.
//!
//! Invariant: a file is opened with WAL, `synchronous=FULL`, `secure_delete` and foreign keys, and a file made here
//! is readable by its owner alone. Waiting for a connection uses no timer, so it works under any clock.

use std::{
    fmt,
    ops::{Deref, DerefMut},
    path::{Path, PathBuf},
    sync::{Arc, Mutex as SyncMutex, PoisonError},
    time::Duration,
};

use sqlx::{
    ConnectOptions, Connection, Sqlite, SqliteConnection, Transaction,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};
use tokio::sync::{Mutex, MutexGuard, Semaphore, SemaphorePermit};

use super::migrate;
use crate::sql::error::SqlError;

/// A write transaction. What is not committed is rolled back when it is dropped.
pub type SqliteTransaction<'a> = Transaction<'a, Sqlite>;

/// How long a statement waits for another process to finish writing.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// How many connections read a file at once.
const READERS: usize = 4;

/// How often opening is tried while other processes switch the same new file to WAL.
const OPEN_ATTEMPTS: usize = 500;

/// How long is waited between two of them.
const OPEN_PAUSE: Duration = Duration::from_millis(20);

/// The database of a process. Clones are handles to the same connections.
#[derive(Clone)]
pub struct SqliteDatabase {
    inner: Arc<Inner>,
}

struct Inner {
    path: Option<PathBuf>,
    options: SqliteConnectOptions,
    writer: Mutex<SqliteConnection>,
    /// Free connections for reading; none is opened before it is needed.
    idle: SyncMutex<Vec<SqliteConnection>>,
    permits: Semaphore,
}

impl SqliteDatabase {
    /// Opens the file at `path`, which is created when it is absent.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, SqlError> {
        let path = path.as_ref();
        create_private(path).map_err(|error| open_failed(path, error))?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_TIMEOUT)
            .foreign_keys(true)
            // What is erased is zeroed in the file, not only unlinked.
            .pragma("secure_delete", "ON")
            .disable_statement_logging();
        let writer = connect(&options)
            .await
            .map_err(|error| open_failed(path, error))?;
        Ok(Self::new(Some(path.to_owned()), options, writer))
    }

    /// Opens an empty database in memory; it is gone with its last handle.
    pub async fn memory() -> Result<Self, SqlError> {
        let options = SqliteConnectOptions::new()
            .in_memory(true)
            .foreign_keys(true)
            .disable_statement_logging();
        let writer = options.connect().await?;
        Ok(Self::new(None, options, writer))
    }

    /// Opens what `address` names: `sqlite:FILE`, `sqlite://FILE` or `sqlite::memory:`.
    pub async fn connect(address: &str) -> Result<Self, SqlError> {
        let rest = address
            .strip_prefix("sqlite:")
            .ok_or_else(|| SqlError::Address(address.to_owned()))?;
        match rest.strip_prefix("//").unwrap_or(rest) {
            "" => Err(SqlError::Address(address.to_owned())),
            ":memory:" => Self::memory().await,
            path => Self::open(path).await,
        }
    }

    fn new(path: Option<PathBuf>, options: SqliteConnectOptions, writer: SqliteConnection) -> Self {
        let (writer, idle, permits) = (
            Mutex::new(writer),
            SyncMutex::default(),
            Semaphore::new(READERS),
        );
        Self {
            inner: Arc::new(Inner {
                path,
                options,
                writer,
                idle,
                permits,
            }),
        }
    }

    /// The file; `None` for a database in memory.
    pub fn path(&self) -> Option<&Path> {
        self.inner.path.as_deref()
    }

    /// Brings the tables of `crate_name` to the last of `migrations`, pairs of version and SQL.
    /// All of it happens or nothing; a file that a newer program has migrated is refused.
    pub async fn migrate(
        &self,
        crate_name: &'static str,
        migrations: &[(&'static str, &'static str)],
    ) -> Result<(), SqlError> {
        let mut writer = self.writer().await;
        let mut transaction = writer.begin().await?;
        migrate::apply(&mut transaction, crate_name, migrations).await?;
        Ok(transaction.commit().await?)
    }

    /// The one connection that writes, as soon as whoever holds it lets go; first come, first served.
    pub async fn writer(&self) -> SqliteWriter<'_> {
        SqliteWriter(self.inner.writer.lock().await)
    }

    /// A connection that reads what is committed. In memory that is the writing connection: hold no
    /// [`SqliteWriter`] while asking for one.
    pub async fn reader(&self) -> Result<SqliteReader<'_>, SqlError> {
        let inner = &*self.inner;
        if inner.path.is_none() {
            return Ok(SqliteReader(Reader::Writer(inner.writer.lock().await)));
        }
        let permit = inner
            .permits
            .acquire()
            .await
            .map_err(|_| sqlx::Error::PoolClosed)?;
        let idle = inner
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        let connection = match idle {
            Some(connection) => connection,
            None => connect(&inner.options.clone().pragma("query_only", "ON")).await?,
        };
        Ok(SqliteReader(Reader::Own {
            connection: Some(connection),
            inner,
            _permit: permit,
        }))
    }
}

impl fmt::Debug for SqliteDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteDatabase")
            .field("path", &self.inner.path)
            .finish_non_exhaustive()
    }
}

/// The writing connection, held. Others wait until it is dropped.
pub struct SqliteWriter<'a>(MutexGuard<'a, SqliteConnection>);

impl SqliteWriter<'_> {
    /// Begins a transaction that holds the file's write lock from its start, so that what it reads cannot
    /// change before it commits.
    pub async fn begin(&mut self) -> Result<SqliteTransaction<'_>, SqlError> {
        Ok(self.0.begin_with("BEGIN IMMEDIATE").await?)
    }
}

/// The connection itself: a single statement is a transaction of its own.
impl Deref for SqliteWriter<'_> {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.0
    }
}

impl DerefMut for SqliteWriter<'_> {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.0
    }
}

/// A reading connection, held.
pub struct SqliteReader<'a>(Reader<'a>);

enum Reader<'a> {
    Own {
        connection: Option<SqliteConnection>,
        inner: &'a Inner,
        _permit: SemaphorePermit<'a>,
    },
    Writer(MutexGuard<'a, SqliteConnection>),
}

impl Deref for SqliteReader<'_> {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        match &self.0 {
            Reader::Own { connection, .. } => connection.as_ref().expect("present until dropped"),
            Reader::Writer(connection) => connection,
        }
    }
}

impl DerefMut for SqliteReader<'_> {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        match &mut self.0 {
            Reader::Own { connection, .. } => connection.as_mut().expect("present until dropped"),
            Reader::Writer(connection) => connection,
        }
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        if let Self::Own {
            connection, inner, ..
        } = self
        {
            inner
                .idle
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .extend(connection.take());
        }
    }
}

/// Switching a new file to WAL does not wait for others who do the same, so it is tried again.
async fn connect(options: &SqliteConnectOptions) -> Result<SqliteConnection, sqlx::Error> {
    let mut attempt = 1;
    loop {
        match options.connect().await {
            Err(error) if is_busy(&error) && attempt < OPEN_ATTEMPTS => {
                attempt += 1;
                // A thread's sleep, so that it passes under any clock. When the runtime ends, so does the wait.
                let _ = tokio::task::spawn_blocking(|| std::thread::sleep(OPEN_PAUSE)).await;
            }
            result => return result,
        }
    }
}

fn is_busy(error: &sqlx::Error) -> bool {
    let code = error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code);
    // The low byte of an extended code is the primary one; 5 is SQLITE_BUSY.
    code.and_then(|code| code.parse::<u32>().ok())
        .is_some_and(|code| code & 0xff == 5)
}

/// Makes the file before SQLite does, so that at no time it is readable by others; SQLite gives its
/// companion files the same mode.
fn create_private(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        result => result.map(drop),
    }
}

fn open_failed(path: &Path, error: impl fmt::Display) -> SqlError {
    SqlError::Open {
        path: path.to_owned(),
        reason: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[(&str, &str)] = &[(
        "0001",
        "CREATE TABLE t (x INTEGER PRIMARY KEY); CREATE TABLE c (x REFERENCES t (x))",
    )];

    struct Temporary {
        database: SqliteDatabase,
        folder: tempfile::TempDir,
    }

    async fn temporary() -> Temporary {
        let folder = tempfile::tempdir().unwrap();
        let database = SqliteDatabase::open(folder.path().join("t.db"))
            .await
            .unwrap();
        database.migrate("test", TABLE).await.unwrap();
        Temporary { database, folder }
    }

    async fn count(database: &SqliteDatabase) -> i64 {
        let mut reader = database.reader().await.unwrap();
        sqlx::query_scalar("SELECT count(*) FROM t")
            .fetch_one(&mut *reader)
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn a_file_is_private_and_durable() {
        let it = temporary().await;
        let mut writer = it.database.writer().await;
        let mut transaction = writer.begin().await.unwrap();
        for (pragma, expected) in [
            ("journal_mode", "wal"),
            ("synchronous", "2"),
            ("foreign_keys", "1"),
            ("secure_delete", "1"),
        ] {
            let query = sqlx::AssertSqlSafe(format!(
                "SELECT CAST({pragma} AS TEXT) FROM pragma_{pragma}"
            ));
            let value: String = sqlx::query_scalar(query)
                .fetch_one(&mut *transaction)
                .await
                .unwrap();
            assert_eq!(value, expected, "{pragma}");
        }
        sqlx::query("INSERT INTO c VALUES (7)")
            .execute(&mut *transaction)
            .await
            .unwrap_err();
        #[cfg(unix)]
        for name in ["t.db", "t.db-wal"] {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(it.folder.path().join(name))
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
    }

    #[tokio::test]
    async fn what_is_not_committed_is_gone_and_the_writer_goes_on() {
        for database in [temporary().await.database, memory().await] {
            for round in 0..3 {
                let mut writer = database.writer().await;
                let mut transaction = writer.begin().await.unwrap();
                sqlx::query("INSERT INTO t VALUES (?)")
                    .bind(round)
                    .execute(&mut *transaction)
                    .await
                    .unwrap();
                if round == 1 {
                    transaction.commit().await.unwrap();
                }
            }
            assert_eq!(count(&database).await, 1);
        }
    }

    async fn memory() -> SqliteDatabase {
        let database = SqliteDatabase::memory().await.unwrap();
        database.migrate("test", TABLE).await.unwrap();
        database
    }

    #[tokio::test]
    async fn readers_see_only_what_is_committed_and_cannot_write() {
        let it = temporary().await;
        let mut writer = it.database.writer().await;
        let mut transaction = writer.begin().await.unwrap();
        sqlx::query("INSERT INTO t VALUES (1)")
            .execute(&mut *transaction)
            .await
            .unwrap();
        assert_eq!(count(&it.database).await, 0);
        transaction.commit().await.unwrap();
        assert_eq!(count(&it.database).await, 1);
        let mut reader = it.database.reader().await.unwrap();
        sqlx::query("INSERT INTO t VALUES (2)")
            .execute(&mut *reader)
            .await
            .unwrap_err();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn many_tasks_read_and_write_over_two_handles_of_one_file() {
        let it = temporary().await;
        let other = SqliteDatabase::open(it.folder.path().join("t.db"))
            .await
            .unwrap();
        let tasks: Vec<_> = (0..40)
            .map(|n| {
                let database = if n % 2 == 0 {
                    it.database.clone()
                } else {
                    other.clone()
                };
                tokio::spawn(async move {
                    let mut writer = database.writer().await;
                    let mut transaction = writer.begin().await.unwrap();
                    sqlx::query("INSERT INTO t VALUES (?)")
                        .bind(n)
                        .execute(&mut *transaction)
                        .await
                        .unwrap();
                    transaction.commit().await.unwrap();
                    drop(writer);
                    count(&database).await
                })
            })
            .collect();
        for task in tasks {
            assert!(task.await.unwrap() >= 1);
        }
        assert_eq!(count(&other).await, 40);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_new_file_may_be_opened_by_many_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.db");
        let opening: Vec<_> = (0..8)
            .map(|_| {
                let path = path.clone();
                tokio::spawn(async move {
                    SqliteDatabase::open(path)
                        .await
                        .unwrap()
                        .migrate("test", TABLE)
                        .await
                })
            })
            .collect();
        for opened in opening {
            opened.await.unwrap().unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn paused_time_does_not_end_a_wait() {
        let it = temporary().await;
        let writer = it.database.writer().await;
        let waiting = tokio::spawn({
            let database = it.database.clone();
            async move { database.writer().await.begin().await.map(drop) }
        });
        drop(writer);
        waiting.await.unwrap().unwrap();
        assert_eq!(count(&it.database).await, 0);
    }

    #[tokio::test]
    async fn what_cannot_be_opened_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let text = folder.path().join("notes.txt");
        std::fs::write(
            &text,
            "not a database, but long enough to be looked at ".repeat(40),
        )
        .unwrap();
        let missing = folder.path().join("no/such/folder.db");
        for path in [text, missing] {
            let error = SqliteDatabase::open(&path).await.unwrap_err();
            assert!(
                error
                    .to_string()
                    .starts_with(&format!("database `{}` cannot be opened: ", path.display())),
                "{error}"
            );
        }
        for address in ["postgres://x", "sqlite:", "sqlite://", "llmteam.db"] {
            assert!(matches!(
                SqliteDatabase::connect(address).await,
                Err(SqlError::Address(_))
            ));
        }
        let address = format!("sqlite:{}", folder.path().join("a.db").display());
        assert!(
            SqliteDatabase::connect(&address)
                .await
                .unwrap()
                .path()
                .is_some()
        );
        assert!(
            SqliteDatabase::connect("sqlite::memory:")
                .await
                .unwrap()
                .path()
                .is_none()
        );
    }
}
