//! Runs that wait for a person, and processes that want the same run.

use std::process::Stdio;

use crate::program::{Called, Place, example};

fn wait(place: &Place, run: &str) -> (String, Called) {
    let (segment, config) = (
        example("content_pipeline.json"),
        example("content_pipeline.inbox.toml"),
    );
    let called = place
        .call(&["run", &segment, "--config", &config, "--run-id", run])
        .exits(0);
    let result = called.json();
    assert_eq!(result["status"], "waiting");
    (
        result["pending_requests"][0].as_str().unwrap().to_owned(),
        called,
    )
}

#[test]
fn a_waiting_run_says_how_to_answer_and_the_answer_completes_it() {
    let place = Place::new();
    let (request, called) = wait(&place, "r1");
    let line = called
        .err
        .lines()
        .find(|it| it.contains("llmteam tasks answer"))
        .unwrap();
    assert!(line.contains(&request), "{line}");
    // The line is taken as it stands, without the program's name.
    let words: Vec<&str> = line.split_whitespace().skip(1).collect();
    let result = place.call(&words).exits(0).json();
    assert_eq!(result["status"], "completed");
    assert_eq!(result["output"]["status"], 201);
    let again = place
        .call(&["tasks", "answer", &request, "--reject"])
        .exits(1);
    assert!(again.err.contains("error[ALREADY_CLOSED]"), "{}", again.err);
}

#[test]
fn changes_go_back_to_the_writer_and_a_refusal_ends_the_run() {
    let place = Place::new();
    let config = example("content_pipeline.inbox.toml");
    let (request, _) = wait(&place, "r1");
    let changes = r#"{"opening": "bolder"}"#;
    let result = place
        .call(&[
            "tasks",
            "answer",
            &request,
            "--changes",
            changes,
            "--config",
            &config,
        ])
        .exits(0)
        .json();
    assert_eq!(result["status"], "waiting");
    let next = result["pending_requests"][0].as_str().unwrap();
    assert_ne!(next, request);
    let result = place
        .call(&["tasks", "answer", next, "--reject", "--config", &config])
        .exits(0)
        .json();
    assert_eq!(result["status"], "completed");
    assert_eq!(
        result["output"]["rejected"]["responder"], "local",
        "{result}"
    );
}

#[test]
fn an_answer_without_the_configuration_is_kept_for_resume() {
    let place = Place::new();
    let (request, _) = wait(&place, "r1");
    let called = place
        .call(&["tasks", "answer", &request, "--approve"])
        .exits(0);
    assert!(called.err.contains("RESOURCE_NOT_FOUND"), "{}", called.err);
    assert_eq!(called.json()["status"], "completed");
    place.call(&["resume", "r1"]).exits(1);
    let config = example("content_pipeline.inbox.toml");
    assert_eq!(
        place
            .call(&["resume", "r1", "--config", &config])
            .exits(0)
            .json()["status"],
        "completed"
    );
}

#[test]
fn a_waiting_run_is_paused_resumed_and_cancelled() {
    let place = Place::new();
    let config = example("content_pipeline.inbox.toml");
    wait(&place, "r1");
    assert_eq!(
        place.call(&["runs", "pause", "r1"]).exits(0).json()["status"],
        "paused"
    );
    assert_eq!(
        place
            .call(&["resume", "r1", "--config", &config])
            .exits(0)
            .json()["status"],
        "waiting"
    );
    assert_eq!(
        place.call(&["runs", "cancel", "r1"]).exits(0).json()["status"],
        "cancelled"
    );
    assert_eq!(place.call(&["tasks", "list"]).exits(0).out, "[]\n");
    place.call(&["runs", "cancel", "r1"]).exits(1);
}

/// The run's next model call takes two seconds, so the first process surely has it when the second asks.
#[test]
fn of_two_processes_that_resume_a_run_exactly_one_proceeds() {
    let place = Place::new();
    let segment = r#"{"segment_id": "slow", "name": "Slow", "steps": [
        {"step_id": "ask", "type": "human_task", "config": {"task_type": "approval"}},
        {"step_id": "work", "type": "llm_agent", "config": {"llm_ref": "main"}}],
        "edges": [{"from": "ask", "from_port": "approved", "to": "work"}]}"#;
    place.write("slow.json", segment);
    place.write(
        "slow.llm.json",
        r#"{"default": {"text": "ready", "delay_ms": 2000}}"#,
    );
    place.write(
        "slow.toml",
        "[llm.main]\nkind = \"scripted\"\nscript = \"slow.llm.json\"\n[people]\nkind = \"inbox\"\n",
    );
    let waiting = place
        .call(&[
            "run",
            "slow.json",
            "--config",
            "slow.toml",
            "--run-id",
            "r1",
        ])
        .exits(0)
        .json();
    let request = waiting["pending_requests"][0].as_str().unwrap();
    place
        .call(&["tasks", "answer", request, "--approve", "--no-resume"])
        .exits(0);
    let resume = ["resume", "r1", "--config", "slow.toml"];
    let start = || {
        place
            .command(&resume)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let both = [start(), start()].map(|child| Called::of(&child.wait_with_output().unwrap()));
    let (won, lost): (Vec<_>, Vec<_>) = both.iter().partition(|it| it.code == Some(0));
    assert_eq!(
        (won.len(), lost.len()),
        (1, 1),
        "{} {}",
        both[0].err,
        both[1].err
    );
    assert_eq!(won[0].json()["status"], "completed");
    assert!(lost[0].err.contains("error[RUN_ACTIVE]"), "{}", lost[0].err);
}
