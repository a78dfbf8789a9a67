//! The fields of a context.
//!
//! Invariant: lists are bounded; texts and values are wiped when they leave. It has a serialised form for the
//! encrypted export alone, and nobody outside of the context ever holds one.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use zeroize::Zeroize;

use super::SecureAgentContext;
use crate::{clock::Timestamp, context::sealed::wipe};

/// How an agent is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentStatus {
    /// `idle`
    #[default]
    Idle,
    /// `running`
    Running,
    /// `completed`
    Completed,
    /// `failed`
    Failed,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct State {
    pub(super) agent_name: String,
    pub(super) status: AgentStatus,
    pub(super) confidence: f64,
    pub(super) error_count: u64,
    pub(super) last_action: String,
    pub(super) reasoning_steps: VecDeque<String>,
    pub(super) sources: VecDeque<String>,
    pub(super) messages: VecDeque<Value>,
    pub(super) data: Map<String, Value>,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
}

impl State {
    pub(super) fn new(agent_name: String, now: Timestamp) -> Self {
        Self {
            agent_name,
            status: AgentStatus::Idle,
            confidence: 0.0,
            error_count: 0,
            last_action: String::new(),
            reasoning_steps: VecDeque::new(),
            sources: VecDeque::new(),
            messages: VecDeque::new(),
            data: Map::new(),
            created_at: now,
            updated_at: now,
        }
    }

    /// A copy of a built-in field. Identity and sealed names are the context's.
    pub(super) fn field(&self, name: &str) -> Option<Value> {
        Some(match name {
            "agent_name" => json!(self.agent_name),
            "status" => json!(self.status),
            "confidence" => json!(self.confidence),
            "error_count" => json!(self.error_count),
            "last_action" => json!(self.last_action),
            "updated_at" => json!(self.updated_at),
            "created_at" => json!(self.created_at),
            "reasoning_steps" => json!(self.reasoning_steps),
            "sources" => json!(self.sources),
            "messages" => json!(self.messages),
            "data" => Value::Object(self.data.clone()),
            _ => return None,
        })
    }
}

/// Adds `entry`; beyond the limit the oldest entry leaves.
pub(super) fn push<T: Wipe>(list: &mut VecDeque<T>, entry: T) {
    if list.len() >= SecureAgentContext::MAX_ENTRIES
        && let Some(mut oldest) = list.pop_front()
    {
        oldest.wipe();
    }
    list.push_back(entry);
}

/// What can be overwritten.
pub(super) trait Wipe {
    fn wipe(&mut self);
}

impl Wipe for String {
    fn wipe(&mut self) {
        self.zeroize();
    }
}

impl Wipe for Value {
    fn wipe(&mut self) {
        wipe(self);
    }
}

impl Drop for State {
    fn drop(&mut self) {
        self.last_action.zeroize();
        self.reasoning_steps.iter_mut().for_each(Zeroize::zeroize);
        self.sources.iter_mut().for_each(Zeroize::zeroize);
        self.messages.iter_mut().for_each(wipe);
        wipe(&mut Value::Object(std::mem::take(&mut self.data)));
    }
}
