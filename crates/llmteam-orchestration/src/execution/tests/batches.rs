//! What comes back from a batch: a result for each, in order, with its name, its error and its time.

use std::sync::Mutex;

use super::*;

// covers: EX07
#[tokio::test(start_paused = true)]
async fn three_good_agents_give_three_results() {
    let results = execute(&clock(), once(), vec![good("a"), good("b"), good("c")]).await;
    let results: Vec<&Fields> = results.iter().filter_map(TaskResult::result).collect();
    assert_eq!(results, [&said("a"), &said("b"), &said("c")]);
}

// covers: EX08, E14
#[tokio::test(start_paused = true)]
async fn one_that_fails_fails_nobody_else() {
    let failing = bad("b", &AgentError::transient("no answer"));
    let results = execute(
        &clock(),
        ExecutorConfig::default(),
        vec![good("a"), failing, good("c")],
    )
    .await;
    assert_eq!(kinds(&results), [None, Some(TaskErrorKind::Failed), None]);
    let places: Vec<usize> = results.iter().map(|it| it.task_id.place()).collect();
    assert_eq!(places, [0, 1, 2]);
    let id = results[1].task_id.to_string();
    assert!(
        id.starts_with("tsk_") && id.ends_with(".1") && id.len() == 38,
        "{id}"
    );
}

// covers: EX09
#[tokio::test(start_paused = true)]
async fn an_agent_over_its_time_has_the_error_timeout() {
    let clock = clock();
    let config = ExecutorConfig {
        task_timeout: ms(50),
        ..ExecutorConfig::default()
    };
    let agents = vec![slow("quick", &clock, 10), slow("late", &clock, 100)];
    let results = execute(&clock, config, agents).await;
    assert!(results[0].success());
    let error = results[1].error().unwrap();
    assert_eq!(
        (error.kind(), error.message()),
        (TaskErrorKind::Timeout, "timeout")
    );
    assert_eq!(results[1].retries, 3);
}

// covers: EX11, E11
#[tokio::test(start_paused = true)]
async fn statistics_count_every_outcome_and_its_time() {
    let clock = clock();
    let executor = executor(&clock, once());
    let failing = {
        let clock = clock.clone();
        acting("c", move || {
            let clock = clock.clone();
            async move {
                nap(&clock, 5).await;
                Err(AgentError::transient("no"))
            }
        })
    };
    let agents = vec![slow("a", &clock, 10), slow("b", &clock, 10), failing];
    let results = driven(&clock, executor.execute(agents, &Fields::new())).await;
    let durations: Vec<Duration> = results.iter().map(|it| it.duration).collect();
    assert_eq!(
        durations,
        [ms(10), ms(10), ms(5)],
        "failures take time as well"
    );
    let stats = executor.get_stats();
    assert_eq!(
        (stats.total_tasks, stats.completed_tasks, stats.failed_tasks),
        (3, 2, 1)
    );
    assert_eq!((stats.total_duration, stats.avg_duration), (ms(20), ms(10)));
    assert_eq!((stats.current_running, stats.current_queue_size), (0, 0));
}

// covers: E11
#[tokio::test(start_paused = true)]
async fn what_takes_microseconds_is_not_nothing() {
    let clock = clock();
    let executor = executor(&clock, once());
    let work = clock.clone();
    let quick = acting("quick", move || {
        let clock = work.clone();
        async move {
            let at = clock.now().saturating_add(Duration::from_micros(7));
            clock.sleep_until(at, Wake::Work).await;
            Ok(Fields::new())
        }
    });
    let results = driven(&clock, executor.execute([quick], &Fields::new())).await;
    assert_eq!(results[0].duration, Duration::from_micros(7));
    assert_eq!(executor.get_stats().avg_duration, Duration::from_micros(7));
}

// covers: EX12, E12
#[tokio::test(start_paused = true)]
async fn a_reset_zeroes_counters_and_leaves_gauges() {
    let clock = clock();
    let executor = executor(&clock, once());
    executor.execute([good("a")], &Fields::new()).await;
    let before = executor.get_stats();
    assert_eq!(before.total_tasks, 1);
    executor.reset_stats();
    let stats = executor.get_stats();
    assert_eq!((stats.total_tasks, stats.completed_tasks), (0, 0));
    assert_eq!(before.total_tasks, 1, "a snapshot does not change");

    let running = tokio::spawn({
        let (executor, agent) = (Arc::clone(&executor), slow("b", &clock, 100));
        async move { executor.execute([agent], &Fields::new()).await }
    });
    clock.settle().await;
    executor.reset_stats();
    assert_eq!(executor.get_stats().current_running, 1);
    clock.advance(ms(100)).await;
    running.await.unwrap();
    let stats = executor.get_stats();
    assert_eq!(
        (
            stats.total_tasks,
            stats.completed_tasks,
            stats.current_running
        ),
        (1, 1, 0)
    );
}

// covers: EX15
#[tokio::test]
async fn no_agents_give_no_results() {
    let executor = executor(&clock(), once());
    let none: [Arc<dyn Agent>; 0] = [];
    assert_eq!(executor.execute(none, &Fields::new()).await, []);
    assert_eq!(executor.get_stats().total_tasks, 0);
}

// covers: EX16
#[tokio::test]
async fn an_agent_without_a_name_is_unknown() {
    let nameless: Arc<dyn Agent> = Arc::new(Acting {
        name: None,
        act: Box::new(|| Box::pin(async { Ok(Fields::new()) })),
    });
    let results = executor(&clock(), once())
        .execute([nameless], &Fields::new())
        .await;
    assert!(results[0].success());
    assert_eq!(results[0].agent_name, "unknown");
}

// covers: E7
#[tokio::test]
async fn an_agents_own_timeout_is_not_the_executors() {
    let own = bad("db", &AgentError::transient("db connection lost: timeout"));
    let results = executor(&clock(), once())
        .execute([own], &Fields::new())
        .await;
    let error = results[0].error().unwrap();
    assert_eq!(
        (error.kind(), error.message()),
        (TaskErrorKind::Failed, "db connection lost: timeout")
    );
}

// covers: E9
#[tokio::test]
async fn an_agent_that_gives_up_keeps_its_name_and_counts_as_failed() {
    let gone = bad(
        "gone",
        &AgentError::new(crate::roles::AgentErrorKind::Cancelled, ""),
    );
    let executor = executor(&clock(), once());
    let results = executor.execute([gone, good("b")], &Fields::new()).await;
    assert_eq!(results[0].agent_name, "gone");
    assert_eq!(kinds(&results), [Some(TaskErrorKind::Cancelled), None]);
    let stats = executor.get_stats();
    assert_eq!(
        (stats.total_tasks, stats.completed_tasks, stats.failed_tasks),
        (2, 1, 1)
    );
}

// covers: E10
#[tokio::test]
async fn no_agent_sees_what_another_made_of_the_input() {
    struct Writer(Arc<Mutex<Vec<Fields>>>);
    #[async_trait]
    impl Agent for Writer {
        async fn process(&self, input: &Fields) -> Outcome {
            self.0.lock().unwrap().push(input.clone());
            let mut mine = input.clone();
            mine.insert("written".into(), json!(true));
            Ok(mine)
        }
    }
    let seen = Arc::default();
    let agents = [Writer(Arc::clone(&seen)), Writer(Arc::clone(&seen))];
    let input = said("caller");
    executor(&clock(), once()).execute(&agents, &input).await;
    assert_eq!(*seen.lock().unwrap(), [input.clone(), input]);
}

#[tokio::test]
async fn a_panic_is_an_error_like_others() {
    struct Nameless;
    #[async_trait]
    impl Agent for Nameless {
        fn name(&self) -> Option<&str> {
            panic!("no name")
        }
        async fn process(&self, _: &Fields) -> Outcome {
            Ok(Fields::new())
        }
    }
    let agents: Vec<Arc<dyn Agent>> = vec![
        acting("first", || async { panic!("at {}", 7) }),
        acting("early", || -> std::future::Ready<Outcome> {
            panic!("before any await")
        }),
        acting("later", || async {
            tokio::task::yield_now().await;
            std::panic::panic_any(7_u8)
        }),
        Arc::new(Nameless),
        good("last"),
    ];
    let results = executor(&clock(), ExecutorConfig::default())
        .execute(agents, &Fields::new())
        .await;
    let said: Vec<&str> = results
        .iter()
        .filter_map(|it| Some(it.error()?.message()))
        .collect();
    let expected = [
        "the agent panicked: at 7",
        "the agent panicked: before any await",
        "the agent panicked",
    ];
    assert_eq!(said, expected);
    assert_eq!(results[0].error().unwrap().kind(), TaskErrorKind::Panicked);
    assert_eq!(results[0].retries, 0, "a panic is not tried again");
    assert!(results[3].success() && results[4].success());
}

#[tokio::test]
async fn a_batch_runs_on_any_thread() {
    let executor =
        Arc::new(PipelineExecutor::new(once(), Arc::new(llmteam_security::SystemClock)).unwrap());
    let batch = async move {
        let agents = [good("a"), good("b")];
        executor.execute(&agents, &Fields::new()).await.len()
    };
    assert_eq!(tokio::spawn(batch).await.unwrap(), 2);
}
