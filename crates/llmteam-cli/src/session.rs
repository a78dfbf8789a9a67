//! One database handle, the stores on it, and the runner over them.
//!
//! Resources of the configuration are made only for commands that run steps.

use std::sync::Arc;
use std::time::Duration;

use llmteam::canvas::definition::SegmentDefinition;
use llmteam::canvas::runner::SegmentRunner;
use llmteam::clock::{Clock, SystemClock};
use llmteam::human::{
    HumanInteractionManager, InteractionStore, MemoryInteractionStore, SqliteInteractionStore,
};
use llmteam::id::{RunId, TenantId};
use llmteam::persistence::{
    Journal, MemoryJournal, MemorySnapshotStore, RunRow, SnapshotStore, SqliteJournal,
    SqliteSnapshotStore,
};
use llmteam::runtime::{RuntimeContext, RuntimeContextManager};
use llmteam::sql::SqliteDatabase;

use crate::args::Place;
use crate::config::{self, Config};
use crate::error::CliError;

const DEFAULT_DATABASE: &str = "sqlite:llmteam.db";
const MEMORY: &str = "memory:";
/// How often a run looks for answers given by other processes while it works.
const INBOX_POLL: Duration = Duration::from_millis(250);

/// What every command on runs works with.
pub(crate) struct Session {
    pub(crate) config: Config,
    pub(crate) tenant: TenantId,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) interactions: Arc<HumanInteractionManager>,
    pub(crate) runner: SegmentRunner,
    database: Option<SqliteDatabase>,
    place: Place,
}

struct Stores {
    journal: Arc<dyn Journal>,
    snapshots: Arc<dyn SnapshotStore>,
    interactions: Arc<dyn InteractionStore>,
}

impl Session {
    /// Reads the configuration and opens the stores.
    pub(crate) async fn open(place: &Place) -> Result<Self, CliError> {
        let config = Config::load(place.config.as_deref())?;
        let address = place
            .db
            .as_deref()
            .or(config.database.as_deref())
            .unwrap_or(DEFAULT_DATABASE);
        let database = match address {
            MEMORY => None,
            address => Some(connect(address).await?),
        };
        let stores = Stores::open(database.as_ref()).await?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let interactions = Arc::new(HumanInteractionManager::new(
            stores.interactions,
            Arc::clone(&clock),
        ));
        let runner = SegmentRunner::builder()
            .clock(Arc::clone(&clock))
            .journal(Arc::clone(&stores.journal))
            .snapshots(stores.snapshots)
            .interactions(Arc::clone(&interactions))
            .inbox_poll(INBOX_POLL)
            .build();
        Ok(Self {
            config,
            tenant: place.tenant.clone(),
            clock,
            journal: stores.journal,
            interactions,
            runner,
            database,
            place: place.clone(),
        })
    }

    /// Everything the configuration lets runs reach.
    pub(crate) async fn resources(&self) -> Result<RuntimeContextManager, CliError> {
        config::resources(
            &self.config,
            &self.tenant,
            &self.clock,
            self.database.as_ref(),
        )
        .await
    }

    /// Whether runs outlive this process.
    pub(crate) fn is_durable(&self) -> bool {
        self.database.is_some()
    }

    /// The row of a run.
    pub(crate) async fn row(&self, run: &RunId) -> Result<RunRow, CliError> {
        let row = self.journal.run(&self.tenant, run).await?;
        row.ok_or_else(|| llmteam::canvas::runner::RunnerError::RunNotFound(run.clone()).into())
    }

    /// Refuses to go on with a run whose steps name models or clients that are not configured: its steps
    /// would fail for good where another configuration lets them go on.
    pub(crate) async fn check_resources(
        &self,
        row: &RunRow,
        runtime: &RuntimeContext,
    ) -> Result<(), CliError> {
        let Some(body) = self
            .journal
            .definition(&self.tenant, &row.definition)
            .await?
        else {
            return Ok(());
        };
        let Ok(segment) = SegmentDefinition::from_json(&body) else {
            return Ok(());
        };
        let missing = missing(&segment, runtime);
        if missing.is_empty() {
            return Ok(());
        }
        let mut place = self.place.clone();
        place.config = Some("FILE".into());
        let hint = format!(
            "name the configuration the run began with: llmteam resume {}{}",
            row.run,
            options(&place)
        );
        Err(CliError::ResourcesMissing {
            run: row.run.clone(),
            missing,
            hint,
        })
    }

    /// A command that works on the same database with the same configuration.
    pub(crate) fn command(&self, words: &str) -> String {
        format!("llmteam {words}{}", options(&self.place))
    }
}

async fn connect(address: &str) -> Result<SqliteDatabase, CliError> {
    if !address.starts_with("sqlite:") {
        let message = format!("`{address}` is not a database; write `sqlite:FILE` or `memory:`");
        return Err(CliError::usage(message));
    }
    Ok(SqliteDatabase::connect(address).await?)
}

impl Stores {
    async fn open(database: Option<&SqliteDatabase>) -> Result<Self, CliError> {
        Ok(match database {
            None => Self {
                journal: Arc::new(MemoryJournal::default()),
                snapshots: Arc::new(MemorySnapshotStore::default()),
                interactions: Arc::new(MemoryInteractionStore::default()),
            },
            Some(database) => Self {
                journal: Arc::new(SqliteJournal::open(database.clone()).await?),
                snapshots: Arc::new(SqliteSnapshotStore::open(database.clone()).await?),
                interactions: Arc::new(SqliteInteractionStore::open(database.clone()).await?),
            },
        })
    }
}

/// The models and clients that steps name and the runtime does not have.
fn missing(segment: &SegmentDefinition, runtime: &RuntimeContext) -> Vec<String> {
    let mut missing = Vec::new();
    for step in &segment.steps {
        let named = |key: &str| step.config.get(key).and_then(serde_json::Value::as_str);
        let lacking = match step.step_type.as_str() {
            "llm_agent" => named("llm_ref")
                .or_else(|| named("model"))
                .filter(|it| !runtime.llms().has(it))
                .map(|it| format!("`llm.{it}`")),
            "http_action" => named("client_ref")
                .filter(|it| !runtime.clients().has(it))
                .map(|it| format!("`http.{it}`")),
            _ => None,
        };
        missing.extend(lacking.filter(|it| !missing.contains(it)));
    }
    missing
}

/// The options that name a place, for a command somebody copies.
fn options(place: &Place) -> String {
    let mut options = String::new();
    if let Some(config) = &place.config {
        options += &format!(" --config {}", quoted(&config.display().to_string()));
    }
    if let Some(db) = &place.db {
        options += &format!(" --db {}", quoted(db));
    }
    if place.tenant.as_str() != "default" {
        options += &format!(" --tenant {}", place.tenant);
    }
    options
}

/// A word as a shell reads it back.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/:=,@%+".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}
