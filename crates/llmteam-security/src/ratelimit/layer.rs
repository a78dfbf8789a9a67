//! Limits and circuits around a tower service.
//!
//! Invariant: the inner service is called only with a permit in hand, which is held until its response is
//! there; dropping the response future gives the permit back. The services clone cheaply and share one
//! limiter or breaker. This file does not know requests.

use std::{
    error::Error,
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tower::{Layer, Service};

use super::{
    breaker::CircuitBreaker, error::RateLimitError, executor::Fault, limiter::RateLimiter,
};

/// Why a service behind a limit or a circuit gave no response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LayerError<E> {
    /// The limiter or breaker refused; the service was not called.
    Refused(RateLimitError),
    /// The service failed.
    Service(E),
}

impl<E: fmt::Display> fmt::Display for LayerError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Service(error) => error.fmt(f),
        }
    }
}

impl<E: Error + 'static> Error for LayerError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            Self::Service(error) => Some(error),
        }
    }
}

type Response<T, E> = Pin<Box<dyn Future<Output = Result<T, LayerError<E>>> + Send>>;

/// Puts a service behind a limiter.
#[derive(Clone, Debug)]
pub struct RateLimitLayer {
    limiter: Arc<RateLimiter>,
}

impl RateLimitLayer {
    /// All services of this layer share `limiter`.
    pub fn new(limiter: Arc<RateLimiter>) -> Self {
        Self { limiter }
    }
}

impl<S> Layer<S> for RateLimitLayer {
    type Service = RateLimited<S>;

    fn layer(&self, inner: S) -> RateLimited<S> {
        let limiter = Arc::clone(&self.limiter);
        RateLimited { inner, limiter }
    }
}

/// A service whose calls are admitted by a limiter.
#[derive(Clone, Debug)]
pub struct RateLimited<S> {
    inner: S,
    limiter: Arc<RateLimiter>,
}

impl<S, R> Service<R> for RateLimited<S>
where
    S: Service<R> + Clone + Send + 'static,
    S::Future: Send,
    R: Send + 'static,
{
    type Response = S::Response;
    type Error = LayerError<S::Error>;
    type Future = Response<S::Response, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(LayerError::Service)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let mut inner = ready_one(&mut self.inner);
        let limiter = Arc::clone(&self.limiter);
        Box::pin(async move {
            let _permit = limiter.acquire().await.map_err(LayerError::Refused)?;
            inner.call(request).await.map_err(LayerError::Service)
        })
    }
}

/// Says what an error means for a circuit.
type Judge<E> = Arc<dyn Fn(&E) -> Fault + Send + Sync>;

/// Puts a service behind a circuit.
pub struct CircuitBreakerLayer<E> {
    breaker: Arc<CircuitBreaker>,
    judge: Judge<E>,
}

impl<E> CircuitBreakerLayer<E> {
    /// All services of this layer share `breaker`; every error is a failure of the service.
    pub fn new(breaker: Arc<CircuitBreaker>) -> Self {
        Self::judged(breaker, |_| Fault::Remote)
    }

    /// As [`Self::new`], where `judge` tells the service's failures from the caller's.
    pub fn judged(
        breaker: Arc<CircuitBreaker>,
        judge: impl Fn(&E) -> Fault + Send + Sync + 'static,
    ) -> Self {
        let judge = Arc::new(judge);
        Self { breaker, judge }
    }
}

impl<E> Clone for CircuitBreakerLayer<E> {
    fn clone(&self) -> Self {
        Self {
            breaker: Arc::clone(&self.breaker),
            judge: Arc::clone(&self.judge),
        }
    }
}

impl<E> fmt::Debug for CircuitBreakerLayer<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CircuitBreakerLayer")
            .field(&self.breaker)
            .finish()
    }
}

impl<S, E> Layer<S> for CircuitBreakerLayer<E> {
    type Service = CircuitBroken<S, E>;

    fn layer(&self, inner: S) -> CircuitBroken<S, E> {
        let layer = self.clone();
        CircuitBroken { inner, layer }
    }
}

/// A service that is not called while its circuit is open.
#[derive(Debug)]
pub struct CircuitBroken<S, E> {
    inner: S,
    layer: CircuitBreakerLayer<E>,
}

impl<S: Clone, E> Clone for CircuitBroken<S, E> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            layer: self.layer.clone(),
        }
    }
}

impl<S, R> Service<R> for CircuitBroken<S, S::Error>
where
    S: Service<R> + Clone + Send + 'static,
    S::Future: Send,
    S::Response: Send,
    S::Error: Send + 'static,
    R: Send + 'static,
{
    type Response = S::Response;
    type Error = LayerError<S::Error>;
    type Future = Response<S::Response, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(LayerError::Service)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let mut inner = ready_one(&mut self.inner);
        let CircuitBreakerLayer { breaker, judge } = self.layer.clone();
        Box::pin(async move {
            let permit = breaker.allow_request_owned().map_err(LayerError::Refused)?;
            let outcome = inner.call(request).await;
            match &outcome {
                Ok(_) => permit.record_success(),
                Err(error) if judge(error) == Fault::Caller => drop(permit),
                Err(_) => permit.record_failure(),
            }
            outcome.map_err(LayerError::Service)
        })
    }
}

/// The service that was polled ready, leaving a clone of it that has to be polled anew.
fn ready_one<S: Clone>(inner: &mut S) -> S {
    let clone = inner.clone();
    std::mem::replace(inner, clone)
}
