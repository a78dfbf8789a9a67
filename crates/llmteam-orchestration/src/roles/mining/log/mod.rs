//! A log in columns: one row for each activity instance, no tree and no allocation per event.
//!
//! Invariant: the rows of a case stand together, ordered by start, completion and order of recording; activities and
//! resources are numbered in the order of their first row; two logs that say the same are equal. What is no instance
//! (work that never completed, decisions, stray suspensions) is kept aside and enters nothing that is discovered.
//! This module does not know files or formats.

mod attributes;
mod builder;
mod names;
mod pairing;
#[cfg(test)]
mod tests;

use std::num::NonZeroU32;

use hashbrown::{DefaultHashBuilder, HashMap, HashTable};
use llmteam_security::Timestamp;

pub use self::attributes::{Attribute, AttributeValue};
pub(crate) use self::{
    attributes::AttributeTable,
    builder::{DURATION, EventLogBuilder, IDENTITY},
    names::Names,
    pairing::{NONE, RawEvent, UNKNOWN},
};
use super::{
    error::MiningError,
    event::{Lifecycle, Outcome, ProcessEvent},
    variants::{ActivityIndex, Variant, Variants},
};

/// What was done, case by case.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EventLog {
    activities: Vec<Box<str>>,
    /// How many of the activities have a row; the others only occur aside.
    performed: usize,
    resources: Vec<Box<str>>,

    case_names: Vec<Box<str>>,
    /// Where the rows of each case end.
    case_ends: Vec<u32>,
    case_outcomes: Vec<Option<Outcome>>,
    case_attributes: AttributeTable,

    activity: Vec<ActivityIndex>,
    resource: Vec<u32>,
    start: Vec<i64>,
    complete: Vec<i64>,
    recorded: Vec<bool>,
    outcome: Vec<Option<Outcome>>,
    attempt: Vec<u32>,
    row_attributes: AttributeTable,
    /// In the order of rows.
    suspensions: Vec<Suspension>,

    aside: Vec<Aside>,
    aside_attributes: AttributeTable,
    /// Of the log as a whole; one owner.
    attributes: AttributeTable,
}

/// A span in which an instance waited, in microseconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Suspension {
    pub(crate) row: u32,
    pub(crate) from: i64,
    pub(crate) to: i64,
}

/// An event that is no instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Aside {
    pub(crate) case: u32,
    pub(crate) activity: ActivityIndex,
    pub(crate) resource: u32,
    pub(crate) time: i64,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) outcome: Option<Outcome>,
    pub(crate) attempt: u32,
}

impl Aside {
    fn of(case: u32, event: &RawEvent) -> Self {
        Self {
            case,
            activity: event.activity,
            resource: event.resource,
            time: event.time,
            lifecycle: event.lifecycle,
            outcome: event.outcome,
            attempt: event.attempt,
        }
    }
}

/// What a log takes in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogOptions {
    /// Counts decisions among the activity instances.
    pub decisions: bool,
}

/// One row of a log: work that was done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ActivityInstance<'a> {
    /// What was done.
    pub activity: &'a str,
    /// Who did it.
    pub resource: Option<&'a str>,
    /// When it began; its completion where no start was recorded.
    pub start: Timestamp,
    /// When it was over.
    pub complete: Timestamp,
    /// Whether its start was recorded.
    pub start_recorded: bool,
    /// How it ended, where that is known.
    pub outcome: Option<Outcome>,
    /// Which attempt it was, where that is known.
    pub attempt: Option<NonZeroU32>,
}

impl EventLog {
    /// The log of recorded events, in any order; cases stand in the order of their first event.
    ///
    /// # Errors
    ///
    /// An event that a log cannot hold: [`MiningError`].
    pub fn from_events<'a>(
        events: impl IntoIterator<Item = &'a ProcessEvent>,
        options: LogOptions,
    ) -> Result<Self, MiningError> {
        let mut places: HashMap<&str, usize> = HashMap::new();
        let mut cases: Vec<Vec<&ProcessEvent>> = Vec::new();
        for event in events {
            let place = *places.entry(&event.case_id).or_insert_with(|| {
                cases.push(Vec::new());
                cases.len() - 1
            });
            cases[place].push(event);
        }
        let mut builder = EventLogBuilder::default().with_decisions(options.decisions);
        for case in cases {
            for event in &case {
                builder.name_case(&event.case_id)?;
                builder.process_event(event)?;
            }
            builder.close_case()?;
        }
        builder.finish()
    }

    /// The names of the activities that have a row, by index.
    pub fn activities(&self) -> &[Box<str>] {
        &self.activities[..self.performed]
    }

    /// The names of the resources in the order of their first row.
    pub fn resources(&self) -> &[Box<str>] {
        &self.resources
    }

    /// How many cases there are.
    pub fn case_count(&self) -> usize {
        self.case_names.len()
    }

    /// How many activity instances there are.
    pub fn instance_count(&self) -> usize {
        self.activity.len()
    }

    /// How many events are no activity instance: decisions, work that never completed, stray suspensions.
    pub fn aside_count(&self) -> usize {
        self.aside.len()
    }

    /// The name of a case; names need not differ.
    ///
    /// # Panics
    ///
    /// There is no such case; so do the other questions about a case or a row.
    pub fn case_name(&self, case: usize) -> &str {
        &self.case_names[case]
    }

    /// How a case was said to have ended.
    pub fn case_outcome(&self, case: usize) -> Option<Outcome> {
        self.case_outcomes[case]
    }

    /// The attributes of a case.
    pub fn case_attributes(
        &self,
        case: usize,
    ) -> impl ExactSizeIterator<Item = Attribute<'_>> + Clone {
        self.case_attributes.of(case)
    }

    /// The attributes of the log itself.
    pub fn attributes(&self) -> impl Iterator<Item = Attribute<'_>> + Clone {
        // A log that nobody built has no owner of attributes.
        let owners = usize::from(!self.attributes.is_empty());
        (0..owners).flat_map(|it| self.attributes.of(it))
    }

    /// The rows of a case.
    pub fn rows(&self, case: usize) -> std::ops::Range<usize> {
        let from = if case == 0 {
            0
        } else {
            self.case_ends[case - 1]
        };
        from as usize..self.case_ends[case] as usize
    }

    /// The rows of each case.
    pub(crate) fn cases(&self) -> impl ExactSizeIterator<Item = std::ops::Range<usize>> + Clone {
        (0..self.case_count()).map(|it| self.rows(it))
    }

    /// One row.
    pub fn instance(&self, row: usize) -> ActivityInstance<'_> {
        ActivityInstance {
            activity: &self.activities[usize::from(self.activity[row])],
            resource: self.resource_name(self.resource[row]),
            start: Timestamp::from_micros(self.start[row]),
            complete: Timestamp::from_micros(self.complete[row]),
            start_recorded: self.recorded[row],
            outcome: self.outcome[row],
            attempt: NonZeroU32::new(self.attempt[row]),
        }
    }

    /// The rows of a case, in order.
    pub fn instances(&self, case: usize) -> impl ExactSizeIterator<Item = ActivityInstance<'_>> {
        self.rows(case).map(|row| self.instance(row))
    }

    /// The attributes of a row.
    pub fn row_attributes(
        &self,
        row: usize,
    ) -> impl ExactSizeIterator<Item = Attribute<'_>> + Clone {
        self.row_attributes.of(row)
    }

    /// The first attribute of a row with this key that is not nested.
    pub fn row_attribute(&self, row: usize, key: &str) -> Option<AttributeValue<'_>> {
        self.row_attributes.find(row, key)
    }

    /// How long a row took, in microseconds: from start to completion, or what its `duration_ms` says where no start
    /// was recorded.
    pub fn service_micros(&self, row: usize) -> i64 {
        if self.recorded[row] {
            return self.complete[row] - self.start[row];
        }
        match self.row_attributes.find(row, DURATION) {
            Some(AttributeValue::Int(millis)) if millis > 0 => millis.saturating_mul(1000),
            _ => 0,
        }
    }

    /// The variants of the log, each with how many cases took it.
    pub fn variants(&self) -> Variants {
        let hasher = DefaultHashBuilder::default();
        let mut places: HashTable<u32> = HashTable::new();
        let mut variants: Vec<Variant> = Vec::new();
        let hash = |it: &[ActivityIndex]| std::hash::BuildHasher::hash_one(&hasher, it);
        let mut from = 0;
        for end in &self.case_ends {
            let sequence = &self.activity[from..*end as usize];
            from = *end as usize;
            let hashed = hash(sequence);
            let place = places.find(hashed, |it| *variants[*it as usize].activities == *sequence);
            match place {
                Some(place) => variants[*place as usize].cases += 1,
                None => {
                    let place = variants.len() as u32;
                    variants.push(Variant {
                        activities: sequence.into(),
                        cases: 1,
                    });
                    let again = |it: &u32| hash(&variants[*it as usize].activities);
                    places.insert_unique(hashed, place, again);
                }
            }
        }
        Variants::of_counted(self.activities().to_vec(), variants)
    }

    /// Says how cases ended, by their names.
    pub(crate) fn set_case_outcomes(&mut self, outcome: impl Fn(&str) -> Option<Outcome>) {
        for (name, ended) in self.case_names.iter().zip(&mut self.case_outcomes) {
            *ended = outcome(name);
        }
    }

    fn resource_name(&self, number: u32) -> Option<&str> {
        self.resources.get(number as usize).map(|it| &**it)
    }
}

/// The columns, for what counts and measures; indices are rows.
impl EventLog {
    pub(crate) fn activity_column(&self) -> &[ActivityIndex] {
        &self.activity
    }

    pub(crate) fn case_ends(&self) -> &[u32] {
        &self.case_ends
    }

    /// Numbers of resources; [`NONE`] where nobody is known.
    pub(crate) fn resource_column(&self) -> &[u32] {
        &self.resource
    }

    pub(crate) fn start_column(&self) -> &[i64] {
        &self.start
    }

    pub(crate) fn complete_column(&self) -> &[i64] {
        &self.complete
    }

    /// The names of all activities, those that only occur aside included.
    pub(crate) fn activity_names(&self) -> &[Box<str>] {
        &self.activities
    }

    pub(crate) fn aside(&self) -> &[Aside] {
        &self.aside
    }

    pub(crate) fn aside_attributes(
        &self,
        place: usize,
    ) -> impl ExactSizeIterator<Item = Attribute<'_>> + Clone {
        self.aside_attributes.of(place)
    }

    /// Which attempt a row was; 0 when not known.
    pub(crate) fn attempt(&self, row: usize) -> u32 {
        self.attempt[row]
    }

    /// Whether an attribute of a case, an event or the log has a key that begins so.
    pub(crate) fn uses_key(&self, prefix: &str) -> bool {
        let tables = [
            &self.attributes,
            &self.case_attributes,
            &self.row_attributes,
            &self.aside_attributes,
        ];
        tables.iter().any(|it| it.uses_key(prefix))
    }

    pub(crate) fn suspensions(&self) -> &[Suspension] {
        &self.suspensions
    }
}

/// The variants of a log, each with how many cases took it.
pub fn get_variants(log: &EventLog) -> Variants {
    log.variants()
}
