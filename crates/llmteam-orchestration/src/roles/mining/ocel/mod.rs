//! OCEL 2.0: events that concern several objects at once, of several types.
//!
//! Invariant: a log that was read or made has distinct ids, every type that occurs is declared, every relation leads to
//! an object, and every value has the declared type. This module does not know files: it reads and writes streams.

mod flatten;
mod from_log;
mod json;
#[cfg(test)]
mod tests;
mod xml;

use std::collections::{HashMap, HashSet};

use llmteam_security::Timestamp;
use serde::{Deserialize, Serialize};

pub use self::{
    flatten::{discover_object_centric_dfg, flatten},
    json::{export_ocel_json, import_ocel_json},
    xml::{export_ocel_xml, import_ocel_xml},
};
use super::{
    error::check_text,
    xes::{parse_float, parse_time},
    xml::FormatFault,
};

/// A log of events that are related to objects.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectLog {
    /// The types of objects.
    pub object_types: Vec<TypeDeclaration>,
    /// The types of events: the activities.
    pub event_types: Vec<TypeDeclaration>,
    /// The objects.
    #[serde(default)]
    pub objects: Vec<Object>,
    /// The events.
    #[serde(default)]
    pub events: Vec<ObjectEvent>,
}

/// A type of objects or of events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypeDeclaration {
    /// Its name.
    pub name: String,
    /// The attributes that its objects or events may have.
    #[serde(default)]
    pub attributes: Vec<AttributeDeclaration>,
}

/// An attribute of a type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttributeDeclaration {
    /// Its name.
    pub name: String,
    /// The type of its values.
    #[serde(rename = "type")]
    pub value_type: ValueType,
}

/// The types of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ValueType {
    /// A text.
    String,
    /// An instant.
    Time,
    /// A whole number of 64 bits.
    Integer,
    /// A number.
    Float,
    /// True or false.
    Boolean,
}

impl ValueType {
    /// The name in files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Time => "time",
            Self::Integer => "integer",
            Self::Float => "float",
            Self::Boolean => "boolean",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        let all = [
            Self::String,
            Self::Time,
            Self::Integer,
            Self::Float,
            Self::Boolean,
        ];
        all.into_iter().find(|it| it.as_str() == name)
    }
}

/// A value.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum ObjectValue {
    /// True or false.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A number.
    Float(f64),
    /// A text. A file writes instants as texts too; the declaration tells them apart.
    String(String),
    /// An instant.
    #[serde(skip_deserializing)]
    Time(Timestamp),
}

/// Something that events concern.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Object {
    /// Its id among the objects.
    pub id: String,
    /// Its type.
    #[serde(rename = "type")]
    pub object_type: String,
    /// Its attributes, each since an instant.
    #[serde(default)]
    pub attributes: Vec<ObjectAttribute>,
    /// Other objects that it is related to.
    #[serde(default)]
    pub relationships: Vec<Relationship>,
}

/// What an attribute of an object has been since an instant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ObjectAttribute {
    /// Its name.
    pub name: String,
    /// Since when.
    pub time: Timestamp,
    /// What.
    pub value: ObjectValue,
}

/// A relation to an object.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Relationship {
    /// The object.
    #[serde(rename = "objectId")]
    pub object_id: String,
    /// What it is there.
    #[serde(default)]
    pub qualifier: String,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ObjectEvent {
    /// Its id among the events.
    pub id: String,
    /// Its type: the activity.
    #[serde(rename = "type")]
    pub event_type: String,
    /// When it happened.
    pub time: Timestamp,
    /// Its attributes.
    #[serde(default)]
    pub attributes: Vec<EventAttribute>,
    /// The objects that it concerns.
    #[serde(default)]
    pub relationships: Vec<Relationship>,
}

/// An attribute of an event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventAttribute {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: ObjectValue,
}

/// The attributes of each declared type.
type Declared = HashMap<String, HashMap<String, ValueType>>;

impl ObjectLog {
    /// Gives every value its declared type.
    ///
    /// # Errors
    ///
    /// An id that occurs twice, a type or an object that is not there, a value of another type, a character that XML
    /// cannot hold.
    pub(crate) fn settle(mut self) -> Result<Self, FormatFault> {
        let object_types = declared(&self.object_types)?;
        let event_types = declared(&self.event_types)?;
        let mut ids = HashSet::new();
        for object in &mut self.objects {
            check_text(&object.id)?;
            if !ids.insert(object.id.clone()) {
                return Err(id(&object.id, "is the id of two objects"));
            }
            let known = of_type(&object_types, &object.object_type)?;
            for it in &mut object.attributes {
                it.value.settle(known, &it.name)?;
            }
        }
        let mut events = HashSet::new();
        for event in &mut self.events {
            check_text(&event.id)?;
            if !events.insert(event.id.as_str()) {
                return Err(id(&event.id, "is the id of two events"));
            }
            let known = of_type(&event_types, &event.event_type)?;
            for it in &mut event.attributes {
                it.value.settle(known, &it.name)?;
            }
        }
        let relations = self.objects.iter().flat_map(|it| &it.relationships);
        for it in relations.chain(self.events.iter().flat_map(|it| &it.relationships)) {
            check_text(&it.qualifier)?;
            if !ids.contains(&it.object_id) {
                return Err(id(&it.object_id, "is related and is no object"));
            }
        }
        Ok(self)
    }
}

fn id(id: &str, rule: &'static str) -> FormatFault {
    FormatFault::Id {
        id: super::xml::excerpt(id),
        rule,
    }
}

fn declared(types: &[TypeDeclaration]) -> Result<Declared, FormatFault> {
    let mut declared = Declared::new();
    for it in types {
        check_text(&it.name)?;
        let attributes = it
            .attributes
            .iter()
            .map(|it| (it.name.clone(), it.value_type))
            .collect();
        if declared.insert(it.name.clone(), attributes).is_some() {
            return Err(id(&it.name, "is declared twice"));
        }
    }
    Ok(declared)
}

fn of_type<'a>(
    declared: &'a Declared,
    name: &str,
) -> Result<&'a HashMap<String, ValueType>, FormatFault> {
    declared
        .get(name)
        .ok_or_else(|| id(name, "is not declared as a type"))
}

impl ObjectValue {
    /// Becomes a value of the type that is declared for the attribute.
    fn settle(
        &mut self,
        declared: &HashMap<String, ValueType>,
        name: &str,
    ) -> Result<(), FormatFault> {
        let wanted = declared
            .get(name)
            .ok_or_else(|| id(name, "is not declared as an attribute"))?;
        let settled = match (wanted, &*self) {
            (ValueType::Float, Self::Integer(number)) => Some(Self::Float(*number as f64)),
            (_, Self::String(text)) => {
                check_text(text)?;
                Self::parse(*wanted, text)
            }
            (ValueType::Integer, Self::Integer(_))
            | (ValueType::Float, Self::Float(_))
            | (ValueType::Boolean, Self::Boolean(_))
            | (ValueType::Time, Self::Time(_)) => return Ok(()),
            (_, other) => return Err(FormatFault::value(&other.text(), wanted.as_str())),
        };
        *self = settled.ok_or_else(|| FormatFault::value(&self.text(), wanted.as_str()))?;
        Ok(())
    }

    fn parse(wanted: ValueType, text: &str) -> Option<Self> {
        match wanted {
            ValueType::String => Some(Self::String(text.to_owned())),
            ValueType::Time => {
                parse_time(text).map(|(micros, _)| Self::Time(Timestamp::from_micros(micros)))
            }
            ValueType::Integer => text.parse().ok().map(Self::Integer),
            ValueType::Float => parse_float(text).map(Self::Float),
            ValueType::Boolean => text.parse().ok().map(Self::Boolean),
        }
    }

    /// The value as a text.
    fn text(&self) -> String {
        match self {
            Self::String(text) => text.clone(),
            Self::Time(time) => time.to_string(),
            Self::Integer(number) => number.to_string(),
            Self::Float(number) => super::xes::float_text(*number),
            Self::Boolean(it) => it.to_string(),
        }
    }
}

impl Serialize for ObjectValue {
    /// As JSON has it; instants, and numbers that JSON lacks, as texts.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Boolean(it) => serializer.serialize_bool(*it),
            Self::Integer(it) => serializer.serialize_i64(*it),
            Self::Float(it) if it.is_finite() => serializer.serialize_f64(*it),
            other => serializer.serialize_str(&other.text()),
        }
    }
}
