//! How steps become ready, in which order they start, and what they receive.

use std::sync::Arc;

use serde_json::Value;

use super::state::{EdgeState, LoopState, Resolution, RunPhase, StepState, StepStatus};
use super::step_set::StepSet;
use super::{Command, Fold, Happening, RunSettings, SkipReason};
use crate::canvas::handler::StepError;
use crate::canvas::plan::{EdgeIndex, JoinKind, PlanInput, PlanStep, StepIndex};
use crate::runtime::{LocalState, PortName, PortValues, StepInput};

/// Ready steps: `any` and `first` joins first, then by declaration.
#[derive(Debug, Default)]
pub(super) struct ReadySteps {
    races: StepSet,
    others: StepSet,
}

impl ReadySteps {
    fn insert(&mut self, step: StepIndex, is_race: bool) {
        if is_race {
            self.races.insert(step);
        } else {
            self.others.insert(step);
        }
    }

    fn remove(&mut self, step: StepIndex) {
        self.races.remove(step);
        self.others.remove(step);
    }

    fn pop_first(&mut self) -> Option<StepIndex> {
        self.races.pop_first().or_else(|| self.others.pop_first())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.races.is_empty() && self.others.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.races.clear();
        self.others.clear();
    }
}

impl Fold<'_> {
    /// The run begins: unreachable steps are reported, then the entrypoint is ready.
    pub(super) fn begin_run(
        &mut self,
        input: &Arc<Value>,
        settings: &Arc<RunSettings>,
        no_handler: Option<StepIndex>,
    ) {
        let plan = self.plan;
        let run = &mut *self.run;
        run.phase = RunPhase::Running;
        run.settings = Some(Arc::clone(settings));
        run.input = Some(Arc::clone(input));
        run.times.started = run.times.last;
        run.steps = plan
            .steps
            .iter()
            .map(|step| StepState::new(count(step.forward_in.len())))
            .collect();
        run.edges = plan.edges.iter().map(|_| EdgeState::default()).collect();
        run.loops = plan.loops.iter().map(LoopState::fresh).collect();
        self.emit(None, None, || Happening::SegmentStarted {
            input: Arc::clone(input),
        });
        if let Some(step) = no_handler {
            let step_type = &plan.step(step).spec.step_type;
            let error = StepError::new(
                "StepTypeNotFoundError",
                format!("No handler for step type: {step_type}"),
            )
            .with_code("NO_HANDLER")
            .fatal();
            self.fail_run(error, Some(step));
            return;
        }
        for (at, step) in plan.steps.iter().enumerate() {
            if !step.reachable {
                self.die(StepIndex::new(at), SkipReason::Unreachable);
            }
        }
        self.make_ready(plan.entry);
        self.advance();
    }

    /// The step may start when a slot is free.
    pub(super) fn make_ready(&mut self, step: StepIndex) {
        self.run.steps[step.at()].status = StepStatus::Ready;
        self.run.ready.insert(step, self.plan.step(step).is_race());
    }

    /// The next attempt waits for a slot instead of a delay.
    pub(super) fn make_retry_ready(&mut self, step: StepIndex) {
        self.leave(step, StepStatus::RetryReady);
        self.run.ready.insert(step, self.plan.step(step).is_race());
    }

    /// Starts the first ready step if a slot is free. False: nothing can start.
    pub(super) fn start_next(&mut self) -> bool {
        let slots = if self.plan.definition.params.parallel_execution {
            self.run.settings().max_parallel_steps
        } else {
            1
        };
        if !self.run.phase.is_running() || self.run.slots_used >= slots.max(1) {
            return false;
        }
        let Some(step) = self.run.ready.pop_first() else {
            return false;
        };
        if self.run.steps[step.at()].status == StepStatus::RetryReady {
            self.next_attempt(step);
        } else {
            self.start(step);
        }
        true
    }

    /// A new activation.
    fn start(&mut self, step: StepIndex) {
        let planned = self.plan.step(step);
        let seldom = self.run.steps[step.at()].seldom_mut();
        let prepared = seldom.and_then(|it| it.prepared.take());
        let repeated = prepared.is_some();
        let input = prepared.unwrap_or_else(|| self.gather(step));
        if self.run.settings().emit_data_events && !repeated {
            self.emit_consumed(step);
        }
        let started_event = self.run.next_event;
        let activation = self.run.steps[step.at()].activation + 1;
        self.emit_top(Some(step), || Happening::StepStarted {
            activation,
            input: input.clone(),
        });
        let now = self.run.times.last;
        let state = &mut self.run.steps[step.at()];
        state.activation = activation;
        state.attempt = 1;
        if let Some(seldom) = state.seldom_mut() {
            seldom.local = LocalState::default();
        }
        state.started_at = now;
        state.started_event = started_event;
        state.status = StepStatus::Running;
        state.input = Some(input);
        self.take_slot();
        self.command(Command::Start(step));
        if planned.join == Some(JoinKind::First) {
            self.dismiss_feeders(step);
        }
    }

    /// The next attempt of an activation that was started before.
    pub(super) fn next_attempt(&mut self, step: StepIndex) {
        let held_slot = self.run.steps[step.at()].status.holds_slot();
        let state = &mut self.run.steps[step.at()];
        state.attempt += 1;
        state.status = StepStatus::Running;
        if !held_slot {
            self.take_slot();
        }
        self.command(Command::Start(step));
    }

    fn take_slot(&mut self) {
        self.run.slots_used += 1;
    }

    /// What the step receives: the run input, or the values on its ports.
    fn gather(&self, step: StepIndex) -> StepInput {
        let planned = self.plan.step(step);
        if step == self.plan.entry {
            let input = StepInput::of_run(self.run.input());
            return if planned.join.is_some() {
                input.with_slots(vec![self.run.input()])
            } else {
                input
            };
        }
        let input = match &planned.only_port {
            Some(port) => match planned.inputs.first().and_then(|it| self.latest(it)) {
                Some(value) => StepInput::of_port(port.clone(), value),
                None => StepInput::of_ports(PortValues::new()).with_subject(Arc::default()),
            },
            None => StepInput::of_ports(self.port_values(planned)),
        };
        if planned.join.is_some() {
            input.with_slots(self.slot_values(planned))
        } else {
            input
        }
    }

    /// The values on the connected ports; of several edges into one the last declared wins.
    pub(super) fn port_values(&self, step: &PlanStep) -> PortValues {
        step.inputs
            .iter()
            .filter_map(|input| Some((input.name.clone(), self.latest(input)?)))
            .collect()
    }

    /// The value on a connected port.
    fn latest(&self, input: &PlanInput) -> Option<Arc<Value>> {
        input
            .edges
            .iter()
            .rev()
            .find_map(|edge| self.carried(*edge))
    }

    /// The values in a join's slots, in slot order.
    pub(super) fn slot_values(&self, join: &PlanStep) -> Vec<Arc<Value>> {
        join.forward_in
            .iter()
            .filter_map(|edge| self.carried(*edge))
            .collect()
    }

    /// What a resolved edge carried.
    pub(super) fn carried(&self, edge: EdgeIndex) -> Option<Arc<Value>> {
        let state = &self.run.edges[edge.at()];
        if state.resolution == Resolution::Carried {
            state.value.clone()
        } else {
            None
        }
    }

    fn emit_consumed(&mut self, step: StepIndex) {
        let plan = self.plan;
        for input in &plan.step(step).inputs {
            for &at in &input.edges {
                if self.run.edges[at.at()].resolution == Resolution::Carried {
                    let edge = plan.edge(at);
                    let from_port =
                        PortName::from(plan.definition.edges[at.at()].from_port.as_str());
                    self.emit_top(Some(step), || Happening::DataConsumed {
                        input_port: input.name.clone(),
                        from_step: edge.from,
                        from_port,
                    });
                }
            }
        }
    }

    /// A `first` join has started: its unsettled feeders become dead.
    fn dismiss_feeders(&mut self, join: StepIndex) {
        let plan = self.plan;
        for &step in &plan.step(join).feeders {
            let status = self.run.steps[step.at()].status;
            if status.is_settled() {
                continue;
            }
            self.run.ready.remove(step);
            self.stop_attempt(step);
            self.leave(step, StepStatus::Dead);
            self.run.steps[step.at()].dead = Some(SkipReason::JoinSatisfied);
            if status.is_open() || plan.step(step).innermost.is_none() {
                self.skip(step, SkipReason::JoinSatisfied);
            }
            self.kill_edges(step);
            self.settled(step);
            self.stop_fed_loops(join, step);
        }
    }

    /// Loops that only feed the join do not repeat once it has its value.
    fn stop_fed_loops(&mut self, join: StepIndex, step: StepIndex) {
        let plan = self.plan;
        let feeders = &plan.step(join).feeders;
        for around in plan.loops_around(step) {
            let whole = plan.with_inner(around);
            let mut steps = whole.iter().flat_map(|part| &plan.loop_at(*part).own_steps);
            if steps.all(|it| feeders.binary_search(it).is_ok()) {
                self.run.loops[around.at()].stopped = true;
            }
        }
    }

    /// Tells the runner to drop what an open step has in hand.
    pub(super) fn stop_attempt(&mut self, step: StepIndex) {
        let state = &self.run.steps[step.at()];
        match state.status {
            StepStatus::Running => self.command(Command::Cancel(step)),
            StepStatus::Suspended => {
                let request = state.request_id().unwrap_or_default().to_owned();
                self.command(Command::Withdraw(step, request));
            }
            _ => {}
        }
    }
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
