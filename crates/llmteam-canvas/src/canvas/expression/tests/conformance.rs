//! The conformance expressions of the language.

use serde_json::{Value, json};

use crate::canvas::expression::Program;

const CASES: &str = include_str!("cel_spec.txt");

/// The cases of the file: expression and result, none where an error is expected.
fn cases() -> impl Iterator<Item = (&'static str, Option<Value>)> {
    let lines = CASES
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with("# ") && *line != "#");
    lines
        .filter(|line| !(line.starts_with('[') && line.ends_with(']') && !line.contains(" => ")))
        .map(|line| {
            let (expression, result) = line.rsplit_once("=> ").expect("a case has a result");
            let result =
                (result != "!").then(|| serde_json::from_str(result).expect("a result is JSON"));
            (expression.trim_end_matches(' '), result)
        })
}

//
#[test]
fn expressions_of_the_specification_give_its_results() {
    let names = json!({"x": {"name": 1024}, "y": {"holiday": "field"}, "a": 15, "l": ["pancakes"]});
    let names = names.as_object().expect("an object");
    let mut wrong = Vec::new();
    let mut count = 0;
    for (expression, expected) in cases() {
        count += 1;
        let actual = Program::compile(expression).and_then(|program| program.evaluate(names));
        // `Value` tells 1 from 1.0: the type of a number is part of the result.
        if actual.as_ref().ok() != expected.as_ref() {
            wrong.push(format!(
                "{expression}: expected {expected:?}, found {actual:?}"
            ));
        }
    }
    assert!(count > 450, "only {count} cases were read");
    assert!(
        wrong.is_empty(),
        "{} of {count} differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
