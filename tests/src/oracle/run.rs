//! The state of a run, how it starts, how a step starts, and how the run ends.

use super::builtin::{Answer, error};
use super::flow::Absorbed;
use super::loops::{self, Loop};
use super::segment::{Segment, StepType};
use super::{Event, Outcome, Scenario, Unsupported};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// The largest payload of an event.
const MAX_PAYLOAD_BYTES: usize = 64 * 1024;

/// Where a step stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Phase {
    Waiting,
    Ready,
    Running,
    Suspended,
    Completed,
    Failed,
    Dead(&'static str),
}

/// An open human request.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) deadline: u64,
    pub(super) window: u64,
    pub(super) chain: Vec<String>,
    pub(super) level: usize,
    /// Answered or expired: later answers are conflicts.
    pub(super) closed: bool,
}

#[derive(Clone, Debug)]
pub(super) struct StepState {
    pub(super) phase: Phase,
    pub(super) activation: u64,
    pub(super) attempt: u64,
    pub(super) calls: usize,
    pub(super) input: Map<String, Value>,
    pub(super) subject: Value,
    pub(super) joined: Vec<Value>,
    pub(super) output: Value,
    /// What the back edges brought, by edge, when the loop repeated.
    pub(super) brought: Option<Vec<(usize, Value)>>,
    /// Ready, but already started: a failed attempt kept across a pause.
    pub(super) kept: bool,
    pub(super) retry_at: Option<u64>,
    pub(super) timeout_at: Option<u64>,
    /// When a handler that does not heed its cancellation is gone.
    pub(super) busy_until: Option<u64>,
    pub(super) request: Option<Request>,
    pub(super) skipped: bool,
}

/// A handler call that will end.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub(super) at: u64,
    pub(super) step: usize,
    pub(super) call: usize,
    pub(super) what: Arrival,
}

/// What reaches the scheduler.
#[derive(Clone, Debug)]
pub(super) enum Arrival {
    Handler(Answer),
    Person(Value),
}

/// How far an edge is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Slot {
    Open,
    Carried(Value),
    Dead,
}

#[derive(Clone, Debug)]
pub(super) struct EdgeState {
    pub(super) slot: Slot,
    /// For an edge that leaves a loop: the value of the latest iteration in which it carried.
    pub(super) held: Option<Value>,
    /// For a back edge: what it carried in the present iteration.
    pub(super) back: Option<Value>,
    /// Whether it carried when its source was last settled.
    pub(super) carried_last: bool,
}

#[derive(Clone, Debug)]
pub(super) struct LoopState {
    pub(super) closed: bool,
    pub(super) iteration: u64,
}

pub(super) struct Run<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) segment: Segment,
    /// The run's configuration; a resume may replace it.
    pub(super) config: Map<String, Value>,
    pub(super) types: Vec<Option<StepType>>,
    pub(super) loops: Vec<Loop>,
    pub(super) reachable: Vec<usize>,
    pub(super) now: u64,
    pub(super) active: u64,
    /// When the run stopped, by its end or a pause; and how long its pauses took.
    pub(super) stopped_at: u64,
    pub(super) paused_ms: u64,
    pub(super) status: &'static str,
    pub(super) pausing: bool,
    /// Resumed, and what happened during the pause is being applied: nothing starts yet.
    pub(super) held: bool,
    pub(super) steps: Vec<StepState>,
    pub(super) edges: Vec<EdgeState>,
    pub(super) loop_states: Vec<LoopState>,
    pub(super) absorbed: Vec<Absorbed>,
    pub(super) pending: Vec<Pending>,
    /// What people and deadlines did during a pause.
    pub(super) kept: Vec<(usize, Option<Value>)>,
    pub(super) completed: BTreeSet<usize>,
    pub(super) outcome: Outcome,
    pub(super) unsupported: Option<String>,
}

impl<'a> Run<'a> {
    pub(super) fn new(scenario: &'a Scenario, segment: Segment) -> Self {
        let step = StepState {
            phase: Phase::Waiting,
            activation: 0,
            attempt: 0,
            calls: 0,
            input: Map::new(),
            subject: Value::Null,
            joined: Vec::new(),
            output: json!({}),
            brought: None,
            kept: false,
            retry_at: None,
            timeout_at: None,
            busy_until: None,
            request: None,
            skipped: false,
        };
        let edge = EdgeState {
            slot: Slot::Open,
            held: None,
            back: None,
            carried_last: false,
        };
        let loops = loops::find(&segment);
        let type_of = |kind: &str| match scenario.types.get(kind) {
            Some(metadata) => Some(StepType::from_metadata(metadata)),
            None => StepType::builtin(kind),
        };
        Self {
            scenario,
            config: scenario.run.clone(),
            types: segment
                .steps
                .iter()
                .map(|step| type_of(&step.kind))
                .collect(),
            reachable: loops::search_order(&segment),
            now: 0,
            active: 0,
            stopped_at: 0,
            paused_ms: 0,
            status: "running",
            pausing: false,
            held: false,
            steps: vec![step; segment.steps.len()],
            edges: vec![edge; segment.edges.len()],
            loop_states: vec![
                LoopState {
                    closed: false,
                    iteration: 1
                };
                loops.len()
            ],
            loops,
            segment,
            absorbed: Vec::new(),
            pending: Vec::new(),
            kept: Vec::new(),
            completed: BTreeSet::new(),
            outcome: Outcome {
                output: json!({}),
                ..Outcome::default()
            },
            unsupported: None,
        }
    }

    pub(super) fn go(mut self) -> Result<Outcome, Unsupported> {
        self.start();
        self.live();
        if let Some(what) = self.unsupported {
            return Err(Unsupported(what));
        }
        let mut outcome = self.outcome;
        outcome.status = match self.status {
            "running" => "waiting".to_owned(),
            other => other.to_owned(),
        };
        outcome.steps_completed = self.completed.len() as u64;
        outcome.duration_ms = self.stopped_at.saturating_sub(self.paused_ms);
        if matches!(outcome.status.as_str(), "waiting" | "paused") {
            let open = self
                .steps
                .iter()
                .position(|step| step.phase == Phase::Suspended);
            outcome.current_step = open.map(|step| self.segment.steps[step].id.clone());
        }
        Ok(outcome)
    }

    pub(super) fn running(&self) -> bool {
        self.status == "running"
    }

    pub(super) fn emit(&mut self, kind: &str, step: Option<usize>, payload: Value) {
        let size = payload.to_string().len();
        let payload = match size > MAX_PAYLOAD_BYTES {
            true => json!({ "truncated": true, "size_bytes": size }),
            false => payload,
        };
        let step = step.map(|step| self.segment.steps[step].id.clone());
        let at_ms = self.now;
        self.outcome.events.push(Event {
            kind: kind.to_owned(),
            step,
            at_ms,
            payload,
        });
    }

    ///
    fn start(&mut self) {
        self.emit(
            "segment.started",
            None,
            json!({ "input": self.scenario.input }),
        );
        let missing = (0..self.steps.len())
            .find(|step| self.reachable.contains(step) && self.types[*step].is_none());
        if let Some(step) = missing {
            let message = format!(
                "No handler for step type: {}",
                self.segment.steps[step].kind
            );
            self.fail_run(
                "failed",
                &error("StepTypeNotFoundError", "NO_HANDLER", &message, false),
                Some(step),
            );
            return;
        }
        for step in (0..self.steps.len())
            .filter(|step| !self.reachable.contains(step))
            .collect::<Vec<_>>()
        {
            self.skip(step, "unreachable");
            self.steps[step].phase = Phase::Dead("unreachable");
            for edge in self.segment.outgoing(step).collect::<Vec<_>>() {
                self.edges[edge].slot = Slot::Dead;
            }
        }
        self.steps[self.segment.entry].phase = Phase::Ready;
        self.after_change();
    }

    pub(super) fn skip(&mut self, step: usize, reason: &str) {
        self.steps[step].skipped = true;
        self.outcome.steps_skipped += 1;
        self.emit("step.skipped", Some(step), json!({ "reason": reason }));
    }

    /// Starts whatever may start; a step kept across a pause goes on without step.started.
    pub(super) fn start_steps(&mut self) {
        while self.running() && !self.pausing && !self.held && self.unsupported.is_none() {
            let running = self
                .steps
                .iter()
                .filter(|step| step.phase == Phase::Running)
                .count() as u64;
            let slots = match self.segment.parallel {
                true => self
                    .scenario
                    .run
                    .get("max_parallel_steps")
                    .and_then(Value::as_u64)
                    .unwrap_or(10),
                false => 1,
            };
            let ready = |step: &usize| self.steps[*step].phase == Phase::Ready;
            let join_first = (0..self.steps.len())
                .filter(ready)
                .min_by_key(|&step| (!self.is_race(step), step));
            let Some(step) = join_first.filter(|_| running < slots) else {
                return;
            };
            self.start_step(step);
        }
    }

    fn start_step(&mut self, step: usize) {
        self.steps[step].phase = Phase::Running;
        if self.steps[step].kept {
            self.steps[step].kept = false;
            self.begin_attempt(step);
            return;
        }
        let delivered = self.delivered(step);
        let input = self.input_of(step, &delivered);
        let state = &mut self.steps[step];
        state.activation += 1;
        state.attempt = 0;
        let activation = state.activation;
        state.input = input.clone();
        self.steps[step].subject = self.subject_of(step, &input);
        self.steps[step].joined = self.joined_of(step, &delivered);
        if self.config.get("emit_data_events") == Some(&json!(true)) {
            for (edge, _) in &delivered {
                let edge = self.segment.edges[*edge].clone();
                let from = &self.segment.steps[edge.from].id;
                let payload = json!({ "input_port": edge.to_port, "from_step": from, "from_port": edge.from_port });
                self.emit("data.consumed", Some(step), payload);
            }
        }
        let input = Value::Object(input);
        let id = self.segment.steps[step].id.clone();
        self.outcome
            .step_inputs
            .entry(id)
            .or_default()
            .push(input.clone());
        self.emit(
            "step.started",
            Some(step),
            json!({ "input": input, "activation": activation }),
        );
        self.begin_attempt(step);
        if self.strategy(step) == Some("first") {
            self.close_feeders(step);
        }
    }

    /// whatever is open is closed, in declaration order. Gives the lowest step closed.
    pub(super) fn close_open_steps(&mut self) -> Option<usize> {
        let open = |state: &StepState| {
            matches!(state.phase, Phase::Running | Phase::Suspended)
                || (state.phase == Phase::Ready && state.kept)
        };
        let open: Vec<usize> = (0..self.steps.len())
            .filter(|step| open(&self.steps[*step]))
            .collect();
        for &step in &open {
            self.emit_failed(step, &error("CancelledError", "CANCELLED", "", true), false);
            self.steps[step].phase = Phase::Failed;
            self.steps[step].request = None;
        }
        open.first().copied()
    }

    pub(super) fn fail_run(&mut self, status: &'static str, fault: &Value, culprit: Option<usize>) {
        let closed = self.close_open_steps();
        self.outcome.error_type = fault["error_type"].as_str().map(str::to_owned);
        self.outcome.current_step = culprit
            .or(closed)
            .map(|step| self.segment.steps[step].id.clone());
        let mut payload = json!({ "error": fault });
        if let Some(step) = culprit {
            payload["step_id"] = json!(self.segment.steps[step].id);
        }
        self.emit("segment.failed", None, payload);
        self.stop(status);
    }

    ///
    pub(super) fn finish(&mut self) {
        let ends = |step: &usize| {
            self.steps[*step].phase == Phase::Completed
                && self
                    .segment
                    .outgoing(*step)
                    .all(|edge| !self.edges[edge].carried_last)
        };
        let terminals: Vec<usize> = (0..self.steps.len()).filter(ends).collect();
        let output = match terminals.as_slice() {
            [only] => self.steps[*only].output.clone(),
            several => {
                let named = several.iter().map(|&s| {
                    (
                        self.segment.steps[s].id.clone(),
                        self.steps[s].output.clone(),
                    )
                });
                Value::Object(named.collect())
            }
        };
        self.outcome.output = output.clone();
        self.emit("segment.completed", None, json!({ "output": output }));
        self.stop("completed");
    }

    pub(super) fn stop(&mut self, status: &'static str) {
        self.status = status;
        self.stopped_at = self.now;
    }
}
