//! Results become one, the same way every time.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn success(pipeline: &str, json: Value) -> PipelineOutcome {
    PipelineOutcome {
        pipeline_id: id(pipeline),
        run: RunPath::from(run_id("r1")),
        result: Ok(fields(json)),
        warnings: Vec::new(),
        rank: 0,
    }
}

fn failure(pipeline: &str) -> PipelineOutcome {
    PipelineOutcome {
        result: Err(PipelineFailure {
            kind: PipelineFailureKind::Failed,
            message: "no".to_owned(),
        }),
        ..success(pipeline, json!({}))
    }
}

fn combined(strategy: AggregationStrategy, outcomes: &[PipelineOutcome]) -> Aggregation {
    aggregate(strategy, outcomes, &AggregationOptions::default()).unwrap()
}

// covers: GR13, G10
#[test]
fn merge_has_all_fields_and_lists_conflicts() {
    let outcomes = [
        success("p1", json!({"a": 1, "b": 2})),
        success("p2", json!({"c": 3, "d": 4})),
    ];
    let merged = combined(AggregationStrategy::Merge, &outcomes);
    assert_eq!(
        json!(merged.result),
        json!({"a": 1, "b": 2, "c": 3, "d": 4})
    );
    assert_eq!(merged.conflicts, []);

    let outcomes = [
        success("p1", json!({"a": 1, "same": [1.0]})),
        failure("p2"),
        success("p3", json!({"a": 2, "same": [1]})),
    ];
    let merged = combined(AggregationStrategy::Merge, &outcomes);
    assert_eq!(merged.result["a"], json!(2));
    assert_eq!(
        json!(merged.conflicts),
        json!([{"field": "a", "pipelines": ["p1", "p3"]}])
    );
    let refuse = AggregationOptions {
        on_conflict: ConflictPolicy::Refuse,
        ..AggregationOptions::default()
    };
    let error = aggregate(AggregationStrategy::Merge, &outcomes, &refuse).unwrap_err();
    assert_eq!(error.to_string(), "pipelines differ in `a`");
}

// covers: GR14, G12
#[test]
fn first_is_the_first_to_succeed_or_the_first_target() {
    let mut outcomes = [
        failure("p1"),
        success("p2", json!({"n": 2})),
        success("p3", json!({"n": 3})),
    ];
    assert_eq!(
        combined(AggregationStrategy::First, &outcomes).result["n"],
        json!(2)
    );
    outcomes[2].rank = 1;
    outcomes[1].rank = 2;
    assert_eq!(
        combined(AggregationStrategy::First, &outcomes).result["n"],
        json!(3)
    );
}

// covers: GR15, G11
#[test]
fn all_keeps_every_result_with_its_origin() {
    let outcomes = [
        success("p1", json!({"a": 1})),
        success("p2", json!({"b": 2})),
    ];
    let all = combined(AggregationStrategy::All, &outcomes).result;
    assert_eq!(all["results"].as_array().unwrap().len(), 2);
    assert_eq!(all["results"][1]["pipeline_id"], json!("p2"));
}

// covers: G4
#[test]
fn the_most_votes_win_and_a_tie_goes_to_the_first_target() {
    let vote = |outcomes: &[PipelineOutcome]| combined(AggregationStrategy::Vote, outcomes);
    let yes = |id: &str| success(id, json!({"answer": "yes", "score": 1.0}));
    let also_yes = |id: &str| success(id, json!({"score": 1, "answer": "yes"}));
    let no = |id: &str| success(id, json!({"answer": "no"}));
    let result = vote(&[no("p1"), yes("p2"), also_yes("p3")]);
    assert_eq!(result.result["answer"], json!("yes"));
    assert_eq!(
        json!(result.votes),
        json!([{"pipelines": ["p2", "p3"], "votes": 2}, {"pipelines": ["p1"], "votes": 1}])
    );
    assert_eq!(vote(&[no("p1"), yes("p2")]).result["answer"], json!("no"));
}

// covers: G4
#[test]
fn a_vote_may_be_on_one_field_and_need_a_quorum() {
    let outcomes = [
        success("p1", json!({"answer": 1, "note": "a"})),
        success("p2", json!({"answer": 1, "note": "b"})),
        success("p3", json!({"note": "abstains"})),
        failure("p4"),
    ];
    let vote = |vote_field: Option<&str>, quorum| {
        let vote_field = vote_field.map(str::to_owned);
        let options = AggregationOptions {
            vote_field,
            quorum,
            ..AggregationOptions::default()
        };
        aggregate(AggregationStrategy::Vote, &outcomes, &options)
    };
    assert_eq!(
        vote(Some("answer"), Quorum::AtLeast(2)).unwrap().result["note"],
        json!("a")
    );
    let error = vote(Some("answer"), Quorum::Majority).unwrap_err();
    assert_eq!(error.to_string(), "2 pipelines agree, and 3 must");
    assert!(vote(None, Quorum::AtLeast(2)).is_err());
    let error = vote(Some("other"), Quorum::Any).unwrap_err();
    assert_eq!(
        error.to_string(),
        "no result has the field `other` that is voted on"
    );
}

// covers: G5
#[test]
fn nothing_cannot_be_combined() {
    for strategy in AggregationStrategy::ALL {
        let options = AggregationOptions::default();
        let error = aggregate(*strategy, &[failure("p1")], &options).unwrap_err();
        assert_eq!(error, AggregationError::NoResult);
    }
}

/// Results of pipelines `p0`, `p1`, … over few fields and values, so that they often agree.
fn outcomes() -> impl Strategy<Value = Vec<PipelineOutcome>> {
    let result = proptest::collection::btree_map("[ab]", 0..3_i32, 0..3);
    proptest::collection::vec(proptest::option::weighted(0.8, result), 1..7).prop_map(|results| {
        let outcome = |(n, result): (usize, Option<_>)| match result {
            Some(result) => success(&format!("p{n}"), json!(result)),
            None => failure(&format!("p{n}")),
        };
        results.into_iter().enumerate().map(outcome).collect()
    })
}

proptest! {
    #[test]
    fn the_order_of_targets_decides_ties_and_nothing_else(
        (outcomes, shuffled) in outcomes().prop_flat_map(|it| (Just(it.clone()), Just(it).prop_shuffle()))
    ) {
        let options = AggregationOptions::default();
        let both = |strategy| (aggregate(strategy, &outcomes, &options), aggregate(strategy, &shuffled, &options));
        if let (Ok(a), Ok(b)) = both(AggregationStrategy::Merge) {
            let conflicting = |it: &Aggregation| it.conflicts.iter().map(|it| it.field.clone()).collect::<Vec<_>>();
            prop_assert_eq!(conflicting(&a), conflicting(&b));
            for (field, value) in &a.result {
                let differs = conflicting(&a).contains(field);
                prop_assert!(differs || b.result[field] == *value);
            }
        }
        if let (Ok(a), Ok(b)) = both(AggregationStrategy::Vote) {
            let counts = |it: &Aggregation| it.votes.iter().map(|it| it.votes).collect::<Vec<_>>();
            prop_assert_eq!(counts(&a), counts(&b));
            let is_tie = a.votes.get(1).is_some_and(|second| second.votes == a.votes[0].votes);
            prop_assert!(is_tie || a.result == b.result);
        }
        // The same outcomes in the same order give the same result.
        for strategy in AggregationStrategy::ALL {
            prop_assert_eq!(aggregate(*strategy, &outcomes, &options), aggregate(*strategy, &outcomes, &options));
        }
    }

    #[test]
    fn votes_are_those_of_the_successes(outcomes in outcomes()) {
        if let Ok(it) = aggregate(AggregationStrategy::Vote, &outcomes, &AggregationOptions::default()) {
            let sum: usize = it.votes.iter().map(|it| it.votes).sum();
            prop_assert_eq!(sum, outcomes.iter().filter(|it| it.ok()).count());
        }
    }
}
