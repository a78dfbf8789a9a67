//! How edges resolve and steps settle: readiness, deadness, output ports.

use std::cmp::Reverse;
use std::sync::Arc;

use serde_json::Value;
use smallvec::SmallVec;

use super::state::{Output, Resolution, StepStatus};
use super::{Fold, Happening, SkipReason};
use crate::canvas::expression::EdgeNames;
use crate::canvas::handler::StepError;
use crate::canvas::plan::{EdgeIndex, EdgeSource, PlanStep, StepIndex};
use crate::runtime::StepInput;

/// What the edges of a step carry, in declaration order.
pub(super) type Judged = SmallVec<[(EdgeIndex, Option<Arc<Value>>); 4]>;

impl Fold<'_> {
    /// Settles, closes and repeats loops, and starts steps until nothing changes.
    pub(super) fn advance(&mut self) {
        loop {
            self.settle();
            if let Some(Reverse(ended)) = self.run.ended_loops.pop() {
                self.end_iteration(ended);
            } else if !self.start_next() {
                break;
            }
        }
        self.finish_if_done();
    }

    /// Decides steps, the lowest first, until no decision is left.
    pub(super) fn settle(&mut self) {
        while let Some(step) = self.run.undecided.pop_first() {
            if self.run.steps[step.at()].status == StepStatus::Waiting {
                self.decide(step);
            }
        }
    }

    /// Ready if a value reached it, else dead.
    fn decide(&mut self, step: StepIndex) {
        let planned = self.plan.step(step);
        let state = &self.run.steps[step.at()];
        let alive = if planned.join.is_some() {
            state.carried > 0
        } else {
            self.has_needed_value(planned)
        };
        if alive {
            self.make_ready(step);
            return;
        }
        let seldom = self.run.steps[step.at()].seldom_mut();
        if let Some(error) = seldom.and_then(|it| it.absorbed.take()) {
            self.fail_run(error, Some(step));
            return;
        }
        self.die(step, SkipReason::BranchNotTaken);
    }

    /// Whether a required connected port has a value; if none is required, any connected port.
    fn has_needed_value(&self, step: &PlanStep) -> bool {
        let has_value = |edges: &[EdgeIndex]| {
            edges
                .iter()
                .any(|edge| self.run.edges[edge.at()].resolution == Resolution::Carried)
        };
        let any_required = step.inputs.iter().any(|input| input.required);
        step.inputs
            .iter()
            .filter(|input| input.required || !any_required)
            .any(|input| has_value(&input.edges))
    }

    /// The step will not run in this iteration; its edges are dead. Outside loops that is said at once.
    pub(super) fn die(&mut self, step: StepIndex, reason: SkipReason) {
        self.leave(step, StepStatus::Dead);
        self.run.steps[step.at()].dead.get_or_insert(reason);
        if self.plan.step(step).innermost.is_none() {
            self.skip(step, reason);
        }
        self.kill_edges(step);
        self.settled(step);
    }

    /// Emits `step.skipped`.
    pub(super) fn skip(&mut self, step: StepIndex, reason: SkipReason) {
        self.run.steps[step.at()].skipped = true;
        self.run.counts.skipped += 1;
        self.emit_top(Some(step), || Happening::StepSkipped { reason });
    }

    /// All edges of the step are dead.
    pub(super) fn kill_edges(&mut self, step: StepIndex) {
        let plan = self.plan;
        self.run.steps[step.at()].delivered = false;
        for &edge in &plan.step(step).outgoing {
            self.resolve(edge, None);
        }
    }

    /// Counts the step as settled in its loop.
    pub(super) fn settled(&mut self, step: StepIndex) {
        if let Some(around) = self.plan.step(step).innermost {
            self.one_less_open(around);
        }
    }

    /// A handler's result as an output object.
    pub(super) fn shape(&self, step: StepIndex, value: &Arc<Value>) -> Output {
        let planned = self.plan.step(step);
        match &**value {
            Value::Object(fields)
                if planned
                    .spec
                    .outputs
                    .iter()
                    .any(|port| fields.contains_key(&**port)) =>
            {
                Output::Keyed(Arc::clone(value))
            }
            _ => Output::Single(planned.default_output.clone(), Arc::clone(value)),
        }
    }

    /// The value on an effective port; null counts only where it is the one port.
    pub(super) fn port_value(
        &self,
        step: StepIndex,
        output: &Output,
        port: &str,
    ) -> Option<Arc<Value>> {
        let value = output.port(port)?;
        (!value.is_null() || self.plan.step(step).spec.outputs.len() == 1).then_some(value)
    }

    /// What each edge of the step carries. `only_error`: the step failed and only
    /// edges from its `error` port count.
    ///
    /// An evaluation error is a fault of the graph.
    pub(super) fn judge(
        &self,
        step: StepIndex,
        output: &Output,
        only_error: bool,
    ) -> Result<Judged, StepError> {
        let mut judged = Judged::new();
        let mut object = None;
        for &at in &self.plan.step(step).outgoing {
            let edge = self.plan.edge(at);
            let Some(value) = self.offered(step, output, &edge.source, only_error) else {
                judged.push((at, None));
                continue;
            };
            let carries = match &edge.condition {
                None => true,
                Some(condition) => {
                    let output = object.get_or_insert_with(|| output.object());
                    let input = self.run.steps[step.at()]
                        .input
                        .as_ref()
                        .map(StepInput::object);
                    condition
                        .holds(&EdgeNames {
                            output,
                            value: &value,
                            input: input.as_deref().unwrap_or(&Value::Null),
                            run: self.run.variable(),
                        })
                        .map_err(|fault| {
                            StepError::new("InvalidConditionError", fault.to_string())
                                .with_code("INVALID_CONDITION")
                                .fatal()
                        })?
                }
            };
            judged.push((at, carries.then_some(value)));
        }
        Ok(judged)
    }

    /// What an edge would take from an output, if it has no condition or its condition holds.
    fn offered(
        &self,
        step: StepIndex,
        output: &Output,
        source: &EdgeSource,
        only_error: bool,
    ) -> Option<Arc<Value>> {
        match source {
            EdgeSource::Port(port) if !only_error || &**port == "error" => {
                self.port_value(step, output, port)
            }
            EdgeSource::Whole if !only_error => Some(output.object()),
            _ => None,
        }
    }

    /// Resolves the edges of a step none of which has a condition: there is nothing to judge.
    pub(super) fn deliver_all(&mut self, step: StepIndex, output: &Output) {
        let plan = self.plan;
        let mut delivered = false;
        for &edge in &plan.step(step).outgoing {
            let value = self.offered(step, output, &plan.edge(edge).source, false);
            delivered |= value.is_some();
            self.resolve(edge, value);
        }
        self.run.steps[step.at()].delivered = delivered;
    }

    /// Resolves the edges of a step as judged.
    pub(super) fn deliver(&mut self, step: StepIndex, judged: Judged) {
        self.run.steps[step.at()].delivered = judged.iter().any(|(_, value)| value.is_some());
        for (edge, value) in judged {
            self.resolve(edge, value);
        }
    }

    /// Resolves an edge; one that leaves a loop only keeps its latest value until the loop closes.
    fn resolve(&mut self, edge: EdgeIndex, value: Option<Arc<Value>>) {
        if self.plan.edge(edge).leaves.is_none() {
            self.resolve_now(edge, value);
        } else if value.is_some() {
            self.run.edges[edge.at()].value = value;
        }
    }

    /// Resolves an edge for good and tells its target.
    pub(super) fn resolve_now(&mut self, at: EdgeIndex, value: Option<Arc<Value>>) {
        let edge = self.plan.edge(at);
        let carried = value.is_some();
        let state = &mut self.run.edges[at.at()];
        if state.resolution != Resolution::Open {
            return;
        }
        state.resolution = if carried {
            Resolution::Carried
        } else {
            Resolution::Dead
        };
        state.value = value;
        if edge.closes.is_some() {
            return;
        }
        let target = &mut self.run.steps[edge.to.at()];
        target.unresolved -= 1;
        target.carried += u32::from(carried);
        let decided = target.unresolved == 0 || (carried && self.plan.step(edge.to).is_race());
        if decided && target.status == StepStatus::Waiting {
            self.run.undecided.insert(edge.to);
        }
    }
}
