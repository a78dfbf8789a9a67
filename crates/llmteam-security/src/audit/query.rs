//! Which records somebody wants to see.
//!
//! Invariant: a query means the same in every store, because one function here decides; stores only narrow by number and
//! time. It names no tenant: the trail that is asked has one.

use super::{
    event_type::{ActorType, AuditEventType, AuditSeverity},
    record::AuditRecord,
};
use crate::clock::Timestamp;

/// The most records a query returns.
pub const MAX_LIMIT: u32 = 10_000;

/// By what records are put in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum OrderBy {
    /// By time, and by number where times are equal.
    #[default]
    Timestamp,
    /// By number.
    SequenceNumber,
}

/// A question to a trail; what is not set matches all, what is set must all match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditQuery {
    /// Not before.
    pub start_time: Option<Timestamp>,
    /// Not after.
    pub end_time: Option<Timestamp>,
    /// One of these types; none means all.
    pub event_types: Vec<AuditEventType>,
    /// One of these severities; none means all.
    pub severities: Vec<AuditSeverity>,
    /// Exactly this actor.
    pub actor_id: Option<String>,
    /// Exactly this kind of actor.
    pub actor_type: Option<ActorType>,
    /// Exactly this pipeline.
    pub pipeline_id: Option<String>,
    /// Exactly this run.
    pub run_id: Option<String>,
    /// Exactly this agent.
    pub agent_name: Option<String>,
    /// Exactly this kind of thing.
    pub resource_type: Option<String>,
    /// Exactly this thing.
    pub resource_id: Option<String>,
    /// Whether it succeeded.
    pub success: Option<bool>,
    /// A part of action, resource id or error message, in any case.
    pub search_text: Option<String>,
    /// At least one of these words; none means all.
    pub tags: Vec<String>,
    /// How many at most; more than [`MAX_LIMIT`] is that many.
    pub limit: u32,
    /// How many to leave out first.
    pub offset: u32,
    /// By what to order.
    pub order_by: OrderBy,
    /// Whether the last comes first.
    pub order_desc: bool,
}

impl Default for AuditQuery {
    fn default() -> Self {
        Self {
            start_time: None,
            end_time: None,
            event_types: Vec::new(),
            severities: Vec::new(),
            actor_id: None,
            actor_type: None,
            pipeline_id: None,
            run_id: None,
            agent_name: None,
            resource_type: None,
            resource_id: None,
            success: None,
            search_text: None,
            tags: Vec::new(),
            limit: 100,
            offset: 0,
            order_by: OrderBy::Timestamp,
            order_desc: true,
        }
    }
}

impl AuditQuery {
    /// Whether `record` is one of those asked for. Limits and order are not looked at.
    pub fn matches(&self, record: &AuditRecord) -> bool {
        let time = record.timestamp();
        let is = |wanted: &Option<String>, value: &str| {
            wanted.as_ref().is_none_or(|wanted| wanted == value)
        };
        self.start_time.is_none_or(|start| start <= time)
            && self.end_time.is_none_or(|end| time <= end)
            && among(&self.event_types, &record.event_type())
            && among(&self.severities, &record.severity())
            && is(&self.actor_id, record.actor_id())
            && self
                .actor_type
                .is_none_or(|it| it.as_str() == record.actor_type())
            && is(&self.pipeline_id, record.pipeline_id())
            && is(&self.run_id, record.run_id())
            && is(&self.agent_name, record.agent_name())
            && is(&self.resource_type, record.resource_type())
            && is(&self.resource_id, record.resource_id())
            && self.success.is_none_or(|it| it == record.success())
            && self.finds_text(record)
            && (self.tags.is_empty() || self.tags.iter().any(|tag| record.tags().contains(tag)))
    }

    fn finds_text(&self, record: &AuditRecord) -> bool {
        let Some(text) = self.search_text.as_ref().map(|it| it.to_lowercase()) else {
            return true;
        };
        [
            record.action(),
            record.resource_id(),
            record.error_message(),
        ]
        .iter()
        .any(|it| it.to_lowercase().contains(&text))
    }

    /// How many records to return at most.
    pub(super) fn capped_limit(&self) -> usize {
        self.limit.min(MAX_LIMIT) as usize
    }
}

fn among<T: PartialEq>(wanted: &[T], value: &T) -> bool {
    wanted.is_empty() || wanted.contains(value)
}
