//! The values an expression computes with.
//!
//! Invariant: what comes from JSON stays borrowed; what an expression builds is shared, never copied, and knows its
//! size. This module does not know how values are combined: see `operate` and `functions`.

use std::cmp::Ordering;
use std::io;
use std::rc::Rc;

use serde::Serialize;
use serde_json::{Map, Value};

use super::budget::{Budget, fits};
use super::error::Fault;

/// A value during an evaluation; `'a` outlives it and holds the names and the program.
#[derive(Clone, Debug)]
pub(super) enum Val<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    Str(&'a str),
    Text(Rc<str>),
    Bytes(Rc<[u8]>),
    Array(&'a [Value]),
    List(Rc<List<'a>>),
    Object(&'a Map<String, Value>),
    Entries(Rc<Entries<'a>>),
    Type(&'static str),
}

/// A list that the expression built.
#[derive(Debug, Default)]
pub(super) struct List<'a> {
    items: Vec<Val<'a>>,
    size: usize,
}

/// A map that the expression built; keys are int, bool or string, each once.
#[derive(Debug, Default)]
pub(super) struct Entries<'a> {
    pairs: Vec<(Val<'a>, Val<'a>)>,
    size: usize,
}

impl<'a> Val<'a> {
    /// Integers within i64 are int; larger ones and fractions are double.
    pub(super) fn from_json(value: &'a Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(it) => Self::Bool(*it),
            Value::Number(it) => match it.as_i64() {
                Some(int) => Self::Int(int),
                None => Self::Double(it.as_f64().unwrap_or(f64::INFINITY)),
            },
            Value::String(it) => Self::Str(it),
            Value::Array(it) => Self::Array(it),
            Value::Object(it) => Self::Object(it),
        }
    }

    pub(super) fn text(text: impl Into<Rc<str>>) -> Self {
        Self::Text(text.into())
    }

    /// The name of its type, as CEL spells it.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null_type",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Double(_) => "double",
            Self::Str(_) | Self::Text(_) => "string",
            Self::Bytes(_) => "bytes",
            Self::Array(_) | Self::List(_) => "list",
            Self::Object(_) | Self::Entries(_) => "map",
            Self::Type(_) => "type",
        }
    }

    pub(super) fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(it) => Some(it),
            Self::Text(it) => Some(it),
            _ => None,
        }
    }

    /// The number of items of a list or entries of a map.
    pub(super) fn len(&self) -> Option<usize> {
        match self {
            Self::Array(it) => Some(it.len()),
            Self::List(it) => Some(it.items.len()),
            Self::Object(it) => Some(it.len()),
            Self::Entries(it) => Some(it.pairs.len()),
            _ => None,
        }
    }

    /// The items of a list, or the keys of a map: what `in` searches and macros walk over.
    pub(super) fn elements(&self) -> Option<Box<dyn Iterator<Item = Val<'a>> + '_>> {
        match self {
            Self::Array(it) => Some(Box::new(it.iter().map(Val::from_json))),
            Self::List(it) => Some(Box::new(it.items.iter().cloned())),
            Self::Object(it) => Some(Box::new(it.keys().map(|key| Val::Str(key)))),
            Self::Entries(it) => Some(Box::new(it.pairs.iter().map(|(key, _)| key.clone()))),
            _ => None,
        }
    }

    pub(super) fn is_list(&self) -> bool {
        matches!(self, Self::Array(_) | Self::List(_))
    }

    /// The item of a list.
    pub(super) fn item(&self, index: usize) -> Option<Val<'a>> {
        match self {
            Self::Array(it) => it.get(index).map(Val::from_json),
            Self::List(it) => it.items.get(index).cloned(),
            _ => None,
        }
    }

    /// The field of a map, or none when it is no map.
    pub(super) fn field(&self, name: &str) -> Option<Option<Val<'a>>> {
        match self {
            Self::Object(it) => Some(it.get(name).map(Val::from_json)),
            Self::Entries(it) => Some(it.find(|key| key.as_str() == Some(name))),
            _ => None,
        }
    }

    /// Turns the value into JSON, refusing what JSON cannot hold and what is above the size limit.
    pub(super) fn into_json(self) -> Result<Value, Fault> {
        self.write(&mut Meter::default())
    }

    fn write(&self, meter: &mut Meter) -> Result<Value, Fault> {
        let leaf = match self {
            Self::Null => Value::Null,
            Self::Bool(it) => Value::Bool(*it),
            Self::Int(it) => Value::from(*it),
            Self::Double(it) => match serde_json::Number::from_f64(*it) {
                Some(number) => Value::Number(number),
                None => return Err(Fault::value("a number that is not finite is no JSON value")),
            },
            Self::Str(it) => return meter.measure(it).map(|()| Value::from(*it)),
            Self::Text(it) => return meter.measure(&**it).map(|()| Value::from(&**it)),
            Self::Array(it) => return meter.measure(it).map(|()| Value::Array(it.to_vec())),
            Self::Object(it) => return meter.measure(it).map(|()| Value::Object((*it).clone())),
            Self::List(it) => return it.write(meter),
            Self::Entries(it) => return it.write(meter),
            Self::Bytes(_) | Self::Type(_) => {
                return Err(Fault::value(format!(
                    "a result of type {} is no JSON value",
                    self.type_name()
                )));
            }
        };
        meter.measure(&leaf).map(|()| leaf)
    }

    fn as_key_text(&self) -> String {
        match self {
            Self::Bool(it) => it.to_string(),
            Self::Int(it) => it.to_string(),
            _ => self.as_str().unwrap_or_default().to_owned(),
        }
    }

    /// The bytes that the expression itself holds by this value; what is borrowed counts as a place only.
    fn built_size(&self) -> usize {
        2 + match self {
            Self::Text(it) => it.len(),
            Self::Bytes(it) => it.len(),
            Self::List(it) => it.size,
            Self::Entries(it) => it.size,
            _ => 0,
        }
    }
}

impl<'a> List<'a> {
    pub(super) fn push(&mut self, item: Val<'a>) -> Result<(), Fault> {
        self.size += item.built_size();
        fits(self.size)?;
        self.items.push(item);
        Ok(())
    }

    pub(super) fn into_val(self) -> Val<'a> {
        Val::List(Rc::new(self))
    }

    fn write(&self, meter: &mut Meter) -> Result<Value, Fault> {
        meter.frame(self.items.len())?;
        self.items
            .iter()
            .map(|item| item.write(meter))
            .collect::<Result<_, _>>()
            .map(Value::Array)
    }
}

impl<'a> Entries<'a> {
    /// Adds an entry; a key is an int, a bool or a string and occurs once.
    pub(super) fn insert(
        &mut self,
        key: Val<'a>,
        value: Val<'a>,
        budget: &mut Budget,
    ) -> Result<(), Fault> {
        if !matches!(key, Val::Int(_) | Val::Bool(_) | Val::Str(_) | Val::Text(_)) {
            return Err(Fault::value(format!(
                "a key of a map cannot be {}",
                key.type_name()
            )));
        }
        budget.items(self.pairs.len())?;
        if self.find(|other| same_key(other, &key)).is_some() {
            return Err(Fault::value("a map has the same key twice"));
        }
        self.size += key.built_size() + value.built_size();
        fits(self.size)?;
        self.pairs.push((key, value));
        Ok(())
    }

    pub(super) fn get(&self, key: &Val<'_>) -> Option<Val<'a>> {
        self.find(|other| same_key(other, key))
    }

    pub(super) fn pairs(&self) -> &[(Val<'a>, Val<'a>)] {
        &self.pairs
    }

    pub(super) fn into_val(self) -> Val<'a> {
        Val::Entries(Rc::new(self))
    }

    fn write(&self, meter: &mut Meter) -> Result<Value, Fault> {
        // An entry has a colon.
        meter.frame(2 * self.pairs.len())?;
        let mut object = Map::new();
        for (key, value) in &self.pairs {
            let key = key.as_key_text();
            meter.measure(&key)?;
            if object.insert(key, value.write(meter)?).is_some() {
                return Err(Fault::value("two keys of a map read the same"));
            }
        }
        Ok(Value::Object(object))
    }

    fn find(&self, is: impl Fn(&Val<'a>) -> bool) -> Option<Val<'a>> {
        self.pairs
            .iter()
            .find(|(key, _)| is(key))
            .map(|(_, value)| value.clone())
    }
}

fn same_key(left: &Val<'_>, right: &Val<'_>) -> bool {
    match (left, right) {
        (Val::Int(left), Val::Int(right)) => left == right,
        (Val::Int(left), Val::Double(right)) => {
            super::operate::compare_numbers(*left, *right).is_some_and(Ordering::is_eq)
        }
        (Val::Bool(left), Val::Bool(right)) => left == right,
        _ => left.as_str().is_some() && left.as_str() == right.as_str(),
    }
}

/// Counts the bytes of the JSON that a result will take, and stops at the limit.
#[derive(Default)]
pub(super) struct Meter {
    size: usize,
}

impl Meter {
    pub(super) fn measure(&mut self, value: &(impl Serialize + ?Sized)) -> Result<(), Fault> {
        let outcome = serde_json::to_writer(&mut *self, value);
        fits(self.size)?;
        outcome.map_err(|error| Fault::value(error.to_string()))
    }

    /// The brackets and commas around `items` items.
    pub(super) fn frame(&mut self, items: usize) -> Result<(), Fault> {
        self.size += 2 + items.saturating_sub(1);
        fits(self.size)
    }
}

impl io::Write for Meter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.size += bytes.len();
        fits(self.size).map_err(|_| io::ErrorKind::FileTooLarge)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
