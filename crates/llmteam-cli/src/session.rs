//! One database handle, the stores on it, and the runner over them.
//!
//! Resources of the configuration are made only for commands that run steps.

use std::sync::Arc;
use std::time::Duration;

use llmteam::audit::{AuditSequencer, AuditTrail, AuditTrails, SqliteAuditStore};
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
use llmteam::tenancy::{
    MemoryTenantStore, SqliteTenantStore, TenantConfig, TenantError, TenantManager, TenantStore,
    TenantTier,
};
use tokio::sync::watch;

use crate::args::Place;
use crate::config::{self, Config};
use crate::error::CliError;

const DEFAULT_DATABASE: &str = "sqlite:llmteam.db";
/// The tenant that a local database makes by itself.
const LOCAL_TENANT: &str = "default";
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
    pub(crate) tenants: TenantManager,
    database: Option<SqliteDatabase>,
    logs: Option<Logs>,
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
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let logs = match &database {
            Some(database) => Some(Logs::open(database, &clock, &place.tenant).await?),
            None => None,
        };
        let trails = logs.as_ref().map(|it| it.trails.clone());
        let tenants = tenants(database.as_ref(), trails.as_ref(), &clock).await?;
        enter(&tenants, &place.tenant).await?;
        let stores = Stores::open(database.as_ref(), trails).await?;
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
            tenants,
            database,
            logs,
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

    /// The audit log of the tenant.
    pub(crate) fn trail(&self) -> Result<AuditTrail, CliError> {
        let logs = self.logs.as_ref().ok_or(CliError::NoAuditLog)?;
        Ok(logs.trails.of(&self.tenant))
    }

    /// Appends what still waits to the audit log. What this process does not manage the next one does.
    pub(crate) async fn settle(&self) {
        if let Some(logs) = &self.logs
            && let Err(error) = logs.trails.of(&self.tenant).flush().await
        {
            eprintln!("warning: the audit log is behind: {error}");
        }
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
    async fn open(
        database: Option<&SqliteDatabase>,
        trails: Option<AuditTrails>,
    ) -> Result<Self, CliError> {
        Ok(match database.zip(trails) {
            None => Self {
                journal: Arc::new(MemoryJournal::default()),
                snapshots: Arc::new(MemorySnapshotStore::default()),
                interactions: Arc::new(MemoryInteractionStore::default()),
            },
            Some((database, trails)) => Self {
                journal: Arc::new(
                    SqliteJournal::open_audited(database.clone(), trails.clone()).await?,
                ),
                snapshots: Arc::new(SqliteSnapshotStore::open(database.clone()).await?),
                interactions: Arc::new(
                    SqliteInteractionStore::open_audited(database.clone(), trails).await?,
                ),
            },
        })
    }
}

/// The audit logs, and the task that appends to them what runs put aside.
struct Logs {
    trails: AuditTrails,
    /// Ends the task when it is dropped.
    _stop: watch::Sender<bool>,
}

impl Logs {
    async fn open(
        database: &SqliteDatabase,
        clock: &Arc<dyn Clock>,
        tenant: &TenantId,
    ) -> Result<Self, CliError> {
        let store = Arc::new(SqliteAuditStore::open(database.clone()).await?);
        let trails = AuditTrails::new(store, Arc::clone(clock));
        let (stop, stopped) = watch::channel(false);
        let sequencer = AuditSequencer::new(vec![trails.of(tenant)], Arc::clone(clock));
        tokio::spawn(sequencer.run(stopped));
        Ok(Self {
            trails,
            _stop: stop,
        })
    }
}

async fn tenants(
    database: Option<&SqliteDatabase>,
    trails: Option<&AuditTrails>,
    clock: &Arc<dyn Clock>,
) -> Result<TenantManager, CliError> {
    let store: Arc<dyn TenantStore> = match database.zip(trails) {
        Some((database, trails)) => {
            Arc::new(SqliteTenantStore::open_audited(database.clone(), trails.clone()).await?)
        }
        None => Arc::new(MemoryTenantStore::default()),
    };
    Ok(TenantManager::new(store, Arc::clone(clock)))
}

/// Refuses a tenant that is not there or not active. The tenant of a local database is made at its first use.
async fn enter(tenants: &TenantManager, tenant: &TenantId) -> Result<(), CliError> {
    match tenants.get_tenant(tenant).await {
        Err(TenantError::NotFound { .. }) if tenant.as_str() == LOCAL_TENANT => {
            let mut config = TenantConfig::new(tenant.clone(), "Local");
            config.tier = TenantTier::Enterprise;
            match tenants.create_tenant(config).await {
                // Another process was first, or it was deleted.
                Err(TenantError::AlreadyExists { .. }) => {
                    Ok(tenants.get_tenant(tenant).await.map(drop)?)
                }
                made => Ok(made.map(drop)?),
            }
        }
        found => Ok(found.map(drop)?),
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
