//! Config schemas, compiled once per step type.
//!
//! References to files or other hosts are not followed. Each violation becomes a finding at the
//! place in the config that it is about.

use std::fmt::{self, Write};

use jsonschema::error::ValidationErrorKind as Kind;
use jsonschema::paths::LocationSegment;
use jsonschema::{ValidationError, Validator};
use serde_json::Value;

use super::builtin::common_properties;
use crate::canvas::definition::Object;
use crate::canvas::validate::ValidationCode;
use crate::canvas::validate::path::{Path, Quoted};
use crate::canvas::validate::report::Report;

/// A longer explanation is cut: it may quote what the config says.
const LONGEST_MESSAGE: usize = 300;

/// The compiled schema of one step type's configs.
#[derive(Debug)]
pub(super) struct ConfigSchema {
    validator: Validator,
    /// The keys a config may have; `None` if the schema does not name them or judges them itself.
    known: Option<Object>,
}

impl ConfigSchema {
    /// Compiles a type's schema and adds what every step's config may have.
    pub(super) fn compile(schema: &Object) -> Result<Self, String> {
        let mut schema = schema.clone();
        let judges_keys = [
            "additionalProperties",
            "patternProperties",
            "unevaluatedProperties",
        ]
        .iter()
        .any(|keyword| schema.contains_key(*keyword));
        let names_keys = schema.contains_key("properties");
        let properties = schema
            .entry("properties")
            .or_insert_with(|| Object::new().into());
        let Value::Object(properties) = properties else {
            return Err("`properties` is not an object".to_owned());
        };
        for (name, common) in common_properties() {
            properties.entry(name).or_insert(common);
        }
        let known = (names_keys && !judges_keys).then(|| properties.clone());
        let validator = jsonschema::options()
            .offline()
            .build(&Value::Object(schema))
            .map_err(|error| cut(&error))?;
        Ok(Self { validator, known })
    }

    /// Reports everything that is wrong with a config, whose place is `path`.
    pub(super) fn check(&self, config: &Object, path: Path<'_>, report: &mut Report) {
        let config = Value::Object(config.clone());
        for error in self.validator.iter_errors(&config) {
            violation(&error, path, report);
            if report.is_full() {
                return;
            }
        }
        let keys = config.as_object().into_iter().flat_map(Object::keys);
        if let Some(known) = &self.known {
            for key in keys.filter(|key| !known.contains_key(*key)) {
                report.add(
                    ValidationCode::UnknownField,
                    path.key(key),
                    format_args!("the step's type has no config key {}", Quoted(key)),
                );
            }
        }
    }
}

fn violation(error: &ValidationError<'_>, config: Path<'_>, report: &mut Report) {
    if let Kind::Required { property } = error.kind() {
        let name = property.as_str().unwrap_or_default();
        at(config, error, |place| {
            let message = format_args!("Missing required field: {name}");
            report.add(ValidationCode::MissingRequired, place.key(name), message);
        });
        return;
    }
    let code = match error.kind() {
        Kind::Enum { .. } => ValidationCode::InvalidValue,
        Kind::Minimum { .. } | Kind::ExclusiveMinimum { .. } => ValidationCode::ValueTooSmall,
        Kind::Maximum { .. } | Kind::ExclusiveMaximum { .. } => ValidationCode::ValueTooLarge,
        _ => ValidationCode::SchemaViolation,
    };
    at(config, error, |place| {
        let subject = match place {
            Path::Key(_, name) => Quoted(name).to_string(),
            _ => "the value".to_owned(),
        };
        let sentence = cut(&error.masked_with(subject));
        report.add(code, place, format_args!("{sentence}"));
    });
}

/// Calls with the place inside the config that an error is about.
fn at(config: Path<'_>, error: &ValidationError<'_>, report: impl FnOnce(Path<'_>)) {
    let segments: Vec<_> = error.instance_path().iter().collect();
    descend(config, &segments, report);
}

fn descend(place: Path<'_>, segments: &[LocationSegment<'_>], report: impl FnOnce(Path<'_>)) {
    match segments {
        [] => report(place),
        [LocationSegment::Property(name), rest @ ..] => descend(place.key(name), rest, report),
        [LocationSegment::Index(index), rest @ ..] => descend(place.index(*index), rest, report),
    }
}

fn cut(text: &impl fmt::Display) -> String {
    struct Limited(String, usize);
    impl Write for Limited {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            for character in text.chars() {
                self.1 = self.1.checked_sub(1).ok_or(fmt::Error)?;
                self.0.push(character);
            }
            Ok(())
        }
    }
    let mut limited = Limited(String::new(), LONGEST_MESSAGE);
    match write!(limited, "{text}") {
        Ok(()) => limited.0,
        Err(fmt::Error) => limited.0 + "…",
    }
}
