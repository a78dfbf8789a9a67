//! Whatever agents do and whatever the limits are, nothing is lost and nothing is passed.

use std::sync::Mutex;

use proptest::prelude::*;

use super::*;
use crate::execution::WhenFull;

/// What an agent does in an attempt.
#[derive(Clone, Copy, Debug)]
enum Act {
    Succeed,
    Fail,
    Refuse,
    Panic,
}

fn act() -> impl Strategy<Value = (Act, u64)> {
    let act = prop_oneof![
        4 => Just(Act::Succeed),
        2 => Just(Act::Fail),
        1 => Just(Act::Refuse),
        1 => Just(Act::Panic),
    ];
    (act, prop_oneof![Just(0), 1_u64..80])
}

fn limits() -> impl Strategy<Value = ExecutorConfig> {
    let mode = prop_oneof![
        Just(ExecutionMode::Sequential),
        Just(ExecutionMode::Parallel),
        Just(ExecutionMode::Adaptive)
    ];
    let when_full = prop_oneof![3 => Just(WhenFull::Wait), 1 => Just(WhenFull::Refuse)];
    (
        mode,
        when_full,
        1_usize..5,
        1_usize..5,
        0_u32..3,
        50_u64..2000,
    )
        .prop_map(
            |(mode, when_full, max_concurrent, queue_size, max_retries, total)| ExecutorConfig {
                mode,
                when_full,
                max_concurrent,
                queue_size,
                max_retries,
                retry_delay: ms(15),
                task_timeout: ms(40),
                total_timeout: ms(total),
                ..ExecutorConfig::default()
            },
        )
}

/// How many attempts are inside, and the most that were.
#[derive(Default)]
struct Inside(Mutex<(usize, usize)>);

struct Guard(Arc<Inside>);

impl Guard {
    fn new(inside: &Arc<Inside>) -> Self {
        let mut counts = inside.0.lock().unwrap();
        counts.0 += 1;
        counts.1 = counts.1.max(counts.0);
        drop(counts);
        Self(Arc::clone(inside))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.0.lock().unwrap().0 -= 1;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn every_agent_has_one_result_in_order_within_the_limits(
        acts in proptest::collection::vec(act(), 0..25),
        config in limits(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let (clock, inside) = (clock(), Arc::new(Inside::default()));
        let agents: Vec<_> = acts
            .iter()
            .map(|&(act, millis)| {
                let (clock, inside) = (clock.clone(), Arc::clone(&inside));
                acting("a", move || {
                    let (clock, inside) = (clock.clone(), Arc::clone(&inside));
                    async move {
                        let _inside = Guard::new(&inside);
                        if millis > 0 {
                            nap(&clock, millis).await;
                        }
                        match act {
                            Act::Succeed => Ok(Fields::new()),
                            Act::Fail => Err(AgentError::transient("busy")),
                            Act::Refuse => Err(AgentError::permanent("no")),
                            Act::Panic => std::panic::resume_unwind(Box::new("quiet")),
                        }
                    }
                })
            })
            .collect();
        let executor = executor(&clock, config.clone());
        let start = clock.now();
        let results = runtime.block_on(driven(&clock, executor.execute(agents, &Fields::new())));

        let places: Vec<usize> = results.iter().map(|it| it.task_id.place()).collect();
        prop_assert_eq!(places, (0..acts.len()).collect::<Vec<_>>());
        prop_assert!(clock.now().since(start) <= config.total_timeout + ms(10));
        let cap = if config.mode == ExecutionMode::Sequential { 1 } else { config.max_concurrent };
        let (still, most) = *inside.0.lock().unwrap();
        prop_assert!(still == 0 && most <= cap);
        let stats = executor.get_stats();
        prop_assert_eq!(stats.total_tasks, stats.completed_tasks + stats.failed_tasks);
        prop_assert_eq!(stats.total_tasks, acts.len() as u64);
        prop_assert_eq!((stats.current_running, stats.current_queue_size), (0, 0));
        for (result, (act, millis)) in results.iter().zip(&acts) {
            prop_assert!(result.retries <= config.max_retries);
            let of_batch = [Some(TaskErrorKind::TotalTimeout), Some(TaskErrorKind::QueueFull)];
            let kind = result.error().map(crate::execution::TaskError::kind);
            let expected = match act {
                _ if *millis > 40 => Some(TaskErrorKind::Timeout),
                Act::Succeed => None,
                Act::Fail => Some(TaskErrorKind::Failed),
                Act::Refuse => Some(TaskErrorKind::Permanent),
                Act::Panic => Some(TaskErrorKind::Panicked),
            };
            prop_assert!(kind == expected || of_batch.contains(&kind), "{:?} for {:?}", kind, act);
            if kind.is_some() && kind == expected && matches!(kind, Some(TaskErrorKind::Failed | TaskErrorKind::Timeout)) {
                prop_assert_eq!(result.retries, config.max_retries);
            }
        }
    }
}
