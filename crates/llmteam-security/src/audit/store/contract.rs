//! What every store is held to, through the trail that writes to it.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::{Map, Value, json};

use crate::{
    audit::{
        Actor, ActorType, AuditError, AuditEvent, AuditEventType as Type, AuditId, AuditQuery,
        AuditRecord, AuditSeverity, AuditStore, AuditTrail, ChainVerdict, OrderBy,
        generate_audit_id, verify::VerifyOptions,
    },
    clock::{ManualClock, SystemClock, Timestamp},
    id::TenantId,
};

pub(in crate::audit) fn tenant(id: &str) -> TenantId {
    id.parse().unwrap()
}

pub(in crate::audit) fn user(id: &str) -> Actor {
    Actor::user(&id.parse().unwrap())
}

fn map(value: Value) -> Map<String, Value> {
    serde_json::from_value(value).unwrap()
}

fn trail(store: &Arc<dyn AuditStore>, id: &str) -> AuditTrail {
    AuditTrail::new(Arc::clone(store), tenant(id), Arc::new(SystemClock))
}

/// Everything below, in a store that has no log yet.
pub(in crate::audit) async fn check(store: Arc<dyn AuditStore>) {
    records_are_numbered_linked_and_read_back(&store).await;
    tenants_have_chains_of_their_own(&store).await;
    many_writers_make_one_chain(&store).await;
    a_repeated_event_is_recorded_once(&store).await;
    a_stale_head_is_refused_whole(&store).await;
    queries_mean_what_they_say(&store).await;
    a_report_counts_everything(&store).await;
    a_unit_that_is_not_committed_leaves_nothing(&store).await;
    what_waits_is_appended_once_and_in_order(&store).await;
}

// covers: AUD-03, AUD-05, AUD-10, AUD-15, AUD-20
async fn records_are_numbered_linked_and_read_back(store: &Arc<dyn AuditStore>) {
    let trail = trail(store, "numbers");
    assert_eq!(store.get_last_sequence(trail.tenant()).await.unwrap(), 0);
    assert!(trail.verify_chain(1, None).await.unwrap().valid);
    let mut logged = Vec::new();
    for n in 0..5 {
        let event = AuditEvent::new(Type::DataUpdated)
            .by(user("alice")
                .from_ip([10, 0, 0, 1].into())
                .with_user_agent("ua\0/1"))
            .with_run(format!("run\0{n}"))
            .with_step("step")
            .with_pipeline("p")
            .with_agent("writer")
            .on("doc", "ü/\u{1F600}")
            .with_old_value(Map::new())
            .with_new_value(map(json!({"z": 1.0, "a": [u64::MAX, null], "é": {}})))
            .with_tag("x")
            .failed("broke\n");
        logged.push(trail.log(event).await.unwrap());
    }
    let numbers: Vec<u64> = logged.iter().map(AuditRecord::sequence_number).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5]);
    for pair in logged.windows(2) {
        assert_eq!(pair[1].previous_checksum(), pair[0].checksum());
    }
    assert!(
        logged[0].previous_checksum().is_some(),
        "the genesis record comes first"
    );
    assert_eq!(store.get_last_sequence(trail.tenant()).await.unwrap(), 5);
    for record in &logged {
        let read = trail.get(record.sequence_number()).await.unwrap().unwrap();
        assert_eq!(read, *record);
        read.verify_integrity().unwrap();
    }
    let range = store
        .get_by_sequence_range(trail.tenant(), 2, 4)
        .await
        .unwrap();
    assert_eq!(range.iter().map(|it| it.seq).collect::<Vec<_>>(), [2, 3, 4]);
    let chain = trail.verify_chain(1, None).await.unwrap();
    assert!(chain.valid && chain.missing.is_empty());
    let whole = trail.verify(VerifyOptions::default()).await.unwrap();
    assert!(whole.is_valid(), "{whole:?}");
    assert_eq!((whole.size, whole.payloads.present), (6, 6));
    for (start, end) in [(3, Some(2)), (0, Some(6)), (7, None)] {
        let error = trail.verify_chain(start, end).await.unwrap_err();
        assert!(matches!(error, AuditError::Range { last: 5, .. }));
    }
}

// covers: AUD-04, AUD-08
async fn tenants_have_chains_of_their_own(store: &Arc<dyn AuditStore>) {
    let (a, b) = (trail(store, "chain-a"), trail(store, "chain-b"));
    for n in 0..6 {
        let of = if n % 3 == 0 { &b } else { &a };
        of.log(AuditEvent::new(Type::DataCreated)).await.unwrap();
    }
    for (trail, count) in [(&a, 4), (&b, 2)] {
        let records = trail.query(&AuditQuery::default()).await.unwrap();
        assert!(
            records
                .iter()
                .all(|it| it.tenant_id() == Some(trail.tenant()))
        );
        let numbers: BTreeSet<u64> = records.iter().map(AuditRecord::sequence_number).collect();
        assert_eq!(numbers, (1..=count).collect());
        assert!(trail.verify_chain(0, None).await.unwrap().valid);
    }
    let head = store.head(a.tenant()).await.unwrap().unwrap();
    assert_ne!(
        head.origin(),
        store.head(b.tenant()).await.unwrap().unwrap().origin()
    );
    let mut session = store.session(b.tenant()).await.unwrap();
    let mut unit = session.begin().await.unwrap();
    let foreign = a
        .append_in(&mut unit, vec![AuditEvent::new(Type::DataCreated)])
        .await;
    assert!(matches!(foreign, Err(AuditError::ForeignUnit { .. })));
}

// covers: AUD-03, AUD-21
async fn many_writers_make_one_chain(store: &Arc<dyn AuditStore>) {
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let trail = trail(store, "writers");
            tokio::spawn(async move {
                for n in 0..10 {
                    let event =
                        AuditEvent::new(Type::ActionInvoked).with_action(format!("{writer}/{n}"));
                    trail.log(event).await.unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let trail = trail(store, "writers");
    let whole = trail.verify(VerifyOptions::default()).await.unwrap();
    assert!(whole.is_valid() && whole.size == 81, "{whole:?}");
    assert!(trail.verify_chain(1, Some(80)).await.unwrap().valid);
}

// covers: AUD-06, AUD-14
async fn a_repeated_event_is_recorded_once(store: &Arc<dyn AuditStore>) {
    let trail = trail(store, "repeats");
    let id = generate_audit_id().unwrap();
    let event = |action: &str| {
        AuditEvent::new(Type::ApprovalGranted)
            .with_id(id)
            .with_action(action)
    };
    let first = trail.log(event("one")).await.unwrap();
    trail.log(AuditEvent::new(Type::DataCreated)).await.unwrap();
    assert_eq!(trail.log(event("one")).await.unwrap(), first);
    let both = vec![
        AuditEvent::new(Type::DataDeleted),
        event("one"),
        event("one"),
    ];
    let records = trail.log_all(both).await.unwrap();
    let numbers: Vec<u64> = records.iter().map(AuditRecord::sequence_number).collect();
    assert_eq!(numbers, [3, 1, 1]);
    let refused = trail
        .log(AuditEvent::new(Type::LogPruned))
        .await
        .unwrap_err();
    assert!(matches!(refused, AuditError::Event { .. }));
    assert_eq!(
        trail
            .log(AuditEvent::new(Type::DataCreated))
            .await
            .unwrap()
            .sequence_number(),
        4
    );
}

// covers: AUD-03
async fn a_stale_head_is_refused_whole(store: &Arc<dyn AuditStore>) {
    let trail = trail(store, "stale");
    trail.log(AuditEvent::new(Type::DataCreated)).await.unwrap();
    let head = store.head(trail.tenant()).await.unwrap();
    let entries = store
        .get_by_sequence_range(trail.tenant(), 1, 1)
        .await
        .unwrap();
    trail.log(AuditEvent::new(Type::DataCreated)).await.unwrap();
    let mut next = entries[0].clone();
    next.seq = 2;
    next.event_id = AuditId::from_bytes([9; 16]);
    let stale = head.as_ref().unwrap();
    let error = store
        .append(trail.tenant(), head.as_ref(), stale, vec![next])
        .await
        .unwrap_err();
    assert!(
        matches!(error, AuditError::Conflict { expected: 2, .. }),
        "{error}"
    );
    assert_eq!(store.get_last_sequence(trail.tenant()).await.unwrap(), 2);
    assert!(
        trail
            .verify(VerifyOptions::default())
            .await
            .unwrap()
            .is_valid()
    );
}

// covers: AUD-07, AUD-09, AUD-18
async fn queries_mean_what_they_say(store: &Arc<dyn AuditStore>) {
    let at = |n: i64| Timestamp::from_micros(1_000_000 * n);
    let clock = Arc::new(ManualClock::new(at(10)));
    let trail = AuditTrail::new(Arc::clone(store), tenant("queries"), clock.clone());
    let events = [
        AuditEvent::new(Type::PipelineStarted)
            .by(user("user1"))
            .with_pipeline("p1")
            .with_run("r1")
            .with_action("Start")
            .with_tag("a"),
        AuditEvent::new(Type::AgentStarted)
            .by(user("user1"))
            .with_agent("w")
            .with_tag("b")
            .with_tag("c"),
        AuditEvent::new(Type::PipelineFailed)
            .by(Actor::agent(&"w".parse().unwrap()))
            .on("pipeline", "PIPE-9")
            .failed("100% broken_")
            .with_severity(AuditSeverity::Error),
    ];
    for (n, event) in (11..).zip(events) {
        clock.advance_to(at(n)).await;
        trail.log(event).await.unwrap();
    }
    let all = AuditQuery::default();
    let cases: Vec<(AuditQuery, &[u64])> = vec![
        (all.clone(), &[3, 2, 1]),
        (
            AuditQuery {
                order_desc: false,
                ..all.clone()
            },
            &[1, 2, 3],
        ),
        (
            AuditQuery {
                order_by: OrderBy::SequenceNumber,
                ..all.clone()
            },
            &[3, 2, 1],
        ),
        (
            AuditQuery {
                order_by: OrderBy::SequenceNumber,
                order_desc: false,
                offset: 1,
                ..all.clone()
            },
            &[2, 3],
        ),
        (
            AuditQuery {
                limit: 1,
                offset: 1,
                ..all.clone()
            },
            &[2],
        ),
        (
            AuditQuery {
                limit: 0,
                ..all.clone()
            },
            &[],
        ),
        (
            AuditQuery {
                limit: u32::MAX,
                offset: 3,
                ..all.clone()
            },
            &[],
        ),
        (
            AuditQuery {
                start_time: Some(at(11)),
                end_time: Some(at(12)),
                ..all.clone()
            },
            &[2, 1],
        ),
        (
            AuditQuery {
                start_time: Some(at(13)),
                ..all.clone()
            },
            &[3],
        ),
        (
            AuditQuery {
                event_types: vec![Type::AgentStarted, Type::PipelineFailed],
                ..all.clone()
            },
            &[3, 2],
        ),
        (
            AuditQuery {
                severities: vec![AuditSeverity::Error],
                ..all.clone()
            },
            &[3],
        ),
        (
            AuditQuery {
                actor_id: Some("user1".into()),
                ..all.clone()
            },
            &[2, 1],
        ),
        (
            AuditQuery {
                actor_type: Some(ActorType::Agent),
                ..all.clone()
            },
            &[3],
        ),
        (
            AuditQuery {
                pipeline_id: Some("p1".into()),
                ..all.clone()
            },
            &[1],
        ),
        (
            AuditQuery {
                run_id: Some("r1".into()),
                ..all.clone()
            },
            &[1],
        ),
        (
            AuditQuery {
                agent_name: Some("w".into()),
                ..all.clone()
            },
            &[2],
        ),
        (
            AuditQuery {
                resource_type: Some("pipeline".into()),
                ..all.clone()
            },
            &[3],
        ),
        (
            AuditQuery {
                resource_id: Some("PIPE-9".into()),
                success: Some(false),
                ..all.clone()
            },
            &[3],
        ),
        (
            AuditQuery {
                success: Some(true),
                ..all.clone()
            },
            &[2, 1],
        ),
        (
            AuditQuery {
                search_text: Some("pipe".into()),
                ..all.clone()
            },
            &[3],
        ),
        (
            AuditQuery {
                search_text: Some("% BROKEN_".into()),
                ..all.clone()
            },
            &[3],
        ),
        (
            AuditQuery {
                search_text: Some("start".into()),
                ..all.clone()
            },
            &[1],
        ),
        (
            AuditQuery {
                search_text: Some("'; --".into()),
                ..all.clone()
            },
            &[],
        ),
        (
            AuditQuery {
                tags: vec!["c".into(), "a".into()],
                ..all.clone()
            },
            &[2, 1],
        ),
    ];
    for (query, expected) in cases {
        let before = query.clone();
        let records = trail.query(&query).await.unwrap();
        let numbers: Vec<u64> = records.iter().map(AuditRecord::sequence_number).collect();
        assert_eq!(numbers, expected, "{query:?}");
        assert_eq!(query, before);
    }
}

// covers: AUD-13
async fn a_report_counts_everything(store: &Arc<dyn AuditStore>) {
    let at = |n: i64| Timestamp::from_micros(86_400_000_000 * n);
    let clock = Arc::new(ManualClock::new(at(1)));
    let trail = AuditTrail::new(Arc::clone(store), tenant("reports"), clock.clone());
    let empty = trail.generate_report(at(0), at(9), true).await.unwrap();
    assert_eq!(
        (empty.total_events, empty.chain_valid),
        (0, ChainVerdict::NotVerified)
    );
    let started = AuditEvent::new(Type::PipelineStarted).by(user("user1"));
    trail.log(started).await.unwrap();
    clock.advance_to(at(2)).await;
    trail.log_pipeline_failed("p", "r", "broke").await.unwrap();
    let refused = AuditEvent::new(Type::AuthenticationFailure).by(user("user1"));
    trail.log(refused).await.unwrap();
    let many = (0..1_200)
        .map(|_| AuditEvent::new(Type::DataCreated))
        .collect();
    trail.log_all(many).await.unwrap();
    let report = trail.generate_report(at(0), at(2), true).await.unwrap();
    assert_eq!(report.total_events, 1_203);
    assert_eq!(report.events_by_type["pipeline.started"], 1);
    assert_eq!(report.events_by_actor["user1"], 2);
    assert_eq!(report.events_by_day["1970-01-02"], 1);
    assert_eq!(report.events_by_day["1970-01-03"], 1_202);
    assert_eq!((report.total_incidents, report.total_failed), (1, 1));
    assert_eq!(report.records.len(), 1_203);
    assert_eq!(report.chain_valid, ChainVerdict::Valid);
    let part = trail.generate_report(at(2), at(2), false).await.unwrap();
    assert_eq!((part.total_events, part.records.len()), (1_202, 0));
}

// covers: AUD-05, AUD-06, AUD-32
async fn a_unit_that_is_not_committed_leaves_nothing(store: &Arc<dyn AuditStore>) {
    let trail = trail(store, "units");
    {
        let mut session = trail.session().await.unwrap();
        let mut unit = session.begin().await.unwrap();
        unit.audit(AuditEvent::new(Type::ConfigChanged));
        unit.audit_later(AuditEvent::new(Type::DataCreated))
            .await
            .unwrap_or_default();
        // Dropped: a crash before the commit.
        drop(unit);
        let mut unit = session.begin().await.unwrap();
        trail
            .append_in(&mut unit, vec![AuditEvent::new(Type::ConfigChanged)])
            .await
            .unwrap();
        drop(unit);
    }
    assert_eq!(store.head(trail.tenant()).await.unwrap(), None);
    assert_eq!(store.waiting(trail.tenant()).await.unwrap(), 0);
    let mut session = trail.session().await.unwrap();
    let mut unit = session.begin().await.unwrap();
    unit.audit(AuditEvent::new(Type::ConfigChanged));
    unit.audit(AuditEvent::new(Type::PolicyChanged));
    let records = unit.commit().await.unwrap();
    drop(session);
    assert_eq!(
        records
            .iter()
            .map(AuditRecord::sequence_number)
            .collect::<Vec<_>>(),
        [1, 2]
    );
    assert!(
        trail
            .verify(VerifyOptions::default())
            .await
            .unwrap()
            .is_valid()
    );
}

// covers: AUD-05, AUD-33
async fn what_waits_is_appended_once_and_in_order(store: &Arc<dyn AuditStore>) {
    let bulk = trail(store, "bulk").with_options(crate::audit::TrailOptions {
        max_waiting: 600,
        ..Default::default()
    });
    for n in 0..600 {
        bulk.log_later(AuditEvent::new(Type::ActionCompleted).with_action(format!("{n:04}")))
            .await
            .unwrap();
    }
    let refused = bulk
        .log_later(AuditEvent::new(Type::ActionCompleted))
        .await
        .unwrap_err();
    assert!(matches!(
        refused,
        AuditError::Backpressure { waiting: 600, .. }
    ));
    // The strict lane goes on.
    let strict = bulk
        .log(AuditEvent::new(Type::ApprovalGranted))
        .await
        .unwrap();
    assert_eq!(strict.sequence_number(), 1);
    let drains: Vec<_> = (0..4)
        .map(|_| {
            let bulk = bulk.clone();
            tokio::spawn(async move { bulk.flush().await.unwrap() })
        })
        .collect();
    let mut drained = 0;
    for drain in drains {
        drained += drain.await.unwrap();
    }
    assert_eq!(drained, 600);
    assert_eq!(store.waiting(bulk.tenant()).await.unwrap(), 0);
    let query = AuditQuery {
        event_types: vec![Type::ActionCompleted],
        limit: 1_000,
        order_by: OrderBy::SequenceNumber,
        order_desc: false,
        ..AuditQuery::default()
    };
    let actions: Vec<String> = bulk
        .query(&query)
        .await
        .unwrap()
        .iter()
        .map(|it| it.action().to_owned())
        .collect();
    assert_eq!(actions.iter().collect::<BTreeSet<_>>().len(), 600);
    assert_eq!(actions.len(), 600);
    assert!(
        bulk.verify(VerifyOptions::default())
            .await
            .unwrap()
            .is_valid()
    );
}
