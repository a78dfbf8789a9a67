//! An event log as a log of objects: runs, agents, teams, tenants and documents.
//!
//! Invariant: every activity instance is an event that concerns its run and its agent; ids begin with the type of the
//! object, so a run and an agent of one name stay two.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{
    super::log::{Attribute, AttributeValue, EventLog, IDENTITY},
    AttributeDeclaration, EventAttribute, Object, ObjectEvent, ObjectLog, ObjectValue,
    Relationship, TypeDeclaration, ValueType,
    flatten::START,
};

const RUN: &str = "run";
const AGENT: &str = "agent";
/// Attributes whose texts name objects of the same type.
const NAMED: [&str; 3] = ["team", "tenant", "document"];
const OUTCOME: &str = "llmteam:outcome";
const ATTEMPT: &str = "llmteam:attempt";

impl From<&EventLog> for ObjectLog {
    /// Attributes that are nested, and events that are no activity instance, are left out.
    fn from(log: &EventLog) -> Self {
        let mut objects = Objects::default();
        let mut types = EventTypes::default();
        let mut ids = HashSet::new();
        let mut events = Vec::new();
        for case in 0..log.case_count() {
            let run = objects.id(RUN, log.case_name(case));
            let of_case: Vec<Relationship> = log
                .case_attributes(case)
                .filter_map(|it| objects.named(&it))
                .collect();
            for row in log.rows(case) {
                let instance = log.instance(row);
                let mut relationships = vec![relation(run.clone(), RUN)];
                relationships.extend(
                    instance
                        .resource
                        .map(|it| relation(objects.id(AGENT, it), AGENT)),
                );
                relationships.extend(of_case.iter().cloned());
                relationships.extend(log.row_attributes(row).filter_map(|it| objects.named(&it)));
                let mut attributes = Vec::new();
                let mut add = |name: &str, value: ObjectValue| {
                    types.see(instance.activity, name, &value);
                    attributes.push(EventAttribute {
                        name: name.to_owned(),
                        value,
                    });
                };
                if instance.start_recorded {
                    add(START, ObjectValue::Time(instance.start));
                }
                if let Some(outcome) = instance.outcome {
                    add(OUTCOME, ObjectValue::String(outcome.as_str().to_owned()));
                }
                if let Some(attempt) = instance.attempt {
                    add(ATTEMPT, ObjectValue::Integer(attempt.get().into()));
                }
                let mut id = None;
                for it in log
                    .row_attributes(row)
                    .filter(|it| it.depth == 0 && !NAMED.contains(&it.key))
                {
                    match (it.key, it.value) {
                        (IDENTITY, AttributeValue::Id(text) | AttributeValue::Text(text)) => {
                            id = Some(text.to_owned());
                        }
                        (key, value) => add(key, object_value(value)),
                    }
                }
                let id = id
                    .filter(|it| !ids.contains(it))
                    .unwrap_or_else(|| format!("event:{row}"));
                ids.insert(id.clone());
                types.see_type(instance.activity);
                let event_type = instance.activity.to_owned();
                events.push(ObjectEvent {
                    id,
                    event_type,
                    time: instance.complete,
                    attributes,
                    relationships,
                });
            }
        }
        types.unify(&mut events);
        Self {
            object_types: objects.types(),
            event_types: types.declarations(),
            objects: objects.all,
            events,
        }
    }
}

fn relation(object_id: String, qualifier: &str) -> Relationship {
    Relationship {
        object_id,
        qualifier: qualifier.to_owned(),
    }
}

fn object_value(value: AttributeValue<'_>) -> ObjectValue {
    match value {
        AttributeValue::Text(it) | AttributeValue::Id(it) => ObjectValue::String(it.to_owned()),
        AttributeValue::Int(it) => ObjectValue::Integer(it),
        AttributeValue::Float(it) => ObjectValue::Float(it),
        AttributeValue::Bool(it) => ObjectValue::Boolean(it),
        AttributeValue::Time(it) => ObjectValue::Time(it),
    }
}

/// The objects that were met, in order.
#[derive(Default)]
struct Objects {
    all: Vec<Object>,
    known: HashSet<String>,
}

impl Objects {
    /// The id of an object, which is added when it is new.
    fn id(&mut self, object_type: &str, name: &str) -> String {
        let id = format!("{object_type}:{name}");
        if self.known.insert(id.clone()) {
            self.all.push(Object {
                id: id.clone(),
                object_type: object_type.to_owned(),
                attributes: Vec::new(),
                relationships: Vec::new(),
            });
        }
        id
    }

    /// The relation to an object that an attribute names.
    fn named(&mut self, attribute: &Attribute<'_>) -> Option<Relationship> {
        match attribute.value {
            AttributeValue::Text(name)
                if attribute.depth == 0 && NAMED.contains(&attribute.key) =>
            {
                Some(relation(self.id(attribute.key, name), attribute.key))
            }
            _ => None,
        }
    }

    fn types(&self) -> Vec<TypeDeclaration> {
        let mut types: Vec<TypeDeclaration> = Vec::new();
        for it in &self.all {
            if !types.iter().any(|known| known.name == it.object_type) {
                types.push(TypeDeclaration {
                    name: it.object_type.clone(),
                    attributes: Vec::new(),
                });
            }
        }
        types
    }
}

/// The activities that were met, in order, and the types of their attributes.
#[derive(Default)]
struct EventTypes {
    order: Vec<String>,
    attributes: HashMap<String, BTreeMap<String, ValueType>>,
}

impl EventTypes {
    fn see_type(&mut self, activity: &str) -> &mut BTreeMap<String, ValueType> {
        if !self.attributes.contains_key(activity) {
            self.order.push(activity.to_owned());
        }
        self.attributes.entry(activity.to_owned()).or_default()
    }

    /// Notes the type of a value; values of several types make texts of all.
    fn see(&mut self, activity: &str, name: &str, value: &ObjectValue) {
        let value_type = match value {
            ObjectValue::Boolean(_) => ValueType::Boolean,
            ObjectValue::Integer(_) => ValueType::Integer,
            ObjectValue::Float(_) => ValueType::Float,
            ObjectValue::String(_) => ValueType::String,
            ObjectValue::Time(_) => ValueType::Time,
        };
        let known = self
            .see_type(activity)
            .entry(name.to_owned())
            .or_insert(value_type);
        if *known != value_type {
            *known = ValueType::String;
        }
    }

    /// Makes texts of the values that have no type in common.
    fn unify(&self, events: &mut [ObjectEvent]) {
        for event in events {
            let Some(known) = self.attributes.get(&event.event_type) else {
                continue;
            };
            for it in &mut event.attributes {
                if known.get(&it.name) == Some(&ValueType::String) {
                    it.value = ObjectValue::String(it.value.text());
                }
            }
        }
    }

    fn declarations(mut self) -> Vec<TypeDeclaration> {
        let order = std::mem::take(&mut self.order);
        let declared = order.into_iter().map(|name| {
            let attributes = self
                .attributes
                .remove(&name)
                .unwrap_or_default()
                .into_iter();
            let attributes =
                attributes.map(|(name, value_type)| AttributeDeclaration { name, value_type });
            TypeDeclaration {
                name,
                attributes: attributes.collect(),
            }
        });
        declared.collect()
    }
}
