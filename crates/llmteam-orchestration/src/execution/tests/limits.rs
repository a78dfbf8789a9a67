//! How many run and wait at once, how long a batch may take, and what a cancelled one leaves.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::oneshot;

use super::*;
use crate::licensing::{LicenseManager, LicenseTier};

/// Counts how many of its kind are there, and remembers the most.
#[derive(Default)]
struct Gauge {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Gauge {
    fn enter(&self) {
        let now = self.now.fetch_add(1, Ordering::Relaxed) + 1;
        self.most.fetch_max(now, Ordering::Relaxed);
    }

    fn leave(&self) {
        self.now.fetch_sub(1, Ordering::Relaxed);
    }

    fn most(&self) -> usize {
        self.most.load(Ordering::Relaxed)
    }
}

/// An agent that is counted while it is there.
struct Counted {
    place: usize,
    there: Arc<Gauge>,
}

impl Counted {
    fn new(place: usize, there: &Arc<Gauge>) -> Arc<Self> {
        there.enter();
        let there = Arc::clone(there);
        Arc::new(Self { place, there })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.there.leave();
    }
}

#[async_trait]
impl Agent for Counted {
    async fn process(&self, _: &Fields) -> Outcome {
        if self.place % 16 < 8 {
            tokio::task::yield_now().await;
        }
        Ok(Fields::new())
    }
}

// covers: EX10
#[tokio::test(start_paused = true)]
async fn no_more_run_at_once_than_may() {
    let (clock, inside) = (clock(), Arc::new(Gauge::default()));
    let agents: Vec<_> = (0..5)
        .map(|_| {
            let (clock, inside) = (clock.clone(), Arc::clone(&inside));
            acting("a", move || {
                let (clock, inside) = (clock.clone(), Arc::clone(&inside));
                async move {
                    inside.enter();
                    nap(&clock, 10).await;
                    inside.leave();
                    Ok(Fields::new())
                }
            })
        })
        .collect();
    let config = ExecutorConfig {
        max_concurrent: 2,
        ..in_mode(ExecutionMode::Parallel)
    };
    execute(&clock, config, agents).await;
    assert_eq!(inside.most(), 2);
}

// covers: E6
#[tokio::test]
async fn a_million_agents_are_never_a_million_live_tasks() {
    const MANY: usize = 1_000_000;
    let there = Arc::new(Gauge::default());
    let config = ExecutorConfig {
        max_concurrent: 8,
        queue_size: 16,
        ..in_mode(ExecutionMode::Parallel)
    };
    let executor = PipelineExecutor::new(config, Arc::new(llmteam_security::SystemClock)).unwrap();
    let agents = (0..MANY).map(|place| Counted::new(place, &there));
    let results = executor.execute(agents, &Fields::new()).await;
    assert_eq!(results.len(), MANY);
    assert!(
        results
            .iter()
            .enumerate()
            .all(|(place, it)| it.success() && it.task_id.place() == place)
    );
    assert_eq!(there.most(), 8 + 16);
    assert_eq!(executor.get_stats().completed_tasks, MANY as u64);
    assert!(executor.get_stats().backpressure_events > 0);
}

// covers: E6
#[tokio::test(start_paused = true)]
async fn the_limits_hold_over_all_batches_of_an_executor_and_slots_go_round() {
    let (clock, inside) = (clock(), Arc::new(Gauge::default()));
    let config = ExecutorConfig {
        max_concurrent: 3,
        queue_size: 2,
        ..in_mode(ExecutionMode::Parallel)
    };
    let executor = executor(&clock, config);
    let batch = |size: usize| {
        let (executor, clock, inside) = (Arc::clone(&executor), clock.clone(), Arc::clone(&inside));
        tokio::spawn(async move {
            let agents = (0..size).map(|_| {
                let (clock, inside) = (clock.clone(), Arc::clone(&inside));
                acting("a", move || {
                    let (clock, inside) = (clock.clone(), Arc::clone(&inside));
                    async move {
                        inside.enter();
                        nap(&clock, 10).await;
                        inside.leave();
                        Ok(Fields::new())
                    }
                })
            });
            let results = executor.execute(agents, &Fields::new()).await;
            (results.len(), clock.now())
        })
    };
    let start = clock.now();
    let (large, small) = (batch(300), batch(2));
    clock.settle().await;
    assert_eq!(executor.get_stats().current_running, 3);
    assert_eq!(executor.get_stats().current_queue_size, 2);
    let (done, at) = driven(&clock, small).await.unwrap();
    assert_eq!(done, 2);
    assert!(
        at.since(start) <= ms(60),
        "a large batch starves no small one: {:?}",
        at.since(start)
    );
    assert_eq!(driven(&clock, large).await.unwrap().0, 300);
    assert_eq!(inside.most(), 3);
}

// covers: EX13, EX14, E4
#[tokio::test(start_paused = true)]
async fn a_full_queue_is_pressure_and_who_waits_for_it_is_counted() {
    let clock = clock();
    for enable_backpressure in [false, true] {
        let config = ExecutorConfig {
            max_concurrent: 1,
            queue_size: 2,
            enable_backpressure,
            ..in_mode(ExecutionMode::Parallel)
        };
        let executor = executor(&clock, config);
        assert!(!executor.is_backpressure(), "nothing waits");
        let agents: Vec<_> = (0..50).map(|_| slow("a", &clock, 10)).collect();
        let running = tokio::spawn({
            let executor = Arc::clone(&executor);
            async move { executor.execute(agents, &Fields::new()).await }
        });
        clock.settle().await;
        assert_eq!(executor.get_stats().current_queue_size, 2);
        assert_eq!(executor.is_backpressure(), enable_backpressure);
        assert_eq!(driven(&clock, running).await.unwrap().len(), 50);
        assert!(!executor.is_backpressure());
        let stats = executor.get_stats();
        assert_eq!(
            stats.backpressure_events, 47,
            "all but one that ran and two that found a place"
        );
        assert_eq!((stats.completed_tasks, stats.current_queue_size), (50, 0));
    }
}

// covers: E4
#[tokio::test(start_paused = true)]
async fn a_full_queue_refuses_where_that_is_configured() {
    let clock = clock();
    let config = ExecutorConfig {
        max_concurrent: 1,
        queue_size: 2,
        when_full: crate::execution::WhenFull::Refuse,
        ..in_mode(ExecutionMode::Parallel)
    };
    let executor = executor(&clock, config);
    let agents: Vec<_> = (0..50).map(|_| slow("a", &clock, 10)).collect();
    let results = driven(&clock, executor.execute(agents, &Fields::new())).await;
    let full = Some(TaskErrorKind::QueueFull);
    let expected: Vec<_> = (0..50).map(|n| if n < 3 { None } else { full }).collect();
    assert_eq!(kinds(&results), expected);
    assert_eq!(results[49].duration, Duration::ZERO);
    let stats = executor.get_stats();
    assert_eq!(
        (
            stats.backpressure_events,
            stats.failed_tasks,
            stats.total_tasks
        ),
        (47, 47, 50)
    );
}

// covers: E3
#[tokio::test(start_paused = true)]
async fn a_batch_over_its_time_ends_what_runs_and_starts_nothing() {
    let (clock, there) = (clock(), Arc::new(Gauge::default()));
    let config = ExecutorConfig {
        max_concurrent: 2,
        queue_size: 1,
        total_timeout: ms(100),
        ..in_mode(ExecutionMode::Parallel)
    };
    let executor = executor(&clock, config);
    let agents: Vec<_> = [10, 500, 500, 500, 500]
        .iter()
        .map(|millis| {
            let (clock, there, millis) = (clock.clone(), Arc::clone(&there), *millis);
            acting("a", move || {
                let (clock, there) = (clock.clone(), Counted::new(0, &there));
                async move {
                    nap(&clock, millis).await;
                    drop(there);
                    Ok(Fields::new())
                }
            })
        })
        .collect();
    let start = clock.now();
    let results = driven(&clock, executor.execute(agents, &Fields::new())).await;
    assert!(clock.now().since(start) <= ms(110));
    let late = Some(TaskErrorKind::TotalTimeout);
    assert_eq!(kinds(&results), [None, late, late, late, late]);
    assert_eq!(results[4].error().unwrap().message(), "total_timeout");
    let durations: Vec<Duration> = results.iter().map(|it| it.duration).collect();
    assert_eq!(durations, [ms(10), ms(100), ms(90), ms(0), ms(0)]);
    assert_eq!((there.most(), there.now.load(Ordering::Relaxed)), (2, 0));
    let stats = executor.get_stats();
    assert_eq!((stats.total_tasks, stats.failed_tasks), (5, 4));
    assert_eq!((stats.current_running, stats.current_queue_size), (0, 0));
}

// covers: E9
#[tokio::test(start_paused = true)]
async fn a_cancelled_batch_has_a_result_for_every_agent() {
    let clock = clock();
    let config = ExecutorConfig {
        max_concurrent: 2,
        queue_size: 2,
        ..in_mode(ExecutionMode::Parallel)
    };
    let executor = executor(&clock, config);
    let agents: Vec<_> = (0..9)
        .map(|n| slow("a", &clock, if n == 0 { 10 } else { 500 }))
        .collect();
    let (cancel, cancelled) = oneshot::channel::<()>();
    let running = tokio::spawn({
        let executor = Arc::clone(&executor);
        async move {
            let cancelled = async move { cancelled.await.unwrap() };
            executor
                .execute_until(agents, &Fields::new(), cancelled)
                .await
        }
    });
    clock.advance(ms(50)).await;
    cancel.send(()).unwrap();
    let results = running.await.unwrap();
    let mut expected = vec![Some(TaskErrorKind::Cancelled); 9];
    expected[0] = None;
    assert_eq!(kinds(&results), expected);
    assert!(results.iter().all(|it| it.agent_name == "a"));
    assert_eq!(results[1].duration, ms(50));
    let stats = executor.get_stats();
    assert_eq!(
        (stats.total_tasks, stats.completed_tasks, stats.failed_tasks),
        (9, 1, 8)
    );
}

#[tokio::test(start_paused = true)]
async fn a_dropped_batch_gives_everything_back() {
    let clock = clock();
    let config = ExecutorConfig {
        max_concurrent: 2,
        queue_size: 2,
        ..in_mode(ExecutionMode::Parallel)
    };
    let executor = executor(&clock, config);
    let batch = || {
        let agents: Vec<_> = (0..9).map(|_| slow("a", &clock, 500)).collect();
        let executor = Arc::clone(&executor);
        tokio::spawn(async move { executor.execute(agents, &Fields::new()).await.len() })
    };
    let (first, second) = (batch(), batch());
    clock.settle().await;
    first.abort();
    clock.settle().await;
    assert_eq!(
        executor.get_stats().current_running,
        2,
        "the second batch runs now"
    );
    second.abort();
    clock.settle().await;
    let stats = executor.get_stats();
    assert_eq!((stats.current_running, stats.current_queue_size), (0, 0));
    assert_eq!(
        stats.total_tasks,
        stats.completed_tasks + stats.failed_tasks
    );
    assert_eq!(clock.wakes(), [], "no timer is left");
    assert_eq!(driven(&clock, batch()).await.unwrap(), 9);
}

// covers: L4, L5
#[tokio::test(start_paused = true)]
async fn an_executor_with_a_licence_runs_as_many_as_it_allows_and_follows_it() {
    let clock = clock();
    let license = LicenseManager::of_tier(LicenseTier::Professional);
    let config = ExecutorConfig {
        max_concurrent: 20,
        ..in_mode(ExecutionMode::Parallel)
    };
    let executor = PipelineExecutor::new(config, Arc::new(clock.clone())).unwrap();
    let executor = Arc::new(executor.with_license(license.clone()));
    let batch = || {
        let agents: Vec<_> = (0..40).map(|_| slow("a", &clock, 10)).collect();
        let executor = Arc::clone(&executor);
        tokio::spawn(async move { executor.execute(agents, &Fields::new()).await })
    };
    let (first, second) = (batch(), batch());
    clock.settle().await;
    assert_eq!(
        executor.get_stats().current_running,
        10,
        "of both batches together"
    );
    license.deactivate();
    clock.advance(ms(10)).await;
    assert_eq!(executor.get_stats().current_running, 2);
    for batch in [first, second] {
        let results = driven(&clock, batch).await.unwrap();
        assert!(results.iter().all(TaskResult::success));
    }
    // Without the feature, parallel is adaptive.
    let unlicensed = driven(&clock, batch()).await.unwrap();
    assert_eq!(unlicensed.len(), 40);
    assert_eq!(executor.get_stats().current_window, 2);
}
