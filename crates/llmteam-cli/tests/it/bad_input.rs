//! Any bytes are answered in bounded time with exit code 1 or 2, and the largest segments are accepted.

use std::fmt::Write;

use crate::program::Place;

/// Bytes that look like nothing, the same in every run.
fn noise(length: usize, mut seed: u64) -> Vec<u8> {
    let mut next = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed.to_le_bytes()[0]
    };
    (0..length).map(|_| next()).collect()
}

fn segment(steps: usize, edges: usize) -> String {
    let mut text =
        r#"{"segment_id": "large", "name": "Large", "entrypoint": "s0", "steps": ["#.to_owned();
    for at in 0..steps {
        let comma = if at == 0 { "" } else { "," };
        let _ = write!(
            text,
            r#"{comma}{{"step_id": "s{at}", "type": "transform"}}"#
        );
    }
    text += r#"], "edges": ["#;
    for at in 0..edges {
        let comma = if at == 0 { "" } else { "," };
        // A chain first, then edges that leap forward.
        let (from, leap) = (at % (steps - 1), at / (steps - 1));
        let to = (from + 1 + leap).min(steps - 1);
        let _ = write!(text, r#"{comma}{{"from": "s{from}", "to": "s{to}"}}"#);
    }
    text + "]}"
}

#[test]
fn bad_bytes_are_answered_with_1_or_2() {
    let place = Place::new();
    let nested = |open: &str, close: &str| open.repeat(100_000) + &close.repeat(100_000);
    let mut documents: Vec<(String, Vec<u8>)> = vec![
        ("nested arrays".into(), nested("[", "]").into()),
        ("open arrays".into(), "[".repeat(100_000).into()),
        ("nested objects".into(), nested("{\"a\":", "}").into()),
        (
            "50 MB of text".into(),
            format!("\"{}\"", "x".repeat(50_000_000)).into(),
        ),
        ("50 MB of blanks".into(), " ".repeat(50_000_000).into()),
        ("too many steps".into(), segment(10_001, 10_000).into()),
        ("too many edges".into(), segment(10_000, 100_001).into()),
    ];
    for (at, text) in [
        "",
        " ",
        "null",
        "true",
        "1",
        "-",
        "01",
        "1e999",
        "\"",
        "\"\\u12\"",
        "\"\\ud800\"",
        "[1,]",
        "[1 2]",
        "{\"a\":1,}",
        "{a:1}",
        "{\"a\":1 \"b\":2}",
        "{\"a\":1,\"a\":2}",
        "NaN",
        "[Infinity]",
        "//c\n{}",
        "{}{}",
        "\u{feff}{}",
        "'a'",
        "\"\n\"",
        "{\"segment_id\": 1}",
        "{\"steps\": {}}",
        "[]",
        "{}",
    ]
    .iter()
    .enumerate()
    {
        documents.push((format!("text {at}"), text.as_bytes().to_vec()));
    }
    for at in 1..=8 {
        documents.push((
            format!("noise {at}"),
            noise(at * 1_000, 0x9e37_79b9 + at as u64),
        ));
    }
    for (name, document) in documents {
        place.write("doc.json", &document);
        let called = place.call(&["validate", "doc.json"]);
        assert!(
            matches!(called.code, Some(1 | 2)),
            "{name}: {:?} {}",
            called.code,
            called.err
        );
        assert!(called.out.len() + called.err.len() > 10, "{name}");
        assert!(!called.err.contains("panicked"), "{name}: {}", called.err);
    }
}

#[test]
fn the_largest_segment_is_accepted() {
    let place = Place::new();
    place.write("large.json", segment(10_000, 100_000));
    let answer = place
        .call(&["validate", "large.json", "--no-strict"])
        .exits(0)
        .json();
    assert_eq!(answer["is_valid"], true);
}
