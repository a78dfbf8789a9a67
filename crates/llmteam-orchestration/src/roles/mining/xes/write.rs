//! A log as XES.
//!
//! Invariant: every text is escaped, every key is a name, every value has its type, and what fields of an event hold
//! is written from the fields alone.

use std::io::{self, Write};

use super::{
    super::{
        event::{Lifecycle, Outcome},
        log::{Aside, Attribute, AttributeValue, EventLog, NONE, Suspension},
        xml::escape,
    },
    keys::{self, encode},
    time::TimeWriter,
};

/// How an activity instance is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum XesLifecycle {
    /// As one event, its completion, with `start_timestamp`. Readers that know no lifecycle then count it once.
    #[default]
    Interval,
    /// As one event for its start and one for its completion, which share a `concept:instance`.
    StartComplete,
}

/// What is written, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct XesOptions {
    /// How an activity instance is written.
    pub lifecycle: XesLifecycle,
    /// Whether decisions are written. Readers that know no lifecycle count them among the activities.
    pub decisions: bool,
}

impl Default for XesOptions {
    /// Intervals, and decisions too: nothing of the log is left out.
    fn default() -> Self {
        Self {
            lifecycle: XesLifecycle::Interval,
            decisions: true,
        }
    }
}

/// How much is gathered before it is written.
const BLOCK: usize = 256 << 10;

/// Writes a log as XES.
///
/// # Errors
///
/// Those of `out`.
pub fn export_xes(log: &EventLog, out: &mut impl Write, options: XesOptions) -> io::Result<()> {
    let mut writer = Writer::new(log, options);
    writer.head();
    let mut asides = log.aside().iter().zip(0..).peekable();
    for case in 0..log.case_count() {
        let mut own = Vec::new();
        while let Some(it) = asides.next_if(|(it, _)| it.case as usize == case) {
            own.push(it);
        }
        own.retain(|(it, _)| options.decisions || it.lifecycle != Lifecycle::Decision);
        writer.case(case, &own);
        if writer.out.len() >= BLOCK {
            out.write_all(&writer.out)?;
            writer.out.clear();
        }
    }
    writer.out.extend_from_slice(b"</log>\n");
    out.write_all(&writer.out)?;
    out.flush()
}

struct Writer<'a> {
    log: &'a EventLog,
    options: XesOptions,
    out: Vec<u8>,
    times: TimeWriter,
    /// The element of each activity and of each resource.
    activities: Vec<Box<[u8]>>,
    resources: Vec<Box<[u8]>>,
    /// The next of the log's suspensions that is not written.
    suspension: usize,
    depths: Vec<&'static str>,
}

/// A moment of an instance, for one event each.
struct Moment {
    time: i64,
    row: usize,
    lifecycle: Lifecycle,
}

impl<'a> Writer<'a> {
    fn new(log: &'a EventLog, options: XesOptions) -> Self {
        let element = |key: &str, text: &str| -> Box<[u8]> {
            let mut out = format!("<string key=\"{key}\" value=\"").into_bytes();
            escape(&mut out, text);
            out.extend_from_slice(b"\"/>\n");
            out.into()
        };
        let activities = log
            .activity_names()
            .iter()
            .map(|it| element(keys::NAME, it));
        let resources = log.resources().iter().map(|it| element(keys::RESOURCE, it));
        Self {
            log,
            options,
            out: Vec::with_capacity(BLOCK + BLOCK / 8),
            times: TimeWriter::new(),
            activities: activities.collect(),
            resources: resources.collect(),
            suspension: 0,
            depths: Vec::new(),
        }
    }

    fn head(&mut self) {
        self.put("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        self.put("<log xes.version=\"1849.2016\" xmlns=\"http://www.xes-standard.org/\">\n");
        let uses = |key: &str| self.log.uses_key(key);
        let extensions = [
            ("Concept", "concept", true),
            ("Time", "time", true),
            ("Lifecycle", "lifecycle", true),
            (
                "Organizational",
                "org",
                !self.log.resources().is_empty() || uses("org:"),
            ),
            ("Cost", "cost", uses("cost:")),
            ("Identity", "identity", uses("identity:")),
        ];
        for (name, prefix, _) in extensions.into_iter().filter(|it| it.2) {
            self.put(&format!(
                "<extension name=\"{name}\" prefix=\"{prefix}\" uri=\"http://www.xes-standard.org/{prefix}.xesext\"/>\n"
            ));
        }
        self.put(
            "<global scope=\"trace\">\n<string key=\"concept:name\" value=\"\"/>\n</global>\n",
        );
        self.put("<global scope=\"event\">\n<string key=\"concept:name\" value=\"\"/>\n");
        self.put("<date key=\"time:timestamp\" value=\"1970-01-01T00:00:00.000+00:00\"/>\n");
        self.put("<string key=\"lifecycle:transition\" value=\"complete\"/>\n</global>\n");
        self.put("<classifier name=\"Activity\" keys=\"concept:name\"/>\n");
        self.put(
            "<classifier name=\"ActivityLifecycle\" keys=\"concept:name lifecycle:transition\"/>\n",
        );
        self.attributes(self.log.attributes());
    }

    fn case(&mut self, case: usize, asides: &[(&Aside, usize)]) {
        self.put("<trace>\n");
        self.string(keys::NAME, self.log.case_name(case));
        if let Some(outcome) = self.log.case_outcome(case) {
            self.string(keys::OUTCOME, outcome.as_str());
        }
        self.attributes(self.log.case_attributes(case));
        match self.options.lifecycle {
            XesLifecycle::Interval => self.intervals(case, asides),
            XesLifecycle::StartComplete => self.moments(case, asides),
        }
        self.put("</trace>\n");
    }

    /// Rows in order, each aside event before the first row that completes after it and all that follow do.
    fn intervals(&mut self, case: usize, asides: &[(&Aside, usize)]) {
        let log = self.log;
        let mut asides = asides.iter().peekable();
        let mut least = Vec::new();
        if asides.peek().is_some() {
            let completions = log.rows(case).rev().scan(i64::MAX, |least, row| {
                *least = log.complete_column()[row].min(*least);
                Some(*least)
            });
            least.extend(completions);
        }
        for row in log.rows(case) {
            let least = least.pop().unwrap_or(i64::MIN);
            while let Some((aside, place)) = asides.next_if(|it| it.0.time < least) {
                self.aside(aside, *place);
            }
            self.interval(row);
        }
        for (aside, place) in asides {
            self.aside(aside, *place);
        }
    }

    fn interval(&mut self, row: usize) {
        let instance = self.log.instance(row);
        self.begin_event(
            self.log.activity_column()[row],
            self.log.resource_column()[row],
            self.log.complete_column()[row],
        );
        if instance.start_recorded {
            self.date(keys::START, self.log.start_column()[row]);
        }
        self.put("<string key=\"lifecycle:transition\" value=\"complete\"/>\n");
        self.result(instance.outcome, self.log.attempt(row));
        let waits = self.suspensions(row);
        if !waits.is_empty() {
            self.put(&format!(
                "<int key=\"{}\" value=\"{}\">\n",
                keys::WAITS,
                waits.len()
            ));
            for (number, wait) in (1..).zip(waits) {
                self.date(&format!("from:{number}"), wait.from);
                self.date(&format!("to:{number}"), wait.to);
            }
            self.put("</int>\n");
        }
        self.attributes(self.log.row_attributes(row));
        self.put("</event>\n");
    }

    /// The spans in which a row waited; rows are asked for in order.
    fn suspensions(&mut self, row: usize) -> &'a [Suspension] {
        let rest = &self.log.suspensions()[self.suspension..];
        let own = rest.iter().take_while(|it| it.row as usize == row).count();
        self.suspension += own;
        &rest[..own]
    }

    /// All events of a case by time.
    fn moments(&mut self, case: usize, asides: &[(&Aside, usize)]) {
        let log = self.log;
        let mut moments: Vec<Moment> = Vec::new();
        for row in log.rows(case) {
            let mut add = |time, lifecycle| {
                moments.push(Moment {
                    time,
                    row,
                    lifecycle,
                });
            };
            if log.instance(row).start_recorded {
                add(log.start_column()[row], Lifecycle::Start);
                for wait in self.suspensions(row) {
                    add(wait.from, Lifecycle::Suspend);
                    add(wait.to, Lifecycle::Resume);
                }
            }
            add(log.complete_column()[row], Lifecycle::Complete);
        }
        moments.sort_by_key(|it| it.time);
        let mut asides = asides.iter().peekable();
        for moment in moments {
            while let Some((aside, place)) = asides.next_if(|it| it.0.time < moment.time) {
                self.aside(aside, *place);
            }
            self.moment(&moment);
        }
        for (aside, place) in asides {
            self.aside(aside, *place);
        }
    }

    fn moment(&mut self, moment: &Moment) {
        let Moment {
            time,
            row,
            lifecycle,
        } = *moment;
        self.begin_event(
            self.log.activity_column()[row],
            self.log.resource_column()[row],
            time,
        );
        self.string(keys::TRANSITION, lifecycle.as_str());
        match self.log.row_attribute(row, keys::INSTANCE) {
            // A completion has its name among its attributes.
            Some(AttributeValue::Text(name)) if lifecycle != Lifecycle::Complete => {
                self.string(keys::INSTANCE, name);
            }
            Some(AttributeValue::Text(_)) => {}
            _ if self.log.instance(row).start_recorded => {
                self.string(keys::INSTANCE, &format!("{}{row}", keys::MADE));
            }
            _ => {}
        }
        if lifecycle == Lifecycle::Complete {
            self.result(self.log.instance(row).outcome, self.log.attempt(row));
            self.attributes(self.log.row_attributes(row));
        }
        self.put("</event>\n");
    }

    fn aside(&mut self, aside: &Aside, place: usize) {
        self.begin_event(aside.activity, aside.resource, aside.time);
        self.string(keys::TRANSITION, aside.lifecycle.as_str());
        self.result(aside.outcome, aside.attempt);
        self.attributes(self.log.aside_attributes(place));
        self.put("</event>\n");
    }

    fn begin_event(&mut self, activity: u16, resource: u32, time: i64) {
        self.put("<event>\n");
        self.out
            .extend_from_slice(&self.activities[usize::from(activity)]);
        if resource != NONE {
            self.out
                .extend_from_slice(&self.resources[resource as usize]);
        }
        self.put("<date key=\"time:timestamp\" value=\"");
        self.times.write(&mut self.out, time);
        self.put("\"/>\n");
    }

    fn result(&mut self, outcome: Option<Outcome>, attempt: u32) {
        if let Some(outcome) = outcome {
            self.string(keys::OUTCOME, outcome.as_str());
        }
        if attempt != 0 {
            self.put(&format!(
                "<int key=\"{}\" value=\"{attempt}\"/>\n",
                keys::ATTEMPT
            ));
        }
    }

    fn string(&mut self, key: &str, value: &str) {
        self.put(&format!("<string key=\"{key}\" value=\""));
        escape(&mut self.out, value);
        self.put("\"/>\n");
    }

    fn date(&mut self, key: &str, micros: i64) {
        self.put("<date key=\"");
        self.put(key);
        self.put("\" value=\"");
        self.times.write(&mut self.out, micros);
        self.put("\"/>\n");
    }

    /// Writes attributes; one that is nested stands within the last one less deep.
    fn attributes<'b>(&mut self, attributes: impl Iterator<Item = Attribute<'b>>) {
        let mut attributes = attributes.peekable();
        while let Some(attribute) = attributes.next() {
            let element = self.typed(&attribute);
            let next = attributes.peek().map_or(0, |it| usize::from(it.depth));
            if next > usize::from(attribute.depth) {
                self.put(">\n");
                self.depths.push(element);
                continue;
            }
            self.put("/>\n");
            while self.depths.len() > next {
                if let Some(parent) = self.depths.pop() {
                    self.put(&format!("</{parent}>\n"));
                }
            }
        }
    }

    /// Writes the tag of an attribute without its end, and says its name.
    fn typed(&mut self, attribute: &Attribute<'_>) -> &'static str {
        let element = match attribute.value {
            AttributeValue::Text(_) => "string",
            AttributeValue::Int(_) => "int",
            AttributeValue::Float(_) => "float",
            AttributeValue::Bool(_) => "boolean",
            AttributeValue::Time(_) => "date",
            AttributeValue::Id(_) => "id",
        };
        self.put("<");
        self.put(element);
        self.put(" key=\"");
        self.put(&encode(attribute.key));
        self.put("\" value=\"");
        match attribute.value {
            AttributeValue::Text(it) | AttributeValue::Id(it) => escape(&mut self.out, it),
            AttributeValue::Int(it) => self.put(&it.to_string()),
            AttributeValue::Float(it) => self.put(&float_text(it)),
            AttributeValue::Bool(it) => self.put(if it { "true" } else { "false" }),
            AttributeValue::Time(it) => self.times.write(&mut self.out, it.as_micros()),
        }
        self.put("\"");
        element
    }

    fn put(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }
}

/// A number as `xs:double`, with every digit it needs to come back.
pub(crate) fn float_text(number: f64) -> String {
    if number.is_nan() {
        "NaN".to_owned()
    } else if number.is_infinite() {
        if number > 0.0 { "INF" } else { "-INF" }.to_owned()
    } else {
        format!("{number:?}")
    }
}
