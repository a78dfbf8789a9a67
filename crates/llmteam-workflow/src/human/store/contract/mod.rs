//! What every interaction store is held to, through two handles as two processes would have them.

mod answering;
mod asking;
mod timing;

use std::{sync::Arc, time::Duration};

use llmteam_security::{
    clock::{Clock, ManualClock, Timestamp},
    id::{RequestId, RunId, TenantId},
    principal::{Principal, Role},
};
use serde_json::{Value, json};

use super::{InteractionFilter, InteractionStore};
use crate::human::{
    Answer, FiredEffect, HumanError, HumanInteractionManager, HumanOutcome, InteractionOption,
    InteractionPriority, InteractionRequest, InteractionStatus, InteractionType, NewInteraction,
    Waited,
};

/// Two managers over the same data and one clock.
struct Pair {
    a: HumanInteractionManager,
    b: HumanInteractionManager,
    clock: ManualClock,
}

const HOUR: Duration = Duration::from_secs(3600);

impl Pair {
    fn new(a: Arc<dyn InteractionStore>, b: Arc<dyn InteractionStore>) -> Self {
        let clock = ManualClock::new(Timestamp::parse("2024-03-31T00:30:00Z").unwrap());
        let manager = |store| HumanInteractionManager::new(store, Arc::new(clock.clone()));
        Self {
            a: manager(a),
            b: manager(b),
            clock,
        }
    }

    async fn ask(&self, new: NewInteraction) -> InteractionRequest {
        self.a.request(new).await.unwrap()
    }

    async fn events(&self, run: &str) -> Vec<HumanOutcome> {
        let events = self.b.poll(&tenant("t"), &self::run(run)).await.unwrap();
        assert!(events.is_sorted_by_key(|event| event.id));
        events.into_iter().map(|event| event.outcome).collect()
    }

    async fn respond(
        &self,
        id: &RequestId,
        by: &Principal,
        answer: Value,
    ) -> Result<(), HumanError> {
        self.b
            .respond(
                &tenant("t"),
                id,
                by,
                serde_json::from_value(answer).unwrap(),
            )
            .await
            .map(drop)
    }

    async fn status(&self, id: &RequestId) -> InteractionStatus {
        self.b.get(&tenant("t"), id).await.unwrap().status
    }
}

fn tenant(id: &str) -> TenantId {
    id.parse().unwrap()
}

fn run(id: &str) -> RunId {
    id.parse().unwrap()
}

fn user(id: &str) -> Principal {
    Principal::new(id.parse().unwrap())
}

/// An approval asked of alice by `run`, at its step `step`.
fn approval(run: &str, step: &str) -> NewInteraction {
    let (segment, step) = ("s".parse().unwrap(), step.parse().unwrap());
    NewInteraction::new(
        tenant("t"),
        self::run(run),
        segment,
        step,
        InteractionType::Approval,
    )
    .assigned_to("alice".parse().unwrap())
}

/// The same with a chain of two and one hour each.
fn chained(run: &str) -> NewInteraction {
    let escalation_chain = vec!["lead".parse().unwrap(), "group:heads".parse().unwrap()];
    NewInteraction {
        escalation_chain,
        timeout: HOUR,
        ..approval(run, "ask")
    }
}

/// Runs the whole suite; the two stores are handles to the same empty data.
pub(super) async fn check(a: Arc<dyn InteractionStore>, b: Arc<dyn InteractionStore>) {
    let pair = Pair::new(a, b);
    asking::one_request_per_key(&pair).await;
    asking::a_wrong_question_is_not_asked(&pair).await;
    asking::stored_whole(&pair).await;
    asking::tenants_are_apart(&pair).await;
    answering::the_first_answer_wins(&pair).await;
    answering::one_of_many_answers_wins(&pair).await;
    answering::an_answer_wakes_its_run_until_consumed(&pair).await;
    answering::refused_answers_change_nothing(&pair).await;
    answering::withdrawing(&pair).await;
    answering::claims_and_delegation(&pair).await;
    timing::escalation_to_the_end(&pair).await;
    timing::timers_fire_once(&pair).await;
    timing::a_deadline_nobody_saw_still_holds(&pair).await;
    timing::service_level_timers(&pair).await;
    asking::the_inbox(&pair).await;
    asking::chats(&pair).await;
    asking::purging(&pair).await;
}

fn yes() -> Answer {
    Answer {
        approved: Some(true),
        ..Answer::default()
    }
}
