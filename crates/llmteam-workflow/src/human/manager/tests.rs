//! Asking, answering, waiting, and what the audit log hears of it.

use super::*;
use crate::human::{FiredEffect, HumanOutcome, MemoryInteractionStore, escalation::Fired};
use llmteam_security::audit::{AuditQuery, AuditTrails, MemoryAuditStore, OrderBy};
use llmteam_security::clock::ManualClock;

struct Desk {
    manager: HumanInteractionManager,
    clock: ManualClock,
    tenant: TenantId,
}

impl Desk {
    fn new() -> Self {
        Self::over(MemoryInteractionStore::default())
    }

    fn over(store: MemoryInteractionStore) -> Self {
        let clock = ManualClock::new(Timestamp::from_micros(0));
        let store = Arc::new(store);
        let manager = HumanInteractionManager::new(store, Arc::new(clock.clone()));
        Self {
            manager,
            clock,
            tenant: "t".parse().unwrap(),
        }
    }

    async fn ask(&self, chain: &[&str], timeout: u64) -> InteractionRequest {
        let (run, segment, step) = (
            "r".parse().unwrap(),
            "s".parse().unwrap(),
            "ask".parse().unwrap(),
        );
        let new = NewInteraction {
            timeout: Duration::from_secs(timeout),
            escalation_chain: chain.iter().map(|it| it.parse().unwrap()).collect(),
            ..NewInteraction::new(
                self.tenant.clone(),
                run,
                segment,
                step,
                InteractionType::Approval,
            )
        };
        self.manager.request(new).await.unwrap()
    }

    fn wait(&self, id: &RequestId, limit: Option<u64>) -> tokio::task::JoinHandle<Waited> {
        let (manager, tenant, id) = (self.manager.clone(), self.tenant.clone(), id.clone());
        let limit = limit.map(Duration::from_secs);
        tokio::spawn(async move {
            manager
                .wait_for_response(&tenant, &id, limit)
                .await
                .unwrap()
        })
    }
}

#[tokio::test]
async fn who_did_what_and_who_was_refused_is_recorded() {
    let store = Arc::new(MemoryAuditStore::new().unwrap());
    let clock = Arc::new(ManualClock::new(Timestamp::from_micros(0)));
    let trails = AuditTrails::new(store, clock);
    let desk = Desk::over(MemoryInteractionStore::default().audited(trails.clone()));
    let request = desk.ask(&[], 3600).await;
    let id = &request.request_id;
    let (tenant, local) = (&desk.tenant, Principal::local());
    let stranger = Principal::new("eve".parse().unwrap());
    let yes = Answer {
        approved: Some(true),
        ..Answer::default()
    };
    desk.manager.claim(tenant, id, &local).await.unwrap();
    desk.manager.unclaim(tenant, id, &local).await.unwrap();
    let refused = desk.manager.respond(tenant, id, &stranger, yes.clone());
    refused.await.unwrap_err();
    let answered = desk.manager.respond(tenant, id, &local, yes);
    answered.await.unwrap();
    let query = AuditQuery {
        order_by: OrderBy::SequenceNumber,
        order_desc: false,
        ..AuditQuery::default()
    };
    let records = trails.of(tenant).query(&query).await.unwrap();
    let said: Vec<(&str, &str, &str)> = records
        .iter()
        .map(|it| (it.event_type().as_str(), it.action(), it.actor_id()))
        .collect();
    assert_eq!(
        said,
        [
            ("interaction.claimed", "claim", "local"),
            ("interaction.claimed", "release", "local"),
            ("security.access_denied", "access_denied", "eve"),
            ("approval.granted", "answer", "local"),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_ends_leaves_the_request_open_and_all_waiters_hear_the_answer() {
    // covers: workflow H-9, workflow H-10, workflow H-11
    let desk = Desk::new();
    let request = desk.ask(&[], 3600).await;
    let id = &request.request_id;
    let (short, long, endless) = (
        desk.wait(id, Some(1)),
        desk.wait(id, Some(60)),
        desk.wait(id, None),
    );
    assert_eq!(desk.wait(id, Some(0)).await.unwrap(), Waited::StillOpen);
    assert_eq!(
        desk.wait(&"req_x".parse().unwrap(), None).await.unwrap(),
        Waited::NotFound
    );
    desk.clock.advance(Duration::from_secs(1)).await;
    assert_eq!(short.await.unwrap(), Waited::StillOpen);
    assert_eq!(desk.manager.get(&desk.tenant, id).await.unwrap(), request);
    let yes = Answer {
        approved: Some(true),
        ..Answer::default()
    };
    let response = desk
        .manager
        .respond(&desk.tenant, id, &Principal::local(), yes)
        .await
        .unwrap();
    for waiting in [long, endless] {
        assert_eq!(
            waiting.await.unwrap(),
            Waited::Responded(Box::new(response.clone()))
        );
    }
}

#[tokio::test(start_paused = true)]
async fn deadlines_are_kept_while_nobody_waits() {
    // covers: H-05, workflow H-20
    let desk = Desk::new();
    let keeper = desk.manager.clone();
    let keeping = tokio::spawn(async move { keeper.keep_deadlines().await });
    desk.clock.settle().await;
    assert_eq!(
        desk.clock.next_wake(),
        None,
        "nothing to wait for while nothing is asked"
    );
    let request = desk.ask(&["lead"], 100).await;
    desk.clock.settle().await;
    assert_eq!(
        desk.clock.next_wake(),
        Some(Timestamp::from_micros(100_000_000))
    );
    desk.clock.advance(Duration::from_secs(1000)).await;
    let told = desk.manager.poll(&desk.tenant, &request.run).await.unwrap();
    assert!(matches!(
        told[0].outcome,
        HumanOutcome::Escalated { level: 1, .. }
    ));
    assert!(matches!(told[1].outcome, HumanOutcome::TimedOut { .. }));
    assert_eq!(
        [told[0].at, told[1].at].map(|at| at.as_micros() / 1_000_000),
        [100, 200]
    );
    assert_eq!(desk.clock.next_wake(), None);
    keeping.abort();
}

#[tokio::test(start_paused = true)]
async fn timers_of_one_instant_fire_in_the_order_of_asking() {
    let desk = Desk::new();
    let mut asked = Vec::new();
    for n in 0..20 {
        let (run, segment, step) = (
            "r".parse().unwrap(),
            "s".parse().unwrap(),
            "ask".parse().unwrap(),
        );
        let new = NewInteraction {
            dedup_key: n.to_string(),
            ..NewInteraction::new(
                desk.tenant.clone(),
                run,
                segment,
                step,
                InteractionType::Approval,
            )
        };
        asked.push(desk.manager.request(new).await.unwrap().request_id);
    }
    let due = asked.len();
    desk.clock.advance(Duration::from_secs(24 * 60 * 60)).await;
    let fired: Vec<Fired> = desk
        .manager
        .process_due(desk.clock.now(), due)
        .await
        .unwrap();
    assert!(fired.iter().all(|it| it.effect == FiredEffect::TimedOut));
    assert_eq!(
        fired
            .into_iter()
            .map(|it| it.request_id)
            .collect::<Vec<_>>(),
        asked
    );
}
