//! Makes an event fit to be recorded, before anything is hashed.
//!
//! Invariant: what comes out has an id and a time, no secret under a tell-tale name, values that read back as they were
//! written, and a bounded size. What is too long is cut and says so: no input makes recording fail.

use std::fmt;

use serde_json::{Map, Value, json};

use super::{
    error::AuditError,
    event::{AuditEvent, Details},
    hash::digest,
    json,
    record::AuditId,
};
use crate::clock::{Clock, Timestamp};

/// Longest name, in bytes.
const NAME: usize = 512;
/// Longest message, in bytes.
const MESSAGE: usize = 4_096;
/// Largest map, in bytes of canonical JSON.
const MAP: usize = 65_536;
/// Most tags.
const TAGS: usize = 64;

/// Takes out of an event what must not be kept, before it is hashed. It runs after the secrets under tell-tale names
/// are gone, and on the caller's task: it must be quick.
pub trait Redactor: Send + Sync + fmt::Debug {
    /// Changes the event in place.
    fn redact(&self, event: &mut AuditEvent);
}

/// Words in a key's name that say its value is a secret.
const TELL_TALE: [&str; 11] = [
    "password",
    "passwd",
    "secret",
    "token",
    "api_key",
    "apikey",
    "api-key",
    "authorization",
    "private_key",
    "credential",
    "cookie",
];

/// The event as it will be recorded.
pub(super) fn prepare(
    mut event: AuditEvent,
    clock: &dyn Clock,
    redactors: &[std::sync::Arc<dyn Redactor>],
) -> Result<AuditEvent, AuditError> {
    // Before 1970 there is no time that LTA1 can say.
    let time = event.timestamp.unwrap_or_else(|| clock.now());
    let time = time.max(Timestamp::from_micros(0));
    event.timestamp = Some(time);
    if event.id.is_none() {
        event.id = Some(AuditId::at(time)?);
    }
    event.maps_mut().for_each(mask);
    redactors.iter().for_each(|it| it.redact(&mut event));
    fit(&mut event.details);
    Ok(event)
}

fn mask(map: &mut Map<String, Value>) {
    for (key, value) in map.iter_mut() {
        if is_tell_tale(key) && !value.is_null() {
            *value = Value::from("***");
        } else {
            mask_value(value);
        }
    }
}

fn mask_value(value: &mut Value) {
    match value {
        Value::Object(map) => mask(map),
        Value::Array(items) => items.iter_mut().for_each(mask_value),
        _ => {}
    }
}

fn is_tell_tale(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    // Counts of tokens are what language models are paid by.
    let counts = key.ends_with("tokens") || key.contains("token_count");
    !counts && TELL_TALE.iter().any(|word| key.contains(word))
}

fn fit(it: &mut Details) {
    for text in [
        &mut it.pipeline_id,
        &mut it.run_id,
        &mut it.agent_name,
        &mut it.step_name,
        &mut it.actor.id,
        &mut it.actor.ip,
        &mut it.action,
        &mut it.resource_type,
        &mut it.resource_id,
    ] {
        cut(text, NAME);
    }
    cut(&mut it.actor.user_agent, MESSAGE);
    cut(&mut it.error_message, MESSAGE);
    it.tags.truncate(TAGS);
    it.tags.iter_mut().for_each(|tag| cut(tag, NAME));
    let maps = it.old_value.iter_mut().chain(&mut it.new_value);
    maps.chain(std::iter::once(&mut it.metadata))
        .for_each(fit_map);
}

fn cut(text: &mut String, longest: usize) {
    if text.len() <= longest {
        return;
    }
    let all = text.len();
    let mut at = longest - 32;
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    text.truncate(at);
    text.push_str(&format!("…[{} bytes cut]", all - at));
}

fn fit_map(map: &mut Map<String, Value>) {
    if map.is_empty() {
        return;
    }
    json::normalise(map);
    if json::bound(map) <= MAP {
        return;
    }
    let mut bytes = Vec::new();
    json::object(&mut bytes, map);
    if bytes.len() > MAP {
        let cut = json!({"truncated": true, "bytes": bytes.len(), "sha256": digest(&[&bytes])});
        *map = cut.as_object().cloned().unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        audit::{AuditEventType, encode, record::AuditRecord, wire},
        clock::SystemClock,
    };

    fn prepared(event: AuditEvent) -> AuditEvent {
        prepare(event, &SystemClock, &[]).unwrap()
    }

    fn map(value: Value) -> Map<String, Value> {
        serde_json::from_value(value).unwrap()
    }

    // covers: AUD-19
    #[test]
    fn secrets_under_tell_tale_names_are_masked_and_a_hook_may_mask_more() {
        #[derive(Debug)]
        struct Iban;
        impl Redactor for Iban {
            fn redact(&self, event: &mut AuditEvent) {
                event
                    .maps_mut()
                    .filter_map(|map| map.get_mut("iban"))
                    .for_each(|it| *it = "***".into());
            }
        }
        let event = AuditEvent::new(AuditEventType::ConfigChanged)
            .with_old_value(map(json!({"api_key": "sk-old", "n": 1})))
            .with_new_value(map(
                json!({"deep": [{"Client-Secret": {"x": 1}}], "iban": "DE1", "max_tokens": 5}),
            ));
        let it = prepare(event, &SystemClock, &[std::sync::Arc::new(Iban)]).unwrap();
        assert_eq!(
            it.details.old_value.unwrap(),
            map(json!({"api_key": "***", "n": 1}))
        );
        let new = json!({"deep": [{"Client-Secret": "***"}], "iban": "***", "max_tokens": 5});
        assert_eq!(it.details.new_value.unwrap(), map(new));
    }

    // covers: AUD-06
    #[test]
    fn what_is_too_long_is_cut_and_says_so() {
        let event = AuditEvent::new(AuditEventType::ActionFailed)
            .with_action("ä".repeat(600))
            .failed("\0".repeat(10_000))
            .with_metadata(map(json!({"blob": "x".repeat(70_000)})));
        let it = prepared(event).details;
        assert!(
            it.action.len() <= NAME && it.action.ends_with("bytes cut]"),
            "{}",
            it.action
        );
        assert!(it.error_message.len() <= MESSAGE);
        assert_eq!(it.metadata["truncated"], true);
        assert_eq!(it.metadata["bytes"], 70_011);
    }

    proptest::proptest! {
        // covers: AUD-15
        #[test]
        fn a_payload_reads_back_as_the_record_it_was_made_from(
            texts in proptest::collection::vec(".{0,20}", 11..12),
            metadata in json::tests::any_map(), old in proptest::option::of(json::tests::any_map()),
            micros in proptest::num::i64::ANY, success in proptest::bool::ANY,
        ) {
            let mut event = AuditEvent::new(AuditEventType::DataUpdated)
                .with_pipeline(&*texts[0]).with_run(&*texts[1]).with_agent(&*texts[2]).with_step(&*texts[3])
                .with_action(&*texts[4]).on(&*texts[5], &*texts[6]).with_tag(&*texts[7]).with_metadata(metadata);
            event.details.actor.id = texts[8].clone();
            event.details.actor.user_agent = texts[9].clone();
            event.details.error_message = texts[10].clone();
            event.details.old_value = old;
            event.details.success = success;
            event.timestamp = Some(Timestamp::from_micros(micros));
            let it = prepared(event);
            let record = AuditRecord {
                record_id: it.id.unwrap(), sequence_number: 7, timestamp: it.timestamp.unwrap(),
                tenant_id: Some("t".parse().unwrap()), details: it.details,
                checksum: None, previous_checksum: None, envelope: None,
            };
            let mut bytes = Vec::new();
            encode::payload(&mut bytes, &record);
            let canonical: Value = serde_json::from_slice(&bytes).unwrap();
            proptest::prop_assert_eq!(&bytes, &serde_json_canonicalizer::to_vec(&canonical).unwrap());
            proptest::prop_assert_eq!(wire::from_payload(&bytes).unwrap(), record.clone());
            proptest::prop_assert_eq!(AuditRecord::from_dict(record.to_dict()).unwrap(), record);
        }
    }
}
