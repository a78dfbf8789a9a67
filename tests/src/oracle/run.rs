//! The state of a run, how a step starts and ends, and how the run ends.

use super::builtin::{self, Answer, Call, error};
use super::flow::Absorbed;
use super::loops::{self, Loop};
use super::segment::{Segment, StepType, milliseconds};
use super::{Event, Outcome, Scenario, Unsupported, people};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

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
    pub(super) types: Vec<Option<StepType>>,
    pub(super) loops: Vec<Loop>,
    pub(super) reachable: Vec<usize>,
    pub(super) now: u64,
    pub(super) active: u64,
    pub(super) status: &'static str,
    pub(super) pausing: bool,
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
            types: segment
                .steps
                .iter()
                .map(|step| type_of(&step.kind))
                .collect(),
            reachable: loops::search_order(&segment),
            now: 0,
            active: 0,
            status: "running",
            pausing: false,
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
        let step = step.map(|step| self.segment.steps[step].id.clone());
        self.outcome.events.push(Event {
            kind: kind.to_owned(),
            step,
            at_ms: self.now,
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
        while self.running() && !self.pausing && self.unsupported.is_none() {
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
        if self.scenario.run.get("emit_data_events") == Some(&json!(true)) {
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

    /// One handler call: scripted, or the built-in one, which takes no time.
    pub(super) fn begin_attempt(&mut self, step: usize) {
        let state = &mut self.steps[step];
        state.attempt += 1;
        state.retry_at = None;
        let call = state.calls;
        state.calls += 1;
        let limit = self.segment.steps[step]
            .config
            .get("timeout_seconds")
            .and_then(milliseconds);
        let limit = limit.filter(|_| {
            self.types[step]
                .as_ref()
                .is_some_and(|kind| kind.supports_timeout)
        });
        self.steps[step].timeout_at = limit.map(|limit| self.now + limit);
        let script = self.scenario.script.get(&self.segment.steps[step].id);
        let action = script
            .and_then(|script| script.get(call).or(script.last()))
            .cloned()
            .unwrap_or(Value::Null);
        let after = action["after_ms"].as_u64().unwrap_or(0);
        let (after, answer) = if let Some(value) = action.get("return") {
            (after, Answer::Return(value.clone()))
        } else if let Some(fault) = action.get("fail") {
            let code = fault["error_code"].as_str().unwrap_or_default();
            let kind = fault["error_type"].as_str().unwrap_or_default();
            let message = fault["error_message"].as_str().unwrap_or_default();
            let mut info = error(kind, code, message, fault["recoverable"] != false);
            info["error_code"] = fault["error_code"].clone();
            (after, Answer::Fail(info))
        } else {
            let run = json!({ "input": self.scenario.input, "segment_id": self.segment.id });
            let (_, default_port) = self.ports_of(step);
            let state = &self.steps[step];
            let call = Call {
                step: &self.segment.steps[step],
                subject: &state.subject,
                input: &state.input,
                run: &run,
                joined: &state.joined,
                default_port: &default_port,
            };
            match builtin::run(&call) {
                Ok(answer) => (0, answer),
                Err(what) => {
                    self.unsupported = Some(what);
                    return;
                }
            }
        };
        self.pending.push(Pending {
            at: self.now + after,
            step,
            call,
            what: Arrival::Handler(answer),
        });
    }

    /// The end of a handler call.
    pub(super) fn handler_ended(&mut self, step: usize, answer: Answer) {
        self.steps[step].timeout_at = None;
        match answer {
            Answer::Return(value) => self.complete(step, value),
            Answer::Fail(fault) => self.attempt_failed(step, &fault),
            Answer::Suspend => self.suspend(step),
        }
    }

    pub(super) fn complete(&mut self, step: usize, value: Value) {
        let (ports, default) = self.ports_of(step);
        let keyed = value
            .as_object()
            .is_some_and(|object| ports.iter().any(|port| object.contains_key(port)));
        let output = if keyed {
            value
        } else {
            json!({ default: value })
        };
        self.steps[step].output = output.clone();
        self.steps[step].phase = Phase::Completed;
        self.completed.insert(step);
        let activation = self.steps[step].activation;
        self.emit(
            "step.completed",
            Some(step),
            json!({ "output": output, "activation": activation }),
        );
        if self.scenario.run.get("emit_data_events") == Some(&json!(true)) {
            for port in &ports {
                if self.port_value(step, port).is_some() {
                    self.emit("data.produced", Some(step), json!({ "output_port": port }));
                }
            }
        }
        for edge in self.segment.outgoing(step).collect::<Vec<_>>() {
            match self.judge(edge) {
                Ok(value) => self.deliver(edge, value),
                Err(fault) => return self.condition_failed(step, fault),
            }
        }
        self.after_change();
    }

    /// and the absorption of X-49.
    pub(super) fn attempt_failed(&mut self, step: usize, fault: &Value) {
        let attempt = self.steps[step].attempt;
        let attempts = 1 + self.retries(step);
        if fault["recoverable"] == true && attempt < attempts {
            let payload = json!({ "attempt": attempt, "max_attempts": attempts, "error": fault });
            self.emit("step.retrying", Some(step), payload);
            if self.pausing {
                self.steps[step].phase = Phase::Ready;
                self.steps[step].kept = true;
            } else {
                self.steps[step].retry_at = Some(self.now + self.retry_delay(attempt));
            }
            self.after_change();
            return;
        }
        let (ports, _) = self.ports_of(step);
        let mut judged = Vec::new();
        if ports.iter().any(|port| port == "error") {
            self.steps[step].output = json!({ "error": fault });
            for edge in self.segment.outgoing(step).collect::<Vec<_>>() {
                if self.segment.edges[edge].from_port == "error" {
                    match self.judge(edge) {
                        Ok(value) => judged.push((edge, value)),
                        Err(condition) => {
                            self.emit_failed(step, fault, false);
                            self.steps[step].phase = Phase::Failed;
                            return self.condition_failed(step, condition);
                        }
                    }
                }
            }
        }
        self.steps[step].phase = Phase::Failed;
        let handled = judged.iter().any(|(_, value)| value.is_some());
        let races = self.races_fed_by(step);
        if !handled && races.is_empty() {
            self.emit_failed(step, fault, false);
            return self.fail_run("failed", fault, Some(step));
        }
        self.emit_failed(step, fault, true);
        self.outcome.steps_failed += 1;
        if !handled {
            for join in races {
                self.absorbed.push(Absorbed {
                    join,
                    step,
                    error: fault.clone(),
                });
            }
        }
        for edge in self.segment.outgoing(step).collect::<Vec<_>>() {
            let value = judged
                .iter()
                .find(|(judged, _)| *judged == edge)
                .and_then(|(_, value)| value.clone());
            self.deliver(edge, value);
        }
        self.after_change();
    }

    pub(super) fn emit_failed(&mut self, step: usize, fault: &Value, handled: bool) {
        let activation = self.steps[step].activation;
        let payload = json!({ "activation": activation, "handled": handled, "error": fault });
        self.emit("step.failed", Some(step), payload);
    }

    fn retries(&self, step: usize) -> u64 {
        if !self.types[step]
            .as_ref()
            .is_some_and(|kind| kind.supports_retry)
        {
            return 0;
        }
        let own = self.segment.steps[step]
            .config
            .get("retry_count")
            .and_then(Value::as_u64);
        let of_run = self.scenario.run.get("max_retries").and_then(Value::as_u64);
        own.or(of_run).unwrap_or(self.segment.max_retries)
    }

    fn retry_delay(&self, attempt: u64) -> u64 {
        let number = |key: &str, default: f64| {
            self.scenario
                .run
                .get(key)
                .and_then(Value::as_f64)
                .unwrap_or(default)
        };
        let grown = number("retry_delay_ms", 1000.0)
            * number("retry_backoff", 2.0).powi(attempt as i32 - 1);
        grown.min(number("max_retry_delay_ms", 30_000.0)).round() as u64
    }

    /// H-02, H-03: the request is made and the step gives up its slot.
    fn suspend(&mut self, step: usize) {
        let config = self.segment.steps[step].config.clone();
        let hours = config
            .get("timeout_hours")
            .and_then(Value::as_f64)
            .unwrap_or(24.0);
        let window = (hours * 3_600_000.0).round() as u64;
        let chain = people::escalation_chain(&config);
        let assignee = config.get("assignee_ref").cloned().unwrap_or(Value::Null);
        self.steps[step].phase = Phase::Suspended;
        self.steps[step].request = Some(Request {
            deadline: self.now + window,
            window,
            chain,
            level: 0,
            closed: false,
        });
        let task_type = config
            .get("task_type")
            .cloned()
            .unwrap_or_else(|| json!("approval"));
        self.emit(
            "human.task_created",
            Some(step),
            json!({ "task_type": task_type, "assignee": assignee }),
        );
        if !assignee.is_null() {
            self.emit(
                "human.task_assigned",
                Some(step),
                json!({ "assignee": assignee }),
            );
        }
        let script = self.scenario.script.get(&self.segment.steps[step].id);
        let call = self.steps[step].calls - 1;
        let action = script
            .and_then(|script| script.get(call).or(script.last()))
            .cloned()
            .unwrap_or(Value::Null);
        let answers = match &action["respond"] {
            Value::Array(answers) => answers.clone(),
            Value::Null => Vec::new(),
            answer => vec![json!({ "after_ms": action["after_ms"], "respond": answer })],
        };
        for answer in answers {
            let at = self.now + answer["after_ms"].as_u64().unwrap_or(0);
            self.pending.push(Pending {
                at,
                step,
                call,
                what: Arrival::Person(answer["respond"].clone()),
            });
        }
        self.after_change();
    }

    /// The output of a person's answer, or `None` when it is refused.
    pub(super) fn person_answers(&mut self, step: usize, answer: &Value) -> Option<Value> {
        let config = &self.segment.steps[step].config;
        if config.contains_key("input_schema") {
            self.unsupported = Some("input_schema".to_owned());
        }
        people::outcome(config, &self.steps[step].subject, answer)
    }

    ///
    pub(super) fn condition_failed(&mut self, source: usize, fault: super::expression::Fault) {
        if let super::expression::Fault::Unsupported(text) = fault {
            self.unsupported = Some(format!("expression `{text}`"));
        }
        self.fail_run(
            "failed",
            &error("InvalidConditionError", "INVALID_CONDITION", "", false),
            Some(source),
        );
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
        self.emit("segment.failed", None, json!({ "error": fault }));
        self.status = status;
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
        self.status = "completed";
    }
}
