//! One run from its input to its end.
//!
//! Invariant: the state is a copy of the input that only successful agents change; each warning is noted once; on every
//! way out the history is kept and the case of process mining is closed.
//! This file does not know what a decision does: see [`super::act`].

use llmteam_security::AgentId;

use super::{
    super::{
        agent::Fields,
        decision::OrchestrationDecision,
        live::LiveRun,
        mining::Outcome,
        run::RunPath,
        strategy::{OrchestrationContext, StrategyError},
        text::sanitised,
    },
    error::{OrchestrationError, PartialRun},
    events::Recorder,
    figures::Figures,
    history::Writing,
    orchestrator::{PipelineOrchestrator, Registered},
    outcome::{OrchestrationOutcome, OutcomeKind, Warning},
};
use crate::execution::TaskError;

/// A run that is under way.
pub(super) struct Run<'a> {
    pub(super) pipeline: &'a PipelineOrchestrator,
    /// Those that were registered when the run began.
    pub(super) agents: &'a [Registered],
    live: &'a LiveRun<'a>,
    path: RunPath,
    pub(super) state: Fields,
    pub(super) figures: Figures,
    pub(super) steps: u32,
    pub(super) history: Writing<'a>,
    pub(super) recorder: Recorder<'a>,
    warnings: Vec<Warning>,
}

/// Why a run fails; what it had reached is added when it is over.
pub(super) enum Fault {
    Strategy(StrategyError),
    AgentFailed(AgentId, TaskError),
    RetriesExhausted(u32),
    TooManySteps,
    DeadlineExceeded,
}

impl<'a> Run<'a> {
    pub(super) fn new(
        pipeline: &'a PipelineOrchestrator,
        agents: &'a [Registered],
        live: &'a LiveRun<'a>,
        input: &Fields,
    ) -> Self {
        let path = live.path().clone();
        Self {
            pipeline,
            agents,
            history: pipeline.histories.begin(path.clone()),
            recorder: Recorder::new(pipeline.process_mining(), &*pipeline.clock, &path),
            live,
            path,
            state: input.clone(),
            figures: Figures::new(),
            steps: 0,
            warnings: Vec::new(),
        }
    }

    /// Decides and acts until the run is done: how it ended, by which decision.
    pub(super) async fn drive(&mut self) -> Result<(OutcomeKind, OrchestrationDecision), Fault> {
        loop {
            let decision = self.decide().await?;
            if let Some(kind) = self.act(&decision).await? {
                return Ok((kind, decision));
            }
        }
    }

    async fn decide(&mut self) -> Result<OrchestrationDecision, Fault> {
        if self.steps == self.pipeline.config.max_steps {
            return Err(Fault::TooManySteps);
        }
        self.steps += 1;
        self.report();
        let context = self.context().await;
        let decision = self.pipeline.strategy.decide(&context).await;
        let decision = decision.map_err(Fault::Strategy)?;
        tracing::debug!(run = %self.path, decision = %decision.decision_type, source = %decision.source, "decided");
        self.recorder.decided(&decision);
        Ok(decision)
    }

    /// Lets others see how far the run is.
    fn report(&self) {
        let records = self.figures.records();
        let done = self.agents.iter().filter(|it| {
            let record = records.get(&it.name);
            record.is_some_and(|it| it.had_its_turn())
        });
        let progress = done.count() as f64 / self.agents.len().max(1) as f64;
        self.live.report(progress, self.figures.step().clone());
    }

    async fn context(&mut self) -> OrchestrationContext {
        let agent_states = self.agent_states().await;
        let figures = &self.figures;
        OrchestrationContext {
            pipeline_id: Some(self.pipeline.pipeline_id().clone()),
            run: Some(self.path.clone()),
            current_step: figures.step().clone(),
            available_agents: self.agents.iter().map(|it| it.name.clone()).collect(),
            agent_states,
            agent_records: figures.records().clone(),
            execution_history: self.history.entries().cloned().collect(),
            global_state: self.state.clone(),
            step_duration: figures.step_duration(self.pipeline.clock.monotonic()),
            retry_count: figures.retries(),
            error_rate: figures.error_rate(),
            failed_agents: figures
                .open()
                .iter()
                .map(|(agent, _)| agent.clone())
                .collect(),
        }
    }

    pub(super) fn warn(&mut self, warning: Warning) {
        if !self.warnings.contains(&warning) {
            tracing::warn!(run = %self.path, "{warning}");
            self.warnings.push(warning);
        }
    }

    /// `agent` failed, and the run goes on without it.
    pub(super) fn passed_over(&mut self, agent: AgentId, error: &TaskError) {
        let error = sanitised(error.message());
        self.warn(Warning::FailurePassedOver { agent, error });
    }

    /// The end of the run.
    pub(super) fn finish(
        mut self,
        ended: Result<(OutcomeKind, OrchestrationDecision), Fault>,
    ) -> Result<OrchestrationOutcome, OrchestrationError> {
        let outcome = match &ended {
            Ok((OutcomeKind::Completed, _)) => Outcome::Completed,
            Ok((OutcomeKind::Escalated, _)) => Outcome::Cancelled,
            Ok((OutcomeKind::NoTarget | OutcomeKind::ParseError, _)) | Err(_) => Outcome::Failed,
        };
        self.recorder.ends(outcome);
        if let Ok((kind, _)) = &ended
            && !matches!(kind, OutcomeKind::Completed)
        {
            tracing::warn!(run = %self.path, outcome = %kind, "the run ended without being completed");
        }
        for reason in self.recorder.take_refused() {
            self.warn(Warning::Unrecorded { reason });
        }
        match ended {
            Ok((kind, decision)) => Ok(OrchestrationOutcome {
                run: self.path,
                kind,
                state: self.state,
                decision,
                steps: self.steps,
                warnings: self.warnings,
            }),
            Err(fault) => Err(self.failed(fault)),
        }
    }

    fn failed(self, fault: Fault) -> OrchestrationError {
        let config = &self.pipeline.config;
        let partial = Box::new(PartialRun {
            run: self.path,
            state: self.state,
            step: self.figures.step().clone(),
            steps: self.steps,
            warnings: self.warnings,
        });
        match fault {
            Fault::Strategy(source) => OrchestrationError::Strategy { source, partial },
            Fault::AgentFailed(agent, error) => OrchestrationError::AgentFailed {
                agent,
                kind: error.kind(),
                message: sanitised(error.message()),
                partial,
            },
            Fault::RetriesExhausted(retries) => {
                OrchestrationError::RetriesExhausted { retries, partial }
            }
            Fault::TooManySteps => OrchestrationError::TooManySteps {
                maximum: config.max_steps,
                partial,
            },
            Fault::DeadlineExceeded => OrchestrationError::DeadlineExceeded {
                after: config.run_timeout,
                partial,
            },
        }
    }
}
