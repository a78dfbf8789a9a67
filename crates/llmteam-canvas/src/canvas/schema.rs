//! The JSON Schema (draft-07) of segment documents, for editors and for the canvas.
//!
//! It describes the canonical spelling; aliases are read and not advertised. The defaults are those
//! of the definition types.

use serde_json::{Value, json};

use super::definition::{DEFAULT_INPUT, DEFAULT_OUTPUT, SEGMENT_VERSION, SegmentParams};
use super::validate::{MAX_EDGES, MAX_STEPS};

/// The schema's own address.
pub const SCHEMA_ID: &str = "https://llmteam.ai/schemas/segment/v1.json";

/// The schema of a segment document.
pub fn segment_schema() -> Value {
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$id": SCHEMA_ID,
        "title": "Worktrail Segment",
        "type": "object",
        "required": ["segment_id", "name", "steps"],
        "properties": {
            "version": { "type": "string", "enum": [SEGMENT_VERSION], "default": SEGMENT_VERSION },
            "segment_id": id("Id of the segment"),
            "name": { "type": "string", "description": "Name for people" },
            "description": { "type": "string", "default": "" },
            "entrypoint": id("The step a run begins with; the first one if absent"),
            "params": params(),
            "steps": {
                "type": "array",
                "minItems": 1,
                "maxItems": MAX_STEPS,
                "items": { "$ref": "#/definitions/step" },
            },
            "edges": {
                "type": "array",
                "maxItems": MAX_EDGES,
                "items": { "$ref": "#/definitions/edge" },
                "default": [],
            },
            "metadata": { "type": "object", "default": {} },
        },
        "definitions": { "step": step(), "edge": edge() },
    })
}

fn params() -> Value {
    let default = SegmentParams::default();
    json!({
        "type": "object",
        "properties": {
            "max_retries": count(0, default.max_retries, "Further attempts of a step after its first"),
            "timeout_seconds": {
                "type": "number",
                "minimum": 0,
                "default": default.timeout_seconds as u64,
                "description": "Limit of a whole run; 0 means none",
            },
            "parallel_execution": {
                "type": "boolean",
                "default": default.parallel_execution,
                "description": "Whether ready steps run side by side",
            },
            "max_iterations": count(1, default.max_iterations, "Most iterations of a loop"),
        },
        "default": {},
    })
}

fn step() -> Value {
    json!({
        "type": "object",
        "required": ["step_id", "type"],
        "properties": {
            "step_id": id("Id of the step within the segment"),
            "type": { "type": "string", "description": "Id of a step type of the catalog" },
            "name": { "type": "string", "default": "" },
            "config": { "type": "object", "default": {} },
            "ports": {
                "type": "object",
                "properties": { "input": ports(DEFAULT_INPUT), "output": ports(DEFAULT_OUTPUT) },
            },
            "position": {
                "type": "object",
                "required": ["x", "y"],
                "properties": { "x": { "type": "number" }, "y": { "type": "number" } },
            },
            "ui": {
                "type": "object",
                "properties": {
                    "color": { "type": "string" },
                    "icon": { "type": "string" },
                    "collapsed": { "type": "boolean", "default": false },
                },
            },
        },
    })
}

fn edge() -> Value {
    json!({
        "type": "object",
        "required": ["from", "to"],
        "properties": {
            "from": id("The step the edge leaves"),
            "from_port": { "type": "string", "default": DEFAULT_OUTPUT },
            "to": id("The step the edge enters"),
            "to_port": { "type": "string", "default": DEFAULT_INPUT },
            "condition": { "type": "string", "maxLength": 1000, "description": "CEL, or one name" },
        },
    })
}

fn id(description: &str) -> Value {
    json!({
        "type": "string",
        "pattern": "^[a-z][a-z0-9_]*$",
        "maxLength": 128,
        "description": description,
    })
}

fn count(least: u32, default: u32, description: &str) -> Value {
    json!({
        "type": "integer",
        "minimum": least,
        "maximum": u32::MAX,
        "default": default,
        "description": description,
    })
}

fn ports(default: &str) -> Value {
    json!({ "type": "array", "items": { "type": "string" }, "default": [default] })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::canvas::definition::{
        EdgeDefinition, Object, SegmentDefinition, StepDefinition, StepPosition, StepUIMetadata,
    };

    /// A segment that writes every key there is.
    fn full() -> SegmentDefinition {
        SegmentDefinition {
            entrypoint: Some("a".to_owned()),
            params: SegmentParams {
                max_iterations: 7,
                ..SegmentParams::default()
            },
            steps: vec![StepDefinition {
                name: "A".to_owned(),
                position: Some(StepPosition { x: 1.0, y: -0.5 }),
                ui: Some(StepUIMetadata {
                    color: Some("red".to_owned()),
                    icon: Some("box".to_owned()),
                    collapsed: true,
                }),
                ..StepDefinition::new("a", "transform")
            }],
            edges: vec![EdgeDefinition {
                condition: Some("true".to_owned()),
                ..EdgeDefinition::new("a", "a")
            }],
            ..SegmentDefinition::new("s", "S")
        }
    }

    fn keys(value: &Value) -> BTreeSet<&String> {
        value
            .as_object()
            .map(Object::keys)
            .into_iter()
            .flatten()
            .collect()
    }

    // covers: M-01
    #[test]
    fn the_schema_names_exactly_the_keys_that_are_written() {
        let written = full().to_value().unwrap();
        let schema = segment_schema();
        let properties = |at: &str| keys(schema.pointer(at).unwrap());
        let places = [
            ("", "/properties"),
            ("/params", "/properties/params/properties"),
            ("/steps/0", "/definitions/step/properties"),
            (
                "/steps/0/ports",
                "/definitions/step/properties/ports/properties",
            ),
            (
                "/steps/0/position",
                "/definitions/step/properties/position/properties",
            ),
            ("/steps/0/ui", "/definitions/step/properties/ui/properties"),
            ("/edges/0", "/definitions/edge/properties"),
        ];
        for (place, schema) in places {
            assert_eq!(
                keys(written.pointer(place).unwrap()),
                properties(schema),
                "{place}"
            );
        }
    }

    #[test]
    fn the_schema_is_draft_07_and_accepts_what_is_written() {
        let schema = segment_schema();
        assert!(jsonschema::draft7::meta::is_valid(&schema));
        assert_eq!(schema["required"], json!(["segment_id", "name", "steps"]));
        let validator = jsonschema::options().offline().build(&schema).unwrap();
        assert!(validator.is_valid(&full().to_value().unwrap()));
        for (pointer, wrong) in [
            ("/segment_id", json!("Bad-Id")),
            ("/version", json!("2.0")),
            ("/steps", json!([])),
            ("/params/max_iterations", json!(0)),
            ("/steps/0/position/x", json!("1")),
        ] {
            let mut segment = full().to_value().unwrap();
            *segment.pointer_mut(pointer).unwrap() = wrong;
            assert!(!validator.is_valid(&segment), "{pointer}");
            let faults = crate::canvas::validate::validate_segment_dict(segment.to_string());
            assert!(!faults.is_valid(), "{pointer}");
        }
    }
}
