//! Texts that were written to break it: no panic, no exhausted stack, no wait.

use std::fmt::Write as _;
use std::thread;

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::canvas::expression::{Condition, EdgeNames, Program, StepNames, Transform};

/// Compiles and evaluates a text in every way; what comes out does not matter.
fn survive(text: &str) {
    let output =
        json!({"a": 1, "b": [1, 2.5, "x", null, {"c": true}], "s": "text", "m": {"k": [[]]}});
    let value = json!({"a": "x", "items": [3, 1, 2], "big": 18_446_744_073_709_551_615_u64});
    let (input, run) = (json!({"port": {"x": 1}}), json!({"run_id": "r"}));
    if let Ok(Some(condition)) = Condition::compile(text) {
        let _ = condition.holds(&EdgeNames {
            output: &output,
            value: &value,
            input: &input,
            run: &run,
        });
    }
    if let Ok(transform) = Transform::compile(text) {
        let _ = transform.evaluate(
            &StepNames {
                subject: &output,
                input: &input,
                run: &run,
            },
            None,
        );
    }
    if let Ok(program) = Program::compile(text) {
        let _ = program.evaluate(output.as_object().expect("an object"));
    }
}

/// Runs on a stack as small as that of a worker thread, and no larger than a thread of a test.
fn on_a_worker_stack(run: impl FnOnce() + Send + 'static) {
    thread::Builder::new()
        .stack_size(1 << 20)
        .spawn(run)
        .expect("a thread")
        .join()
        .expect("no panic");
}

#[test]
fn deep_and_long_texts_exhaust_no_stack() {
    on_a_worker_stack(|| {
        for count in [10, 31, 32, 33, 64, 120, 130, 200, 330, 480, 960, 10_000] {
            for (open, middle, close) in [
                ("(", "1", ")"),
                ("[", "1", "]"),
                ("{1:", "1", "}"),
                ("{'a':", "1", "}"),
                ("size(", "1", ")"),
                ("[1].map(x,", "x", ")"),
                ("[1].all(x,[x].all(y,", "true", "))"),
                ("true?(", "1", "):2"),
                ("a?b:", "1", ""),
                ("1+", "1", ""),
                ("1-(", "1", ")"),
                ("a<", "1", ""),
                ("1<1+", "1", ""),
                ("true&&", "true", ""),
                ("false||", "false", ""),
                ("!", "true", ""),
                ("-", "1", ""),
                ("!(", "true", ")"),
                ("-(", "1", ")"),
                ("", "s", ".a"),
                ("", "b", "[0]"),
                ("", "s", ".size()"),
                ("a.", "a", "{"),
                ("(", "", ""),
                ("[", "", ""),
                ("{", "", ""),
                ("", "", ")"),
                ("'", "", "'"),
                ("\\", "", ""),
                ("`", "a", "`"),
                ("$[?@", ".a", "]"),
                ("$[?(", "@.a", ")]"),
                ("$[?!(", "@.a", ")]"),
                ("$", "", "..*"),
                ("$", "", "[*,*]"),
                ("$[?length(", "@.a", ")>1]"),
                ("a", "", "[0]"),
                ("a", "", ".b"),
            ] {
                survive(&[&open.repeat(count), middle, &close.repeat(count)].concat());
            }
        }
    });
}

#[test]
fn nesting_is_refused_beyond_its_limits_and_works_within() {
    on_a_worker_stack(|| {
        let nested = |count: usize| format!("{}1{}", "(".repeat(count), ")".repeat(count));
        let names = json!({});
        let names = names.as_object().expect("an object");
        assert_eq!(
            Program::compile(&nested(31))
                .expect("valid")
                .evaluate(names),
            Ok(json!(1))
        );
        assert_eq!(
            Program::compile(&nested(40)).expect_err("deep").reason,
            "nested deeper than 32 levels"
        );
        let chain = |count: usize| format!("0{}", "+1".repeat(count));
        assert_eq!(
            Program::compile(&chain(127))
                .expect("valid")
                .evaluate(names),
            Ok(json!(127))
        );
        assert_eq!(
            Program::compile(&chain(128)).expect_err("deep").reason,
            "deeper than 128 operators"
        );
        // `&&` and `||` are no chains: a long list of alternatives is fine.
        let mut alternatives = "false".to_owned();
        for n in 0..90 {
            write!(alternatives, "||{n}==-1").expect("written");
        }
        assert_eq!(
            Program::compile(&alternatives)
                .expect("valid")
                .evaluate(names),
            Ok(json!(false))
        );
    });
}

// What attackers try: an expression has no way out.
#[test]
fn attacks_are_refused() {
    for text in [
        "constructor.constructor('return process')()",
        "this.constructor",
        "(() => 1)()",
        "a => a",
        "[...b]",
        "{...m}",
        "{{7*7}}",
        "${7*7}",
        "__import__('os').system('id')",
        "env.HOME",
        "process.env",
        "secrets.key",
        "_secrets",
        "__proto__",
        "import('fs')",
        "'x' * 1000000000",
        "'a'.repeat(1000000000)",
        "range(1000000000)",
        "now()",
        "timestamp('2024-01-01T00:00:00Z')",
        "b'abc'.decode()",
        "s.matches('(a+)+$(')",
        "s.matches('(a{1000}){1000}')",
        "s.matches('\\\\p{L}{1000}')",
        "s = 1",
        "s; s",
        "s\u{0}",
        "s\u{202e}",
    ] {
        let names = json!({"a": 1, "b": [1], "m": {}, "s": "text"});
        let outcome = Program::compile(text)
            .and_then(|it| it.evaluate(names.as_object().expect("an object")));
        assert!(outcome.is_err(), "{text}: {outcome:?}");
        survive(text);
    }
    let many = ["s.matches('a')"; 11].join("||");
    assert_eq!(
        Program::compile(&many).expect_err("patterns").reason,
        "more than 10 patterns"
    );
}

#[test]
fn an_error_shows_no_value() {
    let names = json!({"secret": "hunter2", "list": ["hunter2"], "map": {"hunter2": 1}});
    for text in [
        "secret + 1",
        "int(secret)",
        "double(secret)",
        "bool(secret)",
        "secret.x",
        "list.x",
        "-secret",
        "list[secret]",
        "map[secret + secret]",
        "map[secret].x",
        "secret.matches('(' + secret)",
        "{secret: 1, 'a': 2}.hunter",
        "list.map(l, int(l))",
    ] {
        let error = Program::compile(text)
            .and_then(|it| it.evaluate(names.as_object().expect("an object")));
        let error = error.expect_err(text).to_string();
        assert!(!error.contains("hunter2"), "{error}");
    }
}

/// Expressions that parse, or nearly do.
fn expression() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        prop::sample::select(vec![
            "a",
            "b",
            "s",
            "m",
            "items",
            "big",
            "value",
            "input",
            "_value",
            "missing",
            "true",
            "null",
            "0",
            "1",
            "-1",
            "2.5",
            "9223372036854775807",
            "18446744073709551615u",
            "1e308",
            "'x'",
            "''",
            "b'x'",
            "[]",
            "{}",
            "x",
            "int",
        ])
        .prop_map(str::to_owned),
        any::<i64>().prop_map(|it| it.to_string()),
    ];
    leaf.prop_recursive(6, 48, 3, |inner| {
        let operator = prop::sample::select(vec![
            "+", "-", "*", "/", "%", "==", "!=", "<", "<=", ">", ">=", "&&", "||", "in", "?",
        ]);
        let method = prop::sample::select(vec![
            "all",
            "exists",
            "exists_one",
            "map",
            "filter",
            "size",
            "contains",
            "startsWith",
            "endsWith",
            "matches",
            "getX",
        ]);
        let function = prop::sample::select(vec![
            "size", "int", "uint", "double", "string", "bool", "bytes", "type", "dyn", "has", "!",
            "-", "duration",
        ]);
        prop_oneof![
            (inner.clone(), operator, inner.clone())
                .prop_map(|(left, op, right)| format!("({left} {op} {right})")),
            (inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
            (inner.clone(), method.clone(), inner.clone())
                .prop_map(|(on, name, it)| format!("{on}.{name}(x, {it})")),
            (inner.clone(), method, inner.clone())
                .prop_map(|(on, name, it)| format!("{on}.{name}({it})")),
            (function, inner.clone()).prop_map(|(name, it)| format!("{name}({it})")),
            (inner.clone(), inner.clone()).prop_map(|(on, at)| format!("{on}[{at}]")),
            (inner.clone(), "[a-z]{1,2}").prop_map(|(on, field)| format!("{on}.{field}")),
            prop::collection::vec(inner.clone(), 0..4)
                .prop_map(|items| format!("[{}]", items.join(", "))),
            (inner.clone(), inner).prop_map(|(key, value)| format!("{{{key}: {value}}}")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_survived(text in any::<String>()) {
        survive(&text);
    }

    #[test]
    fn any_run_of_tokens_is_survived(tokens in prop::collection::vec(prop::sample::select(vec![
        "a", "b", ".", "..", "[", "]", "(", ")", "{", "}", ",", ":", "?", "+", "-", "!", "==", "<", "&&", "||", "in", "0", "1u",
        "2.5", "'", "\"", "'''", "r'", "b\"", "\\", "//", "\n", " ", "`", "$", "@", "*", "has", "map", "all", "true", "null", "é", "#",
        "size", "if", "x",
    ]), 0..40)) {
        survive(&tokens.concat());
        survive(&format!("a.map(x, {})", tokens.concat()));
        survive(&format!("${}", tokens.concat()));
    }

    #[test]
    fn any_expression_gives_a_value_or_a_reason(text in expression()) {
        survive(&text);
    }

    // covers: X-35
    #[test]
    fn the_same_names_give_the_same_result(text in expression()) {
        let names = json!({"a": 1, "b": [1, 2.5, "x"], "s": "text", "m": {"k": 1}, "items": [3, 1, 2]});
        let names = names.as_object().expect("an object");
        if let Ok(program) = Program::compile(&text) {
            let first = program.evaluate(names);
            prop_assert_eq!(&first, &program.evaluate(names));
            if let Ok(value) = first {
                prop_assert!(serde_json::to_vec(&value).expect("JSON").len() <= 65_536);
            }
        }
    }

    #[test]
    fn numbers_compare_by_their_exact_values(int in any::<i64>(), double in any::<f64>()) {
        let names = json!({"i": int, "d": double});
        let holds = |text: &str| Program::compile(text).expect("valid").holds(names.as_object().expect("an object"));
        if double.is_finite() {
            let exact = compare_exactly(int, double);
            prop_assert_eq!(holds("i < d"), Ok(exact.is_lt()));
            prop_assert_eq!(holds("i == d"), Ok(exact.is_eq()));
            prop_assert_eq!(holds("d < i"), Ok(exact.is_gt()));
        }
    }
}

/// Compares through i128 and the sign of the fraction, where a double near an int is exact.
fn compare_exactly(int: i64, double: f64) -> std::cmp::Ordering {
    let whole = double.floor();
    if whole.abs() > 1e30 {
        return 0.0_f64.total_cmp(&double);
    }
    i128::from(int)
        .cmp(&(whole as i128))
        .then(0.0_f64.total_cmp(&(double - whole)))
}

#[test]
fn names_may_hold_any_json() {
    let names = json!({"v": Value::Null});
    for value in [
        json!(1e308),
        json!(-0.0),
        json!([[[]]]),
        json!({"": {"": ""}}),
        json!("\u{0}"),
    ] {
        let mut names = names.clone();
        names["v"] = value.clone();
        let result = Program::compile("v")
            .expect("valid")
            .evaluate(names.as_object().expect("an object"));
        assert_eq!(result, Ok(value));
    }
}
