//! The catalog as a registry, and the built-in types against the tables of the specification.

use serde_json::{Value, json};

use super::*;
use crate::canvas::definition::{Object, PortType};

fn object(value: &Value) -> Object {
    value.as_object().cloned().unwrap()
}

fn metadata(type_id: &str) -> StepTypeMetadata {
    StepTypeMetadata::new(type_id, "Display", StepCategory::Utility)
}

#[test]
fn registering_again_replaces_in_place() {
    let catalog = StepCatalog::new();
    for type_id in ["a", "b", "c"] {
        catalog.register(metadata(type_id), None);
    }
    let before = catalog.get("b").unwrap();
    let renamed = StepTypeMetadata {
        display_name: "New".to_owned(),
        ..metadata("b")
    };
    catalog.register(renamed, None);
    assert_eq!(catalog.list_type_ids(), ["a", "b", "c"]);
    assert_eq!(catalog.get("b").unwrap().display_name, "New");
    // covers: K-02 (what was taken out does not change)
    assert_eq!(before.display_name, "Display");
    catalog.unregister("a");
    catalog.unregister("a");
    assert_eq!(catalog.list_type_ids(), ["b", "c"]);
    assert_eq!(catalog.get("c").unwrap().type_id, "c");
    assert!(!catalog.has("a"));
}

#[test]
fn a_clone_is_a_handle_and_a_new_catalog_is_not() {
    let catalog = StepCatalog::with_builtins();
    let handle = catalog.clone();
    handle.register(metadata("mine"), None);
    assert!(catalog.has("mine"));
    assert!(!StepCatalog::with_builtins().has("mine"));
}

#[test]
fn the_instance_is_one_until_it_is_reset() {
    StepCatalog::instance().register(metadata("only_in_this_test"), None);
    let old = StepCatalog::instance();
    assert!(StepCatalog::instance().has("only_in_this_test"));
    StepCatalog::reset_instance();
    assert!(!StepCatalog::instance().has("only_in_this_test"));
    assert!(old.has("only_in_this_test"));
}

#[test]
fn the_builtin_types_are_those_of_the_table() {
    let catalog = StepCatalog::with_builtins();
    let ports =
        |ports: &[PortSpec]| -> Vec<String> { ports.iter().map(|it| it.name.clone()).collect() };
    let rows: Vec<_> = catalog
        .list_all()
        .iter()
        .map(|it| {
            format!(
                "{} {} {} {} {} {:?} {:?} {}",
                it.type_id,
                it.display_name,
                it.icon,
                it.color,
                it.category.as_str(),
                ports(&it.input_ports),
                ports(&it.output_ports),
                it.primary_output.as_deref().unwrap_or("-"),
            )
        })
        .collect();
    assert_eq!(
        rows,
        [
            r##"llm_agent LLM Agent robot #4A90D9 ai ["input"] ["output", "error"] output"##,
            r##"http_action HTTP Request globe #50C878 integration ["body"] ["response", "status"] response"##,
            r##"human_task Human Task user #FF6B6B human ["data"] ["approved", "rejected", "modified"] -"##,
            r##"condition Condition git-branch #9B59B6 control ["input"] ["true", "false"] -"##,
            r##"parallel_split Parallel Split git-fork #9B59B6 control ["input"] ["branch_1", "branch_2"] -"##,
            r##"parallel_join Parallel Join git-merge #9B59B6 control ["branch_1", "branch_2"] ["output"] output"##,
            r##"transform Transform shuffle #F39C12 data ["input"] ["output"] output"##,
        ]
    );
    let agent = catalog.get("llm_agent").unwrap();
    assert_eq!(agent.output("output").unwrap().data_type, PortType::String);
    assert!(!agent.output("error").unwrap().required);
    for metadata in catalog.list_all() {
        let schema = Value::Object(metadata.config_schema.clone());
        assert!(
            jsonschema::draft7::meta::is_valid(&schema),
            "{}",
            metadata.type_id
        );
        assert_eq!(metadata.version, "1.0");
        assert_eq!(
            metadata.supports_parallel,
            metadata.type_id == "parallel_split"
        );
        assert!(metadata.supports_retry && metadata.supports_timeout && metadata.is_async);
        for common in ["retry_count", "timeout_seconds"] {
            assert!(schema["properties"].get(common).is_some());
        }
    }
}

#[test]
fn the_export_has_every_key_and_all_categories() {
    let catalog = StepCatalog::new();
    let mut bare = metadata("t");
    bare.input_ports = vec![PortSpec::new("in", PortType::Any)];
    bare.primary_output = Some("out".to_owned());
    catalog.register(bare, None);
    assert_eq!(
        catalog.export_for_ui().unwrap(),
        json!({
            "version": "1.0",
            "categories": ["ai", "data", "integration", "control", "human", "utility"],
            "types": { "t": {
                "type_id": "t", "version": "1.0", "display_name": "Display", "description": "",
                "category": "utility", "icon": "box", "color": "#4A90D9", "config_schema": {},
                "input_ports": [{ "name": "in", "type": "any", "description": "", "required": true }],
                "output_ports": [], "supports_retry": true, "supports_timeout": true,
                "supports_parallel": false, "is_async": true, "docs_url": null, "examples": [],
            } },
        })
    );
    assert_eq!(catalog.list_by_category(StepCategory::Utility).len(), 1);
    assert!(catalog.list_by_category(StepCategory::Ai).is_empty());
}

#[test]
fn config_faults_are_sentences() {
    let catalog = StepCatalog::with_builtins();
    let faults =
        |type_id: &str, config: Value| catalog.validate_step_config(type_id, &object(&config));
    assert_eq!(faults("nope", json!({})), ["Unknown step type: nope"]);
    assert_eq!(
        faults("http_action", json!({})),
        [
            "Missing required field: client_ref",
            "Missing required field: path"
        ]
    );
    let config = json!({ "llm_ref": "m", "temperature": 9, "max_tokens": "many" });
    assert_eq!(
        faults("llm_agent", config),
        [
            "`max_tokens` is not of type \"integer\"",
            "`temperature` is greater than the maximum of 2",
        ]
    );
    assert!(
        faults(
            "llm_agent",
            json!({ "llm_ref": "m", "extra": 1, "retry_count": 0 })
        )
        .is_empty()
    );
    // A huge value is not repeated in the answer.
    let config = json!({ "llm_ref": "m", "max_tokens": "x".repeat(1_000_000) });
    assert!(faults("llm_agent", config)[0].len() < 400);
}

#[test]
fn a_custom_schema_has_its_say() {
    let catalog = StepCatalog::new();
    let custom = |schema: Value| StepTypeMetadata {
        config_schema: object(&schema),
        ..metadata("custom")
    };
    let faults = |config: Value| catalog.validate_step_config("custom", &object(&config));
    catalog.register(
        custom(json!({ "additionalProperties": false, "properties": { "a": {} } })),
        None,
    );
    assert!(faults(json!({ "a": 1, "retry_count": 1, "timeout_seconds": 0.5 })).is_empty());
    assert_eq!(faults(json!({ "b": 1 })).len(), 1);
    assert_eq!(faults(json!({ "retry_count": -1 })).len(), 1);
    // No schema: anything goes, but for what every step has.
    catalog.register(metadata("custom"), None);
    assert!(faults(json!({ "b": 1 })).is_empty());
    assert_eq!(faults(json!({ "timeout_seconds": 0 })).len(), 1);
    // A schema that is none, or that points outside, is told and not followed.
    for schema in [
        json!({ "type": "nonsense" }),
        json!({ "properties": [] }),
        json!({ "$ref": "http://localhost/schema.json" }),
        json!({ "$ref": "file:///etc/passwd" }),
    ] {
        catalog.register(custom(schema), None);
        let faults = faults(json!({}));
        assert!(
            faults[0].starts_with("the config schema of type `custom` cannot be used: "),
            "{faults:?}"
        );
    }
}
