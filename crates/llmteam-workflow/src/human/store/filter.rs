//! Which requests to list, and in which order.
//!
//! One rule for every store: a store may leave out rows early, but what remains passes through here.

use std::cmp::Reverse;

use llmteam_security::{
    clock::Timestamp,
    id::{PrincipalId, RunId, SegmentId},
};

use super::super::{
    interaction::{InteractionPriority, InteractionStatus, InteractionType},
    request::InteractionRequest,
};

/// Which requests to list. The default lists all.
#[derive(Clone, Debug, Default)]
pub struct InteractionFilter {
    /// Only those that can still be answered.
    pub open: bool,
    /// Only these; empty means any.
    pub statuses: Vec<InteractionStatus>,
    /// Only those of one run.
    pub run: Option<RunId>,
    /// Only those of one segment.
    pub segment: Option<SegmentId>,
    /// Only one kind.
    pub interaction_type: Option<InteractionType>,
    /// Only one priority.
    pub priority: Option<InteractionPriority>,
    /// Only those asked of this person, or of one of `groups`.
    pub assignee: Option<PrincipalId>,
    /// Only those asked of one of these groups, or of `assignee`.
    pub groups: Vec<String>,
    /// Only those that this person has claimed.
    pub claimed_by: Option<PrincipalId>,
    /// Only those whose deadline is before this instant.
    pub overdue: Option<Timestamp>,
    /// How many to leave out at the start.
    pub offset: usize,
    /// How many to list at most.
    pub limit: Option<usize>,
}

impl InteractionFilter {
    /// Everything that can still be answered.
    pub fn open() -> Self {
        Self {
            open: true,
            ..Self::default()
        }
    }

    /// Everything of one run that can still be answered.
    pub fn open_of(run: &RunId) -> Self {
        Self {
            run: Some(run.clone()),
            ..Self::open()
        }
    }

    /// Those that pass, the highest priority first, then the earliest deadline, then the id.
    pub(super) fn select(
        &self,
        requests: impl IntoIterator<Item = InteractionRequest>,
    ) -> Vec<InteractionRequest> {
        let mut passed: Vec<_> = requests.into_iter().filter(|it| self.passes(it)).collect();
        passed.sort_by(|a, b| self::order(a).cmp(&self::order(b)));
        passed
            .into_iter()
            .skip(self.offset)
            .take(self.limit.unwrap_or(usize::MAX))
            .collect()
    }

    fn passes(&self, it: &InteractionRequest) -> bool {
        fn is<T: PartialEq>(wanted: &Option<T>, value: &T) -> bool {
            wanted.as_ref().is_none_or(|wanted| wanted == value)
        }
        let anybody = self.assignee.is_none() && self.groups.is_empty();
        let asked = self.assignee.is_some() && it.assignee_id == self.assignee
            || it
                .assignee_group
                .as_ref()
                .is_some_and(|group| self.groups.contains(group));
        (!self.open || it.is_open())
            && (self.statuses.is_empty() || self.statuses.contains(&it.status))
            && is(&self.run, &it.run)
            && is(&self.segment, &it.segment)
            && is(&self.interaction_type, &it.interaction_type)
            && is(&self.priority, &it.priority)
            && (anybody || asked)
            && (self.claimed_by.is_none() || self.claimed_by == it.claimed_by)
            && self
                .overdue
                .is_none_or(|now| it.is_open() && it.deadline < now)
    }
}

fn order(it: &InteractionRequest) -> (Reverse<InteractionPriority>, Timestamp, &str) {
    (Reverse(it.priority), it.deadline, it.request_id.as_str())
}
