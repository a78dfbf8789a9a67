//! What a `human_task` step's configuration asks for.
//!
//! Invariant: it is read as a whole; every fault that the schema cannot see is gathered first.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use llmteam_security::principal::Role;
use llmteam_workflow::human::{
    Answer, Assignee, InteractionOption, InteractionPriority, InteractionType, NewInteraction,
};
use serde_json::{Map, Value};

use crate::canvas::handler::{StepError, config};
use crate::runtime::{StepContext, StepSpec};

/// What a configuration asks for.
pub(super) struct Task {
    pub(super) kind: InteractionType,
    title: Option<String>,
    description: String,
    assignee: Option<Assignee>,
    pub(super) timeout: Option<Duration>,
    chain: Vec<Assignee>,
    choices: Vec<InteractionOption>,
    input_schema: Option<Value>,
    priority: InteractionPriority,
    sla_warning: Option<Duration>,
    sla_breach: Option<Duration>,
    required_role: Option<Role>,
    allow_self_response: bool,
    pub(super) on_timeout: OnTimeout,
}

/// What a step does when nobody answered.
pub(super) enum OnTimeout {
    Fail,
    Reject,
    Answer(Answer),
}

impl Task {
    /// Reads the configuration of a step.
    pub(super) fn read(step: &StepSpec) -> Result<Self, StepError> {
        let config = &step.config;
        config::check("human_task", config)?;
        let mut read = Reading {
            config,
            faults: Vec::new(),
        };
        let task = Self {
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

    /// The question to put, for the activation of `ctx`.
    pub(super) fn question(
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

/// Reads what the schema cannot check, and gathers every fault.
struct Reading<'a> {
    config: &'a Map<String, Value>,
    faults: Vec<String>,
}

impl Reading<'_> {
    fn parsed<T: FromStr<Err: Display>>(&mut self, key: &str) -> Option<T> {
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
