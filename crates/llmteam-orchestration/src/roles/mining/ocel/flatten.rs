//! What a log of objects says of the objects of one type.
//!
//! Invariant: a log that is flattened has one case for each object of the type, in their order, and each event once in
//! the case of each object that it concerns, however often it is related.

use std::collections::{BTreeMap, HashMap};

use llmteam_security::Timestamp;

use super::{
    super::{
        dfg::{Dfg, discover_dfg},
        error::MiningError,
        event::Lifecycle,
        log::{AttributeValue, EventLog, EventLogBuilder, IDENTITY, NONE, RawEvent, UNKNOWN},
    },
    ObjectEvent, ObjectLog, ObjectValue,
};

/// The attribute that says when the work of an event began.
pub(super) const START: &str = "start_timestamp";

/// The log of the objects of one type; empty when there is none.
///
/// # Errors
///
/// More than a log can hold.
pub fn flatten(log: &ObjectLog, object_type: &str) -> Result<EventLog, MiningError> {
    let mut events: HashMap<&str, Vec<&ObjectEvent>> = HashMap::new();
    for event in &log.events {
        for relation in &event.relationships {
            let own = events.entry(&relation.object_id).or_default();
            // The relations of one event stand together, so only the last can be this event.
            if own.last().is_none_or(|last| !std::ptr::eq(*last, event)) {
                own.push(event);
            }
        }
    }
    let mut builder = EventLogBuilder::default();
    for object in log
        .objects
        .iter()
        .filter(|it| it.object_type == object_type)
    {
        builder.name_case(&object.id)?;
        for event in events.get(&*object.id).into_iter().flatten() {
            add(&mut builder, event)?;
        }
        builder.close_case()?;
    }
    builder.finish()
}

fn add(builder: &mut EventLogBuilder, event: &ObjectEvent) -> Result<(), MiningError> {
    let activity = builder.activity(&event.event_type)?;
    builder.attribute(0, IDENTITY, AttributeValue::Id(&event.id))?;
    let mut start = UNKNOWN;
    for it in &event.attributes {
        match &it.value {
            ObjectValue::Time(time) if it.name == START && *time <= event.time => {
                start = time.as_micros();
            }
            value => builder.attribute(0, &it.name, typed(value))?,
        }
    }
    builder.event(RawEvent {
        activity,
        resource: NONE,
        time: event.time.as_micros(),
        start,
        lifecycle: Lifecycle::Complete,
        outcome: None,
        attempt: 0,
        instance: NONE,
    })
}

fn typed(value: &ObjectValue) -> AttributeValue<'_> {
    match value {
        ObjectValue::String(it) => AttributeValue::Text(it),
        ObjectValue::Integer(it) => AttributeValue::Int(*it),
        ObjectValue::Float(it) => AttributeValue::Float(*it),
        ObjectValue::Boolean(it) => AttributeValue::Bool(*it),
        ObjectValue::Time(it) => AttributeValue::Time(Timestamp::from_micros(it.as_micros())),
    }
}

/// The directly-follows graph of each type of objects.
///
/// # Errors
///
/// More than a log can hold.
pub fn discover_object_centric_dfg(log: &ObjectLog) -> Result<BTreeMap<String, Dfg>, MiningError> {
    let types = log.object_types.iter();
    types
        .map(|it| Ok((it.name.clone(), discover_dfg(&flatten(log, &it.name)?))))
        .collect()
}
