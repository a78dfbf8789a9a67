//! One budget of two processes on a real Redis, and what is left without it.

use std::{sync::Arc, time::Duration};

use tokio::task::JoinSet;

use super::bucket;
use crate::{
    SystemClock, TenantId,
    ratelimit::{
        RateLimitConfig, RateLimitError, RateLimitStrategy, SharedLimit, SharedRateLimiter,
    },
};

fn url() -> String {
    std::env::var("LLMTEAM_TEST_REDIS_URL").unwrap_or_else(|_| "redis://127.0.0.1:6379".into())
}

fn fresh() -> TenantId {
    format!("test-{}", uuid::Uuid::now_v7()).parse().unwrap()
}

fn shared(
    url: &str,
    tenant: &TenantId,
    config: RateLimitConfig,
    instances: u32,
) -> Arc<SharedRateLimiter> {
    let limit = SharedLimit {
        tenant: tenant.clone(),
        endpoint: "search: all".into(),
        config,
        instances,
    };
    Arc::new(SharedRateLimiter::new(url, limit, Arc::new(SystemClock)).unwrap())
}

fn per_minute(limit: f64) -> RateLimitConfig {
    RateLimitConfig {
        requests_per_minute: limit,
        ..bucket(100_000.0, 1000, RateLimitStrategy::Reject)
    }
}

async fn admitted(limiters: &[Arc<SharedRateLimiter>], times: usize) -> usize {
    let mut tasks = JoinSet::new();
    for nth in 0..times {
        let limiter = Arc::clone(&limiters[nth % limiters.len()]);
        tasks.spawn(async move { limiter.acquire().await.is_ok() });
    }
    tasks.join_all().await.into_iter().filter(|ok| *ok).count()
}

async fn clean(tenant: &TenantId) {
    let mut connection = redis::Client::open(url())
        .unwrap()
        .get_multiplexed_async_connection()
        .await
        .unwrap();
    let hex: String = tenant
        .as_str()
        .bytes()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let endpoint: String = b"search: all"
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let gone: u32 = redis::cmd("DEL")
        .arg(format!("llmteam:rl:1:{hex}:{endpoint}"))
        .query_async(&mut connection)
        .await
        .unwrap();
    assert_eq!(gone, 1, "the key is the one that is documented");
}

// covers: RL-46
#[tokio::test]
async fn redis_holds_two_clients_to_one_budget_without_slack() {
    let (a, b) = (fresh(), fresh());
    let both = [
        shared(&url(), &a, per_minute(50.0), 2),
        shared(&url(), &a, per_minute(50.0), 2),
    ];
    assert_eq!(admitted(&both, 400).await, 50);
    let refused = both[0].acquire().await.unwrap_err();
    let after = refused.retry_after().unwrap();
    assert!(
        after > Duration::from_secs(55) && after <= Duration::from_secs(61),
        "{after:?}"
    );
    let other = [shared(&url(), &b, per_minute(50.0), 2)];
    assert_eq!(admitted(&other, 60).await, 50, "another tenant has its own");
    clean(&a).await;
    clean(&b).await;
}

// covers: RL-46
#[tokio::test]
async fn redis_lets_who_waits_come_at_the_rate() {
    let tenant = fresh();
    let slow = || bucket(20.0, 1, RateLimitStrategy::Wait);
    let both = [
        shared(&url(), &tenant, slow(), 1),
        shared(&url(), &tenant, slow(), 1),
    ];
    let start = std::sync::Arc::new(SystemClock);
    let began = crate::Clock::monotonic(&*start);
    assert_eq!(admitted(&both, 10).await, 10);
    let took = crate::Clock::monotonic(&*start) - began;
    assert!(
        took >= Duration::from_millis(450),
        "ten at 20 per second in {took:?}"
    );
    clean(&tenant).await;
}

// covers: RL-47
#[tokio::test]
async fn without_redis_each_process_has_its_share() {
    // Nobody listens there.
    let nowhere = "redis://127.0.0.1:1";
    let tenant = fresh();
    let both = [
        shared(nowhere, &tenant, per_minute(50.0), 2),
        shared(nowhere, &tenant, per_minute(50.0), 2),
    ];
    assert_eq!(admitted(&both[..1], 100).await, 25);
    assert!(both[0].is_on_its_own());
    assert_eq!(admitted(&both, 200).await, 25);
}

// covers: RL-47
#[tokio::test]
async fn redis_is_told_afterwards_what_was_granted_without_it() {
    let tenant = fresh();
    let both = [
        shared(&url(), &tenant, per_minute(40.0), 2),
        shared(&url(), &tenant, per_minute(40.0), 2),
    ];
    assert_eq!(admitted(&both[..1], 15).await, 15);
    both[0].lose_redis(true);
    assert_eq!(
        admitted(&both[..1], 100).await,
        5,
        "a share of 20, less the 15 before"
    );
    both[0].lose_redis(false);
    assert_eq!(admitted(&both[..1], 1).await, 1);
    assert_eq!(admitted(&both[1..], 100).await, 40 - 15 - 5 - 1);
    clean(&tenant).await;
}

#[test]
fn a_share_of_less_than_one_request_is_refused() {
    let tenant = fresh();
    let limit = |config, instances| SharedLimit {
        tenant: tenant.clone(),
        endpoint: "search".into(),
        config,
        instances,
    };
    let new = |url: &str, limit| SharedRateLimiter::new(url, limit, Arc::new(SystemClock)).err();
    for (config, instances) in [
        (per_minute(5.0), 6),
        (per_minute(5.0), 0),
        (bucket(9.0, 2, RateLimitStrategy::Wait), 3),
    ] {
        let error = new(&url(), limit(config, instances)).unwrap();
        assert!(matches!(
            error,
            RateLimitError::InvalidConfig {
                field: "instances",
                ..
            }
        ));
    }
    let secret = new("http://user:secret@host", limit(per_minute(5.0), 1)).unwrap();
    assert!(!secret.to_string().contains("secret"));
}
