//! Limits and circuits as tower layers, stacked by tower's own builder.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Poll},
};

use tower::{Service, ServiceBuilder};

use super::{bucket, clock, limiter};
use crate::ratelimit::{
    CircuitBreaker, CircuitBreakerConfig, CircuitBreakerLayer, Fault, LayerError, RateLimitConfig,
    RateLimitLayer, RateLimitStrategy,
};

/// Answers with twice the request, fails for odd ones, and never answers 0.
#[derive(Clone, Default)]
struct Doubling {
    calls: Arc<AtomicU32>,
}

/// The request was odd.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("odd")]
struct Odd;

impl Service<u32> for Doubling {
    type Response = u32;
    type Error = Odd;
    type Future = Pin<Box<dyn Future<Output = Result<u32, Odd>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Odd>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: u32) -> Self::Future {
        self.calls.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            match request {
                0 => std::future::pending().await,
                odd if odd % 2 == 1 => Err(Odd),
                even => Ok(2 * even),
            }
        })
    }
}

async fn ask<S: Service<u32>>(service: &mut S, request: u32) -> Result<S::Response, S::Error> {
    poll_fn(|cx| service.poll_ready(cx)).await?;
    service.call(request).await
}

fn breaker(failure_threshold: u32) -> Arc<CircuitBreaker> {
    let config = CircuitBreakerConfig {
        failure_threshold,
        ..CircuitBreakerConfig::default()
    };
    Arc::new(CircuitBreaker::new("search", config, Arc::new(clock())).unwrap())
}

// covers: RL-45
#[tokio::test]
async fn layers_stack_and_share_their_limits_among_clones() {
    let doubling = Doubling::default();
    let limiter = limiter(bucket(0.001, 3, RateLimitStrategy::Reject), &clock());
    let mut service = ServiceBuilder::new()
        .layer(RateLimitLayer::new(Arc::clone(&limiter)))
        .layer(CircuitBreakerLayer::new(breaker(2)))
        .service(doubling.clone());
    let mut clone = service.clone();
    assert_eq!(ask(&mut service, 2).await, Ok(4));
    assert_eq!(
        ask(&mut clone, 1).await,
        Err(LayerError::Service(LayerError::Service(Odd)))
    );
    assert_eq!(
        ask(&mut service, 1).await,
        Err(LayerError::Service(LayerError::Service(Odd)))
    );
    let refused = ask(&mut clone, 2).await.unwrap_err();
    assert!(
        matches!(refused, LayerError::Refused(_)),
        "the fourth is over the limit: {refused}"
    );
    assert_eq!(doubling.calls.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn an_open_circuit_does_not_call_the_service() {
    let doubling = Doubling::default();
    let mut service = ServiceBuilder::new()
        .layer(CircuitBreakerLayer::new(breaker(2)))
        .service(doubling.clone());
    for _ in 0..2 {
        assert_eq!(ask(&mut service, 1).await, Err(LayerError::Service(Odd)));
    }
    assert!(matches!(
        ask(&mut service, 2).await,
        Err(LayerError::Refused(_))
    ));
    assert_eq!(doubling.calls.load(Ordering::SeqCst), 2);
    let own = breaker(1);
    let mut judged = ServiceBuilder::new()
        .layer(CircuitBreakerLayer::judged(Arc::clone(&own), |_| {
            Fault::Caller
        }))
        .service(doubling);
    assert_eq!(ask(&mut judged, 1).await, Err(LayerError::Service(Odd)));
    assert!(own.is_closed() && own.get_stats().abandoned_requests == 1);
}

// covers: RL-45
#[tokio::test]
async fn a_dropped_response_gives_its_permits_back() {
    let limiter = limiter(
        RateLimitConfig {
            max_concurrent: Some(1),
            ..bucket(1000.0, 100, RateLimitStrategy::Reject)
        },
        &clock(),
    );
    let breaker = breaker(1);
    let mut service = ServiceBuilder::new()
        .layer(RateLimitLayer::new(Arc::clone(&limiter)))
        .layer(CircuitBreakerLayer::new(Arc::clone(&breaker)))
        .service(Doubling::default());
    let hanging = tokio::spawn({
        let mut service = service.clone();
        async move { ask(&mut service, 0).await }
    });
    tokio::task::yield_now().await;
    assert_eq!(limiter.get_stats().in_flight, Some(1));
    assert!(ask(&mut service, 2).await.is_err());
    hanging.abort();
    assert!(hanging.await.unwrap_err().is_cancelled());
    assert_eq!(limiter.get_stats().in_flight, Some(0));
    assert_eq!(breaker.get_stats().abandoned_requests, 1);
    assert_eq!(ask(&mut service, 2).await, Ok(4));
}
