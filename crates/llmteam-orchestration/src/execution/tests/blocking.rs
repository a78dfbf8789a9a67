//! Agents that block their thread, where they should and where they should not.

use std::sync::{
    atomic::{AtomicUsize, Ordering},
    mpsc,
};

use llmteam_security::SystemClock;

use super::*;
use crate::execution::BlockingPool;

fn real(config: ExecutorConfig) -> PipelineExecutor {
    PipelineExecutor::new(config, Arc::new(SystemClock)).unwrap()
}

// covers: E13
#[tokio::test]
async fn the_executor_goes_on_without_an_agent_that_blocks() {
    let config = ExecutorConfig {
        task_timeout: ms(50),
        blocking_threads: 1,
        ..once()
    };
    let executor = real(config);
    let (release, released) = mpsc::channel::<()>();
    let released = std::sync::Mutex::new(released);
    let stuck = executor.blocking("stuck", move |_| {
        // Ends when the test does.
        let _ = released.lock().unwrap().recv();
        Ok(Fields::new())
    });
    let agents: Vec<Arc<dyn Agent>> = vec![Arc::new(stuck), good("free")];
    let results = executor.execute(agents, &Fields::new()).await;
    assert_eq!(kinds(&results), [Some(TaskErrorKind::Timeout), None]);
    assert!(results[0].duration >= ms(50));
    // The only thread is still busy; who waits for it times out as well, and nothing piles up.
    let next = executor.blocking("next", |input| Ok(input.clone()));
    let results = executor
        .execute([Arc::new(next.clone())], &Fields::new())
        .await;
    assert_eq!(kinds(&results), [Some(TaskErrorKind::Timeout)]);
    drop(release);
    let patient = real(once());
    let results = patient.execute([Arc::new(next)], &said("caller")).await;
    assert_eq!(results[0].result(), Some(&said("caller")));
}

// covers: E13
#[tokio::test]
async fn a_result_past_its_deadline_is_a_timeout_though_nobody_could_stop_the_agent() {
    let config = ExecutorConfig {
        task_timeout: ms(5),
        ..once()
    };
    let blocking = acting("blocking", || async {
        std::thread::sleep(ms(20));
        Ok(Fields::new())
    });
    let results = real(config)
        .execute([blocking, good("free")], &Fields::new())
        .await;
    assert_eq!(kinds(&results), [Some(TaskErrorKind::Timeout), None]);
}

#[tokio::test]
async fn a_pool_has_no_more_threads_than_it_may() {
    let pool = Arc::new(BlockingPool::new(3));
    let (inside, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let calls = (0..20).map(|n| {
        let (pool, inside, most) = (Arc::clone(&pool), Arc::clone(&inside), Arc::clone(&most));
        async move {
            let work = move || {
                most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                std::thread::sleep(ms(2));
                inside.fetch_sub(1, Ordering::SeqCst);
                n
            };
            pool.run(work).await.unwrap()
        }
    });
    let done = futures_util::future::join_all(calls).await;
    assert_eq!(done, (0..20).collect::<Vec<_>>());
    assert_eq!(most.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_panic_on_a_thread_is_an_error_and_the_thread_lives() {
    let config = ExecutorConfig {
        blocking_threads: 1,
        ..once()
    };
    let executor = real(config);
    let agents = [
        Arc::new(executor.blocking("boom", |_| panic!("boom"))),
        Arc::new(executor.blocking("fine", |input| Ok(input.clone()))),
    ];
    let results = executor.execute(agents, &Fields::new()).await;
    assert_eq!(kinds(&results), [Some(TaskErrorKind::Panicked), None]);
    assert_eq!(
        results[0].error().unwrap().message(),
        "the agent panicked: boom"
    );
}
