//! Random graphs, run by the machine: what completes is what the net of its plan allows.

use std::collections::BTreeSet;

use llmteam_canvas::canvas::machine::{End, RunPhase};
use llmteam_canvas::mining::net_of_plan;
use llmteam_orchestration::roles::mining::{Marking, PetriNet};
use llmteam_tests::conformance::Seen;
use llmteam_tests::oracle::{Scenario, random_scenario};
use llmteam_tests::simulation::{Simulated, simulate};
use serde_json::json;

/// The steps of a run in the order in which they began, without those that were cancelled.
fn trace(simulated: &Simulated) -> Vec<String> {
    let seen: Vec<Seen> = simulated.events.iter().map(Seen::from).collect();
    let key = |it: &Seen| (it.step.clone(), it.payload["activation"].clone());
    let ended: Vec<_> = seen
        .iter()
        .filter(|it| {
            it.kind == "step.completed"
                || (it.kind == "step.failed" && it.payload["handled"] == json!(true))
        })
        .map(key)
        .collect();
    seen.iter()
        .filter(|it| it.kind == "step.started" && ended.contains(&key(it)))
        .filter_map(|it| it.step.clone())
        .collect()
}

/// Whether a net accepts a sequence of labels, by all markings that it may lead to.
fn accepts(net: &PetriNet, trace: &[String]) -> Result<bool, usize> {
    let closure = |from: BTreeSet<Marking>| {
        let mut all = from.clone();
        let mut open: Vec<Marking> = from.into_iter().collect();
        while let Some(marking) = open.pop() {
            for transition in net
                .enabled(&marking)
                .filter(|it| net.transition(*it).is_silent())
            {
                open.extend(
                    net.fire(&marking, transition)
                        .filter(|it| all.insert(it.clone())),
                );
            }
            assert!(all.len() < 200_000, "too many markings");
        }
        all
    };
    let mut markings = closure(BTreeSet::from([net.initial_marking().clone()]));
    for (at, step) in trace.iter().enumerate() {
        let after = markings.iter().flat_map(|marking| {
            let labelled = net
                .enabled(marking)
                .filter(|it| net.transition(*it).label.as_deref() == Some(step));
            labelled.filter_map(|it| net.fire(marking, it))
        });
        markings = closure(after.collect());
        if markings.is_empty() {
            return Err(at);
        }
    }
    Ok(markings.contains(net.final_marking()))
}

/// A random scenario whose steps give what handlers of their types can give: scripted models return objects, as those do
/// that answer in JSON; other steps are not scripted.
fn scenario(seed: u64) -> Scenario {
    let mut scenario = random_scenario(seed);
    for step in scenario.segment["steps"]
        .as_array_mut()
        .into_iter()
        .flatten()
    {
        let id = step["step_id"].as_str().unwrap_or_default().to_owned();
        match step["type"].as_str() {
            Some("llm_agent") => step["config"]["output_format"] = json!("json"),
            Some("transform" | "parallel_join") => drop(scenario.script.remove(&id)),
            _ => {}
        }
    }
    scenario
}

fn compare(seeds: std::ops::Range<u64>) {
    let (mut compared, mut wrong) = (0, Vec::new());
    for seed in seeds {
        let scenario = scenario(seed);
        let simulated = simulate(&scenario).expect("random scenarios can be simulated");
        if !matches!(
            simulated.machine.phase(),
            RunPhase::Ended(End::Completed { .. })
        ) {
            continue;
        }
        let net = net_of_plan(simulated.machine.plan()).expect("a plan has a net");
        let trace = trace(&simulated);
        compared += 1;
        match accepts(&net, &trace) {
            Ok(true) => {}
            other => wrong.push(format!("seed {seed}: {other:?} of {trace:?}")),
        }
    }
    let shown: Vec<&str> = wrong.iter().take(5).map(String::as_str).collect();
    assert!(
        wrong.is_empty(),
        "{} of {compared} runs differ\n{}",
        wrong.len(),
        shown.join("\n")
    );
    assert!(compared > 500, "only {compared} runs completed");
}

// covers: MC-10, MC-11, MC-12, MC-13
#[test]
fn what_completes_is_what_the_net_allows() {
    compare(0..4_000);
}
