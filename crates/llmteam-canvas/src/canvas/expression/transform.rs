//! The expressions of `transform` steps: subject, path, JSONPath or CEL (T-02 to T-05).
//!
//! Invariant: what merely selects (subject, path, singular JSONPath) passes a value of any size on; what builds a
//! value is bounded. The `mapping` around several expressions belongs to the step.

use serde_json::Value;

use super::condition::literal;
use super::error::ExpressionError;
use super::names::StepNames;
use super::path::Path;
use super::program::Program;
use super::query::Query;

/// A compiled transform expression.
#[derive(Clone, Debug)]
pub struct Transform {
    text: Box<str>,
    form: Form,
}

#[derive(Clone, Debug)]
enum Form {
    /// The whole subject, unless it has a field of this name.
    Subject(Box<str>),
    Literal(bool),
    Path(Path),
    Query(Box<Query>),
    Program(Box<Program>),
}

impl Transform {
    /// Compiles an expression of at most 1,000 characters; surrounding blanks are ignored.
    pub fn compile(text: &str) -> Result<Self, ExpressionError> {
        let form = Form::compile(text).map_err(|reason| ExpressionError::new(text, reason))?;
        Ok(Self {
            text: text.into(),
            form,
        })
    }

    /// Evaluates the expression; `default` stands for what a path does not find, null without it.
    pub fn evaluate(
        &self,
        names: &StepNames<'_>,
        default: Option<&Value>,
    ) -> Result<Value, ExpressionError> {
        let missing = || default.cloned().unwrap_or(Value::Null);
        match &self.form {
            Form::Subject(name) => Ok(names.subject.get(&**name).unwrap_or(names.subject).clone()),
            Form::Literal(it) => Ok(Value::Bool(*it)),
            Form::Path(path) => Ok(path.find(names).cloned().unwrap_or_else(missing)),
            Form::Query(query) => match query.find(names.subject) {
                Ok(found) => Ok(found.unwrap_or_else(missing)),
                Err(fault) => Err(ExpressionError::new(&self.text, fault.into_reason())),
            },
            Form::Program(program) => program.evaluate(names),
        }
    }

    /// The expression as written.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl Form {
    fn compile(text: &str) -> Result<Self, String> {
        if let Some(reason) = super::budget::too_long(text) {
            return Err(reason);
        }
        let text = text.trim();
        if text.is_empty() {
            return Err("blank".to_owned());
        }
        if matches!(text, "input" | "data" | "output" | ".") {
            return Ok(Self::Subject(text.into()));
        }
        if let Some(it) = literal(text) {
            return Ok(Self::Literal(it));
        }
        if text.starts_with('$') {
            return Query::parse(text).map(|it| Self::Query(Box::new(it)));
        }
        match Path::parse(text) {
            Some(path) if text != "null" => Ok(Self::Path(path)),
            _ => Program::compile(text)
                .map(|it| Self::Program(Box::new(it)))
                .map_err(|error| error.reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Transform;
    use crate::canvas::expression::StepNames;
    use serde_json::{Value, json};

    #[track_caller]
    fn transform(
        text: &str,
        subject: &Value,
        input: &Value,
        default: Option<&Value>,
    ) -> Result<Value, String> {
        let run = json!({"run_id": "run_1", "input": {"lang": "de"}});
        let names = StepNames {
            subject,
            input,
            run: &run,
        };
        let transform = Transform::compile(text).map_err(|error| error.reason)?;
        transform
            .evaluate(&names, default)
            .map_err(|error| error.reason)
    }

    // covers: T-02
    #[test]
    fn four_names_mean_the_subject_unless_it_has_such_a_field() {
        for text in ["input", "data", "output", ".", " data "] {
            for subject in [json!({"a": 1}), json!([1]), json!("text"), json!(null)] {
                assert_eq!(
                    transform(text, &subject, &json!({"data": 9}), None),
                    Ok(subject),
                    "{text}"
                );
            }
            let subject = json!({text.trim(): 5});
            assert_eq!(
                transform(text, &subject, &json!({}), None),
                Ok(json!(5)),
                "{text}"
            );
        }
        let subject = json!({"data": null});
        assert_eq!(
            transform("data", &subject, &json!({}), Some(&json!(7))),
            Ok(json!(null))
        );
        let large = json!("x".repeat(1 << 20));
        assert_eq!(
            transform("input", &large, &json!({}), None),
            Ok(large.clone())
        );
    }

    // covers: T-03
    #[test]
    fn a_path_finds_a_value_or_gives_the_default() {
        let subject = json!({"a": {"b": [10, {"c": "x"}, [[7]]]}, "n": null, "run": {"own": 1}, "package": {"in": 3}});
        let input = json!({"a": 0, "port": {"k": [true]}, "data": {"z": 1}});
        for (text, expected) in [
            ("a.b", json!([10, {"c": "x"}, [[7]]])),
            ("a.b[0]", json!(10)),
            (" a.b[1].c\n", json!("x")),
            ("a.b[2][0][0]", json!(7)),
            ("port.k[0]", json!(true)),
            ("data.z", json!(1)),
            ("value.a.b[0]", json!(10)),
            ("value[0]", json!("default")),
            ("_input.port.k", json!([true])),
            ("run.own", json!(1)),
            ("run.run_id", json!("default")),
            ("_run.input.lang", json!("de")),
            ("n", json!(null)),
            ("package.in", json!(3)),
            ("n.x", json!("default")),
            ("missing", json!("default")),
            ("missing.x[3]", json!("default")),
            ("a.b.c", json!("default")),
            ("a.b[9]", json!("default")),
            ("a.b[99999999999999999999999]", json!("default")),
            ("a[0]", json!("default")),
            ("_hidden", json!("default")),
        ] {
            assert_eq!(
                transform(text, &subject, &input, Some(&json!("default"))),
                Ok(expected),
                "{text}"
            );
        }
        assert_eq!(
            transform("missing", &subject, &input, None),
            Ok(Value::Null)
        );
        assert_eq!(
            transform("run.run_id", &json!(3), &json!({}), None),
            Ok(json!("run_1"))
        );
    }

    // covers: T-04
    #[test]
    fn anything_else_is_an_expression() {
        let subject = json!({"items": [{"n": 1}, {"n": 2}, {"n": 3}], "name": "ada"});
        for (text, expected) in [
            ("items.filter(i, i.n > 1).map(i, i.n * 2)", json!([4, 6])),
            (
                "{'who': name, 'first': items[0]}",
                json!({"who": "ada", "first": {"n": 1}}),
            ),
            ("'Hello ' + name", json!("Hello ada")),
            ("items[-1 + 1].n", json!(1)),
            ("has(value.name) ? value.name : 'none'", json!("ada")),
            ("null", json!(null)),
            ("True", json!(true)),
            ("1 + 1", json!(2)),
            ("[1, 2.5, 'x', null]", json!([1, 2.5, "x", null])),
        ] {
            assert_eq!(
                transform(text, &subject, &json!({}), Some(&json!("default"))),
                Ok(expected),
                "{text}"
            );
        }
        for (text, reason) in [
            ("missing + 1", "undefined name `missing`"),
            ("items[-1]", "list index out of range"),
            ("name.upper()", "unknown function `upper`"),
            ("a..b", "syntax error"),
            ("a[]", "syntax error"),
            ("a[0", "syntax error"),
            ("b'abc'", "a result of type bytes is no JSON value"),
            ("type(name)", "a result of type type is no JSON value"),
            ("1.0 / 0.0", "a number that is not finite is no JSON value"),
            ("", "blank"),
            (" \n", "blank"),
        ] {
            let error = transform(text, &subject, &json!({}), Some(&json!(1))).expect_err(text);
            assert!(error.starts_with(reason), "{text}: {error}");
        }
    }

    // covers: T-05
    #[test]
    fn a_json_path_gives_a_value_when_singular_and_an_array_otherwise() {
        let subject =
            json!({"items": [{"n": 1, "t": "a"}, {"n": 2}, {"n": 3, "t": "c"}], "limit": 2});
        for (text, expected) in [
            ("$.items[0].n", json!(1)),
            ("$['items'][-1]['t']", json!("c")),
            ("$.items[1].t", json!("default")),
            ("$.items[7]", json!("default")),
            ("$.items[*].n", json!([1, 2, 3])),
            ("$.items[7,8]", json!([])),
            ("$.none[*]", json!([])),
            ("$..t", json!(["a", "c"])),
            ("$.items[?@.n >= $.limit].n", json!([2, 3])),
            ("$.items[?@.t].n", json!([1, 3])),
            ("$.items[?length(@.t) == 1 && @.n < 3].t", json!(["a"])),
            ("$.items[0:2].n", json!([1, 2])),
            ("$.items[?@.n == 2]", json!([{"n": 2}])),
        ] {
            assert_eq!(
                transform(
                    text,
                    &subject,
                    &json!({"items": 0}),
                    Some(&json!("default"))
                ),
                Ok(expected),
                "{text}"
            );
        }
        assert_eq!(
            transform("$", &subject, &json!({}), None),
            Ok(subject.clone())
        );
        assert_eq!(
            transform("$.a", &json!([1]), &json!({}), None),
            Ok(Value::Null)
        );
        assert!(
            transform("$.items[", &subject, &json!({}), None)
                .expect_err("invalid")
                .starts_with("invalid JSONPath at")
        );
        let large = json!({"a": "x".repeat(70_000)});
        assert_eq!(
            transform("$.a", &large, &json!({}), None),
            Ok(large["a"].clone())
        );
        assert_eq!(
            transform("$.*", &large, &json!({}), None),
            Err("a value above 65536 bytes is built".to_owned())
        );
    }
}
