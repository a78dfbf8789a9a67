//! One case being run: its stores, the processes over them, the control actions, and what came of it.

use super::case::{Case, CaseFile};
use super::engine::case_types;
use super::observed::{Observed, Seen};
use super::script::Script;
use super::surroundings::{Snapshots, Surroundings, with_numbered_keys};
use llmteam::canvas::catalog::StepCatalog;
use llmteam::canvas::definition::SegmentDefinition;
use llmteam::canvas::machine::RunSettings;
use llmteam::canvas::runner::{RunConfig, RunHandle, RunnerError, SegmentRunner, StartedOnce};
use llmteam::clock::{Clock, ManualClock, Timestamp, Wake};
use llmteam::events::{EventStream, WorktrailEvent};
use llmteam::human::{
    HumanInteractionManager, InteractionFilter, InteractionRequest, MemoryInteractionStore,
};
use llmteam::id::{InstanceId, RunId, TenantId};
use llmteam::persistence::{Journal, MemoryJournal, SnapshotStore};
use llmteam::runtime::RuntimeContext;
use serde_json::{Map, Value, json};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::task::JoinHandle;

/// 2023-11-14T22:13:20Z: when every case begins.
const BEGINNING: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);
/// More instants than any case has; a run that never comes to rest is told apart by it.
const MAX_INSTANTS: u32 = 100_000;

/// Everything of a case that outlives a process.
pub(super) struct Stage {
    case: Case,
    segment: SegmentDefinition,
    clock: ManualClock,
    journal: Arc<MemoryJournal>,
    inbox: Arc<MemoryInteractionStore>,
    people: Arc<HumanInteractionManager>,
    snapshots: Arc<Snapshots>,
    surroundings: Surroundings,
    script: Arc<Script>,
    catalog: StepCatalog,
    tenant: TenantId,
    run_id: RunId,
    present: Mutex<Present>,
}

/// The process of the moment.
struct Present {
    runner: SegmentRunner,
    /// Where the run's events are; another process than the present one may have driven it last.
    events: Option<EventStream>,
    /// The task of the run.
    run: Option<RunHandle>,
    /// The snapshot that the run was paused with last.
    snapshot: Option<String>,
}

impl Stage {
    pub(super) async fn of(file: &CaseFile, case: &Case) -> Result<Arc<Self>, String> {
        let clock = ManualClock::new(BEGINNING);
        let inbox = Arc::new(MemoryInteractionStore::default());
        let people = Arc::new(HumanInteractionManager::new(
            Arc::clone(&inbox) as _,
            Arc::new(clock.clone()),
        ));
        let tenant: TenantId = "default".parse().map_err(text)?;
        let script = Arc::new(Script::new(case, clock.clone(), Arc::clone(&people)));
        let segment = SegmentDefinition::from_json(file.segment_of(case).to_string())
            .map_err(|faults| faults.first().map(text).unwrap_or_default())?;
        let catalog = script.catalog(&case_types(file, case), &segment);
        let surroundings = Surroundings::of(case, &tenant).await?;
        let snapshots = Arc::new(Snapshots::of(case));
        let journal = Arc::new(MemoryJournal::default());
        let runner = process(&clock, &catalog, &journal, &inbox, &snapshots);
        Ok(Arc::new(Self {
            case: case.clone(),
            segment,
            clock,
            journal,
            inbox,
            people,
            snapshots,
            surroundings,
            script,
            catalog,
            tenant,
            run_id: "run-1".parse().map_err(text)?,
            present: Mutex::new(Present {
                events: runner.events().cloned(),
                runner,
                run: None,
                snapshot: None,
            }),
        }))
    }

    /// Runs the case to its end.
    pub(super) async fn play(self: Arc<Self>) -> Result<Observed, String> {
        let runner = self.runner();
        let started = async {
            let prepared = runner.prepare(&self.segment)?;
            let config = self.config(&self.case.run);
            let input = self.case.input.clone();
            runner
                .start(
                    &prepared,
                    self.runtime(),
                    input,
                    config.map_err(RunnerError::from)?,
                )
                .await
        };
        match started.await {
            Ok(handle) => self.follow(handle),
            Err(RunnerError::Refused(_) | RunnerError::InputNotObject) => {
                return Ok(Observed {
                    status: "refused".to_owned(),
                    ..Observed::default()
                });
            }
            Err(error) => return Err(error.to_string()),
        }
        let mut controls = self.case.control.clone();
        controls.sort_by_key(|control| control["at_ms"].as_u64());
        let controls: Vec<JoinHandle<()>> = controls
            .into_iter()
            .map(|control| tokio::spawn(Arc::clone(&self).control(control)))
            .collect();
        self.pass_time().await?;
        for control in controls {
            if !control.is_finished() {
                return Err("a control action never returned".to_owned());
            }
            control.await.map_err(text)?;
        }
        self.observe().await
    }

    /// Moves from instant to instant until nobody waits for one.
    async fn pass_time(&self) -> Result<(), String> {
        self.clock.advance_to(self.clock.now()).await;
        for _ in 0..MAX_INSTANTS {
            let deadline = self.deadline_of_pause().await?;
            let Some(next) = self.clock.next_wake().into_iter().chain(deadline).min() else {
                return Ok(());
            };
            self.clock.advance_to(next).await;
            if deadline == Some(next) && self.deadline_of_pause().await? == deadline {
                let fired = self.people.process_due(next, usize::MAX).await;
                fired.map_err(text)?;
            }
        }
        Err("the run does not come to rest".to_owned())
    }

    /// The next human deadline while the run is paused: a host keeps it then, since the run does not.
    async fn deadline_of_pause(&self) -> Result<Option<Timestamp>, String> {
        if !self.runner().is_paused(&self.tenant, &self.run_id) {
            return Ok(None);
        }
        let next = self.people.next_deadline(&self.tenant, &self.run_id);
        next.await.map_err(text)
    }

    fn present(&self) -> MutexGuard<'_, Present> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn runner(&self) -> SegmentRunner {
        self.present().runner.clone()
    }

    /// A process that knows only what is stored.
    fn new_process(&self) {
        self.present().runner = process(
            &self.clock,
            &self.catalog,
            &self.journal,
            &self.inbox,
            &self.snapshots,
        );
    }

    fn runtime(&self) -> RuntimeContext {
        let clock = Arc::new(self.clock.clone());
        let builder = RuntimeContext::builder(self.tenant.clone(), clock)
            .run_id(self.run_id.clone())
            .llms(self.surroundings.llms.clone())
            .clients(self.surroundings.clients.clone())
            .stores(self.surroundings.stores.clone());
        if self.callbacks_fail() {
            return builder
                .on_step_start(|_| fail())
                .on_step_complete(|_| fail())
                .on_step_error(|_| fail())
                .on_event(|_| fail())
                .build();
        }
        builder.build()
    }

    fn callbacks_fail(&self) -> bool {
        self.case.faults.iter().any(|fault| fault == "callbacks")
    }

    fn config(&self, run: &Map<String, Value>) -> Result<RunConfig, serde_json::Error> {
        let mut config = RunConfig {
            settings: settings(run)?,
            collect_events: true,
            ..RunConfig::default()
        };
        if self.callbacks_fail() {
            config.on_step_start = Some(Arc::new(|_, _| Box::pin(async { fail() })));
            config.on_step_complete = Some(Arc::new(|_, _| Box::pin(async { fail() })));
            config.on_step_error = Some(Arc::new(|_, _| Box::pin(async { fail() })));
        }
        Ok(config)
    }

    /// The run goes on in the present process.
    fn follow(&self, handle: RunHandle) {
        let mut present = self.present();
        present.events = present.runner.events().cloned();
        present.run = Some(handle);
    }

    /// Learns which snapshot holds the run, if one does.
    async fn learn_snapshot(&self) -> Result<Option<String>, RunnerError> {
        let row = self.runner().stored(&self.tenant, &self.run_id).await?;
        let held = row.and_then(|row| row.summary);
        let held = held.and_then(|it| it["snapshot_id"].as_str().map(str::to_owned));
        let mut present = self.present();
        present.snapshot = held.or(present.snapshot.take());
        Ok(present.snapshot.clone())
    }

    /// One control action at its time.
    async fn control(self: Arc<Self>, control: Value) {
        let at = control["at_ms"].as_u64().unwrap_or(0);
        let due = BEGINNING.saturating_add(Duration::from_millis(at));
        self.clock.sleep_until(due, Wake::Work).await;
        let action = control["do"].as_str().unwrap_or_default();
        let found = match self.act(action, &control).await {
            Ok(found) => found,
            Err(error) => name_of(&error).to_owned(),
        };
        let expected = ["is", "status"]
            .iter()
            .find_map(|key| control[*key].as_str());
        if let Some(expected) = expected {
            self.script
                .check(format!("{action} at {at} ms"), expected, found);
        }
    }

    async fn act(&self, action: &str, control: &Value) -> Result<String, RunnerError> {
        if control["new_process"] == true {
            self.new_process();
        }
        let runner = self.runner();
        let snapshot = self.learn_snapshot().await?;
        let other = |key: &str| control[key].as_str().unwrap_or_default().parse();
        let tenant = other("tenant").unwrap_or_else(|_| self.tenant.clone());
        match action {
            "pause" => {
                let paused = runner.pause(&tenant, &self.run_id).await?;
                Ok(match paused {
                    None => "none",
                    Some(id) if Some(&id) == snapshot.as_ref() => "same snapshot",
                    Some(_) => "snapshot",
                }
                .to_owned())
            }
            "resume" => {
                let named = control["snapshot"].as_str().map(str::to_owned);
                let snapshot = named.or(snapshot).unwrap_or_default();
                let instance: Option<InstanceId> = control["instance"]
                    .as_str()
                    .and_then(|instance| instance.parse().ok());
                let runtime = self.runtime().copy(|it| match instance {
                    Some(instance) => it.tenant_id(tenant).instance_id(instance),
                    None => it.tenant_id(tenant),
                });
                let config = match control["run"].as_object() {
                    Some(run) => Some(self.config(run)?),
                    None => None,
                };
                let settings = config.as_ref().map(|it| it.settings.clone());
                let handle = runner
                    .resume(&snapshot, runtime, config.unwrap_or_default(), settings)
                    .await?;
                self.follow(handle);
                Ok("resumed".to_owned())
            }
            "cancel" => {
                let cancelled = runner.cancel(&tenant, &self.run_id, "the case", false);
                let cancelled = cancelled.await?;
                if cancelled {
                    self.present().events = runner.events().cloned();
                }
                Ok(cancelled.to_string())
            }
            "expect_status" => {
                let told = runner.get_status(&tenant, &self.run_id);
                let kept = runner.stored(&tenant, &self.run_id).await?;
                let status = told.or(kept.map(|row| row.state));
                Ok(status.map_or_else(|| "unknown".to_owned(), |it| it.to_string()))
            }
            "tamper" => {
                self.snapshots.damage();
                Ok("done".to_owned())
            }
            "crash" => {
                if let Some(run) = self.present().run.take() {
                    run.abort();
                }
                self.new_process();
                Ok("done".to_owned())
            }
            "recover" => {
                let config = self.config(&self.case.run)?;
                let handle = runner.recover(&self.run_id, self.runtime(), config).await?;
                self.follow(handle);
                Ok("recovered".to_owned())
            }
            "run_again" => {
                self.run_beside(self.segment.clone(), self.run_id.clone())
                    .await
            }
            "run_other" => {
                let definition = control["segment"].to_string();
                match (SegmentDefinition::from_json(&definition), "run-2".parse()) {
                    (Ok(segment), Ok(run_id)) => self.run_beside(segment, run_id).await,
                    _ => Ok("unreadable".to_owned()),
                }
            }
            "run_once" => self.run_once(control).await,
            _ => Ok("unknown action".to_owned()),
        }
    }

    /// A start under a key, of a run of its own: `started`, or the run that the key has started before.
    async fn run_once(&self, control: &Value) -> Result<String, RunnerError> {
        let text = |key: &str| control[key].as_str().unwrap_or_default();
        let Ok(run_id) = text("run_id").parse::<RunId>() else {
            return Ok("unreadable".to_owned());
        };
        let runtime = self.runtime().copy(|it| {
            it.instance_id(InstanceId::from(run_id.clone()))
                .run_id(run_id)
        });
        let runner = self.runner();
        let segment = runner.prepare(&self.segment)?;
        let input = control.get("input").unwrap_or(&self.case.input).clone();
        let config = self.config(&self.case.run)?;
        let started = runner.start_once(text("key"), &segment, runtime, input, config);
        Ok(match started.await? {
            StartedOnce::Started(_) => "started".to_owned(),
            StartedOnce::Known(row) => format!("{} {}", row.run, row.state),
        })
    }

    /// Another run in the same process; the status it comes to.
    async fn run_beside(
        &self,
        segment: SegmentDefinition,
        run_id: RunId,
    ) -> Result<String, RunnerError> {
        let runtime = self.runtime().copy(|it| {
            it.instance_id(InstanceId::from(run_id.clone()))
                .run_id(run_id)
        });
        let config = self.config(&self.case.run)?;
        let runner = self.runner();
        let result = runner.run(&segment, runtime, self.case.input.clone(), config);
        Ok(result.await?.status.to_string())
    }

    /// What can be seen of the run from outside, now that it is at rest.
    async fn observe(&self) -> Result<Observed, String> {
        let runner = self.runner();
        let row = runner
            .stored(&self.tenant, &self.run_id)
            .await
            .map_err(text)?;
        let row = row.ok_or("the run is not in the journal")?;
        let result = row
            .summary
            .ok_or_else(|| format!("the run came to no result: {}", row.state))?;
        let stream = self
            .present()
            .events
            .clone()
            .ok_or("there is no event stream")?;
        let events = stream.get_history(&self.tenant, &self.run_id).await;
        let events: Vec<Seen> = events
            .map_err(text)?
            .iter()
            .map(|it| Seen::from(&**it))
            .collect();
        let run = self.present().run.take();
        if let Some(run) = run {
            let mut joined = run.join().await.map_err(text)?;
            let collected = std::mem::take(&mut joined.events);
            self.check_result(
                &result,
                &joined.to_value().map_err(text)?,
                &events,
                &collected,
            );
        }
        let filter = InteractionFilter {
            run: Some(self.run_id.clone()),
            ..InteractionFilter::default()
        };
        let mut requests = self
            .people
            .list(&self.tenant, &filter)
            .await
            .map_err(text)?;
        requests.sort_by(|a, b| (a.created_at, &a.request_id).cmp(&(b.created_at, &b.request_id)));
        let count = |key: &str| result[key].as_u64().unwrap_or_default();
        let error = Some(result["error"].clone()).filter(|error| !error.is_null());
        let http_calls = self.surroundings.http_calls().into_iter();
        Ok(Observed {
            status: result["status"].as_str().unwrap_or_default().to_owned(),
            output: result["output"].clone(),
            error_type: error
                .as_ref()
                .and_then(|error| error["error_type"].as_str())
                .map(str::to_owned),
            error,
            current_step: result["current_step"].as_str().map(str::to_owned),
            events,
            steps_completed: count("steps_completed"),
            steps_failed: count("steps_failed"),
            steps_skipped: count("steps_skipped"),
            steps_total: result["steps_total"].as_u64(),
            duration_ms: count("duration_ms"),
            checks: self.script.take_checks(),
            requests: Some(requests.iter().map(request).collect()),
            llm_calls: Some(self.surroundings.llm_calls()),
            http_calls: Some(
                http_calls
                    .map(|(name, calls)| (name, with_numbered_keys(calls)))
                    .collect(),
            ),
            stores: Some(self.surroundings.stored().await?),
            messages: None,
            is_valid: None,
        })
    }

    /// The result that a caller got is the one that is stored, and its events those of the stream.
    fn check_result(
        &self,
        stored: &Value,
        joined: &Value,
        events: &[Seen],
        collected: &[Arc<WorktrailEvent>],
    ) {
        if joined["status"] == stored["status"] {
            self.script.check(
                "the stored result".to_owned(),
                &joined.to_string(),
                stored.to_string(),
            );
            if !collected.is_empty() {
                let collected: Vec<Seen> = collected.iter().map(|it| Seen::from(&**it)).collect();
                self.script.check(
                    "the collected events".to_owned(),
                    &format!("{events:?}"),
                    format!("{collected:?}"),
                );
            }
        }
    }
}

fn process(
    clock: &ManualClock,
    catalog: &StepCatalog,
    journal: &Arc<MemoryJournal>,
    inbox: &Arc<MemoryInteractionStore>,
    snapshots: &Arc<Snapshots>,
) -> SegmentRunner {
    let time: Arc<dyn Clock> = Arc::new(clock.clone());
    let people = HumanInteractionManager::new(Arc::clone(inbox) as _, Arc::clone(&time));
    SegmentRunner::builder()
        .catalog(catalog.clone())
        .clock(time)
        .journal(Arc::clone(journal) as Arc<dyn Journal>)
        .interactions(Arc::new(people))
        .snapshots(Arc::clone(snapshots) as Arc<dyn SnapshotStore>)
        .events(EventStream::default())
        .build()
}

#[expect(clippy::panic, reason = "a callback that fails, as the case asks for")]
fn fail() {
    panic!("this callback fails");
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the shape that `map_err` wants"
)]
fn text(error: impl ToString) -> String {
    error.to_string()
}

/// `run` of a case; its keys are those of the run configuration, times in milliseconds.
fn settings(run: &Map<String, Value>) -> Result<RunSettings, serde_json::Error> {
    let mut settings = RunSettings::default();
    for (key, value) in run {
        let whole = || value.as_u64().unwrap_or_default();
        let span = || Duration::from_millis(whole());
        let small = || u32::try_from(whole()).unwrap_or(u32::MAX);
        match key.as_str() {
            "timeout_ms" => settings.timeout = Some(span()),
            "max_retries" => settings.max_retries = Some(small()),
            "retry_delay_ms" => settings.retry_delay = span(),
            "retry_backoff" => settings.retry_backoff = value.as_f64().unwrap_or_default(),
            "max_retry_delay_ms" => settings.max_retry_delay = span(),
            "max_parallel_steps" => settings.max_parallel_steps = small(),
            "snapshot_interval" => settings.snapshot_interval = small(),
            "emit_data_events" => settings.emit_data_events = *value == true,
            key => {
                let unknown = format!("`run` has the unknown key `{key}`");
                return Err(serde::de::Error::custom(unknown));
            }
        }
    }
    Ok(settings)
}

/// The word of cases for a refusal.
fn name_of(error: &RunnerError) -> &'static str {
    match error {
        RunnerError::RunAlreadyExists(_) => "RunAlreadyExistsError",
        RunnerError::RunNotFound(_) => "RunNotFound",
        RunnerError::KeyConflict { .. } => "KeyConflict",
        RunnerError::SnapshotNotFound(_) => "SnapshotNotFoundError",
        RunnerError::SnapshotConsumed(_) => "SnapshotConsumedError",
        RunnerError::SnapshotIntegrity(_) => "SnapshotIntegrityError",
        _ => "error",
    }
}

fn request(request: &InteractionRequest) -> Value {
    let options = request.options.iter();
    let chain = request.escalation_chain.iter();
    json!({
        "tenant_id": request.tenant,
        "segment_id": request.segment,
        "step_id": request.step,
        "interaction_type": request.interaction_type.to_string(),
        "title": request.title,
        "description": request.description,
        "context_data": request.context_data,
        "assignee_id": request.assignee_id,
        "assignee_group": request.assignee_group,
        "timeout_ms": u64::try_from(request.timeout.as_millis()).unwrap_or(u64::MAX),
        "priority": request.priority.as_str(),
        "escalation_chain": chain.map(ToString::to_string).collect::<Vec<_>>(),
        "options": options.map(|it| json!({"id": it.id, "label": it.label})).collect::<Vec<_>>(),
        "input_schema": request.input_schema,
    })
}
