//! The seven built-in step types as the palette and validation see them.
//!
//! Each config schema holds the type's own properties and the two that every step may have.

use serde_json::{Value, json};

use super::metadata::{PortSpec, StepCategory, StepTypeMetadata};
use crate::canvas::definition::{Object, PortType};
use crate::canvas::ports::MAX_BRANCHES;

/// The metadata of every built-in type, in palette order.
pub(super) fn metadata() -> Vec<StepTypeMetadata> {
    vec![
        llm_agent(),
        http_action(),
        human_task(),
        condition(),
        parallel_split(),
        parallel_join(),
        transform(),
    ]
}

fn llm_agent() -> StepTypeMetadata {
    StepTypeMetadata {
        description: "Asks a language model and passes its answer on".to_owned(),
        icon: "robot".to_owned(),
        color: "#4A90D9".to_owned(),
        config_schema: config(
            &["llm_ref"],
            json!({
                "llm_ref": { "type": "string", "description": "Name of the configured model" },
                "prompt_template_id": { "type": "string" },
                "temperature": { "type": "number", "minimum": 0, "maximum": 2, "default": 0.7 },
                "max_tokens": { "type": "integer", "minimum": 1, "default": 1000 },
                "prompt": { "type": "string" },
                "system_prompt": { "type": "string" },
                "output_format": { "type": "string", "enum": ["text", "json"], "default": "text" },
                "model": { "type": "string" },
            }),
        ),
        input_ports: vec![
            PortSpec::new("input", PortType::Object).described("What the prompt is filled from"),
        ],
        output_ports: vec![
            PortSpec::new("output", PortType::String).described("The model's answer"),
            PortSpec::new("error", PortType::Object)
                .described("Why there is no answer")
                .optional(),
        ],
        primary_output: Some("output".to_owned()),
        ..StepTypeMetadata::new("llm_agent", "LLM Agent", StepCategory::Ai)
    }
}

fn http_action() -> StepTypeMetadata {
    StepTypeMetadata {
        description: "Calls an HTTP endpoint of a configured client".to_owned(),
        icon: "globe".to_owned(),
        color: "#50C878".to_owned(),
        config_schema: config(
            &["client_ref", "path"],
            json!({
                "client_ref": { "type": "string", "description": "Name of the configured client" },
                "path": { "type": "string" },
                "method": {
                    "type": "string",
                    "enum": ["GET", "POST", "PUT", "DELETE", "PATCH"],
                    "default": "POST",
                },
                "headers": { "type": "object", "additionalProperties": { "type": "string" } },
                "fail_on_status": { "type": "boolean", "default": true },
                "idempotent": { "type": "boolean" },
            }),
        ),
        input_ports: vec![PortSpec::new("body", PortType::Object).described("The request's body")],
        output_ports: vec![
            PortSpec::new("response", PortType::Object).described("The response's body"),
            PortSpec::new("status", PortType::Number).described("The response's status"),
        ],
        primary_output: Some("response".to_owned()),
        ..StepTypeMetadata::new("http_action", "HTTP Request", StepCategory::Integration)
    }
}

fn human_task() -> StepTypeMetadata {
    let answer = |name: &str, what: &str| PortSpec::new(name, PortType::Object).described(what);
    StepTypeMetadata {
        description: "Asks a person and waits for the answer".to_owned(),
        icon: "user".to_owned(),
        color: "#FF6B6B".to_owned(),
        config_schema: config(
            &["task_type"],
            json!({
                "task_type": {
                    "type": "string",
                    "enum": ["approval", "input", "review", "choice"],
                    "default": "approval",
                },
                "title": { "type": "string" },
                "description": { "type": "string" },
                "assignee_ref": { "type": "string" },
                "timeout_hours": { "type": "number", "default": 24 },
                "escalation_chain": strings(),
                "choices": strings(),
                "input_schema": { "type": "object" },
                "priority": { "type": "string" },
                "sla_warning_hours": { "type": "number" },
                "sla_breach_hours": { "type": "number" },
                "required_role": { "type": "string" },
                "allow_self_response": { "type": "boolean", "default": false },
                "on_timeout": {
                    "type": "string",
                    "enum": ["fail", "reject", "default_answer"],
                    "default": "fail",
                },
                "default_answer": { "type": "object" },
            }),
        ),
        input_ports: vec![
            PortSpec::new("data", PortType::Object).described("What the person is shown"),
        ],
        output_ports: vec![
            answer("approved", "Taken when the person agrees"),
            answer("rejected", "Taken when the person refuses"),
            answer("modified", "Taken when the person changes something"),
        ],
        ..StepTypeMetadata::new("human_task", "Human Task", StepCategory::Human)
    }
}

fn condition() -> StepTypeMetadata {
    StepTypeMetadata {
        description: "Passes its input on to one of two ports".to_owned(),
        icon: "git-branch".to_owned(),
        color: "#9B59B6".to_owned(),
        config_schema: config(
            &["expression"],
            json!({
                "expression": { "type": "string", "description": "A CEL expression, or a field" },
            }),
        ),
        input_ports: vec![PortSpec::new("input", PortType::Any)],
        output_ports: vec![
            PortSpec::new("true", PortType::Any).described("Taken when the expression holds"),
            PortSpec::new("false", PortType::Any).described("Taken when it does not"),
        ],
        ..StepTypeMetadata::new("condition", "Condition", StepCategory::Control)
    }
}

fn parallel_split() -> StepTypeMetadata {
    StepTypeMetadata {
        description: "Copies its input to several branches".to_owned(),
        icon: "git-fork".to_owned(),
        color: "#9B59B6".to_owned(),
        config_schema: config(
            &[],
            json!({
                "branches": {
                    "type": "integer",
                    "minimum": 2,
                    "maximum": MAX_BRANCHES,
                    "default": 2,
                },
            }),
        ),
        input_ports: vec![PortSpec::new("input", PortType::Any)],
        output_ports: branches(),
        supports_parallel: true,
        ..StepTypeMetadata::new("parallel_split", "Parallel Split", StepCategory::Control)
    }
}

fn parallel_join() -> StepTypeMetadata {
    StepTypeMetadata {
        description: "Waits for branches and collects what they bring".to_owned(),
        icon: "git-merge".to_owned(),
        color: "#9B59B6".to_owned(),
        config_schema: config(
            &[],
            json!({
                "merge_strategy": {
                    "type": "string",
                    "enum": ["all", "any", "first"],
                    "default": "all",
                },
            }),
        ),
        input_ports: branches(),
        output_ports: vec![
            PortSpec::new("output", PortType::Array).described("The values in slot order"),
        ],
        primary_output: Some("output".to_owned()),
        ..StepTypeMetadata::new("parallel_join", "Parallel Join", StepCategory::Control)
    }
}

fn transform() -> StepTypeMetadata {
    StepTypeMetadata {
        description: "Reshapes data by an expression or a mapping".to_owned(),
        icon: "shuffle".to_owned(),
        color: "#F39C12".to_owned(),
        config_schema: config(
            &[],
            json!({
                "expression": { "type": "string" },
                "mapping": { "type": "object" },
                "default": {},
            }),
        ),
        input_ports: vec![PortSpec::new("input", PortType::Any)],
        output_ports: vec![PortSpec::new("output", PortType::Any)],
        primary_output: Some("output".to_owned()),
        ..StepTypeMetadata::new("transform", "Transform", StepCategory::Data)
    }
}

fn branches() -> Vec<PortSpec> {
    let branch = |name| PortSpec::new(name, PortType::Any);
    vec![branch("branch_1"), branch("branch_2")]
}

fn strings() -> Value {
    json!({ "type": "array", "items": { "type": "string" } })
}

/// A config schema: the type's own properties and those of every step.
fn config(required: &[&str], own: Value) -> Object {
    let mut properties = match own {
        Value::Object(own) => own,
        _ => Object::new(),
    };
    properties.extend(common_properties());
    let mut schema = Object::new();
    schema.insert("type".to_owned(), json!("object"));
    schema.insert("properties".to_owned(), Value::Object(properties));
    if !required.is_empty() {
        schema.insert("required".to_owned(), json!(required));
    }
    schema
}

/// The properties that the config of every step may have, whatever its type.
pub(super) fn common_properties() -> Object {
    let mut properties = Object::new();
    let retries = json!({ "type": "integer", "minimum": 0 });
    properties.insert("retry_count".to_owned(), retries);
    let limit = json!({ "type": "number", "exclusiveMinimum": 0 });
    properties.insert("timeout_seconds".to_owned(), limit);
    properties
}
