//! The names an expression may use, and where their values come from (X-33, X-35).
//!
//! Invariant: a value is looked up when a program names it, and borrowed, never copied; a name with a leading
//! underscore means one of the four built-ins or nothing. This module does not know the language around the names.

use serde_json::{Map, Value};

/// Where a program finds the values of the names in it.
pub trait Names {
    /// The value of `name`, or none if it is not defined. Names that start with an underscore are only asked for
    /// when they are `_output`, `_value`, `_input` or `_run`.
    fn get(&self, name: &str) -> Option<&Value>;
}

/// The names of an edge condition.
#[derive(Clone, Copy, Debug)]
pub struct EdgeNames<'a> {
    /// The output object of the source step.
    pub output: &'a Value,
    /// The value of the port that the edge leaves from.
    pub value: &'a Value,
    /// The input object of the source step.
    pub input: &'a Value,
    /// `input`, `run_id`, `instance_id`, `tenant_id` and `segment_id` of the run.
    pub run: &'a Value,
}

/// The names of an expression in a step's configuration.
#[derive(Clone, Copy, Debug)]
pub struct StepNames<'a> {
    /// What the step works on.
    pub subject: &'a Value,
    /// The input object: one field per port.
    pub input: &'a Value,
    /// `input`, `run_id`, `instance_id`, `tenant_id` and `segment_id` of the run.
    pub run: &'a Value,
}

impl Names for EdgeNames<'_> {
    fn get(&self, name: &str) -> Option<&Value> {
        let own = if name.starts_with('_') {
            None
        } else {
            self.output.get(name).or_else(|| self.value.get(name))
        };
        own.or(match name {
            "output" | "_output" => Some(self.output),
            "value" | "_value" => Some(self.value),
            "input" | "_input" => Some(self.input),
            "run" | "_run" => Some(self.run),
            _ => None,
        })
    }
}

impl Names for StepNames<'_> {
    fn get(&self, name: &str) -> Option<&Value> {
        let own = if name.starts_with('_') {
            None
        } else {
            self.subject.get(name).or_else(|| self.input.get(name))
        };
        own.or(match name {
            "value" | "_value" => Some(self.subject),
            "input" | "_input" => Some(self.input),
            "run" | "_run" => Some(self.run),
            _ => None,
        })
    }
}

impl Names for Map<String, Value> {
    fn get(&self, name: &str) -> Option<&Value> {
        Map::get(self, name)
    }
}

/// Looks a name up; hidden names are never found.
pub(super) fn resolve<'a>(names: &'a dyn Names, name: &str) -> Option<&'a Value> {
    let hidden = name.starts_with('_') && !matches!(name, "_output" | "_value" | "_input" | "_run");
    if hidden { None } else { names.get(name) }
}

/// Whether the text is one identifier.
pub(super) fn is_identifier(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::{EdgeNames, Names, StepNames, is_identifier, resolve};
    use serde_json::{Value, json};

    #[track_caller]
    fn check(names: &dyn Names, expected: &[(&str, Value)]) {
        for (name, value) in expected {
            assert_eq!(
                resolve(names, name).unwrap_or(&Value::Null),
                value,
                "{name}"
            );
        }
    }

    // covers: X-33, X-35
    #[test]
    fn an_edge_sees_output_fields_then_value_fields_then_built_ins() {
        let (output, value) = (
            json!({"a": 1, "input": 2, "_secret": 3}),
            json!({"a": 10, "b": 20, "run": 30}),
        );
        let (input, run) = (json!({"port": 4}), json!({"run_id": "r"}));
        let names = EdgeNames {
            output: &output,
            value: &value,
            input: &input,
            run: &run,
        };
        check(
            &names,
            &[
                ("a", json!(1)),
                ("b", json!(20)),
                ("input", json!(2)),
                ("_input", json!({"port": 4})),
                ("run", json!(30)),
                ("_run", json!({"run_id": "r"})),
                ("output", output.clone()),
                ("_output", output.clone()),
                ("value", value.clone()),
                ("_value", value.clone()),
                ("_secret", Value::Null),
                ("port", Value::Null),
            ],
        );
    }

    // covers: X-33, X-35
    #[test]
    fn a_step_sees_subject_fields_then_ports_then_built_ins() {
        let (subject, input) = (json!({"a": 1, "value": 2}), json!({"a": 10, "port": 20}));
        let run = json!({"run_id": "r"});
        let names = StepNames {
            subject: &subject,
            input: &input,
            run: &run,
        };
        check(
            &names,
            &[
                ("a", json!(1)),
                ("port", json!(20)),
                ("value", json!(2)),
                ("_value", subject.clone()),
                ("input", input.clone()),
                ("run", run.clone()),
                ("_output", Value::Null),
                ("output", Value::Null),
            ],
        );
        let names = StepNames {
            subject: &json!([1]),
            input: &input,
            run: &run,
        };
        check(&names, &[("a", json!(10)), ("value", json!([1]))]);
    }

    #[test]
    fn identifiers() {
        for text in ["a", "_", "a1_B", "in"] {
            assert!(is_identifier(text), "{text}");
        }
        for text in ["", "1a", "a-b", "a.b", "é", "a b"] {
            assert!(!is_identifier(text), "{text}");
        }
    }
}
