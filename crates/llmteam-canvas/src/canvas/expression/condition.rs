//! Conditions of edges and of `condition` steps: literal, key or expression.
//!
//! Invariant: a condition yields true or false or an error, never a guess. A literal costs nothing and a key costs one
//! lookup; only what is neither is compiled. Truthiness exists for keys alone.

use super::error::{Fault, InvalidCondition};
use super::evaluate::undefined;
use super::names::{EdgeNames, Names, StepNames, is_identifier, resolve};
use super::operate::is_truthy;
use super::program::Program;

/// The condition of an edge.
#[derive(Clone, Debug)]
pub struct Condition(Rule);

/// The expression of a `condition` step.
#[derive(Clone, Debug)]
pub struct StepCondition(Rule);

impl Condition {
    /// Compiles a condition; an empty text is no condition, a blank one is invalid (M-07).
    pub fn compile(text: &str) -> Result<Option<Self>, InvalidCondition> {
        if text.is_empty() {
            Ok(None)
        } else {
            Rule::compile(text).map(|rule| Some(Self(rule)))
        }
    }

    /// Whether the edge carries.
    pub fn holds(&self, names: &EdgeNames<'_>) -> Result<bool, InvalidCondition> {
        self.0.holds(names)
    }

    /// What the condition yields whatever the values are, if it is a literal.
    pub fn literal(&self) -> Option<bool> {
        self.0.literal()
    }

    /// The condition as written.
    pub fn text(&self) -> &str {
        &self.0.text
    }
}

impl StepCondition {
    /// Compiles the expression; a step needs one, so an empty text is invalid.
    pub fn compile(text: &str) -> Result<Self, InvalidCondition> {
        Rule::compile(text).map(Self)
    }

    /// Which way the step goes.
    pub fn evaluate(&self, names: &StepNames<'_>) -> Result<bool, InvalidCondition> {
        self.0.holds(names)
    }

    /// What the condition yields whatever the values are, if it is a literal.
    pub fn literal(&self) -> Option<bool> {
        self.0.literal()
    }

    /// The condition as written.
    pub fn text(&self) -> &str {
        &self.0.text
    }
}

#[derive(Clone, Debug)]
struct Rule {
    text: Box<str>,
    form: Form,
}

#[derive(Clone, Debug)]
enum Form {
    Literal(bool),
    Key(Box<str>),
    Program(Box<Program>),
}

impl Rule {
    fn compile(text: &str) -> Result<Self, InvalidCondition> {
        let form = Form::compile(text).map_err(|reason| InvalidCondition::new(text, reason))?;
        Ok(Self {
            text: text.into(),
            form,
        })
    }

    fn holds(&self, names: &dyn Names) -> Result<bool, InvalidCondition> {
        self.form
            .decide(names)
            .map_err(|fault| InvalidCondition::new(&self.text, fault.into_reason()))
    }

    fn literal(&self) -> Option<bool> {
        match self.form {
            Form::Literal(it) => Some(it),
            Form::Key(_) | Form::Program(_) => None,
        }
    }
}

impl Form {
    fn compile(text: &str) -> Result<Self, String> {
        if let Some(reason) = super::budget::too_long(text) {
            return Err(reason);
        }
        match text.trim() {
            "" => Err("blank".to_owned()),
            text => match literal(text) {
                Some(it) => Ok(Self::Literal(it)),
                None if is_identifier(text) && text != "null" => Ok(Self::Key(text.into())),
                None => Program::compile(text)
                    .map(|it| Self::Program(Box::new(it)))
                    .map_err(|error| error.reason),
            },
        }
    }

    fn decide(&self, names: &dyn Names) -> Result<bool, Fault> {
        match self {
            Self::Literal(it) => Ok(*it),
            Self::Key(key) => resolve(names, key)
                .map(is_truthy)
                .ok_or_else(|| undefined(key)),
            Self::Program(program) => program.decide(names),
        }
    }
}

/// `true` and `false` in any letter case.
pub(super) fn literal(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::{Condition, StepCondition};
    use crate::canvas::expression::{EdgeNames, StepNames};
    use serde_json::{Value, json};

    #[track_caller]
    fn edge(condition: &str, output: &Value, value: &Value) -> Result<bool, String> {
        let (input, run) = (
            json!({"port": 7}),
            json!({"run_id": "run_1", "input": {"lang": "de"}}),
        );
        let names = EdgeNames {
            output,
            value,
            input: &input,
            run: &run,
        };
        let condition = Condition::compile(condition)
            .map_err(|error| error.to_string())?
            .expect("a condition");
        condition.holds(&names).map_err(|error| error.to_string())
    }

    #[track_caller]
    fn step(condition: &str, subject: &Value, input: &Value) -> Result<bool, String> {
        let run = json!({"run_id": "run_1"});
        let names = StepNames {
            subject,
            input,
            run: &run,
        };
        let condition = StepCondition::compile(condition).map_err(|error| error.to_string())?;
        condition
            .evaluate(&names)
            .map_err(|error| error.to_string())
    }

    //
    #[test]
    fn a_key_is_true_unless_its_value_is_empty() {
        for (value, expected) in [
            (json!(null), false),
            (json!(false), false),
            (json!(true), true),
            (json!(0), false),
            (json!(0.0), false),
            (json!(-0.0), false),
            (json!(-1), true),
            (json!(0.5), true),
            (json!(18446744073709551615_u64), true),
            (json!(""), false),
            (json!(" "), true),
            (json!("false"), true),
            (json!([]), false),
            (json!([null]), true),
            (json!({}), false),
            (json!({"a": null}), true),
        ] {
            assert_eq!(
                edge("key", &json!({"key": value}), &json!(null)),
                Ok(expected),
                "output {value}"
            );
            assert_eq!(
                edge(" key\n", &json!({}), &json!({"key": value})),
                Ok(expected),
                "value {value}"
            );
            assert_eq!(
                step("key", &json!({"key": value}), &json!({})),
                Ok(expected),
                "subject {value}"
            );
            assert_eq!(
                step("key", &json!(3), &json!({"key": value})),
                Ok(expected),
                "port {value}"
            );
        }
    }

    //
    #[test]
    fn a_key_is_looked_up_in_order_and_must_exist() {
        let (output, value) = (json!({"a": 0, "input": 0}), json!({"a": 1, "b": 1}));
        for (condition, expected) in [
            ("a", false),
            ("b", true),
            ("input", false),
            ("_input", true),
            ("run", true),
            ("value", true),
            ("_output", true),
        ] {
            assert_eq!(
                edge(condition, &output, &value),
                Ok(expected),
                "{condition}"
            );
        }
        assert_eq!(
            edge("missing", &output, &value),
            Err("Invalid condition 'missing': undefined name `missing`".to_owned())
        );
        // Only names without a leading underscore are exposed, and a list or a text has no fields.
        for (condition, output, value) in [
            ("_a", json!({"_a": true}), json!(null)),
            ("a", json!({}), json!(["a"])),
            ("a", json!("a"), json!("a")),
        ] {
            assert!(
                edge(condition, &output, &value).is_err(),
                "{condition} {output} {value}"
            );
        }
        // Words that CEL reserves are keys like any other.
        assert_eq!(
            edge("package", &json!({"package": 1}), &json!(null)),
            Ok(true)
        );
        assert_eq!(step("int", &json!({"int": 1}), &json!({})), Ok(true));
        assert!(
            step("int", &json!({}), &json!({})).is_err(),
            "a type is no value"
        );
    }

    //
    #[test]
    fn literals_have_any_letter_case_and_win_over_keys() {
        let output = json!({"true": false, "TRUE": false, "False": true});
        for (condition, expected) in [
            ("true", true),
            ("TRUE", true),
            (" True\t", true),
            ("tRuE", true),
            ("false", false),
            ("\nFalse ", false),
        ] {
            assert_eq!(
                edge(condition, &output, &json!(null)),
                Ok(expected),
                "{condition}"
            );
            assert_eq!(
                step(condition, &output, &json!({})),
                Ok(expected),
                "{condition}"
            );
            assert_eq!(
                Condition::compile(condition)
                    .expect("valid")
                    .and_then(|it| it.literal()),
                Some(expected)
            );
        }
        assert_eq!(
            Condition::compile("yes")
                .expect("valid")
                .and_then(|it| it.literal()),
            None
        );
    }

    // covers: M-07
    #[test]
    fn empty_is_no_condition_and_blank_is_invalid() {
        assert!(Condition::compile("").expect("valid").is_none());
        for blank in [" ", "\t\n ", "\u{a0}"] {
            assert_eq!(
                Condition::compile(blank).expect_err("blank").reason,
                "blank"
            );
            assert_eq!(
                StepCondition::compile(blank).expect_err("blank").reason,
                "blank"
            );
        }
        assert_eq!(
            StepCondition::compile("").expect_err("empty").reason,
            "blank"
        );
    }

    //
    #[test]
    fn everything_else_is_an_expression_that_must_yield_a_bool() {
        let (output, value) = (
            json!({"text": {"level": 2, "urgent": 0}}),
            json!({"level": 2, "urgent": 0}),
        );
        assert_eq!(
            edge("value.level <= 3 && level == 2.0", &output, &value),
            Ok(true)
        );
        assert_eq!(
            edge("input.port == 7 && run.input.lang == 'de'", &output, &value),
            Ok(true)
        );
        assert_eq!(edge("text.level > level", &output, &value), Ok(false));
        for (condition, reason) in [
            ("level + 1", "the result is int and not bool"),
            ("!urgent", "`!` needs bool and not int"),
            ("urgent || urgent", "`||` needs bool and not int"),
            ("value.missing == 1", "no such key: `missing`"),
            ("level / 0 == 1", "division by zero"),
            ("level == ", "syntax error at 1:9"),
            ("null", "the result is null_type and not bool"),
            ("env('HOME') == ''", "unknown function `env`"),
        ] {
            let error = edge(condition, &output, &value).expect_err(condition);
            assert!(
                error.starts_with(&format!("Invalid condition '{condition}': {reason}")),
                "{error}"
            );
        }
        assert_eq!(
            step("value.level < 3", &json!({"level": 2}), &json!({})),
            Ok(true)
        );
        assert_eq!(
            step(
                "data.level < 3",
                &json!([1]),
                &json!({"data": {"level": 5}})
            ),
            Ok(false)
        );
        assert!(step("level < 3", &json!([1]), &json!({})).is_err());
    }

    //
    #[test]
    fn a_text_has_at_most_a_thousand_characters() {
        let long = |spaces: usize| " ".repeat(spaces) + "true";
        assert_eq!(edge(&long(996), &json!({}), &json!(null)), Ok(true));
        let error = Condition::compile(&long(997)).expect_err("too long");
        assert_eq!(error.reason, "longer than 1000 characters");
        let text = format!("'{}' == ''", "é".repeat(992));
        assert_eq!(
            (text.chars().count(), edge(&text, &json!({}), &json!(null))),
            (1_000, Ok(false))
        );
        let error = Condition::compile(&"(".repeat(1 << 20)).expect_err("too long");
        assert!(
            error.to_string().len() < 200,
            "an error does not repeat a long text"
        );
    }
}
