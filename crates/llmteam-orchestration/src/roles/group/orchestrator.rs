//! The orchestrator of a group: its pipelines, its strategy, its runs.
//!
//! Invariant: nothing live is handed out; a run of one name is under way once. What was decided from statuses that are no
//! longer true is decided again.
//! This file does not know how parts run or results are combined: see [`super::run`] and [`super::aggregate`].

use std::{fmt, sync::Arc};

use llmteam_security::{AgentId, Clock, RunId};

use super::{
    super::{agent::Fields, live::LiveRuns, run::RunPath},
    aggregate::aggregate,
    config::GroupConfig,
    decision::{AggregationStrategy, GroupDecisionType, GroupOrchestrationDecision},
    error::{AggregationError, GroupError},
    event::{GroupEvent, GroupObserver},
    member::GroupPipeline,
    metrics::{GroupMetrics, group_metrics},
    outcome::{GroupOutcome, GroupOutcomeKind, PipelineOutcome},
    results::Results,
    run::{Parts, run_parts},
    status::PipelineStatus,
    strategy::{GroupOrchestrationStrategy, LoadBalancingStrategy},
    table::{Reserved, Table},
};
use crate::execution::{ExecutionMode, ExecutorConfig, PipelineExecutor};

/// How often a decision that rests on load is made again because somebody else was quicker.
const TRIES: u32 = 8;

/// Gives inputs to registered pipelines as a strategy decides. Share it by `Arc`.
pub struct GroupOrchestrator {
    id: AgentId,
    strategy: Arc<dyn GroupOrchestrationStrategy>,
    config: GroupConfig,
    executor: Arc<PipelineExecutor>,
    observer: Option<Arc<dyn GroupObserver>>,
    table: Arc<Table>,
    live: LiveRuns,
    results: Results,
}

impl GroupOrchestrator {
    /// A group without pipelines that balances load.
    ///
    /// # Errors
    ///
    /// None with the defaults of this crate; see [`Self::with_config`].
    pub fn new(group_id: AgentId, clock: Arc<dyn Clock>) -> Result<Self, GroupError> {
        Self::with_config(group_id, GroupConfig::default(), clock)
    }

    /// A group without pipelines that balances load, on these terms.
    ///
    /// # Errors
    ///
    /// [`GroupError::InvalidCircuit`].
    pub fn with_config(
        group_id: AgentId,
        config: GroupConfig,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, GroupError> {
        let own = ExecutorConfig {
            mode: ExecutionMode::Parallel,
            max_retries: 0,
            ..ExecutorConfig::default()
        };
        Ok(Self {
            id: group_id,
            strategy: Arc::new(LoadBalancingStrategy),
            executor: Arc::new(PipelineExecutor::new(own, Arc::clone(&clock))?),
            observer: None,
            table: Table::new(config.circuit.clone(), clock, config.license.clone())?,
            live: LiveRuns::new(config.remembered_runs),
            results: Results::new(config.kept_results),
            config,
        })
    }

    /// The same with another strategy.
    #[must_use]
    pub fn with_strategy(mut self, strategy: Arc<dyn GroupOrchestrationStrategy>) -> Self {
        self.strategy = strategy;
        self
    }

    /// The same, running pipelines in `executor`; by default in one of its own with ten places that repeats nothing.
    #[must_use]
    pub fn with_executor(mut self, executor: Arc<PipelineExecutor>) -> Self {
        self.executor = executor;
        self
    }

    /// The same, watched by `observer`.
    #[must_use]
    pub fn with_observer(mut self, observer: Arc<dyn GroupObserver>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Its id.
    pub fn group_id(&self) -> &AgentId {
        &self.id
    }

    /// Registers `pipeline` as the last.
    ///
    /// # Errors
    ///
    /// [`GroupError::DuplicatePipeline`], [`GroupError::Unlicensed`].
    pub fn register_pipeline(&self, pipeline: Arc<dyn GroupPipeline>) -> Result<(), GroupError> {
        self.table.register(pipeline)
    }

    /// Whether there was a pipeline of this id; there is none now. What it is doing goes on.
    pub fn unregister_pipeline(&self, id: &AgentId) -> bool {
        self.table.unregister(id)
    }

    /// How the pipelines stand at this moment, in the order of registration.
    pub fn get_pipeline_statuses(&self) -> Vec<PipelineStatus> {
        self.table.statuses().0
    }

    /// The figures of the group.
    pub fn get_group_metrics(&self) -> GroupMetrics {
        let figures = self.table.pipelines().into_iter().map(|it| {
            let figures = it.process_figures();
            (it.pipeline_id().clone(), figures)
        });
        group_metrics(&figures.collect::<Vec<_>>())
    }

    /// Decides who gets `input`, lets them run, and combines what they return. Dropping the future calls all of it off.
    ///
    /// # Errors
    ///
    /// [`GroupError`]; where pipelines ran it hands their outcomes back.
    pub async fn orchestrate(
        &self,
        run: impl Into<RunPath>,
        input: &Fields,
    ) -> Result<GroupOutcome, GroupError> {
        let run = run.into();
        let Some(live) = self.live.begin(&run) else {
            let group = self.id.clone();
            return Err(GroupError::RunActive { group, run });
        };
        let run = live.path();
        let (decision, reserved) = self.decide(run, input).await?;
        self.tell(GroupEvent::Decided {
            run,
            decision: &decision,
        });
        match decision.decision_type {
            GroupDecisionType::Escalate => Ok(self.escalate(run, decision)),
            GroupDecisionType::AggregateResults => self.combine_earlier(run, decision),
            GroupDecisionType::RouteToPipeline | GroupDecisionType::ParallelPipelines => {
                let first = decision.aggregation_strategy == AggregationStrategy::First;
                let parts = run_parts(&self.executor, run, reserved, input, first).await;
                self.combine(run, decision, parts)
            }
        }
    }

    /// Combines what earlier runs returned, as a decision to aggregate does, in the order of `runs`.
    ///
    /// # Errors
    ///
    /// [`GroupError::UnknownRun`], [`GroupError::AllFailed`], [`GroupError::Aggregation`].
    pub fn aggregate_results(
        &self,
        run: RunId,
        earlier: impl IntoIterator<Item = RunId>,
        strategy: AggregationStrategy,
    ) -> Result<GroupOutcome, GroupError> {
        let decision = GroupOrchestrationDecision {
            aggregation_strategy: strategy,
            source_runs: earlier.into_iter().collect(),
            ..GroupOrchestrationDecision::new(GroupDecisionType::AggregateResults, [], "asked for")
        };
        self.combine_earlier(&run.into(), decision)
    }

    /// The decision, and what it takes of the pipelines. Nobody is started between what was seen and what is taken, as far
    /// as the strategy rests on that.
    async fn decide(
        &self,
        run: &RunPath,
        input: &Fields,
    ) -> Result<(GroupOrchestrationDecision, Vec<Reserved>), GroupError> {
        let failed = |source| {
            let run = run.clone();
            GroupError::Strategy { run, source }
        };
        let mut left = if self.strategy.depends_on_load() {
            TRIES
        } else {
            0
        };
        loop {
            let (statuses, seen) = self.table.statuses();
            let decision = self
                .strategy
                .decide(&statuses, input)
                .await
                .map_err(failed)?;
            let runs = matches!(
                decision.decision_type,
                GroupDecisionType::RouteToPipeline | GroupDecisionType::ParallelPipelines
            );
            if !runs {
                return Ok((decision, Vec::new()));
            }
            let unless_after = (left > 0).then_some(seen);
            let targets = each_once(&decision.target_pipelines);
            if let Some(reserved) = self.table.reserve(&targets, unless_after)? {
                return Ok((decision, reserved));
            }
            left -= 1;
        }
    }

    fn escalate(&self, run: &RunPath, decision: GroupOrchestrationDecision) -> GroupOutcome {
        tracing::warn!(%run, group = %self.id, reason = %decision.reason, "a run of a group was escalated");
        self.tell(GroupEvent::Escalated {
            run,
            decision: &decision,
        });
        GroupOutcome {
            run: run.clone(),
            kind: GroupOutcomeKind::Escalated,
            result: Fields::new(),
            decision,
            outcomes: Vec::new(),
            conflicts: Vec::new(),
            votes: Vec::new(),
            missing: Vec::new(),
        }
    }

    fn combine_earlier(
        &self,
        run: &RunPath,
        decision: GroupOrchestrationDecision,
    ) -> Result<GroupOutcome, GroupError> {
        let mut outcomes = Vec::new();
        for earlier in &decision.source_runs {
            let kept = self
                .results
                .of(earlier)
                .ok_or_else(|| GroupError::UnknownRun {
                    run: earlier.clone(),
                })?;
            outcomes.extend(kept);
        }
        let targets = &decision.target_pipelines;
        if !targets.is_empty() {
            outcomes.retain(|it: &PipelineOutcome| targets.contains(&it.pipeline_id));
        }
        self.aggregated(run, decision, outcomes, Vec::new())
    }

    fn combine(
        &self,
        run: &RunPath,
        decision: GroupOrchestrationDecision,
        parts: Parts,
    ) -> Result<GroupOutcome, GroupError> {
        let Parts { outcomes, missing } = parts;
        for outcome in &outcomes {
            self.tell(GroupEvent::PipelineEnded { run, outcome });
        }
        if outcomes.is_empty() {
            let run = run.clone();
            return Err(GroupError::NoPipeline { run, missing });
        }
        self.results.keep(run.run(), &outcomes);
        self.aggregated(run, decision, outcomes, missing)
    }

    fn aggregated(
        &self,
        run: &RunPath,
        decision: GroupOrchestrationDecision,
        outcomes: Vec<PipelineOutcome>,
        missing: Vec<AgentId>,
    ) -> Result<GroupOutcome, GroupError> {
        let run = run.clone();
        let strategy = decision.aggregation_strategy;
        match aggregate(strategy, &outcomes, &self.config.aggregation) {
            Ok(aggregation) => Ok(GroupOutcome {
                run,
                kind: GroupOutcomeKind::Completed,
                result: aggregation.result,
                decision,
                outcomes,
                conflicts: aggregation.conflicts,
                votes: aggregation.votes,
                missing,
            }),
            Err(AggregationError::NoResult) => Err(GroupError::AllFailed { run, outcomes }),
            Err(source) => Err(GroupError::Aggregation {
                run,
                source,
                outcomes,
            }),
        }
    }

    fn tell(&self, event: GroupEvent<'_>) {
        if let Some(observer) = &self.observer {
            observer.observe(event);
        }
    }
}

/// `targets` without repetitions, in their order.
fn each_once(targets: &[AgentId]) -> Vec<AgentId> {
    let mut once = Vec::<AgentId>::new();
    for target in targets {
        if !once.contains(target) {
            once.push(target.clone());
        }
    }
    once
}

impl fmt::Debug for GroupOrchestrator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GroupOrchestrator")
            .field("group_id", &self.id)
            .finish_non_exhaustive()
    }
}
