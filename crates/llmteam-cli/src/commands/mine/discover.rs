//! `llmteam mine discover`

use llmteam::roles::mining::{
    Branching, Dfg, EventLog, Gateway, HeuristicsNet, HeuristicsOptions, ProcessModel, SearchBound,
    discover_dfg, discover_heuristics_net, discover_process_tree_inductive, export_pnml,
    fitness_alignments, precision_alignments, simplicity_petri_net,
};
use serde_json::{Value, json};

use super::draw::{self, Graph, Shape};
use super::source;
use crate::args::{Drawing, Miner, Source};
use crate::error::CliError;
use crate::{exit, output};

const START: &str = "(start)";
const END: &str = "(end)";

/// Finds a model and shows it.
pub(super) async fn perform(
    miner: Miner,
    noise: f64,
    drawing: Drawing,
    source: &Source,
    json: bool,
) -> Result<u8, CliError> {
    if drawing.pnml && miner != Miner::Inductive {
        return Err(CliError::usage(
            "`--pnml` writes a net, which only `--miner inductive` finds",
        ));
    }
    let log = source::read_one(source).await?.log;
    match miner {
        Miner::Dfg => dfg(&log, drawing, json),
        Miner::Inductive => inductive(&log, noise, drawing, json),
        Miner::Heuristics => heuristics(&log, noise, drawing, json),
    }?;
    Ok(exit::DONE)
}

fn dfg(log: &EventLog, drawing: Drawing, json: bool) -> Result<(), CliError> {
    let dfg = discover_dfg(log);
    if let Some(text) = dfg_graph(&dfg).drawn(drawing) {
        return output::line(&text);
    }
    if output::wants_json(json) {
        let mut model = serde_json::to_value(ProcessModel::of(log))?;
        model["cases"] = log.case_count().into();
        return output::json(&model, true);
    }
    let rows: Vec<_> = dfg_edges(&dfg)
        .map(|(from, to, count)| [from.to_owned(), to.to_owned(), count.to_string()])
        .collect();
    output::table(["FROM", "TO", "TIMES"], &rows)
}

/// The edges with those from the start and to the end.
fn dfg_edges(dfg: &Dfg) -> impl Iterator<Item = (&str, &str, u64)> {
    let starts = dfg.starts.iter().map(|(to, count)| (START, &**to, *count));
    let edges = dfg.edges.iter().map(|(from, to, count)| (from, to, *count));
    let ends = dfg.ends.iter().map(|(from, count)| (&**from, END, *count));
    starts.chain(edges).chain(ends)
}

fn dfg_graph(dfg: &Dfg) -> Graph {
    let mut graph = Graph::default();
    for (from, to, count) in dfg_edges(dfg) {
        let [from, to] = [from, to].map(|name| {
            let shape = if name == START || name == END {
                Shape::Circle
            } else {
                Shape::Box
            };
            graph.node(name, shape)
        });
        graph.edge(from, to, count.to_string());
    }
    graph
}

fn inductive(log: &EventLog, noise: f64, drawing: Drawing, json: bool) -> Result<(), CliError> {
    let variants = log.variants();
    let tree = discover_process_tree_inductive(&variants, noise)
        .map_err(|error| CliError::usage(error.to_string()))?;
    let net = tree.to_petri_net();
    if drawing.pnml {
        let text = export_pnml(&net).map_err(std::io::Error::other)?;
        return output::line(text.trim_end());
    }
    if let Some(text) = draw::net(&net).drawn(drawing) {
        return output::line(&text);
    }
    let bound = SearchBound::default();
    let fitness = fitness_alignments(&variants, &net, bound)
        .ok()
        .map(|it| it.log_fitness);
    let precision = precision_alignments(&variants, &net, bound).ok();
    if output::wants_json(json) {
        let model = json!({
            "cases": log.case_count(),
            "tree": tree.to_string(),
            "fitness": fitness,
            "precision": precision,
            "simplicity": simplicity_petri_net(&net),
        });
        return output::json(&model, true);
    }
    output::line(&tree.to_string())?;
    let figure = |it: Option<f64>| it.map_or("not computed".to_owned(), |it| format!("{it:.3}"));
    eprintln!(
        "fitness {}, precision {}",
        figure(fitness),
        figure(precision)
    );
    Ok(())
}

fn heuristics(log: &EventLog, noise: f64, drawing: Drawing, json: bool) -> Result<(), CliError> {
    let options = HeuristicsOptions {
        noise,
        ..HeuristicsOptions::default()
    };
    let net = discover_heuristics_net(&log.variants(), &options)
        .map_err(|error| CliError::usage(error.to_string()))?;
    if let Some(text) = heuristics_graph(&net).drawn(drawing) {
        return output::line(&text);
    }
    if output::wants_json(json) {
        return output::json(&heuristics_json(log, &net), true);
    }
    let edges = net.edges.iter().map(|(from, to, edge)| {
        [
            from.to_owned(),
            to.to_owned(),
            edge.frequency.to_string(),
            format!("{:.3}", edge.dependency),
        ]
    });
    output::table(
        ["FROM", "TO", "TIMES", "DEPENDENCY"],
        &edges.collect::<Vec<_>>(),
    )?;
    for (branchings, word) in [(&net.splits, "splits into"), (&net.joins, "joins")] {
        for it in branchings {
            let gateway = gateway(it);
            output::line(&format!(
                "{} {word} {} {gateway} {}",
                it.activity, it.first, it.second
            ))?;
        }
    }
    Ok(())
}

fn gateway(it: &Branching) -> &'static str {
    match it.gateway {
        Gateway::And => "and",
        Gateway::Xor => "or",
    }
}

fn heuristics_json(log: &EventLog, net: &HeuristicsNet) -> Value {
    let edges = net.edges.iter().map(|(from, to, edge)| {
        json!({"from": from, "to": to, "times": edge.frequency, "dependency": edge.dependency})
    });
    let branchings = |all: &[Branching]| -> Vec<Value> {
        let each = all.iter().map(|it| {
            json!({
                "activity": it.activity,
                "branches": [it.first, it.second],
                "gateway": match it.gateway { Gateway::And => "and", Gateway::Xor => "xor" },
                "measure": it.measure,
            })
        });
        each.collect()
    };
    json!({
        "cases": log.case_count(),
        "edges": edges.collect::<Vec<_>>(),
        "splits": branchings(&net.splits),
        "joins": branchings(&net.joins),
    })
}

fn heuristics_graph(net: &HeuristicsNet) -> Graph {
    let mut graph = Graph::default();
    for (from, to, edge) in net.edges.iter() {
        let [from, to] = [from, to].map(|name| graph.node(name, Shape::Box));
        graph.edge(
            from,
            to,
            format!("{} ({:.2})", edge.frequency, edge.dependency),
        );
    }
    graph
}
