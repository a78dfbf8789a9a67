//! The reference logs of the tests of mining.
//!
//! Times are in minutes after the epoch. A case is its name and its instances: activity, start, completion, resource.

use llmteam_security::Timestamp;

use super::{
    event::{Lifecycle, ProcessEvent},
    log::{EventLog, LogOptions},
    variants::Variants,
};

/// An instance: activity, start, completion, resource.
pub(crate) type Instance<'a> = (&'a str, i64, i64, &'a str);

/// Five cases of five activities by three resources, with intervals.
pub(crate) const L: [(&str, &[Instance<'static>]); 5] = [
    (
        "1",
        &[
            ("a", 0, 10, "r1"),
            ("b", 20, 30, "r2"),
            ("c", 35, 50, "r3"),
            ("d", 60, 70, "r1"),
        ],
    ),
    (
        "2",
        &[
            ("a", 5, 10, "r1"),
            ("c", 15, 30, "r3"),
            ("b", 40, 50, "r2"),
            ("d", 55, 60, "r1"),
        ],
    ),
    (
        "3",
        &[
            ("a", 10, 20, "r2"),
            ("e", 30, 60, "r2"),
            ("d", 60, 65, "r1"),
        ],
    ),
    (
        "4",
        &[
            ("a", 30, 35, "r1"),
            ("b", 40, 55, "r2"),
            ("c", 60, 80, "r3"),
            ("d", 80, 100, "r1"),
        ],
    ),
    (
        "5",
        &[
            ("a", 50, 60, "r1"),
            ("b", 70, 75, "r2"),
            ("b", 80, 90, "r2"),
            ("d", 100, 110, "r1"),
        ],
    ),
];

/// The events of cases: a start and a completion for each instance.
pub(crate) fn events(cases: &[(&str, &[Instance<'_>])]) -> Vec<ProcessEvent> {
    let mut events = Vec::new();
    for (case, instances) in cases {
        for (activity, start, complete, resource) in *instances {
            for (lifecycle, minute) in [(Lifecycle::Start, start), (Lifecycle::Complete, complete)]
            {
                let at = Timestamp::from_micros(minute * 60_000_000);
                let event = ProcessEvent::new(
                    format!("e{}", events.len()),
                    at,
                    *activity,
                    *resource,
                    *case,
                );
                events.push(event.lifecycle(lifecycle));
            }
        }
    }
    events
}

/// The log of cases.
pub(crate) fn log(cases: &[(&str, &[Instance<'_>])]) -> EventLog {
    EventLog::from_events(&events(cases), LogOptions::default()).unwrap()
}

/// Log L: the variants abcd (2), acbd, aed, abbd.
pub(crate) fn l() -> EventLog {
    log(&L)
}

/// Log F: cases 1 to 4 of L.
pub(crate) fn f() -> EventLog {
    log(&L[..4])
}

/// Log H: abcbcbd, abd, abcbd.
pub(crate) fn h() -> Variants {
    words(&["abcbcbd", "abd", "abcbd"])
}

/// Log U: abcd, abxcd, abc.
pub(crate) fn u() -> Variants {
    words(&["abcd", "abxcd", "abc"])
}

/// One case for each word, one activity for each letter.
pub(crate) fn words(words: &[&str]) -> Variants {
    Variants::count(words.iter().map(|it| it.split_inclusive(|_: char| true))).unwrap()
}
