//! What every interaction store is held to, through two handles as two processes would have them.

use std::{sync::Arc, time::Duration};

use llmteam_security::{
    clock::{Clock, ManualClock, Timestamp},
    id::{RequestId, RunId, TenantId},
    principal::{Principal, Role},
};
use serde_json::{Value, json};

use super::{InteractionFilter, InteractionStore};
use crate::human::{
    Answer, FiredEffect, HumanError, HumanInteractionManager, HumanOutcome, InteractionOption,
    InteractionPriority, InteractionRequest, InteractionStatus, InteractionType, NewInteraction,
    Waited,
};

/// Two managers over the same data and one clock.
struct Pair {
    a: HumanInteractionManager,
    b: HumanInteractionManager,
    clock: ManualClock,
}

const HOUR: Duration = Duration::from_secs(3600);

impl Pair {
    fn new(a: Arc<dyn InteractionStore>, b: Arc<dyn InteractionStore>) -> Self {
        let clock = ManualClock::new(Timestamp::parse("2024-03-31T00:30:00Z").unwrap());
        let manager = |store| HumanInteractionManager::new(store, Arc::new(clock.clone()));
        Self {
            a: manager(a),
            b: manager(b),
            clock,
        }
    }

    async fn ask(&self, new: NewInteraction) -> InteractionRequest {
        self.a.request(new).await.unwrap()
    }

    async fn events(&self, run: &str) -> Vec<HumanOutcome> {
        let events = self.b.poll(&tenant("t"), &self::run(run)).await.unwrap();
        assert!(events.is_sorted_by_key(|event| event.id));
        events.into_iter().map(|event| event.outcome).collect()
    }

    async fn respond(
        &self,
        id: &RequestId,
        by: &Principal,
        answer: Value,
    ) -> Result<(), HumanError> {
        self.b
            .respond(
                &tenant("t"),
                id,
                by,
                serde_json::from_value(answer).unwrap(),
            )
            .await
            .map(drop)
    }

    async fn status(&self, id: &RequestId) -> InteractionStatus {
        self.b.get(&tenant("t"), id).await.unwrap().status
    }
}

fn tenant(id: &str) -> TenantId {
    id.parse().unwrap()
}

fn run(id: &str) -> RunId {
    id.parse().unwrap()
}

fn user(id: &str) -> Principal {
    Principal::new(id.parse().unwrap())
}

/// An approval asked of alice by `run`, at its step `step`.
fn approval(run: &str, step: &str) -> NewInteraction {
    let (segment, step) = ("s".parse().unwrap(), step.parse().unwrap());
    NewInteraction::new(
        tenant("t"),
        self::run(run),
        segment,
        step,
        InteractionType::Approval,
    )
    .assigned_to("alice".parse().unwrap())
}

/// The same with a chain of two and one hour each.
fn chained(run: &str) -> NewInteraction {
    let escalation_chain = vec!["lead".parse().unwrap(), "group:heads".parse().unwrap()];
    NewInteraction {
        escalation_chain,
        timeout: HOUR,
        ..approval(run, "ask")
    }
}

/// Runs the whole suite; the two stores are handles to the same empty data.
pub(super) async fn check(a: Arc<dyn InteractionStore>, b: Arc<dyn InteractionStore>) {
    let pair = Pair::new(a, b);
    one_request_per_key(&pair).await;
    a_wrong_question_is_not_asked(&pair).await;
    stored_whole(&pair).await;
    tenants_are_apart(&pair).await;
    the_first_answer_wins(&pair).await;
    one_of_many_answers_wins(&pair).await;
    an_answer_wakes_its_run_until_consumed(&pair).await;
    refused_answers_change_nothing(&pair).await;
    withdrawing(&pair).await;
    claims_and_delegation(&pair).await;
    escalation_to_the_end(&pair).await;
    timers_fire_once(&pair).await;
    a_deadline_nobody_saw_still_holds(&pair).await;
    service_level_timers(&pair).await;
    the_inbox(&pair).await;
    chats(&pair).await;
    purging(&pair).await;
}

async fn one_request_per_key(pair: &Pair) {
    // covers: H-06
    let first = pair.ask(approval("dedup", "ask")).await;
    let again = pair
        .b
        .request(NewInteraction {
            title: "Other".into(),
            ..approval("dedup", "ask")
        })
        .await
        .unwrap();
    assert_eq!(again, first);
    pair.respond(&first.request_id, &user("alice"), json!({"approved": true}))
        .await
        .unwrap();
    let closed = pair.ask(approval("dedup", "ask")).await;
    assert_eq!(
        (closed.request_id, closed.status),
        (first.request_id, InteractionStatus::Completed)
    );

    let asking: Vec<_> = (0..8)
        .map(|n| {
            let manager = if n % 2 == 0 {
                pair.a.clone()
            } else {
                pair.b.clone()
            };
            tokio::spawn(async move {
                manager
                    .request(approval("race", "ask"))
                    .await
                    .unwrap()
                    .request_id
            })
        })
        .collect();
    let mut ids = Vec::new();
    for task in asking {
        ids.push(task.await.unwrap());
    }
    ids.dedup();
    assert_eq!(ids.len(), 1);
}

async fn a_wrong_question_is_not_asked(pair: &Pair) {
    // covers: workflow H-5
    let option = |id: &str| InteractionOption {
        id: id.into(),
        label: "x".into(),
    };
    let wrong = NewInteraction {
        title: " ".into(),
        interaction_type: InteractionType::Choice,
        options: vec![option("a"), option("a"), option("")],
        input_schema: Some(json!({"type": 7})),
        timeout: Duration::ZERO,
        sla_warning: Some(HOUR),
        sla_breach: Some(HOUR),
        ..approval("wrong", "ask")
    };
    let Err(HumanError::InvalidRequest(faults)) = pair.a.request(wrong).await else {
        panic!("not refused")
    };
    let paths: Vec<_> = faults.iter().map(|fault| fault.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "title",
            "timeout",
            "sla_warning",
            "options/1/id",
            "options/2/id",
            "input_schema"
        ]
    );
    let too_long = NewInteraction {
        timeout: Duration::MAX,
        ..approval("wrong", "ask")
    };
    assert!(matches!(
        pair.a.request(too_long).await,
        Err(HumanError::InvalidRequest(_))
    ));
    assert_eq!(
        pair.b
            .list(&tenant("t"), &InteractionFilter::open_of(&run("wrong")))
            .await
            .unwrap(),
        []
    );
}

async fn stored_whole(pair: &Pair) {
    // covers: H-02
    let new = NewInteraction {
        context_data: json!({"ratio": 0.1, "big": 12345678901234567890_u64, "text": "\u{1f}é"}),
        options: vec![InteractionOption {
            id: "0".into(),
            label: "A".into(),
        }],
        input_schema: Some(json!({"type": "object"})),
        timeout: Duration::from_millis(1500),
        sla_warning: Some(Duration::ZERO),
        sla_breach: Some(Duration::from_secs(1)),
        priority: InteractionPriority::Critical,
        required_role: Some("finance".into()),
        allow_self_response: true,
        initiator: Some("ivy".parse().unwrap()),
        ..chained("whole")
    };
    let asked = pair.ask(new).await;
    assert_eq!(
        asked.deadline.since(pair.clock.now()),
        Duration::from_millis(1500)
    );
    assert_eq!(
        pair.b.get(&tenant("t"), &asked.request_id).await.unwrap(),
        asked
    );
    let wire = serde_json::to_value(&asked).unwrap();
    for (key, value) in [
        ("tenant_id", json!("t")),
        ("pipeline_id", json!("s")),
        ("step_name", json!("ask")),
        ("timeout", json!(1.5)),
        ("sla_warning", json!(0)),
        ("status", json!("pending")),
        ("created_at", json!("2024-03-31T00:30:00.000000Z")),
        ("escalation_chain", json!(["lead", "group:heads"])),
    ] {
        assert_eq!(wire[key], value, "{key}");
    }
    pair.b
        .cancel(&tenant("t"), &asked.request_id, "")
        .await
        .unwrap();
}

async fn tenants_are_apart(pair: &Pair) {
    // covers: X-97, workflow X-1
    let ours = pair.ask(approval("shared_name", "ask")).await;
    let theirs = pair
        .ask(NewInteraction {
            tenant: tenant("u"),
            ..approval("shared_name", "ask")
        })
        .await;
    assert_ne!(ours.request_id, theirs.request_id);
    let foreign = pair
        .b
        .respond(&tenant("u"), &ours.request_id, &user("alice"), yes())
        .await;
    assert!(matches!(foreign, Err(HumanError::NotFound(_))));
    assert!(matches!(
        pair.a.cancel(&tenant("u"), &ours.request_id, "").await,
        Err(HumanError::NotFound(_))
    ));
    let pending = pair.a.list_pending(&tenant("u")).await.unwrap();
    assert_eq!(pending, std::slice::from_ref(&theirs));
    pair.a
        .cancel_for_run(&tenant("u"), &run("shared_name"), "")
        .await
        .unwrap();
    assert_eq!(
        pair.status(&ours.request_id).await,
        InteractionStatus::Pending
    );
    let told = pair
        .a
        .poll(&tenant("u"), &run("shared_name"))
        .await
        .unwrap();
    assert_eq!(told.len(), 1);
    pair.a.consume(&tenant("t"), &[told[0].id]).await.unwrap();
    assert_eq!(
        pair.a
            .poll(&tenant("u"), &run("shared_name"))
            .await
            .unwrap(),
        told
    );
}

fn yes() -> Answer {
    Answer {
        approved: Some(true),
        ..Answer::default()
    }
}

async fn the_first_answer_wins(pair: &Pair) {
    // covers: H-06, workflow H-1, workflow H-2
    let request = pair
        .ask(NewInteraction {
            escalation_chain: vec![],
            ..approval("first", "ask")
        })
        .await;
    let (alice, boss) = (user("alice"), user("boss").with_role(Role::Override));
    let first = pair
        .a
        .respond(&tenant("t"), &request.request_id, &alice, yes())
        .await
        .unwrap();
    assert_eq!(
        (first.responder_id.as_str(), first.response_time),
        ("alice", pair.clock.now())
    );
    let repeated = pair
        .b
        .respond(&tenant("t"), &request.request_id, &alice, yes())
        .await
        .unwrap();
    assert_eq!(repeated, first);
    for (by, answer) in [
        (&boss, json!({"approved": true})),
        (&alice, json!({"approved": false})),
        (&alice, json!({})),
    ] {
        let late = pair.respond(&request.request_id, by, answer).await;
        assert!(matches!(
            late,
            Err(HumanError::AlreadyClosed {
                status: InteractionStatus::Completed,
                ..
            })
        ));
    }
    // Who may not answer does not learn how it was answered.
    let stranger = pair
        .respond(
            &request.request_id,
            &user("mallory"),
            json!({"approved": true}),
        )
        .await;
    assert!(matches!(stranger, Err(HumanError::NotAllowed { .. })));
    assert_eq!(pair.events("first").await.len(), 1);
}

async fn one_of_many_answers_wins(pair: &Pair) {
    // covers: workflow H-1
    let request = pair
        .ask(approval("crowd", "ask").assigned_to("group:all".parse().unwrap()))
        .await;
    let answering: Vec<_> = (0..10)
        .map(|n| {
            let manager = if n % 2 == 0 {
                pair.a.clone()
            } else {
                pair.b.clone()
            };
            let (by, id) = (
                user(&format!("u{n}")).with_group("all"),
                request.request_id.clone(),
            );
            tokio::spawn(async move { manager.respond(&tenant("t"), &id, &by, yes()).await })
        })
        .collect();
    let mut winners = Vec::new();
    for task in answering {
        match task.await.unwrap() {
            Ok(response) => winners.push(response),
            Err(error) => assert!(matches!(error, HumanError::AlreadyClosed { .. }), "{error}"),
        }
    }
    assert_eq!(winners.len(), 1);
    let [HumanOutcome::Answered { response, .. }] = &pair.events("crowd").await[..] else {
        panic!("not one answer")
    };
    assert_eq!(**response, winners[0]);
}

async fn an_answer_wakes_its_run_until_consumed(pair: &Pair) {
    // covers: H-03, X-84, workflow H-8, workflow H-9, workflow H-12
    let (t, r) = (tenant("t"), run("wake"));
    let request = pair.ask(approval("wake", "ask")).await;
    assert_eq!(pair.events("wake").await, []);
    let waiting = tokio::spawn({
        let (manager, t, r) = (pair.a.clone(), t.clone(), r.clone());
        async move { manager.changed(&t, &r).await }
    });
    let answer = json!({"approved": false, "reason": "no", "input_data": {"a": 1}});
    let answer: Answer = serde_json::from_value(answer).unwrap();
    let response = pair
        .a
        .respond(&t, &request.request_id, &user("alice"), answer)
        .await
        .unwrap();
    waiting.await.unwrap().unwrap();

    let events = pair.b.poll(&t, &r).await.unwrap();
    let HumanOutcome::Answered {
        request: told,
        response: given,
    } = &events[0].outcome
    else {
        panic!("{events:?}")
    };
    assert_eq!(
        (told.status, &**given),
        (InteractionStatus::Rejected, &response)
    );
    assert_eq!(pair.a.poll(&t, &r).await.unwrap(), events);
    // An answer that is there before anybody waits does not let the wait run.
    pair.b.changed(&t, &r).await.unwrap();
    assert!(matches!(
        pair.b
            .wait_for_response(&t, &request.request_id, None)
            .await
            .unwrap(),
        Waited::Responded(_)
    ));
    for _ in 0..2 {
        pair.a.consume(&t, &[events[0].id, 999_999]).await.unwrap();
    }
    assert_eq!(pair.events("wake").await, []);
}

async fn refused_answers_change_nothing(pair: &Pair) {
    // covers: workflow H-3, workflow H-4
    let request = pair.ask(approval("refused", "ask")).await;
    let alice = user("alice");
    assert!(matches!(
        pair.respond(&request.request_id, &alice, json!({})).await,
        Err(HumanError::InvalidResponse(_))
    ));
    let stranger = pair
        .respond(&request.request_id, &user("m"), json!({"approved": true}))
        .await;
    assert!(matches!(stranger, Err(HumanError::NotAllowed { .. })));
    assert_eq!(
        pair.b.get(&tenant("t"), &request.request_id).await.unwrap(),
        request
    );
    assert_eq!(pair.events("refused").await, []);
    let by = user("boss").with_role(Role::Override);
    let forced = pair
        .b
        .respond(&tenant("t"), &request.request_id, &by, yes())
        .await
        .unwrap();
    assert_eq!(forced.override_role, Some(Role::Override));
}

async fn withdrawing(pair: &Pair) {
    //
    let (t, r) = (tenant("t"), run("cancel"));
    let urgent = NewInteraction {
        priority: InteractionPriority::High,
        ..approval("cancel", "one")
    };
    let [one, two, three] = [
        pair.ask(urgent).await,
        pair.ask(approval("cancel", "two")).await,
        pair.ask(approval("cancel", "three")).await,
    ];
    pair.respond(&two.request_id, &user("alice"), json!({"approved": true}))
        .await
        .unwrap();
    let withdrawn = pair
        .b
        .cancel_for_run(&t, &r, "run cancelled")
        .await
        .unwrap();
    assert_eq!(
        withdrawn,
        [one.request_id.clone(), three.request_id.clone()]
    );
    assert_eq!(pair.b.cancel_for_run(&t, &r, "again").await.unwrap(), []);
    let late = pair
        .respond(&one.request_id, &user("alice"), json!({"approved": true}))
        .await;
    assert!(matches!(
        late,
        Err(HumanError::AlreadyClosed {
            status: InteractionStatus::Cancelled,
            ..
        })
    ));
    let again = pair.a.cancel(&t, &two.request_id, "").await;
    assert!(matches!(
        again,
        Err(HumanError::AlreadyClosed {
            status: InteractionStatus::Completed,
            ..
        })
    ));
    let told = pair.events("cancel").await;
    assert!(
        matches!(&told[1], HumanOutcome::Cancelled { request_id, reason } if *request_id == one.request_id && reason == "run cancelled")
    );
    assert_eq!(told.len(), 3);
    assert_eq!(pair.a.next_deadline(&t, &r).await.unwrap(), None);
    assert_eq!(
        pair.a
            .wait_for_response(&t, &one.request_id, None)
            .await
            .unwrap(),
        Waited::Cancelled
    );
}

async fn claims_and_delegation(pair: &Pair) {
    // covers: workflow H-3
    let t = tenant("t");
    let (ann, bob, boss) = (
        user("ann").with_group("g"),
        user("bob").with_group("g"),
        user("boss").with_role(Role::Override),
    );
    let request = pair
        .ask(approval("claim", "ask").assigned_to("group:g".parse().unwrap()))
        .await;
    let id = &request.request_id;
    assert_eq!(
        pair.a.claim(&t, id, &ann).await.unwrap().status,
        InteractionStatus::InProgress
    );
    let version = pair.b.claim(&t, id, &ann).await.unwrap().version;
    assert_eq!(version, 2, "a repeated claim changes nothing");
    assert!(
        matches!(pair.b.claim(&t, id, &bob).await, Err(HumanError::AlreadyClaimed { claimant, .. }) if claimant == ann.id)
    );
    assert!(matches!(
        pair.b.claim(&t, id, &user("x")).await,
        Err(HumanError::NotAllowed { .. })
    ));
    assert!(matches!(
        pair.respond(id, &bob, json!({"approved": true})).await,
        Err(HumanError::NotAllowed { .. })
    ));
    assert!(matches!(
        pair.b.unclaim(&t, id, &bob).await,
        Err(HumanError::NotAllowed { .. })
    ));
    assert_eq!(
        pair.b.unclaim(&t, id, &boss).await.unwrap().status,
        InteractionStatus::Pending
    );
    let delegated = pair
        .a
        .delegate(&t, id, &bob, &"carol".parse().unwrap())
        .await
        .unwrap();
    assert_eq!(delegated.assignee_id, Some("carol".parse().unwrap()));
    assert_eq!(
        (delegated.assignee_group, delegated.delegated_from),
        (None, Some(bob.id.clone()))
    );
    assert!(matches!(
        pair.respond(id, &ann, json!({"approved": true})).await,
        Err(HumanError::NotAllowed { .. })
    ));
    pair.respond(id, &user("carol"), json!({"approved": true}))
        .await
        .unwrap();
    assert!(matches!(
        pair.a.claim(&t, id, &user("carol")).await,
        Err(HumanError::AlreadyClosed { .. })
    ));
}

async fn escalation_to_the_end(pair: &Pair) {
    // covers: H-05, workflow H-20, workflow H-22, workflow H-23
    let (t, r) = (tenant("t"), run("chain"));
    let start = pair.clock.now();
    let request = pair.ask(chained("chain")).await;
    let id = &request.request_id;
    pair.a.claim(&t, id, &user("alice")).await.unwrap();
    assert_eq!(
        pair.b.next_deadline(&t, &r).await.unwrap(),
        Some(start.saturating_add(HOUR))
    );
    pair.clock.advance(HOUR - Duration::from_micros(1)).await;
    assert_eq!(pair.b.process_due(pair.clock.now(), 100).await.unwrap(), []);

    // Half an hour late: the next still has a full hour.
    pair.clock.advance(HOUR / 2).await;
    let fired = pair.b.process_due(pair.clock.now(), 100).await.unwrap();
    let to = "lead".parse().unwrap();
    assert_eq!(
        fired[0].effect,
        FiredEffect::Escalated {
            level: 1,
            from: Some("alice".parse().unwrap()),
            to
        }
    );
    assert_eq!(fired.len(), 1);
    let now = pair.a.get(&t, id).await.unwrap();
    assert_eq!(
        (now.status, now.claimed_by, now.current_escalation_level),
        (InteractionStatus::Escalated, None, 1)
    );
    assert_eq!(
        pair.a.next_deadline(&t, &r).await.unwrap(),
        Some(pair.clock.now().saturating_add(HOUR))
    );

    pair.clock.advance(HOUR).await;
    assert_eq!(
        pair.a
            .process_due(pair.clock.now(), 100)
            .await
            .unwrap()
            .len(),
        1
    );
    assert_eq!(
        pair.b.get(&t, id).await.unwrap().assignee_group,
        Some("heads".into())
    );
    pair.clock.advance(HOUR).await;
    assert_eq!(
        pair.b.process_due(pair.clock.now(), 100).await.unwrap()[0].effect,
        FiredEffect::TimedOut
    );
    assert_eq!(pair.status(id).await, InteractionStatus::Timeout);
    let late = pair
        .respond(id, &user("lead"), json!({"approved": true}))
        .await;
    assert!(matches!(
        late,
        Err(HumanError::AlreadyClosed {
            status: InteractionStatus::Timeout,
            ..
        })
    ));
    let request_id = id.clone();
    let told = [
        HumanOutcome::Escalated {
            request_id: id.clone(),
            level: 1,
            assignee: "lead".parse().unwrap(),
        },
        HumanOutcome::Escalated {
            request_id: id.clone(),
            level: 2,
            assignee: "group:heads".parse().unwrap(),
        },
        HumanOutcome::TimedOut { request_id },
    ];
    assert_eq!(pair.events("chain").await, told);
    assert_eq!(
        pair.a.wait_for_response(&t, id, None).await.unwrap(),
        Waited::TimedOut
    );
}

async fn timers_fire_once(pair: &Pair) {
    // covers: H-05, workflow H-20
    for n in 0..10 {
        pair.ask(NewInteraction {
            dedup_key: format!("once/{n}"),
            ..chained("once")
        })
        .await;
    }
    pair.clock.advance(HOUR).await;
    let now = pair.clock.now();
    assert_eq!(pair.a.process_due(now, 3).await.unwrap().len(), 3);
    let firing: Vec<_> = (0..6)
        .map(|n| {
            let manager = if n % 2 == 0 {
                pair.a.clone()
            } else {
                pair.b.clone()
            };
            tokio::spawn(async move { manager.process_due(now, 100).await.unwrap().len() })
        })
        .collect();
    let mut total = 3;
    for task in firing {
        total += task.await.unwrap();
    }
    total += pair.a.process_due(now, 100).await.unwrap().len();
    assert_eq!(total, 10);
    let told = pair.events("once").await;
    assert_eq!(told.len(), 10);
    assert!(
        told.iter()
            .all(|it| matches!(it, HumanOutcome::Escalated { level: 1, .. }))
    );
    pair.a
        .cancel_for_run(&tenant("t"), &run("once"), "")
        .await
        .unwrap();
}

async fn a_deadline_nobody_saw_still_holds(pair: &Pair) {
    // covers: workflow H-22, workflow H-23
    let lone = pair
        .ask(NewInteraction {
            timeout: HOUR,
            ..approval("unseen", "one")
        })
        .await;
    let chain = pair
        .ask(NewInteraction {
            dedup_key: "unseen/two".into(),
            ..chained("unseen")
        })
        .await;
    pair.clock.advance(HOUR).await;
    // At the very instant of the deadline an answer is still in time.
    let at = pair
        .ask(NewInteraction {
            dedup_key: "unseen/three".into(),
            ..chained("unseen")
        })
        .await;
    pair.clock.advance(HOUR).await;
    pair.respond(&at.request_id, &user("alice"), json!({"approved": true}))
        .await
        .unwrap();
    let late = pair
        .respond(&lone.request_id, &user("alice"), json!({"approved": true}))
        .await;
    assert!(matches!(
        late,
        Err(HumanError::AlreadyClosed {
            status: InteractionStatus::Timeout,
            ..
        })
    ));
    pair.respond(&chain.request_id, &user("alice"), json!({"approved": true}))
        .await
        .unwrap();
    let told = pair.events("unseen").await;
    assert!(matches!(told[1], HumanOutcome::TimedOut { .. }), "{told:?}");
    assert!(
        matches!(told[2], HumanOutcome::Escalated { level: 1, .. }),
        "{told:?}"
    );
    assert!(matches!(told[3], HumanOutcome::Answered { .. }), "{told:?}");
    assert_eq!(pair.a.process_due(pair.clock.now(), 100).await.unwrap(), []);
}

async fn service_level_timers(pair: &Pair) {
    // covers: workflow H-21
    let (t, r) = (tenant("t"), run("sla"));
    let new = NewInteraction {
        sla_warning: Some(HOUR / 4),
        sla_breach: Some(HOUR / 2),
        ..chained("sla")
    };
    let request = pair.ask(new).await;
    let mut effects = Vec::new();
    while let Some(at) = pair.a.next_deadline(&t, &r).await.unwrap() {
        pair.clock.advance_to(at).await;
        let fired = pair.b.process_due(at, 100).await.unwrap();
        effects.extend(fired.into_iter().map(|it| it.effect));
        if effects.len() == 2 {
            assert_eq!(
                pair.status(&request.request_id).await,
                InteractionStatus::Pending
            );
            assert_eq!(pair.events("sla").await, []);
        }
    }
    assert_eq!(effects.len(), 5);
    assert_eq!(
        effects[..2],
        [FiredEffect::SlaWarning, FiredEffect::SlaBreach]
    );
    assert_eq!(effects[4], FiredEffect::TimedOut);
}

async fn the_inbox(pair: &Pair) {
    let t = tenant("v");
    let ask = async |step: &str, priority, assignee: &str| {
        let new = approval("inbox", step).assigned_to(assignee.parse().unwrap());
        pair.ask(NewInteraction {
            tenant: tenant("v"),
            priority,
            escalation_chain: vec!["ann".parse().unwrap()],
            ..new
        })
        .await
    };
    let low = ask("low", InteractionPriority::Low, "ann").await;
    let early = ask("early", InteractionPriority::High, "group:g").await;
    pair.clock.advance(HOUR).await;
    let high = ask("high", InteractionPriority::High, "ann").await;
    let other = ask("other", InteractionPriority::Critical, "bob").await;
    let list = async |filter: InteractionFilter| -> Vec<RequestId> {
        pair.b
            .list(&t, &filter)
            .await
            .unwrap()
            .into_iter()
            .map(|it| it.request_id)
            .collect()
    };
    let mine = InteractionFilter {
        assignee: Some("ann".parse().unwrap()),
        groups: vec!["g".into()],
        ..InteractionFilter::open()
    };
    assert_eq!(
        list(mine.clone()).await,
        [
            early.request_id.clone(),
            high.request_id.clone(),
            low.request_id.clone()
        ]
    );
    let page = InteractionFilter {
        offset: 1,
        limit: Some(1),
        ..mine.clone()
    };
    assert_eq!(list(page).await, std::slice::from_ref(&high.request_id));
    pair.clock.advance(24 * HOUR).await;
    let overdue = InteractionFilter {
        overdue: Some(early.deadline.saturating_add(HOUR / 2)),
        ..InteractionFilter::default()
    };
    assert_eq!(
        list(overdue).await,
        [early.request_id.clone(), low.request_id.clone()]
    );
    // What is escalated stays in the inbox: that of whoever is asked now.
    pair.a.process_due(pair.clock.now(), 100).await.unwrap();
    assert_eq!(list(mine).await.len(), 4);
    assert_eq!(
        pair.b.list_pending(&t).await.unwrap()[0].request_id,
        other.request_id
    );
    pair.a.cancel_for_run(&t, &run("inbox"), "").await.unwrap();
    assert_eq!(pair.b.list_pending(&t).await.unwrap(), []);
    let cancelled = InteractionFilter {
        statuses: vec![InteractionStatus::Cancelled],
        ..InteractionFilter::default()
    };
    assert_eq!(list(cancelled).await.len(), 4);
}

async fn chats(pair: &Pair) {
    // covers: workflow H-7
    let t = tenant("t");
    let chat = pair
        .ask(NewInteraction {
            interaction_type: InteractionType::Chat,
            ..approval("chat", "ask")
        })
        .await;
    let (alice, id) = (user("alice"), &chat.request_id);
    for (n, text) in ["one", "two"].iter().enumerate() {
        assert_eq!(
            pair.a.post_message(&t, id, &alice, text).await.unwrap().seq,
            n as u64 + 1
        );
    }
    let lines = pair.b.messages(&t, id).await.unwrap();
    assert_eq!(
        lines.iter().map(|it| it.body.as_str()).collect::<Vec<_>>(),
        ["one", "two"]
    );
    assert_eq!(pair.b.messages(&tenant("u"), id).await.unwrap(), []);
    assert!(matches!(
        pair.a.post_message(&t, id, &user("m"), "x").await,
        Err(HumanError::NotAllowed { .. })
    ));
    pair.respond(id, &alice, json!({})).await.unwrap();
    assert!(matches!(
        pair.a.post_message(&t, id, &alice, "x").await,
        Err(HumanError::AlreadyClosed { .. })
    ));
}

async fn purging(pair: &Pair) {
    let (t, r) = (tenant("t"), run("purge"));
    let open = pair.ask(approval("purge", "open")).await;
    let closed = pair.ask(approval("purge", "closed")).await;
    pair.respond(
        &closed.request_id,
        &user("alice"),
        json!({"approved": true}),
    )
    .await
    .unwrap();
    pair.clock.advance(HOUR).await;
    // What its run has not heard of is kept, whatever its age.
    pair.a.purge(&t, pair.clock.now()).await.unwrap();
    let told = pair.b.poll(&t, &r).await.unwrap();
    assert_eq!(told.len(), 1);
    pair.b.consume(&t, &[told[0].id]).await.unwrap();
    assert_eq!(pair.a.purge(&t, closed.created_at).await.unwrap(), 0);
    assert_eq!(pair.a.purge(&t, pair.clock.now()).await.unwrap(), 1);
    assert!(matches!(
        pair.b.get(&t, &closed.request_id).await,
        Err(HumanError::NotFound(_))
    ));
    assert_eq!(
        pair.status(&open.request_id).await,
        InteractionStatus::Pending
    );
    // Its key is free again.
    assert_ne!(
        pair.ask(approval("purge", "closed")).await.request_id,
        closed.request_id
    );
}
