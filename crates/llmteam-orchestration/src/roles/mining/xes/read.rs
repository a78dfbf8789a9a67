//! XES into the columns of a log, event by event.
//!
//! Invariant: one event is held at a time; the log that results is the one that the file says, or there is none.

use std::io::Read;

use super::{
    super::{
        error::MiningError,
        event::{Lifecycle, Outcome},
        log::{AttributeValue, EventLog, EventLogBuilder, LogOptions, NONE, RawEvent, UNKNOWN},
        xml::{
            FormatError, FormatFault, ReadLimits, Token, XmlReader, attributes, decode, excerpt,
            is_blank, plain_key_value,
        },
    },
    keys, time,
};

/// A log that was read, and what was strange about its file.
#[derive(Clone, Debug, PartialEq)]
pub struct XesImport {
    /// The log.
    pub log: EventLog,
    /// What was strange.
    pub warnings: XesWarnings,
}

/// How often something was strange and what was made of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct XesWarnings {
    /// Dates without a zone, taken as UTC.
    pub dates_without_zone: u64,
    /// Events with a `lifecycle:transition` that is neither a start, a completion, a suspension nor a resumption;
    /// they are left out.
    pub other_transitions: u64,
    /// Attributes within the name, resource, time or another field of an event or of a case; they are left out.
    pub within_fields: u64,
}

/// Reads a log from XES, packed with gzip or not.
///
/// # Errors
///
/// Whatever is not well-formed, no XES, beyond the limits, or more than a log can hold: [`FormatError`].
pub fn import_xes(
    source: impl Read,
    options: LogOptions,
    limits: ReadLimits,
) -> Result<XesImport, FormatError> {
    let mut xml = XmlReader::new(source, limits)?;
    let mut reader = Reader {
        builder: EventLogBuilder::default().with_decisions(options.decisions),
        warnings: XesWarnings::default(),
        limits,
        open: Vec::new(),
        owned: 0,
        event: EventDraft::default(),
    };
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        let token = xml.next(&mut buffer)?;
        let taken = match token {
            Token::Nothing => Ok(()),
            Token::End => break,
            Token::Open(tag) => reader.begin(tag.name().as_ref(), tag.attributes_raw(), true),
            Token::Empty(tag) => reader.begin(tag.name().as_ref(), tag.attributes_raw(), false),
            Token::Close => reader.end(),
            Token::Text(text) if is_blank(&text) => Ok(()),
            Token::Text(text) => Err(FormatFault::Text(excerpt(&text))),
        };
        taken.map_err(|fault| fault.at(xml.position()))?;
    }
    let log = reader
        .builder
        .finish()
        .map_err(|error| FormatFault::from(error).at(xml.position()))?;
    Ok(XesImport {
        log,
        warnings: reader.warnings,
    })
}

/// What an element that has begun is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Context {
    Log,
    Trace,
    Event,
    /// An attribute so deep.
    Attribute(u8),
    /// A list so deep, which may hold `values`.
    List(u8),
    /// The spans in which an instance waited.
    Waits,
    /// Something whose content is of no interest.
    Ignored,
    /// A field of an event or of a case, whose content is left out.
    Field,
}

impl Context {
    fn name(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Trace => "trace",
            Self::Event => "event",
            Self::Attribute(_) | Self::Waits | Self::Field => "attribute",
            Self::List(_) => "list",
            Self::Ignored => "extension, global or classifier",
        }
    }
}

/// What the attributes of an event have said so far.
#[derive(Debug)]
struct EventDraft {
    activity: Option<u16>,
    resource: u32,
    time: Option<i64>,
    start: i64,
    lifecycle: Option<Lifecycle>,
    other_transition: bool,
    decision: bool,
    outcome: Option<Outcome>,
    attempt: u32,
    instance: u32,
    /// The first end of a span whose second has not come.
    waits_from: Option<i64>,
}

impl Default for EventDraft {
    fn default() -> Self {
        Self {
            activity: None,
            resource: NONE,
            time: None,
            start: UNKNOWN,
            lifecycle: None,
            other_transition: false,
            decision: false,
            outcome: None,
            attempt: 0,
            instance: NONE,
            waits_from: None,
        }
    }
}

struct Reader {
    builder: EventLogBuilder,
    warnings: XesWarnings,
    limits: ReadLimits,
    open: Vec<Context>,
    /// Attributes of the owner that was last begun.
    owned: usize,
    event: EventDraft,
}

impl Reader {
    fn begin(&mut self, element: &str, written: &str, stays_open: bool) -> Result<(), FormatFault> {
        let parent = self.open.last().copied();
        let context = match (parent, element) {
            (Some(Context::Ignored), _) => {
                check_attributes(written)?;
                Context::Ignored
            }
            (Some(Context::Event), _) if !stays_open => {
                return self.event_attribute(element, written).map(drop);
            }
            (None, "log") | (Some(Context::Log), "trace") | (Some(Context::Trace), "event") => {
                check_attributes(written)?;
                self.owned = 0;
                match parent {
                    None => Context::Log,
                    Some(Context::Log) => Context::Trace,
                    _ => Context::Event,
                }
            }
            (Some(Context::Log), "extension" | "global" | "classifier") => {
                check_attributes(written)?;
                Context::Ignored
            }
            (Some(Context::List(depth)), "values") => {
                check_attributes(written)?;
                Context::Attribute(depth)
            }
            (None, _) => return Err(misplaced(element, "")),
            (Some(Context::Event), _) => self.event_attribute(element, written)?,
            (Some(parent), _) => self.attribute(parent, element, written)?,
        };
        self.open.push(context);
        if stays_open { Ok(()) } else { self.end() }
    }

    fn end(&mut self) -> Result<(), FormatFault> {
        match self.open.pop() {
            Some(Context::Event) => self.end_event(),
            Some(Context::Trace) => Ok(self.builder.close_case()?),
            Some(Context::Waits) if self.event.waits_from.is_some() => Err(FormatFault::Missing {
                element: keys::WAITS.to_owned(),
                missing: "to",
            }),
            _ => Ok(()),
        }
    }

    fn end_event(&mut self) -> Result<(), FormatFault> {
        let event = std::mem::take(&mut self.event);
        let missing = |missing| FormatFault::Missing {
            element: "event".to_owned(),
            missing,
        };
        let (lifecycle, start) = match event.lifecycle {
            _ if event.decision => (Lifecycle::Decision, UNKNOWN),
            Some(Lifecycle::Complete) | None => (Lifecycle::Complete, event.start),
            Some(other) => (other, UNKNOWN),
        };
        if event.other_transition {
            self.warnings.other_transitions += 1;
            self.builder.drop_event();
            return Ok(());
        }
        Ok(self.builder.event(RawEvent {
            activity: event.activity.ok_or_else(|| missing(keys::NAME))?,
            resource: event.resource,
            time: event.time.ok_or_else(|| missing(keys::TIME))?,
            start,
            lifecycle,
            outcome: event.outcome,
            attempt: event.attempt,
            instance: event.instance,
        })?)
    }

    /// An attribute of an event that is not nested.
    fn event_attribute(&mut self, element: &str, written: &str) -> Result<Context, FormatFault> {
        let Some((key, value)) = plain_key_value(written) else {
            return self.attribute(Context::Event, element, written);
        };
        match (element, key) {
            ("string", keys::NAME) => self.event.activity = Some(self.builder.activity(value)?),
            ("string", keys::RESOURCE) => self.event.resource = self.builder.resource(value)?,
            ("date", keys::TIME) => self.event.time = Some(self.time(value)?),
            ("string", keys::TRANSITION) => self.transition(value),
            _ => return self.attribute(Context::Event, element, written),
        }
        self.count()?;
        Ok(Context::Field)
    }

    /// Any attribute, in any form.
    fn attribute(
        &mut self,
        parent: Context,
        element: &str,
        written: &str,
    ) -> Result<Context, FormatFault> {
        self.count()?;
        let is_list = matches!(element, "list" | "container");
        if !is_list
            && !matches!(
                element,
                "string" | "date" | "int" | "float" | "boolean" | "id"
            )
        {
            return Err(misplaced(element, parent.name()));
        }
        let (mut key, mut value) = (None, None);
        for attribute in attributes(written) {
            let (name, text) = attribute?;
            let slot = match name {
                "key" => &mut key,
                "value" => &mut value,
                _ => continue,
            };
            if slot.replace(decode(text, true)?).is_some() {
                return Err(FormatFault::Malformed(format!(
                    "`{name}` stands twice in one tag"
                )));
            }
        }
        let missing = |missing| FormatFault::Missing {
            element: element.to_owned(),
            missing,
        };
        let key = key.ok_or_else(|| missing("key"))?;
        let key = keys::decode(&key);
        let text = match value {
            Some(value) => value,
            None if is_list => "".into(),
            None => return Err(missing("value")),
        };
        let value = self.value(element, &text)?;
        self.take(parent, &key, value, is_list)
    }

    fn value<'v>(
        &mut self,
        element: &str,
        text: &'v str,
    ) -> Result<AttributeValue<'v>, FormatFault> {
        let number = text.trim_ascii();
        Ok(match element {
            "int" => AttributeValue::Int(
                number
                    .parse()
                    .map_err(|_| FormatFault::value(text, "whole number of 64 bits"))?,
            ),
            "float" => AttributeValue::Float(
                parse_float(number).ok_or_else(|| FormatFault::value(text, "number"))?,
            ),
            "boolean" => AttributeValue::Bool(match number {
                "true" | "1" => true,
                "false" | "0" => false,
                _ => return Err(FormatFault::value(text, "truth value")),
            }),
            "date" => {
                AttributeValue::Time(llmteam_security::Timestamp::from_micros(self.time(number)?))
            }
            "id" => AttributeValue::Id(text),
            _ => AttributeValue::Text(text),
        })
    }

    /// Puts an attribute where it belongs.
    fn take(
        &mut self,
        parent: Context,
        key: &str,
        value: AttributeValue<'_>,
        is_list: bool,
    ) -> Result<Context, FormatFault> {
        let is_field = match parent {
            Context::Trace => self.case_field(key, value)?,
            Context::Event if key == keys::WAITS => return Ok(Context::Waits),
            Context::Event => self.event_field(key, value)?,
            Context::Waits => self.wait(key, value)?,
            Context::Field => {
                self.warnings.within_fields += 1;
                true
            }
            _ => false,
        };
        if is_field {
            return Ok(Context::Field);
        }
        let depth = match parent {
            Context::Attribute(depth) | Context::List(depth) => {
                let deeper = depth.checked_add(1);
                deeper.ok_or_else(|| MiningError::TooDeep {
                    key: key.to_owned(),
                })?
            }
            _ => 0,
        };
        let owns = |it: &&Context| matches!(it, Context::Event | Context::Trace | Context::Log);
        match self.open.iter().rev().find(owns) {
            Some(Context::Event) => self.builder.attribute(depth, key, value)?,
            Some(Context::Trace) => self.builder.case_attribute(depth, key, value)?,
            _ => self.builder.log_attribute(depth, key, value)?,
        }
        Ok(if is_list {
            Context::List(depth)
        } else {
            Context::Attribute(depth)
        })
    }

    /// Takes what is a field of a case; says whether it was one.
    fn case_field(&mut self, key: &str, value: AttributeValue<'_>) -> Result<bool, FormatFault> {
        match (key, value) {
            (keys::NAME, AttributeValue::Text(name)) => self.builder.name_case(name)?,
            (keys::OUTCOME, AttributeValue::Text(name)) => self.builder.end_of_case(outcome(name)?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Takes what is a field of an event; says whether it was one, and nothing more.
    fn event_field(&mut self, key: &str, value: AttributeValue<'_>) -> Result<bool, FormatFault> {
        let (event, builder) = (&mut self.event, &mut self.builder);
        match (key, value) {
            (keys::NAME, AttributeValue::Text(name)) => {
                event.activity = Some(builder.activity(name)?);
            }
            (keys::RESOURCE, AttributeValue::Text(name)) => {
                event.resource = builder.resource(name)?;
            }
            (keys::TIME, AttributeValue::Time(time)) => event.time = Some(time.as_micros()),
            (keys::START, AttributeValue::Time(time)) => event.start = time.as_micros(),
            (keys::TRANSITION, AttributeValue::Text(name)) => self.transition(name),
            (keys::OUTCOME, AttributeValue::Text(name)) => event.outcome = Some(outcome(name)?),
            (keys::ATTEMPT, AttributeValue::Int(number)) => {
                let attempt = u32::try_from(number).ok().filter(|it| *it > 0);
                let wrong = || FormatFault::value(&number.to_string(), "number of an attempt");
                event.attempt = attempt.ok_or_else(wrong)?;
            }
            (keys::INSTANCE, AttributeValue::Text(name)) => {
                event.instance = builder.instance(name)?;
                return Ok(name.starts_with(keys::MADE));
            }
            (keys::DECISION, AttributeValue::Bool(true)) => {
                event.decision = true;
                return Ok(false);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Takes an end of a span in which the event waited: from, to, from, to …
    fn wait(&mut self, key: &str, value: AttributeValue<'_>) -> Result<bool, FormatFault> {
        let AttributeValue::Time(time) = value else {
            return Err(FormatFault::value(key, "date of a span of waiting"));
        };
        match self.event.waits_from.take() {
            None => self.event.waits_from = Some(time.as_micros()),
            Some(from) => self.builder.waited(from, time.as_micros()),
        }
        Ok(true)
    }

    fn count(&mut self) -> Result<(), FormatFault> {
        self.owned += 1;
        if self.owned > self.limits.attributes {
            return Err(FormatFault::TooManyAttributes {
                limit: self.limits.attributes,
            });
        }
        Ok(())
    }

    fn time(&mut self, text: &str) -> Result<i64, FormatFault> {
        let (time, zoned) = time::parse(text).ok_or_else(|| FormatFault::value(text, "date"))?;
        self.warnings.dates_without_zone += u64::from(!zoned);
        Ok(time)
    }

    fn transition(&mut self, text: &str) {
        self.event.lifecycle = Lifecycle::parse(text);
        self.event.other_transition = self.event.lifecycle.is_none();
    }
}

fn outcome(text: &str) -> Result<Outcome, FormatFault> {
    Outcome::parse(text).ok_or_else(|| FormatFault::value(text, "outcome"))
}

/// A number as `xs:double` writes it.
pub(crate) fn parse_float(text: &str) -> Option<f64> {
    match text {
        "INF" | "+INF" => Some(f64::INFINITY),
        "-INF" => Some(f64::NEG_INFINITY),
        "NaN" => Some(f64::NAN),
        _ => text.parse().ok().filter(|it: &f64| it.is_finite()),
    }
}

fn check_attributes(written: &str) -> Result<(), FormatFault> {
    attributes(written).try_for_each(|it| decode(it?.1, true).map(drop))
}

fn misplaced(element: &str, parent: &str) -> FormatFault {
    FormatFault::Misplaced {
        element: excerpt(element),
        parent: parent.to_owned(),
    }
}
