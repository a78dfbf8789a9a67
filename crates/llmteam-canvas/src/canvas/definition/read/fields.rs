//! Taking the fields of one JSON object, each by its type, with a finding for each that is wrong.

use serde_json::Value;

use crate::canvas::definition::Object;
use crate::canvas::validate::ValidationCode;
use crate::canvas::validate::path::{Path, Quoted};
use crate::canvas::validate::report::Report;

/// An object whose fields are taken one by one; what is left in the end is unknown.
pub(super) struct Fields<'a> {
    object: Object,
    path: Path<'a>,
}

/// The spellings of a field: the canonical one and its aliases, which are read and never written.
pub(super) type Spellings = [&'static str];

impl<'a> Fields<'a> {
    /// The fields of a value that must be an object.
    pub(super) fn of(value: Value, path: Path<'a>, report: &mut Report) -> Option<Self> {
        match value {
            Value::Object(object) => Some(Self { object, path }),
            other => {
                wrong_type(&other, "an object", path, report);
                None
            }
        }
    }

    /// A string that must be there; empty if it is not.
    pub(super) fn required(&mut self, names: &Spellings, report: &mut Report) -> String {
        self.demand(names, report);
        self.string(names, report).unwrap_or_default()
    }

    /// Reports a field that is absent under every spelling.
    pub(super) fn demand(&self, names: &Spellings, report: &mut Report) {
        if !names.iter().any(|name| self.object.contains_key(*name)) {
            let name = names[0];
            let message = format_args!("the required key `{name}` is missing");
            report.unreadable(ValidationCode::MissingField, self.path.key(name), message);
        }
    }

    pub(super) fn string(&mut self, names: &Spellings, report: &mut Report) -> Option<String> {
        self.typed(names, "a string", report, |value| match value {
            Value::String(text) => Ok(text),
            other => Err(other),
        })
    }

    pub(super) fn boolean(&mut self, name: &'static str, report: &mut Report) -> Option<bool> {
        self.typed(&[name], "a boolean", report, |value| {
            value.as_bool().ok_or(value)
        })
    }

    pub(super) fn number(&mut self, name: &'static str, report: &mut Report) -> Option<f64> {
        self.typed(&[name], "a number", report, |value| {
            value.as_f64().ok_or(value)
        })
    }

    /// A whole number; `3.0` is one, as in JSON Schema. Out of range is an invalid parameter.
    pub(super) fn count(&mut self, name: &'static str, report: &mut Report) -> Option<u32> {
        let number = self.typed(&[name], "an integer", report, |value| {
            let whole = value.as_f64().filter(|it| it.fract() == 0.0);
            whole.ok_or(value)
        })?;
        if (0.0..=f64::from(u32::MAX)).contains(&number) {
            return Some(number as u32);
        }
        let message = format_args!("`{name}` must be from 0 to {}, not {number}", u32::MAX);
        report.unreadable(ValidationCode::InvalidParam, self.path.key(name), message);
        None
    }

    pub(super) fn object(&mut self, name: &'static str, report: &mut Report) -> Option<Object> {
        self.typed(&[name], "an object", report, |value| match value {
            Value::Object(object) => Ok(object),
            other => Err(other),
        })
    }

    pub(super) fn array(&mut self, name: &'static str, report: &mut Report) -> Option<Vec<Value>> {
        self.typed(&[name], "an array", report, |value| match value {
            Value::Array(array) => Ok(array),
            other => Err(other),
        })
    }

    /// An array of strings; a wrong element makes the whole list unreadable.
    pub(super) fn strings(
        &mut self,
        name: &'static str,
        report: &mut Report,
    ) -> Option<Vec<String>> {
        let array = self.array(name, report)?;
        let path = self.path.key(name);
        let mut strings = Vec::with_capacity(array.len());
        let mut wrong = false;
        for (index, value) in array.into_iter().enumerate() {
            match value {
                Value::String(text) => strings.push(text),
                other => {
                    wrong = true;
                    wrong_type(&other, "a string", path.index(index), report);
                }
            }
        }
        if wrong {
            report.set_unreadable(path);
            return None;
        }
        Some(strings)
    }

    /// Any value.
    pub(super) fn value(&mut self, name: &'static str) -> Option<Value> {
        self.object.remove(name)
    }

    /// Reports the keys that nobody took.
    pub(super) fn finish(self, report: &mut Report) {
        for key in self.object.keys() {
            let message = format_args!("the key {} is unknown and was not read", Quoted(key));
            report.add(ValidationCode::UnknownField, self.path.key(key), message);
        }
    }

    fn typed<T>(
        &mut self,
        names: &Spellings,
        expected: &str,
        report: &mut Report,
        convert: impl FnOnce(Value) -> Result<T, Value>,
    ) -> Option<T> {
        let (name, value) = self.take(names)?;
        match convert(value) {
            Ok(value) => Some(value),
            Err(value) => {
                wrong_type(&value, expected, self.path.key(name), report);
                report.set_unreadable(self.path.key(names[0]));
                None
            }
        }
    }

    /// The value of the first spelling that is there; the others are taken too, and dropped (M-04).
    fn take(&mut self, names: &Spellings) -> Option<(&'static str, Value)> {
        let mut found = None;
        for name in names {
            let value = self.object.remove(*name);
            found = found.or(value.map(|value| (*name, value)));
        }
        found
    }
}

fn wrong_type(found: &Value, expected: &str, path: Path<'_>, report: &mut Report) {
    let found = match found {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    };
    report.unreadable(
        ValidationCode::InvalidType,
        path,
        format_args!("expected {expected}, found {found}"),
    );
}
