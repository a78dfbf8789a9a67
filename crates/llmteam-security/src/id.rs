//! Validated names of the things every layer speaks about.
//!
//! Invariant: an id is parsed once, at the edge; inside, nobody checks it again. No id holds a
//! separator that could collide in a composed key. Ids are compared by bytes, without case folding.
//! This module does not know what an id names, nor whether that thing exists.

use std::{borrow::Borrow, fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use uuid::{NoContext, Uuid};

use crate::clock::Clock;

/// The longest id, in bytes.
pub const MAX_ID_LEN: usize = 128;

/// A text that is not an id of the wanted kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{value}` is not a {kind}: {rule}")]
pub struct InvalidId {
    kind: &'static str,
    value: String,
    rule: &'static str,
}

impl InvalidId {
    fn new(kind: &'static str, value: &str, rule: &'static str) -> Self {
        // A refused text may be of any length and content; the message stays short and printable.
        let value = value
            .chars()
            .take(64)
            .flat_map(char::escape_default)
            .collect();
        Self { kind, value, rule }
    }

    /// What the text was meant to be, such as `tenant id`.
    pub fn kind(&self) -> &'static str {
        self.kind
    }
}

const NAME_RULE: &str = "1 to 128 characters of `A-Za-z0-9._-`, the first a letter or a digit";
const SYMBOL_RULE: &str = "1 to 128 characters of `a-z0-9_`, the first a letter";

fn is_name(text: &str) -> bool {
    text.len() <= MAX_ID_LEN
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

fn is_symbol(text: &str) -> bool {
    text.len() <= MAX_ID_LEN
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $kind:literal, $check:ident, $rule:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                if $check(text) { Ok(Self(text.into())) } else { Err(InvalidId::new($kind, text, $rule)) }
            }
        }

        impl TryFrom<&str> for $name {
            type Error = InvalidId;

            fn try_from(text: &str) -> Result<Self, InvalidId> {
                text.parse()
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, InvalidId> {
                text.parse()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(Parsing(std::marker::PhantomData))
            }
        }
    )*};
}

ids! {
    /// A tenant: the unit of isolation.
    TenantId = "tenant id", is_name, NAME_RULE;
    /// An instance of a segment; runs that share one share state on purpose.
    InstanceId = "instance id", is_name, NAME_RULE;
    /// One run of a segment.
    RunId = "run id", is_name, NAME_RULE;
    /// An agent.
    AgentId = "agent id", is_name, NAME_RULE;
    /// A person or service that acts.
    PrincipalId = "principal id", is_name, NAME_RULE;
    /// A question put to a person.
    RequestId = "request id", is_name, NAME_RULE;
    /// A segment definition.
    SegmentId = "segment id", is_symbol, SYMBOL_RULE;
    /// A step of a segment.
    StepId = "step id", is_symbol, SYMBOL_RULE;
}

/// Reads any string form and parses it: the same door as [`FromStr`].
struct Parsing<T>(std::marker::PhantomData<T>);

impl<T: FromStr<Err = InvalidId>> de::Visitor<'_> for Parsing<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an id")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

/// A new id text: the prefix and a UUIDv7 of the clock's time in 32 hex digits.
pub fn generate(prefix: &str, clock: &dyn Clock) -> String {
    let micros = u64::try_from(clock.now().as_micros()).unwrap_or(0);
    let nanos = u32::try_from(micros % 1_000_000 * 1_000).unwrap_or(0);
    let time = uuid::Timestamp::from_unix(NoContext, micros / 1_000_000, nanos);
    let mut hex = [0; uuid::fmt::Simple::LENGTH];
    [prefix, Uuid::new_v7(time).simple().encode_lower(&mut hex)].concat()
}

impl RunId {
    /// A new run id, `run_` and 32 hex digits, ordered by the clock's time.
    pub fn generate(clock: &dyn Clock) -> Self {
        Self(generate("run_", clock).into())
    }

    /// The id of this run's `n`-th child run, `<run id>.<n>`.
    pub fn child(&self, n: u64) -> Result<Self, InvalidId> {
        format!("{self}.{n}").parse()
    }
}

impl RequestId {
    /// A new request id, `req_` and 32 hex digits, ordered by the clock's time.
    pub fn generate(clock: &dyn Clock) -> Self {
        Self(generate("req_", clock).into())
    }
}

/// A run is its own instance unless the host names one.
impl From<RunId> for InstanceId {
    fn from(run: RunId) -> Self {
        Self(run.0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::clock::{ManualClock, Timestamp};

    #[test]
    fn the_rules_at_their_edges() {
        for good in ["a", "A.b_c-9", "0", &"x".repeat(128)] {
            assert_eq!(good.parse::<TenantId>().unwrap().as_str(), good);
        }
        for bad in [
            "",
            ".a",
            "-a",
            "_a",
            "a:b",
            "a/b",
            "a%b",
            "é",
            "a b",
            "a\0",
            "a\n",
            &"x".repeat(129),
        ] {
            assert!(bad.parse::<TenantId>().is_err(), "{bad:?}");
        }
        for bad in ["", "A", "9a", "_a", "a-b", "a.b", "aB", &"x".repeat(129)] {
            assert!(bad.parse::<StepId>().is_err(), "{bad:?}");
        }
        assert!("a9_".parse::<StepId>().is_ok());
    }

    #[test]
    fn a_refused_text_is_shown_short_and_escaped() {
        let error = format!("a\u{1b}[2J{}", "z".repeat(1000))
            .parse::<RunId>()
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("`a\\u{1b}[2J"), "{error}");
        assert!(error.len() < 250 && !error.contains('\u{1b}'));
    }

    #[test]
    fn json_passes_the_same_door() {
        let id: StepId = serde_json::from_str("\"draft_1\"").unwrap();
        assert_eq!(serde_json::to_string(&id).unwrap(), "\"draft_1\"");
        assert!(serde_json::from_str::<StepId>("\"Draft\"").is_err());
        assert!(serde_json::from_str::<StepId>("7").is_err());
        // An escaped text is not borrowed from the input; it must work all the same.
        assert_eq!(
            serde_json::from_str::<StepId>("\"\\u0061\"")
                .unwrap()
                .as_str(),
            "a"
        );
    }

    #[tokio::test]
    async fn generated_ids_are_valid_distinct_and_ordered_by_time() {
        let clock = ManualClock::new(Timestamp::from_micros(1_700_000_000_000_000));
        let first: BTreeSet<_> = (0..100).map(|_| RunId::generate(&clock)).collect();
        assert_eq!(first.len(), 100);
        assert!(
            first
                .iter()
                .all(|id| id.as_str().len() == 36 && is_name(id.as_str()))
        );
        clock
            .advance_to(Timestamp::from_micros(1_700_000_000_001_000))
            .await;
        assert!(first.iter().all(|id| *id < RunId::generate(&clock)));
    }

    #[test]
    fn a_child_that_would_be_too_long_is_refused() {
        let parent: RunId = "r".repeat(126).parse().unwrap();
        assert_eq!(parent.child(1).unwrap().as_str().len(), 128);
        assert!(parent.child(10).is_err());
    }

    proptest! {
        #[test]
        fn parsing_agrees_with_the_written_rule(text in "[ -~é]{0,6}") {
            let head = |c: char| c.is_ascii_alphanumeric();
            let rest = |c: char| head(c) || "._-".contains(c);
            let expected = text.chars().next().is_some_and(head) && text.chars().all(rest);
            prop_assert_eq!(text.parse::<TenantId>().is_ok(), expected);
        }
    }
}
