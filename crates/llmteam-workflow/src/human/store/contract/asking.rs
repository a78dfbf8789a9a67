//! What is asked, and what is then stored.

use super::*;

pub(super) async fn one_request_per_key(pair: &Pair) {
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

pub(super) async fn a_wrong_question_is_not_asked(pair: &Pair) {
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

pub(super) async fn stored_whole(pair: &Pair) {
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

pub(super) async fn tenants_are_apart(pair: &Pair) {
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

pub(super) async fn the_inbox(pair: &Pair) {
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

pub(super) async fn chats(pair: &Pair) {
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

pub(super) async fn purging(pair: &Pair) {
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
