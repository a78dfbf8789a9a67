//! Calls by name of an endpoint, kept within its limits, stopped by its circuit, repeated where that is safe.
//!
//! Invariant: no call goes out without its endpoint's limiter and breaker; a name that was never registered
//! has the default limits, or is refused, and is never unlimited; the registry is bounded.
//! This file does not know what a call does.

mod attempts;
mod call;
mod endpoint;
mod jitter;
mod result;

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    future::{Future, ready},
    sync::{Arc, RwLock},
};

use self::{attempts::Attempts, endpoint::Endpoint};
pub use self::{
    call::{Call, Fault},
    endpoint::{EndpointHealth, EndpointStats},
    jitter::{Jitter, NoJitter, SystemJitter},
    result::{ExecutionError, ExecutionResult, Served},
};
use super::{
    breaker::CircuitBreaker,
    config::{CircuitBreakerConfig, RateLimitConfig},
    error::{RateLimitError, checked_name},
    limiter::RateLimiter,
    sync::PoisonError,
    ticks::Ticks,
};
use crate::clock::Clock;

/// What an executor is told.
#[derive(Clone, Debug)]
pub struct ExecutorConfig {
    /// Limits of a name that was not registered.
    pub default_rate: RateLimitConfig,
    /// Its circuit, if it gets one.
    pub default_circuit: Option<CircuitBreakerConfig>,
    /// Refuse names that were not registered.
    pub strict: bool,
    /// Most endpoints, registered or not.
    pub max_endpoints: usize,
    /// Where the randomness of delays comes from.
    pub jitter: Arc<dyn Jitter>,
}

impl Default for ExecutorConfig {
    fn default() -> Self {
        Self {
            default_rate: RateLimitConfig::default(),
            default_circuit: None,
            strict: false,
            max_endpoints: 1000,
            jitter: Arc::new(SystemJitter),
        }
    }
}

/// Executes calls by name of an endpoint. Share it by `Arc`.
pub struct RateLimitedExecutor {
    config: ExecutorConfig,
    clock: Arc<dyn Clock>,
    ticks: Ticks,
    endpoints: RwLock<HashMap<Arc<str>, Arc<Endpoint>>>,
}

impl RateLimitedExecutor {
    /// An executor without endpoints.
    ///
    /// # Errors
    /// [`RateLimitError::InvalidConfig`] for the defaults.
    pub fn new(config: ExecutorConfig, clock: Arc<dyn Clock>) -> Result<Self, RateLimitError> {
        config.default_rate.clone().validated()?;
        if let Some(circuit) = config.default_circuit.clone() {
            circuit.validated()?;
        }
        Ok(Self {
            config,
            ticks: Ticks::new(Arc::clone(&clock)),
            clock,
            endpoints: RwLock::default(),
        })
    }

    /// Gives `name` its limits, and a circuit where `circuit` says so. Without limits it has the defaults.
    ///
    /// # Errors
    /// [`RateLimitError::AlreadyRegistered`], [`RateLimitError::TooManyEndpoints`],
    /// [`RateLimitError::InvalidConfig`] and [`RateLimitError::InvalidName`].
    pub fn register(
        &self,
        name: &str,
        rate: Option<RateLimitConfig>,
        circuit: Option<CircuitBreakerConfig>,
    ) -> Result<(), RateLimitError> {
        let rate = rate.unwrap_or_else(|| self.config.default_rate.clone());
        let endpoint = self.endpoint(name, rate, circuit)?;
        self.insert(name, endpoint, |_| {
            let name = name.into();
            Err(RateLimitError::AlreadyRegistered { name })
        })
        .map(drop)
    }

    /// Forgets an endpoint, its budgets and its circuit; false when there was none. Calls under way end as
    /// they would have.
    pub fn unregister(&self, name: &str) -> bool {
        let mut endpoints = self
            .endpoints
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        endpoints.remove(name).is_some()
    }

    /// Makes the call that `work` describes, on the terms of `call`. Never fails itself: errors, refusals
    /// of an unknown or surplus name included, are in the result. Dropping the future gives everything back.
    pub async fn execute<T, E, F, Fut>(
        &self,
        name: &str,
        call: Call<'_, T, E>,
        work: F,
    ) -> ExecutionResult<T, E>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let endpoint = match self.known_or_default(name) {
            Ok(endpoint) => endpoint,
            Err(refusal) => {
                return ExecutionResult {
                    outcome: Err(ExecutionError::Refused {
                        refusal,
                        last: None,
                    }),
                    attempts: 0,
                    total_time: std::time::Duration::ZERO,
                };
            }
        };
        let attempts = Attempts {
            endpoint: &endpoint,
            ticks: &self.ticks,
            jitter: &*self.config.jitter,
            terms: call.terms,
        };
        attempts.run(call.fallback, work).await
    }

    /// As [`Self::execute`] for a function that returns its result at once. It runs on the caller's task.
    pub async fn execute_sync<T, E, F>(
        &self,
        name: &str,
        call: Call<'_, T, E>,
        mut work: F,
    ) -> ExecutionResult<T, E>
    where
        F: FnMut() -> Result<T, E>,
    {
        self.execute(name, call, || ready(work())).await
    }

    /// What the endpoint has done; `None` for a name without one.
    pub fn get_stats(&self, name: &str) -> Option<EndpointStats> {
        self.find(name).map(|endpoint| endpoint.stats())
    }

    /// What all endpoints have done.
    pub fn get_all_stats(&self) -> BTreeMap<String, EndpointStats> {
        self.map(Endpoint::stats)
    }

    /// Starts counting anew, for one endpoint or for all.
    pub fn reset_stats(&self, name: Option<&str>) {
        match name {
            Some(name) => self.find(name).iter().for_each(|it| it.reset_stats()),
            None => drop(self.map(Endpoint::reset_stats)),
        }
    }

    /// Whether the endpoint's circuit is closed and its limiter has room; true for a name without one.
    pub fn is_healthy(&self, name: &str) -> bool {
        self.find(name)
            .is_none_or(|endpoint| endpoint.health().healthy)
    }

    /// How all endpoints fare.
    pub fn get_health_status(&self) -> BTreeMap<String, EndpointHealth> {
        self.map(Endpoint::health)
    }

    fn find(&self, name: &str) -> Option<Arc<Endpoint>> {
        let endpoints = self
            .endpoints
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        endpoints.get(name).cloned()
    }

    fn map<T>(&self, of: impl Fn(&Endpoint) -> T) -> BTreeMap<String, T> {
        let endpoints = self
            .endpoints
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let of = |(name, endpoint): (&Arc<str>, &Arc<Endpoint>)| (name.to_string(), of(endpoint));
        endpoints.iter().map(of).collect()
    }

    fn known_or_default(&self, name: &str) -> Result<Arc<Endpoint>, RateLimitError> {
        if let Some(endpoint) = self.find(name) {
            return Ok(endpoint);
        }
        if self.config.strict {
            let name = checked_name(name)?;
            return Err(RateLimitError::UnknownEndpoint { name });
        }
        let (rate, circuit) = (&self.config.default_rate, &self.config.default_circuit);
        let endpoint = self.endpoint(name, rate.clone(), circuit.clone())?;
        // Somebody else may have been first: then theirs counts.
        self.insert(name, endpoint, Ok)
    }

    fn endpoint(
        &self,
        name: &str,
        rate: RateLimitConfig,
        circuit: Option<CircuitBreakerConfig>,
    ) -> Result<Endpoint, RateLimitError> {
        let clock = || Arc::clone(&self.clock);
        let limiter = RateLimiter::new(name, rate, clock())?;
        let breaker = circuit.map(|circuit| CircuitBreaker::new(name, circuit, clock()));
        Ok(Endpoint::new(limiter, breaker.transpose()?))
    }

    fn insert(
        &self,
        name: &str,
        endpoint: Endpoint,
        taken: impl FnOnce(Arc<Endpoint>) -> Result<Arc<Endpoint>, RateLimitError>,
    ) -> Result<Arc<Endpoint>, RateLimitError> {
        let mut endpoints = self
            .endpoints
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(other) = endpoints.get(name) {
            return taken(Arc::clone(other));
        }
        let (name, maximum) = (name.into(), self.config.max_endpoints);
        if endpoints.len() >= maximum {
            return Err(RateLimitError::TooManyEndpoints { name, maximum });
        }
        let endpoint = Arc::new(endpoint);
        endpoints.insert(name, Arc::clone(&endpoint));
        Ok(endpoint)
    }
}

impl fmt::Debug for RateLimitedExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimitedExecutor")
            .field("endpoints", &self.get_health_status())
            .finish_non_exhaustive()
    }
}
