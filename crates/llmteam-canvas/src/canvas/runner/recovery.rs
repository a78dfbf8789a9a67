//! Going on with a run that this process did not begin: its journal is folded again.

use std::sync::Arc;

use llmteam_security::id::{RunId, TenantId};
use llmteam_workflow::persistence::{
    Journal, JournalError, Lease, Owner, RunRow, RunState, SnapshotType,
};

use super::log::RunLog;
use super::watch::Watch;
use super::{
    Begun, Driver, Entered, PreparedSegment, RunConfig, RunHandle, RunnerError, SegmentRunner,
    actor_of, identity_of,
};
use crate::canvas::definition::SegmentDefinition;
use crate::canvas::machine::{Fact, JournalRecord, Outbox, RunMachine, RunPhase, RunSettings};
use crate::runtime::RuntimeContext;

/// A run read back from its journal and claimed.
struct Claimed {
    segment: PreparedSegment,
    machine: RunMachine,
    runtime: RuntimeContext,
    lease: Lease,
    records: u64,
    /// Its events so far.
    past: Outbox,
}

impl SegmentRunner {
    /// Goes on with a run after a crash, or with a waiting one: open attempts run again, finished ones do not.
    ///
    /// # Errors
    /// The run is unknown, over, paused, run by another process, or its journal is damaged.
    pub async fn recover(
        &self,
        run_id: &RunId,
        runtime: RuntimeContext,
        config: RunConfig,
    ) -> Result<RunHandle, RunnerError> {
        let runtime = runtime.copy(|it| it.run_id(run_id.clone()));
        let begun = self.take_over(run_id, runtime, config, |claimed, driver| match claimed {
            RunPhase::Paused { snapshot_id } => Err(RunnerError::RunPaused {
                run_id: run_id.clone(),
                snapshot_id: snapshot_id.clone(),
            }),
            _ => Ok(driver.recover()?),
        });
        Ok(begun.await?.spawn())
    }

    /// Goes on with a paused run from its snapshot, under the settings it began with unless
    /// `settings` brings others; those in `config` do not count.
    ///
    /// # Errors
    /// The snapshot is unknown in this tenant and instance, damaged or used, or the run cannot be claimed.
    pub async fn resume(
        &self,
        snapshot_id: &str,
        runtime: RuntimeContext,
        config: RunConfig,
        settings: Option<RunSettings>,
    ) -> Result<RunHandle, RunnerError> {
        let tenant = runtime.tenant_id().clone();
        let not_found = || RunnerError::SnapshotNotFound(snapshot_id.to_owned());
        let snapshot = self
            .0
            .snapshots
            .store
            .load(&tenant, snapshot_id)
            .await?
            .ok_or_else(not_found)?;
        let row = self
            .row(&tenant, &snapshot.run_id)
            .await?
            .ok_or_else(not_found)?;
        if row.instance != *runtime.instance_id() {
            return Err(not_found());
        }
        // Before the run is claimed: whoever drives it by now must not lose it to a late resume.
        if row.state != RunState::Paused {
            return Err(RunnerError::SnapshotConsumed(snapshot_id.to_owned()));
        }
        let runtime = runtime.copy(|it| {
            it.run_id(snapshot.run_id.clone())
                .instance_id(row.instance.clone())
        });
        let settings = settings.map(Arc::new);
        let used = || RunnerError::SnapshotConsumed(snapshot_id.to_owned());
        let of_crash = snapshot.snapshot_type == SnapshotType::Auto;
        let begun = self
            .take_over(
                &snapshot.run_id,
                runtime,
                config,
                |phase, driver| match phase {
                    RunPhase::Paused { snapshot_id: held } if held == snapshot_id => Ok(driver
                        .fold(Fact::Resumed {
                            snapshot_id: snapshot_id.to_owned(),
                            settings,
                        })?),
                    RunPhase::Paused { .. } => Err(used()),
                    // A crash is not a pause: the journal says where the run was, and no event tells of it.
                    _ if of_crash => Ok(driver.recover()?),
                    _ => Err(used()),
                },
            )
            .await;
        let mut begun = begun.map_err(|error| match error {
            RunnerError::RunOver { .. } => used(),
            other => other,
        })?;
        if of_crash {
            if !self.0.snapshots.consume(&tenant, snapshot_id).await? {
                begun.driver.give_up().await;
                return Err(used());
            }
        } else {
            // From here on the journal says that the run went on; the mark on the snapshot only repeats it.
            begun.driver.keep().await?;
            if let Err(error) = self.0.snapshots.consume(&tenant, snapshot_id).await {
                tracing::warn!(%error, snapshot_id, "a snapshot could not be marked as used");
            }
        }
        Ok(begun.spawn())
    }

    /// Claims a run, folds its journal, and lets `go_on` say what happens first.
    async fn take_over(
        &self,
        run_id: &RunId,
        runtime: RuntimeContext,
        config: RunConfig,
        go_on: impl FnOnce(&RunPhase, &mut Driver) -> Result<(), RunnerError>,
    ) -> Result<Begun, RunnerError> {
        let key = (runtime.tenant_id().clone(), run_id.clone());
        let inbox = self
            .0
            .live
            .enter(&key)
            .ok_or_else(|| RunnerError::RunActive(run_id.clone()))?;
        let entered = Entered::new(&self.0, key);
        let wants_events = self.wants_events(&runtime, &config);
        let claimed = self.claim(run_id, runtime, wants_events).await?;
        let Claimed {
            segment,
            machine,
            runtime,
            lease,
            records,
            mut past,
        } = claimed;
        let journal = self.journal()?;
        let log = RunLog::of(Arc::clone(journal), lease, records, actor_of(&runtime));
        let phase = machine.phase().clone();
        let mut watch = Watch::new(self.0.events.clone(), config);
        watch.remember(&machine, &runtime, &mut past.events).await;
        let out = Outbox {
            wants_events,
            ..Outbox::default()
        };
        let mut driver = Driver::new(&self.0, machine, segment, runtime, log, watch, inbox, out);
        if let Err(error) = go_on(&phase, &mut driver) {
            driver.give_up().await;
            return Err(error);
        }
        Ok(Begun {
            driver: Box::new(driver),
            entered,
        })
    }

    /// Reads a run back and becomes its owner.
    async fn claim(
        &self,
        run_id: &RunId,
        runtime: RuntimeContext,
        wants_events: bool,
    ) -> Result<Claimed, RunnerError> {
        let journal = Arc::clone(self.journal()?);
        let tenant = runtime.tenant_id().clone();
        let row = self
            .row(&tenant, run_id)
            .await?
            .ok_or_else(|| RunnerError::RunNotFound(run_id.clone()))?;
        if row.state.is_final() {
            return Err(RunnerError::RunOver {
                run_id: run_id.clone(),
                status: row.state,
            });
        }
        let segment = self.prepare_stored(&*journal, &row).await?;
        let lease = match journal.claim(&tenant, run_id, &Owner::current()).await {
            Err(JournalError::RunActive { .. }) => {
                return Err(RunnerError::RunActive(run_id.clone()));
            }
            other => other?,
        };
        let folded = self
            .fold_journal(&*journal, &row, &segment, &runtime, wants_events)
            .await;
        match folded {
            Ok((machine, records, past)) => {
                let input = machine.input().cloned().unwrap_or_default();
                let runtime = self.runtime_of(&segment, runtime, &input);
                Ok(Claimed {
                    segment,
                    machine,
                    runtime,
                    lease,
                    records,
                    past,
                })
            }
            Err(error) => {
                if let Err(release) = journal.release(lease).await {
                    tracing::warn!(%release, "the lease of a run could not be released; it will run out");
                }
                Err(error)
            }
        }
    }

    async fn fold_journal(
        &self,
        journal: &dyn Journal,
        row: &RunRow,
        segment: &PreparedSegment,
        runtime: &RuntimeContext,
        wants_events: bool,
    ) -> Result<(RunMachine, u64, Outbox), RunnerError> {
        let quarantined = |reason: String| RunnerError::Quarantined {
            run_id: row.run.clone(),
            reason,
        };
        let runtime =
            runtime.copy(|it| it.instance_id(row.instance.clone()).run_id(row.run.clone()));
        let entries = journal.read(&row.tenant, &row.run, 0).await?;
        let identity = Arc::new(identity_of(segment, &runtime));
        let mut machine = RunMachine::new(Arc::clone(segment.plan()), identity);
        let mut past = Outbox {
            wants_events,
            ..Outbox::default()
        };
        for entry in &entries {
            let record: JournalRecord = serde_json::from_slice(&entry.body).map_err(|error| {
                quarantined(format!("record {} cannot be read: {error}", entry.index))
            })?;
            machine
                .apply(&record, &mut past)
                .map_err(|error| quarantined(format!("record {}: {error}", entry.index)))?;
            past.commands.clear();
        }
        Ok((machine, entries.len() as u64, past))
    }

    /// Compiles the definition that the run began with.
    async fn prepare_stored(
        &self,
        journal: &dyn Journal,
        row: &RunRow,
    ) -> Result<PreparedSegment, RunnerError> {
        let quarantined = |reason: String| RunnerError::Quarantined {
            run_id: row.run.clone(),
            reason,
        };
        let body = journal
            .definition(&row.tenant, &row.definition)
            .await?
            .ok_or_else(|| quarantined("its definition is not stored".to_owned()))?;
        let definition = SegmentDefinition::from_json(&body).map_err(|faults| {
            quarantined(format!(
                "its definition cannot be read: {} faults",
                faults.len()
            ))
        })?;
        let segment = self.prepare(&definition)?;
        let present = segment.plan().digest();
        if present != row.definition {
            return Err(RunnerError::DefinitionMismatch {
                run_id: row.run.clone(),
                recorded: row.definition.clone(),
                present: present.to_owned(),
            });
        }
        Ok(segment)
    }

    /// Cancels a run that nobody runs: a waiting, paused or abandoned one.
    pub(super) async fn cancel_stored(
        &self,
        tenant: &TenantId,
        run_id: &RunId,
        reason: &str,
    ) -> Result<bool, RunnerError> {
        if self.0.journal.is_none() || self.row(tenant, run_id).await?.is_none() {
            return Ok(false);
        }
        let runtime = self.bare_runtime(tenant, run_id);
        let mut held = None;
        let begun = self
            .take_over(run_id, runtime, RunConfig::default(), |phase, driver| {
                if let RunPhase::Paused { snapshot_id } = phase {
                    held = Some(snapshot_id.clone());
                }
                Ok(driver.fold(Fact::Cancelled {
                    reason: reason.to_owned(),
                })?)
            })
            .await;
        match begun {
            Err(RunnerError::RunOver { .. }) => Ok(false),
            Err(error) => Err(error),
            Ok(begun) => {
                begun.run().await?;
                if let Some(snapshot_id) = held {
                    self.0.snapshots.consume(tenant, &snapshot_id).await?;
                }
                Ok(true)
            }
        }
    }

    /// Pauses a run that nobody runs: its snapshot if it is paused, a pause of its own if it waits.
    pub(super) async fn pause_stored(
        &self,
        tenant: &TenantId,
        run_id: &RunId,
    ) -> Result<Option<String>, RunnerError> {
        let row = match self.0.journal {
            Some(_) => self.row(tenant, run_id).await?,
            None => None,
        };
        let row = row.ok_or_else(|| RunnerError::RunNotFound(run_id.clone()))?;
        match row.state {
            RunState::Paused => {
                let snapshot = row
                    .summary
                    .as_ref()
                    .and_then(|it| it.get("snapshot_id")?.as_str());
                Ok(snapshot.map(str::to_owned))
            }
            state if state.is_final() => Ok(None),
            _ => {
                let runtime = self.bare_runtime(tenant, run_id);
                let begun = self
                    .take_over(run_id, runtime, RunConfig::default(), |_, driver| {
                        Ok(driver.fold(Fact::PauseRequested)?)
                    })
                    .await?;
                Ok(begun.run().await?.snapshot_id)
            }
        }
    }

    /// The result of a run that is over, paused or waiting, as its row keeps it.
    ///
    /// # Errors
    /// The journal could not be read.
    pub async fn stored(
        &self,
        tenant: &TenantId,
        run_id: &RunId,
    ) -> Result<Option<RunRow>, RunnerError> {
        self.row(tenant, run_id).await
    }

    async fn row(&self, tenant: &TenantId, run_id: &RunId) -> Result<Option<RunRow>, RunnerError> {
        Ok(self.journal()?.run(tenant, run_id).await?)
    }

    pub(super) fn journal(&self) -> Result<&Arc<dyn Journal>, RunnerError> {
        self.0.journal.as_ref().ok_or_else(|| {
            RunnerError::StoreUnavailable(JournalError::Unavailable(
                "the runner keeps no journal".to_owned(),
            ))
        })
    }

    fn bare_runtime(&self, tenant: &TenantId, run_id: &RunId) -> RuntimeContext {
        RuntimeContext::builder(tenant.clone(), Arc::clone(&self.0.clock))
            .run_id(run_id.clone())
            .build()
    }
}
