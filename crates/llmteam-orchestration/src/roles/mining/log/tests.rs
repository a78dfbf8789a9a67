//! Logs made of events: what pairs, what stays aside, what attributes remain, and what the variants are.

use serde_json::json;

use super::{super::fixtures, *};

fn event(id: &str, minute: i64, activity: &str) -> ProcessEvent {
    ProcessEvent::new(
        id,
        Timestamp::from_micros(minute * 60_000_000),
        activity,
        "r",
        "1",
    )
}

fn log_of(events: &[ProcessEvent]) -> EventLog {
    EventLog::from_events(events, LogOptions::default()).unwrap()
}

fn sequence(log: &EventLog) -> Vec<&str> {
    log.instances(0).map(|it| it.activity).collect()
}

#[test]
fn the_variants_of_l_have_their_shares() {
    let log = fixtures::l();
    let variants = get_variants(&log);
    let found: Vec<_> = variants
        .iter()
        .map(|it| {
            let word: String = it.activities.iter().map(|it| variants.name(*it)).collect();
            (word, it.cases, variants.share(it))
        })
        .collect();
    let expected = [
        ("abcd", 2, 0.4),
        ("acbd", 1, 0.2),
        ("aed", 1, 0.2),
        ("abbd", 1, 0.2),
    ];
    assert_eq!(
        found,
        expected.map(|(word, cases, share)| (word.to_owned(), cases, share))
    );
    assert_eq!(
        variants,
        fixtures::words(&["abcd", "acbd", "aed", "abcd", "abbd"])
    );
    assert_eq!(fixtures::f().case_count(), 4);
    assert_eq!((fixtures::h().cases(), fixtures::u().cases()), (3, 3));
}

// covers: M3
#[test]
fn decisions_are_aside_unless_asked_for() {
    let mut decided = event("e2", 1, "decision:route");
    decided
        .attributes
        .insert("decision".to_owned(), json!(true));
    let events = [
        event("e1", 0, "decision:route").lifecycle(Lifecycle::Decision),
        event("e3", 2, "a").lifecycle(Lifecycle::Start),
        decided,
        event("e4", 3, "a"),
        event("e5", 4, "a").lifecycle(Lifecycle::Start),
        event("e6", 5, "a"),
    ];
    let log = log_of(&events);
    assert_eq!((sequence(&log), log.aside_count()), (vec!["a", "a"], 2));
    assert_eq!(
        log.activities().len(),
        1,
        "an activity without an instance is not among the activities"
    );
    let log = EventLog::from_events(&events, LogOptions { decisions: true }).unwrap();
    assert_eq!(
        sequence(&log),
        ["decision:route", "decision:route", "a", "a"]
    );
}

#[test]
fn an_instance_has_the_attributes_of_both_events() {
    let mut start = event("e1", 0, "a").lifecycle(Lifecycle::Start);
    start.attributes.insert("model".to_owned(), json!("small"));
    start.attributes.insert("try".to_owned(), json!(1));
    start.attempt = NonZeroU32::new(3);
    let mut complete = event("e2", 5, "a");
    complete.attributes.insert("try".to_owned(), json!(2));
    complete.attributes.insert("none".to_owned(), json!(null));
    complete
        .attributes
        .insert("usage".to_owned(), json!({"out": [1, 2]}));
    complete.cost = 0.25;
    complete.outcome = Some(Outcome::Failed);
    let log = log_of(&[start, complete]);
    let instance = log.instance(0);
    assert_eq!(
        (instance.outcome, instance.attempt.unwrap().get()),
        (Some(Outcome::Failed), 3)
    );
    assert!(instance.start_recorded);
    let found: Vec<_> = log.row_attributes(0).map(|it| (it.key, it.value)).collect();
    let expected = [
        ("model", AttributeValue::Text("small")),
        ("identity:id", AttributeValue::Id("e2")),
        ("cost:total", AttributeValue::Float(0.25)),
        ("try", AttributeValue::Int(2)),
        ("usage", AttributeValue::Text(r#"{"out":[1,2]}"#)),
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_duration_counts_where_no_start_was_recorded() {
    let timed = |it: ProcessEvent| ProcessEvent {
        duration_ms: 1500,
        ..it
    };
    let log = log_of(&[
        timed(event("e1", 1, "a")),
        event("e2", 2, "b").lifecycle(Lifecycle::Start),
        timed(event("e3", 3, "b")),
    ]);
    assert_eq!(log.service_micros(0), 1_500_000);
    assert_eq!(log.service_micros(1), 60_000_000);
    assert_eq!(log.instance(0).start, log.instance(0).complete);
}

// covers: M5, M15
#[test]
fn the_order_of_recording_matters_only_at_one_instant() {
    let events = fixtures::events(&[
        ("1", &[("a", 0, 2, "r"), ("b", 3, 4, "s")]),
        ("2", &[("c", 0, 2, "r")]),
    ]);
    let shuffled: Vec<_> = [3, 0, 5, 2, 1, 4]
        .map(|it: usize| events[it].clone())
        .into();
    let (log, other) = (log_of(&events), log_of(&shuffled));
    assert_eq!(log.variants(), other.variants());
    assert_eq!(log.row_attributes(0).count(), 1);
    assert_eq!(log, other);
    let ties = [
        event("e1", 1, "z"),
        event("e2", 1, "y"),
        event("e3", 1, "x"),
    ];
    assert_eq!(sequence(&log_of(&ties)), ["z", "y", "x"]);
}

#[test]
fn a_row_of_a_large_log_is_small() {
    let row =
        size_of::<ActivityIndex>() + size_of::<u32>() + 2 * size_of::<i64>() + size_of::<bool>();
    let row = row + size_of::<Option<Outcome>>() + size_of::<u32>() + size_of::<u32>();
    // Doubling vectors at worst, a million events take 64 MiB; an attribute takes 16 bytes more.
    assert!(row <= 32, "{row}");
}

#[test]
fn more_activities_than_numbers_are_refused() {
    let names: Vec<String> = (0..=65_536).map(|it| it.to_string()).collect();
    let events: Vec<_> = names.iter().map(|it| event(it, 0, it)).collect();
    let found = EventLog::from_events(&events, LogOptions::default());
    assert_eq!(found, Err(MiningError::TooManyActivities));
    assert!(EventLog::from_events(&events[1..], LogOptions::default()).is_ok());
}
