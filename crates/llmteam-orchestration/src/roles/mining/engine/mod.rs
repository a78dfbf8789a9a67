//! The engine that records events while work goes on, and answers from what it has kept.
//!
//! Invariant: every event is recorded whole or refused; no id is recorded twice while its event is kept; what is kept
//! never exceeds the [`Retention`]. Any thread may record and ask at any time. The engine does not know runs or
//! licences: who may mine is decided by who makes one.

mod metrics;
mod model;
mod streaming;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeSet, HashMap, HashSet, VecDeque},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use llmteam_security::{Clock, Timestamp};

use self::streaming::Streaming;
pub use self::{
    metrics::{MetricsOptions, ProcessMetrics},
    model::{ModelError, ProcessModel},
    streaming::StreamTotals,
};
use super::{
    dfg::Dfg,
    discovery::discover_process_tree_inductive,
    error::MiningError,
    event::{Outcome, ProcessEvent},
    log::{EventLog, LogOptions},
    xes::{XesOptions, export_xes},
};

/// How much an engine keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// The most events; the oldest recorded leave first. At least 1 is kept.
    pub max_events: usize,
    /// How long after its timestamp an event is kept; for ever without one.
    pub max_age: Option<Duration>,
    /// The most cases whose last activity the streaming counts follow.
    pub max_live_cases: usize,
}

impl Default for Retention {
    /// 100,000 events of any age, 10,000 live cases.
    fn default() -> Self {
        Self {
            max_events: 100_000,
            max_age: None,
            max_live_cases: 10_000,
        }
    }
}

/// Records events and mines them.
pub struct ProcessMiningEngine {
    clock: Arc<dyn Clock>,
    retention: Retention,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    events: VecDeque<ProcessEvent>,
    ids: HashSet<Arc<str>>,
    /// The ids by the time of their event.
    ages: BTreeSet<(Timestamp, Arc<str>)>,
    /// How many events of each case are kept, and how it was said to have ended.
    cases: HashMap<Arc<str>, Case>,
    streaming: Streaming,
}

#[derive(Default)]
struct Case {
    events: usize,
    outcome: Option<Outcome>,
}

impl ProcessMiningEngine {
    /// An engine that keeps as much as [`Retention::default`] says.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self::with_retention(clock, Retention::default())
    }

    /// An engine that keeps so much.
    pub fn with_retention(clock: Arc<dyn Clock>, retention: Retention) -> Self {
        Self {
            clock,
            retention,
            kept: Mutex::default(),
        }
    }

    /// Records an event.
    ///
    /// # Errors
    ///
    /// [`MiningError::DuplicateEvent`] when an event of this id is kept; otherwise what a log cannot hold.
    pub fn record_event(&self, event: ProcessEvent) -> Result<(), MiningError> {
        event.check()?;
        let id: Arc<str> = event.event_id.as_str().into();
        let mut kept = self.lock();
        if kept.ids.contains(&id) {
            return Err(MiningError::DuplicateEvent { event_id: id });
        }
        if !kept.streaming.has_room_for(&event.activity) {
            return Err(MiningError::TooManyActivities);
        }
        let case = match kept.cases.get_key_value(&*event.case_id) {
            Some((case, _)) => Arc::clone(case),
            None => event.case_id.as_str().into(),
        };
        kept.streaming
            .record(&event, &case, self.retention.max_live_cases);
        kept.ages.insert((event.timestamp, Arc::clone(&id)));
        kept.ids.insert(id);
        kept.cases.entry(case).or_default().events += 1;
        kept.events.push_back(event);
        while kept.events.len() > self.retention.max_events.max(1) {
            kept.drop_oldest();
        }
        Ok(())
    }

    /// Says how a case ended; without this, a case counts as completed when no work in it is still open. Of a case
    /// without kept events nothing is noted.
    pub fn end_case(&self, case_id: &str, outcome: Outcome) {
        if let Some(case) = self.lock().cases.get_mut(case_id) {
            case.outcome = Some(outcome);
        }
    }

    /// The kept events as a log.
    pub fn log(&self, options: LogOptions) -> Result<EventLog, MiningError> {
        let kept = self.lock();
        let mut log = EventLog::from_events(&kept.events, options)?;
        log.set_case_outcomes(|case| kept.cases.get(case).and_then(|it| it.outcome));
        Ok(log)
    }

    /// The directly-follows relation of the kept events.
    pub fn discover_model(&self) -> Result<ProcessModel, MiningError> {
        Ok(ProcessModel::of(&self.log(LogOptions::default())?))
    }

    /// The figures of the kept events.
    pub fn calculate_metrics(&self) -> Result<ProcessMetrics, MiningError> {
        self.calculate_metrics_with(MetricsOptions::default())
    }

    /// The figures of the kept events, with another idea of a bottleneck.
    pub fn calculate_metrics_with(
        &self,
        options: MetricsOptions,
    ) -> Result<ProcessMetrics, MiningError> {
        Ok(ProcessMetrics::of(
            &self.log(LogOptions::default())?,
            options,
        ))
    }

    /// The directly-follows graph of all completions since the last [`Self::clear`], whether or not their events are
    /// still kept, in the order of recording.
    pub fn streaming_dfg(&self) -> Dfg {
        self.lock().streaming.dfg()
    }

    /// Totals since the last [`Self::clear`].
    pub fn streaming_totals(&self) -> StreamTotals {
        self.lock().streaming.totals()
    }

    /// The kept events as XES.
    ///
    /// # Errors
    ///
    /// More than a log can hold.
    pub fn export_xes(&self) -> Result<String, MiningError> {
        let mut out = Vec::new();
        let log = self.log(LogOptions::default())?;
        // Memory takes everything that is written to it, and what is written is UTF-8.
        let _ = export_xes(&log, &mut out, XesOptions::default());
        Ok(String::from_utf8_lossy(&out).into_owned())
    }

    /// What the kept events are a log of: the tree that the inductive miner finds when so much noise is left out (a share
    /// from 0 to 1), as text.
    ///
    /// # Errors
    ///
    /// A noise out of range, more activities than the miner or a log takes.
    pub fn export_model(&self, noise: f64) -> Result<String, ModelError> {
        let variants = self.log(LogOptions::default())?.variants();
        Ok(discover_process_tree_inductive(&variants, noise)?.to_string())
    }

    /// How many events are kept.
    pub fn get_event_count(&self) -> usize {
        self.lock().events.len()
    }

    /// How many cases have a kept event.
    pub fn get_case_count(&self) -> usize {
        self.lock().cases.len()
    }

    /// Forgets everything.
    pub fn clear(&self) {
        *self.lock() = Kept::default();
    }

    /// What is kept now, without what has become too old.
    fn lock(&self) -> MutexGuard<'_, Kept> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(age) = self.retention.max_age {
            kept.drop_before(self.clock.now().checked_sub(age).unwrap_or(Timestamp::MIN));
        }
        kept
    }
}

impl fmt::Debug for ProcessMiningEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessMiningEngine")
            .field("retention", &self.retention)
            .finish_non_exhaustive()
    }
}

impl Kept {
    fn drop_oldest(&mut self) {
        if let Some(event) = self.events.pop_front() {
            self.forget(&event);
        }
    }

    /// Drops what happened before an instant.
    fn drop_before(&mut self, oldest: Timestamp) {
        while let Some((_, id)) = self.ages.first().filter(|(at, _)| *at < oldest).cloned() {
            let place = self.events.iter().position(|it| *it.event_id == *id);
            match place.and_then(|it| self.events.remove(it)) {
                Some(event) => self.forget(&event),
                None => return,
            }
        }
    }

    fn forget(&mut self, event: &ProcessEvent) {
        if let Some(id) = self.ids.take(&*event.event_id) {
            self.ages.remove(&(event.timestamp, id));
        }
        if let Some(case) = self.cases.get_mut(&*event.case_id) {
            case.events -= 1;
            if case.events == 0 {
                self.cases.remove(&*event.case_id);
            }
        }
    }
}
