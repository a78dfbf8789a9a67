//! What a decision does to a run.
//!
//! Invariant: every kind of decision has one meaning, and none of them ends a run in silence: it goes on, ends with an
//! outcome of its own kind, or fails. Agents see a state that they cannot change; what they return is merged in the order
//! of the targets, the last one winning.
//! This file does not know how a decision is reached.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroU32,
    panic::AssertUnwindSafe,
    sync::Arc,
};

use futures_util::{FutureExt, future::join_all};
use llmteam_security::{
    AgentId,
    clock::{Wake, until},
};
use serde_json::Value;

use super::{
    super::{
        agent::Fields,
        decision::{DecisionSource, DecisionType, OrchestrationDecision},
        strategy::{AgentState, DecisionSummary, ExecutionRecord, HistoryEntry, Step},
        text::sanitised,
    },
    events::Recorded,
    orchestrator::Registered,
    outcome::{OutcomeKind, Warning},
    run::{Fault, Run},
};
use crate::execution::TaskResult;

impl<'a> Run<'a> {
    /// Carries `decision` out: how the run ends, if it does.
    pub(super) async fn act(
        &mut self,
        decision: &OrchestrationDecision,
    ) -> Result<Option<OutcomeKind>, Fault> {
        self.history.push(HistoryEntry {
            step: self.figures.step().clone(),
            decision: DecisionSummary {
                decision_type: decision.decision_type,
                targets: decision.target_agents.clone(),
                reason: decision.reason.clone(),
                source: decision.source.clone(),
            },
            timestamp: self.pipeline.clock.now(),
            executions: Vec::new(),
        });
        match decision.decision_type {
            DecisionType::End => self.end(),
            DecisionType::Escalate | DecisionType::RequestHuman => Ok(Some(OutcomeKind::Escalated)),
            DecisionType::Route => Ok(self.route(decision).await),
            DecisionType::Parallel => Ok(self.parallel(decision).await),
            DecisionType::Retry => self.retry(decision).await,
            DecisionType::Skip => Ok(self.skip(decision)),
        }
    }

    /// The end, unless a failure is open: then that is how the run ends.
    fn end(&self) -> Result<Option<OutcomeKind>, Fault> {
        match self.figures.open().first() {
            Some((agent, error)) => Err(Fault::AgentFailed(agent.clone(), error.clone())),
            None => Ok(Some(OutcomeKind::Completed)),
        }
    }

    /// One target after another, until one fails.
    async fn route(&mut self, decision: &OrchestrationDecision) -> Option<OutcomeKind> {
        let targets = self.registered(&decision.target_agents);
        if targets.is_empty() {
            return Some(nobody(decision));
        }
        for target in targets {
            self.begin(Step::Agent(target.name.clone()));
            if !self.work(&[target], false).await {
                break;
            }
        }
        None
    }

    /// All targets at once.
    async fn parallel(&mut self, decision: &OrchestrationDecision) -> Option<OutcomeKind> {
        let targets = self.registered(&decision.target_agents);
        if targets.is_empty() {
            return Some(nobody(decision));
        }
        let names = targets.iter().map(|it| it.name.clone()).collect();
        self.begin(Step::Parallel(names));
        self.work(&targets, true).await;
        None
    }

    /// The targets again; without targets those of the step that failed, or else all of it.
    async fn retry(
        &mut self,
        decision: &OrchestrationDecision,
    ) -> Result<Option<OutcomeKind>, Fault> {
        let named = if !decision.target_agents.is_empty() {
            decision.target_agents.clone()
        } else if self.figures.open().is_empty() {
            self.figures.step().agents().to_vec()
        } else {
            self.figures
                .open()
                .iter()
                .map(|(agent, _)| agent.clone())
                .collect()
        };
        let targets = self.registered(&named);
        if targets.is_empty() {
            return Ok(Some(nobody(decision)));
        }
        let of_this_step = |it: &&Registered| self.figures.step().agents().contains(&it.name);
        if !targets.iter().all(of_this_step) {
            let names: Vec<AgentId> = targets.iter().map(|it| it.name.clone()).collect();
            self.begin(match names.as_slice() {
                [one] => Step::Agent(one.clone()),
                _ => Step::Parallel(names),
            });
        }
        let most = self.pipeline.config.max_retries;
        if self.figures.again() > most {
            return Err(Fault::RetriesExhausted(most));
        }
        let at_once = matches!(self.figures.step(), Step::Parallel(_));
        self.work(&targets, at_once).await;
        Ok(None)
    }

    /// The targets are passed over; without targets those that failed, or else whose turn it is.
    fn skip(&mut self, decision: &OrchestrationDecision) -> Option<OutcomeKind> {
        let named = if !decision.target_agents.is_empty() {
            decision.target_agents.clone()
        } else if self.figures.open().is_empty() {
            self.next_in_order().into_iter().collect()
        } else {
            self.figures
                .open()
                .iter()
                .map(|(agent, _)| agent.clone())
                .collect()
        };
        let targets = self.registered(&named);
        if targets.is_empty() {
            return Some(nobody(decision));
        }
        for target in targets {
            if let Some(error) = self.figures.skip(&target.name) {
                self.passed_over(target.name.clone(), &error);
            }
        }
        None
    }

    fn next_in_order(&self) -> Option<AgentId> {
        let records = self.figures.records();
        let waits = |name: &AgentId| !records.get(name).is_some_and(|it| it.had_its_turn());
        self.agents
            .iter()
            .map(|it| &it.name)
            .find(|name| waits(name))
            .cloned()
    }

    /// Those of `names` that are registered, each once and in this order; of the others a warning is given.
    fn registered(&mut self, names: &[AgentId]) -> Vec<&'a Registered> {
        let agents = self.agents;
        let mut seen = BTreeSet::new();
        let mut found = Vec::new();
        for name in names {
            match agents.iter().find(|it| it.name == *name) {
                Some(agent) if seen.insert(name) => found.push(agent),
                Some(_) => {}
                None => {
                    self.recorder.missing(name);
                    self.warn(Warning::MissingTarget {
                        agent: name.clone(),
                    });
                }
            }
        }
        found
    }

    /// Goes on to `step`; failures of the step before are passed over.
    fn begin(&mut self, step: Step) {
        let now = self.pipeline.clock.monotonic();
        for (agent, error) in self.figures.begin(step, now) {
            self.passed_over(agent, &error);
        }
    }

    /// Lets `targets` work on the state and merges what they return. Whether all succeeded.
    async fn work(&mut self, targets: &[&Registered], at_once: bool) -> bool {
        let attempt = NonZeroU32::MIN.saturating_add(self.figures.retries());
        let recorded: Vec<Recorded<'_>> = targets
            .iter()
            .map(|it| Recorded {
                name: &it.name,
                agent: Arc::clone(&it.agent),
                attempt,
                recorder: &self.recorder,
            })
            .collect();
        let executor = &self.pipeline.executor;
        let results = if at_once {
            executor
                .execute_parallel(recorded.iter(), &self.state)
                .await
        } else {
            executor.execute(recorded.iter(), &self.state).await
        };
        drop(recorded);
        let executions = targets
            .iter()
            .zip(&results)
            .map(|(target, result)| ExecutionRecord {
                agent: target.name.clone(),
                error: result.error().map(|it| sanitised(it.message())),
                duration: result.duration,
            });
        self.history.executed(executions);
        for (target, result) in targets.iter().zip(&results) {
            self.figures.worked(&target.name, result.error().cloned());
        }
        let all = results.iter().all(TaskResult::success);
        self.merge(targets, results);
        all
    }

    fn merge(&mut self, targets: &[&Registered], results: Vec<TaskResult>) {
        let patches = targets
            .iter()
            .zip(results)
            .filter_map(|(target, result)| Some((&target.name, result.outcome.ok()?)));
        let patches: Vec<(&AgentId, Fields)> = patches.collect();
        for (field, agents) in conflicts(&patches) {
            self.warn(Warning::Conflict { field, agents });
        }
        for (_, patch) in patches {
            self.state.extend(patch);
        }
    }

    /// What every agent says of itself, all asked at once and within the configured time.
    pub(super) async fn agent_states(&mut self) -> BTreeMap<AgentId, AgentState> {
        let pipeline = self.pipeline;
        let deadline = pipeline
            .clock
            .now()
            .saturating_add(pipeline.config.state_timeout);
        let asked = self.agents.iter().map(|it| async move {
            let state = AssertUnwindSafe(it.agent.get_state()).catch_unwind();
            match until(&*pipeline.clock, deadline, Wake::Timer, state).await {
                Some(Ok(Ok(Some(fields)))) => Ok(AgentState::Known(fields)),
                Some(Ok(Ok(None))) => Ok(AgentState::Available),
                Some(Ok(Err(error))) => Err(sanitised(error.message())),
                Some(Err(_)) => Err("it panicked".to_owned()),
                None => Err("it did not answer in time".to_owned()),
            }
        });
        let states = join_all(asked).await;
        let mut known = BTreeMap::new();
        for (it, state) in self.agents.iter().zip(states) {
            let state = state.unwrap_or_else(|reason| {
                let agent = it.name.clone();
                self.warn(Warning::StateUnknown { agent, reason });
                AgentState::Unknown
            });
            known.insert(it.name.clone(), state);
        }
        known
    }
}

/// The outcome of a decision that names nobody who is there.
fn nobody(decision: &OrchestrationDecision) -> OutcomeKind {
    match decision.source {
        DecisionSource::ParseError { .. } => OutcomeKind::ParseError,
        _ => OutcomeKind::NoTarget,
    }
}

/// The fields that several patches give different values, with who gives them.
fn conflicts(patches: &[(&AgentId, Fields)]) -> Vec<(String, Vec<AgentId>)> {
    let mut given = BTreeMap::<&str, Vec<(&AgentId, &Value)>>::new();
    for (agent, patch) in patches {
        for (field, value) in patch {
            given.entry(field).or_default().push((agent, value));
        }
    }
    let differ = given
        .into_iter()
        .filter(|(_, values)| values.iter().any(|(_, value)| *value != values[0].1));
    differ
        .map(|(field, values)| {
            let agents = values.into_iter().map(|(agent, _)| agent.clone());
            (field.to_owned(), agents.collect())
        })
        .collect()
}
