//! Alignments: costs, figures, moves.

use super::{l, near};
use crate::roles::mining::{
    ConformanceError, DeviationKind, Move, PetriNet, SearchBound, Variants, fitness_alignments,
    fixtures, nets,
};

const BOUND: SearchBound = SearchBound { states: 500_000 };

#[track_caller]
fn check(log: &Variants, net: &PetriNet, costs: &[u64], figures: [f64; 3]) {
    let found = fitness_alignments(log, net, BOUND).unwrap();
    let each: Vec<_> = found.traces.iter().map(|it| it.cost).collect();
    assert_eq!(each, costs);
    near(found.average_trace_fitness, figures[0]);
    near(found.log_fitness, figures[1]);
    near(found.weighted_log_fitness, figures[2]);
}

// covers: MM-30, MM-31, M2
#[test]
fn alignments_cost_what_log_and_model_do_not_share() {
    let average = 0.9428571428571428;
    let ours = 0.9411764705882353;
    check(&l(), &nets::n1(), &[0, 0, 0, 2], [average, ours, ours]);
    check(&l(), &nets::n2(), &[0, 0, 0, 0], [1.0, 1.0, 1.0]);
    let weighted = 0.9999941176470588;
    check(&l(), &nets::n3(), &[0, 0, 0, 0], [1.0, 1.0, weighted]);
    let weighted = 0.9411529411764706;
    check(&l(), &nets::n4(), &[0, 0, 0, 2], [average, ours, weighted]);
    let (average, ours) = (0.9027777777777778, 0.9047619047619048);
    check(
        &fixtures::u(),
        &nets::n1(),
        &[0, 1, 1],
        [average, ours, ours],
    );
}

// covers: MM-30
#[test]
fn silent_moves_are_as_few_as_can_be() {
    let found = fitness_alignments(&l(), &nets::n3(), BOUND).unwrap();
    let silent: Vec<_> = found.traces.iter().map(|it| it.silent).collect();
    assert_eq!(silent, [0, 0, 0, 2]);
    let found = fitness_alignments(&fixtures::u(), &nets::n1(), BOUND).unwrap();
    let each: Vec<_> = found
        .traces
        .iter()
        .map(|it| found.trace_fitness(it))
        .collect();
    near(each[1], 0.875);
    near(each[2], 0.8333333333333334);
    assert_eq!(found.shortest.cost, 3);
}

// covers: MM-32
#[test]
fn deviations_are_named_with_their_place() {
    let net = nets::n1();
    let found = fitness_alignments(&fixtures::u(), &net, BOUND).unwrap();
    let moves = &found.traces[1].moves;
    let kinds: Vec<_> = moves
        .iter()
        .map(|it| matches!(it, Move::Log { event: 2 }))
        .collect();
    assert_eq!(kinds, [false, false, true, false, false]);
    let said = |deviation: &crate::roles::mining::AlignmentDeviation| {
        let after = deviation.after.as_deref().unwrap_or("the start");
        format!(
            "{:?} {} after {after}: {}",
            deviation.kind, deviation.activity, deviation.times
        )
    };
    let deviations: Vec<_> = found
        .deviations(&fixtures::u(), &net)
        .iter()
        .map(said)
        .collect();
    assert_eq!(
        deviations,
        ["Unexpected x after b: 1", "Skipped d after c: 1"]
    );
    let twice = fixtures::words(&["abcd", "bcd", "abc", "abc"]);
    let found = fitness_alignments(&twice, &net, BOUND).unwrap();
    let deviations = found.deviations(&twice, &net);
    let said: Vec<_> = deviations.iter().map(said).collect();
    assert_eq!(
        said,
        ["Skipped d after c: 2", "Skipped a after the start: 1"]
    );
    assert_eq!(deviations[0].kind, DeviationKind::Skipped);
}

// covers: MM-32
#[test]
fn the_choice_among_equal_alignments_does_not_depend_on_other_cases() {
    let net = nets::n4();
    let alone = fitness_alignments(&fixtures::words(&["abbd"]), &net, BOUND).unwrap();
    let beside = fitness_alignments(&l(), &net, BOUND).unwrap();
    assert_eq!(alone.traces[0].moves, beside.traces[3].moves);
}

// covers: MM-23
#[test]
fn a_net_that_cannot_end_is_an_error() {
    let stuck = PetriNet::builder()
        .activity("a", &["i"], &["p"])
        .place("o")
        .initial("i", 1)
        .final_("o", 1)
        .build()
        .unwrap();
    let error = fitness_alignments(&fixtures::words(&["a"]), &stuck, BOUND).unwrap_err();
    assert_eq!(error, ConformanceError::FinalMarkingUnreachable);
    assert_eq!(error.to_string(), "the net cannot reach its final marking");
    let endless = PetriNet::builder()
        .activity("a", &["i"], &["i", "p"])
        .place("o")
        .initial("i", 1)
        .final_("o", 1)
        .build()
        .unwrap();
    let bound = SearchBound { states: 50 };
    let error = fitness_alignments(&fixtures::words(&["a"]), &endless, bound).unwrap_err();
    assert_eq!(error, ConformanceError::TooManyStates { bound: 50 });
}

// covers: MM-31
#[test]
fn nothing_of_nothing_fits() {
    let empty = PetriNet::builder().build().unwrap();
    let found = fitness_alignments(&fixtures::words(&[""]), &empty, BOUND).unwrap();
    near(found.log_fitness, 1.0);
    near(found.trace_fitness(&found.traces[0]), 1.0);
    near(
        fitness_alignments(&fixtures::words(&[]), &nets::n1(), BOUND)
            .unwrap()
            .average_trace_fitness,
        1.0,
    );
}
