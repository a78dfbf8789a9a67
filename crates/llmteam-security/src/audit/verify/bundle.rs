//! A log in one file: JSON lines that a person can look at and another program can check.
//!
//! Invariant: the first line is the header, then come the hashes of pruned records, then records in order; checkpoints
//! stand anywhere after the header. Bytes are base64. Nothing in a bundle is trusted.

use std::{
    borrow::Cow,
    io::{BufRead, Write},
};

use data_encoding::BASE64;
use serde::{Deserialize, Serialize};

use super::{Verification, Verifier, VerifyOptions};
use crate::{
    audit::{
        checkpoint::Checkpoint,
        entry::Entry,
        error::AuditError,
        hash::Digest,
        note::{SignedNote, strict_base64},
        payload::Payload,
        record::AuditId,
    },
    id::TenantId,
};

/// The format this program writes and reads.
pub(super) const FORMAT: &str = "llmteam-audit-bundle/1";
const WHAT: &str = "an audit bundle";
/// Entries checked at a time.
const PIECE: usize = 4_096;
/// The longest line, in bytes.
const LONGEST: u64 = 4 << 20;

/// The first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BundleHeader {
    /// `llmteam-audit-bundle/1`.
    pub format: String,
    /// Whose log.
    pub tenant: TenantId,
    /// Its name.
    pub origin: String,
    /// How many records it had when it was written.
    pub size: u64,
    /// The root the store stated.
    pub root: Digest,
}

/// Any later line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BundleLine {
    /// The hash of the next pruned record.
    Leaf(Digest),
    /// The next record.
    Record(Entry),
    /// A signed checkpoint, as text.
    Checkpoint(SignedNote),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
enum Line<'a> {
    Header(BundleHeader),
    Leaf(Digest),
    Record {
        seq: u64,
        leaf: Digest,
        body: Cow<'a, str>,
        event_id: AuditId,
        action: Cow<'a, str>,
        ts_us: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        payload: Option<PayloadLine<'a>>,
    },
    Checkpoint(Cow<'a, str>),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
enum PayloadLine<'a> {
    Blinded {
        blind: Cow<'a, str>,
        bytes: Cow<'a, str>,
    },
    Sealed {
        dek_id: Cow<'a, str>,
        nonce: Cow<'a, str>,
        ciphertext: Cow<'a, str>,
    },
}

/// Writes the header of the log of `tenant` that ends at `checkpoint`.
pub(in crate::audit) fn write_header(
    out: &mut dyn Write,
    tenant: &TenantId,
    checkpoint: &Checkpoint,
) -> Result<(), AuditError> {
    let header = BundleHeader {
        format: FORMAT.to_owned(),
        tenant: tenant.clone(),
        origin: checkpoint.origin.clone(),
        size: checkpoint.size,
        root: checkpoint.root,
    };
    write(out, &Line::Header(header))
}

/// Writes one line.
pub fn write_line(out: &mut dyn Write, line: &BundleLine) -> Result<(), AuditError> {
    let encoded = |bytes: &[u8]| Cow::Owned(BASE64.encode(bytes));
    match line {
        BundleLine::Leaf(leaf) => write(out, &Line::Leaf(*leaf)),
        BundleLine::Checkpoint(note) => write(out, &Line::Checkpoint(note.to_string().into())),
        BundleLine::Record(it) => {
            let payload = it.payload.as_ref().map(|payload| match payload {
                Payload::Blinded { blind, bytes } => PayloadLine::Blinded {
                    blind: encoded(blind),
                    bytes: encoded(bytes),
                },
                Payload::Sealed {
                    dek_id,
                    nonce,
                    ciphertext,
                } => PayloadLine::Sealed {
                    dek_id: Cow::Borrowed(dek_id),
                    nonce: encoded(nonce),
                    ciphertext: encoded(ciphertext),
                },
            });
            let line = Line::Record {
                seq: it.seq,
                leaf: it.leaf,
                body: encoded(&it.body),
                event_id: it.event_id,
                action: Cow::Borrowed(&it.action),
                ts_us: it.ts_us,
                payload,
            };
            write(out, &line)
        }
    }
}

fn write(out: &mut dyn Write, line: &Line<'_>) -> Result<(), AuditError> {
    serde_json::to_writer(&mut *out, line).map_err(AuditError::storage)?;
    out.write_all(b"\n").map_err(AuditError::storage)
}

fn parse(text: &str) -> Result<Line<'_>, AuditError> {
    serde_json::from_str(text).map_err(|_| AuditError::invalid(WHAT, text))
}

impl BundleLine {
    fn parse(text: &str) -> Result<Self, AuditError> {
        match parse(text)? {
            Line::Header(_) => Err(AuditError::invalid(WHAT, "a second header")),
            Line::Leaf(leaf) => Ok(Self::Leaf(leaf)),
            Line::Checkpoint(note) => Ok(Self::Checkpoint(note.parse()?)),
            Line::Record {
                seq,
                leaf,
                body,
                event_id,
                action,
                ts_us,
                payload,
            } => Ok(Self::Record(Entry {
                seq,
                leaf,
                body: decoded(&body)?,
                event_id,
                action: Cow::Owned(action.into_owned()),
                ts_us,
                payload: payload.map(read_payload).transpose()?,
            })),
        }
    }
}

fn read_payload(line: PayloadLine<'_>) -> Result<Payload, AuditError> {
    Ok(match line {
        PayloadLine::Blinded { blind, bytes } => Payload::Blinded {
            blind: fixed(&blind)?,
            bytes: decoded(&bytes)?,
        },
        PayloadLine::Sealed {
            dek_id,
            nonce,
            ciphertext,
        } => Payload::Sealed {
            dek_id: dek_id.into(),
            nonce: fixed(&nonce)?,
            ciphertext: decoded(&ciphertext)?,
        },
    })
}

fn decoded(text: &str) -> Result<Box<[u8]>, AuditError> {
    let bytes = strict_base64(text);
    bytes
        .map(Into::into)
        .ok_or_else(|| AuditError::invalid("base64", text))
}

fn fixed<const N: usize>(text: &str) -> Result<[u8; N], AuditError> {
    let bytes = decoded(text)?;
    (*bytes)
        .try_into()
        .map_err(|_| AuditError::invalid("base64 of the right length", text))
}

/// Checks a bundle. Checkpoints in it count as held ones do, if a key of `options` has signed them.
///
/// # Errors
/// When the bundle cannot be read as one. What is wrong with a log that can be read is in the report.
pub fn verify_bundle(
    mut input: impl BufRead,
    mut options: VerifyOptions,
) -> Result<Verification, AuditError> {
    let header = match parse(&next_line(&mut input)?.unwrap_or_default())? {
        Line::Header(header) if header.format == FORMAT => header,
        _ => return Err(AuditError::invalid(WHAT, "no header of a known format")),
    };
    if options.tenant.is_none() {
        options.tenant = Some(header.tenant.clone());
    }
    // Checkpoints may stand anywhere, and are needed from the start: the text is kept, hashes are small.
    let (mut leaves, mut entries) = (Vec::new(), Vec::new());
    while let Some(line) = next_line(&mut input)? {
        match BundleLine::parse(&line)? {
            BundleLine::Leaf(leaf) if entries.is_empty() => leaves.push(leaf),
            BundleLine::Leaf(_) => return Err(AuditError::invalid(WHAT, "a leaf after a record")),
            BundleLine::Record(entry) => entries.push(entry),
            BundleLine::Checkpoint(note) => options.checkpoints.push(note),
        }
    }
    let mut verifier = Verifier::pruned(header.origin, options, &leaves);
    for piece in entries.chunks(PIECE) {
        verifier.push(piece);
    }
    Ok(verifier.finish(Some((header.size, header.root))))
}

fn next_line(input: &mut impl BufRead) -> Result<Option<String>, AuditError> {
    let mut line = String::new();
    let read = std::io::Read::take(&mut *input, LONGEST)
        .read_line(&mut line)
        .map_err(|error| AuditError::invalid(WHAT, &error.to_string()))?;
    if read == 0 {
        return Ok(None);
    }
    if line.pop() != Some('\n') {
        return Err(AuditError::invalid(
            WHAT,
            "a line that is too long or cut off",
        ));
    }
    Ok(Some(line))
}
