//! One after another, all at once, or as many as do well.

use std::sync::Mutex;

use super::*;

/// When each of five agents of 200 ms started, in milliseconds.
async fn starts(mode: ExecutionMode) -> (Vec<u64>, Duration) {
    let clock = clock();
    let (zero, starts) = (clock.now(), Arc::new(Mutex::new(Vec::new())));
    let agents: Vec<_> = (0..5)
        .map(|_| {
            let (clock, starts) = (clock.clone(), Arc::clone(&starts));
            acting("a", move || {
                let (clock, starts) = (clock.clone(), Arc::clone(&starts));
                async move {
                    let at = clock.now().since(zero).as_millis() as u64;
                    starts.lock().unwrap().push(at);
                    nap(&clock, 200).await;
                    Ok(Fields::new())
                }
            })
        })
        .collect();
    let results = execute(&clock, in_mode(mode), agents).await;
    assert!(results.iter().all(TaskResult::success));
    let starts = starts.lock().unwrap().clone();
    (starts, clock.now().since(zero))
}

// covers: E1
#[tokio::test(start_paused = true)]
async fn sequential_is_one_after_another() {
    let (starts, _) = starts(ExecutionMode::Sequential).await;
    assert_eq!(starts, [0, 200, 400, 600, 800]);
}

// covers: E1
#[tokio::test(start_paused = true)]
async fn parallel_and_adaptive_begin_with_all_that_may() {
    for mode in [ExecutionMode::Parallel, ExecutionMode::Adaptive] {
        let (starts, took) = starts(mode).await;
        assert_eq!(starts, [0; 5]);
        assert!(took < ms(220));
    }
}

// covers: E1
#[tokio::test(start_paused = true)]
async fn an_adaptive_window_halves_on_timeouts_and_grows_again() {
    let clock = clock();
    let config = ExecutorConfig {
        max_concurrent: 8,
        task_timeout: ms(100),
        ..in_mode(ExecutionMode::Adaptive)
    };
    let executor = executor(&clock, config);
    // Eight that are late together, then many that are quick.
    let agents: Vec<_> = (0..60)
        .map(|n| slow("a", &clock, if n < 8 { 1000 } else { 10 }))
        .collect();
    let running = tokio::spawn({
        let executor = Arc::clone(&executor);
        async move { executor.execute(agents, &Fields::new()).await }
    });
    clock.settle().await;
    assert_eq!(executor.get_stats().current_window, 8);
    clock.advance(ms(100)).await;
    let stats = executor.get_stats();
    assert_eq!((stats.current_window, stats.current_running), (4, 4));
    clock.advance(ms(10)).await;
    assert_eq!(executor.get_stats().current_window, 5, "four successes");
    clock.advance(ms(10)).await;
    assert_eq!(executor.get_stats().current_window, 6, "five more");
    let results = driven(&clock, running).await.unwrap();
    assert_eq!(results.iter().filter(|it| it.success()).count(), 52);
    assert_eq!(
        executor.get_stats().current_window,
        8,
        "never above the cap"
    );
}

// covers: E1
#[tokio::test(start_paused = true)]
async fn an_adaptive_window_halves_when_the_queue_comes_under_pressure() {
    let clock = clock();
    for (enable_backpressure, window) in [(true, 5), (false, 10)] {
        let config = ExecutorConfig {
            queue_size: 10,
            enable_backpressure,
            ..in_mode(ExecutionMode::Adaptive)
        };
        let executor = executor(&clock, config);
        let agents: Vec<_> = (0..20).map(|_| slow("a", &clock, 10)).collect();
        let running = tokio::spawn({
            let executor = Arc::clone(&executor);
            async move { executor.execute(agents, &Fields::new()).await }
        });
        clock.settle().await;
        assert_eq!(executor.get_stats().current_window, window);
        driven(&clock, running).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn execute_parallel_is_parallel_in_any_mode() {
    let clock = clock();
    let executor = executor(&clock, in_mode(ExecutionMode::Sequential));
    let agents: Vec<_> = (0..5).map(|_| slow("a", &clock, 200)).collect();
    let start = clock.now();
    driven(&clock, executor.execute_parallel(agents, &Fields::new())).await;
    assert!(clock.now().since(start) < ms(220));
}
