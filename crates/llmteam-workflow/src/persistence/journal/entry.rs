//! One entry of a journal and the checksum that is stored with it.

use std::borrow::Cow;

#[cfg(feature = "sqlite")]
use llmteam_security::id::{RunId, TenantId};
use llmteam_security::{clock::Timestamp, id::StepId};

/// One thing that happened to a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalEntry {
    /// Its place in the run: 0, 1, 2…
    pub index: u64,
    /// What happened, in a word.
    pub kind: Cow<'static, str>,
    /// The step it happened to.
    pub step: Option<StepId>,
    /// When.
    pub time: Timestamp,
    /// The record as JSON text.
    pub body: Vec<u8>,
}

#[cfg(feature = "sqlite")]
impl JournalEntry {
    /// CRC-32 over the whole entry and whose it is, so that a row which changed, or moved to another run or
    /// another place, does not fit. Every text is preceded by its length; numbers are big-endian.
    pub(super) fn checksum(&self, tenant: &TenantId, run: &RunId, epoch: u64) -> u32 {
        let mut hasher = crc32fast::Hasher::new();
        let mut text = |text: &[u8]| {
            hasher.update(&(text.len() as u64).to_be_bytes());
            hasher.update(text);
        };
        text(tenant.as_str().as_bytes());
        text(run.as_str().as_bytes());
        text(self.kind.as_bytes());
        // No step id is empty.
        text(
            self.step
                .as_ref()
                .map(|it| it.as_str().as_bytes())
                .unwrap_or_default(),
        );
        text(&self.body);
        hasher.update(&epoch.to_be_bytes());
        hasher.update(&self.index.to_be_bytes());
        hasher.update(&self.time.as_micros().to_be_bytes());
        hasher.finalize()
    }
}

#[cfg(all(test, feature = "sqlite"))]
mod tests {
    use super::*;

    /// The value is part of the stored format: see `docs/journal-format.md`.
    #[test]
    fn the_checksum_is_fixed_and_covers_everything() {
        let (tenant, run) = ("acme".parse().unwrap(), "run_1".parse().unwrap());
        let entry = JournalEntry {
            index: 3,
            kind: "step_ended".into(),
            step: Some("write".parse().unwrap()),
            time: Timestamp::from_micros(1_700_000_000_000_000),
            body: br#"{"n":1}"#.to_vec(),
        };
        let sum = entry.checksum(&tenant, &run, 2);
        assert_eq!(sum, 0xd7b8_aae3);
        let changed = [
            JournalEntry {
                index: 4,
                ..entry.clone()
            },
            JournalEntry {
                kind: "step_endedwrite".into(),
                step: None,
                ..entry.clone()
            },
            JournalEntry {
                step: None,
                ..entry.clone()
            },
            JournalEntry {
                time: Timestamp::from_micros(1),
                ..entry.clone()
            },
            JournalEntry {
                body: br#"{"n":2}"#.to_vec(),
                ..entry.clone()
            },
        ];
        for other in changed {
            assert_ne!(other.checksum(&tenant, &run, 2), sum, "{other:?}");
        }
        assert_ne!(entry.checksum(&tenant, &run, 3), sum);
        assert_ne!(
            entry.checksum(&"acm".parse().unwrap(), &"erun_1".parse().unwrap(), 2),
            sum
        );
    }
}
