//! The signed head of a log: its name, its size, its root (c2sp.org/tlog-checkpoint).
//!
//! Invariant: three lines and no more; a size has one spelling.
//! It does not know who may sign: see [`super::CheckpointSigner`].

use std::{fmt, str::FromStr};

use data_encoding::BASE64;

use super::{error::AuditError, hash::Digest, note::SignedNote};

/// What a checkpoint states.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The name of the log.
    pub origin: String,
    /// How many records it had.
    pub size: u64,
    /// The root of its tree.
    pub root: Digest,
}

impl Checkpoint {
    /// The unsigned note.
    pub fn to_note(&self) -> Result<SignedNote, AuditError> {
        SignedNote::new(self.to_string())
    }

    /// Reads the text of a note, without looking at its signatures.
    pub fn of_note(note: &SignedNote) -> Result<Self, AuditError> {
        note.text().parse()
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let root = BASE64.encode(&self.root.0);
        write!(f, "{}\n{}\n{root}\n", self.origin, self.size)
    }
}

impl FromStr for Checkpoint {
    type Err = AuditError;

    fn from_str(text: &str) -> Result<Self, AuditError> {
        let parsed = || {
            let mut lines = text.strip_suffix('\n')?.split('\n');
            let (origin, size, root) = (lines.next()?, lines.next()?, lines.next()?);
            let it = Self {
                origin: origin.to_owned(),
                size: size.parse().ok()?,
                root: Digest::from_slice(&BASE64.decode(root.as_bytes()).ok()?)?,
            };
            // Written again it must be the same text: no signs, no leading zeroes, no further lines.
            (!origin.is_empty() && it.to_string() == text).then_some(it)
        };
        parsed().ok_or_else(|| AuditError::invalid("a checkpoint", text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{
        lta1::{
            checksum,
            tests::{ORIGIN, golden},
        },
        note::{NoteKey, NoteSigner},
        tree::root,
    };

    // covers: AUD-28, AUD-31
    #[test]
    fn the_published_checkpoint() {
        let leaves = golden().map(|bytes| checksum(&bytes[..]));
        let checkpoint = Checkpoint {
            origin: ORIGIN.to_owned(),
            size: 3,
            root: root(&leaves),
        };
        let signer = NoteSigner::new(ORIGIN, &[1; 32]).unwrap();
        let mut note = checkpoint.to_note().unwrap();
        signer.sign(&mut note, 0);
        let expected = format!(
            "{ORIGIN}\n3\n/i/FTxrBPbKuHawRLBd2j+9RerBevVtpNa8Pc9xFCpQ=\n\n— {ORIGIN} \
             Bj+76BxI7D6PWAYNi8sZdwA47eHkPHfG2OC1SrOeL3fl1wpZhU/sLerEzqqVBI1ModLgKHes+Pklcx1r7uxsLMdKagY=\n"
        );
        assert_eq!(note.to_string(), expected);
        let key = format!("{ORIGIN}+063fbbe8+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c");
        assert_eq!(signer.public().to_string(), key);
        let key: NoteKey = key.parse().unwrap();
        assert_eq!(key.verify(&expected.parse().unwrap()), Some(true));
        assert_eq!(Checkpoint::of_note(&note).unwrap(), checkpoint);
    }

    // covers: AUD-31
    #[test]
    fn what_is_not_quite_a_checkpoint_is_refused() {
        let good = Checkpoint {
            origin: "o".to_owned(),
            size: 10,
            root: Digest([7; 32]),
        };
        let text = good.to_string();
        assert_eq!(text.parse::<Checkpoint>().unwrap(), good);
        for bad in [
            text.replace("10", "010"),
            text.replace("10", "+10"),
            text.replace("10", "-1"),
            text.replace("10", ""),
            text.replace("10", "99999999999999999999"),
            format!("{text}more\n"),
            text.trim_end().to_owned(),
            text.replace('\n', "\r\n"),
            text.replace("=\n", "\n"),
            text.replacen('o', "", 1),
        ] {
            assert!(bad.parse::<Checkpoint>().is_err(), "{bad:?}");
        }
    }
}
