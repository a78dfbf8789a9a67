//! What is asked of people, and what their answers mean.

use llmteam_security::clock::{ManualClock, Timestamp};
use llmteam_security::principal::{Principal, Role};
use llmteam_workflow::human::{
    HumanInteractionManager, InteractionPriority, InteractionStatus, InteractionType,
    MemoryInteractionStore, NewInteraction,
};
use serde_json::{Value, json};

use super::*;
use crate::canvas::handler::testing::{in_segment, refuses, step, whole};
use crate::runtime::{StepInput, StepSpec};

fn context(config: Value) -> StepContext {
    StepContext::detached(
        in_segment(),
        step("human_task", config),
        whole(json!({ "d": 1 })),
    )
}

async fn question(handler: HumanTaskHandler, config: Value) -> NewInteraction {
    match Arc::new(handler).run(context(config)).await.unwrap() {
        StepOutcome::Ask(question) => *question,
        StepOutcome::Output(output) => panic!("{output:?}"),
    }
}

// covers: handlers 1, handlers 2, handlers 8, H-02
#[tokio::test]
async fn people_have_a_day_unless_handler_or_step_say_otherwise() {
    let day = Duration::from_secs(86_400);
    assert_eq!(create_human_task_handler().default_timeout(), day);
    let hour = HumanTaskHandler::new(Duration::from_secs(3600));
    let config = || json!({ "task_type": "approval" });
    assert_eq!(
        question(HumanTaskHandler::default(), config())
            .await
            .timeout,
        day
    );
    assert_eq!(
        question(hour, config()).await.timeout,
        Duration::from_secs(3600)
    );
    let config = json!({ "task_type": "approval", "timeout_hours": 0.5 });
    assert_eq!(
        question(hour, config).await.timeout,
        Duration::from_secs(1800)
    );
}

// covers: H-01
#[tokio::test]
async fn the_kind_of_question_follows_the_task_type() {
    for (task_type, kind) in [
        ("approval", InteractionType::Approval),
        ("input", InteractionType::Input),
        ("review", InteractionType::Review),
        ("choice", InteractionType::Choice),
    ] {
        let config = json!({ "task_type": task_type, "choices": ["A"] });
        assert_eq!(
            question(HumanTaskHandler::default(), config)
                .await
                .interaction_type,
            kind
        );
    }
}

// covers: H-02, H-06
#[tokio::test]
async fn everything_configured_is_asked_and_the_key_is_the_activations() {
    let config = json!({
        "task_type": "choice", "title": "Pick", "description": "one", "choices": ["A", "B"],
        "assignee_ref": "group:leads", "escalation_chain": ["ann", "group:board"], "priority": "high",
        "input_schema": { "type": "object" }, "sla_warning_hours": 1, "sla_breach_hours": 2,
        "required_role": "approver", "allow_self_response": true,
    });
    let asked = question(HumanTaskHandler::default(), config).await;
    assert_eq!(
        (asked.title.as_str(), asked.description.as_str()),
        ("Pick", "one")
    );
    assert_eq!(asked.dedup_key, "r/work/1");
    let place = [
        asked.tenant.as_str(),
        asked.run.as_str(),
        asked.segment.as_str(),
        asked.step.as_str(),
    ];
    assert_eq!(place, ["t", "r", "seg", "work"]);
    assert_eq!(asked.context_data, json!({ "d": 1 }));
    let options: Vec<_> = asked
        .options
        .iter()
        .map(|it| (it.id.as_str(), it.label.as_str()))
        .collect();
    assert_eq!(options, [("0", "A"), ("1", "B")]);
    assert_eq!(
        (asked.assignee_id, asked.assignee_group.as_deref()),
        (None, Some("leads"))
    );
    assert_eq!(asked.escalation_chain.len(), 2);
    assert_eq!(asked.priority, InteractionPriority::High);
    assert_eq!(asked.sla_breach, Some(Duration::from_secs(7200)));
    assert_eq!(asked.required_role, Some(Role::Approver));
    assert!(asked.allow_self_response && asked.input_schema.is_some());

    let bare = question(
        HumanTaskHandler::default(),
        json!({ "task_type": "review" }),
    )
    .await;
    assert_eq!(bare.title, "Human Task Required");
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused_with_every_reason() {
    for (config, fault) in [
        (json!({}), "Missing required field: task_type"),
        (json!({ "task_type": "vote" }), "task_type"),
        (
            json!({ "task_type": "approval", "timeout_hours": 0 }),
            "timeout_hours",
        ),
        (
            json!({ "task_type": "approval", "timeout_hours": -1, "priority": "loud" }),
            "priority",
        ),
        (
            json!({ "task_type": "approval", "assignee_ref": "no body" }),
            "assignee_ref",
        ),
        (
            json!({ "task_type": "approval", "escalation_chain": ["ann", ""] }),
            "escalation_chain",
        ),
        (json!({ "task_type": "choice" }), "options"),
        (
            json!({ "task_type": "approval", "on_timeout": "default_answer" }),
            "default_answer",
        ),
        (
            json!({ "task_type": "approval", "on_timeout": "default_answer", "default_answer": { "aproved": true } }),
            "aproved",
        ),
    ] {
        refuses(
            HumanTaskHandler::default(),
            step("human_task", config),
            fault,
        )
        .await;
    }
}

fn answer(answer: Value) -> InteractionResponse {
    let answer: Answer = serde_json::from_value(answer).unwrap();
    InteractionResponse {
        request_id: "req_1".parse().unwrap(),
        response_id: "resp_1".to_owned(),
        responder_id: "ann".parse().unwrap(),
        response_time: Timestamp::from_micros(0),
        override_role: None,
        approved: answer.approved,
        selected_option: answer.selected_option,
        input_data: answer.input_data,
        review_changes: answer.review_changes,
        comment: answer.comment,
        reason: answer.reason,
        subject_hash: String::new(),
        channel: None,
    }
}

fn mapped(task_type: &str, given: Value) -> Value {
    let context = context(json!({ "task_type": task_type, "choices": ["A", "B"] }));
    let output = HumanTaskHandler::default().answered(&context, &answer(given));
    Value::clone(&output.unwrap().0)
}

// covers: H-04, handlers 4
#[test]
fn yes_is_approved() {
    assert_eq!(
        mapped(
            "approval",
            json!({ "approved": true, "comment": "fine", "input_data": { "n": 1 } })
        ),
        json!({ "approved": { "data": { "d": 1 }, "response_data": { "n": 1 }, "responder": "ann", "comment": "fine" } })
    );
}

// covers: H-04, handlers 5
#[test]
fn no_is_rejected_whatever_else_is_said() {
    let given = json!({ "approved": false, "reason": "late", "review_changes": { "d": 2 }, "selected_option": "0" });
    assert_eq!(
        mapped("review", given),
        json!({ "rejected": {
            "data": { "d": 1 }, "response_data": {}, "responder": "ann", "reason": "late", "comment": "",
            "selected_option": "0",
        } })
    );
}

// covers: H-04
#[test]
fn changes_without_a_decision_are_modified() {
    let modified = |changes: Value| json!({ "modified": { "data": changes, "original_data": { "d": 1 }, "responder": "ann", "comment": "" } });
    let given = json!({ "review_changes": { "d": 2 }, "input_data": { "n": 1 } });
    assert_eq!(mapped("review", given), modified(json!({ "d": 2 })));
    assert_eq!(
        mapped("approval", json!({ "input_data": { "n": 1 } })),
        modified(json!({ "n": 1 }))
    );
}

// covers: H-04, handlers 6
#[test]
fn a_choice_is_approved_with_or_without_a_yes() {
    for given in [
        json!({ "selected_option": "1" }),
        json!({ "selected_option": "1", "approved": true }),
    ] {
        let mapped = mapped("choice", given);
        assert_eq!(mapped["approved"]["selected_option"], json!("1"));
        assert_eq!(mapped["approved"]["data"], json!({ "d": 1 }));
    }
}

// covers: H-04
#[test]
fn entered_data_is_approved_data() {
    let mapped = mapped("input", json!({ "input_data": { "n": 1 } }));
    assert_eq!(mapped["approved"]["response_data"], json!({ "n": 1 }));
}

#[test]
fn an_answer_that_decides_nothing_is_no_output() {
    let context = context(json!({ "task_type": "approval" }));
    let error = HumanTaskHandler::default()
        .answered(&context, &answer(json!({})))
        .unwrap_err();
    assert_eq!(
        (error.error_type.as_str(), error.recoverable),
        ("InvalidResponse", false)
    );
}

fn unanswered(config: &Value) -> Result<Value, StepError> {
    let mut full = json!({ "task_type": "approval", "timeout_hours": 0.5 });
    full.as_object_mut()
        .unwrap()
        .extend(config.as_object().unwrap().clone());
    let output = HumanTaskHandler::default().unanswered(&context(full))?;
    Ok(Value::clone(&output.0))
}

// covers: H-05, handlers 7
#[test]
fn no_answer_fails_the_step_unless_the_segment_says_what_else() {
    let error = unanswered(&json!({})).unwrap_err();
    assert_eq!(
        (error.error_type.as_str(), error.recoverable),
        ("TimeoutError", false)
    );
    assert_eq!(error.error_code.as_deref(), Some("HUMAN_TIMEOUT"));
    assert_eq!(error.error_message, "Human task timed out after 0.5 hours");

    let rejected = unanswered(&json!({ "on_timeout": "reject" })).unwrap();
    assert_eq!(rejected["rejected"]["responder"], json!(null));
    assert_eq!(
        rejected["rejected"]["reason"],
        json!("Human task timed out after 0.5 hours")
    );

    let config = json!({ "on_timeout": "default_answer", "default_answer": { "approved": true, "comment": "by default" } });
    let approved = unanswered(&config).unwrap();
    assert_eq!(approved["approved"]["comment"], json!("by default"));
    assert_eq!(approved["approved"]["responder"], json!(null));
}

// covers: R-02
#[tokio::test]
async fn a_person_is_asked_within_a_segment_only() {
    let runtime = crate::runtime::testing::runtime("r");
    let spec: StepSpec = step("human_task", json!({ "task_type": "approval" }));
    let input: StepInput = whole(json!({}));
    let context = StepContext::detached(runtime, spec, input);
    let error = Arc::new(HumanTaskHandler::default())
        .run(context)
        .await
        .unwrap_err();
    assert_eq!(error.error_type, "RuntimeContextError");
}

fn manager(clock: &ManualClock) -> HumanInteractionManager {
    let store = MemoryInteractionStore::default();
    HumanInteractionManager::new(Arc::new(store), Arc::new(clock.clone()))
}

// covers: H-04, H-06, handlers 4, handlers 9
#[tokio::test]
async fn a_question_is_asked_once_and_its_answer_is_the_steps_output() {
    let people = manager(&ManualClock::new(Timestamp::from_micros(0)));
    let config = json!({ "task_type": "approval" });
    let ask = || question(HumanTaskHandler::default(), config.clone());
    let request = people.request(ask().await).await.unwrap();
    // Another attempt, or a recovery, asks again and finds the same request.
    let again = people.request(ask().await).await.unwrap();
    assert_eq!(request.request_id, again.request_id);

    let answer = serde_json::from_value(json!({ "approved": true })).unwrap();
    let by = Principal::local();
    let response = people
        .respond(&request.tenant, &request.request_id, &by, answer)
        .await
        .unwrap();
    let output = HumanTaskHandler::default()
        .answered(&context(config), &response)
        .unwrap();
    assert_eq!(output.0["approved"]["data"], json!({ "d": 1 }));
    assert_eq!(output.0["approved"]["responder"], json!("local"));
}

// covers: H-05, handlers 7
#[tokio::test(start_paused = true)]
async fn a_question_nobody_answers_in_time_fails_the_step() {
    let clock = ManualClock::new(Timestamp::from_micros(0));
    let people = manager(&clock);
    let config = json!({ "task_type": "approval", "timeout_hours": 2 });
    let asked = question(HumanTaskHandler::default(), config.clone()).await;
    let request = people.request(asked).await.unwrap();
    clock.advance(Duration::from_secs(2 * 3600)).await;
    people.process_due(request.deadline, 10).await.unwrap();
    let closed = people
        .get(&request.tenant, &request.request_id)
        .await
        .unwrap();
    assert_eq!(closed.status, InteractionStatus::Timeout);
    let error = HumanTaskHandler::default()
        .unanswered(&context(config))
        .unwrap_err();
    assert_eq!(error.error_message, "Human task timed out after 2 hours");
}
