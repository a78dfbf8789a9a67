//! What is printed and exited with when nothing runs.

use crate::program::{Place, example};

// covers: C-01, C-02
#[test]
fn what_cannot_be_understood_or_read_exits_with_2() {
    let place = Place::new();
    place.write("bad.json", "{");
    place.write(
        "bad.toml",
        "[llm.a]\nkind = \"oracle\"\n[http.b]\nkind = \"http\"\n",
    );
    let hello = example("hello.json");
    for (arguments, says) in [
        (&["nonsense"] as &[&str], "nonsense"),
        (&["run"], "SEGMENT"),
        (&["run", "absent.json"], "File not found: absent.json"),
        (&["run", "bad.json"], "Invalid JSON in bad.json"),
        (&["run", &hello, "-j", "{"], "Invalid input JSON"),
        (&["run", &hello, "-j", "[]"], "must be an object"),
        (
            &["run", &hello, "-j", "{}", "-i", "x"],
            "cannot be used with",
        ),
        (&["run", &hello, "-t", "-1"], "-1"),
        (&["run", &hello, "--run-id", "a b"], "a b"),
        (&["run", &hello, "--db", "mysql://x"], "is not a database"),
        (
            &["run", &hello, "--config", "absent.toml"],
            "File not found: absent.toml",
        ),
        (&["validate", "absent.json"], "File not found: absent.json"),
        (&["validate", "bad.json"], "Invalid JSON in bad.json"),
        (&["tasks", "answer", "req_1"], "--approve"),
        (
            &["tasks", "answer", "req_1", "--approve", "--reject"],
            "cannot be used with",
        ),
    ] {
        let called = place.call(arguments).exits(2);
        assert!(called.err.contains(says), "{arguments:?}: {}", called.err);
    }
    let faults = place
        .call(&["run", &hello, "--config", "bad.toml"])
        .exits(2)
        .err;
    assert!(
        faults.contains("`llm.a`") && faults.contains("`http.b`"),
        "{faults}"
    );
}

// covers: C-01
#[test]
fn what_is_unknown_or_refused_exits_with_1() {
    let place = Place::new();
    place.write(
        "empty.json",
        r#"{"segment_id": "a", "name": "A", "steps": []}"#,
    );
    for (arguments, says) in [
        (&["resume", "run_absent"] as &[&str], "error[RUN_NOT_FOUND]"),
        (&["runs", "show", "run_absent"], "error[RUN_NOT_FOUND]"),
        (&["runs", "cancel", "run_absent"], "error[RUN_NOT_FOUND]"),
        (
            &["tasks", "show", "req_absent"],
            "error[INTERACTION_NOT_FOUND]",
        ),
        (
            &["tasks", "answer", "req_absent", "--approve"],
            "error[INTERACTION_NOT_FOUND]",
        ),
        (&["run", "empty.json"], "alid"),
        (&["plan", "empty.json"], "alid"),
        (&["validate", "empty.json"], ""),
    ] {
        let called = place.call(arguments).exits(1);
        assert!(called.err.contains(says), "{arguments:?}: {}", called.err);
    }
}

// covers: C-04
#[test]
fn a_warning_refuses_unless_it_is_allowed() {
    let place = Place::new();
    let segment = r#"{"segment_id": "a", "name": "A", "entrypoint": "one", "steps": [
        {"step_id": "one", "type": "transform"}, {"step_id": "two", "type": "transform"}]}"#;
    place.write("warned.json", segment);
    let strict = place.call(&["validate", "warned.json"]).exits(1).json();
    assert_eq!(
        strict["messages"][0]["code"], "UNREACHABLE_STEP",
        "{strict}"
    );
    assert_eq!(
        place
            .call(&["validate", "warned.json", "--no-strict"])
            .exits(0)
            .json()["is_valid"],
        true
    );
}

#[test]
fn what_the_program_knows_is_printed_as_json_when_piped() {
    let place = Place::new();
    let catalog = place.call(&["catalog"]).exits(0).json();
    let types: Vec<&String> = catalog.as_object().unwrap().keys().collect();
    let all = [
        "condition",
        "http_action",
        "human_task",
        "llm_agent",
        "parallel_join",
        "parallel_split",
        "transform",
    ];
    assert_eq!(types, all);
    assert_eq!(catalog["llm_agent"]["category"], "ai");
    assert_eq!(
        place.call(&["schema"]).exits(0).json()["title"],
        "Worktrail Segment"
    );
    assert_eq!(
        place.call(&["version"]).exits(0).json()["version"],
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!(place.call(&["runs", "list"]).exits(0).out, "[]\n");
    assert_eq!(place.call(&["tasks", "list"]).exits(0).out, "[]\n");
}

#[test]
fn a_plan_is_text_or_a_drawing() {
    let place = Place::new();
    let pipeline = example("content_pipeline.json");
    let text = place.call(&["plan", &pipeline]).exits(0).out;
    assert!(
        text.starts_with("content_pipeline: 4 steps, 4 edges, 1 loops"),
        "{text}"
    );
    assert!(text.contains("modified -> writer.brief (back)\n"), "{text}");
    assert!(
        text.ends_with("  loop at writer: writer, reviewer\n"),
        "{text}"
    );
    let dot = place.call(&["plan", &pipeline, "--dot"]).exits(0).out;
    assert!(
        dot.contains("\"reviewer\" -> \"writer\" [label=\"modified\", style=dashed];"),
        "{dot}"
    );
    let mermaid = place.call(&["plan", &pipeline, "--mermaid"]).exits(0).out;
    assert!(
        mermaid.contains("  s2 -.->|\"modified\"| s1\n"),
        "{mermaid}"
    );
}
