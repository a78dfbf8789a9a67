//! What a verification found, as JSON.
//!
//! Invariant: findings are in the order of their sequence numbers; of very many the first 100 are kept and all counted.

use serde::Serialize;

use crate::audit::hash::Digest;

const KEPT: usize = 100;

/// The rules, as the module lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[expect(missing_docs, reason = "the module lists what each stands for")]
pub enum Rule {
    V1,
    V2,
    V3,
    V4,
    V5,
    V6,
    V7,
    V8,
    V9,
    V10,
    V11,
    V12,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// The record it shows at: the changed one, or the first that no longer follows.
    pub seq: u64,
    /// The rule it breaks.
    pub rule: Rule,
    /// In words.
    pub detail: String,
}

/// What it comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// No finding.
    Ok,
    /// Something was changed.
    Tampered,
    /// Nothing was changed, but payloads are missing that nobody erased.
    Incomplete,
}

/// What became of payloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize)]
pub struct Payloads {
    /// There, and as committed to. Sealed ones are counted here while their key is not erased.
    pub present: u64,
    /// Erased by a record that says so.
    pub erased: u64,
    /// Gone without such a record.
    pub missing: u64,
}

/// The report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// What it comes to.
    pub verdict: Verdict,
    /// The name of the log.
    pub origin: String,
    /// First record whose bytes are there; those before were pruned.
    pub first_sequence: u64,
    /// How many records the log has, pruned ones included.
    pub size: u64,
    /// The root of its tree.
    pub root: Digest,
    /// Up to this size a held and signed checkpoint covers the log.
    pub covered_size: u64,
    /// What became of payloads.
    pub payloads: Payloads,
    /// How many findings there are.
    pub total_findings: u64,
    /// The first of them.
    pub findings: Vec<Finding>,
    /// What is odd and proves nothing.
    pub warnings: Vec<String>,
    /// What could have happened unseen, for want of a checkpoint from outside.
    pub not_detectable: Vec<String>,
}

impl Verification {
    /// Whether nothing was found.
    pub fn is_valid(&self) -> bool {
        self.verdict == Verdict::Ok
    }

    /// The first bad record and the rule it breaks.
    pub fn first_bad(&self) -> Option<(u64, Rule)> {
        self.findings.first().map(|it| (it.seq, it.rule))
    }
}

/// Collects findings.
#[derive(Debug, Default)]
pub(super) struct Findings {
    list: Vec<Finding>,
    total: u64,
}

impl Findings {
    pub(super) fn add(&mut self, seq: u64, rule: Rule, detail: impl Into<String>) {
        self.total += 1;
        let detail = detail.into();
        if self.list.len() < KEPT {
            self.list.push(Finding { seq, rule, detail });
        }
    }

    pub(super) fn finish(mut self) -> (u64, Vec<Finding>) {
        self.list.sort();
        (self.total, self.list)
    }
}
