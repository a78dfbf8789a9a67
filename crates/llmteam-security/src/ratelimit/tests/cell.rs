//! The cell against a naive reading of its rules: a list of admissions, looked through each time.

use proptest::prelude::*;

use crate::ratelimit::{
    RateLimitConfig,
    cell::{Cell, Refused},
};

const SECOND: u64 = 1_000_000_000;

/// Every admission so far, and tokens in nanoseconds of refill.
struct Naive {
    admitted: Vec<u64>,
    tokens: u64,
    filled: u64,
    interval: u64,
    depth: u64,
    limits: [(u64, usize); 2],
}

impl Naive {
    fn new(config: &RateLimitConfig) -> Self {
        let interval = (1e9 / config.requests_per_second).ceil() as u64;
        let depth = interval * u64::from(config.burst_size);
        Self {
            admitted: Vec::new(),
            tokens: depth,
            filled: 0,
            interval,
            depth,
            limits: [
                (SECOND, config.requests_per_minute as usize),
                (60 * SECOND, config.requests_per_hour as usize),
            ],
        }
    }

    fn tokens(&self, now: u64) -> u64 {
        (self.tokens + (now - self.filled)).min(self.depth)
    }

    /// A part leaves as a whole: a request counts until 60 parts lie between its part and the present one.
    fn admits(&self, now: u64) -> bool {
        self.tokens(now) >= self.interval
            && self.limits.iter().all(|(part, limit)| {
                let counted = |at: &&u64| now / part - **at / part <= 60;
                self.admitted.iter().filter(counted).count() < *limit
            })
    }

    fn admit(&mut self, now: u64) {
        self.tokens = self.tokens(now) - self.interval;
        self.filled = now;
        self.admitted.push(now);
    }
}

#[derive(Clone, Debug)]
enum Step {
    /// Time passes.
    Pass(u64),
    /// To the very nanosecond before, or at, or after the next part.
    Part(u64, i8),
    /// So many requests at once.
    Ask(u8),
    /// To when the last refusal said to come again, or one nanosecond before it.
    Again(bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (0..3 * SECOND).prop_map(Step::Pass),
        1 => (0..4000 * SECOND).prop_map(Step::Pass),
        1 => (58..63_u64, -1..=1_i8).prop_map(|(parts, by)| Step::Part(parts * SECOND, by)),
        1 => (3_590..3_725_u64, -1..=1_i8).prop_map(|(parts, by)| Step::Part(parts * SECOND, by)),
        6 => (1..12_u8).prop_map(Step::Ask),
        4 => any::<bool>().prop_map(Step::Again),
    ]
}

fn config() -> impl Strategy<Value = RateLimitConfig> {
    (0.05..40.0_f64, 1..9_u32, 1..25_u32, 1..40_u32).prop_map(|(rate, burst, minute, hour)| {
        RateLimitConfig {
            requests_per_second: rate,
            requests_per_minute: minute.into(),
            requests_per_hour: hour.into(),
            burst_size: burst,
            ..RateLimitConfig::default()
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    // covers: RL-01, RL-02, RL-03
    #[test]
    fn any_trace_gives_what_a_naive_reading_gives(
        config in config(),
        steps in prop::collection::vec(step(), 1..40),
    ) {
        let (cell, mut naive) = (Cell::new(&config), Naive::new(&config));
        let (mut now, mut again) = (0, None);
        for step in steps {
            match step {
                Step::Pass(span) => now += span,
                Step::Part(span, by) => {
                    let part = (now + span) / SECOND * SECOND;
                    now = now.max(part.saturating_add_signed(by.into()));
                }
                Step::Again(exactly) => {
                    now = now.max(again.map_or(0, |at: u64| at - u64::from(!exactly)));
                }
                Step::Ask(times) => for _ in 0..times {
                    let snapshot = cell.snapshot(now);
                    prop_assert_eq!(snapshot.tokens, naive.tokens(now) / naive.interval);
                    prop_assert_eq!(snapshot.admitted, naive.admitted.len() as u64);
                    prop_assert_eq!(snapshot.limited, !naive.admits(now));
                    let answer = cell.charge(now);
                    prop_assert_eq!(answer.is_ok(), naive.admits(now), "at {}", now);
                    match answer {
                        Ok(()) => naive.admit(now),
                        Err(Refused { at }) => {
                            let at = at.expect("a bucket that holds something refills");
                            prop_assert!(at > now && naive.admits(at) && !naive.admits(at - 1));
                            prop_assert_eq!(cell.earliest(now), Some(at));
                            again = Some(at);
                        }
                    }
                },
            }
        }
        bounds_hold(&config, &naive.admitted)?;
    }
}

/// The promise itself, from the admissions alone: every span that begins and ends with one.
fn bounds_hold(config: &RateLimitConfig, admitted: &[u64]) -> Result<(), TestCaseError> {
    for (first, start) in admitted.iter().enumerate() {
        for (last, end) in admitted.iter().enumerate().skip(first) {
            let (count, span) = ((last - first + 1) as f64, end - start);
            let seconds = span as f64 / 1e9;
            let most = config.requests_per_second * seconds + f64::from(config.burst_size);
            prop_assert!(count <= most + 1e-6, "{} in {} s", count, seconds);
            prop_assert!(span >= 60 * SECOND || count <= config.requests_per_minute);
            prop_assert!(span >= 3600 * SECOND || count <= config.requests_per_hour);
        }
    }
    Ok(())
}

#[test]
fn a_window_holds_when_requests_come_as_late_as_possible() {
    // The classic hole of counters per minute: a full budget just before the turn, another just after.
    let config = RateLimitConfig {
        requests_per_second: 1e9,
        requests_per_minute: 5.0,
        requests_per_hour: 100.0,
        burst_size: 1_000_000,
        ..RateLimitConfig::default()
    };
    let cell = Cell::new(&config);
    let late = 60 * SECOND - 1;
    assert_eq!((0..100).filter(|_| cell.charge(late).is_ok()).count(), 5);
    for now in [late + 1, late + SECOND, late + 60 * SECOND] {
        assert_eq!(
            cell.charge(now),
            Err(Refused {
                at: Some(120 * SECOND)
            })
        );
    }
    assert_eq!(cell.charge(120 * SECOND), Ok(()));
}

#[test]
fn an_old_reading_of_the_clock_never_admits_more() {
    let config = RateLimitConfig {
        requests_per_second: 0.01,
        requests_per_minute: 3.0,
        ..RateLimitConfig::default()
    };
    let cell = Cell::new(&config);
    assert_eq!(cell.charge(200 * SECOND), Ok(()));
    assert_eq!(cell.charge(100 * SECOND), Ok(()));
    assert_eq!(cell.charge(0), Ok(()));
    assert!(cell.charge(0).is_err() && cell.charge(200 * SECOND).is_err());
    assert_eq!(cell.earliest(200 * SECOND), Some(261 * SECOND));
}

#[test]
fn a_bucket_of_nothing_never_admits() {
    let config = RateLimitConfig {
        burst_size: 0,
        ..RateLimitConfig::default()
    };
    let cell = Cell::new(&config);
    assert_eq!(cell.charge(u64::MAX / 2), Err(Refused { at: None }));
    assert_eq!(cell.charge(SECOND), Err(Refused { at: None }));
}

#[test]
fn two_cells_charge_both_or_none() {
    let of = |minute: f64| {
        Cell::new(&RateLimitConfig {
            requests_per_minute: minute,
            ..RateLimitConfig::default()
        })
    };
    let (own, above) = (of(5.0), of(2.0));
    assert_eq!(
        (0..5)
            .filter(|_| own.charge_both(&above, 0).is_ok())
            .count(),
        2
    );
    assert_eq!(own.snapshot(0).admitted, 2);
    let (own, above) = (of(1.0), of(5.0));
    assert_eq!(
        (0..5)
            .filter(|_| own.charge_both(&above, 0).is_ok())
            .count(),
        1
    );
    assert_eq!(above.snapshot(0).admitted, 1);
}

#[test]
fn what_was_admitted_elsewhere_counts_and_may_pass_the_limit() {
    let cell = Cell::new(&RateLimitConfig {
        requests_per_minute: 2.0,
        ..RateLimitConfig::default()
    });
    cell.charge_regardless(0);
    assert_eq!(cell.charge(0), Ok(()));
    cell.charge_regardless(30 * SECOND);
    cell.charge_regardless(31 * SECOND);
    assert_eq!(cell.snapshot(31 * SECOND).admitted, 4);
    // Two leave at 61 s, which leaves two: the third has to leave as well.
    assert_eq!(cell.earliest(31 * SECOND), Some(91 * SECOND));
    assert!(cell.charge(91 * SECOND - 1).is_err());
    assert_eq!(cell.charge(91 * SECOND), Ok(()));
}

// covers: RL-01
#[test]
fn threads_share_one_budget() {
    let cell = Cell::new(&RateLimitConfig {
        requests_per_second: 1e9,
        requests_per_minute: 10_000.0,
        requests_per_hour: 1e9,
        burst_size: 1_000_000,
        ..RateLimitConfig::default()
    });
    let admitted: usize = std::thread::scope(|threads| {
        let asking = || {
            (0..20_000)
                .filter(|_| cell.charge(SECOND / 2).is_ok())
                .count()
        };
        let workers: Vec<_> = (0..8).map(|_| threads.spawn(asking)).collect();
        workers.into_iter().map(|it| it.join().unwrap()).sum()
    });
    assert_eq!(admitted, 10_000);
}
