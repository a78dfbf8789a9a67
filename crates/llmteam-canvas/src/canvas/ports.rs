//! Effective ports: the ports a step really has, from its type, its own lists and its edges.
//!
//! Validation and the plan both ask here, so they cannot disagree. Knows no run and no value.

use std::collections::HashSet;

use serde_json::Value;

use super::catalog::StepTypeMetadata;
use super::definition::{DEFAULT_OUTPUT, EdgeDefinition, StepDefinition};

/// The most branches a `parallel_split` has; its config schema refuses more.
pub const MAX_BRANCHES: u64 = 256;

/// The type whose outputs are counted by its config.
const PARALLEL_SPLIT: &str = "parallel_split";

/// The ports of one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EffectivePorts {
    /// Output ports: the type's, the declared, those that outgoing edges name; no name twice.
    pub outputs: Vec<String>,
    /// The port of a result that names none.
    pub default_output: String,
    /// The type's primary port under the name it has in this step.
    pub primary: Option<String>,
    /// Input ports: the type's, the declared, those that incoming edges name; no name twice.
    pub inputs: Vec<InputPort>,
}

/// An effective input port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputPort {
    /// The port's name.
    pub name: String,
    /// Whether a value on it can start the step; ports unknown to the type can.
    pub required: bool,
}

impl EffectivePorts {
    /// The ports of a step of a type, given its edges.
    ///
    /// Without edges the answer holds what type and declaration alone give.
    pub fn of<'a>(
        step: &StepDefinition,
        metadata: Option<&StepTypeMetadata>,
        incoming: impl IntoIterator<Item = &'a EdgeDefinition>,
        outgoing: impl IntoIterator<Item = &'a EdgeDefinition>,
    ) -> Self {
        let catalog = catalog_outputs(step, metadata);
        let primary = metadata
            .and_then(|it| it.primary_output.as_deref())
            .map(|primary| Renaming::of(primary, step, &catalog));
        let default_output = default_output(step, primary.as_ref(), &catalog);

        let mut outputs = Names::default();
        for port in &catalog {
            match &primary {
                Some(it) if it.from == port => outputs.add(it.to),
                _ => outputs.add(port),
            }
        }
        for port in step.explicit_outputs().unwrap_or_default() {
            outputs.add(port);
        }
        if outputs.is_empty() && step.explicit_outputs().is_none() {
            outputs.add(DEFAULT_OUTPUT);
        }
        for edge in outgoing {
            if edge.from_port != DEFAULT_OUTPUT {
                outputs.add(&edge.from_port);
            }
        }

        Self {
            default_output,
            primary: primary.as_ref().map(|it| it.to.to_owned()),
            outputs: outputs.into_vec(),
            inputs: inputs(step, metadata, incoming),
        }
    }

    /// Whether the step has this output port.
    pub fn has_output(&self, name: &str) -> bool {
        self.outputs.iter().any(|port| port == name)
    }

    /// The step's input port of this name.
    pub fn input(&self, name: &str) -> Option<&InputPort> {
        self.inputs.iter().find(|port| port.name == name)
    }
}

/// What the primary port is called in the catalog and in the step.
struct Renaming<'a> {
    from: &'a str,
    to: &'a str,
}

impl<'a> Renaming<'a> {
    fn of(primary: &'a str, step: &'a StepDefinition, catalog: &[String]) -> Self {
        let declared = step.explicit_outputs().unwrap_or_default();
        let renamed = if declared.iter().any(|port| port == primary) {
            None
        } else {
            declared.iter().find(|port| !catalog.contains(port))
        };
        Self {
            from: primary,
            to: renamed.map_or(primary, String::as_str),
        }
    }
}

fn default_output(
    step: &StepDefinition,
    primary: Option<&Renaming<'_>>,
    catalog: &[String],
) -> String {
    let declared = step.explicit_outputs().and_then(<[String]>::first);
    match primary {
        Some(it) => it.to,
        None => declared
            .or(catalog.first())
            .map_or(DEFAULT_OUTPUT, String::as_str),
    }
    .to_owned()
}

fn catalog_outputs(step: &StepDefinition, metadata: Option<&StepTypeMetadata>) -> Vec<String> {
    match metadata {
        Some(it) if it.type_id == PARALLEL_SPLIT => (1..=branches(step))
            .map(|number| format!("branch_{number}"))
            .collect(),
        Some(it) => it.output_ports.iter().map(|it| it.name.clone()).collect(),
        None => Vec::new(),
    }
}

/// The configured number of branches; 2 where the config names none that may be.
fn branches(step: &StepDefinition) -> u64 {
    let configured = step.config.get("branches").and_then(Value::as_u64);
    configured
        .filter(|it| *it >= 2)
        .map_or(2, |it| it.min(MAX_BRANCHES))
}

fn inputs<'a>(
    step: &StepDefinition,
    metadata: Option<&StepTypeMetadata>,
    incoming: impl IntoIterator<Item = &'a EdgeDefinition>,
) -> Vec<InputPort> {
    let mut names = Names::default();
    for port in metadata.map_or(&[][..], |it| &it.input_ports) {
        names.add(&port.name);
    }
    let declared = match step.explicit_inputs() {
        Some(explicit) => explicit,
        None if names.is_empty() => &step.input_ports,
        None => &[],
    };
    for port in declared {
        names.add(port);
    }
    for edge in incoming {
        names.add(&edge.to_port);
    }
    let required = |name: &str| {
        metadata
            .and_then(|it| it.input(name))
            .is_none_or(|port| port.required)
    };
    names
        .into_vec()
        .into_iter()
        .map(|name| InputPort {
            required: required(&name),
            name,
        })
        .collect()
}

/// Names in the order they were first added.
#[derive(Default)]
struct Names<'a> {
    ordered: Vec<&'a str>,
    seen: HashSet<&'a str>,
}

impl<'a> Names<'a> {
    fn add(&mut self, name: &'a str) {
        if self.seen.insert(name) {
            self.ordered.push(name);
        }
    }

    fn is_empty(&self) -> bool {
        self.ordered.is_empty()
    }

    fn into_vec(self) -> Vec<String> {
        self.ordered.into_iter().map(str::to_owned).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::canvas::catalog::StepCatalog;

    fn step(step_type: &str) -> StepDefinition {
        StepDefinition::new("s", step_type)
    }

    fn with_outputs(step_type: &str, outputs: &[&str]) -> StepDefinition {
        let output_ports = outputs.iter().map(|it| (*it).to_owned()).collect();
        StepDefinition {
            output_ports,
            ..step(step_type)
        }
    }

    fn with_inputs(step_type: &str, inputs: &[&str]) -> StepDefinition {
        let input_ports = inputs.iter().map(|it| (*it).to_owned()).collect();
        StepDefinition {
            input_ports,
            ..step(step_type)
        }
    }

    fn ports(step: &StepDefinition, from_ports: &[&str], to_ports: &[&str]) -> EffectivePorts {
        let catalog = StepCatalog::with_builtins();
        let metadata = catalog.get(&step.step_type);
        let edge = |from_port: &str, to_port: &str| EdgeDefinition {
            from_port: from_port.to_owned(),
            to_port: to_port.to_owned(),
            ..EdgeDefinition::new("s", "s")
        };
        let outgoing: Vec<_> = from_ports.iter().map(|it| edge(it, "input")).collect();
        let incoming: Vec<_> = to_ports.iter().map(|it| edge("output", it)).collect();
        EffectivePorts::of(step, metadata.as_deref(), &incoming, &outgoing)
    }

    #[track_caller]
    fn outputs(step: &StepDefinition, from_ports: &[&str], expected: &[&str], default: &str) {
        let ports = ports(step, from_ports, &[]);
        assert_eq!(ports.outputs, expected);
        assert_eq!(ports.default_output, default);
    }

    //
    #[test]
    fn the_type_gives_its_ports_and_the_bare_default_adds_nothing() {
        outputs(&step("llm_agent"), &[], &["output", "error"], "output");
        outputs(&step("condition"), &[], &["true", "false"], "true");
        outputs(
            &step("http_action"),
            &[],
            &["response", "status"],
            "response",
        );
        let human = ["approved", "rejected", "modified"];
        outputs(&step("human_task"), &[], &human, "approved");
        outputs(&step("mystery"), &[], &["output"], "output");
    }

    //
    #[test]
    fn explicit_outputs_rename_the_primary() {
        let cases: [(&str, &[&str], &[&str], &str); 7] = [
            ("llm_agent", &["content"], &["content", "error"], "content"),
            (
                "llm_agent",
                &["validated", "errors"],
                &["validated", "error", "errors"],
                "validated",
            ),
            // The first name that is no catalog port, not the first name.
            (
                "llm_agent",
                &["error", "draft"],
                &["draft", "error"],
                "draft",
            ),
            // Only catalog ports declared: nothing to rename to.
            ("llm_agent", &["error"], &["output", "error"], "output"),
            // The primary is among them: it keeps its name.
            (
                "llm_agent",
                &["summary", "output"],
                &["output", "error", "summary"],
                "output",
            ),
            ("http_action", &["result"], &["result", "status"], "result"),
            ("llm_agent", &[], &["output", "error"], "output"),
        ];
        for (step_type, declared, expected, default) in cases {
            outputs(&with_outputs(step_type, declared), &[], expected, default);
        }
        let renamed = with_outputs("http_action", &["output", "result"]);
        assert_eq!(ports(&renamed, &[], &[]).primary.as_deref(), Some("output"));
    }

    //
    #[test]
    fn without_a_primary_nothing_is_renamed_and_the_first_declared_is_the_default() {
        let condition = with_outputs("condition", &["maybe"]);
        outputs(&condition, &[], &["true", "false", "maybe"], "maybe");
        assert_eq!(ports(&condition, &[], &[]).primary, None);
        outputs(
            &with_outputs("mystery", &["a", "b", "a"]),
            &[],
            &["a", "b"],
            "a",
        );
        outputs(&with_outputs("mystery", &[]), &[], &[], "output");
    }

    //
    #[test]
    fn outgoing_edges_name_further_ports_but_never_output() {
        let agent = with_outputs("llm_agent", &["draft"]);
        let expected = ["draft", "error", "escalate"];
        outputs(
            &agent,
            &["output", "escalate", "error", "escalate"],
            &expected,
            "draft",
        );
        // Naming a port on an edge does not make it the default.
        outputs(
            &step("condition"),
            &["other"],
            &["true", "false", "other"],
            "true",
        );
    }

    //
    #[test]
    fn a_split_has_as_many_branches_as_configured() {
        let split = |branches| StepDefinition {
            config: json!({ "branches": branches })
                .as_object()
                .cloned()
                .unwrap(),
            ..step("parallel_split")
        };
        let two = ["branch_1", "branch_2"];
        outputs(&step("parallel_split"), &[], &two, "branch_1");
        outputs(
            &split(json!(3)),
            &[],
            &["branch_1", "branch_2", "branch_3"],
            "branch_1",
        );
        for wrong in [json!(0), json!(-4), json!("9"), json!(null)] {
            outputs(&split(wrong), &[], &two, "branch_1");
        }
        let most = ports(&split(json!(u64::MAX)), &[], &[]).outputs.len();
        assert_eq!(most as u64, MAX_BRANCHES);
    }

    //
    #[test]
    fn inputs_come_from_type_declaration_and_edges() {
        let names = |step: &StepDefinition, to_ports: &[&str]| -> Vec<String> {
            let ports = ports(step, &[], to_ports);
            ports.inputs.into_iter().map(|it| it.name).collect()
        };
        assert_eq!(names(&step("http_action"), &[]), ["body"]);
        assert_eq!(names(&step("mystery"), &[]), ["input"]);
        let declared = with_inputs("http_action", &["params", "body"]);
        assert_eq!(
            names(&declared, &["extra", "params"]),
            ["body", "params", "extra"]
        );
        assert_eq!(names(&step("http_action"), &["input"]), ["body", "input"]);
        assert!(names(&with_inputs("mystery", &[]), &[]).is_empty());
    }

    //
    #[test]
    fn only_the_type_makes_an_input_optional() {
        let mut metadata =
            StepTypeMetadata::new("t", "T", crate::canvas::catalog::StepCategory::Utility);
        let hint = crate::canvas::catalog::PortSpec::new("hint", Default::default()).optional();
        metadata.input_ports.push(hint);
        let declared = with_inputs("t", &["topic"]);
        let ports = EffectivePorts::of(&declared, Some(&metadata), [], []);
        assert!(!ports.input("hint").unwrap().required);
        assert!(ports.input("topic").unwrap().required);
    }
}
