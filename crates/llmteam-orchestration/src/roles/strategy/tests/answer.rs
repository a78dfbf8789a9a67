//! Answers of models, good and bad.

use proptest::prelude::*;

use super::{super::answer::read, id};
use crate::roles::{Confidence, DecisionType, OrchestrationDecision};

fn answer(text: &str) -> Result<OrchestrationDecision, String> {
    let faults = |it: Vec<super::AnswerFault>| {
        let faults: Vec<String> = it.iter().map(ToString::to_string).collect();
        faults.join("; ")
    };
    read(text, &[id("writer"), id("critic")]).map_err(faults)
}

#[track_caller]
fn check(text: &str, faults: &str) {
    assert_eq!(answer(text).unwrap_err(), faults);
}

// covers: O13
#[test]
fn an_object_is_found_in_fences_and_prose() {
    let plain = r#"{"decision": "ROUTE", "targets": ["critic", "writer"]}"#;
    let expected = answer(plain).unwrap();
    assert_eq!(expected.decision_type, DecisionType::Route);
    assert_eq!(expected.target_agents, [id("critic"), id("writer")]);
    assert_eq!(expected.reason, "llm_decision");
    assert_eq!(expected.confidence, Confidence::LIKELY);
    for text in [
        format!("```json\n{plain}\n```"),
        format!("I would say {{critic}} is next: {plain} and then {{\"decision\": \"end\"}}"),
        format!("<think>{{</think>{plain}"),
    ] {
        assert_eq!(answer(&text).as_ref(), Ok(&expected), "{text}");
    }
}

// covers: O13
#[test]
fn every_fault_of_an_answer_is_named() {
    check("I do not know", "the answer holds no JSON object");
    check("", "the answer holds no JSON object");
    check("null", "the answer is null: expected an object");
    check(
        "[{\"decision\": \"end\"}]",
        "the answer is a list: expected an object",
    );
    check("17", "the answer is a number: expected an object");
    check("\"end\"", "the answer is text: expected an object");
    check(
        r#"{"decision": "stop", "targets": "writer", "reason": 1, "confidence": "high"}"#,
        "`decision` is `stop`: expected one of route, retry, escalate, skip, parallel, end, request_human; \
         `targets` is text: expected a list of agents; \
         `reason` is a number: expected text; \
         `confidence` is text: expected a number from 0 to 1",
    );
    check(
        r#"{"decision": null, "targets": ["ghost", "writer", 1, "writer"], "confidence": 17}"#,
        "`decision` is null: expected text; \
         `targets[0]` is `ghost`, which is no registered agent; \
         `targets[2]` is a number: expected the name of an agent; \
         `confidence` is 17: expected a number from 0 to 1",
    );
    check(
        r#"{"decision": "parallel", "targets": ["writer", "writer"]}"#,
        "`targets[1]` names `writer` again",
    );
    check(
        r#"{"targets": null}"#,
        "`targets` is null: expected a list of agents",
    );
    check("{}", "`targets` is empty: `route` needs at least one agent");
    let long = format!("{}{{\"decision\": \"end\"}}", " ".repeat(70_000));
    check(&long, "the answer has 70019 bytes: at most 65536 are read");
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,200}|[{}\\[\\]\":,a-z0-9 \n`]{0,300}") {
        if let Ok(decision) = answer(&text) {
            prop_assert!(decision.target_agents.iter().all(|it| ["writer", "critic"].contains(&it.as_str())));
        }
    }

    #[test]
    fn any_members_are_read_or_refused(
        decision in "(route|ROUTE|end|skip|x){1,2}",
        targets in proptest::collection::vec("writer|critic|ghost|\\PC{0,5}", 0..4),
        confidence in any::<f64>(),
    ) {
        let object = serde_json::json!({"decision": decision, "targets": targets, "confidence": confidence});
        match answer(&format!("so: {object}.")) {
            Ok(decision) => {
                prop_assert!((0.0..=1.0).contains(&decision.confidence.get()));
                prop_assert_eq!(decision.target_agents.len(), targets.len());
            }
            Err(faults) => prop_assert!(!faults.is_empty()),
        }
    }
}
