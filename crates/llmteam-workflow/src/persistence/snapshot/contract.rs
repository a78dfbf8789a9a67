//! What every snapshot store keeps to.

use std::num::NonZeroUsize;

use llmteam_security::clock::Timestamp;
use serde_json::json;

use super::*;

fn snapshot(run: &str, id: &str) -> PipelineSnapshot {
    let mut snapshot = PipelineSnapshot::new(
        id,
        "draft",
        "1.0",
        run.parse().unwrap(),
        "acme".parse().unwrap(),
        Timestamp::from_micros(1_000_000),
    );
    snapshot.phase = PipelinePhase::Running;
    snapshot
}

/// Every field differs from its default.
fn full() -> PipelineSnapshot {
    let agent = AgentSnapshot {
        agent_name: "writer".to_owned(),
        state: serde_json::from_value(json!({"draft": 2})).unwrap(),
        context: serde_json::from_value(json!({"brief": "é"})).unwrap(),
        messages: vec![serde_json::from_value(json!({"role": "user"})).unwrap()],
        completed_steps: vec!["outline".to_owned()],
        current_step: "write".to_owned(),
        tokens_used: 12,
        execution_time_ms: 34,
    };
    PipelineSnapshot {
        snapshot_type: SnapshotType::Pause,
        phase: PipelinePhase::Paused,
        global_state: serde_json::from_value(
            json!({"n": 0.1, "big": 1e300, "list": [1, null, "\u{2028}"], "é": {"a": -1}}),
        )
        .unwrap(),
        agent_snapshots: [("writer".to_owned(), agent)].into(),
        completed_steps: vec!["a".to_owned()],
        next_steps: vec!["b".to_owned()],
        current_step: "b".to_owned(),
        pending_actions: vec!["act_1".to_owned()],
        pending_approvals: vec!["req_1".to_owned()],
        started_at: Some(Timestamp::from_micros(5)),
        paused_at: Some(Timestamp::from_micros(6)),
        total_tokens: 1,
        total_actions: 2,
        total_approvals: 3,
        definition_hash: Some("0f".repeat(32)),
        fencing_token: Some(7),
        phase_before_pause: Some(PipelinePhase::WaitingHuman),
        ..snapshot("run_1", "snap_1")
    }
}

async fn check<S: SnapshotStore>(open: impl AsyncFn() -> S) {
    what_is_saved_is_loaded(&open().await).await;
    snapshots_of_a_run_are_numbered(&open().await).await;
    a_checksum_is_compared_and_never_replaced(&open().await).await;
    saving_again_replaces_in_place(&open().await).await;
    a_snapshot_is_consumed_once(&open().await).await;
    a_past_owner_saves_nothing(&open().await).await;
    tenants_see_nothing_of_each_other(&open().await).await;
    snapshots_are_listed_newest_first(&open().await).await;
    what_cannot_be_kept_is_refused(&open().await).await;
}

async fn what_is_saved_is_loaded(store: &dyn SnapshotStore) {
    let saved = store.save(full()).await.unwrap();
    assert_eq!(
        saved,
        PipelineSnapshot {
            seq: 1,
            checksum: saved.checksum.clone(),
            ..full()
        }
    );
    assert_eq!(saved.checksum.len(), 64);
    saved.verify().unwrap();
    let (tenant, run) = (&saved.tenant_id, &saved.run_id);
    assert_eq!(
        store.load(tenant, "snap_1").await.unwrap().as_ref(),
        Some(&saved)
    );
    assert_eq!(
        store.load_latest(tenant, run).await.unwrap().as_ref(),
        Some(&saved)
    );
    assert_eq!(
        store
            .load_latest_intact(tenant, run)
            .await
            .unwrap()
            .as_ref(),
        Some(&saved)
    );
    assert_eq!(store.load(tenant, "snap_2").await.unwrap(), None);
    assert_eq!(
        store
            .load_latest(tenant, &"run_2".parse().unwrap())
            .await
            .unwrap(),
        None
    );
    assert!(store.delete(tenant, "snap_1").await.unwrap());
    assert!(!store.delete(tenant, "snap_1").await.unwrap());
    assert_eq!(store.load(tenant, "snap_1").await.unwrap(), None);
}

async fn snapshots_of_a_run_are_numbered(store: &dyn SnapshotStore) {
    for nth in 1..=3u64 {
        let mut new = snapshot("run_1", &format!("snap_{nth}"));
        new.global_state.insert("nth".to_owned(), json!(nth));
        assert_eq!(store.save(new).await.unwrap().seq, nth);
    }
    let other = store.save(snapshot("run_2", "snap_9")).await.unwrap();
    assert_eq!(other.seq, 1);
    let latest = store
        .load_latest(&other.tenant_id, &"run_1".parse().unwrap())
        .await
        .unwrap()
        .unwrap();
    assert_eq!((latest.seq, &latest.global_state["nth"]), (3, &json!(3)));
}

async fn a_checksum_is_compared_and_never_replaced(store: &dyn SnapshotStore) {
    let sealed = PipelineSnapshot {
        seq: 4,
        ..snapshot("run_1", "snap_1")
    }
    .seal()
    .unwrap();
    let mut changed = sealed.clone();
    changed.pending_approvals.push("req_1".to_owned());
    let refused = store.save(changed).await.unwrap_err();
    assert!(matches!(refused, SnapshotError::IntegrityFailed { .. }));
    assert_eq!(store.load(&sealed.tenant_id, "snap_1").await.unwrap(), None);
    assert_eq!(store.save(sealed.clone()).await.unwrap(), sealed);
    assert_eq!(
        store.load(&sealed.tenant_id, "snap_1").await.unwrap(),
        Some(sealed)
    );
    // Its place is taken now.
    let second = PipelineSnapshot {
        seq: 4,
        ..snapshot("run_1", "snap_2")
    }
    .seal()
    .unwrap();
    assert_eq!(
        store.save(second).await.unwrap_err(),
        SnapshotError::Conflict("snap_2".to_owned())
    );
    assert_eq!(
        store.save(snapshot("run_1", "snap_3")).await.unwrap().seq,
        5
    );
}

async fn saving_again_replaces_in_place(store: &dyn SnapshotStore) {
    let first = store.save(snapshot("run_1", "snap_1")).await.unwrap();
    store.save(snapshot("run_1", "snap_2")).await.unwrap();
    let again = PipelineSnapshot {
        checksum: String::new(),
        total_tokens: 9,
        ..first.clone()
    };
    let again = store.save(again).await.unwrap();
    assert_eq!((again.seq, again.total_tokens), (1, 9));
    assert_ne!(again.checksum, first.checksum);
    let tenant = &first.tenant_id;
    assert_eq!(
        store
            .list(tenant, SnapshotFilter::default())
            .await
            .unwrap()
            .len(),
        2
    );
    let latest = store
        .load_latest(tenant, &first.run_id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(latest.snapshot_id, "snap_2");
    let stolen = store.save(snapshot("run_2", "snap_1")).await.unwrap_err();
    assert_eq!(stolen, SnapshotError::Conflict("snap_1".to_owned()));
}

async fn a_snapshot_is_consumed_once(store: &dyn SnapshotStore) {
    let saved = store.save(full()).await.unwrap();
    let tries = (0..8).map(|_| store.consume(&saved.tenant_id, "snap_1"));
    let won = futures_util::future::join_all(tries).await;
    assert_eq!(won.into_iter().filter(|it| *it == Ok(true)).count(), 1);
    assert_eq!(store.consume(&saved.tenant_id, "snap_9").await, Ok(false));
    let info = store
        .list(&saved.tenant_id, SnapshotFilter::default())
        .await
        .unwrap();
    assert!(info[0].consumed);
    // It is still there to be looked at, and does not change any more.
    assert_eq!(
        store
            .load(&saved.tenant_id, "snap_1")
            .await
            .unwrap()
            .as_ref(),
        Some(&saved)
    );
    assert_eq!(
        store.save(saved).await.unwrap_err(),
        SnapshotError::Consumed("snap_1".to_owned())
    );
}

async fn a_past_owner_saves_nothing(store: &dyn SnapshotStore) {
    let of = |epoch, id| PipelineSnapshot {
        fencing_token: epoch,
        ..snapshot("run_1", id)
    };
    store.save(of(Some(2), "snap_1")).await.unwrap();
    let refused = store.save(of(Some(1), "snap_2")).await.unwrap_err();
    assert_eq!(
        refused,
        SnapshotError::Fenced {
            run: "run_1".parse().unwrap(),
            token: 1
        }
    );
    store.save(of(Some(2), "snap_3")).await.unwrap();
    store.save(of(None, "snap_4")).await.unwrap();
    store.save(of(Some(3), "snap_5")).await.unwrap();
    let other = PipelineSnapshot {
        fencing_token: Some(1),
        ..snapshot("run_2", "snap_6")
    };
    store.save(other).await.unwrap();
}

async fn tenants_see_nothing_of_each_other(store: &dyn SnapshotStore) {
    let ours = store.save(full()).await.unwrap();
    let other = "acm".parse().unwrap();
    assert_eq!(store.load(&other, "snap_1").await.unwrap(), None);
    assert_eq!(store.load_latest(&other, &ours.run_id).await.unwrap(), None);
    assert_eq!(
        store.list(&other, SnapshotFilter::default()).await.unwrap(),
        []
    );
    assert_eq!(store.consume(&other, "snap_1").await, Ok(false));
    assert_eq!(store.delete(&other, "snap_1").await, Ok(false));
    let theirs = PipelineSnapshot {
        tenant_id: other.clone(),
        fencing_token: Some(1),
        ..full()
    };
    assert_eq!(store.save(theirs).await.unwrap().seq, 1);
    assert_eq!(
        store.load(&ours.tenant_id, "snap_1").await.unwrap(),
        Some(ours)
    );
}

async fn snapshots_are_listed_newest_first(store: &dyn SnapshotStore) {
    for (at, (run, pipeline)) in [("run_1", "draft"), ("run_2", "review"), ("run_1", "draft")]
        .into_iter()
        .enumerate()
    {
        let created_at = Timestamp::from_micros([10, 30, 20][at]);
        let id = format!("snap_{at}");
        let new = PipelineSnapshot {
            created_at,
            pipeline_id: pipeline.to_owned(),
            ..snapshot(run, &id)
        };
        store.save(new).await.unwrap();
    }
    let all = SnapshotFilter::default();
    let cases = [
        (all.clone(), "120"),
        (
            SnapshotFilter {
                limit: 2,
                ..all.clone()
            },
            "12",
        ),
        (
            SnapshotFilter {
                limit: 0,
                ..all.clone()
            },
            "",
        ),
        (
            SnapshotFilter {
                run: Some("run_1".parse().unwrap()),
                ..all.clone()
            },
            "20",
        ),
        (
            SnapshotFilter {
                pipeline: Some("review".to_owned()),
                ..all.clone()
            },
            "1",
        ),
        (
            SnapshotFilter {
                pipeline: Some("review".to_owned()),
                run: Some("run_1".parse().unwrap()),
                ..all
            },
            "",
        ),
    ];
    let tenant = "acme".parse().unwrap();
    for (filter, expected) in cases {
        let infos = store.list(&tenant, filter.clone()).await.unwrap();
        let found: String = infos.iter().map(|it| &it.snapshot_id[5..]).collect();
        assert_eq!(found, expected, "{filter:?}");
        for info in infos {
            let loaded = store
                .load(&tenant, &info.snapshot_id)
                .await
                .unwrap()
                .unwrap();
            assert_eq!(info, SnapshotInfo::of(&loaded, info.size, false));
        }
    }
}

async fn what_cannot_be_kept_is_refused(store: &dyn SnapshotStore) {
    let mut large = snapshot("run_1", "snap_1");
    large
        .global_state
        .insert("text".to_owned(), json!("x".repeat(16 * 1024 * 1024)));
    assert!(matches!(
        store.save(large).await,
        Err(SnapshotError::TooLarge { .. })
    ));
    for id in [String::new(), "x".repeat(129)] {
        let refused = store.save(snapshot("run_1", &id)).await;
        assert!(
            matches!(refused, Err(SnapshotError::Unwritable(_))),
            "{refused:?}"
        );
    }
    let newer = PipelineSnapshot {
        snapshot_version: "3.0".to_owned(),
        ..snapshot("run_1", "snap_1")
    };
    assert!(matches!(
        store.save(newer).await,
        Err(SnapshotError::UnsupportedVersion { .. })
    ));
    assert_eq!(
        store
            .list(&"acme".parse().unwrap(), SnapshotFilter::default())
            .await
            .unwrap(),
        []
    );
}

#[tokio::test]
async fn memory_keeps_the_contract() {
    check(async || MemorySnapshotStore::default()).await;
}

/// Every field is under the checksum: each change of one is found.
#[test]
fn the_checksum_covers_every_field() {
    let sealed = full().seal().unwrap();
    let fields = serde_json::to_value(&sealed).unwrap();
    let fields = fields.as_object().unwrap();
    assert_eq!(fields.len(), 26);
    for (name, value) in fields {
        let mut changed = fields.clone();
        let other = match value {
            serde_json::Value::String(text) => match name.as_str() {
                "snapshot_type" => json!("manual"),
                "phase" | "phase_before_pause" => json!("failed"),
                "created_at" | "started_at" | "paused_at" => json!("2020-01-01T00:00:00.000000Z"),
                _ => json!(format!("{text}x")),
            },
            serde_json::Value::Number(number) => json!(number.as_u64().unwrap() + 1),
            serde_json::Value::Array(_) => json!(["other"]),
            _ => json!({}),
        };
        changed.insert(name.clone(), other);
        let text = serde_json::to_string(&changed).unwrap();
        let read = PipelineSnapshot::from_text("snap_1", &text);
        let expected = if name == "snapshot_version" {
            matches!(read, Err(SnapshotError::UnsupportedVersion { .. }))
        } else {
            matches!(read, Err(SnapshotError::IntegrityFailed { .. }))
        };
        assert!(expected, "{name}: {read:?}");
    }
    let mut more = fields.clone();
    more.insert("added".to_owned(), json!(1));
    let read = PipelineSnapshot::from_text("snap_1", &serde_json::to_string(&more).unwrap());
    assert!(
        matches!(read, Err(SnapshotError::IntegrityFailed { .. })),
        "{read:?}"
    );
    assert!(
        PipelineSnapshot::from_text("snap_2", &serde_json::to_string(fields).unwrap()).is_err()
    );
    assert_eq!(
        PipelineSnapshot::from_text("snap_1", &serde_json::to_string(fields).unwrap()),
        Ok(sealed)
    );
}

/// Computed apart from this crate, with Python: sorted keys, no blanks, hashlib.
#[test]
fn the_checksum_is_sha_256_of_canonical_json() {
    let sealed = PipelineSnapshot {
        seq: 1,
        ..snapshot("run_1", "snap_1")
    }
    .seal()
    .unwrap();
    assert_eq!(
        sealed.checksum,
        "6e9ecf2b11cc8cf609a386b8cda4046ce6037b253f7e916147e9f89609a860bb"
    );
}

#[tokio::test]
async fn a_full_memory_drops_only_what_nobody_needs() {
    let store = MemorySnapshotStore::with_capacity(NonZeroUsize::new(3).unwrap());
    let ids = async || {
        let infos = store
            .list(&"acme".parse().unwrap(), SnapshotFilter::default())
            .await
            .unwrap();
        let mut ids: Vec<String> = infos.into_iter().map(|it| it.snapshot_id).collect();
        ids.sort();
        ids.join(" ")
    };
    let pause = |run, id| PipelineSnapshot {
        snapshot_type: SnapshotType::Pause,
        ..snapshot(run, id)
    };
    store.save(pause("run_1", "a")).await.unwrap();
    store.save(snapshot("run_1", "b")).await.unwrap();
    store.save(snapshot("run_1", "c")).await.unwrap();
    // `a` is a pause nobody has resumed, `c` the newest of a run that goes on.
    store.save(snapshot("run_2", "d")).await.unwrap();
    assert_eq!(ids().await, "a c d");
    assert_eq!(
        store.save(snapshot("run_3", "e")).await.unwrap_err(),
        SnapshotError::StoreFull(3)
    );
    // What is there already needs no room.
    store.save(snapshot("run_2", "d")).await.unwrap();
    store.consume(&"acme".parse().unwrap(), "a").await.unwrap();
    let ended = PipelineSnapshot {
        phase: PipelinePhase::Completed,
        ..snapshot("run_3", "e")
    };
    store.save(ended).await.unwrap();
    assert_eq!(ids().await, "c d e");
    store.save(snapshot("run_4", "f")).await.unwrap();
    assert_eq!(ids().await, "c d f");
}

#[cfg(feature = "sqlite")]
mod sqlite {
    use llmteam_security::sql::SqliteDatabase;
    use sqlx::AssertSqlSafe;

    use super::*;

    async fn change(database: &SqliteDatabase, sql: &str) {
        let mut writer = database.writer().await;
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
            .execute(&mut *writer)
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn sqlite_keeps_the_contract() {
        check(async || {
            let database = SqliteDatabase::memory().await.unwrap();
            SqliteSnapshotStore::open(database).await.unwrap()
        })
        .await;
    }

    #[tokio::test]
    async fn a_saved_snapshot_outlives_its_process() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("s.db");
        let open = async || {
            SqliteSnapshotStore::open(SqliteDatabase::open(&path).await.unwrap())
                .await
                .unwrap()
        };
        let saved = open().await.save(full()).await.unwrap();
        let (here, there) = (open().await, open().await);
        assert_eq!(
            here.load(&saved.tenant_id, "snap_1").await.unwrap(),
            Some(saved.clone())
        );
        assert_eq!(here.consume(&saved.tenant_id, "snap_1").await, Ok(true));
        assert_eq!(there.consume(&saved.tenant_id, "snap_1").await, Ok(false));
    }

    #[tokio::test]
    async fn a_damaged_snapshot_is_never_an_absent_one() {
        let database = SqliteDatabase::memory().await.unwrap();
        let store = SqliteSnapshotStore::open(database.clone()).await.unwrap();
        let good = store.save(snapshot("run_1", "snap_1")).await.unwrap();
        store.save(snapshot("run_1", "snap_2")).await.unwrap();
        let tenant = &good.tenant_id;
        for damage in [
            r#"UPDATE pipeline_snapshots SET data = replace(data, '"total_tokens":0', '"total_tokens":1') WHERE seq = 2"#,
            "UPDATE pipeline_snapshots SET data = substr(data, 1, 100) WHERE seq = 2",
            "UPDATE pipeline_snapshots SET data = '[]' WHERE seq = 2",
            "UPDATE pipeline_snapshots SET data = (SELECT data FROM pipeline_snapshots WHERE seq = 1) WHERE seq = 2",
        ] {
            change(&database, damage).await;
            for read in [
                store.load(tenant, "snap_2").await,
                store.load_latest(tenant, &good.run_id).await,
            ] {
                assert!(
                    matches!(read, Err(SnapshotError::IntegrityFailed { .. })),
                    "{damage}: {read:?}"
                );
            }
            // The list still names it, and the one before it is offered on request.
            assert_eq!(
                store
                    .list(tenant, SnapshotFilter::default())
                    .await
                    .unwrap()
                    .len(),
                2
            );
            let intact = store
                .load_latest_intact(tenant, &good.run_id)
                .await
                .unwrap();
            assert_eq!(intact.as_ref(), Some(&good));
        }
        change(&database, "UPDATE pipeline_snapshots SET tenant_id = 'acm'").await;
        let moved = store.load(&"acm".parse().unwrap(), "snap_1").await;
        assert!(
            matches!(moved, Err(SnapshotError::IntegrityFailed { .. })),
            "{moved:?}"
        );
    }

    #[tokio::test]
    async fn a_newer_envelope_is_refused_before_it_is_judged() {
        let database = SqliteDatabase::memory().await.unwrap();
        let store = SqliteSnapshotStore::open(database.clone()).await.unwrap();
        let saved = store.save(snapshot("run_1", "snap_1")).await.unwrap();
        change(
            &database,
            r#"UPDATE pipeline_snapshots SET data = replace(data, '"2.0"', '"9.0"')"#,
        )
        .await;
        let read = store.load(&saved.tenant_id, "snap_1").await;
        assert!(
            matches!(read, Err(SnapshotError::UnsupportedVersion { version, .. }) if version == "9.0")
        );
    }
}
