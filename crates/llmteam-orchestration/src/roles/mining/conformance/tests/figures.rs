//! Replay, precision, generalisation, simplicity.

use super::{l, near};
use crate::roles::mining::{
    ConformanceError, PetriNet, SearchBound, Variants, fitness_token_based_replay, fixtures,
    generalization_tbr, nets, precision_alignments, precision_token_based_replay,
    simplicity_petri_net,
};

const BOUND: SearchBound = SearchBound { states: 500_000 };

/// The unfit variant (its place, missing, consumed, remaining, produced), then average, log fitness and fitting share.
#[track_caller]
fn check(log: &Variants, net: &PetriNet, unfit: Option<(usize, [u64; 4], f64)>, figures: [f64; 3]) {
    let replay = fitness_token_based_replay(log, net, BOUND).unwrap();
    for (place, trace) in replay.traces.iter().enumerate() {
        let counts = [
            trace.missing,
            trace.consumed,
            trace.remaining,
            trace.produced,
        ];
        match unfit {
            Some((at, expected, fitness)) if at == place => {
                assert_eq!(counts, expected);
                near(trace.fitness(), fitness);
                assert!(!trace.fits());
            }
            _ => assert!(trace.fits(), "variant {place}: {counts:?}"),
        }
    }
    near(replay.average_trace_fitness, figures[0]);
    near(replay.log_fitness, figures[1]);
    near(replay.fitting_share, figures[2]);
}

// covers: MM-20, MM-21, M2
#[test]
fn replay_counts_tokens() {
    let two_thirds = 0.6666666666666667;
    let fit = [1.0, 1.0, 1.0];
    let n1 = [0.9333333333333333, 0.9333333333333333, 0.8];
    check(&l(), &nets::n1(), Some((3, [2, 6, 2, 6], two_thirds)), n1);
    check(&l(), &nets::n2(), None, fit);
    check(&l(), &nets::n3(), None, fit);
    let n4 = [0.9238095238095237, 0.9277310924369748, 0.8];
    let unfit = (3, [2, 6, 3, 7], 0.6190476190476191);
    check(&l(), &nets::n4(), Some(unfit), n4);
    let figures = [0.8916666666666666, 0.9099264705882353, 0.6666666666666666];
    check(
        &fixtures::u(),
        &nets::n1(),
        Some((2, [1, 4, 2, 5], 0.675)),
        figures,
    );
}

// covers: MM-20
#[test]
fn replay_fires_the_shortest_silent_sequence() {
    let net = nets::n3();
    let replay = fitness_token_based_replay(&l(), &net, BOUND).unwrap();
    let case = &replay.traces[3];
    assert_eq!(
        [case.missing, case.consumed, case.remaining, case.produced],
        [0, 8, 0, 8]
    );
    let fired = net.transitions().iter().zip(&replay.executions);
    let fired: Vec<_> = fired.map(|(it, times)| (&*it.name, *times)).collect();
    let expected = [
        ("a", 5),
        ("b", 5),
        ("c", 3),
        ("e", 1),
        ("d", 5),
        ("t1", 1),
        ("t2", 1),
    ];
    assert_eq!(fired, expected);
}

// covers: MM-22
#[test]
fn replay_names_what_the_net_does_not_know() {
    let replay = fitness_token_based_replay(&fixtures::u(), &nets::n1(), BOUND).unwrap();
    assert_eq!(replay.unknown_activities(&fixtures::u()), [("x", 1)]);
    assert_eq!(replay.traces[1].unknown, [2]);
    let forced = fitness_token_based_replay(&l(), &nets::n1(), BOUND).unwrap();
    assert_eq!(forced.traces[3].forced, [2, 3]);
}

// covers: MM-21
#[test]
fn nothing_deviates_where_there_is_nothing() {
    let replay = fitness_token_based_replay(&fixtures::words(&[]), &nets::n1(), BOUND).unwrap();
    near(replay.average_trace_fitness, 1.0);
    near(replay.fitting_share, 1.0);
    let empty = PetriNet::builder().build().unwrap();
    let replay = fitness_token_based_replay(&fixtures::words(&["", "a"]), &empty, BOUND).unwrap();
    near(replay.log_fitness, 1.0);
}

// covers: MM-23
#[test]
fn silent_transitions_without_end_are_an_error() {
    let net = PetriNet::builder()
        .silent("more", &["i"], &["i", "p"])
        .activity("a", &["never"], &["o"])
        .initial("i", 1)
        .final_("o", 1)
        .build()
        .unwrap();
    let bound = SearchBound { states: 100 };
    let error = ConformanceError::TooManyStates { bound: 100 };
    let log = fixtures::words(&["a"]);
    assert_eq!(
        fitness_token_based_replay(&log, &net, bound).unwrap_err(),
        error
    );
    assert_eq!(precision_alignments(&log, &net, bound).unwrap_err(), error);
    assert_eq!(
        precision_token_based_replay(&log, &net, bound).unwrap_err(),
        error
    );
    assert_eq!(
        error.to_string(),
        "the search passed its bound of 100 states"
    );
}

// covers: MM-33, MM-34
#[test]
fn precision_counts_escaping_edges() {
    let both = |log: &Variants, net: &PetriNet, replay: f64, alignments: f64| {
        near(
            precision_token_based_replay(log, net, BOUND).unwrap(),
            replay,
        );
        near(precision_alignments(log, net, BOUND).unwrap(), alignments);
    };
    both(&l(), &nets::n1(), 1.0, 1.0);
    let n2 = 0.5245901639344263;
    both(&l(), &nets::n2(), n2, n2);
    let n3 = 0.7111111111111111;
    both(&l(), &nets::n3(), n3, n3);
    both(&l(), &nets::n4(), 1.0, 1.0);
    both(&fixtures::u(), &nets::n1(), 0.6666666666666667, 0.625);
    both(&fixtures::u(), &nets::n3(), 0.375, 0.38461538461538464);
    both(
        &fixtures::words(&["x"]),
        &PetriNet::builder().build().unwrap(),
        1.0,
        1.0,
    );
}

// covers: MM-35
#[test]
fn what_fires_often_generalises() {
    let expected = [
        (nets::n1(), 0.41620178886210013),
        (nets::n2(), 0.41620178886210013),
        (nets::n3(), 0.29728699204435727),
        (nets::n4(), 0.4290940964458393),
    ];
    for (net, expected) in expected {
        near(generalization_tbr(&l(), &net, BOUND).unwrap(), expected);
    }
    near(
        generalization_tbr(&fixtures::words(&[]), &nets::n1(), BOUND).unwrap(),
        0.0,
    );
}

// covers: MM-36
#[test]
fn a_net_with_fewer_arcs_is_simpler() {
    near(simplicity_petri_net(&nets::n1()), 0.6470588235294118);
    near(simplicity_petri_net(&nets::n2()), 0.6666666666666666);
    near(simplicity_petri_net(&nets::n3()), 0.5652173913043479);
    near(simplicity_petri_net(&nets::n4()), 0.8823529411764706);
    near(
        simplicity_petri_net(&PetriNet::builder().build().unwrap()),
        1.0,
    );
}
