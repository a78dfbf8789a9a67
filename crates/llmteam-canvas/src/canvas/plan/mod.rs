//! The immutable plan of a segment: ports and edges as positions, loops found, conditions compiled.
//!
//! Invariant: a plan depends on the definition and the metadata of its step types alone, so the same
//! digest always means the same plan. It does not know a run, a handler or a clock.

mod compile;
mod digest;
mod index;
mod joins;
mod loops;

use std::sync::Arc;
use std::time::Duration;

pub use self::compile::PlanError;
pub use self::index::{EdgeIndex, LoopIndex, StepIndex};
pub use self::joins::JoinKind;
pub use self::loops::PlanLoop;
use crate::canvas::definition::SegmentDefinition;
use crate::canvas::expression::Condition;
use crate::runtime::{PortName, StepSpec};

/// A segment, compiled once and shared by all its runs.
#[derive(Debug)]
pub struct ExecutionPlan {
    pub(crate) definition: SegmentDefinition,
    pub(crate) digest: String,
    pub(crate) steps: Vec<PlanStep>,
    /// What handlers know of the steps, in the same order.
    pub(crate) specs: Arc<[Arc<StepSpec>]>,
    pub(crate) edges: Vec<PlanEdge>,
    pub(crate) loops: Vec<PlanLoop>,
    pub(crate) entry: StepIndex,
    pub(crate) timeout: Option<Duration>,
}

/// One step of a plan.
#[derive(Debug)]
pub struct PlanStep {
    pub(crate) spec: Arc<StepSpec>,
    /// Whether a path leads here from the entrypoint.
    pub(crate) reachable: bool,
    /// Set for `parallel_join`.
    pub(crate) join: Option<JoinKind>,
    /// Retries that the step itself asks for; none: the run's default. Zero where the type has no retry.
    pub(crate) retries: Option<u32>,
    /// Limit of one attempt.
    pub(crate) timeout: Option<Duration>,
    /// Where a result goes that names no port.
    pub(crate) default_output: PortName,
    /// Whether a failure can leave through an `error` port.
    pub(crate) has_error_port: bool,
    /// Connected input ports, in order of their first edge.
    pub(crate) inputs: Vec<PlanInput>,
    /// Forward edges into the step; for a join in slot order.
    pub(crate) forward_in: Vec<EdgeIndex>,
    /// For a join: all edges into it, back edges included, in slot order.
    pub(crate) slots: Vec<EdgeIndex>,
    /// Back edges into the step, in declaration order.
    pub(crate) back_in: Vec<EdgeIndex>,
    /// Edges out of the step, in declaration order.
    pub(crate) outgoing: Vec<EdgeIndex>,
    /// Whether an edge out of the step has a condition.
    pub(crate) has_conditions: bool,
    /// The port that all edges into the step name, if they agree.
    pub(crate) only_port: Option<PortName>,
    /// The innermost loop around the step.
    pub(crate) innermost: Option<LoopIndex>,
    /// For `any` and `first` joins: the steps that only feed it.
    pub(crate) feeders: Vec<StepIndex>,
    /// The `any` and `first` joins that absorb a failure of this step.
    pub(crate) absorbed_by: Vec<StepIndex>,
}

/// A connected input port.
#[derive(Debug)]
pub(crate) struct PlanInput {
    pub(crate) name: PortName,
    /// Whether the step can start by a value on this port.
    pub(crate) required: bool,
    /// Forward edges into the port, in declaration order.
    pub(crate) edges: Vec<EdgeIndex>,
}

/// One edge of a plan.
#[derive(Debug)]
pub struct PlanEdge {
    pub(crate) from: StepIndex,
    pub(crate) to: StepIndex,
    pub(crate) source: EdgeSource,
    pub(crate) to_port: PortName,
    pub(crate) condition: Option<Condition>,
    /// The loop whose back edge this is.
    pub(crate) closes: Option<LoopIndex>,
    /// The outermost loop that the edge leaves.
    pub(crate) leaves: Option<LoopIndex>,
}

/// What an edge takes from its step's output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum EdgeSource {
    /// The value of an effective port.
    Port(PortName),
    /// The whole output object.
    Whole,
}

impl ExecutionPlan {
    /// The definition that was compiled.
    pub fn definition(&self) -> &SegmentDefinition {
        &self.definition
    }

    /// SHA-256 over the canonical definition and the metadata of its step types, in hex.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Steps in declaration order.
    pub fn steps(&self) -> &[PlanStep] {
        &self.steps
    }

    /// Edges in declaration order.
    pub fn edges(&self) -> &[PlanEdge] {
        &self.edges
    }

    /// Loops, inner ones first.
    pub fn loops(&self) -> &[PlanLoop] {
        &self.loops
    }

    /// Where a run begins.
    pub fn entry(&self) -> StepIndex {
        self.entry
    }

    pub(crate) fn step(&self, at: StepIndex) -> &PlanStep {
        &self.steps[at.at()]
    }

    pub(crate) fn edge(&self, at: EdgeIndex) -> &PlanEdge {
        &self.edges[at.at()]
    }

    pub(crate) fn loop_at(&self, at: LoopIndex) -> &PlanLoop {
        &self.loops[at.at()]
    }

    /// A loop and all loops inside it.
    pub(crate) fn with_inner(&self, at: LoopIndex) -> Vec<LoopIndex> {
        let mut whole = vec![at];
        let mut next = 0;
        while next < whole.len() {
            whole.extend(&self.loop_at(whole[next]).inner);
            next += 1;
        }
        whole
    }

    /// The loops around a step, innermost first.
    pub(crate) fn loops_around(&self, step: StepIndex) -> impl Iterator<Item = LoopIndex> + '_ {
        std::iter::successors(self.step(step).innermost, |at| self.loop_at(*at).parent)
    }
}

impl PlanStep {
    /// The step's id, type, configuration and ports.
    pub fn spec(&self) -> &StepSpec {
        &self.spec
    }

    /// Whether a path leads here from the entrypoint.
    pub fn is_reachable(&self) -> bool {
        self.reachable
    }

    /// How the step merges its inputs, if it is a join.
    pub fn join(&self) -> Option<JoinKind> {
        self.join
    }

    /// Whether the first value starts the step.
    pub(crate) fn is_race(&self) -> bool {
        self.join.is_some_and(JoinKind::is_race)
    }
}

impl PlanEdge {
    /// Where the edge starts.
    pub fn from(&self) -> StepIndex {
        self.from
    }

    /// Where the edge ends.
    pub fn to(&self) -> StepIndex {
        self.to
    }

    /// The loop that the edge closes.
    pub fn closes(&self) -> Option<LoopIndex> {
        self.closes
    }
}
