//! Limits of tenants: apart from one another, below one cap, in a bounded registry.

use std::{sync::Arc, time::Duration};

use futures_util::FutureExt;
use proptest::prelude::*;

use super::{bucket, clock};
use crate::{
    TenantId,
    ratelimit::{
        KeyedRateLimitConfig, KeyedRateLimiter, RateLimitConfig, RateLimitError, RateLimitStrategy,
    },
};

fn tenant(name: &str) -> TenantId {
    name.parse().unwrap()
}

fn keyed(own: u32, together: Option<u32>) -> KeyedRateLimiter {
    let of = |burst| bucket(1.0 / 3600.0, burst, RateLimitStrategy::Reject);
    let config = KeyedRateLimitConfig {
        tenant: of(own),
        endpoint: together.map(of),
        endpoints_per_tenant: 2,
        tenants: 3,
    };
    KeyedRateLimiter::new(config, Arc::new(clock())).unwrap()
}

// covers: RL-20
#[tokio::test]
async fn one_tenant_never_uses_up_anothers_budget() {
    let limiter = keyed(3, None);
    let (a, b) = (tenant("a"), tenant("b"));
    for _ in 0..10 {
        let _ = limiter.acquire(&a, "search").await;
    }
    assert!(limiter.acquire(&a, "search").await.is_err());
    for _ in 0..3 {
        limiter.acquire(&b, "search").await.unwrap().release();
    }
    limiter.acquire(&a, "mail").await.unwrap().release();
}

// covers: RL-20
#[tokio::test]
async fn all_tenants_share_the_endpoints_cap_and_refusals_are_charged_to_nobody() {
    let limiter = keyed(3, Some(4));
    let (a, b) = (tenant("a"), tenant("b"));
    for _ in 0..5 {
        let _ = limiter.acquire(&a, "search").await;
    }
    limiter.acquire(&b, "search").await.unwrap().release();
    assert!(limiter.acquire(&b, "search").await.is_err(), "4 in all");
    let own = limiter.limiter(&b, "search").unwrap();
    assert!(own.is_limited());
    assert_eq!(
        (own.get_stats().successful_requests, own.available_tokens()),
        (1, 2)
    );
    assert!(own.get_retry_after().unwrap() > Duration::from_secs(3000));
    limiter.acquire(&b, "mail").await.unwrap().release();
}

// covers: RL-20
#[test]
fn who_waits_for_its_own_budget_holds_up_nobody_else() {
    let endpoint = RateLimitConfig {
        max_concurrent: Some(1),
        ..bucket(1e9, 100, RateLimitStrategy::Reject)
    };
    let config = KeyedRateLimitConfig {
        tenant: bucket(1.0, 1, RateLimitStrategy::Wait),
        endpoint: Some(endpoint),
        endpoints_per_tenant: 2,
        tenants: 3,
    };
    let limiter = KeyedRateLimiter::new(config, Arc::new(clock())).unwrap();
    let (a, b) = (tenant("a"), tenant("b"));
    let first = limiter.acquire(&a, "search").now_or_never();
    first.expect("a has a token").unwrap().release();
    let mut waiting = Box::pin(limiter.acquire(&a, "search"));
    assert!(waiting.as_mut().now_or_never().is_none(), "a has to wait");
    let other = limiter.acquire(&b, "search").now_or_never();
    other
        .expect("the slot is free while a waits")
        .unwrap()
        .release();
}

// covers: RL-44
#[tokio::test]
async fn the_registry_is_bounded_for_each_tenant_and_in_all() {
    let limiter = keyed(9, Some(9));
    let a = tenant("a");
    for endpoint in ["1", "2"] {
        limiter.acquire(&a, endpoint).await.unwrap().release();
    }
    let too_many = limiter.acquire(&a, "3").await.unwrap_err();
    assert_eq!(
        too_many,
        RateLimitError::TooManyEndpoints {
            name: "3".into(),
            maximum: 2
        }
    );
    limiter.acquire(&tenant("b"), "3").await.unwrap().release();
    limiter.acquire(&tenant("c"), "3").await.unwrap().release();
    assert!(limiter.acquire(&tenant("d"), "3").await.is_err());
    limiter.forget(&a);
    limiter.acquire(&tenant("d"), "3").await.unwrap().release();
    assert!(limiter.acquire(&tenant("d"), "").await.is_err());
}

proptest! {
    // covers: RL-20
    #[test]
    fn below_the_cap_each_tenant_gets_what_it_would_get_alone(asks in prop::collection::vec(0..3_usize, 1..40)) {
        let together = keyed(5, Some(15));
        let tenants = ["a", "b", "c"].map(tenant);
        let mut alone = [5_u32; 3];
        for asking in asks {
            let granted = together.limiter(&tenants[asking], "search").unwrap().try_acquire().is_ok();
            prop_assert_eq!(granted, alone[asking] > 0);
            alone[asking] = alone[asking].saturating_sub(1);
        }
    }
}
