//! Whole documents against everything that is said about them.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::*;
use crate::canvas::definition::EdgeDefinition;

/// The messages of a document as `severity CODE path`, in order.
fn messages(document: &Value) -> Vec<String> {
    let validator = SegmentValidator::new().catalog(StepCatalog::with_builtins());
    render(&validator.validate_json(document.to_string()))
}

fn render(result: &ValidationResult) -> Vec<String> {
    let render = |it: &ValidationMessage| format!("{} {} {}", it.severity, it.code, it.path);
    let lines = result.messages.iter().map(render);
    lines.map(|line| line.trim_end().to_owned()).collect()
}

#[track_caller]
fn check(document: impl Into<Value>, expected: &[&str]) {
    let mut found = messages(&document.into());
    let mut expected: Vec<_> = expected.iter().map(|it| (*it).to_owned()).collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}

/// A valid segment of three steps in a row, to be spoilt.
fn valid() -> Value {
    json!({
        "version": "1.0",
        "segment_id": "s",
        "name": "S",
        "entrypoint": "a",
        "steps": [
            { "step_id": "a", "type": "transform" },
            { "step_id": "b", "type": "llm_agent", "config": { "llm_ref": "main" } },
            { "step_id": "c", "type": "condition", "config": { "expression": "x > 1" } },
        ],
        "edges": [
            { "from": "a", "to": "b" },
            { "from": "b", "to": "c", "condition": "value != ''" },
        ],
    })
}

/// The valid segment with one place set to a value, or removed.
fn with(pointer: &str, value: Option<Value>) -> Value {
    let mut document = valid();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let parent = document.pointer_mut(parent).unwrap();
    match (parent, value) {
        (Value::Object(object), Some(value)) => drop(object.insert(key.to_owned(), value)),
        (Value::Object(object), None) => drop(object.remove(key)),
        (Value::Array(array), Some(value)) if key == "-" => array.push(value),
        (Value::Array(array), Some(value)) => array[key.parse::<usize>().unwrap()] = value,
        (parent, _) => panic!("nothing to set in {parent}"),
    }
    document
}

#[test]
fn a_valid_segment_has_no_message() {
    check(valid(), &[]);
    assert_eq!(
        serde_json::to_value(SegmentValidator::new().validate_json(valid().to_string())).unwrap(),
        json!({ "is_valid": true, "error_count": 0, "warning_count": 0, "messages": [] })
    );
}

/// A finding as the conformance suite names it: severity, code and path.
type Finding = (String, String, String);

/// The errors and warnings of a document, sorted.
fn findings(result: &ValidationResult) -> Vec<Finding> {
    let messages = result.messages.iter();
    let grave = messages.filter(|it| it.severity != ValidationSeverity::Info);
    let finding = |it: &ValidationMessage| {
        (
            it.severity.to_string(),
            it.code.to_string(),
            it.path.clone(),
        )
    };
    let mut findings: Vec<_> = grave.map(finding).collect();
    findings.sort_unstable();
    findings
}

/// What a case of the conformance suite expects, sorted.
fn expected(case: &Value) -> Vec<Finding> {
    let messages = case["expect"]["messages_unordered"].as_array().unwrap();
    let text = |it: &Value, key: &str| it[key].as_str().unwrap_or_default().to_owned();
    let finding = |it: &Value| (text(it, "severity"), text(it, "code"), text(it, "path"));
    let mut expected: Vec<_> = messages.iter().map(finding).collect();
    expected.sort_unstable();
    expected
}

// covers: V-01, V-02, V-03, V-04
#[test]
fn the_conformance_suite_agrees() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/conformance");
    let mut checked = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if !path.to_string_lossy().ends_with(".expect.json") {
            continue;
        }
        let file: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        let cases = file["cases"].as_array().unwrap().iter();
        for case in cases.filter(|it| it["validate_only"] == true) {
            let document = match (
                &case["text"],
                case.get("segment").unwrap_or(&file["segment"]),
            ) {
                (Value::String(text), _) => text.clone(),
                (_, Value::String(name)) => fs::read_to_string(folder.join(name)).unwrap(),
                (_, segment) => segment.to_string(),
            };
            let validator = SegmentValidator::new()
                .catalog(StepCatalog::with_builtins())
                .strict(case["strict"] == true);
            let result = validator.validate_json(document);
            assert_eq!(findings(&result), expected(case), "{}", case["case"]);
            assert_eq!(
                case["expect"]["is_valid"],
                result.is_valid(),
                "{}",
                case["case"]
            );
            checked += 1;
        }
    }
    assert!(checked > 0);
}

// covers: M-06, V-01
#[test]
fn missing_keys_and_wrong_types_are_named_by_path() {
    let cases = [
        ("/segment_id", None, "error MISSING_FIELD segment_id"),
        ("/name", None, "error MISSING_FIELD name"),
        ("/steps", None, "error MISSING_FIELD steps"),
        ("/steps", Some(json!({})), "error INVALID_TYPE steps"),
        ("/steps/1", Some(json!("b")), "error INVALID_TYPE steps[1]"),
        (
            "/steps/1/config",
            Some(json!([])),
            "error INVALID_TYPE steps[1].config",
        ),
        ("/steps/1/type", None, "error MISSING_FIELD steps[1].type"),
        (
            "/steps/1/type",
            Some(json!(null)),
            "error INVALID_TYPE steps[1].type",
        ),
        (
            "/steps/0/name",
            Some(json!(1)),
            "error INVALID_TYPE steps[0].name",
        ),
        (
            "/steps/0/position",
            Some(json!({ "x": 1 })),
            "error MISSING_FIELD steps[0].position.y",
        ),
        (
            "/steps/0/ui",
            Some(json!({ "collapsed": 1 })),
            "error INVALID_TYPE steps[0].ui.collapsed",
        ),
        (
            "/steps/0/ports",
            Some(json!({ "input": ["a", 2] })),
            "error INVALID_TYPE steps[0].ports.input[1]",
        ),
        ("/edges", Some(json!(null)), "error INVALID_TYPE edges"),
        (
            "/edges/0/from_port",
            Some(json!(true)),
            "error INVALID_TYPE edges[0].from_port",
        ),
        (
            "/edges/0/condition",
            Some(json!(true)),
            "error INVALID_TYPE edges[0].condition",
        ),
        (
            "/entrypoint",
            Some(json!(null)),
            "error INVALID_TYPE entrypoint",
        ),
        ("/metadata", Some(json!("m")), "error INVALID_TYPE metadata"),
        (
            "/params",
            Some(json!({ "max_retries": true })),
            "error INVALID_TYPE params.max_retries",
        ),
        (
            "/params",
            Some(json!({ "max_retries": 1.5 })),
            "error INVALID_TYPE params.max_retries",
        ),
        (
            "/params",
            Some(json!({ "parallel_execution": 0 })),
            "error INVALID_TYPE params.parallel_execution",
        ),
    ];
    for (pointer, value, expected) in cases {
        let found: Vec<_> = messages(&with(pointer, value));
        assert!(found.contains(&expected.to_owned()), "{pointer}: {found:?}");
    }
    check(json!([]), &["error INVALID_TYPE"]);
    check(json!("segment"), &["error INVALID_TYPE"]);
}

#[test]
fn what_cannot_be_read_is_said_once() {
    check(with("/steps", None), &["error MISSING_FIELD steps"]);
    check(
        with("/steps/2/step_id", Some(json!(7))),
        &[
            "error INVALID_REFERENCE edges[1].to",
            "error INVALID_TYPE steps[2].step_id",
        ],
    );
    check(
        with("/edges/1/to", None),
        &["error MISSING_FIELD edges[1].to"],
    );
    check(
        with("/edges/1", Some(json!(1))),
        &["error INVALID_TYPE edges[1]"],
    );
    // What else is wrong is still said.
    let mut document = with("/edges/1", Some(json!(1)));
    document["steps"][1]["config"] = json!({});
    check(
        document,
        &[
            "error INVALID_TYPE edges[1]",
            "error MISSING_REQUIRED steps[1].config.llm_ref",
        ],
    );
}

#[test]
fn params_are_held_to_their_range() {
    let cases = [
        (
            json!({ "max_retries": -1 }),
            "error INVALID_PARAM params.max_retries",
        ),
        (
            json!({ "max_retries": 4_294_967_296_u64 }),
            "error INVALID_PARAM params.max_retries",
        ),
        (
            json!({ "timeout_seconds": -0.5 }),
            "error INVALID_PARAM params.timeout_seconds",
        ),
        (
            json!({ "max_iterations": 0 }),
            "error INVALID_PARAM params.max_iterations",
        ),
        (
            json!({ "max_iterations": -3 }),
            "error INVALID_PARAM params.max_iterations",
        ),
    ];
    for (params, expected) in cases {
        check(with("/params", Some(params)), &[expected]);
    }
    let fine = json!({ "max_retries": 0, "timeout_seconds": 0, "max_iterations": 1.0, "parallel_execution": true });
    check(with("/params", Some(fine)), &[]);
}

// covers: M-03
#[test]
fn unknown_keys_are_told_and_nothing_more() {
    let mut document = valid();
    document["color"] = json!(1);
    document["params"] = json!({ "speed": 9 });
    document["steps"][0]["a.b"] = json!(1);
    document["steps"][0]["ports"] = json!({ "side": [] });
    document["steps"][0]["position"] = json!({ "x": 0, "y": 0, "z": 0 });
    document["steps"][1]["config"]["flavor"] = json!("mild");
    document["edges"][0]["label"] = json!("go");
    check(
        document,
        &[
            "info UNKNOWN_FIELD color",
            "info UNKNOWN_FIELD edges[0].label",
            "info UNKNOWN_FIELD params.speed",
            "info UNKNOWN_FIELD steps[0].ports.side",
            "info UNKNOWN_FIELD steps[0].position.z",
            "info UNKNOWN_FIELD steps[0][\"a.b\"]",
            "info UNKNOWN_FIELD steps[1].config.flavor",
        ],
    );
}

// covers: M-04
#[test]
fn aliases_are_read_and_the_canonical_spelling_wins() {
    let document = json!({
        "segment_id": "s", "name": "S", "entrypoint": "a",
        "steps": [
            { "step_id": "a", "step_type": "transform" },
            { "step_id": "b", "type": "transform", "step_type": "mystery" },
        ],
        "edges": [
            { "source_step": "a", "source_port": "output", "target_step": "b", "target_port": "input" },
            { "from_step": "a", "source_step": "ghost", "to_step": "b", "target_step": "ghost", "from_port": "output" },
        ],
    });
    check(document.clone(), &["info PORT_FAN_IN edges[1]"]);
    let segment = SegmentDefinition::from_json(document.to_string()).unwrap();
    assert_eq!(segment.steps[1].step_type, "transform");
    assert_eq!(segment.edges[1], EdgeDefinition::new("a", "b"));
    // A wrong type is told under the spelling that was used.
    let mut document = document;
    document["edges"][0]["source_step"] = json!(3);
    let expected = [
        "error INVALID_TYPE edges[0].source_step",
        "info PORT_FAN_IN edges[1]",
    ];
    check(document, &expected);
}

#[test]
fn ids_versions_and_entrypoints() {
    check(
        with("/version", Some(json!("2.0"))),
        &["error UNSUPPORTED_VERSION version"],
    );
    for id in ["", "9a", "a-b", "Ab", "ä", "_a", &"a".repeat(129)] {
        check(
            with("/segment_id", Some(json!(id))),
            &["error INVALID_ID_FORMAT segment_id"],
        );
    }
    check(with("/segment_id", Some(json!("a".repeat(128)))), &[]);
    // covers: M-05
    check(with("/entrypoint", None), &["warning MISSING_ENTRYPOINT"]);
    check(
        with("/entrypoint", Some(json!(""))),
        &["error INVALID_ENTRYPOINT entrypoint"],
    );
    check(
        json!({ "segment_id": "s", "name": "S", "steps": [] }),
        &["error EMPTY_SEGMENT steps", "warning MISSING_ENTRYPOINT"],
    );
    check(
        with(
            "/steps/-",
            Some(json!({ "step_id": "a", "type": "transform" })),
        ),
        &["error DUPLICATE_ID steps[3].step_id"],
    );
}

#[test]
fn edges_and_what_they_make_of_the_graph() {
    check(
        with(
            "/edges/-",
            Some(json!({ "from": "c", "from_port": "false", "to": "a" })),
        ),
        &["info CYCLE steps[0]"],
    );
    check(
        with("/edges/-", Some(json!({ "from": "a", "to": "a" }))),
        &["info CYCLE steps[0]", "warning SELF_LOOP edges[2]"],
    );
    check(
        with("/edges/0/to", Some(json!("c"))),
        &[
            "info PORT_FAN_IN edges[1]",
            "warning UNREACHABLE_STEP steps[1]",
        ],
    );
    check(
        with("/edges", None),
        &[
            "warning UNREACHABLE_STEP steps[1]",
            "warning UNREACHABLE_STEP steps[2]",
        ],
    );
    let detached =
        json!([{ "from": "b", "to": "c" }, { "from": "c", "from_port": "true", "to": "b" }]);
    check(
        with("/edges", Some(detached)),
        &[
            "warning UNREACHABLE_STEP steps[1]",
            "warning UNREACHABLE_STEP steps[2]",
        ],
    );
}

#[test]
fn a_loop_names_its_steps_and_its_header() {
    let mut document = valid();
    document["params"] = json!({ "max_iterations": 7 });
    document["edges"]
        .as_array_mut()
        .unwrap()
        .push(json!({ "from": "c", "from_port": "true", "to": "b" }));
    let result = validate_segment_dict(document.to_string());
    assert_eq!(
        result.messages[0].message,
        "`b`, `c` repeat as a loop with header `b`, at most 7 times"
    );
}

//
#[test]
fn unknown_ports_are_those_that_only_edges_name() {
    check(
        with("/edges/1/from_port", Some(json!("answer"))),
        &["warning UNKNOWN_PORT edges[1].from_port"],
    );
    check(with("/edges/1/from_port", Some(json!("error"))), &[]);
    check(
        with("/edges/1/to_port", Some(json!("data"))),
        &["warning UNKNOWN_PORT edges[1].to_port"],
    );
    // Declaring it makes it known; the primary is then called so.
    let mut document = with("/edges/1/from_port", Some(json!("answer")));
    document["steps"][1]["ports"] = json!({ "output": ["answer"] });
    check(document.clone(), &[]);
    document["edges"][1]["from_port"] = json!("output");
    check(document, &[]);
    // A condition's own ports need no declaration.
    check(
        with(
            "/edges/-",
            Some(json!({ "from": "c", "from_port": "true", "to": "a" })),
        ),
        &["info CYCLE steps[0]"],
    );
    // Without a catalog ports are not known, so nothing is said.
    let document = with("/edges/1/from_port", Some(json!("answer")));
    assert_eq!(
        render(&validate_segment_dict(document.to_string())),
        Vec::<String>::new()
    );
}

#[test]
fn declared_inputs_without_an_edge_are_told() {
    let ports = json!({ "input": ["input", "style"] });
    check(
        with("/steps/1/ports", Some(ports.clone())),
        &["info UNCONNECTED_PORT steps[1]"],
    );
    check(with("/steps/0/ports", Some(ports)), &[]);
}

#[test]
fn configs_are_held_to_the_schema_of_their_type() {
    let config = json!({
        "llm_ref": 1, "temperature": 2.5, "max_tokens": 0, "output_format": "xml", "retry_count": -1,
        "timeout_seconds": 0,
    });
    check(
        with("/steps/1/config", Some(config)),
        &[
            "error INVALID_VALUE steps[1].config.output_format",
            "error SCHEMA_VIOLATION steps[1].config.llm_ref",
            "error VALUE_TOO_LARGE steps[1].config.temperature",
            "error VALUE_TOO_SMALL steps[1].config.max_tokens",
            "error VALUE_TOO_SMALL steps[1].config.retry_count",
            "error VALUE_TOO_SMALL steps[1].config.timeout_seconds",
        ],
    );
    // Booleans are not numbers (V-03); 2.0 is an integer, 2.5 is not.
    let config =
        json!({ "llm_ref": "m", "temperature": true, "max_tokens": 2.5, "retry_count": 2.0 });
    check(
        with("/steps/1/config", Some(config)),
        &[
            "error SCHEMA_VIOLATION steps[1].config.max_tokens",
            "error SCHEMA_VIOLATION steps[1].config.temperature",
        ],
    );
    let http = json!({
        "step_id": "a", "type": "http_action",
        "config": { "client_ref": "c", "path": "/", "headers": { "x.y": 1, "ok": "1" } },
    });
    check(
        with("/steps/0", Some(http)),
        &["error SCHEMA_VIOLATION steps[0].config.headers[\"x.y\"]"],
    );
    check(
        with("/steps/0/type", Some(json!("mystery"))),
        &["error UNKNOWN_TYPE steps[0].type"],
    );
}

#[test]
fn an_unknown_type_is_answered_with_those_there_are() {
    let validator = SegmentValidator::new().catalog(StepCatalog::with_builtins());
    let result = validator.validate_json(with("/steps/0/type", Some(json!("mystery"))).to_string());
    assert!(
        result.messages[0]
            .suggestion
            .contains("`llm_agent`, `http_action`")
    );
}

#[test]
fn a_type_without_a_handler_is_told() {
    let catalog = StepCatalog::with_builtins();
    let metadata = catalog.get("transform").unwrap();
    catalog.register((*metadata).clone(), None);
    let result = validate_segment(
        &SegmentDefinition::from_value(valid()).unwrap(),
        Some(&catalog),
    );
    assert_eq!(render(&result), ["warning NO_HANDLER steps[0].type"]);
}

// covers: V-04
#[test]
fn strict_makes_warnings_refuse() {
    let document = with("/entrypoint", None).to_string();
    let lenient = SegmentValidator::new().validate_json(&document);
    assert!(lenient.is_valid() && lenient.clone().raise_if_invalid().is_ok());
    let strict = SegmentValidator::new()
        .strict(true)
        .validate_json(&document);
    assert!(!strict.is_valid());
    assert_eq!(strict.errors().count(), 0);
    let refusal = strict.raise_if_invalid().unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "Segment validation failed: no entrypoint is given, the first step is taken"
    );
}

#[test]
fn a_refusal_lists_every_error() {
    let document = json!({ "segment_id": "S", "steps": [] });
    let refusal = validate_segment_dict(document.to_string())
        .raise_if_invalid()
        .unwrap_err();
    assert_eq!(refusal.errors().len(), 3);
    assert_eq!(refusal.result().unwrap().errors().count(), 3);
    assert!(
        refusal
            .to_string()
            .starts_with("Segment validation failed: the required key `name` is missing, ")
    );
}
