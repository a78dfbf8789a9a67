//! Any bytes are answered; what is JSON is read as `serde_json` reads it.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::json;
use crate::canvas::definition::SegmentDefinition;
use crate::canvas::validate::report::Report;
use crate::canvas::validate::validate_segment_dict;

/// The codes and paths of the faults of a document, or its value.
fn parse(bytes: impl AsRef<[u8]>) -> Result<Value, Vec<String>> {
    let mut report = Report::default();
    let value = json::parse(bytes.as_ref(), &mut report);
    match value {
        Some(value) if !report.has_errors() => Ok(value),
        _ => Err(report
            .into_messages()
            .iter()
            .map(|it| format!("{} {}", it.code, it.path).trim_end().to_owned())
            .collect()),
    }
}

#[track_caller]
fn refused(bytes: impl AsRef<[u8]>, expected: &[&str]) {
    assert_eq!(
        parse(bytes),
        Err(expected.iter().map(|it| (*it).to_owned()).collect())
    );
}

#[track_caller]
fn syntax(bytes: impl AsRef<[u8]>, place: &str) {
    let mut report = Report::default();
    assert!(json::parse(bytes.as_ref(), &mut report).is_none());
    let messages = report.into_messages();
    assert_eq!(messages.len(), 1, "{messages:?}");
    assert_eq!(messages[0].code.as_str(), "INVALID_JSON");
    assert!(
        messages[0].message.contains(place),
        "{}",
        messages[0].message
    );
}

// The classes of the JSONTestSuite, by what each is about.

#[test]
fn y_documents_are_read() {
    let accepted = [
        "[]",
        " [] ",
        "{}",
        "[[]   ]",
        "[\"\"]",
        "[1]",
        "[null, 1, \"1\", {}]",
        "[false]",
        "\"\"",
        "42",
        "-0.1",
        "null",
        "true",
        "[1\n]",
        "[2] ",
        "[123]",
        "[0e+1]",
        "[0e1]",
        "[ 4]",
        "[-0.000000000000000000000000000000000000000000000000000000000000000000000000000001]",
        "[20e1]",
        "[1E22]",
        "[1E-2]",
        "[1E+2]",
        "[123e45]",
        "[123.456e78]",
        "[1e-2]",
        "[123.456789]",
        "{\"asd\":\"sdf\", \"dfg\":\"fgh\"}",
        "{\"\":0}",
        "{\"a\\u0000b\": 42}",
        "{ \"min\": -1.0e+28, \"max\": 1.0e+28 }",
        "{\"\\u043f\\u043e\": \"x\"}",
        "{\n\"a\": \"b\"\n}",
        "[\"\\u0060\\u012a\\u12AB\"]",
        "[\"\\uD801\\udc37\"]",
        "[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"]",
        "[\"\\\\u0000\"]",
        "[\"\\u0000\"]",
        "[\"a/*b*/c/*d//e\"]",
        "[\"\\uFFFF\"]",
        "[\"\u{2028}\"]",
        "[\"\u{7f}\"]",
        "[\"\u{10ffff}\"]",
        "[\"€𝄞\"]",
        "[\"\\u005C\\u0022\"]",
    ];
    for text in accepted {
        assert_eq!(
            parse(text).unwrap(),
            serde_json::from_str::<Value>(text).unwrap(),
            "{text}"
        );
    }
}

#[test]
fn n_documents_are_refused_with_their_place() {
    let refused = [
        // Structure.
        "",
        " ",
        "[",
        "]",
        "{",
        "}",
        "[1",
        "[1,",
        "[,1]",
        "[1,,2]",
        "[1 true]",
        "[\"a\",]",
        "[1]]",
        "[\"\"],",
        "[[",
        "[{",
        "{]",
        "[}",
        "{,",
        "{}}",
        "{} #",
        "[1]x",
        "[a",
        "[\"a\"",
        "<null>",
        "[<null>]",
        "{\"a\":true} \"x\"",
        "//",
        "{\"a\":/*comment*/\"b\"}",
        "abc",
        "*",
        "\u{feff}[]",
        "[\u{a0}]",
        "[\u{c}]",
        "[\u{2060}]",
        "\u{0}",
        "[\u{0}]",
        "{\"a\":\"b\"}/**/",
        "ascii-å",
        "[1\\n]",
        "tru",
        "nul",
        "fals",
        "True",
        "NULL",
        "truee",
        // Numbers.
        "[-]",
        "[-01]",
        "[01]",
        "[+1]",
        "[.5]",
        "[1.]",
        "[1.e1]",
        "[0.3e]",
        "[0.3e+]",
        "[0E]",
        "[0E+]",
        "[1eE2]",
        "[1e]",
        "[--1]",
        "[-a]",
        "[-1x]",
        "[0x1]",
        "[0x42]",
        "[1 000.0]",
        "[1+2]",
        "[NaN]",
        "[Infinity]",
        "[-Infinity]",
        "[-NaN]",
        "[Inf]",
        "[1.8011670033376514H-308]",
        "[１]",
        "[2.e3]",
        // Strings.
        "\"",
        "[\"x",
        "['x']",
        "[\"\\x00\"]",
        "[\"\\\"]",
        "[\"\\a\"]",
        "[\"\\u00A\"]",
        "[\"\\uD834\\\"]",
        "[\"\\u\"]",
        "[\"\\😀\"]",
        "[\"new\nline\"]",
        "[\"\t\"]",
        "[\"a\u{0}a\"]",
        "[\"\u{1f}\"]",
        "[\\u0020\"x\"]",
        "[\"\\",
        "\"\\u12",
        "[\"\\uqqqq\"]",
        // Objects.
        "{\"x\"",
        "{\"x\":",
        "{\"x\", null}",
        "{\"x\"::\"b\"}",
        "{1:1}",
        "{a: 1}",
        "{'a':0}",
        "{null:null}",
        "{\"a\" b}",
        "{\"a\":0,}",
        "{\"a\":0,,\"b\":1}",
        "{\"a\":0 \"b\":1}",
        "{:1}",
        "{\"a\":\"a\" 123}",
        "{[: \"x\"}",
        "{\"id\":0,,}",
        "{🇨🇭}",
    ];
    for text in refused {
        assert!(serde_json::from_str::<Value>(text).is_err(), "{text}");
        syntax(text, "at line ");
    }
    syntax("{\n  \"é\": tru\n}", "line 2, column 8 (byte 10)");
    syntax("[\"\\ud800\"]", "half of a surrogate pair");
    syntax("\u{feff}[]", "byte order mark");
}

#[test]
fn i_documents_are_refused_where_a_value_would_be_lost() {
    for lone in [
        "\\uD800",
        "\\uDFAA",
        "\\uD888\\u1234",
        "\\uDd1e\\uD834",
        "\\uD800\\uD800",
    ] {
        syntax(format!("[\"{lone}\"]"), "surrogate");
    }
    for bytes in [
        &b"[\"\xff\"]"[..],
        b"[\"\xc0\xaf\"]",
        b"[\"\xed\xa0\x80\"]",
        b"[\"\xf4\xbf\xbf\xbf\"]",
        b"\xff\xfe[\0]\0",
        b"[\"\xe0\xff\"]",
        b"[\xff]",
        b"{\"\xb9\":\"0\"}",
        b"[\"\x81\"]",
    ] {
        syntax(bytes, "not UTF-8 at byte ");
    }
    let utf_16: Vec<u8> = "[\"é\"]"
        .encode_utf16()
        .flat_map(u16::to_be_bytes)
        .collect();
    syntax(utf_16, "");
    syntax("[\0\"\0x\0\"\0]\0", "");
    // covers: M-06
    refused("[1e400]", &["INVALID_TYPE [0]"]);
    refused("{\"a\": {\"b\": [-1E+9999]}}", &["INVALID_TYPE a.b[0]"]);
    refused("[18446744073709551616]", &["INVALID_TYPE [0]"]);
    refused(
        "[-9223372036854775809, 1, 1e999]",
        &["INVALID_TYPE [0]", "INVALID_TYPE [2]"],
    );
    let held =
        parse("[18446744073709551615, -9223372036854775808, 1e-400, 18446744073709551616.0]");
    let expected = json!([u64::MAX, i64::MIN, 0.0, 18446744073709551616.0]);
    assert_eq!(held.unwrap(), expected);
}

#[test]
fn every_repeated_key_is_found() {
    refused(
        r#"{"a": 1, "b": {"x y": 1, "x y": 2}, "a": 3}"#,
        &["DUPLICATE_KEY b[\"x y\"]", "DUPLICATE_KEY a"],
    );
    // The same key under another spelling is the same key.
    refused(r#"{"a": 1, "\u0061": 1}"#, &["DUPLICATE_KEY a"]);
}

#[test]
fn depth_is_bounded_before_the_call_stack_is() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert!(parse(nested(64)).is_ok());
    assert_eq!(parse(nested(65)).unwrap_err().len(), 1);
    let deep = "[".repeat(100_000);
    assert!(parse(&deep).unwrap_err()[0].starts_with("TOO_DEEP"));
    let deep = "{\"a\":".repeat(100_000);
    assert!(parse(&deep).unwrap_err()[0].starts_with("TOO_DEEP"));
    let deep = "[{\"\":".repeat(50_000);
    assert!(parse(&deep).unwrap_err()[0].starts_with("TOO_DEEP"));
}

#[test]
fn size_is_bounded_in_bytes_values_and_messages() {
    refused(" ".repeat(50_000_000), &["TOO_LARGE"]);
    refused(format!("[{}0]", "0,".repeat(4_000_000)), &["TOO_LARGE"]);
    let faults = parse(format!("[{}0]", "1e999,".repeat(50_000))).unwrap_err();
    assert_eq!(faults.len(), 10_001);
    assert_eq!(faults.last().unwrap(), "TOO_MANY_MESSAGES");
}

#[test]
fn long_keys_do_not_multiply() {
    let key = "k".repeat(1_000_000);
    let text = format!("{{\"{key}\": [{}0]}}", "1e999,".repeat(5_000));
    let size: usize = parse(text).unwrap_err().iter().map(String::len).sum();
    assert!(size < 2_000_000);
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,8}|[\\x00-\\x22]{0,4}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map("\\PC{0,4}", inner, 0..6)
                .prop_map(|it| Value::Object(it.into_iter().collect())),
        ]
    })
}

/// Pieces from which almost-JSON is made.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "[",
        "]",
        "{",
        "}",
        ",",
        ":",
        "\"",
        "\\",
        "\\u",
        "d800",
        "dc00",
        "0",
        "1",
        "-",
        "+",
        ".",
        "e",
        "E",
        "t",
        "true",
        "false",
        "null",
        " ",
        "\n",
        "\t",
        "\"a\"",
        "\"b\":",
        "é",
        "\u{0}",
        "\"\\u00e9\"",
        "1.5",
        "12",
    ]);
    prop::collection::vec(piece, 0..16).prop_map(|it| it.concat())
}

/// The value with every zero as the integer: `-0` is an integer here and a fraction in `serde_json`.
fn plain(value: Value) -> Value {
    match value {
        Value::Number(number) if number.as_f64() == Some(0.0) => json!(0),
        Value::Array(array) => array.into_iter().map(plain).collect(),
        Value::Object(object) => object
            .into_iter()
            .map(|(key, value)| (key, plain(value)))
            .collect(),
        other => other,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_value_is_read_as_it_was_written(value in value(), pretty: bool) {
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
        prop_assert_eq!(parse(text.unwrap()), Ok(value));
    }

    #[test]
    fn almost_json_is_judged_as_by_serde_json(text in pieces()) {
        match (parse(&text), serde_json::from_str(&text)) {
            (Ok(value), Ok(expected)) => prop_assert_eq!(plain(value), plain(expected)),
            (Ok(value), Err(_)) => prop_assert!(false, "{text} was read as {value}"),
            (Err(faults), Ok(_)) => prop_assert!(faults[0].starts_with("DUPLICATE_KEY"), "{:?}", faults),
            (Err(_), Err(_)) => {}
        }
    }

    #[test]
    fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = validate_segment_dict(&bytes);
    }

    #[test]
    fn any_value_is_answered(value in value()) {
        let _ = SegmentDefinition::from_value(value);
    }

    #[test]
    fn a_spoilt_segment_is_answered(
        at in 0..1_000_usize,
        cut in 0..40_usize,
        insert in prop::collection::vec(any::<u8>(), 0..4),
    ) {
        let mut bytes = include_bytes!("../../../../../../tests/conformance/review_loop.json").to_vec();
        let at = at % bytes.len();
        let end = (at + cut).min(bytes.len());
        bytes.splice(at..end, insert);
        let _ = validate_segment_dict(&bytes);
    }
}
