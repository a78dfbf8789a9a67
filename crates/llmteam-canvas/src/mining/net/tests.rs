//! The nets of small segments, read by eye.

use std::collections::BTreeSet;

use llmteam_orchestration::roles::mining::{Marking, PetriNet};
use serde_json::{Value, json};

use super::net_of_plan;
use crate::canvas::catalog::StepCatalog;
use crate::canvas::definition::SegmentDefinition;
use crate::canvas::plan::ExecutionPlan;

fn net(steps: Value, edges: Value) -> PetriNet {
    let mut segment = json!({"segment_id": "s", "name": "S"});
    segment["steps"] = steps;
    segment["edges"] = edges;
    let segment = SegmentDefinition::from_value(segment).unwrap();
    let catalog = StepCatalog::with_builtins();
    net_of_plan(&ExecutionPlan::compile(&segment, |id| catalog.get(id)).unwrap()).unwrap()
}

fn transitions(net: &PetriNet) -> Vec<&str> {
    net.transitions().iter().map(|it| &*it.name).collect()
}

/// All sequences of up to `most` steps that the net accepts.
fn language(net: &PetriNet, most: usize) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut seen: BTreeSet<(Vec<String>, Marking)> = BTreeSet::new();
    let mut open = vec![(Vec::new(), net.initial_marking().clone())];
    while let Some((steps, marking)) = open.pop() {
        if !seen.insert((steps.clone(), marking.clone())) {
            continue;
        }
        if marking == *net.final_marking() {
            found.insert(steps.join(" "));
        }
        for transition in net.enabled(&marking) {
            let mut steps = steps.clone();
            steps.extend(
                net.transition(transition)
                    .label
                    .as_deref()
                    .map(str::to_owned),
            );
            if steps.len() <= most {
                open.extend(net.fire(&marking, transition).map(|it| (steps, it)));
            }
        }
    }
    found
}

fn set<const N: usize>(traces: [&str; N]) -> BTreeSet<String> {
    traces.map(str::to_owned).into()
}

#[test]
fn a_chain_is_a_chain() {
    let net = net(
        json!([{"step_id": "a", "type": "transform"}, {"step_id": "b", "type": "transform"}]),
        json!([{"from": "a", "to": "b"}]),
    );
    assert_eq!(transitions(&net), ["a", "b"]);
    assert_eq!((net.places().len(), net.arcs()), (3, 4));
}

// covers: MC-11
#[test]
fn a_condition_takes_one_branch_and_a_split_takes_all() {
    let steps = |kind: &str| {
        json!([{"step_id": "a", "type": kind, "config": {"expression": "true"}}, {"step_id": "b", "type": "transform"},
               {"step_id": "c", "type": "transform"}, {"step_id": "d", "type": "parallel_join"}])
    };
    let edges = |one: &str, other: &str| {
        json!([{"from": "a", "from_port": one, "to": "b"}, {"from": "a", "from_port": other, "to": "c"},
               {"from": "b", "to": "d", "to_port": "branch_1"}, {"from": "c", "to": "d", "to_port": "branch_2"}])
    };
    let either = net(steps("condition"), edges("true", "false"));
    assert_eq!(language(&either, 8), set(["a b d", "a c d"]));
    let both = net(steps("parallel_split"), edges("branch_1", "branch_2"));
    assert_eq!(language(&both, 8), set(["a b c d", "a c b d"]));
    assert_eq!(transitions(&both), ["a", "b", "c", "d"]);
}

// covers: MC-12
#[test]
fn a_first_join_takes_the_rest_out_of_hands() {
    let net = net(
        json!([{"step_id": "a", "type": "parallel_split"}, {"step_id": "b", "type": "transform"},
               {"step_id": "c", "type": "transform"},
               {"step_id": "d", "type": "parallel_join", "config": {"merge_strategy": "first"}},
               {"step_id": "e", "type": "transform"}]),
        json!([{"from": "a", "from_port": "branch_1", "to": "b"}, {"from": "a", "from_port": "branch_2", "to": "c"},
               {"from": "b", "to": "d", "to_port": "branch_1"}, {"from": "c", "to": "d", "to_port": "branch_2"},
               {"from": "d", "to": "e"}]),
    );
    let found = language(&net, 8);
    for trace in ["a b d e", "a c d e", "a b c d e", "a c b d e"] {
        assert!(found.contains(trace), "{trace}: {found:?}");
    }
    // No branch goes on once the join has begun. Where each branch failed and was absorbed, nobody joins.
    assert!(
        !found
            .iter()
            .any(|it| it.contains("d c") || it.contains("d b")),
        "{found:?}"
    );
}

#[test]
fn a_review_sends_back_or_lets_go() {
    let net = net(
        json!([{"step_id": "write", "type": "transform"}, {"step_id": "review", "type": "human_task"},
               {"step_id": "publish", "type": "transform"}]),
        json!([{"from": "write", "to": "review"}, {"from": "review", "from_port": "modified", "to": "write"},
               {"from": "review", "from_port": "approved", "to": "publish"}]),
    );
    let expected = ["write review", "write review publish"];
    assert_eq!(language(&net, 3), set(expected));
    let twice = [
        "write review write review",
        "write review write review publish",
    ];
    assert!(twice.iter().all(|it| language(&net, 5).contains(*it)));
    assert_eq!(language(&net, 5).len(), 4);
}
