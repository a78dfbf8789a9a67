//! Virtual time: what happens at one instant, in which order, and which instant comes next.

use super::builtin::error;
use super::run::{Arrival, Pending, Phase, Run};
use serde_json::{Value, json};

impl Run<'_> {
    /// Lives through every instant until nothing more can happen.
    pub(super) fn live(&mut self) {
        let mut controls = self.scenario.control.clone();
        controls.sort_by_key(|control| control["at_ms"].as_u64().unwrap_or(0));
        controls.reverse();
        while self.unsupported.is_none() {
            while controls
                .last()
                .is_some_and(|control| control["at_ms"].as_u64().unwrap_or(0) <= self.now)
            {
                if let Some(control) = controls.pop() {
                    self.control(&control);
                }
            }
            self.batches();
            if self.timers() {
                continue;
            }
            let next_control = controls
                .last()
                .map(|control| control["at_ms"].as_u64().unwrap_or(0));
            let Some(next) = self.next_instant().into_iter().chain(next_control).min() else {
                return;
            };
            if self.running_steps() > 0 {
                self.active += next - self.now;
            }
            self.now = next;
        }
    }

    fn running_steps(&self) -> usize {
        self.steps
            .iter()
            .filter(|step| step.phase == Phase::Running)
            .count()
    }

    fn control(&mut self, control: &Value) {
        let for_another = ["tenant", "instance", "snapshot"];
        if for_another.iter().any(|key| control.get(*key).is_some()) {
            return;
        }
        match control["do"].as_str().unwrap_or_default() {
            "pause" if self.running() => {
                self.pausing = true;
                for state in self
                    .steps
                    .iter_mut()
                    .filter(|state| state.retry_at.is_some())
                {
                    if state.phase == Phase::Running {
                        state.phase = Phase::Ready;
                        state.kept = true;
                    }
                    state.retry_at = None;
                }
                self.pause_when_idle();
            }
            "resume" if self.status == "paused" => {
                if let Some(config) = control["run"].as_object() {
                    self.config = config.clone();
                }
                self.resume();
            }
            "crash" if self.running() => {
                self.status = "crashed";
                self.pending
                    .retain(|pending| matches!(pending.what, Arrival::Person(_)));
            }
            "recover" if self.status == "crashed" => self.recover(),
            "cancel" if matches!(self.status, "running" | "paused") => {
                if self.status == "paused" {
                    self.paused_ms += self.now - self.stopped_at;
                }
                let closed = self.close_open_steps();
                self.outcome.current_step = closed.map(|step| self.segment.steps[step].id.clone());
                self.emit("segment.cancelled", None, json!({}));
                self.stop("cancelled");
            }
            "expect_status" => {
                let suspended = self.steps.iter().any(|step| step.phase == Phase::Suspended);
                let found = match self.status {
                    "running" if self.running_steps() == 0 && suspended => "waiting",
                    other => other,
                };
                let at = control["at_ms"].as_u64().unwrap_or(0);
                let expected = control["status"].as_str().unwrap_or_default().to_owned();
                self.outcome.checks.push((
                    format!("status at {at} ms"),
                    expected,
                    found.to_owned(),
                ));
            }
            "pause" | "resume" | "cancel" | "crash" | "recover" => {}
            other => self.unsupported = Some(format!("control `{other}`")),
        }
    }

    ///
    fn pause_when_idle(&mut self) {
        if self.running() && self.pausing && self.running_steps() == 0 {
            if self
                .scenario
                .faults
                .iter()
                .any(|fault| fault == "snapshot_save")
            {
                self.pausing = false;
                return self.after_change();
            }
            self.stop("paused");
            self.emit(
                "segment.paused",
                None,
                json!({ "steps_completed": self.completed.len() }),
            );
        }
    }

    /// H-05: what people and deadlines did meanwhile comes right after segment.resumed.
    fn resume(&mut self) {
        self.status = "running";
        self.pausing = false;
        self.paused_ms += self.now - self.stopped_at;
        self.emit(
            "segment.resumed",
            None,
            json!({ "steps_completed": self.completed.len() }),
        );
        self.apply_kept();
    }

    /// After a crash nothing is reported; handler calls that had not ended are made again.
    fn recover(&mut self) {
        self.status = "running";
        for step in 0..self.steps.len() {
            let state = &mut self.steps[step];
            if state.phase == Phase::Running && state.retry_at.is_none() {
                state.attempt -= 1;
                self.begin_attempt(step);
            }
        }
        self.apply_kept();
    }

    /// First everything that was kept, then the starts.
    fn apply_kept(&mut self) {
        let mut kept = std::mem::take(&mut self.kept);
        kept.sort_by_key(|(step, _)| *step);
        self.held = true;
        for (step, what) in kept {
            if self.running() && self.steps[step].phase == Phase::Suspended {
                match what {
                    Some(output) => self.answered(step, output),
                    None => self.escalated(step),
                }
            }
        }
        self.held = false;
        if self.running() {
            self.after_change();
        }
    }

    /// Completions and answers that have arrived, batch after batch.
    fn batches(&mut self) {
        loop {
            let now = self.now;
            let (mut batch, rest): (Vec<Pending>, Vec<Pending>) = std::mem::take(&mut self.pending)
                .into_iter()
                .partition(|pending| pending.at <= now);
            self.pending = rest;
            if batch.is_empty() {
                return self.pause_when_idle();
            }
            batch.sort_by_key(|pending| (pending.step, pending.at));
            for arrival in batch {
                self.arrive(arrival);
            }
            self.pause_when_idle();
        }
    }

    fn arrive(&mut self, arrival: Pending) {
        let step = arrival.step;
        let current = self.steps[step].calls == arrival.call + 1;
        match arrival.what {
            Arrival::Handler(answer) => {
                let open =
                    self.steps[step].phase == Phase::Running && self.steps[step].retry_at.is_none();
                if self.running() && current && open {
                    self.handler_ended(step, answer);
                }
            }
            Arrival::Person(answer) => {
                let alive =
                    current && self.steps[step].phase == Phase::Suspended && self.is_alive();
                let request = self.steps[step].request.as_ref().filter(|_| alive);
                let found = match request.map(|request| request.closed) {
                    Some(false) => match self.person_answers(step, &answer["respond"]) {
                        Some(output) => {
                            self.accept(step, output);
                            "accepted"
                        }
                        None => "invalid",
                    },
                    _ => "conflict",
                };
                if let Some(expected) = answer["is"].as_str() {
                    let what = format!("answer to `{}`", self.segment.steps[step].id);
                    self.outcome
                        .checks
                        .push((what, expected.to_owned(), found.to_owned()));
                }
            }
        }
    }

    fn is_alive(&self) -> bool {
        matches!(self.status, "running" | "paused" | "crashed")
    }

    fn accept(&mut self, step: usize, output: Value) {
        if let Some(request) = &mut self.steps[step].request {
            request.closed = true;
        }
        match self.running() {
            true => self.answered(step, output),
            false => self.kept.push((step, Some(output))),
        }
    }

    fn answered(&mut self, step: usize, output: Value) {
        let by = output
            .as_object()
            .and_then(|ports| ports.values().next())
            .map_or(Value::Null, |o| o["responder"].clone());
        self.emit(
            "human.task_completed",
            Some(step),
            json!({ "completed_by": by }),
        );
        self.complete(step, output);
    }

    /// A deadline that has fired takes effect: the next name, or the end of the task (H-05).
    fn escalated(&mut self, step: usize) {
        let Some(request) = &mut self.steps[step].request else {
            return;
        };
        request.level += 1;
        if let Some(assignee) = request.chain.get(request.level - 1).cloned() {
            let level = request.level;
            self.emit(
                "human.task_escalated",
                Some(step),
                json!({ "assignee": assignee, "level": level }),
            );
        } else {
            self.attempt_failed(step, &error("TimeoutError", "HUMAN_TIMEOUT", "", false));
        }
    }

    /// Retry delays, step timeouts, human deadlines and the segment limit that end now. Whether any did.
    fn timers(&mut self) -> bool {
        let now = self.now;
        let due = |run: &Self, at: fn(&super::run::StepState) -> Option<u64>| -> Vec<usize> {
            (0..run.steps.len())
                .filter(|&step| at(&run.steps[step]).is_some_and(|at| at <= now))
                .collect()
        };
        let mut any = false;
        for step in due(self, retry_end) {
            any = true;
            self.begin_attempt(step);
        }
        for step in due(self, attempt_end) {
            if attempt_end(&self.steps[step]).is_some_and(|at| at <= now) && self.running() {
                any = true;
                self.steps[step].timeout_at = None;
                self.cancel_handler(step);
                self.attempt_failed(step, &error("TimeoutError", "STEP_TIMEOUT", "", true));
            }
        }
        for step in due(self, deadline) {
            if deadline(&self.steps[step]).is_some_and(|at| at <= now) && self.is_alive() {
                any = true;
                if let Some(request) = &mut self.steps[step].request {
                    let fired = 1 + self.kept.iter().filter(|(kept, _)| *kept == step).count();
                    request.closed = request.level + fired > request.chain.len();
                    request.deadline += request.window;
                }
                match self.running() {
                    true => self.escalated(step),
                    false => self.kept.push((step, None)),
                }
            }
        }
        self.pause_when_idle();
        if self
            .segment_limit()
            .is_some_and(|limit| self.active >= limit)
            && self.running()
            && self.running_steps() > 0
        {
            any = true;
            self.fail_run(
                "timeout",
                &error("TimeoutError", "SEGMENT_TIMEOUT", "timed out", true),
                None,
            );
        }
        any
    }

    /// A scripted handler ends when it is cancelled, unless its action says that it does not.
    fn cancel_handler(&mut self, step: usize) {
        let call = self.steps[step].calls - 1;
        if self.action_of(step, call)["ignore_cancel"] == true {
            let running = self
                .pending
                .iter()
                .find(|pending| pending.step == step && pending.call == call);
            let ends = running.map_or(self.now, |pending| pending.at);
            self.steps[step].busy_until = Some(ends.min(self.now + 5_000));
        }
    }

    fn segment_limit(&self) -> Option<u64> {
        let own = self.config.get("timeout_ms").and_then(Value::as_u64);
        Some(own.unwrap_or(self.segment.timeout_ms)).filter(|limit| *limit > 0)
    }

    fn next_instant(&self) -> Option<u64> {
        if !self.is_alive() {
            return None;
        }
        let limit = self
            .segment_limit()
            .filter(|_| self.running_steps() > 0 && self.running());
        let steps = self
            .steps
            .iter()
            .flat_map(|step| [retry_end(step), attempt_end(step), deadline(step)])
            .flatten();
        let live = |pending: &&Pending| {
            let step = &self.steps[pending.step];
            step.calls == pending.call + 1
                && matches!(step.phase, Phase::Running | Phase::Suspended)
        };
        let arrivals = self.pending.iter().filter(live).map(|pending| pending.at);
        arrivals
            .chain(steps)
            .chain(limit.map(|limit| self.now + limit.saturating_sub(self.active)))
            .min()
    }
}

fn retry_end(step: &super::run::StepState) -> Option<u64> {
    step.retry_at.filter(|_| step.phase == Phase::Running)
}

fn attempt_end(step: &super::run::StepState) -> Option<u64> {
    step.timeout_at
        .filter(|_| step.phase == Phase::Running && step.retry_at.is_none())
}

fn deadline(step: &super::run::StepState) -> Option<u64> {
    let request = step.request.as_ref().filter(|request| !request.closed)?;
    (step.phase == Phase::Suspended).then_some(request.deadline)
}
