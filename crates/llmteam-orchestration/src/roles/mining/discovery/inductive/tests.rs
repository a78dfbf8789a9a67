//! Trees of known logs, and that a tree without noise loses no case.

use proptest::prelude::*;

use super::{MAX_ACTIVITIES, discover_process_tree_inductive};
use crate::roles::mining::{
    DiscoveryError, ProcessTree, SearchBound, Variants, fitness_alignments, fixtures, get_variants,
};

#[track_caller]
fn check(log: &Variants, noise: f64, expected: &str) {
    let found = discover_process_tree_inductive(log, noise).unwrap();
    let expected: ProcessTree = expected.parse().unwrap();
    assert_eq!(
        found.canonical().to_string(),
        expected.canonical().to_string()
    );
}

// covers: MM-15, MM-16, M1
#[test]
fn the_trees_are_those_of_the_oracle() {
    let l = get_variants(&fixtures::l());
    check(&l, 0.0, "->(a, X(+(X(τ,c), *(b,τ)), e), d)");
    check(&l, 0.2, "->(a, X(+(X(τ,c), *(b,τ)), e), d)");
    check(&l, 0.5, "->(a, X(+(c, *(b,τ)), e), d)");
    check(&get_variants(&fixtures::f()), 0.0, "->(a, X(+(b,c), e), d)");
    check(&fixtures::h(), 0.0, "->(a, *(b,c), d)");
}

// covers: MM-15
#[test]
fn what_no_cut_divides_falls_through() {
    let words = fixtures::words;
    check(&words(&["abab", "ab"]), 0.0, "*(->(a,b), τ)");
    check(&words(&["abc", "bac", "cab"]), 0.0, "+(a,b,c)");
    check(&words(&["abc", "c"]), 0.0, "->(X(τ, ->(a,b)), c)");
}

// covers: MM-16
#[test]
fn what_is_rare_is_left_out_with_noise() {
    let mut cases = vec!["abcd"; 9];
    cases.extend(["acbd"; 9]);
    cases.extend(["abd", "aed"]);
    let log = fixtures::words(&cases);
    check(&log, 0.0, "->(a, X(+(X(τ,c), b), e), d)");
    check(&log, 0.2, "->(a, X(+(c,b), e), d)");
}

// covers: MM-15
#[test]
fn small_logs_have_small_trees() {
    check(&fixtures::words(&[]), 0.0, "τ");
    check(&fixtures::words(&["", ""]), 0.0, "τ");
    check(&fixtures::words(&["a", "a"]), 0.0, "a");
    check(&fixtures::words(&["a", ""]), 0.0, "X(τ,a)");
    check(&fixtures::words(&["a", "aa"]), 0.0, "*(a,τ)");
}

// covers: MM-14
#[test]
fn what_cannot_be_mined_is_refused() {
    let refused = |log: &Variants, noise| {
        discover_process_tree_inductive(log, noise)
            .unwrap_err()
            .to_string()
    };
    let log = fixtures::words(&["a"]);
    assert_eq!(refused(&log, -0.1), "`noise` is -0.1, not between 0 and 1");
    let names: Vec<String> = (0..=MAX_ACTIVITIES).map(|it| format!("a{it}")).collect();
    let wide = Variants::count([names.iter().map(String::as_str)]).unwrap();
    let activities = names.len();
    let limit = MAX_ACTIVITIES;
    let error = discover_process_tree_inductive(&wide, 0.0).unwrap_err();
    assert_eq!(
        error,
        DiscoveryError::TooManyActivities { activities, limit }
    );
}

fn cases() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec("[a-e]{0,7}", 0..8)
}

proptest! {
    // covers: MM-17
    #[test]
    fn without_noise_every_case_fits(cases in cases()) {
        let words: Vec<&str> = cases.iter().map(String::as_str).collect();
        let log = fixtures::words(&words);
        let tree = discover_process_tree_inductive(&log, 0.0).unwrap();
        let net = tree.to_petri_net();
        let found = fitness_alignments(&log, &net, SearchBound::default()).unwrap();
        prop_assert!(found.traces.iter().all(|it| it.cost == 0), "{}", tree);
    }

    // covers: M15
    #[test]
    fn the_order_of_cases_means_nothing(cases in cases(), noise in prop_oneof![Just(0.0), 0.0..1.0]) {
        let words: Vec<&str> = cases.iter().map(String::as_str).collect();
        let back: Vec<&str> = words.iter().rev().copied().collect();
        prop_assert_eq!(
            discover_process_tree_inductive(&fixtures::words(&words), noise),
            discover_process_tree_inductive(&fixtures::words(&back), noise)
        );
    }
}
