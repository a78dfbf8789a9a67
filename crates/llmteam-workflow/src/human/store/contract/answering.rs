//! Who answers, once, and how the run hears of it.

use super::*;

pub(super) async fn the_first_answer_wins(pair: &Pair) {
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

pub(super) async fn one_of_many_answers_wins(pair: &Pair) {
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

pub(super) async fn an_answer_wakes_its_run_until_consumed(pair: &Pair) {
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

pub(super) async fn refused_answers_change_nothing(pair: &Pair) {
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

pub(super) async fn withdrawing(pair: &Pair) {
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

pub(super) async fn claims_and_delegation(pair: &Pair) {
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
