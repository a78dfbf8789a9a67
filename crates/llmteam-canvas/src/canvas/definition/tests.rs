//! Writing and reading a segment: order, omissions, and that nothing is lost on the way.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const MINIMAL: &str =
    r#"{"segment_id": "s", "name": "S", "steps": [{"step_id": "a", "type": "t"}]}"#;

fn read(json: &str) -> SegmentDefinition {
    SegmentDefinition::from_json(json).unwrap()
}

#[test]
fn defaults_are_filled_in() {
    let expected = SegmentDefinition {
        steps: vec![StepDefinition::new("a", "t")],
        ..SegmentDefinition::new("s", "S")
    };
    assert_eq!(read(MINIMAL), expected);
    assert_eq!(expected.version, "1.0");
    assert_eq!(expected.params.max_retries, 3);
    assert_eq!(expected.params.timeout_seconds, 300.0);
    assert!(!expected.params.parallel_execution);
    assert_eq!(expected.params.max_iterations, 100);
    assert_eq!(expected.effective_entrypoint(), Some("a"));
}

// covers: M-01
#[test]
fn keys_are_written_in_order_and_what_is_not_said_is_left_out() {
    let mut segment = read(MINIMAL);
    segment.edges = vec![EdgeDefinition::new("a", "a")];
    let expected = r#"{
  "version": "1.0",
  "segment_id": "s",
  "name": "S",
  "description": "",
  "params": {
    "max_retries": 3,
    "timeout_seconds": 300,
    "parallel_execution": false
  },
  "steps": [
    {
      "step_id": "a",
      "type": "t",
      "config": {},
      "ports": {
        "input": [
          "input"
        ],
        "output": [
          "output"
        ]
      }
    }
  ],
  "edges": [
    {
      "from": "a",
      "from_port": "output",
      "to": "a",
      "to_port": "input"
    }
  ],
  "metadata": {}
}"#;
    assert_eq!(segment.to_json().unwrap(), expected);
    assert!(
        segment
            .to_json_indented(4)
            .unwrap()
            .starts_with("{\n    \"version\"")
    );
}

// covers: M-01
#[test]
fn what_is_said_is_written() {
    let full = json!({
        "version": "1.0", "segment_id": "s", "name": "S", "description": "d", "entrypoint": "a",
        "params": { "max_retries": 0, "timeout_seconds": 0.5, "parallel_execution": true, "max_iterations": 5 },
        "steps": [{
            "step_id": "a", "type": "t", "name": "A", "config": { "big": u64::MAX, "small": i64::MIN },
            "ports": { "input": [], "output": ["x"] },
            "position": { "x": -3, "y": 0.25 }, "ui": { "icon": "i", "collapsed": true },
        }],
        "edges": [{ "from": "a", "from_port": "x", "to": "a", "to_port": "y", "condition": "z" }],
        "metadata": { "m": [null] },
    });
    let segment = SegmentDefinition::from_value(full.clone()).unwrap();
    assert_eq!(segment.to_value().unwrap(), full);
}

// covers: M-07
#[test]
fn an_empty_condition_is_none() {
    let text = |condition: &str| {
        format!(
            r#"{{"segment_id": "s", "name": "S", "steps": [], "edges": [{{"from": "a", "to": "b"{condition}}}]}}"#
        )
    };
    assert_eq!(read(&text(r#", "condition": """#)), read(&text("")));
    assert_eq!(
        read(&text(r#", "condition": " ""#)).edges[0]
            .condition
            .as_deref(),
        Some(" ")
    );
}

#[test]
fn the_canonical_form_does_not_depend_on_how_it_was_written() {
    let one = r#"{"name": "S", "steps": [{"type": "t", "config": {"b": 1.0, "a": "\u00e9"}, "step_id": "a"}], "segment_id": "s"}"#;
    let other = r#"{"segment_id": "s", "name": "S", "steps": [{"step_id": "a", "step_type": "t", "config": {"a": "é", "b": 1}}]}"#;
    let canonical = read(one).canonical_json().unwrap();
    assert_eq!(canonical, read(other).canonical_json().unwrap());
    assert!(
        canonical
            .starts_with(r#"{"description":"","edges":[],"metadata":{},"name":"S","params":{"#)
    );
    assert!(canonical.contains(r#""config":{"a":"é","b":1}"#));
}

#[test]
fn serde_reads_through_the_same_door() {
    let segment: SegmentDefinition = serde_json::from_str(MINIMAL).unwrap();
    assert_eq!(segment, read(MINIMAL));
    let refusal = serde_json::from_str::<SegmentDefinition>(r#"{"steps": 1}"#)
        .unwrap_err()
        .to_string();
    for part in [
        "MISSING_FIELD at segment_id",
        "MISSING_FIELD at name",
        "INVALID_TYPE at steps",
    ] {
        assert!(refusal.contains(part), "{refusal}");
    }
}

// covers: M-08
#[test]
fn plain_faults_come_in_their_order() {
    let segment = SegmentDefinition {
        entrypoint: Some("nowhere".to_owned()),
        steps: ["a", "a", "B2"]
            .map(|id| StepDefinition::new(id, "t"))
            .into(),
        edges: vec![
            EdgeDefinition::new("x", "y"),
            EdgeDefinition::new("a", "B2"),
        ],
        ..SegmentDefinition::new("Bad-Id", "S")
    };
    assert_eq!(
        segment.validate(),
        [
            "Entrypoint 'nowhere' not found in steps",
            "Edge from 'x' references unknown step",
            "Edge to 'y' references unknown step",
            "Duplicate step IDs found",
            "Invalid step_id format: 'B2' (must be lowercase, start with letter)",
            "Invalid segment_id format: 'Bad-Id' (must be lowercase, start with letter)",
        ]
    );
    assert!(read(MINIMAL).validate().is_empty());
}

// covers: M-08
#[test]
fn lookups_follow_edge_order() {
    let segment = SegmentDefinition {
        steps: ["a", "b", "c"]
            .map(|id| StepDefinition::new(id, "t"))
            .into(),
        edges: [("a", "c"), ("a", "b"), ("b", "c"), ("a", "c")]
            .map(|(from, to)| EdgeDefinition::new(from, to))
            .into(),
        ..SegmentDefinition::new("s", "S")
    };
    assert_eq!(segment.get_step("b").unwrap().step_id, "b");
    assert!(segment.get_step("d").is_none());
    assert_eq!(segment.get_next_steps("a"), ["c", "b", "c"]);
    assert_eq!(segment.get_previous_steps("c"), ["a", "b", "a"]);
    assert_eq!(segment.get_outgoing_edges("a").len(), 3);
    assert_eq!(segment.get_incoming_edges("b"), [&segment.edges[1]]);
}

#[test]
fn a_timeout_is_a_duration_or_none() {
    let timeout = |timeout_seconds| {
        SegmentParams {
            timeout_seconds,
            ..SegmentParams::default()
        }
        .timeout()
    };
    assert_eq!(timeout(1.5), Some(std::time::Duration::from_millis(1_500)));
    for none in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e300] {
        assert_eq!(timeout(none), None);
    }
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z][a-z0-9_]{0,6}", "\\PC{0,6}", Just(String::new())]
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        (-1e9..1e9),
        (-1_000..1_000_i32).prop_map(f64::from),
        prop::num::f64::NORMAL,
        Just(-0.0)
    ]
}

fn object() -> impl Strategy<Value = Object> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        number().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    let value = leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map(text(), inner, 0..3)
                .prop_map(|it| Value::Object(it.into_iter().collect())),
        ]
    });
    prop::collection::btree_map(text(), value, 0..3).prop_map(|it| it.into_iter().collect())
}

fn step() -> impl Strategy<Value = StepDefinition> {
    let ports = || prop::collection::vec(text(), 0..3);
    let ui = (
        prop::option::of(text()),
        prop::option::of(text()),
        any::<bool>(),
    )
        .prop_map(|(color, icon, collapsed)| StepUIMetadata {
            color,
            icon,
            collapsed,
        });
    let position = (number(), number()).prop_map(|(x, y)| StepPosition { x, y });
    let drawn = (prop::option::of(position), prop::option::of(ui));
    (text(), text(), text(), object(), ports(), ports(), drawn).prop_map(
        |(step_id, step_type, name, config, input_ports, output_ports, (position, ui))| {
            StepDefinition {
                step_id,
                step_type,
                name,
                config,
                input_ports,
                output_ports,
                position,
                ui,
            }
        },
    )
}

fn edge() -> impl Strategy<Value = EdgeDefinition> {
    let condition = prop::option::of(text().prop_filter("read as none", |it| !it.is_empty()));
    (text(), text(), text(), text(), condition).prop_map(
        |(from_step, from_port, to_step, to_port, condition)| EdgeDefinition {
            from_step,
            from_port,
            to_step,
            to_port,
            condition,
        },
    )
}

fn segment() -> impl Strategy<Value = SegmentDefinition> {
    let params = (any::<u32>(), number(), any::<bool>(), any::<u32>()).prop_map(
        |(max_retries, timeout_seconds, parallel_execution, max_iterations)| SegmentParams {
            max_retries,
            timeout_seconds,
            parallel_execution,
            max_iterations,
        },
    );
    let names = (text(), text(), text(), text(), prop::option::of(text()));
    let steps = prop::collection::vec(step(), 0..4);
    let edges = prop::collection::vec(edge(), 0..4);
    (names, params, steps, edges, object()).prop_map(
        |((version, segment_id, name, description, entrypoint), params, steps, edges, metadata)| {
            SegmentDefinition {
                version,
                segment_id,
                name,
                description,
                entrypoint,
                params,
                steps,
                edges,
                metadata,
            }
        },
    )
}

proptest! {
    // covers: M-02
    #[test]
    fn what_is_written_is_read_back(segment in segment(), indent in 0..5_usize) {
        let text = segment.to_json_indented(indent).unwrap();
        prop_assert_eq!(&read(&text), &segment);
        prop_assert_eq!(&SegmentDefinition::from_value(segment.to_value().unwrap()).unwrap(), &segment);
        let again = read(&text).canonical_json().unwrap();
        prop_assert_eq!(again, segment.canonical_json().unwrap());
    }
}
