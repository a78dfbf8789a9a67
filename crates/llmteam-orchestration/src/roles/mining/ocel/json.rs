//! OCEL 2.0 as JSON.

use std::io::{self, Read, Write};

use super::{
    super::xml::{FormatError, FormatFault, ReadLimits, excerpt},
    ObjectLog,
};

/// Reads a log from JSON. The whole text is held in memory: its size is that of the limits.
///
/// # Errors
///
/// What is no JSON, no OCEL, beyond the limits, or at odds with itself: [`FormatError`].
pub fn import_ocel_json(source: impl Read, limits: ReadLimits) -> Result<ObjectLog, FormatError> {
    let mut text = Vec::new();
    let read = source
        .take(limits.bytes.saturating_add(1))
        .read_to_end(&mut text);
    read.map_err(|error| {
        FormatFault::Unreadable(excerpt(&error.to_string())).at(text.len() as u64)
    })?;
    let length = text.len() as u64;
    if length > limits.bytes {
        return Err(FormatFault::TooLarge {
            limit: limits.bytes,
        }
        .at(length));
    }
    let log: ObjectLog = serde_json::from_slice(&text).map_err(|error| {
        let fault = FormatFault::Malformed(excerpt(&error.to_string()));
        fault.at(offset(&text, error.line(), error.column()))
    })?;
    log.settle().map_err(|fault| fault.at(length))
}

/// The byte at a line and a column, both counted from 1.
fn offset(text: &[u8], line: usize, column: usize) -> u64 {
    let before: usize = text
        .split_inclusive(|it| *it == b'\n')
        .take(line.saturating_sub(1))
        .map(<[u8]>::len)
        .sum();
    (before + column.saturating_sub(1)).min(text.len()) as u64
}

/// Writes a log as JSON.
///
/// # Errors
///
/// Those of `out`.
pub fn export_ocel_json(log: &ObjectLog, out: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer(&mut *out, log)?;
    out.write_all(b"\n")?;
    out.flush()
}
