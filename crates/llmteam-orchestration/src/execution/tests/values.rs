//! Configurations, results and statistics as values.

use super::*;
use crate::execution::{ExecutionStats, TaskError, TaskId};

fn result(outcome: Result<Fields, TaskError>) -> TaskResult {
    TaskResult {
        task_id: TaskId::new(&"tsk_1".into(), 4),
        agent_name: "writer".into(),
        outcome,
        duration: Duration::from_micros(1_500),
        retries: 2,
    }
}

// covers: EX01
#[test]
fn defaults() {
    let config = ExecutorConfig::default();
    assert_eq!(config.mode, ExecutionMode::Adaptive);
    assert_eq!((config.max_concurrent, config.queue_size), (10, 100));
    assert_eq!(config.task_timeout, Duration::from_secs(300));
    assert_eq!(config.total_timeout, Duration::from_secs(3600));
    assert_eq!((config.max_retries, config.retry_delay), (3, ms(1000)));
    assert!(config.enable_backpressure);
    assert!((config.backpressure_threshold - 0.8).abs() < f64::EPSILON);
}

// covers: EX02
#[test]
fn what_is_configured_is_kept() {
    let json = r#"{"mode": "parallel", "max_concurrent": 20, "task_timeout": 600}"#;
    let config: ExecutorConfig = serde_json::from_str(json).unwrap();
    let executor = executor(&clock(), config.clone());
    assert_eq!(executor.config(), &config);
    assert_eq!(config.mode, ExecutionMode::Parallel);
    assert_eq!(config.max_concurrent, 20);
    assert_eq!(config.task_timeout, Duration::from_secs(600));
    let json = serde_json::to_value(&config).unwrap();
    assert_eq!(json["retry_delay"], 1.0);
    assert_eq!(json["when_full"], "wait");
    assert!(serde_json::from_str::<ExecutorConfig>(r#"{"task_timeout": -1}"#).is_err());
    assert!(serde_json::from_str::<ExecutorConfig>(r#"{"max_concurent": 1}"#).is_err());
}

// covers: E5
#[test]
fn every_fault_of_a_configuration_is_named_at_once() {
    let config = ExecutorConfig {
        max_concurrent: 0,
        queue_size: 0,
        task_timeout: Duration::ZERO,
        total_timeout: Duration::ZERO,
        backpressure_threshold: 0.0,
        blocking_threads: 0,
        ..ExecutorConfig::default()
    };
    let error = PipelineExecutor::new(config, Arc::new(clock())).unwrap_err();
    let fields: Vec<&str> = error.faults.iter().map(|it| it.field).collect();
    assert_eq!(
        fields,
        [
            "max_concurrent",
            "queue_size",
            "task_timeout",
            "total_timeout",
            "backpressure_threshold",
            "blocking_threads"
        ]
    );
    assert!(
        error
            .to_string()
            .contains("`queue_size` is `0`: at least 1; ")
    );
    for share in [f64::NAN, -0.1, 1.1, f64::INFINITY] {
        let config = ExecutorConfig {
            backpressure_threshold: share,
            ..ExecutorConfig::default()
        };
        assert_eq!(config.validated().unwrap_err().faults.len(), 1, "{share}");
    }
    let config = ExecutorConfig {
        max_concurrent: usize::MAX,
        ..ExecutorConfig::default()
    };
    assert!(config.validated().is_err());
}

// covers: EX03
#[test]
fn a_success_has_no_error_and_keeps_its_duration() {
    let result = result(Ok(said("writer")));
    assert!(result.success() && result.error().is_none());
    assert_eq!(result.duration, Duration::from_micros(1_500));
    let json = serde_json::to_value(&result).unwrap();
    let expected = json!({
        "task_id": "tsk_1.4", "agent_name": "writer", "success": true, "result": {"by": "writer"},
        "error": null, "error_kind": null, "duration_ms": 1, "duration_us": 1500, "retries": 2,
    });
    assert_eq!(json, expected);
}

// covers: EX04
#[test]
fn a_failure_keeps_its_error_and_has_no_result() {
    let result = result(Err(TaskErrorKind::Timeout.into()));
    assert!(!result.success() && result.result().is_none());
    let json = serde_json::to_value(&result).unwrap();
    assert_eq!(
        (&json["error"], &json["error_kind"]),
        (&json!("timeout"), &json!("timeout"))
    );
    assert_eq!(json["result"], json!(null));
}

// covers: E8
#[test]
fn an_error_always_says_something() {
    for kind in [
        TaskErrorKind::Timeout,
        TaskErrorKind::TotalTimeout,
        TaskErrorKind::Failed,
        TaskErrorKind::Permanent,
        TaskErrorKind::Cancelled,
        TaskErrorKind::Panicked,
        TaskErrorKind::QueueFull,
    ] {
        assert_eq!(TaskError::new(kind, " ").message(), kind.as_str());
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
    }
    let error = TaskError::from(AgentError::transient(""));
    assert_eq!(error.to_string(), "transient failure");
}

// covers: EX05
#[test]
fn fresh_statistics_are_zero() {
    let stats = executor(&clock(), once()).get_stats();
    assert_eq!(stats, ExecutionStats::default());
    assert_eq!(
        serde_json::to_value(&stats).unwrap()["avg_duration_ms"],
        0.0
    );
}

// covers: EX06
#[test]
fn the_average_is_over_completed_tasks() {
    let mut stats = ExecutionStats {
        completed_tasks: 5,
        total_duration: ms(500),
        ..ExecutionStats::default()
    };
    stats.update_avg_duration();
    assert_eq!(stats.avg_duration, ms(100));
    let json = serde_json::to_value(&stats).unwrap();
    assert_eq!(
        (&json["total_duration_ms"], &json["avg_duration_ms"]),
        (&json!(500), &json!(100.0))
    );
    stats.completed_tasks = 0;
    stats.update_avg_duration();
    assert_eq!(stats.avg_duration, ms(100), "unchanged");
}
