//! Rules, the default order, and rules before another strategy.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use serde_json::json;

use super::{super::*, context, id};
use crate::roles::{DecisionSource, DecisionType, OrchestrationDecision};

async fn decided(
    strategy: &impl OrchestrationStrategy,
    context: &OrchestrationContext,
) -> (DecisionType, Vec<String>, String) {
    let decision = strategy.decide(context).await.unwrap();
    let targets = decision.target_agents.iter().map(ToString::to_string);
    (decision.decision_type, targets.collect(), decision.reason)
}

fn retry_on_errors() -> RuleBasedStrategy {
    RuleBasedStrategy::new().add_rule("errors", |it| {
        (it.error_rate > 0.5)
            .then(|| OrchestrationDecision::new(DecisionType::Retry, [], "high_error_rate"))
    })
}

// covers: ST03
#[test]
fn a_context_keeps_what_it_is_given_and_starts_without_errors() {
    let context = OrchestrationContext::new(Step::Agent(id("draft")), [id("a"), id("b")]);
    assert_eq!(context.current_step.to_string(), "draft");
    assert_eq!(context.available_agents, [id("a"), id("b")]);
    assert_eq!(context.error_rate, 0.0);
    let both = Step::Parallel(vec![id("a"), id("b")]);
    assert_eq!(both.to_string(), "a+b");
    assert_eq!(both.agents().len(), 2);
}

// covers: ST04, ST05
#[tokio::test]
async fn without_rules_the_first_agent_works_and_without_agents_nobody_does() {
    let strategy = RuleBasedStrategy::new();
    let one = decided(&strategy, &context(&["a"])).await;
    assert_eq!(
        one,
        (
            DecisionType::Route,
            vec!["a".to_owned()],
            "default_sequence".to_owned()
        )
    );
    let none = decided(&strategy, &context(&[])).await;
    assert_eq!(
        none,
        (DecisionType::End, vec![], "no_more_agents".to_owned())
    );
    let decision = strategy.decide(&context(&["a"])).await.unwrap();
    assert_eq!(decision.confidence.get(), 1.0);
    assert_eq!(decision.source, DecisionSource::DefaultSequence);
}

// covers: O1
#[tokio::test]
async fn the_default_order_gives_each_agent_one_turn() {
    let strategy = RuleBasedStrategy::new();
    let mut context = context(&["b", "a", "c"]);
    let mut order = Vec::new();
    loop {
        let decision = strategy.decide(&context).await.unwrap();
        let Some(agent) = decision.target_agents.first() else {
            assert_eq!(decision.reason, "no_more_agents");
            break;
        };
        order.push(agent.to_string());
        let record = context.agent_records.entry(agent.clone()).or_default();
        record.executions += 1;
    }
    assert_eq!(order, ["b", "a", "c"]);
    context.agent_records.clear();
    context.agent_records.insert(
        id("b"),
        AgentRecord {
            skipped: true,
            ..AgentRecord::default()
        },
    );
    assert_eq!(context.next_in_order(), Some(&id("a")));
}

// covers: O7
#[tokio::test]
async fn a_failure_that_no_rule_takes_up_is_not_passed_over() {
    let mut context = context(&["a", "b"]);
    context.failed_agents = vec![id("a")];
    let decision = decided(&RuleBasedStrategy::new(), &context).await;
    assert_eq!(
        decision,
        (DecisionType::End, vec![], "agent_failed".to_owned())
    );
}

// covers: ST06
#[tokio::test]
async fn a_rule_fires_when_it_fits() {
    let mut context = context(&["a"]);
    context.error_rate = 0.8;
    let decision = retry_on_errors().decide(&context).await.unwrap();
    assert_eq!(decision.decision_type, DecisionType::Retry);
    assert_eq!(decision.reason, "high_error_rate");
    assert_eq!(
        decision.source,
        DecisionSource::Rule {
            name: "errors".to_owned()
        }
    );
}

// covers: ST07
#[tokio::test]
async fn the_first_rule_that_fits_decides() {
    let strategy = retry_on_errors().add_rule("slow", |it| {
        (it.step_duration > Duration::from_secs(600))
            .then(|| OrchestrationDecision::new(DecisionType::Escalate, [], "slow"))
    });
    let mut context = context(&["a"]);
    context.step_duration = Duration::from_secs(700);
    context.error_rate = 0.8;
    assert_eq!(decided(&strategy, &context).await.0, DecisionType::Retry);
    context.error_rate = 0.1;
    assert_eq!(decided(&strategy, &context).await.0, DecisionType::Escalate);
}

struct LookUp(Result<Option<&'static str>, &'static str>);

#[async_trait]
impl AsyncRule for LookUp {
    async fn apply(
        &self,
        _: &OrchestrationContext,
    ) -> Result<Option<OrchestrationDecision>, RuleFailure> {
        tokio::task::yield_now().await;
        let found = self.0.map_err(|it| RuleFailure(it.to_owned()))?;
        Ok(found.map(|it| OrchestrationDecision::new(DecisionType::Skip, [id(it)], "looked up")))
    }
}

// covers: O15
#[tokio::test]
async fn a_rule_that_waits_is_waited_for_and_its_failure_is_named() {
    let found = RuleBasedStrategy::new()
        .add_async_rule("nothing", LookUp(Ok(None)))
        .add_async_rule("found", LookUp(Ok(Some("a"))));
    let decision = decided(&found, &context(&["a"])).await;
    assert_eq!(
        decision,
        (
            DecisionType::Skip,
            vec!["a".to_owned()],
            "looked up".to_owned()
        )
    );
    let broken = RuleBasedStrategy::new().add_async_rule("table", LookUp(Err("no such table")));
    let error = broken.decide(&context(&["a"])).await.unwrap_err();
    assert_eq!(error.to_string(), "rule `table` failed: no such table");
}

/// Counts how often it is asked.
#[derive(Default)]
struct Second(AtomicU32);

#[async_trait]
impl OrchestrationStrategy for Second {
    async fn decide(
        &self,
        _: &OrchestrationContext,
    ) -> Result<OrchestrationDecision, StrategyError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(OrchestrationDecision::end("second"))
    }
}

#[tokio::test]
async fn the_second_strategy_is_asked_only_when_no_rule_fits() {
    let second = Arc::new(Second::default());
    let strategy = RulesFirstStrategy::new(retry_on_errors(), second.clone());
    let mut context = context(&["a"]);
    let decision = strategy.decide(&context).await.unwrap();
    assert_eq!(decision.reason, "second");
    assert_eq!(decision.metadata["rules_passed"], json!(["errors"]));
    context.error_rate = 1.0;
    let decision = strategy.decide(&context).await.unwrap();
    assert_eq!(decision.reason, "high_error_rate");
    assert_eq!(second.0.load(Ordering::Relaxed), 1);
}
