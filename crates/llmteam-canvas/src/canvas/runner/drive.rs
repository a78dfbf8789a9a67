//! The scheduler of one run: one task, one change at a time.
//!
//! Each turn looks at what has arrived, folds it in declaration order (`steps`), keeps the records, and only
//! then shows the events and carries out the commands.
//!
//! A turn waits only where it must, and then in a box: the future of a run that never waits stays small.

use std::collections::BTreeSet;
use std::sync::Arc;

use llmteam_workflow::persistence::JournalError;
use tokio::sync::oneshot;

use super::attempts::Attempts;
use super::log::RunLog;
use super::mailbox::{Control, Inbox, Mailbox, PauseReply, StepMessage};
use super::prepared::PreparedSegment;
use super::result::status_of;
use super::steps::Arrival;
use super::watch::Watch;
use super::{Parts, RunnerError, SegmentResult, SegmentStatus};
use crate::canvas::handler::StepError;
use crate::canvas::machine::{
    Command, Ending, Fact, JournalRecord, Outbox, ReplayError, RunMachine, RunPhase, StepStatus,
};
use crate::canvas::plan::StepIndex;
use crate::runtime::{Activation, RuntimeContext, SharedRun, StepLink};

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
    /// Stores nothing until the run is opened in the journal.
    pub(super) log: RunLog,
    pub(super) watch: Watch,
    pub(super) inbox: Inbox,
    /// What the contexts of its steps share.
    pub(super) shared: Arc<SharedRun>,
    pub(super) attempts: Attempts,
    out: Outbox,
    /// Records folded in this turn.
    pub(super) folded: usize,
    /// Those of them that the log is to keep.
    pub(super) batch: Vec<JournalRecord>,
    /// Intents to acknowledge once the batch is kept.
    recorded: Vec<oneshot::Sender<()>>,
    /// Answers to mark as used once the batch is kept.
    pub(super) used: Vec<u64>,
    /// Whether the last look at human deadlines changed the inbox.
    pub(super) people_acted: bool,
    /// Steps whose next attempt waits for the old future to be gone.
    pub(super) blocked: BTreeSet<StepIndex>,
    /// What has come in and is not folded yet.
    pub(super) arrivals: Vec<Arrival>,
    /// Left by an attempt that is over, for the next one.
    pub(super) spare: Option<Arc<Activation>>,
    told: Option<SegmentStatus>,
    /// The snapshot that recovery snapshots of this process replace.
    pub(super) recovery_snapshot: Option<String>,
    /// Completions since the last recovery snapshot.
    pub(super) since_snapshot: u32,
    pausing: Vec<PauseReply>,
    cancelling: Vec<oneshot::Sender<bool>>,
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
        inbox: Inbox,
        out: Outbox,
    ) -> Self {
        inbox.keep_calls(machine.settings().emit_call_events);
        let link: Arc<dyn StepLink> = Arc::<Mailbox>::clone(inbox.mailbox());
        let steps = Arc::clone(&machine.plan().specs);
        let shared = SharedRun::new(runtime.clone(), steps, link);
        Self {
            parts: Arc::clone(parts),
            machine,
            segment,
            runtime,
            log,
            watch,
            inbox,
            shared: Arc::new(shared),
            attempts: Attempts::default(),
            out,
            folded: 0,
            batch: Vec::new(),
            recorded: Vec::new(),
            used: Vec::new(),
            people_acted: false,
            blocked: BTreeSet::new(),
            arrivals: Vec::new(),
            spare: None,
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
        self.folded += 1;
        self.since_snapshot += u32::from(record.fact.is_completion());
        if self.log.keeps() {
            self.batch.push(record);
        }
        Ok(())
    }

    /// Runs until the run ends, is paused, or waits and the caller asked for that.
    pub(super) async fn run(mut self: Box<Self>) -> Result<SegmentResult, DriveError> {
        let outcome = self.turns().await;
        if outcome.is_err() {
            self.attempts.drop_all();
        } else if !self.attempts.is_empty() {
            Box::pin(self.let_go()).await;
        }
        if self.log.keeps() {
            Box::pin(self.log.release()).await;
        }
        outcome?;
        if let Some(on_cancel) = &self.watch.config.on_cancel
            && status_of(&self.machine).0 == SegmentStatus::Cancelled
        {
            let told = SegmentResult {
                events: self.watch.collected().to_vec(),
                ..SegmentResult::of(&self.machine)
            };
            on_cancel(told).await;
        }
        Ok(self.result())
    }

    /// What the run has come to, for the caller and for whoever asked it to stop.
    fn result(mut self: Box<Self>) -> SegmentResult {
        let result = SegmentResult {
            events: self.watch.take_collected(),
            ..SegmentResult::of(&self.machine)
        };
        // Whoever asked may be gone by now; that changes nothing.
        for reply in self.pausing.drain(..) {
            let _ = reply.send(Ok(result.snapshot_id.clone()));
        }
        for reply in self.cancelling.drain(..) {
            let _ = reply.send(result.status == SegmentStatus::Cancelled);
        }
        result
    }

    /// One turn after the other. What nobody has to wait for is done on the spot.
    async fn turns(&mut self) -> Result<(), DriveError> {
        loop {
            if self.has_to_keep() {
                Box::pin(self.keep()).await?;
            }
            self.folded = 0;
            self.tell_status();
            let slow = self.carry_out();
            if !slow.is_empty() {
                Box::pin(self.carry_out_slowly(slow)).await?;
            }
            if self.is_over() {
                return Ok(());
            }
            if self.listen()? {
                continue;
            }
            self.take_finished();
            if self.listens_to_people() {
                Box::pin(self.poll_people()).await;
            }
            if self.arrange_arrivals()? {
                while let Some(question) = self.fold_arrivals()? {
                    Box::pin(self.ask(question)).await?;
                }
                self.release_hold()?;
                continue;
            }
            if self.release_hold()? || self.folded > 0 || Box::pin(self.fire_timers()).await? {
                continue;
            }
            if self.machine.is_waiting() && self.watch.config.return_when_waiting {
                return Ok(());
            }
            Box::pin(self.wait()).await?;
        }
    }

    /// Whether anybody keeps or looks at what this turn came to.
    fn has_to_keep(&self) -> bool {
        let snapshots = self.folded > 0 && self.machine.settings().snapshot_interval > 0;
        snapshots
            || !self.batch.is_empty()
            || !self.recorded.is_empty()
            || !self.used.is_empty()
            || !self.out.events.is_empty()
    }

    /// Keeps the records of this turn, then shows what happened.
    pub(super) async fn keep(&mut self) -> Result<(), DriveError> {
        if !self.batch.is_empty() {
            self.log.append(&self.machine, &self.batch).await?;
            self.batch.clear();
        }
        if self.folded > 0 {
            self.snapshot_now_and_then().await;
            self.folded = 0;
        }
        for recorded in self.recorded.drain(..) {
            let _ = recorded.send(());
        }
        if !self.used.is_empty() {
            self.mark_used().await;
        }
        let events = &mut self.out.events;
        self.watch
            .publish(&self.machine, &self.runtime, events)
            .await;
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

    /// Carries out the commands of this turn, except those that have to be waited for: these it gives back.
    fn carry_out(&mut self) -> Vec<Command> {
        let mut commands = std::mem::take(&mut self.out.commands);
        let mut slow = Vec::new();
        for command in commands.drain(..) {
            match command {
                Command::Start(step) => self.start(step),
                Command::Cancel(step) => self.attempts.cancel(step, self.parts.clock.now()),
                Command::Retry(..) | Command::Finish => {}
                Command::Withdraw(..) | Command::Snapshot => slow.push(command),
            }
        }
        // Nothing was folded meanwhile; the room serves the next turn.
        self.out.commands = commands;
        slow
    }

    async fn carry_out_slowly(&mut self, commands: Vec<Command>) -> Result<(), DriveError> {
        for command in commands {
            match command {
                Command::Withdraw(_, request) => self.withdraw(&request).await,
                Command::Snapshot => self.snapshot().await?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether the run is over or paused, and its last records are kept.
    fn is_over(&self) -> bool {
        let stopped = matches!(
            self.machine.phase(),
            RunPhase::Ended(_) | RunPhase::Paused { .. }
        );
        stopped && self.folded == 0
    }

    /// Says what the run is doing to whoever asks this process.
    fn tell_status(&mut self) {
        let (status, _, _) = status_of(&self.machine);
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

    /// Takes in what steps said and what the host asks for. True: something was folded.
    pub(super) fn listen(&mut self) -> Result<bool, DriveError> {
        if !self.inbox.is_filled() {
            return Ok(false);
        }
        let before = self.folded;
        let (controls, messages) = self.inbox.take();
        for control in controls {
            self.obey(control)?;
        }
        for message in messages {
            self.note(message)?;
        }
        Ok(self.folded > before)
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

    /// After a resume: once what people did meanwhile is applied, steps start again.
    fn release_hold(&mut self) -> Result<bool, DriveError> {
        let held = matches!(self.machine.phase(), RunPhase::Held);
        if held {
            self.fold(Fact::Continued)?;
        }
        Ok(held)
    }
}
