//! Drives the run machine by itself: scripted handlers, virtual time, no runner and no journal.
//!
//! What a runner would learn from outside (ends of attempts, answers, timers, controls) is made up
//! from a scenario and folded record by record, in the order that `docs/spec/conformance.md` gives
//! for one instant. All records are kept, so that tests can fold any prefix of them again.

mod handlers;
mod state;

use crate::oracle::{Scenario, answer_outcome};
use handlers::Handlers;
use llmteam_canvas::canvas::handler::StepError;
use llmteam_canvas::canvas::machine::{
    AnswerFact, Command, Ending, Fact, JournalRecord, Outbox, RunMachine, RunPhase, RunSettings,
};
use llmteam_canvas::canvas::plan::StepIndex;
use llmteam_canvas::events::WorktrailEvent;
use llmteam_canvas::runtime::{LocalState, StepInput};
use llmteam_security::clock::Timestamp;
use serde_json::{Map, Value, json};
use state::{Attempt, Request};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

pub use handlers::Prepared;

/// What came of a simulation.
#[derive(Debug)]
pub struct Simulated {
    /// The machine as the last record left it.
    pub machine: RunMachine,
    /// All records, in order.
    pub records: Vec<JournalRecord>,
    /// All events, in order.
    pub events: Vec<WorktrailEvent>,
    /// After each record: the attempts and delays that were open, as the commands told it.
    pub open: Vec<Vec<Command>>,
}

/// A handler call, or an answer, that will arrive.
#[derive(Clone, Debug)]
struct Arrival {
    at: u64,
    step: StepIndex,
    call: usize,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    Ended(Result<Value, StepError>),
    Asks,
    Answers(Value),
}

/// Simulates a scenario on the machine.
///
/// # Errors
///
/// A sentence when the scenario has no plan or the machine refuses a record.
pub fn simulate(scenario: &Scenario) -> Result<Simulated, String> {
    let prepared = Prepared::new(scenario)?;
    let mut simulation = Simulation {
        scenario,
        machine: prepared.machine(),
        handlers: Handlers::new(&prepared, scenario),
        prepared,
        out: Outbox {
            wants_events: true,
            ..Outbox::default()
        },
        now: 0,
        arrivals: Vec::new(),
        attempts: BTreeMap::new(),
        requests: BTreeMap::new(),
        kept: Vec::new(),
        snapshot_due: false,
        paused: false,
        ended: false,
        records: Vec::new(),
        events: Vec::new(),
        open: Vec::new(),
    };
    simulation.live()?;
    Ok(Simulated {
        machine: simulation.machine,
        records: simulation.records,
        events: simulation.events,
        open: simulation.open,
    })
}

struct Simulation<'a> {
    scenario: &'a Scenario,
    prepared: Prepared,
    machine: RunMachine,
    handlers: Handlers,
    out: Outbox,
    now: u64,
    arrivals: Vec<Arrival>,
    attempts: BTreeMap<StepIndex, Attempt>,
    requests: BTreeMap<StepIndex, Request>,
    /// What people and deadlines did during a pause.
    kept: Vec<(StepIndex, Option<Value>)>,
    snapshot_due: bool,
    paused: bool,
    ended: bool,
    records: Vec<JournalRecord>,
    events: Vec<WorktrailEvent>,
    open: Vec<Vec<Command>>,
}

impl Simulation<'_> {
    fn live(&mut self) -> Result<(), String> {
        let input = Arc::new(self.scenario.input.clone());
        let settings = settings(&self.scenario.run);
        let no_handler = self.prepared.step_without_handler();
        self.fold(Fact::Started {
            input,
            settings: Arc::new(settings),
            no_handler,
        })?;
        let mut controls = self.scenario.control.clone();
        controls.reverse();
        let time_of = |control: &Value| control["at_ms"].as_u64().unwrap_or(0);
        loop {
            while controls
                .last()
                .is_some_and(|control| time_of(control) <= self.now)
            {
                if let Some(control) = controls.pop() {
                    self.control(&control)?;
                }
            }
            self.batches()?;
            if self.timers()? {
                continue;
            }
            let next = self
                .next_instant()
                .into_iter()
                .chain(controls.last().map(time_of))
                .min();
            match next {
                Some(next) => self.now = next,
                None => return Ok(()),
            }
        }
    }

    fn time(&self) -> Timestamp {
        Timestamp::from_micros(i64::try_from(self.now * 1_000).unwrap_or(i64::MAX))
    }

    /// Folds a fact and carries out the commands that follow.
    fn fold(&mut self, fact: Fact) -> Result<(), String> {
        let record = self.machine.record(fact, self.time());
        self.machine
            .apply(&record, &mut self.out)
            .map_err(|error| error.to_string())?;
        self.records.push(record);
        for event in std::mem::take(&mut self.out.events) {
            self.events.push(self.prepared.draw(&event));
        }
        for command in std::mem::take(&mut self.out.commands) {
            match command {
                Command::Start(step) => self.begin(step),
                Command::Retry(step, _) | Command::Cancel(step) => {
                    self.attempts.remove(&step);
                }
                Command::Withdraw(step, _) => {
                    self.requests.remove(&step);
                }
                Command::Snapshot => self.snapshot_due = true,
                Command::Finish => self.ended = true,
            }
        }
        self.open.push(self.open_now());
        Ok(())
    }

    /// What a runner that starts now would have to carry out.
    fn open_now(&self) -> Vec<Command> {
        let starts = self
            .attempts
            .keys()
            .map(|step| (*step, Command::Start(*step)));
        let retries = self
            .machine
            .retries()
            .map(|(step, at)| (step, Command::Retry(step, at)));
        let mut open: Vec<(StepIndex, Command)> = starts.chain(retries).collect();
        open.sort_by_key(|(step, _)| *step);
        let mut open: Vec<Command> = open.into_iter().map(|(_, command)| command).collect();
        if self.snapshot_due {
            open.push(Command::Snapshot);
        }
        if self.ended {
            open.push(Command::Finish);
        }
        open
    }

    fn begin(&mut self, step: StepIndex) {
        let call = self.handlers.next_call(step);
        let limit = self.prepared.attempt_limit(step);
        self.attempts.insert(
            step,
            Attempt {
                call,
                limit: limit.map(|limit| self.now + limit),
            },
        );
        let (after, what) = self
            .handlers
            .call(&self.prepared, &self.machine, step, call);
        let what = what.map_or(What::Asks, What::Ended);
        self.arrivals.push(Arrival {
            at: self.now + after,
            step,
            call,
            what,
        });
    }

    fn batches(&mut self) -> Result<(), String> {
        loop {
            let now = self.now;
            let (mut batch, rest): (Vec<Arrival>, Vec<Arrival>) =
                std::mem::take(&mut self.arrivals)
                    .into_iter()
                    .partition(|arrival| arrival.at <= now);
            self.arrivals = rest;
            if batch.is_empty() {
                return Ok(());
            }
            batch.sort_by_key(|arrival| (arrival.step, arrival.at));
            for arrival in batch {
                self.arrive(arrival)?;
            }
            self.snapshot()?;
        }
    }

    fn arrive(&mut self, arrival: Arrival) -> Result<(), String> {
        let Arrival { step, call, .. } = arrival;
        let runs = self
            .attempts
            .get(&step)
            .is_some_and(|attempt| attempt.call == call);
        match arrival.what {
            _ if self.ended => Ok(()),
            What::Ended(result) if runs => self.attempt_ended(step, result),
            What::Asks if runs => self.ask(step, call),
            What::Answers(answer) => {
                let Some(request) = self.requests.get_mut(&step) else {
                    return Ok(());
                };
                if request.call != call || request.closed {
                    return Ok(());
                }
                let input = self.machine.step_input(step).map(StepInput::subject);
                let subject = input.as_deref().unwrap_or(&Value::Null);
                let config = &self.prepared.spec(step).config;
                let Some(output) = answer_outcome(config, subject, &answer["respond"]) else {
                    return Ok(());
                };
                request.closed = true;
                self.human(step, Some(output))
            }
            _ => Ok(()),
        }
    }

    fn attempt_ended(
        &mut self,
        step: StepIndex,
        result: Result<Value, StepError>,
    ) -> Result<(), String> {
        self.attempts.remove(&step);
        let result = match result {
            Ok(value) => Ending::Ok(Arc::new(value)),
            Err(error) => Ending::Err(Box::new(error)),
        };
        self.fold(Fact::StepEnded {
            step,
            result,
            state: LocalState::default(),
            answer: None,
        })
    }

    fn ask(&mut self, step: StepIndex, call: usize) -> Result<(), String> {
        self.attempts.remove(&step);
        let config = self.prepared.spec(step).config.clone();
        let request = Request::new(&config, call, self.now);
        let text = |key: &str| config.get(key).and_then(Value::as_str).map(str::to_owned);
        self.requests.insert(step, request);
        for answer in self.handlers.answers(step, call) {
            let at = self.now + answer["after_ms"].as_u64().unwrap_or(0);
            self.arrivals.push(Arrival {
                at,
                step,
                call,
                what: What::Answers(answer),
            });
        }
        self.fold(Fact::Asked {
            step,
            request_id: format!("request {step:?} {call}"),
            task_type: text("task_type").unwrap_or_else(|| "approval".to_owned()),
            assignee: text("assignee_ref"),
            state: LocalState::default(),
        })
    }

    /// An answer's output, or a deadline that fired; during a pause it is kept.
    fn human(&mut self, step: StepIndex, output: Option<Value>) -> Result<(), String> {
        match self.paused {
            true => self.kept.push((step, output)),
            false => return self.apply_human(step, output),
        }
        Ok(())
    }

    fn apply_human(&mut self, step: StepIndex, output: Option<Value>) -> Result<(), String> {
        let Some(request) = self.requests.get_mut(&step) else {
            return Ok(());
        };
        let answer = AnswerFact {
            request_id: format!("request {step:?} {}", request.call),
            completed_by: output.as_ref().map(|output| {
                let port = output.as_object().and_then(|ports| ports.values().next());
                port.and_then(|port| port["responder"].as_str())
                    .unwrap_or_default()
                    .to_owned()
            }),
            duration_ms: 0,
        };
        let result = match output {
            Some(output) => Ending::Ok(Arc::new(output)),
            None => match request.escalate() {
                Some((level, assignee)) => {
                    return self.fold(Fact::Escalated {
                        step,
                        level,
                        assignee,
                    });
                }
                None => {
                    let error = StepError::new("TimeoutError", "")
                        .with_code("HUMAN_TIMEOUT")
                        .fatal();
                    Ending::Err(Box::new(error))
                }
            },
        };
        self.requests.remove(&step);
        self.fold(Fact::StepEnded {
            step,
            result,
            state: LocalState::default(),
            answer: Some(Box::new(answer)),
        })
    }

    fn control(&mut self, control: &Value) -> Result<(), String> {
        match control["do"].as_str().unwrap_or_default() {
            "pause"
                if !self.ended
                    && !self.paused
                    && !matches!(self.machine.phase(), RunPhase::Draining) =>
            {
                self.fold(Fact::PauseRequested)?;
                self.snapshot()
            }
            "resume" if self.paused => {
                self.paused = false;
                self.fold(Fact::Resumed {
                    snapshot_id: "snapshot".to_owned(),
                    settings: None,
                })?;
                let mut kept = std::mem::take(&mut self.kept);
                kept.sort_by_key(|(step, _)| *step);
                for (step, what) in kept {
                    if !self.ended {
                        self.apply_human(step, what)?;
                    }
                }
                match self.ended {
                    true => Ok(()),
                    false => self.fold(Fact::Continued),
                }
            }
            "cancel" if !self.ended => {
                self.paused = false;
                self.fold(Fact::Cancelled {
                    reason: String::new(),
                })
            }
            _ => Ok(()),
        }
    }

    fn snapshot(&mut self) -> Result<(), String> {
        if std::mem::take(&mut self.snapshot_due) && !self.ended {
            self.fold(Fact::Paused {
                snapshot_id: "snapshot".to_owned(),
            })?;
            self.paused = true;
        }
        Ok(())
    }

    /// Ends of retry delays, step timeouts, human deadlines and the segment's limit, each as declared.
    fn timers(&mut self) -> Result<bool, String> {
        let now = self.now;
        let mut any = false;
        let over = |run: &Self, step: StepIndex| {
            let mut open = run.machine.retries();
            open.any(|(open, due)| open == step && due <= run.time())
        };
        let due: Vec<StepIndex> = self.machine.retries().map(|(step, _)| step).collect();
        for step in due {
            if !self.ended && over(self, step) {
                any = true;
                self.fold(Fact::RetryDue { step })?;
            }
        }
        let late = |attempt: &Attempt| attempt.limit.is_some_and(|limit| limit <= now);
        let due: Vec<StepIndex> = self
            .attempts
            .iter()
            .filter(|(_, attempt)| late(attempt))
            .map(|(step, _)| *step)
            .collect();
        for step in due {
            if !self.ended && self.attempts.get(&step).is_some_and(late) {
                any = true;
                let error = StepError::new("TimeoutError", "").with_code("STEP_TIMEOUT");
                self.attempt_ended(step, Err(error))?;
            }
        }
        let over = |request: &Request| !request.closed && request.deadline <= now;
        let due: Vec<StepIndex> = self
            .requests
            .iter()
            .filter(|(_, request)| over(request))
            .map(|(step, _)| *step)
            .collect();
        for step in due.into_iter().filter(|_| !self.ended).collect::<Vec<_>>() {
            if let Some(request) = self.requests.get_mut(&step) {
                any = true;
                request.fire();
                self.human(step, None)?;
            }
        }
        self.snapshot()?;
        if !self.ended
            && self
                .machine
                .time_limit()
                .is_some_and(|limit| limit <= self.time())
        {
            any = true;
            self.fold(Fact::TimedOut)?;
        }
        Ok(any && !self.ended)
    }

    fn next_instant(&self) -> Option<u64> {
        if self.ended {
            return None;
        }
        let waited_for = |arrival: &&Arrival| {
            let runs = self
                .attempts
                .get(&arrival.step)
                .is_some_and(|attempt| attempt.call == arrival.call);
            runs || self
                .requests
                .get(&arrival.step)
                .is_some_and(|request| request.call == arrival.call)
        };
        let arrivals = self
            .arrivals
            .iter()
            .filter(waited_for)
            .map(|arrival| arrival.at);
        let limits = self.attempts.values().filter_map(|attempt| attempt.limit);
        let deadlines = self
            .requests
            .values()
            .filter(|request| !request.closed)
            .map(|request| request.deadline);
        let millis = |at: Timestamp| u64::try_from(at.as_micros() / 1_000).unwrap_or(0);
        let retries = self.machine.retries().map(|(_, due)| millis(due));
        let limit = self
            .machine
            .time_limit()
            .map(|at| u64::try_from(at.as_micros() / 1_000).unwrap_or(0));
        arrivals
            .chain(limits)
            .chain(deadlines)
            .chain(retries)
            .chain(limit)
            .min()
    }
}

/// The recorded part of a case's run configuration.
#[must_use]
pub fn settings(run: &Map<String, Value>) -> RunSettings {
    let millis = |key: &str| {
        run.get(key)
            .and_then(Value::as_u64)
            .map(Duration::from_millis)
    };
    let number = |key: &str| {
        run.get(key)
            .and_then(Value::as_u64)
            .and_then(|n| u32::try_from(n).ok())
    };
    let default = RunSettings::default();
    RunSettings {
        timeout: millis("timeout_ms"),
        max_retries: number("max_retries"),
        retry_delay: millis("retry_delay_ms").unwrap_or(default.retry_delay),
        retry_backoff: run
            .get("retry_backoff")
            .and_then(Value::as_f64)
            .unwrap_or(default.retry_backoff),
        max_retry_delay: millis("max_retry_delay_ms").unwrap_or(default.max_retry_delay),
        max_parallel_steps: number("max_parallel_steps").unwrap_or(default.max_parallel_steps),
        snapshot_interval: number("snapshot_interval").unwrap_or(0),
        emit_data_events: run.get("emit_data_events") == Some(&json!(true)),
        ..default
    }
}
