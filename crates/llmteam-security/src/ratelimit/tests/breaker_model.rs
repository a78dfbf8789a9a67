//! The breaker against a naive reading of its rules: all results in a list, looked through each time.

use std::{sync::Arc, time::Duration};

use proptest::prelude::*;

use super::clock;
use crate::{
    ManualClock,
    ratelimit::{CircuitBreaker, CircuitBreakerConfig, CircuitPermit, CircuitState},
};

type Permit = CircuitPermit<Arc<CircuitBreaker>>;

#[derive(Clone, Debug)]
enum Step {
    Pass(u16),
    Allow,
    /// The permit at this place of those held succeeds, fails, or is dropped.
    Succeed(usize),
    Fail(usize),
    Drop(usize),
    ForceOpen,
    ForceClose,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..2_500_u16).prop_map(Step::Pass),
        12 => Just(Step::Allow),
        6 => any::<usize>().prop_map(Step::Succeed),
        8 => any::<usize>().prop_map(Step::Fail),
        2 => any::<usize>().prop_map(Step::Drop),
        1 => Just(Step::ForceOpen),
        1 => Just(Step::ForceClose),
    ]
}

fn config() -> impl Strategy<Value = CircuitBreakerConfig> {
    let counts = (1..6_u32, 1..9_u32, 1..4_u32, 1..4_u32);
    let spans = (500..6_000_u64, 500..2_000_u64, 1..5_u64, 500..3_000_u64);
    (counts, spans, 0.2..1.0_f64, 0..9_u32).prop_map(|(counts, spans, share, minimum)| {
        let (failure_threshold, sample_size, half_open_max_requests, success_threshold) = counts;
        let (window, open, growth, lease) = spans;
        CircuitBreakerConfig {
            failure_threshold,
            failure_rate_threshold: share,
            sample_size,
            minimum_calls: minimum.clamp(1, sample_size),
            window: Duration::from_millis(window),
            slow_call: None,
            open_timeout: Duration::from_millis(open),
            max_open_timeout: Duration::from_millis(open * growth),
            half_open_max_requests,
            probe_lease: Duration::from_millis(lease),
            success_threshold,
        }
    })
}

/// Times are milliseconds.
struct Naive {
    config: CircuitBreakerConfig,
    state: CircuitState,
    epoch: u32,
    /// Since the circuit closed: whether each failed, and when; successes are dated by the failure after them.
    results: Vec<(bool, Option<u64>)>,
    until: u64,
    open_time: u64,
    /// Tickets of probes and when their leases end.
    probes: Vec<(u32, u64)>,
    successes: u32,
}

fn ms(span: Duration) -> u64 {
    span.as_millis() as u64
}

impl Naive {
    fn enter(&mut self, state: CircuitState) {
        self.state = state;
        self.epoch += 1;
        self.results.clear();
        self.probes.clear();
        self.successes = 0;
    }

    fn open(&mut self, at: u64, time: u64) {
        self.enter(CircuitState::Open);
        self.open_time = time;
        self.until = at + time;
    }

    fn open_longer(&mut self, at: u64) {
        self.open(
            at,
            (self.open_time * 2).min(ms(self.config.max_open_timeout)),
        );
    }

    fn pass(&mut self, now: u64) {
        if let Some(end) = self.probes.iter().map(|probe| probe.1).min()
            && end <= now
        {
            self.open_longer(end);
        }
        if self.state == CircuitState::Open && self.until <= now {
            self.enter(CircuitState::HalfOpen);
        }
    }

    fn allow(&mut self, now: u64, ticket: u32) -> bool {
        let free = self.probes.len() < self.config.half_open_max_requests as usize;
        match self.state {
            CircuitState::Closed => true,
            CircuitState::HalfOpen if free => {
                self.probes
                    .push((ticket, now + ms(self.config.probe_lease)));
                true
            }
            _ => false,
        }
    }

    fn result(&mut self, now: u64, epoch: u32, ticket: u32, failed: bool) {
        if epoch != self.epoch {
            return;
        }
        if self.state == CircuitState::Closed {
            self.results.push((failed, failed.then_some(now)));
            if failed {
                self.judge(now);
            }
            return;
        }
        self.probes.retain(|probe| probe.0 != ticket);
        if failed {
            self.open_longer(now);
            return;
        }
        self.successes += 1;
        if self.successes == self.config.success_threshold {
            self.enter(CircuitState::Closed);
        }
    }

    fn judge(&mut self, now: u64) {
        for (_, at) in &mut self.results {
            at.get_or_insert(now);
        }
        let latest = self.results.iter().rev();
        let row = latest.clone().take_while(|result| result.0).count();
        let young =
            |result: &&(bool, Option<u64>)| now - result.1.unwrap_or(now) <= ms(self.config.window);
        let window: Vec<_> = latest
            .take(self.config.sample_size as usize)
            .take_while(young)
            .collect();
        let failed = window.iter().filter(|result| result.0).count();
        let share = failed as f64 / window.len() as f64;
        let enough = window.len() >= self.config.minimum_calls as usize;
        if row >= self.config.failure_threshold as usize
            || (enough && share >= self.config.failure_rate_threshold)
        {
            self.open(now, ms(self.config.open_timeout));
        }
    }
}

/// The breaker, the model, and the permits that are held.
struct Pair {
    clock: ManualClock,
    breaker: Arc<CircuitBreaker>,
    naive: Naive,
    now: u64,
    held: Vec<(Permit, u32, u32)>,
    tickets: u32,
}

impl Pair {
    fn new(config: CircuitBreakerConfig) -> Self {
        let clock = clock();
        let breaker =
            CircuitBreaker::new("search", config.clone(), Arc::new(clock.clone())).unwrap();
        let naive = Naive {
            config,
            state: CircuitState::Closed,
            epoch: 0,
            results: Vec::new(),
            until: 0,
            open_time: 0,
            probes: Vec::new(),
            successes: 0,
        };
        Self {
            clock,
            breaker: Arc::new(breaker),
            naive,
            now: 0,
            held: Vec::new(),
            tickets: 0,
        }
    }

    async fn step(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Pass(span) => {
                self.now += u64::from(span);
                self.clock.advance(Duration::from_millis(span.into())).await;
            }
            Step::Allow => {
                self.naive.pass(self.now);
                self.tickets += 1;
                let permit = self.breaker.allow_request_owned();
                prop_assert_eq!(permit.is_ok(), self.naive.allow(self.now, self.tickets));
                self.held
                    .extend(permit.map(|permit| (permit, self.naive.epoch, self.tickets)));
            }
            Step::Succeed(place) => self.report(place, Some(false)),
            Step::Fail(place) => self.report(place, Some(true)),
            Step::Drop(place) => self.report(place, None),
            Step::ForceOpen => {
                self.breaker.force_open();
                self.naive
                    .open(self.now, ms(self.naive.config.open_timeout));
            }
            Step::ForceClose => {
                self.breaker.force_close();
                self.naive.enter(CircuitState::Closed);
            }
        }
        self.naive.pass(self.now);
        prop_assert_eq!(self.breaker.state(), self.naive.state);
        let left = (self.naive.state == CircuitState::Open)
            .then(|| Duration::from_millis(self.naive.until - self.now));
        prop_assert_eq!(self.breaker.get_retry_after(), left);
        Ok(())
    }

    fn report(&mut self, place: usize, failed: Option<bool>) {
        if self.held.is_empty() {
            return;
        }
        let place = place % self.held.len();
        let (permit, epoch, ticket) = self.held.swap_remove(place);
        self.naive.pass(self.now);
        match failed {
            Some(true) => permit.record_failure(),
            Some(false) => permit.record_success(),
            None => drop(permit),
        }
        match failed {
            Some(failed) => self.naive.result(self.now, epoch, ticket, failed),
            None => self.naive.probes.retain(|probe| probe.0 != ticket),
        }
    }

    /// From wherever it is, with whatever is held for ever, one healthy call every 50 ms closes the circuit.
    async fn recovers(&mut self) -> Result<(), TestCaseError> {
        let config = &self.naive.config;
        let bound = config.probe_lease + config.max_open_timeout;
        let bound = bound + Duration::from_millis(50) * (config.success_threshold + 2);
        let mut spent = Duration::ZERO;
        while !self.breaker.is_closed() {
            prop_assert!(
                spent <= bound,
                "{:?} after {:?}",
                self.breaker.state(),
                spent
            );
            if let Ok(permit) = self.breaker.allow_request() {
                permit.record_success();
            }
            self.clock.advance(Duration::from_millis(50)).await;
            spent += Duration::from_millis(50);
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    // covers: RL-09, RL-10, RL-11, RL-12, RL-38
    #[test]
    fn any_trace_gives_what_a_naive_reading_gives(
        config in config(),
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.expect("a runtime starts").block_on(async {
            let mut pair = Pair::new(config);
            for step in steps {
                pair.step(step).await?;
            }
            pair.recovers().await
        })?;
    }
}
