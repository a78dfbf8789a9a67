//! `human_task`: asks a person and suspends until the answer is there (H-01 to H-06).
//!
//! The handler says what to ask and what an answer means. The question itself is kept, escalated and
//! answered through the runner's interaction manager, so that it outlives the process.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use llmteam_security::principal::Role;
use llmteam_workflow::human::{
    Answer, Assignee, DEFAULT_TIMEOUT, InteractionOption, InteractionPriority, InteractionResponse,
    InteractionType, NewInteraction,
};
use serde_json::{Map, Value, json};

use super::{StepError, StepHandler, StepOutcome, StepOutput, config};
use crate::runtime::{StepContext, StepSpec};

/// Runs `human_task` steps.
#[derive(Debug, Clone, Copy)]
pub struct HumanTaskHandler {
    default_timeout: Duration,
}

/// A handler for `human_task` steps that gives people 24 hours.
pub fn create_human_task_handler() -> HumanTaskHandler {
    HumanTaskHandler::default()
}

impl HumanTaskHandler {
    /// A handler that gives people this long unless a step says otherwise.
    pub fn new(default_timeout: Duration) -> Self {
        Self { default_timeout }
    }

    /// How long people have unless a step says otherwise.
    pub fn default_timeout(&self) -> Duration {
        self.default_timeout
    }
}

impl Default for HumanTaskHandler {
    fn default() -> Self {
        Self::new(DEFAULT_TIMEOUT)
    }
}

/// What a configuration asks for.
struct Prepared {
    kind: InteractionType,
    title: Option<String>,
    description: String,
    assignee: Option<Assignee>,
    timeout: Option<Duration>,
    chain: Vec<Assignee>,
    choices: Vec<InteractionOption>,
    input_schema: Option<Value>,
    priority: InteractionPriority,
    sla_warning: Option<Duration>,
    sla_breach: Option<Duration>,
    required_role: Option<Role>,
    allow_self_response: bool,
    on_timeout: OnTimeout,
}

/// What a step does when nobody answered.
enum OnTimeout {
    Fail,
    Reject,
    Answer(Answer),
}

#[async_trait]
impl StepHandler for HumanTaskHandler {
    async fn run(self: Arc<Self>, ctx: StepContext) -> Result<StepOutcome, StepError> {
        let task = ctx.step().prepared(prepare)?;
        let question = task.question(&ctx, self.default_timeout)?;
        let faults: Vec<String> = question.faults().iter().map(ToString::to_string).collect();
        if !faults.is_empty() {
            return Err(StepError::invalid_config(&ctx.step().step_type, &faults));
        }
        Ok(StepOutcome::Ask(Box::new(question)))
    }

    fn answered(
        &self,
        ctx: &StepContext,
        answer: &InteractionResponse,
    ) -> Result<StepOutput, StepError> {
        let task = ctx.step().prepared(prepare)?;
        let given = Given {
            approved: answer.approved,
            selected_option: answer.selected_option.as_deref(),
            input_data: &answer.input_data,
            review_changes: &answer.review_changes,
            responder: Some(answer.responder_id.as_str()),
            comment: &answer.comment,
            reason: &answer.reason,
        };
        given.output(task.kind, &ctx.input().subject())
    }

    fn unanswered(&self, ctx: &StepContext) -> Result<StepOutput, StepError> {
        let task = ctx.step().prepared(prepare)?;
        let hours = task.timeout.unwrap_or(self.default_timeout).as_secs_f64() / 3600.0;
        let message = format!("Human task timed out after {hours} hours");
        let refusal = Answer {
            approved: Some(false),
            reason: message.clone(),
            ..Answer::default()
        };
        let answer = match &task.on_timeout {
            OnTimeout::Fail => {
                return Err(StepError::new("TimeoutError", message)
                    .with_code("HUMAN_TIMEOUT")
                    .fatal());
            }
            OnTimeout::Reject => &refusal,
            OnTimeout::Answer(answer) => answer,
        };
        let given = Given {
            approved: answer.approved,
            selected_option: answer.selected_option.as_deref(),
            input_data: &answer.input_data,
            review_changes: &answer.review_changes,
            responder: None,
            comment: &answer.comment,
            reason: &answer.reason,
        };
        given.output(task.kind, &ctx.input().subject())
    }
}

impl Prepared {
    fn question(
        &self,
        ctx: &StepContext,
        default_timeout: Duration,
    ) -> Result<NewInteraction, StepError> {
        let segment = ctx.segment_id().ok_or_else(|| {
            StepError::new(
                "RuntimeContextError",
                "a person can only be asked within a segment",
            )
            .fatal()
        })?;
        let question = NewInteraction::new(
            ctx.tenant_id().clone(),
            ctx.run_id().clone(),
            segment.clone(),
            ctx.step_id().clone(),
            self.kind,
        );
        let title = self.title.clone().unwrap_or_else(|| question.title.clone());
        let question = NewInteraction {
            // One request per activation; attempts and recoveries find it again (H-06).
            dedup_key: format!("{}/{}/{}", ctx.run_id(), ctx.step_id(), ctx.activation()),
            title,
            description: self.description.clone(),
            context_data: Value::clone(&ctx.input().subject()),
            options: self.choices.clone(),
            input_schema: self.input_schema.clone(),
            timeout: self.timeout.unwrap_or(default_timeout),
            sla_warning: self.sla_warning,
            sla_breach: self.sla_breach,
            escalation_chain: self.chain.clone(),
            priority: self.priority,
            required_role: self.required_role.clone(),
            allow_self_response: self.allow_self_response,
            ..question
        };
        Ok(match &self.assignee {
            Some(assignee) => question.assigned_to(assignee.clone()),
            None => question,
        })
    }
}

/// An answer, whoever gave it.
struct Given<'a> {
    approved: Option<bool>,
    selected_option: Option<&'a str>,
    input_data: &'a Map<String, Value>,
    review_changes: &'a Map<String, Value>,
    responder: Option<&'a str>,
    comment: &'a str,
    reason: &'a str,
}

impl Given<'_> {
    /// The port the answer goes to, and what it puts there (H-04).
    fn output(&self, kind: InteractionType, subject: &Value) -> Result<StepOutput, StepError> {
        let is_data = kind == InteractionType::Input && !self.input_data.is_empty();
        let changes = if self.review_changes.is_empty() {
            self.input_data
        } else {
            self.review_changes
        };
        let (port, mut value) = match self.approved {
            Some(false) => (
                "rejected",
                json!({
                    "data": subject,
                    "response_data": self.input_data,
                    "responder": self.responder,
                    "reason": self.reason,
                    "comment": self.comment,
                }),
            ),
            None if !is_data && !changes.is_empty() => (
                "modified",
                json!({
                    "data": changes,
                    "original_data": subject,
                    "responder": self.responder,
                    "comment": self.comment,
                }),
            ),
            None if !is_data && self.selected_option.is_none() => {
                return Err(
                    StepError::new("InvalidResponse", "the answer decides nothing").fatal(),
                );
            }
            Some(true) | None => (
                "approved",
                json!({
                    "data": subject,
                    "response_data": self.input_data,
                    "responder": self.responder,
                    "comment": self.comment,
                }),
            ),
        };
        if let Some(option) = self.selected_option {
            value["selected_option"] = option.into();
        }
        Ok(json!({ port: value }).into())
    }
}

fn prepare(step: &StepSpec) -> Result<Prepared, StepError> {
    let config = &step.config;
    config::check("human_task", config)?;
    let mut read = Reading {
        config,
        faults: Vec::new(),
    };
    let task = Prepared {
        kind: match config::text(config, "task_type") {
            Some("input") => InteractionType::Input,
            Some("review") => InteractionType::Review,
            Some("choice") => InteractionType::Choice,
            _ => InteractionType::Approval,
        },
        title: config::text(config, "title").map(str::to_owned),
        description: config::text(config, "description")
            .unwrap_or_default()
            .to_owned(),
        assignee: read.parsed("assignee_ref"),
        timeout: read.hours("timeout_hours"),
        chain: read.chain(),
        choices: read.choices(),
        input_schema: config.get("input_schema").cloned(),
        priority: read.priority(),
        sla_warning: read.hours("sla_warning_hours"),
        sla_breach: read.hours("sla_breach_hours"),
        required_role: config::text(config, "required_role").map(Role::from),
        allow_self_response: config.get("allow_self_response") == Some(&Value::Bool(true)),
        on_timeout: read.on_timeout(),
    };
    if read.faults.is_empty() {
        Ok(task)
    } else {
        Err(StepError::invalid_config(&step.step_type, &read.faults))
    }
}

/// Reads what the schema cannot check, and gathers every fault.
struct Reading<'a> {
    config: &'a Map<String, Value>,
    faults: Vec<String>,
}

impl Reading<'_> {
    fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(&mut self, key: &str) -> Option<T> {
        let parsed = config::text(self.config, key)?.parse();
        parsed
            .map_err(|error| self.faults.push(format!("{key}: {error}")))
            .ok()
    }

    fn hours(&mut self, key: &str) -> Option<Duration> {
        let hours = self.config.get(key)?.as_f64()?;
        let span = Duration::try_from_secs_f64(hours * 3600.0)
            .ok()
            .filter(|span| !span.is_zero());
        if span.is_none() {
            self.faults
                .push(format!("{key}: {hours} is no time that can be waited for"));
        }
        span
    }

    fn priority(&mut self) -> InteractionPriority {
        let priority = self.config.get("priority").cloned();
        let parsed = priority.map_or(Ok(InteractionPriority::Normal), serde_json::from_value);
        parsed.unwrap_or_else(|error| {
            self.faults.push(format!("priority: {error}"));
            InteractionPriority::Normal
        })
    }

    fn strings(&self, key: &str) -> impl Iterator<Item = &str> {
        let items = self
            .config
            .get(key)
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        items.filter_map(Value::as_str)
    }

    fn chain(&mut self) -> Vec<Assignee> {
        let parsed: Vec<Result<Assignee, _>> =
            self.strings("escalation_chain").map(str::parse).collect();
        let mut chain = Vec::new();
        for entry in parsed {
            match entry {
                Ok(entry) => chain.push(entry),
                Err(error) => self.faults.push(format!("escalation_chain: {error}")),
            }
        }
        chain
    }

    fn choices(&self) -> Vec<InteractionOption> {
        let numbered = self.strings("choices").enumerate();
        numbered
            .map(|(index, label)| InteractionOption {
                id: index.to_string(),
                label: label.to_owned(),
            })
            .collect()
    }

    fn on_timeout(&mut self) -> OnTimeout {
        match config::text(self.config, "on_timeout") {
            Some("reject") => OnTimeout::Reject,
            Some("default_answer") => {
                let answer = self
                    .config
                    .get("default_answer")
                    .cloned()
                    .unwrap_or_default();
                match serde_json::from_value(answer) {
                    Ok(answer) => OnTimeout::Answer(answer),
                    Err(error) => {
                        self.faults.push(format!("default_answer: {error}"));
                        OnTimeout::Fail
                    }
                }
            }
            _ => OnTimeout::Fail,
        }
    }
}

#[cfg(test)]
mod tests {
    use llmteam_security::clock::Timestamp;

    use super::*;
    use crate::canvas::handler::testing::{in_segment, refuses, step, whole};
    use crate::runtime::{StepInput, StepSpec};

    fn context(config: Value) -> StepContext {
        StepContext::detached(
            in_segment(),
            step("human_task", config),
            whole(json!({ "d": 1 })),
        )
    }

    async fn question(handler: HumanTaskHandler, config: Value) -> NewInteraction {
        match Arc::new(handler).run(context(config)).await.unwrap() {
            StepOutcome::Ask(question) => *question,
            StepOutcome::Output(output) => panic!("{output:?}"),
        }
    }

    // covers: handlers 1, handlers 2, handlers 8, H-02
    #[tokio::test]
    async fn people_have_a_day_unless_handler_or_step_say_otherwise() {
        let day = Duration::from_secs(86_400);
        assert_eq!(create_human_task_handler().default_timeout(), day);
        let hour = HumanTaskHandler::new(Duration::from_secs(3600));
        let config = || json!({ "task_type": "approval" });
        assert_eq!(
            question(HumanTaskHandler::default(), config())
                .await
                .timeout,
            day
        );
        assert_eq!(
            question(hour, config()).await.timeout,
            Duration::from_secs(3600)
        );
        let config = json!({ "task_type": "approval", "timeout_hours": 0.5 });
        assert_eq!(
            question(hour, config).await.timeout,
            Duration::from_secs(1800)
        );
    }

    // covers: H-01
    #[tokio::test]
    async fn the_kind_of_question_follows_the_task_type() {
        for (task_type, kind) in [
            ("approval", InteractionType::Approval),
            ("input", InteractionType::Input),
            ("review", InteractionType::Review),
            ("choice", InteractionType::Choice),
        ] {
            let config = json!({ "task_type": task_type, "choices": ["A"] });
            assert_eq!(
                question(HumanTaskHandler::default(), config)
                    .await
                    .interaction_type,
                kind
            );
        }
    }

    // covers: H-02, H-06
    #[tokio::test]
    async fn everything_configured_is_asked_and_the_key_is_the_activations() {
        let config = json!({
            "task_type": "choice", "title": "Pick", "description": "one", "choices": ["A", "B"],
            "assignee_ref": "group:leads", "escalation_chain": ["ann", "group:board"], "priority": "high",
            "input_schema": { "type": "object" }, "sla_warning_hours": 1, "sla_breach_hours": 2,
            "required_role": "approver", "allow_self_response": true,
        });
        let asked = question(HumanTaskHandler::default(), config).await;
        assert_eq!(
            (asked.title.as_str(), asked.description.as_str()),
            ("Pick", "one")
        );
        assert_eq!(asked.dedup_key, "r/work/1");
        let place = [
            asked.tenant.as_str(),
            asked.run.as_str(),
            asked.segment.as_str(),
            asked.step.as_str(),
        ];
        assert_eq!(place, ["t", "r", "seg", "work"]);
        assert_eq!(asked.context_data, json!({ "d": 1 }));
        let options: Vec<_> = asked
            .options
            .iter()
            .map(|it| (it.id.as_str(), it.label.as_str()))
            .collect();
        assert_eq!(options, [("0", "A"), ("1", "B")]);
        assert_eq!(
            (asked.assignee_id, asked.assignee_group.as_deref()),
            (None, Some("leads"))
        );
        assert_eq!(asked.escalation_chain.len(), 2);
        assert_eq!(asked.priority, InteractionPriority::High);
        assert_eq!(asked.sla_breach, Some(Duration::from_secs(7200)));
        assert_eq!(asked.required_role, Some(Role::Approver));
        assert!(asked.allow_self_response && asked.input_schema.is_some());

        let bare = question(
            HumanTaskHandler::default(),
            json!({ "task_type": "review" }),
        )
        .await;
        assert_eq!(bare.title, "Human Task Required");
    }

    #[tokio::test]
    async fn what_cannot_be_asked_is_refused_with_every_reason() {
        for (config, fault) in [
            (json!({}), "Missing required field: task_type"),
            (json!({ "task_type": "vote" }), "task_type"),
            (
                json!({ "task_type": "approval", "timeout_hours": 0 }),
                "timeout_hours",
            ),
            (
                json!({ "task_type": "approval", "timeout_hours": -1, "priority": "loud" }),
                "priority",
            ),
            (
                json!({ "task_type": "approval", "assignee_ref": "no body" }),
                "assignee_ref",
            ),
            (
                json!({ "task_type": "approval", "escalation_chain": ["ann", ""] }),
                "escalation_chain",
            ),
            (json!({ "task_type": "choice" }), "options"),
            (
                json!({ "task_type": "approval", "on_timeout": "default_answer" }),
                "default_answer",
            ),
            (
                json!({ "task_type": "approval", "on_timeout": "default_answer", "default_answer": { "aproved": true } }),
                "aproved",
            ),
        ] {
            refuses(
                HumanTaskHandler::default(),
                step("human_task", config),
                fault,
            )
            .await;
        }
    }

    fn answer(answer: Value) -> InteractionResponse {
        let answer: Answer = serde_json::from_value(answer).unwrap();
        InteractionResponse {
            request_id: "req_1".parse().unwrap(),
            response_id: "resp_1".to_owned(),
            responder_id: "ann".parse().unwrap(),
            response_time: Timestamp::from_micros(0),
            override_role: None,
            approved: answer.approved,
            selected_option: answer.selected_option,
            input_data: answer.input_data,
            review_changes: answer.review_changes,
            comment: answer.comment,
            reason: answer.reason,
            subject_hash: String::new(),
            channel: None,
        }
    }

    fn mapped(task_type: &str, given: Value) -> Value {
        let context = context(json!({ "task_type": task_type, "choices": ["A", "B"] }));
        let output = HumanTaskHandler::default().answered(&context, &answer(given));
        Value::clone(&output.unwrap().0)
    }

    // covers: H-04, handlers 4
    #[test]
    fn yes_is_approved() {
        assert_eq!(
            mapped(
                "approval",
                json!({ "approved": true, "comment": "fine", "input_data": { "n": 1 } })
            ),
            json!({ "approved": { "data": { "d": 1 }, "response_data": { "n": 1 }, "responder": "ann", "comment": "fine" } })
        );
    }

    // covers: H-04, handlers 5
    #[test]
    fn no_is_rejected_whatever_else_is_said() {
        let given = json!({ "approved": false, "reason": "late", "review_changes": { "d": 2 }, "selected_option": "0" });
        assert_eq!(
            mapped("review", given),
            json!({ "rejected": {
                "data": { "d": 1 }, "response_data": {}, "responder": "ann", "reason": "late", "comment": "",
                "selected_option": "0",
            } })
        );
    }

    // covers: H-04
    #[test]
    fn changes_without_a_decision_are_modified() {
        let modified = |changes: Value| json!({ "modified": { "data": changes, "original_data": { "d": 1 }, "responder": "ann", "comment": "" } });
        let given = json!({ "review_changes": { "d": 2 }, "input_data": { "n": 1 } });
        assert_eq!(mapped("review", given), modified(json!({ "d": 2 })));
        assert_eq!(
            mapped("approval", json!({ "input_data": { "n": 1 } })),
            modified(json!({ "n": 1 }))
        );
    }

    // covers: H-04, handlers 6
    #[test]
    fn a_choice_is_approved_with_or_without_a_yes() {
        for given in [
            json!({ "selected_option": "1" }),
            json!({ "selected_option": "1", "approved": true }),
        ] {
            let mapped = mapped("choice", given);
            assert_eq!(mapped["approved"]["selected_option"], json!("1"));
            assert_eq!(mapped["approved"]["data"], json!({ "d": 1 }));
        }
    }

    // covers: H-04
    #[test]
    fn entered_data_is_approved_data() {
        let mapped = mapped("input", json!({ "input_data": { "n": 1 } }));
        assert_eq!(mapped["approved"]["response_data"], json!({ "n": 1 }));
    }

    #[test]
    fn an_answer_that_decides_nothing_is_no_output() {
        let context = context(json!({ "task_type": "approval" }));
        let error = HumanTaskHandler::default()
            .answered(&context, &answer(json!({})))
            .unwrap_err();
        assert_eq!(
            (error.error_type.as_str(), error.recoverable),
            ("InvalidResponse", false)
        );
    }

    fn unanswered(config: Value) -> Result<Value, StepError> {
        let mut full = json!({ "task_type": "approval", "timeout_hours": 0.5 });
        full.as_object_mut()
            .unwrap()
            .extend(config.as_object().unwrap().clone());
        let output = HumanTaskHandler::default().unanswered(&context(full))?;
        Ok(Value::clone(&output.0))
    }

    // covers: H-05, handlers 7
    #[test]
    fn no_answer_fails_the_step_unless_the_segment_says_what_else() {
        let error = unanswered(json!({})).unwrap_err();
        assert_eq!(
            (error.error_type.as_str(), error.recoverable),
            ("TimeoutError", false)
        );
        assert_eq!(error.error_code.as_deref(), Some("HUMAN_TIMEOUT"));
        assert_eq!(error.error_message, "Human task timed out after 0.5 hours");

        let rejected = unanswered(json!({ "on_timeout": "reject" })).unwrap();
        assert_eq!(rejected["rejected"]["responder"], json!(null));
        assert_eq!(
            rejected["rejected"]["reason"],
            json!("Human task timed out after 0.5 hours")
        );

        let config = json!({ "on_timeout": "default_answer", "default_answer": { "approved": true, "comment": "by default" } });
        let approved = unanswered(config).unwrap();
        assert_eq!(approved["approved"]["comment"], json!("by default"));
        assert_eq!(approved["approved"]["responder"], json!(null));
    }

    // covers: R-02
    #[tokio::test]
    async fn a_person_is_asked_within_a_segment_only() {
        let runtime = crate::runtime::testing::runtime("r");
        let spec: StepSpec = step("human_task", json!({ "task_type": "approval" }));
        let input: StepInput = whole(json!({}));
        let context = StepContext::detached(runtime, spec, input);
        let error = Arc::new(HumanTaskHandler::default())
            .run(context)
            .await
            .unwrap_err();
        assert_eq!(error.error_type, "RuntimeContextError");
    }
}
