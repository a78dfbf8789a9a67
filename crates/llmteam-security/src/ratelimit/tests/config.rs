//! Defaults, delays, and configurations that are refused.

use std::time::Duration;

use crate::ratelimit::{CircuitBreakerConfig, RateLimitConfig, RateLimitError, RateLimitStrategy};

// covers: RL-30
#[test]
fn defaults_are_those_of_the_field() {
    let config = RateLimitConfig::default();
    assert_eq!(config.requests_per_second, 10.0);
    assert_eq!(config.requests_per_minute, 100.0);
    assert_eq!(config.requests_per_hour, 1000.0);
    assert_eq!((config.burst_size, config.queue_size), (10, 100));
    assert_eq!(config.strategy, RateLimitStrategy::Wait);
    assert_eq!(config.max_wait, Duration::from_secs(30));
    let circuit = CircuitBreakerConfig::default();
    assert_eq!((circuit.failure_threshold, circuit.sample_size), (5, 10));
    assert_eq!(circuit.open_timeout, Duration::from_secs(30));
    assert_eq!(
        (circuit.half_open_max_requests, circuit.success_threshold),
        (3, 2)
    );
    assert!(config.validated().is_ok() && circuit.validated().is_ok());
    let egress = CircuitBreakerConfig::egress().validated().unwrap();
    assert_eq!((egress.sample_size, egress.minimum_calls), (100, 20));
    assert_eq!(egress.window, Duration::from_secs(30));
    assert_eq!(egress.open_timeout, Duration::from_secs(5));
    assert_eq!(egress.max_open_timeout, Duration::from_secs(300));
    assert_eq!(egress.probe_lease, Duration::from_secs(30));
}

#[test]
fn the_interval_is_the_inverse_of_the_rate() {
    let at = |requests_per_second| RateLimitConfig {
        requests_per_second,
        ..RateLimitConfig::default()
    };
    assert_eq!(at(5.0).get_min_interval(), Duration::from_millis(200));
    assert_eq!(at(0.0).get_min_interval(), Duration::MAX);
    assert_eq!(at(f64::NAN).get_min_interval(), Duration::MAX);
}

// covers: RL-31
#[test]
fn delays_double_up_to_a_cap_and_never_overflow() {
    let seconds = Duration::from_secs;
    let doubling = RateLimitConfig {
        retry_max_delay: seconds(10),
        ..RateLimitConfig::default()
    };
    let delays = [0, 1, 2, 10, 31, 32, 5000, u32::MAX].map(|it| doubling.get_retry_delay(it));
    assert_eq!(delays[..3], [seconds(1), seconds(2), seconds(4)]);
    assert!(delays[3..].iter().all(|delay| *delay == seconds(10)));
    let constant = RateLimitConfig {
        retry_exponential: false,
        ..doubling
    };
    assert!(
        [0, 1, 5000]
            .iter()
            .all(|it| constant.get_retry_delay(*it) == seconds(1))
    );
}

// covers: RL-13
#[test]
fn what_makes_no_sense_is_refused_by_name() {
    type Change = fn(&mut RateLimitConfig);
    let changes: [(&str, Change); 14] = [
        ("requests_per_second", |it| it.requests_per_second = 0.0),
        ("requests_per_second", |it| it.requests_per_second = -1.0),
        ("requests_per_second", |it| {
            it.requests_per_second = f64::NAN;
        }),
        ("requests_per_second", |it| {
            it.requests_per_second = f64::INFINITY;
        }),
        ("requests_per_second", |it| it.requests_per_second = 1e-300),
        ("requests_per_minute", |it| it.requests_per_minute = 0.5),
        ("requests_per_minute", |it| {
            it.requests_per_minute = f64::NAN;
        }),
        ("requests_per_hour", |it| it.requests_per_hour = -0.0),
        ("requests_per_hour", |it| {
            it.requests_per_hour = f64::INFINITY;
        }),
        ("burst_size", |it| it.burst_size = 0),
        ("burst_size", |it| it.burst_size = 1_000_001),
        ("max_concurrent", |it| it.max_concurrent = Some(0)),
        ("queue_size", |it| {
            it.strategy = RateLimitStrategy::Queue;
            it.queue_size = 0;
        }),
        ("burst_size", |it| {
            it.strategy = RateLimitStrategy::Queue;
            it.burst_size = 0;
        }),
    ];
    for (name, change) in changes {
        let mut config = RateLimitConfig::default();
        change(&mut config);
        match config.clone().validated() {
            Err(RateLimitError::InvalidConfig { field, .. }) => assert_eq!(field, name),
            other => panic!("{config:?} gave {other:?}"),
        }
    }
    for strategy in [RateLimitStrategy::Reject, RateLimitStrategy::Fallback] {
        let none = RateLimitConfig {
            burst_size: 0,
            strategy,
            ..RateLimitConfig::default()
        };
        assert!(none.validated().is_ok());
    }
}

#[test]
fn a_circuit_that_could_never_open_or_close_is_refused() {
    type Change = fn(&mut CircuitBreakerConfig);
    let changes: [(&str, Change); 14] = [
        ("failure_threshold", |it| it.failure_threshold = 0),
        ("sample_size", |it| it.sample_size = 0),
        ("sample_size", |it| it.sample_size = 10_001),
        ("minimum_calls", |it| it.minimum_calls = 0),
        ("minimum_calls", |it| it.minimum_calls = 11),
        ("half_open_max_requests", |it| it.half_open_max_requests = 0),
        ("success_threshold", |it| it.success_threshold = 0),
        ("failure_rate_threshold", |it| {
            it.failure_rate_threshold = 0.0;
        }),
        ("failure_rate_threshold", |it| {
            it.failure_rate_threshold = 1.1;
        }),
        ("failure_rate_threshold", |it| {
            it.failure_rate_threshold = f64::NAN;
        }),
        ("window", |it| it.window = Duration::ZERO),
        ("open_timeout", |it| it.open_timeout = Duration::ZERO),
        ("probe_lease", |it| it.probe_lease = Duration::ZERO),
        ("max_open_timeout", |it| {
            it.max_open_timeout = Duration::from_secs(1);
        }),
    ];
    for (name, change) in changes {
        let mut config = CircuitBreakerConfig::default();
        change(&mut config);
        match config.clone().validated() {
            Err(RateLimitError::InvalidConfig { field, .. }) => assert_eq!(field, name),
            other => panic!("{config:?} gave {other:?}"),
        }
    }
}

#[test]
fn both_rules_open_a_circuit() {
    let config = CircuitBreakerConfig::default();
    assert!(config.should_open(5, 5, 5));
    assert!(!config.should_open(4, 4, 5));
    assert!(config.should_open(1, 5, 10));
    assert!(!config.should_open(1, 4, 10));
    assert!(!config.should_open(0, 0, 0));
}

#[test]
fn configurations_are_json_with_durations_in_seconds() {
    let json = serde_json::json!({"requests_per_second": 2.0, "max_wait_seconds": 0.5, "strategy": "queue"});
    let config: RateLimitConfig = serde_json::from_value(json).unwrap();
    assert_eq!(config.max_wait, Duration::from_millis(500));
    assert_eq!(config.strategy, RateLimitStrategy::Queue);
    let written = serde_json::to_value(&config).unwrap();
    assert_eq!(written["retry_max_delay_seconds"], 60.0);
    assert_eq!(
        serde_json::from_value::<RateLimitConfig>(written).unwrap(),
        config
    );
    for bad in [
        r#"{"max_wait_seconds": -1}"#,
        r#"{"max_wait_seconds": 1e300}"#,
        r#"{"max_wait": 1}"#,
    ] {
        assert!(
            serde_json::from_str::<RateLimitConfig>(bad).is_err(),
            "{bad}"
        );
    }
    let egress = CircuitBreakerConfig::egress();
    let written = serde_json::to_value(&egress).unwrap();
    assert_eq!(written["slow_call_seconds"], 30.0);
    assert_eq!(
        serde_json::from_value::<CircuitBreakerConfig>(written).unwrap(),
        egress
    );
    let untimed = serde_json::to_value(CircuitBreakerConfig::default()).unwrap();
    assert_eq!(
        serde_json::from_value::<CircuitBreakerConfig>(untimed)
            .unwrap()
            .slow_call,
        None
    );
}
