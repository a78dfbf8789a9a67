//! The values of one context: what its owner wrote, what its secure context reports, what others contribute.
//!
//! Invariant: one contribution per field and child; the aggregate of a field is always that of the owner's value and
//! the contributions that are there, and the bookkeeping is no part of the data. Space is O(children) per field.
//! This module does not know the tree, nor who may write.

use std::collections::{BTreeMap, BTreeSet};

use llmteam_security::AgentId;
use serde_json::{Map, Value};

use super::{
    aggregation::{AggregationRule, Entry},
    error::FaultKind,
};

#[derive(Clone, Default)]
pub(super) struct Ledger {
    own: BTreeMap<String, Entry>,
    shares: BTreeMap<String, Share>,
    report: Report,
    /// Counts writes and contributions, so that the last of several is known.
    turns: u64,
}

/// What those under a context contribute to one of its fields; at least one contribution.
#[derive(Clone)]
struct Share {
    rule: AggregationRule,
    of: BTreeMap<AgentId, Entry>,
    aggregate: Value,
}

/// A field with the rule by which it is aggregated.
pub(super) type RuledField = (String, AggregationRule);

/// What the one above a context may learn of it, as of the last time it looked.
#[derive(Clone, Default, PartialEq)]
pub(super) enum Report {
    /// It has no secure context: all.
    #[default]
    Open,
    /// Nothing.
    Withheld,
    /// What its secure context showed.
    Shown {
        /// What the secure context keeps of the reported fields.
        values: BTreeMap<String, Value>,
        /// Fields of the data that do not leave.
        closed: BTreeSet<String>,
    },
}

impl Report {
    fn lets_out(&self, field: &str) -> bool {
        match self {
            Self::Open => true,
            Self::Withheld => false,
            Self::Shown { closed, .. } => !closed.contains(field),
        }
    }

    fn value(&self, field: &str) -> Option<&Value> {
        match self {
            Self::Open | Self::Withheld => None,
            Self::Shown { values, .. } => values.get(field),
        }
    }
}

impl Ledger {
    /// The value of `field`: the aggregate where others contribute, else what the owner wrote.
    pub(super) fn get(&self, field: &str) -> Option<&Value> {
        let aggregate = self.shares.get(field).map(|share| &share.aggregate);
        aggregate.or_else(|| self.own.get(field).map(|entry| &entry.value))
    }

    /// A copy of all values.
    pub(super) fn to_map(&self) -> Map<String, Value> {
        let own = self.own.iter().map(|(field, it)| (field, &it.value));
        let shares = self.shares.iter().map(|(field, it)| (field, &it.aggregate));
        own.chain(shares)
            .map(|(field, value)| (field.clone(), value.clone()))
            .collect()
    }

    /// What the owner wrote itself.
    pub(super) fn own(&self, field: &str) -> Option<&Value> {
        self.own.get(field).map(|entry| &entry.value)
    }

    /// Writes the owner's value. Where others contribute, it must fit the rule and is aggregated with theirs.
    pub(super) fn write(&mut self, field: &str, value: Value) -> Result<(), FaultKind> {
        if let Some(share) = self.shares.get(field) {
            share.rule.admit(&value)?;
        }
        let turn = self.turn();
        self.own.insert(field.to_owned(), Entry { value, turn });
        self.settle(field);
        Ok(())
    }

    /// Erases the owner's value; whether there was one.
    pub(super) fn erase(&mut self, field: &str) -> bool {
        let erased = self.own.remove(field).is_some();
        self.settle(field);
        erased
    }

    /// What goes up for `field`, if `report` lets it out. `arriving` replaces what one of those below contributes.
    pub(super) fn outgoing(
        &self,
        (field, rule): (&str, AggregationRule),
        report: &Report,
        arriving: Option<(&AgentId, Option<&Value>)>,
    ) -> Result<Option<Value>, FaultKind> {
        if !report.lets_out(field) {
            return Ok(None);
        }
        let own = self.own.get(field).map(Entry::at_turn);
        let reported = report.value(field).map(|value| (value, 0));
        for (value, _) in own.into_iter().chain(reported) {
            rule.admit(value)?;
        }
        let shares = self.shares.get(field).map(|share| &share.of);
        let others = shares
            .into_iter()
            .flatten()
            .filter(|(child, _)| arriving.is_none_or(|(it, _)| it != *child))
            .map(|(_, entry)| entry.at_turn());
        let arrived = arriving.and_then(|(_, value)| Some((value?, u64::MAX)));
        let values = own.into_iter().chain(reported).chain(others).chain(arrived);
        Ok(rule.aggregate(values))
    }

    /// Takes the contribution of `child`, in place of what it was; `None` retracts it. Whether something changed.
    /// The owner's value and the contribution must be admitted by `rule`.
    pub(super) fn contribute(
        &mut self,
        child: &AgentId,
        (field, rule): (&str, AggregationRule),
        value: Option<&Value>,
    ) -> bool {
        let Some(value) = value else {
            return self.retract(child, field);
        };
        let turn = self.turn();
        let share = self
            .shares
            .entry(field.to_owned())
            .or_insert_with(|| Share {
                rule,
                of: BTreeMap::new(),
                aggregate: Value::Null,
            });
        let is_new = share.of.get(child).is_none_or(|it| it.value != *value);
        let value = value.clone();
        share.of.insert(child.clone(), Entry { value, turn });
        share.rule = rule;
        self.settle(field) || is_new
    }

    /// Brings what `child` contributes up to date with `value`, keeping its place among the last.
    pub(super) fn refresh(&mut self, child: &AgentId, field: &str, value: Option<Value>) {
        let share = self.shares.get_mut(field);
        let entry = share.and_then(|share| share.of.get_mut(child));
        match (entry, value) {
            (Some(entry), Some(value)) => entry.value = value,
            _ => {
                self.retract(child, field);
            }
        }
        self.settle(field);
    }

    /// Retracts what `child` contributes to `field`; whether it did.
    fn retract(&mut self, child: &AgentId, field: &str) -> bool {
        let share = self.shares.get_mut(field);
        let retracted = share.is_some_and(|share| share.of.remove(child).is_some());
        self.settle(field);
        retracted
    }

    /// Retracts all that `child` contributes.
    pub(super) fn retract_all(&mut self, child: &AgentId) {
        for (field, _) in self.contributed_by(child) {
            self.retract(child, &field);
        }
    }

    /// The fields that `child` contributes to, with their rules.
    pub(super) fn contributed_by(&self, child: &AgentId) -> Vec<RuledField> {
        let shares = self
            .shares
            .iter()
            .filter(|(_, share)| share.of.contains_key(child));
        shares
            .map(|(field, share)| (field.clone(), share.rule))
            .collect()
    }

    /// What the one above may learn, as of the last time it looked.
    pub(super) fn report(&self) -> &Report {
        &self.report
    }

    pub(super) fn set_report(&mut self, report: Report) {
        self.report = report;
    }

    /// Forgets what was shown to who was above.
    pub(super) fn withhold(&mut self) {
        if self.is_secured() {
            self.report = Report::Withheld;
        }
    }

    pub(super) fn is_secured(&self) -> bool {
        self.report != Report::Open
    }

    fn turn(&mut self) -> u64 {
        self.turns += 1;
        self.turns
    }

    /// Aggregates `field` anew; whether that changed it.
    fn settle(&mut self, field: &str) -> bool {
        let Some(share) = self.shares.get_mut(field) else {
            return false;
        };
        let values = self.own.get(field).into_iter().chain(share.of.values());
        match share.rule.aggregate(values.map(Entry::at_turn)) {
            Some(aggregate) if !share.of.is_empty() => {
                let changed = share.aggregate != aggregate;
                share.aggregate = aggregate;
                changed
            }
            _ => self.shares.remove(field).is_some(),
        }
    }
}
