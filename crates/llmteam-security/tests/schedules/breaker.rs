//! Breaker schedules.

use std::{sync::Arc, time::Duration};

use shuttle::thread;

use crate::{
    clock::Clock,
    hands::Hands,
    in_many_orders,
    ratelimit::{
        breaker::{CircuitBreaker, CircuitState},
        config::CircuitBreakerConfig,
    },
};

fn breaker(config: CircuitBreakerConfig) -> (Arc<Hands>, Arc<CircuitBreaker>) {
    let hands = Arc::new(Hands::default());
    let breaker = CircuitBreaker::new("search", config, Arc::clone(&hands) as Arc<dyn Clock>);
    (
        hands,
        Arc::new(breaker.expect("the configuration is valid")),
    )
}

fn config() -> CircuitBreakerConfig {
    CircuitBreakerConfig {
        failure_threshold: 2,
        half_open_max_requests: 1,
        success_threshold: 2,
        ..CircuitBreakerConfig::default()
    }
}

/// A healthy service closes the circuit in bounded time.
fn recovers(hands: &Hands, breaker: &CircuitBreaker) {
    for _ in 0..8 {
        if let Ok(permit) = breaker.allow_request() {
            permit.record_success();
        }
        if breaker.is_closed() {
            return;
        }
        hands.advance(Duration::from_secs(10));
    }
    panic!("{breaker:?} does not recover");
}

// covers: RL-09, RL-38
#[test]
fn no_order_of_probes_holds_the_circuit_open() {
    in_many_orders(|| {
        let (hands, breaker) = breaker(config());
        breaker.force_open();
        hands.advance(Duration::from_secs(30));
        let threads: Vec<_> = (0..3)
            .map(|nth| {
                let breaker = Arc::clone(&breaker);
                thread::spawn(move || {
                    let Ok(permit) = breaker.allow_request_owned() else {
                        return None;
                    };
                    match nth {
                        0 => permit.record_success(),
                        1 => drop(permit),
                        // Hung: it keeps its permit.
                        _ => return Some(permit),
                    }
                    None
                })
            })
            .collect();
        let hung: Vec<_> = threads.into_iter().map(|it| it.join().unwrap()).collect();
        assert_ne!(
            breaker.state(),
            CircuitState::Open,
            "nothing has failed yet"
        );
        recovers(&hands, &breaker);
        drop(hung);
        assert!(breaker.is_closed());
    });
}

// covers: RL-10
#[test]
fn no_order_lets_an_older_epoch_decide() {
    in_many_orders(|| {
        let (hands, breaker) = breaker(config());
        let old: Vec<_> = (0..3)
            .map(|_| breaker.allow_request_owned().unwrap())
            .collect();
        breaker.force_open();
        hands.advance(Duration::from_secs(30));
        let probe = breaker.allow_request_owned().unwrap();
        let mut threads = Vec::new();
        for (nth, permit) in old.into_iter().enumerate() {
            threads.push(thread::spawn(move || match nth {
                0 => permit.record_failure(),
                _ => permit.record_success(),
            }));
        }
        threads.push(thread::spawn(move || probe.record_success()));
        threads.into_iter().for_each(|it| it.join().unwrap());
        assert!(breaker.is_half_open(), "one probe of two has succeeded");
        let stats = breaker.get_stats();
        assert_eq!((stats.successful_requests, stats.failed_requests), (3, 1));
    });
}

// covers: RL-12
#[test]
fn no_order_loses_a_result_of_a_closed_circuit() {
    in_many_orders(|| {
        let (_, breaker) = breaker(CircuitBreakerConfig {
            failure_threshold: 3,
            ..config()
        });
        let threads: Vec<_> = (0..3)
            .map(|nth| {
                let breaker = Arc::clone(&breaker);
                thread::spawn(move || {
                    if let Ok(permit) = breaker.allow_request() {
                        permit.record_failure();
                    }
                    if nth == 0
                        && let Ok(permit) = breaker.allow_request()
                    {
                        permit.record_success();
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|it| it.join().unwrap());
        let stats = breaker.get_stats();
        assert_eq!(stats.failed_requests, 3);
        let total = stats.successful_requests + stats.rejected_requests + 3;
        assert_eq!(stats.total_requests, total);
        // A success that was refused came after the third failure.
        assert!(breaker.is_open() || stats.rejected_requests == 0);
        let mut more = 0;
        while let Ok(permit) = breaker.allow_request() {
            permit.record_failure();
            more += 1;
        }
        assert!(more <= 3, "{more} failures in a row were let pass");
    });
}
