//! What a step may do once it has run: which of its edges may carry together.
//!
//! Invariant: whatever a run of the step can do is among its outcomes, where the handler of a built-in type is the built-in one.
//! `condition` and `human_task` fill one of their ports, `parallel_split` all, the others the port of their result; a model that
//! answers in JSON and a type of one's own may fill any. Conditions on edges are not evaluated: each may hold or
//! not. This file does not know nets.

use crate::canvas::plan::{EdgeIndex, EdgeSource, ExecutionPlan, PlanStep, StepIndex};
use crate::runtime::PortName;

/// Whether a port has a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Filled {
    /// Always.
    Yes,
    /// Never.
    No,
    /// Either, whatever other ports do.
    Either,
}

impl Filled {
    fn when(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }
}

/// One way in which a step may end: what each of its outgoing edges finds on its port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    /// In the order of the step's edges.
    edges: Vec<(EdgeIndex, Filled)>,
}

impl Outcome {
    /// The edges that find this.
    pub(super) fn edges(&self, filled: Filled) -> impl Iterator<Item = EdgeIndex> + '_ {
        let found = self.edges.iter().filter(move |it| it.1 == filled);
        found.map(|it| it.0)
    }

    /// The edges that find a value or none, those of one port together.
    pub(super) fn open_ports(&self, plan: &ExecutionPlan) -> Vec<Vec<EdgeIndex>> {
        let mut ports: Vec<(&EdgeSource, Vec<EdgeIndex>)> = Vec::new();
        for edge in self.edges(Filled::Either) {
            let source = &plan.edge(edge).source;
            match ports.iter_mut().find(|it| it.0 == source) {
                Some((_, edges)) => edges.push(edge),
                None => ports.push((source, vec![edge])),
            }
        }
        ports.into_iter().map(|it| it.1).collect()
    }
}

/// The ways in which a step may end such that its run goes on; at least one.
pub(super) fn outcomes(plan: &ExecutionPlan, step: StepIndex) -> Vec<Outcome> {
    let planned = plan.step(step);
    let of = |ports: &dyn Fn(&PortName) -> Filled| with_ports(plan, planned, Filled::Yes, ports);
    let only = |wanted: &'static str| of(&|port| Filled::when(&**port == wanted));
    let mut found = match planned.spec.step_type.as_str() {
        "condition" => vec![only("true"), only("false")],
        "human_task" => vec![only("approved"), only("rejected"), only("modified")],
        "parallel_split" => vec![of(&|port| Filled::when(&**port != "error"))],
        "llm_agent" if !answers_json(planned) => {
            vec![of(&|port| Filled::when(*port == planned.default_output))]
        }
        "http_action" => vec![of(&|port| match &**port {
            "status" => Filled::Yes,
            _ => result(planned, port),
        })],
        "transform" | "parallel_join" => vec![of(&|port| result(planned, port))],
        _ => vec![of(&|port| match result(planned, port) {
            Filled::No => Filled::Either,
            other => other,
        })],
    };
    let passes_subject = matches!(
        planned.spec.step_type.as_str(),
        "condition" | "parallel_split"
    );
    if passes_subject && subject_may_be_null(plan, step) {
        found.push(of(&|_| Filled::No));
    }
    if !planned.absorbed_by.is_empty() {
        found.push(with_ports(plan, planned, Filled::No, &|_| Filled::No));
    }
    let error = |port: &PortName| Filled::when(&**port == "error");
    let handled = with_ports(plan, planned, Filled::No, &error);
    if planned.has_error_port && handled.edges(Filled::Yes).next().is_some() {
        found.push(handled);
    }
    distinct(found)
}

/// An outcome by what is on each port, and whether an edge that takes the whole output finds one.
fn with_ports(
    plan: &ExecutionPlan,
    step: &PlanStep,
    whole: Filled,
    ports: &dyn Fn(&PortName) -> Filled,
) -> Outcome {
    let each = step.outgoing.iter().map(|at| match &plan.edge(*at).source {
        EdgeSource::Whole => (*at, whole),
        EdgeSource::Port(port) => (*at, ports(port)),
    });
    Outcome {
        edges: each.collect(),
    }
}

/// What one result does: it is on the default port, where null counts only if there is no other.
fn result(step: &PlanStep, port: &PortName) -> Filled {
    match (*port == step.default_output, step.spec.outputs.len()) {
        (true, 1) => Filled::Yes,
        (true, _) => Filled::Either,
        (false, _) => Filled::No,
    }
}

fn answers_json(step: &PlanStep) -> bool {
    let format = step.spec.config.get("output_format");
    format.and_then(serde_json::Value::as_str) == Some("json")
}

/// Whether what the step works on can be null: a step with one output has put it on the one port that leads here.
fn subject_may_be_null(plan: &ExecutionPlan, step: StepIndex) -> bool {
    let planned = plan.step(step);
    let incoming = planned.forward_in.iter().chain(&planned.back_in);
    planned.only_port.is_some()
        && incoming.map(|edge| plan.edge(*edge)).any(|edge| {
            let outputs = plan.step(edge.from).spec.outputs.len();
            edge.source != EdgeSource::Whole && outputs == 1
        })
}

/// Without those that another one allows too.
fn distinct(found: Vec<Outcome>) -> Vec<Outcome> {
    let mut kept: Vec<Outcome> = Vec::with_capacity(found.len());
    for it in found {
        let covered = |other: &Outcome| {
            let pairs = it.edges.iter().zip(&other.edges);
            pairs
                .into_iter()
                .all(|((_, one), (_, by))| one == by || *by == Filled::Either)
        };
        if !kept.iter().any(covered) {
            kept.push(it);
        }
    }
    kept
}
