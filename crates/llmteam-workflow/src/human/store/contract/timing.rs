//! What time does to open questions.

use super::*;

pub(super) async fn escalation_to_the_end(pair: &Pair) {
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

pub(super) async fn timers_fire_once(pair: &Pair) {
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

pub(super) async fn a_deadline_nobody_saw_still_holds(pair: &Pair) {
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

pub(super) async fn service_level_timers(pair: &Pair) {
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
