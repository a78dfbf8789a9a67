//! What the engine keeps, counts and answers.

use std::{collections::BTreeMap, num::NonZeroU32};

use llmteam_security::{ManualClock, Timestamp};
use proptest::prelude::*;

use super::{
    super::{dfg::discover_dfg, event::Lifecycle, fixtures},
    *,
};

fn engine() -> ProcessMiningEngine {
    ProcessMiningEngine::new(Arc::new(ManualClock::new(Timestamp::from_micros(0))))
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000)
}

fn event(id: &str, seconds: i64, activity: &str, case: &str) -> ProcessEvent {
    ProcessEvent::new(id, at(seconds), activity, activity, case)
}

/// Records completions of one case, a second apart.
fn recorded(activities: &[&str]) -> ProcessMiningEngine {
    let engine = engine();
    for (number, activity) in (0..).zip(activities) {
        engine
            .record_event(event(&number.to_string(), number, activity, "1"))
            .unwrap();
    }
    engine
}

// covers: PM02, PM03, PM04, PM05, PM14
#[test]
fn events_and_cases_are_counted() {
    let engine = engine();
    let counts = |engine: &ProcessMiningEngine| (engine.get_event_count(), engine.get_case_count());
    assert_eq!(counts(&engine), (0, 0));
    engine.record_event(event("1", 1, "a", "x")).unwrap();
    assert_eq!(counts(&engine), (1, 1));
    engine.record_event(event("2", 2, "b", "x")).unwrap();
    engine.record_event(event("3", 3, "c", "x")).unwrap();
    assert_eq!(counts(&engine), (3, 1));
    engine.clear();
    assert_eq!(counts(&engine), (0, 0));
    for (id, case) in [("1", "x"), ("2", "x"), ("3", "y"), ("4", "y")] {
        engine.record_event(event(id, 1, "a", case)).unwrap();
    }
    assert_eq!(counts(&engine), (4, 2));
}

// covers: PM06, M1, M2, M15
#[test]
fn a_sequence_is_its_own_model() {
    let model = recorded(&["A", "B", "C"]).discover_model().unwrap();
    assert_eq!(model.activities, ["A", "B", "C"]);
    assert_eq!(
        (&*model.transitions["A"], &*model.transitions["B"]),
        (&["B".to_owned()][..], &["C".to_owned()][..])
    );
    assert_eq!(model.frequencies.get("A", "B"), Some(&1));
    let texts = BTreeMap::from([("A->B".to_owned(), 1), ("B->C".to_owned(), 1)]);
    assert_eq!(model.text_frequencies(), texts);
    assert_eq!(
        (model.fitness, model.precision),
        (None, None),
        "nobody has computed them"
    );
}

// covers: PM07
#[test]
fn repeated_steps_are_counted_by_pair() {
    let model = recorded(&["A", "B", "A", "B", "C"])
        .discover_model()
        .unwrap();
    let texts = model.text_frequencies();
    assert_eq!((texts["A->B"], texts["B->A"], texts["B->C"]), (2, 1, 1));
}

// covers: M16
#[test]
fn the_log_and_the_model_are_written_apart() {
    let engine = recorded(&["A", "B", "C"]);
    assert_eq!(engine.export_xes().unwrap().matches("<event>").count(), 3);
    assert_eq!(engine.export_model(0.0).unwrap(), "->(A,B,C)");
    assert!(matches!(
        engine.export_model(2.0),
        Err(ModelError::Discovery(_))
    ));
}

// covers: M4
#[test]
fn names_with_arrows_are_no_pairs() {
    let engine = engine();
    for (id, activity, case) in [
        ("1", "a->b", "x"),
        ("2", "c", "x"),
        ("3", "a", "y"),
        ("4", "b->c", "y"),
    ] {
        engine.record_event(event(id, 1, activity, case)).unwrap();
    }
    let model = engine.discover_model().unwrap();
    assert_eq!(model.frequencies.get("a->b", "c"), Some(&1));
    assert_eq!(model.frequencies.get("a", "b->c"), Some(&1));
    assert_eq!(
        model.text_frequencies(),
        BTreeMap::from([("a->b->c".to_owned(), 2)])
    );
}

// covers: M3
#[test]
fn two_agents_in_a_row_follow_one_another_once() {
    let engine = engine();
    let steps = [
        event("1", 1, "decision:route", "x").lifecycle(Lifecycle::Decision),
        event("2", 2, "a", "x").lifecycle(Lifecycle::Start),
        event("3", 3, "a", "x"),
        event("4", 4, "b", "x").lifecycle(Lifecycle::Start),
        event("5", 5, "b", "x"),
    ];
    for step in steps {
        engine.record_event(step).unwrap();
    }
    let model = engine.discover_model().unwrap();
    let edges: Vec<_> = model.frequencies.iter().collect();
    assert_eq!(edges, [("a", "b", &1)]);
    assert_eq!(engine.streaming_dfg().edges, model.frequencies);
}

// covers: PM08, M6
#[test]
fn a_case_without_open_work_is_completed() {
    let engine = engine();
    engine
        .record_event(event("1", 0, "a", "x").lifecycle(Lifecycle::Start))
        .unwrap();
    assert_eq!(engine.calculate_metrics().unwrap().completion_rate, 0.0);
    engine.record_event(event("2", 5, "a", "x")).unwrap();
    let metrics = engine.calculate_metrics().unwrap();
    assert_eq!(
        (
            metrics.completion_rate,
            metrics.error_rate,
            metrics.retry_rate
        ),
        (1.0, 0.0, 0.0)
    );
    engine.record_event(event("3", 6, "b", "y")).unwrap();
    engine.end_case("y", Outcome::Failed);
    engine.end_case("nobody", Outcome::Failed);
    assert_eq!(engine.calculate_metrics().unwrap().completion_rate, 0.5);
}

// covers: PM09, M7
#[test]
fn what_an_event_says_counts_before_what_its_name_suggests() {
    let rates = |engine: &ProcessMiningEngine| {
        let metrics = engine.calculate_metrics().unwrap();
        let totals = engine.streaming_totals();
        let streamed = |it: u64| it as f64 / totals.completions as f64;
        assert_eq!(
            (streamed(totals.errors), streamed(totals.retries)),
            (metrics.error_rate, metrics.retry_rate)
        );
        (metrics.error_rate, metrics.retry_rate)
    };
    assert_eq!(
        rates(&recorded(&[
            "error_handler",
            "Retry-Attempt",
            "terror_check",
            "retrying"
        ])),
        (0.25, 0.25)
    );
    let engine = engine();
    let crash = ProcessEvent {
        outcome: Some(Outcome::Failed),
        ..event("1", 1, "draft", "x")
    };
    let handled = ProcessEvent {
        outcome: Some(Outcome::Completed),
        ..event("2", 2, "error_handler", "x")
    };
    let second = ProcessEvent {
        attempt: NonZeroU32::new(2),
        ..event("3", 3, "draft", "x")
    };
    let first = ProcessEvent {
        attempt: NonZeroU32::new(1),
        ..event("4", 4, "retry_attempt", "x")
    };
    for it in [crash, handled, second, first] {
        engine.record_event(it).unwrap();
    }
    assert_eq!(rates(&engine), (0.25, 0.25));
}

// covers: M8
#[test]
fn throughput_is_measured_where_the_work_is() {
    let engine = engine();
    for case in 0..10 {
        let id = case.to_string();
        engine
            .record_event(event(&id, case * 40, "a", &id))
            .unwrap();
    }
    assert_eq!(engine.calculate_metrics().unwrap().cases_per_hour, 100.0);
    assert_eq!(
        recorded(&["a"]).calculate_metrics().unwrap().cases_per_hour,
        0.0
    );
}

// covers: PM10, M9
#[test]
fn bottlenecks_are_ranked_by_what_instances_take() {
    let engine = engine();
    let timed = |id: &str, activity: &str, duration_ms| ProcessEvent {
        duration_ms,
        ..event(id, 1, activity, "x")
    };
    engine.record_event(timed("1", "fast", 1000)).unwrap();
    engine.record_event(timed("2", "slow", 5000)).unwrap();
    engine.record_event(timed("3", "none", 0)).unwrap();
    let metrics = engine.calculate_metrics().unwrap();
    assert_eq!(metrics.bottleneck_activities, ["slow", "fast"]);
    // A start halves nobody's mean.
    let engine = self::engine();
    engine
        .record_event(event("1", 0, "A", "x").lifecycle(Lifecycle::Start))
        .unwrap();
    engine.record_event(event("2", 1, "A", "x")).unwrap();
    engine.record_event(timed("3", "B", 600)).unwrap();
    assert_eq!(
        engine.calculate_metrics().unwrap().bottleneck_activities,
        ["A", "B"]
    );
    let options = MetricsOptions {
        bottlenecks: 3,
        above: Duration::from_millis(600),
    };
    assert_eq!(
        engine
            .calculate_metrics_with(options)
            .unwrap()
            .bottleneck_activities,
        ["A"]
    );
}

// covers: M10
#[test]
fn waiting_and_durations_of_l() {
    let engine = engine();
    for event in fixtures::events(&fixtures::L) {
        engine.record_event(event).unwrap();
    }
    let metrics = engine.calculate_metrics().unwrap();
    let seconds = |it: u64| Duration::from_secs(it);
    let expected = [
        ("b", seconds(480)),
        ("c", seconds(300)),
        ("d", seconds(300)),
        ("e", seconds(600)),
    ];
    assert_eq!(
        metrics.waiting_time_by_activity,
        expected.map(|(name, it)| (name.to_owned(), it)).into()
    );
    assert_eq!(metrics.waiting_bottlenecks, ["e", "b", "c"]);
    assert_eq!(
        (metrics.min_duration, metrics.max_duration),
        (seconds(3300), seconds(4200))
    );
    assert_eq!(metrics.avg_duration, seconds(3720));
    // A case of one instance has a duration too.
    let single = fixtures::log(&[("1", &[("a", 0, 10, "r")])]);
    let metrics = ProcessMetrics::of(&single, MetricsOptions::default());
    assert_eq!(metrics.avg_duration, seconds(600));
    assert_eq!(
        ProcessMetrics::of(&EventLog::default(), MetricsOptions::default()),
        ProcessMetrics::default()
    );
}

// covers: M14
#[test]
fn an_id_is_recorded_once_while_its_event_is_kept() {
    let retention = Retention {
        max_events: 2,
        ..Retention::default()
    };
    let clock = Arc::new(ManualClock::new(at(0)));
    let engine = ProcessMiningEngine::with_retention(clock, retention);
    engine.record_event(event("1", 1, "a", "x")).unwrap();
    let again = engine.record_event(event("1", 2, "b", "y"));
    assert_eq!(
        again,
        Err(MiningError::DuplicateEvent {
            event_id: "1".into()
        })
    );
    assert_eq!(engine.get_event_count(), 1);
    engine.record_event(event("2", 2, "b", "y")).unwrap();
    engine.record_event(event("3", 3, "c", "y")).unwrap();
    assert_eq!((engine.get_event_count(), engine.get_case_count()), (2, 1));
    engine.record_event(event("1", 4, "d", "y")).unwrap();
    assert_eq!(engine.streaming_totals().events, 4);
    let streamed = engine.streaming_dfg();
    assert_eq!(
        (streamed.edges.len(), streamed.starts["a"]),
        (2, 1),
        "what is counted stays counted"
    );
}

// covers: M14
#[tokio::test(start_paused = true)]
async fn old_events_leave() {
    let clock = Arc::new(ManualClock::new(at(100)));
    let retention = Retention {
        max_age: Some(Duration::from_secs(10)),
        ..Retention::default()
    };
    let engine = ProcessMiningEngine::with_retention(clock.clone(), retention);
    engine.record_event(event("1", 95, "a", "x")).unwrap();
    engine.record_event(event("2", 100, "b", "x")).unwrap();
    assert_eq!(engine.get_event_count(), 2);
    clock.advance(Duration::from_secs(8)).await;
    assert_eq!(engine.get_event_count(), 1, "without another event coming");
    engine.record_event(event("3", 108, "c", "x")).unwrap();
    assert_eq!(engine.discover_model().unwrap().activities, ["b", "c"]);
    engine.record_event(event("4", 50, "late", "x")).unwrap();
    assert_eq!(
        engine.get_event_count(),
        2,
        "what comes too late is counted and not kept"
    );
}

// covers: M14
#[test]
fn threads_record_at_once() {
    let engine = engine();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let engine = &engine;
            scope.spawn(move || {
                for number in 0..100 {
                    let (id, case) = (format!("{thread}.{number}"), thread.to_string());
                    engine.record_event(event(&id, number, "a", &case)).unwrap();
                }
            });
        }
    });
    assert_eq!(
        (engine.get_event_count(), engine.get_case_count()),
        (400, 4)
    );
    assert_eq!(engine.streaming_dfg().edges.get("a", "a"), Some(&396));
}

// covers: M14
#[test]
fn the_streaming_counts_follow_a_bounded_number_of_cases() {
    let retention = Retention {
        max_live_cases: 2,
        ..Retention::default()
    };
    let clock = Arc::new(ManualClock::new(at(0)));
    let engine = ProcessMiningEngine::with_retention(clock, retention);
    for (id, case) in [("1", "x"), ("2", "y"), ("3", "z"), ("4", "y"), ("5", "x")] {
        engine.record_event(event(id, 1, "a", case)).unwrap();
    }
    let dfg = engine.streaming_dfg();
    assert_eq!(
        dfg.edges.get("a", "a"),
        Some(&1),
        "y went on, x was forgotten"
    );
    assert_eq!((dfg.starts["a"], dfg.ends["a"]), (4, 4));
}

proptest! {
    // covers: M14
    #[test]
    fn counting_while_recording_is_counting_afterwards(steps in prop::collection::vec((0..3_u8, 0..3_u8), 0..40)) {
        let engine = engine();
        for (number, (activity, case)) in (0..).zip(steps) {
            let event = event(&number.to_string(), number, &activity.to_string(), &case.to_string());
            engine.record_event(event).unwrap();
        }
        let log = engine.log(LogOptions::default()).unwrap();
        prop_assert_eq!(engine.streaming_dfg(), discover_dfg(&log));
    }
}
