//! Random scenarios from a seed: graphs, scripts, failures, people, pauses and cancels.
//!
//! The same seed always gives the same scenario. Most runs complete; the rest fail, time out, are
//! cancelled, or stay paused or waiting, so that every way to end is met often.

use super::Scenario;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// SplitMix64: small, seeded, the same on every machine.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }

    fn pick<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())].clone()
    }
}

/// The scenario of a seed.
#[must_use]
pub fn scenario(seed: u64) -> Scenario {
    let mut dice = Dice(seed.wrapping_mul(0x2545_F491_4F6C_DD1D) ^ 0xA5A5_5A5A);
    let (kinds, edges) = graph(&mut dice);
    let mut script = BTreeMap::new();
    let mut steps = Vec::new();
    for (n, kind) in kinds.iter().enumerate() {
        let id = format!("s{n}");
        steps.push(step(&mut dice, &id, kind));
        if let Some(actions) = actions(&mut dice, kind) {
            script.insert(id, actions);
        }
    }
    for n in (1..steps.len()).rev() {
        let other = dice.below(n + 1);
        steps.swap(n, other);
    }
    let mut params = json!({
        "parallel_execution": dice.percent(60),
        "max_iterations": dice.pick(&[1, 2, 3, 3, 4]),
        "max_retries": dice.below(2),
    });
    if dice.percent(10) {
        params["timeout_seconds"] = json!(dice.pick(&[0.02, 0.05, 0.2]));
    }
    Scenario {
        segment: json!({
            "segment_id": "random",
            "name": "Random",
            "entrypoint": "s0",
            "params": params,
            "steps": steps,
            "edges": edges,
        }),
        types: Map::new(),
        input: json!({ "n": dice.below(4), "ok": dice.percent(50) }),
        script,
        run: run(&mut dice),
        control: control(&mut dice),
        faults: Vec::new(),
    }
}

fn kind(dice: &mut Dice, n: usize) -> &'static str {
    match n {
        0 => dice.pick(&[
            "llm_agent",
            "transform",
            "parallel_split",
            "parallel_split",
            "condition",
            "parallel_join",
        ]),
        _ => dice.pick(&[
            "llm_agent",
            "llm_agent",
            "llm_agent",
            "transform",
            "condition",
            "parallel_split",
            "parallel_join",
            "parallel_join",
            "human_task",
        ]),
    }
}

/// Single steps hung onto earlier ones and blocks of branches that meet in a join, with edges across
/// and now and then edges back.
fn graph(dice: &mut Dice) -> (Vec<&'static str>, Vec<Value>) {
    let mut kinds = vec![kind(dice, 0)];
    let mut edges = Vec::new();
    let size = dice.below(10);
    while kinds.len() < size {
        let from = kinds.len().saturating_sub(1 + dice.below(3));
        if dice.percent(35) {
            block(dice, &mut kinds, &mut edges, from);
            continue;
        }
        kinds.push(kind(dice, kinds.len()));
        let to = kinds.len() - 1;
        if dice.percent(96) {
            edges.push(edge(dice, &kinds, from, to));
        }
        for _ in 0..dice.pick(&[0, 0, 1, 2]) {
            let from = dice.below(to);
            edges.push(edge(dice, &kinds, from, to));
        }
    }
    for _ in 0..dice.pick(&[0, 0, 0, 1, 1, 2, 3]) {
        let from = dice.below(kinds.len());
        let to = from.saturating_sub(dice.below(4));
        edges.push(back_edge(dice, &kinds, from, to));
    }
    for n in (1..edges.len()).rev() {
        let other = dice.below(n + 1);
        edges.swap(n, other);
    }
    (kinds, edges)
}

/// Branches from one step into one join; a branch may be two steps long, or a loop.
fn block(dice: &mut Dice, kinds: &mut Vec<&'static str>, edges: &mut Vec<Value>, from: usize) {
    let mut ends = Vec::new();
    for _ in 0..2 + dice.below(2) {
        kinds.push(dice.pick(&[
            "llm_agent",
            "llm_agent",
            "llm_agent",
            "human_task",
            "transform",
        ]));
        let branch = kinds.len() - 1;
        edges.push(edge(dice, kinds, from, branch));
        if dice.percent(20) {
            edges.push(back_edge(dice, kinds, branch, branch));
        }
        if dice.percent(25) {
            kinds.push("llm_agent");
            edges.push(edge(dice, kinds, branch, branch + 1));
            if dice.percent(20) {
                edges.push(back_edge(dice, kinds, branch + 1, branch));
            }
        }
        ends.push(kinds.len() - 1);
    }
    kinds.push("parallel_join");
    for end in ends {
        edges.push(edge(dice, kinds, end, kinds.len() - 1));
    }
}

fn back_edge(dice: &mut Dice, kinds: &[&str], from: usize, to: usize) -> Value {
    let mut edge = edge(dice, kinds, from, to);
    if dice.percent(85) {
        edge["condition"] =
            json!(dice.pick(&["value != 7 && value != 8", "_value == 8", "_value == 3"]));
    }
    edge
}

fn edge(dice: &mut Dice, kinds: &[&str], from: usize, to: usize) -> Value {
    let port = match kinds[from] {
        "llm_agent" => dice.pick(&["output", "output", "output", "output", "alt", "error"]),
        "condition" => dice.pick(&["true", "true", "false", "false", "output"]),
        "parallel_split" => dice.pick(&["branch_1", "branch_2", "branch_1", "output"]),
        "human_task" => dice.pick(&[
            "approved", "approved", "rejected", "modified", "output", "error",
        ]),
        _ => dice.pick(&["output", "output", "output", "error"]),
    };
    let to_port = match kinds[to] {
        "parallel_join" => dice.pick(&["branch_1", "branch_2", "branch_10", "late"]),
        _ => dice.pick(&["input", "input", "input", "a", "b"]),
    };
    let mut edge = json!({ "from": format!("s{from}"), "from_port": port, "to": format!("s{to}"), "to_port": to_port });
    if dice.percent(15) {
        edge["condition"] = json!(dice.pick(&[
            "true",
            "FALSE",
            "value != 7",
            "_value == 7 || _value == 8",
            "_value != 3",
            "_run.input.n > 1",
            "_run.input.ok",
            "_value == 8 || _output.output == 3",
            "ok",
        ]));
    }
    edge
}

fn step(dice: &mut Dice, id: &str, kind: &str) -> Value {
    let mut config = json!({});
    match kind {
        "llm_agent" => config["llm_ref"] = json!("main"),
        "condition" => {
            config["expression"] = json!(dice.pick(&[
                "_value != 7",
                "_run.input.n > 1",
                "_value == 8",
                "_run.input.ok",
                "_value != 8 && ok || true"
            ]));
        }
        "parallel_join" => {
            config["merge_strategy"] = json!(dice.pick(&["all", "any", "first", "first"]));
        }
        "human_task" => {
            config["task_type"] = json!(dice.pick(&["approval", "approval", "review"]));
            config["timeout_hours"] = json!(dice.pick(&[0.25, 24.0]));
            if dice.percent(30) {
                config["escalation_chain"] = json!(["lead"]);
            }
            if dice.percent(30) {
                config["assignee_ref"] = json!("ann");
            }
        }
        "transform" if dice.percent(50) => {
            config["expression"] = json!(dice.pick(&[
                "input",
                "_value",
                "_run.input.n + 1",
                "missing",
                "missing + 1"
            ]));
        }
        _ => {}
    }
    if dice.percent(10) {
        config["retry_count"] = json!(dice.below(3));
    }
    if kind == "llm_agent" && dice.percent(10) {
        config["timeout_seconds"] = json!(dice.pick(&[0.01, 0.02]));
    }
    let mut step = json!({ "step_id": id, "type": kind, "config": config });
    if kind == "llm_agent" && dice.percent(12) {
        step["ports"] = json!({ "output": dice.pick(&[vec!["alt"], vec!["alt", "more"], vec!["output", "alt"]]) });
    }
    step
}

fn actions(dice: &mut Dice, kind: &str) -> Option<Vec<Value>> {
    let scripted = match kind {
        "llm_agent" => true,
        "human_task" => dice.percent(90),
        "transform" | "parallel_join" => dice.percent(20),
        _ => false,
    };
    let count = 1 + dice.below(4);
    scripted.then(|| {
        (0..count)
            .map(|_| {
                if kind == "human_task" {
                    answer(dice)
                } else {
                    action(dice)
                }
            })
            .collect()
    })
}

fn action(dice: &mut Dice) -> Value {
    let after = dice.pick(&[0, 0, 5, 10, 10, 10, 20, 50]);
    if dice.percent(14) {
        let recoverable = dice.percent(60);
        let fault =
            json!({ "error_type": "Boom", "error_message": "boom", "recoverable": recoverable });
        return json!({ "after_ms": after, "fail": fault });
    }
    let value = dice.pick(&[
        json!(7),
        json!(7),
        json!(8),
        json!(8),
        json!(3),
        json!("text"),
        json!(null),
        json!({ "n": 5, "ok": true }),
        json!({ "output": 8 }),
        json!({ "output": 7, "alt": 3 }),
        json!({ "alt": 8 }),
        json!({ "output": null, "alt": 7 }),
    ]);
    json!({ "after_ms": after, "return": value })
}

fn answer(dice: &mut Dice) -> Value {
    let after = dice.pick(&[0, 5, 10, 10, 40, 900_000, 1_000_000]);
    let answer = dice.pick(&[
        json!({ "responder_id": "ann", "approved": true }),
        json!({ "responder_id": "ann", "approved": true, "comment": "fine" }),
        json!({ "responder_id": "bob", "approved": false, "reason": "no" }),
        json!({ "responder_id": "bob", "review_changes": { "n": 2 } }),
    ]);
    json!({ "after_ms": after, "respond": answer })
}

fn run(dice: &mut Dice) -> Map<String, Value> {
    let mut run = Map::new();
    run.insert("retry_delay_ms".to_owned(), json!(dice.pick(&[0, 10, 10])));
    if dice.percent(40) {
        run.insert("max_retries".to_owned(), json!(dice.below(3)));
    }
    if dice.percent(40) {
        run.insert("max_parallel_steps".to_owned(), json!(1 + dice.below(3)));
    }
    if dice.percent(6) {
        run.insert("timeout_ms".to_owned(), json!(dice.pick(&[10, 30, 60])));
    }
    run
}

/// Pauses, resumes and cancels at times of their own and at times when other things happen.
fn control(dice: &mut Dice) -> Vec<Value> {
    let mut control = Vec::new();
    let mut at = 0;
    for _ in 0..dice.pick(&[0, 0, 0, 1, 1, 2]) {
        at += dice.pick(&[1, 5, 10, 12, 20, 25, 60]);
        if dice.percent(25) {
            control.push(json!({ "at_ms": at, "do": "cancel" }));
        } else {
            control.push(json!({ "at_ms": at, "do": "pause" }));
            at += dice.pick(&[5, 10, 45, 100, 1_000_000]);
            control.push(json!({ "at_ms": at, "do": "resume", "new_process": dice.percent(50) }));
        }
    }
    control
}
