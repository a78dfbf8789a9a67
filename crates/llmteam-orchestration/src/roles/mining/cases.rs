//! Gathers a log case after case, for who has whole cases at hand and more to say of them than an event holds.
//!
//! Invariant: only one case is held as events; a case is in the log whole or not at all. This file does not know where
//! cases come from.

use std::num::NonZeroU32;

use llmteam_security::Timestamp;

use super::{
    error::{MiningError, check_text},
    event::{Lifecycle, Outcome},
    log::{AttributeValue, EventLog, EventLogBuilder, NONE, RawEvent},
};

/// No event of a case says itself when its work began; its start does.
const UNKNOWN: i64 = i64::MIN;

/// One event of a [`Case`].
#[derive(Clone, Debug, PartialEq)]
pub struct CaseEvent<'a> {
    /// When it happened.
    pub timestamp: Timestamp,
    /// What was done.
    pub activity: &'a str,
    /// Who did it, where that is known.
    pub resource: Option<&'a str>,
    /// What the event says of the work.
    pub lifecycle: Lifecycle,
    /// How the work ended, where that is known.
    pub outcome: Option<Outcome>,
    /// Which attempt it was, where that is known.
    pub attempt: Option<NonZeroU32>,
    /// Anything else. A text under `concept:instance` ties the events of one piece of work together.
    pub attributes: Vec<(&'a str, AttributeValue<'a>)>,
}

/// One case.
#[derive(Clone, Debug, PartialEq)]
pub struct Case<'a> {
    /// Its name.
    pub name: &'a str,
    /// How it ended, where that is known.
    pub outcome: Option<Outcome>,
    /// What is known of it as a whole.
    pub attributes: Vec<(&'a str, AttributeValue<'a>)>,
    /// Its events, in the order of recording.
    pub events: Vec<CaseEvent<'a>>,
}

/// Gathers cases into a log.
#[derive(Debug, Default)]
pub struct CaseLog {
    builder: EventLogBuilder,
}

impl CaseLog {
    /// Says something of the log as a whole.
    ///
    /// # Errors
    ///
    /// What a log cannot hold.
    pub fn attribute(&mut self, key: &str, value: AttributeValue<'_>) -> Result<(), MiningError> {
        self.builder.log_attribute(0, key, value)
    }

    /// Adds a case.
    ///
    /// # Errors
    ///
    /// What a log cannot hold. The log is then of no more use.
    pub fn add(&mut self, case: &Case<'_>) -> Result<(), MiningError> {
        self.builder.name_case(case.name)?;
        if let Some(outcome) = case.outcome {
            self.builder.end_of_case(outcome);
        }
        for (key, value) in &case.attributes {
            self.builder.case_attribute(0, key, *value)?;
        }
        for event in &case.events {
            self.event(event)?;
        }
        self.builder.close_case()
    }

    /// The log.
    ///
    /// # Errors
    ///
    /// More than a log can hold.
    pub fn finish(self) -> Result<EventLog, MiningError> {
        self.builder.finish()
    }

    fn event(&mut self, event: &CaseEvent<'_>) -> Result<(), MiningError> {
        let activity = self.builder.activity(event.activity)?;
        let resource = event
            .resource
            .map_or(Ok(NONE), |it| self.builder.resource(it))?;
        let mut instance = NONE;
        for (key, value) in &event.attributes {
            check_text(key)?;
            if let ("concept:instance", AttributeValue::Text(name)) = (*key, value) {
                instance = self.builder.instance(name)?;
            }
            self.builder.attribute(0, key, *value)?;
        }
        self.builder.event(RawEvent {
            activity,
            resource,
            time: event.timestamp.as_micros(),
            start: UNKNOWN,
            lifecycle: event.lifecycle,
            outcome: event.outcome,
            attempt: event.attempt.map_or(0, Into::into),
            instance,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event<'a>(activity: &'a str, lifecycle: Lifecycle, at: i64) -> CaseEvent<'a> {
        CaseEvent {
            timestamp: Timestamp::from_micros(at),
            activity,
            resource: None,
            lifecycle,
            outcome: None,
            attempt: None,
            attributes: vec![("concept:instance", AttributeValue::Text("1"))],
        }
    }

    #[test]
    fn a_case_says_how_it_ended_and_what_it_was() {
        let mut log = CaseLog::default();
        log.add(&Case {
            name: "run_1",
            outcome: Some(Outcome::Failed),
            attributes: vec![("llmteam:segment", AttributeValue::Text("s"))],
            events: vec![
                event("a", Lifecycle::Start, 1),
                event("a", Lifecycle::Complete, 4),
                event("b", Lifecycle::Start, 5),
            ],
        })
        .unwrap();
        let log = log.finish().unwrap();
        assert_eq!(
            (log.case_count(), log.instance_count(), log.aside_count()),
            (1, 1, 1)
        );
        assert_eq!(log.case_outcome(0), Some(Outcome::Failed));
        assert_eq!(
            log.case_attributes(0).next().map(|it| it.key),
            Some("llmteam:segment")
        );
        let first = log.instance(0);
        assert_eq!(
            (
                first.resource,
                first.start.as_micros(),
                first.complete.as_micros()
            ),
            (None, 1, 4)
        );
    }
}
