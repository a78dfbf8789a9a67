//! Balance, cool-down, and statuses that are true after any course of events.

use proptest::prelude::*;
use serde_json::json;

use super::{
    super::table::{Ended, InFlight, Reserved, Table},
    *,
};
use crate::roles::GroupOrchestrationStrategy;

fn table(bench: &Bench, pipelines: usize) -> Arc<Table> {
    let table = Table::new(GroupConfig::default().circuit, bench.clock(), None).unwrap();
    for n in 0..pipelines {
        let pipeline = bench.gives(&format!("p{n}"), json!({}));
        table.register(Arc::new(pipeline)).unwrap();
    }
    table
}

/// Starts a run where load balancing wants it: the place of the pipeline, and what holds it.
fn start(table: &Arc<Table>) -> Option<(usize, InFlight)> {
    let (statuses, seen) = table.statuses();
    let input = Fields::new();
    let deciding = LoadBalancingStrategy.decide(&statuses, &input);
    let decision = futures_util::FutureExt::now_or_never(deciding)
        .unwrap()
        .unwrap();
    let target = decision.target_pipelines.first()?;
    let place = statuses.iter().position(|it| it.pipeline_id == *target)?;
    match table
        .reserve(std::slice::from_ref(target), Some(seen))
        .unwrap()?
        .pop()?
    {
        Reserved::Ready(_, in_flight) => Some((place, in_flight)),
        _ => None,
    }
}

proptest! {
    // covers: G1
    #[test]
    fn balancing_stays_balanced(pipelines in 1..6_usize, steps in proptest::collection::vec((any::<bool>(), 0..100_usize), 0..120)) {
        let bench = Bench::new();
        let table = table(&bench, pipelines);
        let mut held: Vec<Vec<InFlight>> = (0..pipelines).map(|_| Vec::new()).collect();
        for (starts, pick) in steps {
            let most = held.iter().map(Vec::len).max().unwrap_or(0);
            if starts || most == 0 {
                let (place, in_flight) = start(&table).unwrap();
                held[place].push(in_flight);
            } else {
                // A run ends anywhere among the busiest.
                let busiest: Vec<usize> = (0..pipelines).filter(|it| held[*it].len() == most).collect();
                let run = held[busiest[pick % busiest.len()]].pop();
                run.unwrap().ends(Ended::Well);
            }
            let counts: Vec<usize> = table.statuses().0.iter().map(|it| it.in_flight).collect();
            prop_assert_eq!(&counts, &held.iter().map(Vec::len).collect::<Vec<_>>());
            let spread = counts.iter().max().unwrap() - counts.iter().min().unwrap();
            prop_assert!(spread <= 1, "{:?}", counts);
        }
    }

    // covers: G1, G3
    #[test]
    fn a_start_goes_to_the_least_busy_and_statuses_are_the_counters(
        steps in proptest::collection::vec((0..4_u8, 0..100_usize), 0..150)
    ) {
        let bench = Bench::new();
        let table = table(&bench, 4);
        let mut held: Vec<(usize, InFlight)> = Vec::new();
        for (act, pick) in steps {
            let before: Vec<_> = table.statuses().0;
            if act == 0 || held.is_empty() {
                let least = before.iter().filter(|it| it.available).map(|it| it.in_flight).min();
                match start(&table) {
                    Some((place, in_flight)) => {
                        prop_assert_eq!(Some(before[place].in_flight), least);
                        held.push((place, in_flight));
                    }
                    // Only a probe's place may be taken between being seen and being asked for.
                    None => prop_assert!(before.iter().any(|it| !it.available)),
                }
            } else {
                let (_, in_flight) = held.swap_remove(pick % held.len());
                match act {
                    1 => in_flight.ends(Ended::Well),
                    2 => in_flight.ends(Ended::Badly),
                    _ => drop(in_flight),
                }
            }
            for (place, status) in table.statuses().0.iter().enumerate() {
                let running = held.iter().filter(|(it, _)| *it == place).count();
                prop_assert_eq!(status.in_flight, running);
                prop_assert_eq!(status.status == PipelineState::Running, running > 0);
            }
        }
        drop(held);
        prop_assert!(table.statuses().0.iter().all(|it| it.in_flight == 0));
    }
}

// covers: G1
#[tokio::test(start_paused = true)]
async fn nine_requests_on_three_pipelines_are_three_each() {
    let bench = Bench::new();
    let pipelines: Vec<Arc<Fake>> = ["p1", "p2", "p3"]
        .map(|it| Arc::new(bench.gives(it, json!({}))))
        .to_vec();
    let group = bench.group([]);
    for it in &pipelines {
        group.register_pipeline(it.clone()).unwrap();
    }
    for n in 0..9 {
        group
            .orchestrate(run_id(&format!("r{n}")), &Fields::new())
            .await
            .unwrap();
    }
    assert!(
        pipelines
            .iter()
            .all(|it| it.runs.lock().unwrap().len() == 3)
    );
}

// covers: G2
#[tokio::test(start_paused = true)]
async fn a_failing_pipeline_cools_down_and_comes_back() {
    let bench = Bench::new();
    let broken = Arc::new(bench.fake("broken", |call| {
        if call <= 3 {
            Err("no".to_owned())
        } else {
            Ok(Fields::new())
        }
    }));
    let good = Arc::new(bench.gives("good", json!({})));
    let group = bench.group([]);
    group.register_pipeline(broken.clone()).unwrap();
    group.register_pipeline(good.clone()).unwrap();
    let ask = async |n: u32| {
        let run = run_id(&format!("r{n}"));
        group.orchestrate(run, &Fields::new()).await.is_ok()
    };
    let mut failures = 0;
    for n in 0..20 {
        failures += u32::from(!ask(n).await);
    }
    assert_eq!(failures, 3, "after three failures it is given nothing");
    let status = &group.get_pipeline_statuses()[0];
    assert_eq!((status.available, status.error_count), (false, 3));
    assert_eq!(status.status, PipelineState::Failed);

    bench.clock.advance(Duration::from_secs(31)).await;
    assert!(group.get_pipeline_statuses()[0].available);
    assert!(ask(20).await && ask(21).await);
    assert_eq!(broken.runs.lock().unwrap().len(), 4);
    assert_eq!(group.get_pipeline_statuses()[0].status, PipelineState::Idle);
}

// covers: G2
#[tokio::test(start_paused = true)]
async fn who_cools_down_has_an_outcome_that_says_so() {
    let bench = Bench::new();
    let group = bench.fan_out(
        AggregationStrategy::Merge,
        [
            bench.fails("broken", "no"),
            bench.gives("good", json!({"a": 1})),
        ],
    );
    let mut kinds = Vec::new();
    for n in 0..4 {
        let run = run_id(&format!("r{n}"));
        let outcome = group.orchestrate(run, &Fields::new()).await.unwrap();
        kinds.push(outcome.outcomes[0].result.as_ref().unwrap_err().kind);
        assert_eq!(json!(outcome.result), json!({"a": 1}));
    }
    let (failed, cold) = (
        PipelineFailureKind::Failed,
        PipelineFailureKind::CoolingDown,
    );
    assert_eq!(kinds, [failed, failed, failed, cold]);
}

// covers: G3
#[tokio::test(start_paused = true)]
async fn a_status_is_running_while_any_run_is_and_free_after_a_cancellation() {
    let bench = Bench::new();
    let group = Arc::new(bench.group([bench.gives("p1", json!({})).takes(10)]));
    let start = |run: &'static str| {
        let group = Arc::clone(&group);
        tokio::spawn(async move { group.orchestrate(run_id(run), &Fields::new()).await })
    };
    let first = start("r1");
    bench.clock.advance(Duration::from_secs(5)).await;
    let second = start("r2");
    bench.clock.advance(Duration::from_secs(5)).await;
    first.await.unwrap().unwrap();
    assert_eq!(
        states(&group),
        [("p1".to_owned(), PipelineState::Running, 1)]
    );
    second.abort();
    bench.clock.settle().await;
    assert_eq!(states(&group), [("p1".to_owned(), PipelineState::Idle, 0)]);
}

/// Balances load, but lets others in between seeing and deciding.
struct Slow;

#[async_trait]
impl GroupOrchestrationStrategy for Slow {
    async fn decide(
        &self,
        statuses: &[PipelineStatus],
        input: &Fields,
    ) -> Result<GroupOrchestrationDecision, strategy::GroupStrategyError> {
        tokio::task::yield_now().await;
        LoadBalancingStrategy.decide(statuses, input).await
    }

    fn depends_on_load(&self) -> bool {
        true
    }
}

// covers: G1
#[tokio::test(start_paused = true)]
async fn requests_that_come_at_once_do_not_all_take_the_same_pipeline() {
    let bench = Bench::new();
    let pipelines = ["p1", "p2", "p3", "p4"].map(|it| bench.gives(it, json!({})).takes(60));
    let group = Arc::new(bench.group(pipelines).with_strategy(Arc::new(Slow)));
    let runs: Vec<_> = (0..4)
        .map(|n| {
            let group = Arc::clone(&group);
            tokio::spawn(async move {
                group
                    .orchestrate(run_id(&format!("r{n}")), &Fields::new())
                    .await
            })
        })
        .collect();
    bench.clock.settle().await;
    assert!(
        states(&group).iter().all(|(.., in_flight)| *in_flight == 1),
        "{:?}",
        states(&group)
    );
    runs.iter().for_each(tokio::task::JoinHandle::abort);
}
