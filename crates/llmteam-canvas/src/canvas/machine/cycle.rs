//! Loops: when an iteration ends, what the next one begins with, what leaves a closed loop.

use std::cmp::Reverse;
use std::sync::Arc;

use serde_json::Value;

use super::state::{EdgeState, LoopState, Resolution, StepStatus};
use super::{Fold, SkipReason};
use crate::canvas::handler::StepError;
use crate::canvas::plan::{JoinKind, LoopIndex, PlanLoop, StepIndex};
use crate::runtime::{PortName, PortValues, StepInput};

impl Fold<'_> {
    /// One own step settled or one inner loop closed.
    pub(super) fn one_less_open(&mut self, around: LoopIndex) {
        let state = &mut self.run.loops[around.at()];
        state.open -= 1;
        if state.open == 0 {
            self.run.ended_loops.push(Reverse(around));
        }
    }

    /// All steps of the loop are settled: it repeats if a back edge carried, else it closes.
    pub(super) fn end_iteration(&mut self, at: LoopIndex) {
        let plan = self.plan;
        let looped = plan.loop_at(at);
        let state = &self.run.loops[at.at()];
        let repeats = !state.stopped
            && looped
                .back_edges
                .iter()
                .any(|edge| self.carried(*edge).is_some());
        if !repeats {
            self.close(at, looped);
        } else if state.iteration >= plan.definition.params.max_iterations {
            let header = &plan.step(looped.header).spec.step_id;
            let error = StepError::new(
                "MaxIterationsError",
                format!(
                    "the loop at `{header}` reached its limit of {} iterations",
                    state.iteration
                ),
            )
            .with_code("MAX_ITERATIONS")
            .fatal();
            self.fail_run(error, Some(looped.header));
        } else {
            self.repeat(at, looped);
        }
    }

    /// The loop begins again at its header; loops inside it start fresh.
    fn repeat(&mut self, at: LoopIndex, looped: &PlanLoop) {
        let plan = self.plan;
        let input = self.next_header_input(looped);
        let iteration = self.run.loops[at.at()].iteration + 1;
        let whole = plan.with_inner(at);
        for &part in &whole {
            self.run.loops[part.at()] = LoopState::fresh(plan.loop_at(part));
            for edge in &plan.loop_at(part).own_edges {
                self.run.edges[edge.at()] = EdgeState::default();
            }
        }
        for &part in &whole {
            for &step in &plan.loop_at(part).own_steps {
                self.reset_step(step);
            }
        }
        self.run.loops[at.at()].iteration = iteration;
        self.run.steps[looped.header.at()].need_seldom().prepared = Some(input);
        self.make_ready(looped.header);
    }

    /// The step waits again; edges from outside the loop keep what they carried.
    fn reset_step(&mut self, step: StepIndex) {
        let planned = self.plan.step(step);
        let (mut unresolved, mut carried) = (0, 0);
        for edge in &planned.forward_in {
            match self.run.edges[edge.at()].resolution {
                Resolution::Open => unresolved += 1,
                Resolution::Carried => carried += 1,
                Resolution::Dead => {}
            }
        }
        let state = &mut self.run.steps[step.at()];
        state.status = StepStatus::Waiting;
        state.attempt = 0;
        state.unresolved = unresolved;
        state.carried = carried;
        if let Some(seldom) = state.seldom_mut() {
            seldom.absorbed = None;
        }
        if planned.is_race() && carried > 0 {
            self.run.undecided.insert(step);
        }
    }

    /// The header's outside inputs overlaid with what the back edges carried.
    fn next_header_input(&self, looped: &PlanLoop) -> StepInput {
        let header = self.plan.step(looped.header);
        let mut back = PortValues::new();
        for &edge in &looped.back_edges {
            if let Some(value) = self.carried(edge) {
                put(&mut back, self.plan.edge(edge).to_port.clone(), value);
            }
        }
        let is_entry = looped.header == self.plan.entry;
        let slots = header.join.map(|join| {
            let mut slots = Vec::new();
            if join != JoinKind::First {
                slots.extend(is_entry.then(|| self.run.input()));
            }
            slots.extend(header.slots.iter().filter_map(|&edge| {
                let counts = join != JoinKind::First || self.plan.edge(edge).closes.is_some();
                if counts { self.carried(edge) } else { None }
            }));
            slots
        });
        let subject = header.only_port.as_ref().map(|port| {
            back.iter()
                .find(|(name, _)| name == port)
                .map(|(_, value)| Arc::clone(value))
        });
        let input = if is_entry {
            let mut fields = self.run.input().as_object().cloned().unwrap_or_default();
            fields.extend(
                back.iter()
                    .map(|(port, value)| (port.to_string(), Value::clone(value))),
            );
            StepInput::of_run(Arc::new(Value::Object(fields)))
        } else {
            let mut ports = self.port_values(header);
            for (port, value) in back {
                put(&mut ports, port, value);
            }
            StepInput::of_ports(ports)
        };
        let input = match (subject, &header.only_port) {
            (Some(Some(value)), _) => input.with_subject(value),
            (Some(None), Some(port)) => {
                let value = input.port(port).cloned().unwrap_or_default();
                input.with_subject(Arc::new(value))
            }
            _ => input,
        };
        match slots {
            Some(slots) => input.with_slots(slots),
            None => input,
        }
    }

    /// The loop is over: its edges outward are resolved and what never ran is reported.
    fn close(&mut self, at: LoopIndex, looped: &PlanLoop) {
        self.run.loops[at.at()].closed = true;
        match looped.parent {
            Some(parent) => self.one_less_open(parent),
            None => self.report_never_started(at),
        }
        for &edge in &looped.exits {
            let latest = self.run.edges[edge.at()].value.take();
            self.resolve_now(edge, latest);
        }
    }

    fn report_never_started(&mut self, outermost: LoopIndex) {
        let plan = self.plan;
        let mut steps: Vec<StepIndex> = plan
            .with_inner(outermost)
            .iter()
            .flat_map(|part| &plan.loop_at(*part).own_steps)
            .copied()
            .collect();
        steps.sort_unstable();
        for step in steps {
            let state = &self.run.steps[step.at()];
            if state.activation == 0 && !state.skipped {
                let reason = match state.dead {
                    Some(SkipReason::JoinSatisfied) => SkipReason::JoinSatisfied,
                    _ => SkipReason::BranchNotTaken,
                };
                self.skip(step, reason);
            }
        }
    }
}

/// Sets the value on a port.
fn put(ports: &mut PortValues, port: PortName, value: Arc<Value>) {
    match ports.iter_mut().find(|(name, _)| *name == port) {
        Some(slot) => slot.1 = value,
        None => ports.push((port, value)),
    }
}
