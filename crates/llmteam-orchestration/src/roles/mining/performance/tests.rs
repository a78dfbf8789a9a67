//! Times of the reference log, as the oracle and the definitions give them.

use super::{super::fixtures, *};

#[track_caller]
fn near(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-9, "{found}, not {expected}");
}

#[test]
fn edge_times_of_l_are_those_of_the_oracle() {
    let found = discover_performance_dfg(&fixtures::l());
    let means = [
        ("a", "b", 500.0),
        ("a", "c", 300.0),
        ("a", "e", 600.0),
        ("b", "b", 300.0),
        ("b", "c", 300.0),
        ("b", "d", 450.0),
        ("c", "b", 600.0),
        ("c", "d", 300.0),
        ("e", "d", 0.0),
    ];
    assert_eq!(found.len(), means.len());
    for (from, to, mean) in means {
        near(found.get(from, to).unwrap().mean, mean);
    }
    let ab = found.get("a", "b").unwrap();
    near(ab.median, 600.0);
    near(ab.stdev.unwrap(), 173.20508075688772);
    near(ab.min, 300.0);
    near(ab.max, 600.0);
    near(ab.sum, 1500.0);
    assert_eq!(ab.count, 3);
    near(
        found.get("b", "d").unwrap().stdev.unwrap(),
        212.13203435596427,
    );
    near(found.get("b", "d").unwrap().median, 450.0);
    near(
        found.get("c", "d").unwrap().stdev.unwrap(),
        424.26406871192853,
    );
    assert_eq!(found.get("e", "d").unwrap().stdev, None);
}

#[test]
fn overlapping_instances_have_negative_edge_times() {
    let log = fixtures::log(&[("1", &[("a", 0, 10, "r"), ("b", 5, 20, "r")])]);
    near(
        discover_performance_dfg(&log).get("a", "b").unwrap().mean,
        -300.0,
    );
    near(get_waiting_time(&log)["b"].mean, 0.0);
    let case = &case_measures(&log)[0];
    near(case.duration, 1200.0);
    near(case.service, 1500.0);
    near(case.waiting, -300.0);
}

// covers: M10
#[test]
fn service_waiting_and_sojourn_of_l_are_those_of_the_oracle() {
    let log = fixtures::l();
    let service = get_service_time(&log);
    for (name, mean, sum) in [
        ("a", 480.0, 2400.0),
        ("b", 600.0, 3000.0),
        ("c", 1000.0, 3000.0),
        ("d", 600.0, 3000.0),
        ("e", 1800.0, 1800.0),
    ] {
        near(service[name].mean, mean);
        near(service[name].sum, sum);
    }
    near(service["c"].median, 900.0);
    let waiting = get_waiting_time(&log);
    assert_eq!(waiting.len(), 4);
    for (name, mean) in [("b", 480.0), ("c", 300.0), ("d", 300.0), ("e", 600.0)] {
        near(waiting[name].mean, mean);
    }
    let sojourn = get_sojourn_time(&log);
    for (name, mean) in [
        ("a", 480.0),
        ("b", 1080.0),
        ("c", 1300.0),
        ("d", 900.0),
        ("e", 2400.0),
    ] {
        near(sojourn[name].mean, mean);
    }
}

#[test]
fn the_temporal_profile_of_l_is_that_of_the_oracle() {
    let found = discover_temporal_profile(&fixtures::l());
    for (from, to, mean, stdev) in [
        ("a", "b", 900.0, 600.0),
        ("a", "d", 2640.0, 250.99800796022265),
        ("c", "d", 700.0, 754.983443527075),
        ("a", "e", 600.0, 0.0),
    ] {
        let found = found.get(from, to).unwrap();
        near(found.mean, mean);
        near(found.stdev, stdev);
    }
}

// covers: M10
#[test]
fn cases_of_l_take_what_the_oracle_says() {
    let log = fixtures::l();
    let found = case_measures(&log);
    let durations = [4200.0, 3300.0, 3300.0, 4200.0, 3600.0];
    let services = [2700.0, 2100.0, 2700.0, 3600.0, 2100.0];
    for (case, (duration, service)) in found.iter().zip(durations.into_iter().zip(services)) {
        near(case.duration, duration);
        near(case.service, service);
        near(case.waiting, duration - service);
    }
    near(found.iter().map(|it| it.waiting).sum(), 5400.0);
    let by_activity = get_waiting_time(&log);
    near(by_activity.values().map(|it| it.sum).sum(), 5400.0);
    let mut completions: Vec<f64> = found.iter().map(|it| it.between_completions).collect();
    completions.sort_by(f64::total_cmp);
    assert_eq!(completions, [2700.0, 3000.0, 3000.0, 3600.0, 3900.0]);
    near(mean_arrival_gap(&log).unwrap(), 750.0);
    assert_eq!(mean_arrival_gap(&EventLog::default()), None);
}

#[test]
fn a_single_instance_is_a_case_with_times() {
    let log = fixtures::log(&[("1", &[("a", 0, 10, "r")])]);
    near(case_measures(&log)[0].duration, 600.0);
    assert!(get_waiting_time(&log).is_empty());
}

#[test]
fn spans_of_ten_thousand_years_do_not_overflow() {
    let mut times = [i64::MAX, i64::MIN + 1, 0];
    let summary = Summary::of(&mut times).unwrap();
    near(summary.sum, 0.0);
    assert!(summary.stdev.unwrap().is_finite());
}
