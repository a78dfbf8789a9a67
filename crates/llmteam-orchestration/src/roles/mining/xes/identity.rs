//! Any log is read back as it was written, and no bytes are a panic.

use llmteam_security::Timestamp;
use proptest::{prelude::*, sample::Index};

use super::{
    super::{
        event::{Lifecycle, Outcome},
        fixtures,
        log::{AttributeValue, EventLog, EventLogBuilder, NONE, RawEvent, UNKNOWN},
    },
    tests::{read, same, text_of, written},
    *,
};

/// An attribute of any type and depth.
#[derive(Clone, Debug)]
enum Value {
    Text(String),
    Int(i64),
    Float(f64),
    Bool(bool),
    Time(i64),
    Id(String),
}

impl Value {
    fn get(&self) -> AttributeValue<'_> {
        match self {
            Self::Text(it) => AttributeValue::Text(it),
            Self::Int(it) => AttributeValue::Int(*it),
            Self::Float(it) => AttributeValue::Float(*it),
            Self::Bool(it) => AttributeValue::Bool(*it),
            Self::Time(it) => AttributeValue::Time(Timestamp::from_micros(*it)),
            Self::Id(it) => AttributeValue::Id(it),
        }
    }
}

fn any_text() -> impl Strategy<Value = String> {
    "[a-c \"'&<>\\n\\r\\t😀\u{85}\u{FFFD}]{0,8}"
}

fn any_value() -> impl Strategy<Value = Value> {
    let float = prop_oneof![
        any::<f64>().prop_filter("one NaN", |it| !it.is_nan()),
        Just(1e-7),
        Just(f64::NAN),
        Just(-0.0)
    ];
    let time = Timestamp::MIN.as_micros()..=Timestamp::MAX.as_micros();
    prop_oneof![
        any_text().prop_map(Value::Text),
        prop_oneof![any::<i64>(), Just(i64::MIN), Just(i64::MAX)].prop_map(Value::Int),
        float.prop_map(Value::Float),
        any::<bool>().prop_map(Value::Bool),
        time.prop_map(Value::Time),
        any_text().prop_map(Value::Id),
    ]
}

/// Keys of which each is the event's own at most once, and values; a number says how deep at most.
fn any_attributes() -> impl Strategy<Value = Vec<(u8, String, Value)>> {
    prop::collection::vec((0..3_u8, "[a-c_x0-9 é&]{1,6}", any_value()), 0..4)
}

#[derive(Clone, Debug)]
struct AnyEvent {
    lifecycle: Lifecycle,
    activity: String,
    resource: Option<String>,
    time: i64,
    start: Option<i64>,
    outcome: Option<Outcome>,
    attempt: u32,
    instance: Option<u8>,
    attributes: Vec<(u8, String, Value)>,
}

fn any_event() -> impl Strategy<Value = AnyEvent> {
    use Lifecycle::{Complete, Decision, Resume, Start, Suspend};
    let lifecycle = prop::sample::select(vec![
        Start, Complete, Complete, Complete, Suspend, Resume, Decision,
    ]);
    let outcome = prop::option::of(prop::sample::select(vec![
        Outcome::Completed,
        Outcome::Failed,
        Outcome::Cancelled,
    ]));
    let activity = prop_oneof![Just("a".to_owned()), Just("b".to_owned()), any_text()];
    let who = prop::option::of(prop_oneof![Just("r".to_owned()), any_text()]);
    let when = (0..6_i64, prop::option::of(0..3_i64));
    let rest = (
        outcome,
        0..3_u32,
        prop::option::of(any::<u8>()),
        any_attributes(),
    );
    (lifecycle, activity, who, when, rest).prop_map(
        |(
            lifecycle,
            activity,
            resource,
            (time, before),
            (outcome, attempt, instance, attributes),
        )| AnyEvent {
            lifecycle,
            activity,
            resource,
            time,
            start: before.filter(|_| lifecycle == Complete).map(|it| time - it),
            outcome,
            attempt,
            instance,
            attributes,
        },
    )
}

type AnyCase = (
    String,
    Option<Outcome>,
    Vec<(u8, String, Value)>,
    Vec<AnyEvent>,
);

/// The log of cases; where `once`, no instance name is given twice.
fn built(cases: &[AnyCase], once: bool) -> EventLog {
    let mut builder = EventLogBuilder::default();
    let mut given = 0;
    for (name, outcome, attributes, events) in cases {
        builder.name_case(name).unwrap();
        if let Some(outcome) = outcome {
            builder.end_of_case(*outcome);
        }
        nest(attributes, |depth, key, value| {
            builder.case_attribute(depth, key, value).unwrap();
        });
        for event in events {
            given += 1;
            let mut instance = NONE;
            if let Some(number) = event.instance {
                let name = if once {
                    format!("i{given}")
                } else {
                    format!("i{}", number % 3)
                };
                instance = builder.instance(&name).unwrap();
                builder
                    .attribute(0, keys::INSTANCE, AttributeValue::Text(&name))
                    .unwrap();
            }
            nest(&event.attributes, |depth, key, value| {
                builder.attribute(depth, key, value).unwrap();
            });
            let raw = RawEvent {
                activity: builder.activity(&event.activity).unwrap(),
                resource: event
                    .resource
                    .as_ref()
                    .map_or(NONE, |it| builder.resource(it).unwrap()),
                time: event.time,
                start: event.start.unwrap_or(UNKNOWN),
                lifecycle: event.lifecycle,
                outcome: event.outcome,
                attempt: event.attempt,
                instance,
            };
            builder.event(raw).unwrap();
        }
        builder.close_case().unwrap();
    }
    builder.finish().unwrap()
}

/// Hands out attributes, none more than one deeper than the one before.
fn nest(attributes: &[(u8, String, Value)], mut take: impl FnMut(u8, &str, AttributeValue<'_>)) {
    let mut most = 0;
    for (depth, key, value) in attributes {
        let depth = (*depth).min(most);
        take(depth, key, value.get());
        most = depth + 1;
    }
}

fn any_case() -> impl Strategy<Value = AnyCase> {
    let outcome = prop::option::of(Just(Outcome::Cancelled));
    (
        any_text(),
        outcome,
        any_attributes(),
        prop::collection::vec(any_event(), 0..8),
    )
}

proptest! {
    // covers: M12, M13
    #[test]
    fn export_and_import_are_the_identity(cases in prop::collection::vec(any_case(), 0..4)) {
        same(&built(&cases, false), XesLifecycle::Interval);
        same(&built(&cases, true), XesLifecycle::StartComplete);
    }

    #[test]
    fn no_bytes_and_no_change_of_a_log_is_a_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..100),
        changes in prop::collection::vec((any::<Index>(), any::<u8>()), 1..4),
        cut in any::<Index>(),
    ) {
        let _ = read(&bytes);
        let mut text = written(&fixtures::l(), XesLifecycle::StartComplete);
        for (place, byte) in changes {
            let place = place.index(text.len());
            text[place] = byte;
        }
        let _ = read(&text);
        // A log that is cut short within its root is never taken for a whole one.
        let whole = text_of(&fixtures::l());
        let cut = cut.index(whole.len() - "</log>\n".len());
        prop_assert!(read(&whole.as_bytes()[..cut]).is_err());
    }
}
