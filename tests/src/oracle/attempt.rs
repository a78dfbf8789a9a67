//! What becomes of a started step: handler calls, results, failures and people.

use super::builtin::{self, Answer, Call, error};
use super::expression::Fault;
use super::flow::Absorbed;
use super::people;
use super::run::{Arrival, Pending, Phase, Request, Run};
use super::segment::milliseconds;
use serde_json::{Value, json};

/// The largest result of a step.
const MAX_RESULT_BYTES: usize = 16 * 1024 * 1024;

impl Run<'_> {
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
        let action = self.action_of(step, call);
        let after = action["after_ms"].as_u64().unwrap_or(0);
        let (after, answer) = if let Some(value) = action.get("return") {
            (after, Answer::Return(value.clone()))
        } else if let Some(bytes) = action["return_bytes"].as_u64() {
            (after, Answer::Return(json!("x".repeat(bytes as usize))))
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

    /// What the script says for a handler call; null for a step without script.
    pub(super) fn action_of(&self, step: usize, call: usize) -> Value {
        let script = self.scenario.script.get(&self.segment.steps[step].id);
        let action = script.and_then(|script| script.get(call).or(script.last()));
        action.cloned().unwrap_or(Value::Null)
    }

    /// The end of a handler call.
    pub(super) fn handler_ended(&mut self, step: usize, answer: Answer) {
        self.steps[step].timeout_at = None;
        match answer {
            Answer::Return(value) if value.to_string().len() > MAX_RESULT_BYTES => {
                self.attempt_failed(step, &error("ResultTooLarge", "", "", false));
            }
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
        if self.config.get("emit_data_events") == Some(&json!(true)) {
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
                let delay_over = self.now + self.retry_delay(attempt);
                let handler_gone = self.steps[step].busy_until.take().unwrap_or(0);
                self.steps[step].retry_at = Some(delay_over.max(handler_gone));
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
        let of_run = self.config.get("max_retries").and_then(Value::as_u64);
        own.or(of_run).unwrap_or(self.segment.max_retries)
    }

    fn retry_delay(&self, attempt: u64) -> u64 {
        let number = |key: &str, default: f64| {
            let configured = self.config.get(key).and_then(Value::as_f64);
            configured.unwrap_or(default)
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
        let call = self.steps[step].calls - 1;
        let action = self.action_of(step, call);
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
                what: Arrival::Person(answer.clone()),
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
    pub(super) fn condition_failed(&mut self, source: usize, fault: Fault) {
        if let Fault::Unsupported(text) = fault {
            self.unsupported = Some(format!("expression `{text}`"));
        }
        self.fail_run(
            "failed",
            &error("InvalidConditionError", "INVALID_CONDITION", "", false),
            Some(source),
        );
    }
}
