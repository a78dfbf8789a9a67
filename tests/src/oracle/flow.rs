//! How values travel: ports, edges, readiness, joins, skips and loops.

use super::builtin::error;
use super::expression::{self, Fault, Names};
use super::run::{Phase, Run, Slot};
use serde_json::{Map, Value, json};

/// A failure taken in by a race (an `any` or `first` join).
#[derive(Clone, Debug)]
pub(super) struct Absorbed {
    pub(super) join: usize,
    pub(super) step: usize,
    pub(super) error: Value,
}

/// What the rules decide about a waiting step.
enum Decision {
    Ready,
    Dead,
    Undecided,
}

impl Run<'_> {
    pub(super) fn ports_of(&self, step: usize) -> (Vec<String>, String) {
        let kind = self.types[step].clone().unwrap_or_default();
        self.segment.ports(step, &kind)
    }

    /// The merge strategy of a join, none for other steps.
    pub(super) fn strategy(&self, step: usize) -> Option<&str> {
        let step = &self.segment.steps[step];
        let strategy = step
            .config
            .get("merge_strategy")
            .and_then(Value::as_str)
            .unwrap_or("all");
        (step.kind == "parallel_join").then_some(strategy)
    }

    /// Whether the step is a join that starts at its first value.
    pub(super) fn is_race(&self, step: usize) -> bool {
        matches!(self.strategy(step), Some("any" | "first"))
    }

    /// the value an output port has, for an edge that leaves it.
    pub(super) fn port_value(&self, step: usize, port: &str) -> Option<Value> {
        let (ports, _) = self.ports_of(step);
        let output = &self.steps[step].output;
        if !ports.iter().any(|name| name == port) {
            return Some(output.clone());
        }
        match output.get(port) {
            Some(Value::Null) if ports.len() > 1 => None,
            other => other.cloned(),
        }
    }

    /// What the edge carries, by its port and its condition.
    pub(super) fn judge(&self, edge: usize) -> Result<Option<Value>, Fault> {
        let edge = &self.segment.edges[edge];
        let Some(value) = self.port_value(edge.from, &edge.from_port) else {
            return Ok(None);
        };
        let Some(condition) = &edge.condition else {
            return Ok(Some(value));
        };
        let source = &self.steps[edge.from];
        let mut builtins = Map::new();
        builtins.insert("output".to_owned(), source.output.clone());
        builtins.insert("value".to_owned(), value.clone());
        builtins.insert("input".to_owned(), Value::Object(source.input.clone()));
        let run = json!({ "input": self.scenario.input, "segment_id": self.segment.id });
        builtins.insert("run".to_owned(), run);
        let object = |value: &Value| value.as_object().cloned().unwrap_or_default();
        let names = Names {
            fields: vec![object(&source.output), object(&value)],
            builtins,
        };
        Ok(expression::condition(condition, &names)?.then_some(value))
    }

    /// The loops that an edge leaves, outermost first.
    fn left_by(&self, edge: usize) -> Vec<usize> {
        let edge = &self.segment.edges[edge];
        let leaves = |l: &usize| {
            self.loops[*l].steps.contains(&edge.from) && !self.loops[*l].steps.contains(&edge.to)
        };
        let mut left: Vec<usize> = (0..self.loops.len()).filter(leaves).collect();
        left.sort_by_key(|&l| self.loops[l].depth);
        left
    }

    pub(super) fn is_back_edge(&self, edge: usize) -> bool {
        self.loops.iter().any(|l| l.back_edges.contains(&edge))
    }

    /// Takes note of what an edge carried, or did not, now that its source is settled.
    pub(super) fn deliver(&mut self, edge: usize, value: Option<Value>) {
        let leaves = !self.left_by(edge).is_empty();
        let back = self.is_back_edge(edge);
        let state = &mut self.edges[edge];
        state.carried_last = value.is_some();
        if leaves {
            state.held = value.or(state.held.take());
        } else if back {
            state.back = value;
        } else {
            state.slot = value.map_or(Slot::Dead, Slot::Carried);
        }
    }

    /// The edges that bring the step a value now, with the values, in declaration order.
    pub(super) fn delivered(&self, step: usize) -> Vec<(usize, Value)> {
        let mut delivered = Vec::new();
        for edge in self.segment.incoming(step) {
            let brought = self.steps[step]
                .brought
                .iter()
                .flatten()
                .find(|(back, _)| *back == edge);
            if let Some((_, value)) = brought {
                delivered.push((edge, value.clone()));
            } else if let Slot::Carried(value) = &self.edges[edge].slot {
                delivered.push((edge, value.clone()));
            }
        }
        delivered
    }

    ///
    pub(super) fn input_of(&self, step: usize, delivered: &[(usize, Value)]) -> Map<String, Value> {
        let mut input = Map::new();
        if step == self.segment.entry {
            input = self.scenario.input.as_object().cloned().unwrap_or_default();
        }
        for back in [false, true] {
            for (edge, value) in delivered
                .iter()
                .filter(|(edge, _)| self.is_back_edge(*edge) == back)
            {
                input.insert(self.segment.edges[*edge].to_port.clone(), value.clone());
            }
        }
        input
    }

    ///
    pub(super) fn subject_of(&self, step: usize, input: &Map<String, Value>) -> Value {
        let mut ports: Vec<&String> = self
            .segment
            .incoming(step)
            .map(|e| &self.segment.edges[e].to_port)
            .collect();
        ports.sort();
        ports.dedup();
        let first_of_entry = step == self.segment.entry && self.steps[step].activation == 1;
        match ports.as_slice() {
            [only] if !first_of_entry => input.get(*only).cloned().unwrap_or(Value::Null),
            _ => Value::Object(input.clone()),
        }
    }

    /// the values a join hands on, in slot order; for `first` only the chosen one.
    pub(super) fn joined_of(&self, step: usize, delivered: &[(usize, Value)]) -> Vec<Value> {
        let Some(strategy) = self.strategy(step) else {
            return Vec::new();
        };
        let mut slots = delivered.to_vec();
        if strategy == "first" && self.steps[step].brought.is_some() {
            slots.retain(|(edge, _)| self.is_back_edge(*edge));
        }
        slots.sort_by_key(|(edge, _)| (slot_order(&self.segment.edges[*edge].to_port), *edge));
        let mut values: Vec<Value> = slots.into_iter().map(|(_, value)| value).collect();
        let first_again = strategy == "first" && self.steps[step].brought.is_some();
        if step == self.segment.entry && !first_again {
            values.insert(0, self.scenario.input.clone());
        }
        values
    }

    ///
    fn decide(&self, step: usize) -> Decision {
        let forward: Vec<usize> = self
            .segment
            .incoming(step)
            .filter(|&edge| !self.is_back_edge(edge))
            .collect();
        let carried = |edge: &usize| matches!(self.edges[*edge].slot, Slot::Carried(_));
        let open = |edge: &usize| self.edges[*edge].slot == Slot::Open;
        if self.is_race(step) {
            return match (forward.iter().any(carried), forward.iter().any(open)) {
                (true, _) => Decision::Ready,
                (false, true) => Decision::Undecided,
                (false, false) => Decision::Dead,
            };
        }
        if forward.iter().any(open) {
            return Decision::Undecided;
        }
        let optional = self.types[step]
            .as_ref()
            .map(|kind| kind.optional_inputs.clone())
            .unwrap_or_default();
        let is_optional = |edge: &usize| optional.contains(&self.segment.edges[*edge].to_port);
        let all_optional = forward.iter().all(is_optional);
        match forward
            .iter()
            .any(|edge| (all_optional || !is_optional(edge)) && carried(edge))
        {
            true => Decision::Ready,
            false => Decision::Dead,
        }
    }

    fn in_loop(&self, step: usize) -> bool {
        self.loops.iter().any(|l| l.steps.contains(&step))
    }

    /// A step that will not run (again): its edges are dead with it.
    fn kill(&mut self, step: usize, reason: &'static str) {
        let state = &mut self.steps[step];
        state.phase = Phase::Dead(reason);
        state.retry_at = None;
        state.timeout_at = None;
        for edge in self.segment.outgoing(step).collect::<Vec<_>>() {
            self.deliver(edge, None);
        }
    }

    /// Decides waiting steps, lowest first, until nothing changes.
    fn settle(&mut self) {
        let mut step = 0;
        while step < self.steps.len() && self.running() {
            if self.steps[step].phase != Phase::Waiting {
                step += 1;
                continue;
            }
            match self.decide(step) {
                Decision::Undecided => step += 1,
                Decision::Ready => {
                    self.steps[step].phase = Phase::Ready;
                    step += 1;
                }
                Decision::Dead => {
                    let last = self
                        .absorbed
                        .iter()
                        .rev()
                        .find(|absorbed| absorbed.join == step);
                    if let Some(absorbed) = last.filter(|_| self.is_race(step)) {
                        let fault = absorbed.error.clone();
                        return self.fail_run("failed", &fault, Some(step));
                    }
                    self.kill(step, "branch_not_taken");
                    if !self.in_loop(step) {
                        self.skip(step, "branch_not_taken");
                    }
                    step = 0;
                }
            }
        }
    }

    /// What follows every change: settle, close or repeat loops, settle again, start steps, end.
    pub(super) fn after_change(&mut self) {
        self.settle_all();
        self.start_steps();
        let over =
            |phase: &Phase| matches!(phase, Phase::Completed | Phase::Failed | Phase::Dead(_));
        if self.running() && self.steps.iter().all(|step| over(&step.phase)) {
            self.finish();
        }
    }

    fn settle_all(&mut self) {
        self.settle();
        while self.running() {
            let Some(ended) = self.ended_loop() else {
                return;
            };
            self.end_iteration(ended);
            self.settle();
        }
    }

    /// a loop whose iteration is over; inner ones first, then the lower header.
    fn ended_loop(&self) -> Option<usize> {
        let over = |step: &usize| {
            matches!(
                self.steps[*step].phase,
                Phase::Completed | Phase::Failed | Phase::Dead(_)
            )
        };
        (0..self.loops.len())
            .filter(|&l| !self.loop_states[l].closed && self.loops[l].steps.iter().all(over))
            .filter(|&l| {
                self.inside(l)
                    .iter()
                    .all(|&inner| self.loop_states[inner].closed)
            })
            .min_by_key(|&l| (usize::MAX - self.loops[l].depth, self.loops[l].header))
    }

    /// The loops inside a loop.
    fn inside(&self, outer: usize) -> Vec<usize> {
        (0..self.loops.len())
            .filter(|&l| self.loops[l].is_inside(&self.loops[outer]))
            .collect()
    }

    fn end_iteration(&mut self, ended: usize) {
        let this = self.loops[ended].clone();
        let brought = |edge: &usize| self.edges[*edge].back.clone().map(|value| (*edge, value));
        let brought: Vec<(usize, Value)> = this.back_edges.iter().filter_map(brought).collect();
        if brought.is_empty() {
            return self.close_loop(ended);
        }
        self.loop_states[ended].iteration += 1;
        if self.loop_states[ended].iteration > self.segment.max_iterations {
            let fault = error("MaxIterationsError", "MAX_ITERATIONS", "", false);
            return self.fail_run("failed", &fault, Some(this.header));
        }
        for inner in self.inside(ended) {
            self.loop_states[inner].closed = false;
            self.loop_states[inner].iteration = 1;
        }
        for &step in &this.steps {
            self.steps[step].phase = Phase::Waiting;
            self.steps[step].brought = None;
        }
        self.absorbed
            .retain(|a| !(this.steps.contains(&a.join) && this.steps.contains(&a.step)));
        for edge in 0..self.edges.len() {
            let ends = &self.segment.edges[edge];
            if this.steps.contains(&ends.from) && this.steps.contains(&ends.to) {
                self.edges[edge].slot = Slot::Open;
                self.edges[edge].held = None;
                self.edges[edge].back = None;
            }
        }
        self.steps[this.header].phase = Phase::Ready;
        self.steps[this.header].brought = Some(brought);
    }

    ///
    fn close_loop(&mut self, closed: usize) {
        let this = self.loops[closed].clone();
        self.loop_states[closed].closed = true;
        if this.depth == 0 {
            for &step in &this.steps {
                if let (Phase::Dead(reason), 0) =
                    (self.steps[step].phase.clone(), self.steps[step].activation)
                {
                    self.skip(step, reason);
                }
            }
        }
        for edge in 0..self.edges.len() {
            if self.left_by(edge).first() == Some(&closed) {
                let held = self.edges[edge].held.take();
                if self.is_back_edge(edge) {
                    self.edges[edge].back = held;
                } else {
                    self.edges[edge].slot = held.map_or(Slot::Dead, Slot::Carried);
                }
            }
        }
    }

    /// the largest set of steps that lead to the join and nowhere else.
    fn feeders(&self, join: usize) -> Vec<usize> {
        let mut leading = vec![join];
        loop {
            let forward = (0..self.segment.edges.len()).filter(|&edge| !self.is_back_edge(edge));
            let ends =
                forward.map(|edge| (self.segment.edges[edge].from, self.segment.edges[edge].to));
            let found = ends
                .filter(|(_, to)| leading.contains(to))
                .map(|(from, _)| from);
            let Some(step) = found.into_iter().find(|from| !leading.contains(from)) else {
                break;
            };
            leading.push(step);
        }
        leading.retain(|&step| step != join);
        loop {
            let stays = |step: &usize| {
                let mut targets = self
                    .segment
                    .outgoing(*step)
                    .map(|edge| self.segment.edges[edge].to);
                targets.all(|to| to == join || leading.contains(&to))
            };
            let remaining: Vec<usize> = leading.iter().copied().filter(stays).collect();
            if remaining.len() == leading.len() {
                return remaining;
            }
            leading = remaining;
        }
    }

    /// The `any` and `first` joins that the step feeds.
    pub(super) fn races_fed_by(&self, step: usize) -> Vec<usize> {
        (0..self.steps.len())
            .filter(|&join| self.is_race(join) && self.feeders(join).contains(&step))
            .collect()
    }

    /// a `first` join has started; what still works for it is cancelled or will not start.
    pub(super) fn close_feeders(&mut self, join: usize) {
        let mut feeders = self.feeders(join);
        feeders.sort_unstable();
        let mut report = Vec::new();
        for step in feeders {
            let state = &mut self.steps[step];
            let started = match state.phase {
                Phase::Running | Phase::Suspended => true,
                Phase::Ready => state.kept,
                Phase::Waiting => false,
                Phase::Completed | Phase::Failed | Phase::Dead(_) => continue,
            };
            state.kept = false;
            state.request = None;
            if started || !self.in_loop(step) {
                report.push(step);
            }
            self.kill(step, "join_satisfied");
        }
        for step in report {
            self.skip(step, "join_satisfied");
        }
        self.settle_all();
    }
}

/// The order of slots: the name without its trailing digits, no number before numbers, the number.
fn slot_order(port: &str) -> (String, usize, String) {
    let name = port.trim_end_matches(|c: char| c.is_ascii_digit());
    let digits = &port[name.len()..];
    let number = digits.trim_start_matches('0');
    let size = if digits.is_empty() {
        0
    } else {
        1 + number.len()
    };
    (name.to_owned(), size, number.to_owned())
}
