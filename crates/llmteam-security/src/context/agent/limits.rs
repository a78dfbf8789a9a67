//! How much a context holds.
//!
//! Invariant: what is over a limit is refused before anything changes; only lists let their oldest entry go instead.

use serde_json::Value;

use super::SecureAgentContext;
use crate::context::error::ContextAccessError;

impl SecureAgentContext {
    /// Entries of a list, keys of the data, sealed names.
    pub const MAX_ENTRIES: usize = 1_000;
    /// Bytes of a text.
    pub const MAX_TEXT: usize = 64 << 10;
    /// Bytes of a key or of a sealed name.
    pub const MAX_NAME: usize = 256;
    /// Bytes of a value as JSON text.
    pub const MAX_VALUE: usize = 1 << 20;
    /// How deep a value nests.
    pub const MAX_DEPTH: usize = 64;
}

type Refused = ContextAccessError;

fn check(what: &'static str, size: usize, limit: usize) -> Result<(), Refused> {
    if size > limit {
        return Err(Refused::TooLarge { what, limit });
    }
    Ok(())
}

pub(super) fn text(what: &'static str, text: String) -> Result<String, Refused> {
    check(what, text.len(), SecureAgentContext::MAX_TEXT)?;
    Ok(text)
}

pub(super) fn name(name: &str) -> Result<(), Refused> {
    check("a name", name.len(), SecureAgentContext::MAX_NAME)
}

pub(super) fn count(what: &'static str, count: usize) -> Result<(), Refused> {
    check(what, count, SecureAgentContext::MAX_ENTRIES)
}

/// A value within depth and size. Looks at it without recursion, so that depth itself does no harm.
pub(super) fn value(value: Value) -> Result<Value, Refused> {
    let mut size = 0_usize;
    let mut open = vec![(&value, 1)];
    while let Some((value, depth)) = open.pop() {
        check(
            "the nesting of a value",
            depth,
            SecureAgentContext::MAX_DEPTH,
        )?;
        size += match value {
            Value::String(text) => text.len() + 2,
            Value::Array(items) => {
                open.extend(items.iter().map(|item| (item, depth + 1)));
                items.len() + 2
            }
            Value::Object(map) => {
                open.extend(map.values().map(|item| (item, depth + 1)));
                map.keys().map(|key| key.len() + 4).sum::<usize>() + 2
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => 4,
        };
        check("a value", size, SecureAgentContext::MAX_VALUE)?;
    }
    Ok(value)
}
