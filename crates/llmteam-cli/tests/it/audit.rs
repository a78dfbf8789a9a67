//! The audit log of what the program did, and tenants that know nothing of each other.

use std::process::Stdio;

use serde_json::Value;

use crate::program::{Place, example};

/// A run that asked a person and was answered.
fn answered() -> Place {
    let place = Place::new();
    let (segment, config) = (
        example("content_pipeline.json"),
        example("content_pipeline.inbox.toml"),
    );
    let waiting = place
        .call(&["run", &segment, "--config", &config, "--run-id", "r1"])
        .exits(0)
        .json();
    let request = waiting["pending_requests"][0].as_str().unwrap().to_owned();
    place
        .call(&[
            "tasks",
            "answer",
            &request,
            "--approve",
            "--config",
            &config,
        ])
        .exits(0);
    place
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

#[test]
fn a_run_is_recorded_with_who_started_it_who_was_asked_and_who_answered() {
    let place = answered();
    let mut records = place.call(&["audit", "show"]).exits(0).json();
    let records = records.as_array_mut().unwrap();
    records.reverse();
    let told: Vec<(&str, &str)> = records
        .iter()
        .map(|it| (text(&it["event_type"]), text(&it["actor_id"])))
        .collect();
    let expected = [
        ("config.tenant_created", ""),
        ("pipeline.started", "local"),
        ("approval.requested", ""),
        ("approval.granted", "local"),
        ("pipeline.completed", ""),
    ];
    let mut rest = told.iter();
    for event in expected {
        assert!(rest.any(|it| *it == event), "{event:?} in {told:?}");
    }
    let numbers: Vec<u64> = records
        .iter()
        .map(|it| it["sequence_number"].as_u64().unwrap())
        .collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
    let of_run = place.call(&[
        "audit",
        "show",
        "--run",
        "r1",
        "--type",
        "pipeline.completed",
    ]);
    assert_eq!(of_run.exits(0).json().as_array().map(Vec::len), Some(1));
}

#[test]
fn a_log_is_verified_signed_proved_and_exported() {
    let place = answered();
    let report = place.call(&["audit", "verify"]).exits(0).json();
    assert_eq!(report["verdict"], "ok", "{report}");
    let size = report["size"].as_u64().unwrap();

    let signed = place
        .call(&["audit", "checkpoint", "--key", "signing.key"])
        .exits(0);
    let key = signed
        .err
        .lines()
        .find_map(|it| it.strip_prefix("verify with: --vkey "))
        .unwrap()
        .to_owned();
    place.write("checkpoint", &signed.out);
    let proof = place.call(&["audit", "prove", "1", "--checkpoint", "checkpoint"]);
    assert!(proof.exits(0).out.starts_with("c2sp.org/tlog-proof@v1\n"));

    place
        .call(&[
            "audit",
            "export",
            "-o",
            "log.jsonl",
            "--checkpoint",
            "checkpoint",
        ])
        .exits(0);
    let elsewhere = Place::new();
    let exported = std::fs::read(place.path("log.jsonl")).unwrap();
    elsewhere.write("log.jsonl", &exported);
    let verify = ["audit", "verify", "--bundle", "log.jsonl", "--vkey", &key];
    let report = elsewhere.call(&verify).exits(0).json();
    assert_eq!(report["covered_size"], size);
    assert!(!elsewhere.path("llmteam.db").exists());

    let lines: Vec<&[u8]> = exported.split_inclusive(|it| *it == b'\n').collect();
    let shorter: Vec<u8> = [&lines[..2], &lines[3..]].concat().concat();
    elsewhere.write("log.jsonl", shorter);
    let report = elsewhere.call(&verify).exits(1).json();
    assert_eq!(report["verdict"], "tampered", "{report}");

    let status = place.call(&["audit", "status"]).exits(0).json();
    assert_eq!(
        (&status["anchoring"], &status["waiting"]),
        (&"not anchored".into(), &0.into())
    );
}

#[test]
fn a_log_that_was_cut_is_found_out_by_a_checkpoint_kept_elsewhere() {
    let place = answered();
    let signed = place
        .call(&["audit", "checkpoint", "--key", "signing.key"])
        .exits(0);
    let key = signed
        .err
        .lines()
        .find_map(|it| it.strip_prefix("verify with: --vkey "))
        .unwrap()
        .to_owned();
    // Another database, another log: what was signed of the first is not there.
    std::fs::remove_file(place.path("llmteam.db")).unwrap();
    let _ = std::fs::remove_file(place.path("llmteam.db-wal"));
    place.write("checkpoint", &signed.out);
    let report = place
        .call(&["audit", "verify", "--since", "checkpoint", "--vkey", &key])
        .exits(1)
        .json();
    assert_ne!(report["verdict"], "ok", "{report}");
}

#[test]
fn tenants_are_made_before_they_are_used_and_see_nothing_of_each_other() {
    let place = answered();
    let refused = place.call(&["runs", "list", "--tenant", "acme"]).exits(1);
    assert!(
        refused.err.contains("llmteam tenants create acme"),
        "{}",
        refused.err
    );
    place
        .call(&["tenants", "create", "acme", "--tier", "professional"])
        .exits(0);
    let listed = place.call(&["tenants", "list"]).exits(0).json();
    assert_eq!(listed.as_array().map(Vec::len), Some(2));
    for list in [["runs", "list"], ["tasks", "list"]] {
        let own = place.call(&[list[0], list[1], "--tenant", "acme"]).exits(0);
        assert_eq!(own.out, "[]\n");
    }
    place
        .call(&["runs", "show", "r1", "--tenant", "acme"])
        .exits(1);
    let log = place
        .call(&["audit", "show", "--tenant", "acme"])
        .exits(0)
        .json();
    let kinds: Vec<&str> = log
        .as_array()
        .unwrap()
        .iter()
        .map(|it| text(&it["event_type"]))
        .collect();
    assert_eq!(kinds, ["config.tenant_created"]);
    place.call(&["tenants", "create", "acme"]).exits(1);
    let again = place.call(&["audit", "show", "--tenant", "acme"]).exits(0);
    assert_eq!(again.json(), log);
    place.call(&["tenants", "delete", "acme"]).exits(0);
    place.call(&["runs", "list", "--tenant", "acme"]).exits(1);
    place.call(&["tenants", "create", "acme"]).exits(1);
    // The tenant that is made by itself is made once.
    place.call(&["tenants", "delete", "default"]).exits(0);
    place.call(&["runs", "list"]).exits(1);
}

#[test]
fn several_processes_write_one_log() {
    let place = Place::new();
    let (segment, config) = (example("hello.json"), example("hello.toml"));
    let runs = ["r1", "r2", "r3", "r4"];
    let children = runs.map(|run| {
        let words = ["run", &segment, "--config", &config, "--run-id", run];
        let mut command = place.command(&words);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().unwrap()
    });
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let report = place.call(&["audit", "verify"]).exits(0).json();
    assert_eq!(report["verdict"], "ok", "{report}");
    let records = place.call(&["audit", "show"]).exits(0).json();
    let records = records.as_array().unwrap();
    // The genesis is not shown: what is shown is numbered from 1, and nothing is missing or there twice.
    let mut numbers: Vec<u64> = records
        .iter()
        .map(|it| it["sequence_number"].as_u64().unwrap())
        .collect();
    numbers.sort_unstable();
    assert_eq!(
        numbers,
        (1..report["size"].as_u64().unwrap()).collect::<Vec<_>>()
    );
    for run in runs {
        for kind in ["pipeline.started", "pipeline.completed"] {
            let said = |it: &&Value| it["run_id"] == run && it["event_type"] == kind;
            assert_eq!(records.iter().filter(said).count(), 1, "{run} {kind}");
        }
    }
}

#[test]
fn a_tenants_limits_are_kept() {
    let place = Place::new();
    let (segment, config) = (example("hello.json"), example("hello.toml"));
    place.call(&["tenants", "create", "small"]).exits(0);
    let run = ["run", &segment, "--config", &config, "--tenant", "small"];
    place.call(&run).exits(0);
    let large: Vec<String> = (0..6)
        .map(|at| {
            format!(
                r#"{{"step_id": "s{at}", "type": "llm_agent", "config": {{"llm_ref": "main"}}}}"#
            )
        })
        .collect();
    let large = format!(
        r#"{{"segment_id": "large", "name": "Large", "steps": [{}]}}"#,
        large.join(", ")
    );
    place.write("large.json", large);
    let refused = place
        .call(&[
            "run",
            "large.json",
            "--config",
            &config,
            "--tenant",
            "small",
        ])
        .exits(1);
    assert!(
        refused.err.contains("agents_per_pipeline"),
        "{}",
        refused.err
    );
    assert_eq!(
        place
            .call(&["runs", "list", "--tenant", "small"])
            .exits(0)
            .json()
            .as_array()
            .map(Vec::len),
        Some(1)
    );
}

#[test]
fn what_keeps_nothing_has_no_log() {
    let place = Place::new();
    let called = place.call(&["audit", "status", "--db", "memory:"]).exits(2);
    assert!(called.err.contains("keeps no audit log"), "{}", called.err);
}
