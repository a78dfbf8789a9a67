//! The scheduler of one run: one task, one change at a time.
//!
//! Each turn looks at what has arrived, folds it in declaration order, keeps the records, and only
//! then shows the events and carries out the commands.
//!
//! What a run seldom does is awaited in a box, so that the future of a run that does none of it stays small.

use std::collections::HashSet;
use std::sync::Arc;

use llmteam_workflow::human::{HumanEvent, NewInteraction};
use llmteam_workflow::persistence::JournalError;
use tokio::sync::oneshot;

use super::attempts::{AttemptId, Attempts, Finished};
use super::link::RunnerLink;
use super::log::RunLog;
use super::mailbox::{Control, Inbox, PauseReply, StepMessage};
use super::prepared::PreparedSegment;
use super::watch::Watch;
use super::{Parts, RunConfig, RunnerError, SegmentResult, SegmentStatus};
use crate::canvas::handler::{StepError, StepOutcome};
use crate::canvas::machine::{
    AnswerFact, Command, Ending, Fact, JournalRecord, Outbox, ReplayError, RunMachine, RunPhase,
    StepStatus,
};
use crate::canvas::plan::StepIndex;
use crate::runtime::{Activation, RuntimeContext, SharedRun, StepContext};

/// Why a run stopped without a result. Its journal is whole; it is left to recovery.
#[derive(Debug, thiserror::Error)]
pub(super) enum DriveError {
    /// The journal did not take a record.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A fact did not follow from the state: a fault of the runner.
    #[error(transparent)]
    Machine(#[from] ReplayError),
}

/// Everything one run needs.
pub(super) struct Driver {
    pub(super) machine: RunMachine,
    pub(super) segment: PreparedSegment,
    pub(super) runtime: RuntimeContext,
    pub(super) parts: Arc<Parts>,
    pub(super) log: RunLog,
    pub(super) watch: Watch,
    pub(super) config: Arc<RunConfig>,
    pub(super) inbox: Inbox,
    /// What the contexts of its steps share.
    shared: Arc<SharedRun>,
    pub(super) attempts: Attempts,
    out: Outbox,
    /// Records folded in this turn and not yet kept.
    pub(super) batch: Vec<JournalRecord>,
    /// Intents to acknowledge once the batch is kept.
    recorded: Vec<oneshot::Sender<()>>,
    /// Answers to mark as used once the batch is kept.
    pub(super) used: Vec<u64>,
    /// Whether the last look at human deadlines changed the inbox.
    pub(super) people_acted: bool,
    /// Steps whose next attempt waits for the old future to be gone.
    blocked: HashSet<StepIndex>,
    /// Room for what arrives in one turn.
    arrivals: Vec<Arrival>,
    told: Option<SegmentStatus>,
    /// The snapshot that recovery snapshots of this process replace.
    pub(super) recovery_snapshot: Option<String>,
    /// Completions since the last recovery snapshot.
    pub(super) since_snapshot: u32,
    pausing: Vec<PauseReply>,
    cancelling: Vec<oneshot::Sender<bool>>,
}

/// What has come in from outside the scheduler.
enum Arrival {
    Finished(Finished),
    Human(StepIndex, Box<HumanEvent>),
}

/// A step that wants to ask a person.
type Question = (StepIndex, Arc<Activation>, Box<NewInteraction>);

impl Arrival {
    fn step(&self) -> StepIndex {
        match self {
            Self::Finished(it) => it.step,
            Self::Human(step, _) => *step,
        }
    }
}

impl Driver {
    #[expect(
        clippy::too_many_arguments,
        reason = "the parts of one run, named at the one place that builds it"
    )]
    pub(super) fn new(
        parts: &Arc<Parts>,
        machine: RunMachine,
        segment: PreparedSegment,
        runtime: RuntimeContext,
        log: RunLog,
        watch: Watch,
        config: Arc<RunConfig>,
        inbox: Inbox,
        out: Outbox,
    ) -> Self {
        let emits_calls = machine.settings().emit_call_events;
        let link = RunnerLink::new(Arc::clone(inbox.mailbox()), emits_calls);
        let steps = Arc::clone(&machine.plan().specs);
        let shared = SharedRun::new(runtime.clone(), steps, Arc::new(link));
        Self {
            parts: Arc::clone(parts),
            machine,
            segment,
            runtime,
            log,
            watch,
            config,
            inbox,
            shared: Arc::new(shared),
            attempts: Attempts::default(),
            out,
            batch: Vec::new(),
            recorded: Vec::new(),
            used: Vec::new(),
            people_acted: false,
            blocked: HashSet::new(),
            arrivals: Vec::new(),
            told: None,
            recovery_snapshot: None,
            since_snapshot: 0,
            pausing: Vec::new(),
            cancelling: Vec::new(),
        }
    }

    /// Goes on from a folded journal: open attempts run again, except those whose call must not be repeated.
    pub(super) fn recover(&mut self) -> Result<(), DriveError> {
        let now = self.parts.clock.now();
        self.machine.recovered_at(now);
        for command in self.machine.commands() {
            match command {
                Command::Start(step) if self.machine.has_open_intent(step) => {
                    let error = StepError::outcome_unknown(
                        "the process stopped after the call was announced; whether it took effect is not known",
                    );
                    self.end_step(step, Ending::Err(Box::new(error)), None, None)?;
                }
                command => self.out.commands.push(command),
            }
        }
        Ok(())
    }

    /// Folds a fact; its record is kept at the end of the turn.
    pub(super) fn fold(&mut self, fact: Fact) -> Result<(), DriveError> {
        let record = self.machine.record(fact, self.parts.clock.now());
        self.machine.apply(&record, &mut self.out)?;
        self.batch.push(record);
        Ok(())
    }

    /// Runs until the run ends, is paused, or waits and the caller asked for that.
    pub(super) async fn run(mut self: Box<Self>) -> Result<SegmentResult, DriveError> {
        let outcome = self.turns().await;
        if outcome.is_err() {
            self.attempts.drop_all();
        } else {
            Box::pin(self.let_go()).await;
        }
        Box::pin(self.log.release()).await;
        let mut result = outcome?;
        result.events = self.watch.take_collected();
        if result.status == SegmentStatus::Cancelled
            && let Some(on_cancel) = &self.config.on_cancel
        {
            on_cancel(result.clone()).await;
        }
        let paused = result.snapshot_id.clone();
        // Whoever asked may be gone by now; that changes nothing.
        for reply in self.pausing.drain(..) {
            let _ = reply.send(Ok(paused.clone()));
        }
        for reply in self.cancelling.drain(..) {
            let _ = reply.send(result.status == SegmentStatus::Cancelled);
        }
        Ok(result)
    }

    async fn turns(&mut self) -> Result<SegmentResult, DriveError> {
        loop {
            self.keep().await?;
            self.tell_status();
            if self.carry_out().await? {
                return Ok(SegmentResult::of(&self.machine));
            }
            if self.listen()? || self.collect().await? || !self.batch.is_empty() {
                continue;
            }
            if Box::pin(self.fire_timers()).await? {
                continue;
            }
            if self.machine.is_waiting() && self.config.return_when_waiting {
                return Ok(SegmentResult::of(&self.machine));
            }
            Box::pin(self.wait()).await?;
        }
    }

    /// Keeps the records of this turn, then shows what happened.
    pub(super) async fn keep(&mut self) -> Result<(), DriveError> {
        if !self.batch.is_empty() {
            if self.log.keeps() {
                Box::pin(self.log.append(&self.machine, &self.batch)).await?;
            }
            if self.machine.settings().snapshot_interval > 0 {
                Box::pin(self.snapshot_now_and_then()).await;
            }
            self.batch.clear();
        }
        for recorded in self.recorded.drain(..) {
            let _ = recorded.send(());
        }
        if !self.used.is_empty() {
            Box::pin(self.mark_used()).await;
        }
        if !self.out.events.is_empty() {
            let shown = self.watch.publish(&self.machine, &mut self.out.events);
            Box::pin(shown).await;
        }
        Ok(())
    }

    /// Marks the answers that are in the journal by now, so that nobody hears of them again.
    async fn mark_used(&mut self) {
        let used = std::mem::take(&mut self.used);
        let tenant = self.runtime.tenant_id();
        if let Err(error) = self.parts.interactions.consume(tenant, &used).await {
            tracing::warn!(%error, "answers could not be marked as used; they will be seen again and ignored");
        }
    }

    /// Carries out the commands of this turn. True: the run is over or paused.
    async fn carry_out(&mut self) -> Result<bool, DriveError> {
        let mut commands = std::mem::take(&mut self.out.commands);
        for command in commands.drain(..) {
            match command {
                Command::Start(step) => self.start(step),
                Command::Retry(..) => {}
                Command::Cancel(step) => self.attempts.cancel(step, self.parts.clock.now()),
                Command::Withdraw(_, request) => Box::pin(self.withdraw(&request)).await,
                Command::Snapshot => Box::pin(self.snapshot()).await?,
                Command::Finish => {}
            }
        }
        if self.out.commands.is_empty() {
            self.out.commands = commands;
        }
        let stopped = matches!(
            self.machine.phase(),
            RunPhase::Ended(_) | RunPhase::Paused { .. }
        );
        Ok(stopped && self.batch.is_empty())
    }

    /// Says what the run is doing to whoever asks this process.
    fn tell_status(&mut self) {
        let (status, _, _) = super::result::status_of(&self.machine);
        if self.told != Some(status) {
            self.told = Some(status);
            self.inbox.tell(status);
        }
    }

    /// The run stays as it was: nothing of this turn is kept, the lease is given back.
    pub(super) async fn give_up(&mut self) {
        self.log.release().await;
    }

    /// Tells whoever asked for a pause that there will be none.
    pub(super) fn refuse_pause(&mut self, reason: &str) {
        for reply in self.pausing.drain(..) {
            let _ = reply.send(Err(RunnerError::PauseFailed(reason.to_owned())));
        }
    }

    fn start(&mut self, step: StepIndex) {
        if self.machine.step_status(step) != StepStatus::Running {
            return;
        }
        if self.attempts.is_leaving(step) {
            self.blocked.insert(step);
            return;
        }
        let (activation, attempt) = self.machine.step_attempt(step);
        let Some(handler) = self.segment.handler(step).cloned() else {
            return;
        };
        let shared = Arc::new(Activation::with_state(self.machine.step_state(step)));
        let Some(context) = self.context(step, Arc::clone(&shared)) else {
            return;
        };
        let deadline = self
            .machine
            .plan()
            .step(step)
            .timeout
            .map(|limit| self.parts.clock.now().saturating_add(limit));
        let id = AttemptId {
            step,
            activation,
            attempt,
        };
        self.attempts
            .start(id, deadline, shared, &self.runtime, handler.run(context));
    }

    pub(super) fn context(&self, step: StepIndex, shared: Arc<Activation>) -> Option<StepContext> {
        Some(StepContext::new(
            Arc::clone(&self.shared),
            step.at(),
            self.machine.step_attempt(step),
            self.machine.step_input(step)?.clone(),
            shared,
        ))
    }

    async fn withdraw(&self, request: &str) {
        let tenant = self.runtime.tenant_id();
        let withdrawn = match request.parse() {
            Ok(id) => self
                .parts
                .interactions
                .cancel(tenant, &id, "the step was cancelled")
                .await
                .map(drop),
            Err(_) => Ok(()),
        };
        if let Err(error) = withdrawn {
            tracing::warn!(%error, request, "an open request could not be withdrawn");
        }
    }

    /// Takes in what steps said and what the host asks for. True: something was folded.
    fn listen(&mut self) -> Result<bool, DriveError> {
        let before = self.batch.len();
        if let Some((controls, messages)) = self.inbox.take() {
            for control in controls {
                self.obey(control)?;
            }
            for message in messages {
                self.note(message)?;
            }
        }
        Ok(self.batch.len() > before)
    }

    fn obey(&mut self, control: Control) -> Result<(), DriveError> {
        match control {
            Control::Pause(reply) => {
                self.pausing.push(reply);
                if self.machine.phase().is_running() {
                    self.fold(Fact::PauseRequested)?;
                }
            }
            Control::Cancel {
                reason,
                force,
                reply,
            } => {
                if matches!(self.machine.phase(), RunPhase::Ended(_)) {
                    let _ = reply.send(false);
                    return Ok(());
                }
                self.cancelling.push(reply);
                self.fold(Fact::Cancelled { reason })?;
                if force {
                    self.attempts.drop_all();
                }
            }
        }
        Ok(())
    }

    fn note(&mut self, message: StepMessage) -> Result<(), DriveError> {
        let (step_id, activation) = match &message {
            StepMessage::Emit {
                step_id,
                activation,
                ..
            }
            | StepMessage::Intent {
                step_id,
                activation,
                ..
            } => (step_id, *activation),
        };
        let Some(step) = self.position(step_id) else {
            return Ok(());
        };
        let running = self.machine.step_status(step) == StepStatus::Running;
        if !running || self.machine.step_attempt(step).0 != activation {
            return Ok(());
        }
        match message {
            StepMessage::Emit { event, .. } => self.fold(Fact::Emitted {
                step,
                event: Box::new(event),
            }),
            StepMessage::Intent { n, recorded, .. } => {
                self.recorded.push(recorded);
                self.fold(Fact::Intent { step, n })
            }
        }
    }

    fn position(&self, step_id: &str) -> Option<StepIndex> {
        let steps = self.machine.plan().steps();
        steps
            .iter()
            .position(|it| it.spec().step_id.as_str() == step_id)
            .map(StepIndex::new)
    }

    /// Folds every completion and answer that has arrived, in declaration order. True: there were some.
    async fn collect(&mut self) -> Result<bool, DriveError> {
        let mut arrivals = std::mem::take(&mut self.arrivals);
        self.attempts
            .take_finished(|it| arrivals.push(Arrival::Finished(it)));
        self.unblock();
        if self.listens_to_people() {
            Box::pin(self.poll_people(&mut arrivals)).await;
        }
        if arrivals.is_empty() {
            self.arrivals = arrivals;
            return self.release_hold();
        }
        // A step's events came before its result; what arrived in between is taken in first.
        self.listen()?;
        arrivals.sort_by_key(Arrival::step);
        for arrival in arrivals.drain(..) {
            match arrival {
                Arrival::Finished(it) => {
                    if let Some(question) = self.finished(it)? {
                        Box::pin(self.ask(question)).await?;
                    }
                }
                Arrival::Human(step, event) => self.human(step, &event)?,
            }
        }
        self.arrivals = arrivals;
        self.release_hold()?;
        Ok(true)
    }

    /// After a resume: once what people did meanwhile is applied, steps start again.
    fn release_hold(&mut self) -> Result<bool, DriveError> {
        let held = matches!(self.machine.phase(), RunPhase::Held);
        if held {
            self.fold(Fact::Continued)?;
        }
        Ok(held)
    }

    /// Starts the attempts whose predecessor is gone by now.
    fn unblock(&mut self) {
        if self.blocked.is_empty() {
            return;
        }
        let free: Vec<StepIndex> = self
            .blocked
            .iter()
            .copied()
            .filter(|step| !self.attempts.is_leaving(*step))
            .collect();
        for step in free {
            self.blocked.remove(&step);
            self.start(step);
        }
    }

    /// Folds how an attempt ended. A question is handed back: it must be asked first.
    fn finished(&mut self, it: Finished) -> Result<Option<Question>, DriveError> {
        let present = self.machine.step_attempt(it.step) == (it.activation, it.attempt)
            && self.machine.step_status(it.step) == StepStatus::Running;
        if !present {
            return Ok(None);
        }
        let result = match it.result {
            Ok(StepOutcome::Output(output)) => within_limit(output.0),
            Ok(StepOutcome::Ask(question)) => return Ok(Some((it.step, it.shared, question))),
            Err(error) => Ending::Err(Box::new(error)),
        };
        self.end_step(it.step, result, Some(&it.shared), None)?;
        Ok(None)
    }

    /// Asks a person; the step is suspended once the inbox has the question.
    async fn ask(&mut self, (step, shared, question): Question) -> Result<(), DriveError> {
        let task_type = question.interaction_type.to_string();
        match self.parts.interactions.request(*question).await {
            Ok(request) => self.fold(Fact::Asked {
                step,
                request_id: request.request_id.to_string(),
                task_type,
                assignee: request.assignee().map(ToString::to_string),
                state: shared.state(),
            }),
            Err(error) => {
                let error = StepError::new("InteractionError", error.to_string());
                self.end_step(step, Ending::Err(Box::new(error)), Some(&shared), None)
            }
        }
    }

    pub(super) fn end_step(
        &mut self,
        step: StepIndex,
        result: Ending,
        shared: Option<&Activation>,
        answer: Option<AnswerFact>,
    ) -> Result<(), DriveError> {
        let state = shared.map_or_else(|| self.machine.step_state(step), Activation::state);
        self.fold(Fact::StepEnded {
            step,
            result,
            state,
            answer: answer.map(Box::new),
        })
    }

    /// What people did. While the run is pausing nobody asks: it is kept for the resume.
    async fn poll_people(&mut self, arrivals: &mut Vec<Arrival>) {
        let events = self
            .parts
            .interactions
            .poll(self.runtime.tenant_id(), self.runtime.run_id());
        match events.await {
            Ok(events) => {
                for event in events {
                    match self
                        .machine
                        .step_of_request(event.outcome.request_id().as_str())
                    {
                        Some(step) => arrivals.push(Arrival::Human(step, Box::new(event))),
                        None => self.used.push(event.id),
                    }
                }
            }
            Err(error) => tracing::warn!(%error, "the inbox could not be read; it is tried again"),
        }
    }
}

/// A result, unless it is larger than a step's result may be.
pub(super) fn within_limit(value: Arc<serde_json::Value>) -> Ending {
    match super::size::exceeds(&value, super::size::MAX_RESULT_BYTES) {
        false => Ending::Ok(value),
        true => Ending::Err(Box::new(
            StepError::new(
                "OutputTooLarge",
                format!(
                    "the result is larger than {} bytes",
                    super::size::MAX_RESULT_BYTES
                ),
            )
            .with_code("OUTPUT_TOO_LARGE")
            .fatal(),
        )),
    }
}
