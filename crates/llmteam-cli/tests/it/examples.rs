//! The examples run offline, with the configuration beside them.

use serde_json::{Value, json};

use crate::program::{Called, Place, example};

fn run(place: &Place, name: &str, more: &[&str]) -> Called {
    let (segment, config) = (
        example(&format!("{name}.json")),
        example(&format!("{name}.toml")),
    );
    let mut arguments = vec!["run", &segment, "--config", &config];
    arguments.extend(more);
    place.call(&arguments)
}

#[test]
fn every_example_completes_and_is_valid() {
    let place = Place::new();
    for (name, output, steps) in [
        (
            "hello",
            json!({"final": "Bonjour Ada, quel plaisir de vous voir !"}),
            3,
        ),
        (
            "content_pipeline",
            json!({"response": {"id": 7, "url": "https://cms.example.com/articles/7"}, "status": 201}),
            4,
        ),
        (
            "research_team",
            json!({"accepted": {
                "report": "Demand doubles in three years and yield decides who serves it. Secure supply before 2027.",
                "score": 0.93,
            }}),
            8,
        ),
    ] {
        place
            .call(&["validate", &example(&format!("{name}.json"))])
            .exits(0);
        let result = run(&place, name, &[]).exits(0).json();
        assert_eq!(result["status"], "completed", "{name}");
        assert_eq!(result["output"], output, "{name}");
        assert_eq!(result["steps_completed"], steps, "{name}");
        assert_eq!(result["error"], Value::Null, "{name}");
    }
}

#[test]
fn the_result_object_has_six_keys_in_order_and_goes_to_a_file_too() {
    let place = Place::new();
    let called = run(
        &place,
        "hello",
        &["--no-pretty", "--run-id", "r1", "-o", "result.json"],
    )
    .exits(0);
    let start = r#"{"run_id":"r1","status":"completed","output":{"final":"Bonjour Ada, quel plaisir de vous voir !"},"error":null,"steps_completed":3,"duration_ms":"#;
    assert!(called.out.starts_with(start), "{}", called.out);
    assert!(
        called.err.contains("Result written to result.json"),
        "{}",
        called.err
    );
    assert!(
        called.err.contains("tokens 59 read, 29 written"),
        "{}",
        called.err
    );
    let kept: Value =
        serde_json::from_slice(&std::fs::read(place.path("result.json")).unwrap()).unwrap();
    assert_eq!(kept, called.json());
    let again = run(&place, "hello", &["--run-id", "r1"]).exits(1);
    assert!(again.err.contains("error[RUN_EXISTS]"), "{}", again.err);
    assert_eq!(
        place.call(&["runs", "show", "r1"]).exits(0).json()["status"],
        "completed"
    );
    assert!(
        place
            .call(&["resume", "r1"])
            .exits(1)
            .err
            .contains("RUN_ENDED")
    );
}

#[test]
fn events_are_lines_in_order_with_the_result_last() {
    let place = Place::new();
    let called = run(
        &place,
        "hello",
        &["--events", "--db", "memory:", "--run-id", "r1"],
    )
    .exits(0);
    let lines: Vec<Value> = called
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let (result, events) = lines.split_last().unwrap();
    assert_eq!(result["status"], "completed");
    for (event, n) in events.iter().zip(1..) {
        assert_eq!(event["event_id"], format!("r1:{n}"));
    }
    assert_eq!(events[0]["event_type"], "segment.started");
    assert_eq!(events.last().unwrap()["event_type"], "segment.completed");
    assert!(!place.path("llmteam.db").exists());
}

#[test]
fn a_run_that_fails_exits_with_1_and_says_why() {
    let place = Place::new();
    let called = place.call(&["run", &example("hello.json")]).exits(1);
    let result = called.json();
    assert_eq!(result["status"], "failed");
    assert_eq!(
        result["error"]["error_type"], "ResourceNotFoundError",
        "{result}"
    );
}
