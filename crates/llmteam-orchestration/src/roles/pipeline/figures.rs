//! What is counted of a run: who worked how often, who failed, what is still open, how long the step has lasted.
//!
//! Invariant: every execution is counted once, for its agent and for the run; a failure stays open until the agent works
//! with success, is passed over, or the run goes on elsewhere. No clock and no I/O: times are handed in.
//! This file does not know what is decided from the figures.

use std::{collections::BTreeMap, time::Duration};

use llmteam_security::AgentId;

use super::super::strategy::{AgentRecord, Step};
use crate::execution::TaskError;

/// The figures of one run.
#[derive(Debug)]
pub(super) struct Figures {
    step: Step,
    /// When the step's first execution began, on the steady clock.
    step_began: Option<Duration>,
    retries: u32,
    executions: u32,
    failures: u32,
    records: BTreeMap<AgentId, AgentRecord>,
    /// Who failed in the current step, in the order of failing.
    open: Vec<(AgentId, TaskError)>,
}

impl Figures {
    pub(super) fn new() -> Self {
        Self {
            step: Step::Start,
            step_began: None,
            retries: 0,
            executions: 0,
            failures: 0,
            records: BTreeMap::new(),
            open: Vec::new(),
        }
    }

    pub(super) fn step(&self) -> &Step {
        &self.step
    }

    pub(super) fn retries(&self) -> u32 {
        self.retries
    }

    pub(super) fn records(&self) -> &BTreeMap<AgentId, AgentRecord> {
        &self.records
    }

    pub(super) fn open(&self) -> &[(AgentId, TaskError)] {
        &self.open
    }

    /// Failed executions over all; 0 when there were none.
    pub(super) fn error_rate(&self) -> f64 {
        if self.executions == 0 {
            0.0
        } else {
            f64::from(self.failures) / f64::from(self.executions)
        }
    }

    /// How long the step has lasted at `now`.
    pub(super) fn step_duration(&self, now: Duration) -> Duration {
        self.step_began
            .map_or(Duration::ZERO, |began| now.saturating_sub(began))
    }

    /// Another step begins. Returns the failures that it leaves behind.
    pub(super) fn begin(&mut self, step: Step, now: Duration) -> Vec<(AgentId, TaskError)> {
        self.step = step;
        self.step_began = Some(now);
        self.retries = 0;
        std::mem::take(&mut self.open)
    }

    /// The step is tried again. Returns how often that makes.
    pub(super) fn again(&mut self) -> u32 {
        self.retries = self.retries.saturating_add(1);
        self.retries
    }

    /// `agent` has worked.
    pub(super) fn worked(&mut self, agent: &AgentId, error: Option<TaskError>) {
        let record = self.records.entry(agent.clone()).or_default();
        record.executions = record.executions.saturating_add(1);
        self.executions = self.executions.saturating_add(1);
        self.open.retain(|(failed, _)| failed != agent);
        if let Some(error) = error {
            record.failures = record.failures.saturating_add(1);
            self.failures = self.failures.saturating_add(1);
            self.open.push((agent.clone(), error));
        }
    }

    /// `agent` is passed over. Returns its failure, if one was open.
    pub(super) fn skip(&mut self, agent: &AgentId) -> Option<TaskError> {
        self.records.entry(agent.clone()).or_default().skipped = true;
        let place = self.open.iter().position(|(failed, _)| failed == agent)?;
        Some(self.open.remove(place).1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::execution::TaskErrorKind;

    fn id(n: u8) -> AgentId {
        format!("a{n}").parse().unwrap()
    }

    proptest! {
        // covers: O5
        #[test]
        fn figures_add_up(work in proptest::collection::vec((0_u8..4, 0_u8..4), 0..60)) {
            let mut figures = Figures::new();
            let (mut all, mut failed) = (0_u32, 0_u32);
            for (agent, act) in work {
                let fails = act == 1;
                match act {
                    0 | 1 => {
                        all += 1;
                        failed += u32::from(fails);
                        figures.worked(&id(agent), fails.then(|| TaskErrorKind::Failed.into()));
                    }
                    2 => drop(figures.skip(&id(agent))),
                    _ => {
                        figures.begin(Step::Agent(id(agent)), Duration::ZERO);
                        prop_assert!(figures.open().is_empty());
                    }
                }
                let is_open = figures.open().iter().any(|(it, _)| *it == id(agent));
                prop_assert_eq!(is_open, fails);
            }
            let sum: u32 = figures.records().values().map(|it| it.executions).sum();
            prop_assert_eq!(sum, all);
            let rate = if all == 0 { 0.0 } else { f64::from(failed) / f64::from(all) };
            prop_assert_eq!(figures.error_rate(), rate);
        }
    }
}
