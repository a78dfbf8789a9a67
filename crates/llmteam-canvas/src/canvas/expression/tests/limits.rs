//! What an expression may cost, and what happens beyond.

use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use crate::canvas::expression::{MAX_STEPS, Program};

#[track_caller]
fn evaluate(text: &str, names: &Value) -> Result<Value, String> {
    let program = Program::compile(text).map_err(|error| error.reason)?;
    program
        .evaluate(names.as_object().expect("names are an object"))
        .map_err(|error| error.reason)
}

fn steps_reached() -> Result<Value, String> {
    Err(format!("the cost limit of {MAX_STEPS} steps is reached"))
}

fn bytes_reached() -> Result<Value, String> {
    Err("a value above 65536 bytes is built".to_owned())
}

//
#[test]
fn every_node_and_every_iteration_is_a_step() {
    // One macro, its range, and per item an iteration and one node.
    let items = |count: usize| json!({"items": vec![true; count]});
    assert_eq!(
        evaluate("items.all(i, true)", &items(4_998)),
        Ok(json!(true))
    );
    assert_eq!(
        evaluate("items.all(i, true)", &items(5_000)),
        steps_reached()
    );
    // An undecided branch costs nothing.
    assert_eq!(
        evaluate("true || items.all(i, true)", &items(5_000)),
        Ok(json!(true))
    );
    // The limit is no fault of a value: nothing makes up for it.
    assert_eq!(
        evaluate("items.all(i, true) || true", &items(5_000)),
        steps_reached()
    );
    assert_eq!(
        evaluate("[1].exists(i, items.all(i, true) || true)", &items(5_000)),
        steps_reached()
    );
}

//
#[test]
fn nested_macros_run_out_of_steps() {
    let names = json!({"l": (0..100).collect::<Vec<_>>()});
    for text in [
        "l.map(a, l.map(b, l.map(c, a + b + c)))",
        "l.map(a, l.filter(b, l.exists(c, c < 0)))",
        "l.all(a, l.all(b, l.all(c, l.all(d, l.all(e, true)))))",
    ] {
        assert_eq!(evaluate(text, &names), steps_reached(), "{text}");
    }
}

//
#[test]
fn large_values_are_not_built() {
    let text = json!({"s": "x".repeat(1_000), "l": vec![0; 1_000], "big": "é".repeat(60_000)});
    for (expression, expected) in [
        ("s.size() + size(s + s)", Ok(json!(3_000))),
        // Doubling by nesting: 64 times the text is the last that fits.
        (
            "[s].map(a, a+a+a+a+a+a+a+a).map(b, b+b+b+b+b+b+b+b).map(c, size(c))",
            Ok(json!([64_000])),
        ),
        (
            "[s].map(a, a+a+a+a+a+a+a+a).map(b, b+b+b+b+b+b+b+b).map(c, c + c)",
            bytes_reached(),
        ),
        (
            "[l].map(a, a+a+a+a+a+a+a+a).map(b, b+b+b+b+b+b+b+b)",
            bytes_reached(),
        ),
        ("l.map(i, s)", bytes_reached()),
        ("l.map(i, s + s)", bytes_reached()),
        ("l.map(i, l)", bytes_reached()),
        // Naming a large value is free, giving it out is not.
        ("size([big, big, big, big])", Ok(json!(4))),
        ("big.startsWith('é')", Ok(json!(true))),
        ("[big]", bytes_reached()),
        ("{'a': {'b': big}}", bytes_reached()),
        ("big", bytes_reached()),
        ("bytes(big) == b''", bytes_reached()),
    ] {
        assert_eq!(evaluate(expression, &text), expected, "{expression}");
    }
}

#[test]
fn the_size_of_a_result_is_that_of_its_json() {
    let exact = json!({"s": "x".repeat(65_536 - 18), "n": {"a": 1}});
    let result = json!({"k": [exact["s"], 1], "": {}});
    assert_eq!(serde_json::to_vec(&result).expect("JSON").len(), 65_536);
    assert_eq!(evaluate("{'k': [s, 1], '': {}}", &exact), Ok(result));
    assert_eq!(evaluate("{'k': [s, 12], '': {}}", &exact), bytes_reached());
    assert_eq!(evaluate("{'k': [s, 1], '': n}", &exact), bytes_reached());
}

// Work that grows with the data is paid for: few nodes cannot hide it.
//
#[test]
#[expect(clippy::disallowed_methods, reason = "what is measured is real time")]
fn large_inputs_cost_steps() {
    let items: Vec<Value> = (0..400_000).map(Value::from).collect();
    let names =
        json!({"items": items, "same": items, "text": "a".repeat(12 << 20), "l": vec![0; 1_000]});
    let begin = Instant::now();
    for text in [
        "items == same",
        "-1 in items",
        "text.contains('b')",
        "size(text) == 3",
        "text == text",
        "text < text + ''",
        "text.matches('(a|aa)+b')",
        "l.all(i, items == same)",
        "l.all(i, text.contains('aab'))",
        "items.map(i, i)",
        "items + same",
        "l.map(i, 'a{' + string(i) + '}').exists(p, text.matches(p))",
    ] {
        let outcome = evaluate(text, &names);
        let reason = outcome.expect_err(text);
        assert!(
            reason.contains("cost limit") || reason.contains("65536 bytes"),
            "{text}: {reason}"
        );
    }
    for text in [
        "items[399999] == 399999",
        "text.startsWith('aaa')",
        "size(items) == 400000",
        "items[0] in l",
    ] {
        assert_eq!(evaluate(text, &names), Ok(json!(true)), "{text}");
    }
    let spent = begin.elapsed();
    assert!(spent < Duration::from_secs(10), "{spent:?}");
}

//
#[test]
fn only_named_values_are_looked_up() {
    use crate::canvas::expression::Names;
    use std::cell::RefCell;

    struct Watched(Map<String, Value>, RefCell<Vec<String>>);
    impl Names for Watched {
        fn get(&self, name: &str) -> Option<&Value> {
            self.1.borrow_mut().push(name.to_owned());
            self.0.get(name)
        }
    }

    let names = json!({"a": 1, "b": 2, "c": 3, "_x": 4});
    let names = Watched(
        names.as_object().expect("an object").clone(),
        RefCell::default(),
    );
    let program = Program::compile("a == 1 || b == 2 || [3].exists(c, c == 4)").expect("valid");
    assert_eq!(program.evaluate(&names), Ok(json!(true)));
    assert_eq!(names.1.take(), ["a"]);
    let program = Program::compile("_x == 4").expect("valid");
    assert_eq!(
        program.evaluate(&names).expect_err("hidden").reason,
        "undefined name `_x`"
    );
    assert_eq!(names.1.take(), Vec::<String>::new());
}
