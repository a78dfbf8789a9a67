//! How a log comes about: case after case, event after event.
//!
//! Invariant: a case is paired, ordered and laid into the columns when it ends, so only one case is held as events.
//! This file does not know where events come from.

use super::{
    super::{
        error::{MiningError, check_text},
        event::{Lifecycle, Outcome, ProcessEvent},
        variants::ActivityIndex,
    },
    Aside, EventLog, Suspension,
    attributes::{AttributeTable, AttributeValue},
    names::Names,
    pairing::{Instance, NONE, Paired, RawEvent, UNKNOWN, pair},
};

/// The attribute that ties the events of one instance together.
pub(crate) const INSTANCE: &str = "concept:instance";
/// The attribute that says how long work took whose start was not recorded, in milliseconds.
pub(crate) const DURATION: &str = "duration_ms";
/// The attribute that names an event.
pub(crate) const IDENTITY: &str = "identity:id";
/// The attribute that says what work cost.
pub(crate) const COST: &str = "cost:total";

/// Gathers a log.
#[derive(Debug, Default)]
pub(crate) struct EventLogBuilder {
    log: EventLog,
    activities: Names,
    resources: Names,
    with_decisions: bool,
    draft: Draft,
    paired: Paired,
}

/// The case that has not ended.
#[derive(Debug, Default)]
struct Draft {
    name: String,
    outcome: Option<Outcome>,
    events: Vec<RawEvent>,
    attributes: AttributeTable,
    instances: Names,
    /// When self-contained events waited.
    waits: Vec<(u32, i64, i64)>,
}

impl EventLogBuilder {
    /// Counts decisions among the instances, instead of keeping them aside.
    pub(crate) fn with_decisions(mut self, with: bool) -> Self {
        self.with_decisions = with;
        self
    }

    /// Names the case that is being gathered.
    pub(crate) fn name_case(&mut self, name: &str) -> Result<(), MiningError> {
        check_text(name)?;
        self.draft.name.clear();
        self.draft.name.push_str(name);
        Ok(())
    }

    /// Says how the case ended.
    pub(crate) fn end_of_case(&mut self, outcome: Outcome) {
        self.draft.outcome = Some(outcome);
    }

    pub(crate) fn log_attribute(
        &mut self,
        depth: u8,
        key: &str,
        value: AttributeValue<'_>,
    ) -> Result<(), MiningError> {
        self.log.attributes.push(depth, key, value)
    }

    pub(crate) fn case_attribute(
        &mut self,
        depth: u8,
        key: &str,
        value: AttributeValue<'_>,
    ) -> Result<(), MiningError> {
        self.log.case_attributes.push(depth, key, value)
    }

    /// Adds an attribute to the event that [`Self::event`] will add.
    pub(crate) fn attribute(
        &mut self,
        depth: u8,
        key: &str,
        value: AttributeValue<'_>,
    ) -> Result<(), MiningError> {
        self.draft.attributes.push(depth, key, value)
    }

    /// A span in which the event that [`Self::event`] will add waited.
    pub(crate) fn waited(&mut self, from: i64, to: i64) {
        self.draft
            .waits
            .push((self.draft.events.len() as u32, from, to));
    }

    pub(crate) fn activity(&mut self, name: &str) -> Result<ActivityIndex, MiningError> {
        let number = match self.activities.find(name) {
            Some(number) => Some(number),
            None => {
                check_text(name)?;
                self.activities.number(name)
            }
        };
        let index = number.and_then(|it| ActivityIndex::try_from(it).ok());
        index.ok_or(MiningError::TooManyActivities)
    }

    pub(crate) fn resource(&mut self, name: &str) -> Result<u32, MiningError> {
        if let Some(number) = self.resources.find(name) {
            return Ok(number);
        }
        check_text(name)?;
        self.resources
            .number(name)
            .ok_or(MiningError::TooMany { of: "resources" })
    }

    /// The number of a `concept:instance` in this case.
    pub(crate) fn instance(&mut self, name: &str) -> Result<u32, MiningError> {
        self.draft
            .instances
            .number(name)
            .ok_or(MiningError::TooMany { of: "instances" })
    }

    /// Adds an event with the attributes given before.
    pub(crate) fn event(&mut self, event: RawEvent) -> Result<(), MiningError> {
        if event.start != UNKNOWN && event.start > event.time {
            let activity = self.activities.text(event.activity.into()).to_owned();
            return Err(MiningError::EndsBeforeStart { activity });
        }
        if self.draft.events.len() >= NONE as usize {
            return Err(MiningError::TooMany { of: "events" });
        }
        self.draft.attributes.seal()?;
        let lifecycle = match event.lifecycle {
            Lifecycle::Decision if self.with_decisions => Lifecycle::Complete,
            other => other,
        };
        self.draft.events.push(RawEvent { lifecycle, ..event });
        Ok(())
    }

    /// Drops the attributes of an event that does not come.
    pub(crate) fn drop_event(&mut self) {
        self.draft.attributes.unseal();
        let next = self.draft.events.len() as u32;
        self.draft.waits.retain(|it| it.0 != next);
    }

    /// Ends the case: it is laid into the columns.
    pub(crate) fn close_case(&mut self) -> Result<(), MiningError> {
        let number = u32::try_from(self.log.case_names.len())
            .ok()
            .filter(|it| *it != NONE);
        let number = number.ok_or(MiningError::TooMany { of: "cases" })?;
        pair(&self.draft.events, &mut self.paired);
        for place in 0..self.paired.instances.len() {
            self.lay(self.paired.instances[place])?;
        }
        for place in &self.paired.aside {
            let event = self.draft.events[*place as usize];
            self.log
                .aside_attributes
                .copy(&self.draft.attributes, *place as usize, |_| true)?;
            self.log.aside_attributes.seal()?;
            self.log.aside.push(Aside::of(number, &event));
        }
        let end = u32::try_from(self.log.activity.len());
        self.log
            .case_ends
            .push(end.map_err(|_| MiningError::TooMany { of: "events" })?);
        self.log.case_names.push(self.draft.name.as_str().into());
        self.log.case_outcomes.push(self.draft.outcome);
        self.log.case_attributes.seal()?;
        self.draft.name.clear();
        self.draft.outcome = None;
        self.draft.events.clear();
        self.draft.attributes.clear();
        self.draft.instances.clear();
        self.draft.waits.clear();
        Ok(())
    }

    /// Adds an instance to the columns.
    fn lay(&mut self, instance: Instance) -> Result<(), MiningError> {
        let (draft, log) = (&self.draft, &mut self.log);
        let closed = instance.closed as usize;
        let event = draft.events[closed];
        let row =
            u32::try_from(log.activity.len()).map_err(|_| MiningError::TooMany { of: "events" })?;
        log.activity.push(event.activity);
        log.resource.push(event.resource);
        log.start.push(instance.start);
        log.complete.push(instance.complete);
        log.recorded.push(instance.recorded);
        for waits in [&self.paired.waits, &draft.waits] {
            let from = waits.partition_point(|it| it.0 < instance.closed);
            let own = waits[from..]
                .iter()
                .take_while(|it| it.0 == instance.closed);
            log.suspensions.extend(own.map(|(_, from, to)| Suspension {
                row,
                from: *from,
                to: *to,
            }));
        }
        let mut outcome = event.outcome;
        let mut attempt = event.attempt;
        if instance.opened != NONE {
            let (opened, own) = (instance.opened as usize, &draft.attributes);
            log.row_attributes
                .copy(own, opened, |key| own.find(closed, key).is_none())?;
            outcome = outcome.or(draft.events[opened].outcome);
            attempt = if attempt == 0 {
                draft.events[opened].attempt
            } else {
                attempt
            };
        }
        log.outcome.push(outcome);
        log.attempt.push(attempt);
        if !draft.attributes.is_empty() {
            log.row_attributes
                .copy(&draft.attributes, closed, |_| true)?;
        }
        log.row_attributes.seal()
    }

    /// The log, without the case that has not ended.
    pub(crate) fn finish(mut self) -> Result<EventLog, MiningError> {
        self.log.attributes.seal()?;
        let log = &mut self.log;
        let mut order = FirstUse::new(self.activities.len());
        for it in &mut log.activity {
            *it = order.number((*it).into()) as ActivityIndex;
        }
        log.performed = order.used.len();
        for it in &mut log.aside {
            it.activity = order.number(it.activity.into()) as ActivityIndex;
        }
        log.activities = order.pick(self.activities);
        let mut order = FirstUse::new(self.resources.len());
        let aside = log.aside.iter_mut().map(|it| &mut it.resource);
        for it in log
            .resource
            .iter_mut()
            .chain(aside)
            .filter(|it| **it != NONE)
        {
            *it = order.number(*it);
        }
        log.resources = order.pick(self.resources);
        Ok(self.log)
    }

    /// Adds an event as recorded.
    pub(crate) fn process_event(&mut self, event: &ProcessEvent) -> Result<(), MiningError> {
        event.check()?;
        let activity = self.activity(&event.activity)?;
        let resource = self.resource(&event.resource)?;
        self.attribute(0, IDENTITY, AttributeValue::Id(&event.event_id))?;
        if event.duration_ms != 0 {
            let duration = i64::try_from(event.duration_ms).unwrap_or(i64::MAX);
            self.attribute(0, DURATION, AttributeValue::Int(duration))?;
        }
        if event.cost != 0.0 {
            self.attribute(0, COST, AttributeValue::Float(event.cost))?;
        }
        let mut instance = NONE;
        for (key, value) in &event.attributes {
            let text;
            let value = match value {
                serde_json::Value::Null => continue,
                serde_json::Value::Bool(it) => AttributeValue::Bool(*it),
                serde_json::Value::String(it) => AttributeValue::Text(it),
                serde_json::Value::Number(it) => match (it.as_i64(), it.as_f64()) {
                    (Some(it), _) => AttributeValue::Int(it),
                    (None, Some(float)) if it.is_f64() => AttributeValue::Float(float),
                    _ => {
                        text = it.to_string();
                        AttributeValue::Text(&text)
                    }
                },
                nested => {
                    text = nested.to_string();
                    AttributeValue::Text(&text)
                }
            };
            if let (INSTANCE, AttributeValue::Text(name)) = (&**key, value) {
                instance = self.instance(name)?;
            }
            self.attribute(0, key, value)?;
        }
        self.event(RawEvent {
            activity,
            resource,
            time: event.timestamp.as_micros(),
            start: UNKNOWN,
            lifecycle: if event.is_decision() {
                Lifecycle::Decision
            } else {
                event.lifecycle
            },
            outcome: event.outcome,
            attempt: event.attempt.map_or(0, Into::into),
            instance,
        })
    }
}

/// Numbers things anew, in the order of their first use.
struct FirstUse {
    numbers: Vec<u32>,
    used: Vec<u32>,
}

impl FirstUse {
    fn new(known: usize) -> Self {
        Self {
            numbers: vec![NONE; known],
            used: Vec::new(),
        }
    }

    fn number(&mut self, old: u32) -> u32 {
        let number = &mut self.numbers[old as usize];
        if *number == NONE {
            *number = self.used.len() as u32;
            self.used.push(old);
        }
        *number
    }

    /// The names of what was used, by their new number.
    fn pick(&self, names: Names) -> Vec<Box<str>> {
        let mut texts = names.into_texts();
        self.used
            .iter()
            .map(|it| std::mem::take(&mut texts[*it as usize]))
            .collect()
    }
}
