//! Templates of prompts: text with named slots.
//!
//! Invariant: a template is checked once, when it is read, and filled in one pass: what fills a slot is never looked at
//! for slots again, and no slot reaches further than its name. Braces that hold no name are text.
//! This module does not know what fills a slot.

use std::fmt;

/// What a slot is filled with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Slot {
    CurrentStep,
    Agents,
    States,
    History,
    ErrorRate,
}

/// The names of the slots, as templates write them.
const SLOTS: [(&str, Slot); 5] = [
    ("current_step", Slot::CurrentStep),
    ("agents", Slot::Agents),
    ("states", Slot::States),
    ("history", Slot::History),
    ("error_rate", Slot::ErrorRate),
];

/// What it is asked unless the host has a template of its own.
const DEFAULT: &str = r#"Agents: {agents}
Current step: {current_step}
Error rate of this run: {error_rate}
<states>{states}</states>
<history>{history}</history>

Decide what happens next:
{"decision": "route" | "retry" | "escalate" | "skip" | "parallel" | "request_human" | "end",
 "targets": ["names of agents from the list above"],
 "reason": "why, in one sentence",
 "confidence": a number from 0 to 1}"#;

#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Text(String),
    Slot(Slot),
}

/// A checked template.
///
/// Slots are `{current_step}`, `{agents}`, `{states}`, `{history}` (the latest entries) and `{error_rate}`. A name in
/// double braces, `{{agents}}`, is the text `{agents}`. All other braces stand for themselves, so that an example in
/// JSON needs no escaping.
#[derive(Clone, Debug, PartialEq)]
pub struct PromptTemplate {
    pieces: Vec<Piece>,
}

/// A template with slots that do not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the template has no valid slots at: {}", listed(.0))]
pub struct TemplateError(pub Vec<TemplateFault>);

/// A slot that does not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateFault {
    /// What stands between the braces.
    pub name: String,
    /// The line, from 1.
    pub line: usize,
}

impl fmt::Display for TemplateFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, line } = self;
        write!(
            f,
            "line {line}: `{{{name}}}` is not a slot; write `{{{{{name}}}}}` for the text"
        )
    }
}

fn listed(faults: &[TemplateFault]) -> String {
    let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
    faults.join(", ")
}

impl PromptTemplate {
    /// Reads a template.
    ///
    /// # Errors
    ///
    /// [`TemplateError`] with every slot that does not exist.
    pub fn parse(template: &str) -> Result<Self, TemplateError> {
        let Reader { pieces, faults } = Reader::read(template);
        if faults.is_empty() {
            Ok(Self { pieces })
        } else {
            Err(TemplateError(faults))
        }
    }

    /// The template with every slot filled by `fill`.
    pub(super) fn render(&self, mut fill: impl FnMut(Slot) -> String) -> String {
        let text = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Slot(slot) => fill(*slot),
        };
        self.pieces.iter().map(text).collect()
    }
}

/// Asks for a decision about the agents, with states and history between tags, and shows the form of an answer.
impl Default for PromptTemplate {
    fn default() -> Self {
        let Reader { pieces, .. } = Reader::read(DEFAULT);
        Self { pieces }
    }
}

#[derive(Default)]
struct Reader {
    pieces: Vec<Piece>,
    faults: Vec<TemplateFault>,
}

impl Reader {
    fn read(template: &str) -> Self {
        let mut reader = Self::default();
        let (mut rest, mut line) = (template, 1);
        while let Some(open) = rest.find('{') {
            line += newlines(&rest[..open]);
            reader.text(&rest[..open]);
            rest = &rest[open..];
            if let Some((name, after)) = quoted_name(rest) {
                reader.text(&format!("{{{name}}}"));
                rest = after;
            } else if let Some((name, after)) = name_in_braces(rest) {
                reader.slot(name, line);
                rest = after;
            } else {
                reader.text("{");
                rest = &rest[1..];
            }
        }
        reader.text(rest);
        reader
    }

    fn text(&mut self, text: &str) {
        if let Some(Piece::Text(last)) = self.pieces.last_mut() {
            last.push_str(text);
        } else {
            self.pieces.push(Piece::Text(text.to_owned()));
        }
    }

    fn slot(&mut self, name: &str, line: usize) {
        match SLOTS.iter().find(|(known, _)| *known == name) {
            Some((_, slot)) => self.pieces.push(Piece::Slot(*slot)),
            None => self.faults.push(TemplateFault {
                name: name.to_owned(),
                line,
            }),
        }
    }
}

/// The name at the start of `text` as in `{name}`, and what follows.
fn name_in_braces(text: &str) -> Option<(&str, &str)> {
    let (name, after) = text.strip_prefix('{')?.split_once('}')?;
    is_name(name).then_some((name, after))
}

/// The name at the start of `text` as in `{{name}}`, and what follows.
fn quoted_name(text: &str) -> Option<(&str, &str)> {
    let (name, after) = text.strip_prefix("{{")?.split_once("}}")?;
    is_name(name).then_some((name, after))
}

/// Letters, digits, `_`, and what attribute access looks like elsewhere; JSON is never taken for a name.
fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_.[]!".contains(&byte))
}

fn newlines(text: &str) -> usize {
    text.bytes().filter(|byte| *byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn filled(template: &str) -> String {
        let template = PromptTemplate::parse(template).unwrap();
        template.render(|slot| format!("<{slot:?} {{agents}}>"))
    }

    // covers: O12
    #[test]
    fn braces_of_json_are_text_and_names_are_slots() {
        let json = r#"{"decision": "route", "nested": {"a": {}}} { x } {} {1}"#;
        assert_eq!(filled(json), json);
        assert_eq!(filled("at {current_step}!"), "at <CurrentStep {agents}>!");
        assert_eq!(
            filled("{{agents}} {{}} {{{agents}}}"),
            "{agents} {{}} {{agents}}"
        );
        assert_eq!(
            filled("{\"a\": {error_rate}}"),
            "{\"a\": <ErrorRate {agents}>}"
        );
    }

    #[test]
    fn the_default_template_has_all_slots_and_no_other() {
        let Reader { pieces, faults } = Reader::read(DEFAULT);
        assert_eq!(faults, []);
        let slots = pieces.iter().filter(|it| matches!(it, Piece::Slot(_)));
        assert_eq!(slots.count(), SLOTS.len());
    }

    // covers: O12
    #[test]
    fn every_unknown_slot_is_named_when_the_template_is_read() {
        let error = PromptTemplate::parse("{agents}\n{agent} {states.__class__}\n{history[0]}");
        assert_eq!(
            error.unwrap_err().to_string(),
            "the template has no valid slots at: \
             line 2: `{agent}` is not a slot; write `{{agent}}` for the text, \
             line 2: `{states.__class__}` is not a slot; write `{{states.__class__}}` for the text, \
             line 3: `{history[0]}` is not a slot; write `{{history[0]}}` for the text"
        );
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[{}a-z_\"\n]{0,60}|\\PC{0,60}") {
            if let Ok(template) = PromptTemplate::parse(&text) {
                template.render(|_| String::new());
            }
        }

        #[test]
        fn text_without_braces_is_itself(text in "[^{}]{0,80}") {
            prop_assert_eq!(filled(&text), text);
        }
    }
}
