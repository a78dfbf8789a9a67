//! `llmteam plan`: how a segment will run, as text or as a drawing.

use std::fmt::Write;

use llmteam::canvas::definition::EdgeDefinition;
use llmteam::canvas::plan::ExecutionPlan;
use llmteam::canvas::runner::SegmentRunner;

use crate::args::Plan;
use crate::error::CliError;
use crate::{exit, input, output};

/// Compiles the plan and shows it.
pub(super) fn perform(args: &Plan) -> Result<u8, CliError> {
    let segment = input::segment(&args.segment)?;
    let prepared = SegmentRunner::in_memory().prepare(&segment)?;
    let plan = prepared.plan();
    let text = match (args.dot, args.mermaid) {
        (true, _) => dot(plan),
        (_, true) => mermaid(plan),
        _ => text(plan),
    };
    output::line(text.trim_end())?;
    Ok(exit::DONE)
}

fn text(plan: &ExecutionPlan) -> String {
    let definition = plan.definition();
    let id = |at: usize| definition.steps[at].step_id.as_str();
    let mut text = format!(
        "{}: {} steps, {} edges, {} loops, plan {}\n",
        definition.segment_id,
        definition.steps.len(),
        definition.edges.len(),
        plan.loops().len(),
        &plan.digest()[..12],
    );
    for (at, step) in plan.steps().iter().enumerate() {
        let entry = if at == plan.entry().at() {
            " (entrypoint)"
        } else {
            ""
        };
        let dead = if step.is_reachable() {
            ""
        } else {
            " (unreachable)"
        };
        let _ = writeln!(
            text,
            "  {} [{}]{entry}{dead}",
            id(at),
            step.spec().step_type
        );
        for (edge, planned) in definition.edges.iter().zip(plan.edges()) {
            if planned.from().at() == at {
                let back = if planned.closes().is_some() {
                    " (back)"
                } else {
                    ""
                };
                let label = label(edge);
                let _ = writeln!(
                    text,
                    "    {label} -> {}.{}{back}",
                    edge.to_step, edge.to_port
                );
            }
        }
    }
    for looped in plan.loops() {
        let own = looped.own_steps.iter().map(|step| id(step.at()).to_owned());
        let inner = looped
            .inner
            .iter()
            .map(|it| format!("the loop at {}", id(plan.loops()[it.at()].header.at())));
        let members: Vec<String> = own.chain(inner).collect();
        let _ = writeln!(
            text,
            "  loop at {}: {}",
            id(looped.header.at()),
            members.join(", ")
        );
    }
    text
}

/// The port an edge leaves by, and its condition.
fn label(edge: &EdgeDefinition) -> String {
    match edge.condition.as_deref() {
        Some(condition) if !condition.is_empty() => format!("{} if {condition}", edge.from_port),
        _ => edge.from_port.clone(),
    }
}

fn dot(plan: &ExecutionPlan) -> String {
    let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
    let definition = plan.definition();
    let mut text = format!(
        "digraph \"{}\" {{\n  rankdir=LR;\n  node [shape=box];\n",
        definition.segment_id
    );
    for step in &definition.steps {
        let kind = quoted(&step.step_type);
        let _ = writeln!(text, "  \"{0}\" [label=\"{0}\\n{kind}\"];", step.step_id);
    }
    for (edge, planned) in definition.edges.iter().zip(plan.edges()) {
        let style = if planned.closes().is_some() {
            ", style=dashed"
        } else {
            ""
        };
        let label = quoted(&label(edge));
        let _ = writeln!(
            text,
            "  \"{}\" -> \"{}\" [label=\"{label}\"{style}];",
            edge.from_step, edge.to_step
        );
    }
    text + "}\n"
}

fn mermaid(plan: &ExecutionPlan) -> String {
    let quoted = |text: &str| text.replace('"', "#quot;");
    let definition = plan.definition();
    let mut text = "flowchart LR\n".to_owned();
    for (at, step) in definition.steps.iter().enumerate() {
        let _ = writeln!(
            text,
            "  s{at}[\"{}<br/>{}\"]",
            step.step_id,
            quoted(&step.step_type)
        );
    }
    for (edge, planned) in definition.edges.iter().zip(plan.edges()) {
        let arrow = if planned.closes().is_some() {
            "-.->"
        } else {
            "-->"
        };
        let (from, to) = (planned.from().at(), planned.to().at());
        let _ = writeln!(
            text,
            "  s{from} {arrow}|\"{}\"| s{to}",
            quoted(&label(edge))
        );
    }
    text
}
