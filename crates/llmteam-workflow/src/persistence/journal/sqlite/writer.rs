//! Group commit: one task writes what all runs of the process add, as few commits as the disk allows.
//!
//! Invariant: a caller hears of success only after the commit that holds its entries. What cannot be written
//! together is written one by one, so that a refused run fails alone.

use std::collections::HashMap;

use llmteam_security::audit::{AuditError, AuditTrail, AuditTrails};
use llmteam_security::sql::{SqlError, SqliteDatabase};
use sqlx::{Row as _, SqliteConnection};
use tokio::sync::{mpsc, oneshot};

use super::statements::{self, Addition, Creation, MAX_ROWS, Row};
use crate::persistence::error::JournalError;

/// The most callers that one commit serves.
const MAX_JOBS: usize = 1024;

/// SQLite's code for a statement that a trigger has refused.
const REFUSED: &str = "1811";

/// The way to the writing task. The task ends with its last writer.
#[derive(Debug)]
pub(super) struct Writer {
    queue: mpsc::UnboundedSender<Job>,
}

/// What one caller waits for: the key of its run.
#[derive(Debug)]
struct Job {
    creation: Option<Creation>,
    addition: Addition,
    done: oneshot::Sender<Result<i64, JournalError>>,
}

impl Writer {
    /// Starts the task on the present tokio runtime.
    pub(super) fn start(database: SqliteDatabase, trails: Option<AuditTrails>) -> Self {
        let (queue, jobs) = mpsc::unbounded_channel();
        tokio::spawn(write_all(Store { database, trails }, jobs));
        Self { queue }
    }

    /// Returns once `addition` is on disk, and before it the run that `creation` creates. What was begun is
    /// finished even if the caller does not wait for it.
    pub(super) async fn write(
        &self,
        creation: Option<Creation>,
        addition: Addition,
    ) -> Result<i64, JournalError> {
        let gone = || JournalError::Unavailable("the journal's writer has stopped".to_owned());
        let (done, written) = oneshot::channel();
        let job = Job {
            creation,
            addition,
            done,
        };
        self.queue.send(job).map_err(|_| gone())?;
        written.await.map_err(|_| gone())?
    }
}

/// Where jobs are written, and the logs that say so.
struct Store {
    database: SqliteDatabase,
    trails: Option<AuditTrails>,
}

async fn write_all(store: Store, mut queue: mpsc::UnboundedReceiver<Job>) {
    let mut jobs = Vec::new();
    while queue.recv_many(&mut jobs, MAX_JOBS).await > 0 {
        // Whoever was woken by the last commit adds its next step right away: one commit for all of them.
        let mut before = 0;
        while before < jobs.len() && jobs.len() < MAX_JOBS {
            before = jobs.len();
            tokio::task::yield_now().await;
            while jobs.len() < MAX_JOBS
                && let Ok(job) = queue.try_recv()
            {
                jobs.push(job);
            }
        }
        for jobs in store.groups(std::mem::take(&mut jobs)) {
            commit(&store, jobs).await;
        }
    }
}

/// Why a commit did not happen.
enum Failure {
    /// An entry does not follow: the run has another owner, has ended, or is further on.
    Refused,
    /// The store failed.
    Store(JournalError),
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        let code = error
            .as_database_error()
            .and_then(sqlx::error::DatabaseError::code);
        if code.as_deref() == Some(REFUSED) {
            Self::Refused
        } else {
            Self::Store(super::unavailable(error))
        }
    }
}

impl From<SqlError> for Failure {
    fn from(error: SqlError) -> Self {
        match error {
            SqlError::Failed(error) => error.into(),
            other => Self::Store(super::unavailable(other)),
        }
    }
}

impl From<AuditError> for Failure {
    fn from(error: AuditError) -> Self {
        Self::Store(super::unavailable(error))
    }
}

impl From<JournalError> for Failure {
    fn from(error: JournalError) -> Self {
        Self::Store(error)
    }
}

/// Writes all jobs in one commit, or each in its own if one of them is refused.
async fn commit(store: &Store, mut jobs: Vec<Job>) {
    match store.write(&mut jobs).await {
        Ok(results) => answer(jobs, results),
        Err(Failure::Store(error)) => {
            let results = vec![Err(error); jobs.len()];
            answer(jobs, results);
        }
        Err(Failure::Refused) => {
            for job in jobs {
                let mut alone = vec![job];
                let result = match store.write(&mut alone).await {
                    Ok(results) => results,
                    Err(Failure::Refused) => {
                        vec![Err(reason(&store.database, &alone[0].addition).await)]
                    }
                    Err(Failure::Store(error)) => vec![Err(error)],
                };
                answer(alone, result);
            }
        }
    }
}

fn answer(jobs: Vec<Job>, results: Vec<Result<i64, JournalError>>) {
    for (job, result) in jobs.into_iter().zip(results) {
        // A caller that has gone away needs no answer.
        let _ = job.done.send(result);
    }
}

impl Store {
    /// What goes into one commit: everything, or what belongs to one tenant where there are logs to write.
    fn groups(&self, jobs: Vec<Job>) -> Vec<Vec<Job>> {
        if self.trails.is_none() {
            return vec![jobs];
        }
        let mut groups: Vec<Vec<Job>> = Vec::new();
        for job in jobs {
            let same = |group: &&mut Vec<Job>| group[0].addition.tenant == job.addition.tenant;
            match groups.iter_mut().find(same) {
                Some(group) => group.push(job),
                None => groups.push(vec![job]),
            }
        }
        groups
    }

    /// One commit, with an answer for each job.
    async fn write(&self, jobs: &mut [Job]) -> Result<Vec<Result<i64, JournalError>>, Failure> {
        let audited = jobs.iter().any(|it| !it.addition.audit.is_empty());
        if let (Some(trails), Some(first), true) = (&self.trails, jobs.first(), audited) {
            let trail = trails.of(&first.addition.tenant);
            return write_audited(&trail, jobs).await;
        }
        let mut writer = self.database.writer().await;
        let simple = jobs
            .iter()
            .all(|it| it.creation.is_none() && !it.addition.entries.is_empty());
        if simple && rows(jobs).count() <= MAX_ROWS {
            // A statement is a transaction of its own: one trip to the database instead of three.
            append(&mut writer, jobs).await?;
            return Ok(jobs.iter().map(|it| Ok(it.addition.key)).collect());
        }
        let mut transaction = writer.begin().await?;
        let taken = write_in(&mut transaction, jobs).await?;
        transaction.commit().await?;
        Ok(answers(jobs, &taken))
    }
}

/// The jobs of one tenant and what its log says of them, in one commit.
async fn write_audited(
    trail: &AuditTrail,
    jobs: &mut [Job],
) -> Result<Vec<Result<i64, JournalError>>, Failure> {
    let mut session = trail.session().await?;
    let mut unit = session.begin().await?;
    let connection = unit.sqlite().ok_or_else(|| {
        Failure::Store(super::unavailable("the audit logs are in another database"))
    })?;
    let taken = write_in(connection, jobs).await?;
    let kept = jobs.iter_mut().zip(&taken).filter(|(_, taken)| !**taken);
    let events = kept.flat_map(|(job, _)| job.addition.audit.clone());
    unit.audit_all_later(events.collect()).await?;
    unit.commit().await?;
    Ok(answers(jobs, &taken))
}

/// Writes all jobs in a transaction that was begun. Tells which came too late to create their run.
async fn write_in(
    connection: &mut SqliteConnection,
    jobs: &mut [Job],
) -> Result<Vec<bool>, Failure> {
    let taken = create(connection, jobs).await?;
    append(connection, jobs).await?;
    for job in jobs.iter() {
        if job.creation.is_none() && job.addition.entries.is_empty() {
            let updated = job.addition.update()?.execute(&mut *connection).await?;
            if updated.rows_affected() == 0 {
                return Err(Failure::Refused);
            }
        }
    }
    Ok(taken)
}

fn answers(jobs: &[Job], taken: &[bool]) -> Vec<Result<i64, JournalError>> {
    let answer = |(job, taken): (&Job, &bool)| {
        let run = job.addition.run.clone();
        if *taken {
            Err(JournalError::RunExists { run })
        } else {
            Ok(job.addition.key)
        }
    };
    jobs.iter().zip(taken).map(answer).collect()
}

/// The entries of all jobs whose run is there, in order.
fn rows(jobs: &[Job]) -> impl Iterator<Item = (&Addition, &Row)> {
    let additions = jobs
        .iter()
        .map(|it| &it.addition)
        .filter(|it| it.key != NO_KEY);
    additions.flat_map(|it| it.entries.iter().map(move |row| (it, row)))
}

async fn append(connection: &mut SqliteConnection, jobs: &[Job]) -> Result<(), Failure> {
    let rows: Vec<_> = rows(jobs).collect();
    for rows in rows.chunks(MAX_ROWS) {
        statements::append(rows)?.execute(&mut *connection).await?;
    }
    Ok(())
}

/// The key of a run that is not there yet.
pub(super) const NO_KEY: i64 = 0;

/// Creates the runs of those jobs that want it, and gives them their keys. Tells which jobs came too late.
async fn create(connection: &mut SqliteConnection, jobs: &mut [Job]) -> Result<Vec<bool>, Failure> {
    let creations: Vec<&Creation> = jobs.iter().filter_map(|it| it.creation.as_ref()).collect();
    let mut keys = HashMap::new();
    for creations in creations.chunks(MAX_ROWS) {
        let created = statements::create(creations)?
            .fetch_all(&mut *connection)
            .await?;
        for row in created {
            let id: (String, String) = (row.try_get(1)?, row.try_get(2)?);
            keys.insert(id, row.try_get::<i64, _>(0)?);
        }
    }
    let taken = jobs.iter_mut().map(|job| {
        let Some(creation) = &job.creation else {
            return false;
        };
        let id = (
            creation.run.tenant.as_str().to_owned(),
            creation.run.run.as_str().to_owned(),
        );
        // Of two jobs that create the same run, the first has it.
        job.addition.key = keys.remove(&id).unwrap_or(NO_KEY);
        job.addition.key == NO_KEY
    });
    Ok(taken.collect())
}

/// Why an addition was refused.
async fn reason(database: &SqliteDatabase, addition: &Addition) -> JournalError {
    let run = addition.run.clone();
    let row = {
        let mut writer = database.writer().await;
        sqlx::query("SELECT epoch, ended, next_index FROM runs WHERE run_key = ?")
            .bind(addition.key)
            .fetch_optional(&mut *writer)
            .await
    };
    let found = row.and_then(|row| {
        let read = |row: sqlx::sqlite::SqliteRow| {
            Ok::<_, sqlx::Error>((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?))
        };
        row.map(read).transpose()
    });
    let (epoch, ended, next): (i64, bool, i64) = match found {
        Ok(Some(found)) => found,
        Ok(None) => return JournalError::RunNotFound { run },
        Err(error) => return super::unavailable(error),
    };
    if epoch != addition.epoch {
        let epoch = addition.epoch.unsigned_abs();
        return JournalError::Fenced { run, epoch };
    }
    if ended {
        return JournalError::RunEnded { run };
    }
    JournalError::Gap {
        run,
        expected: next.unsigned_abs(),
        found: addition
            .entries
            .first()
            .map_or(0, |it| it.index.unsigned_abs()),
    }
}
