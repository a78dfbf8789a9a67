//! What holds between the records of a log, and between it and what is known of it from outside.
//!
//! Invariant: entries come in order, in pieces of any size, and are let go again: it keeps one frontier, the event ids
//! (16 bytes each) and which payloads are gone.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::{
    entry::{Facts, RecordFacts, Special, State, examine},
    report::{Findings, Payloads, Rule, Verdict, Verification},
};
use crate::{
    audit::{
        checkpoint::Checkpoint,
        entry::Entry,
        error::AuditError,
        event_type::AuditEventType,
        hash::Digest,
        lta1::Record,
        note::{NoteKey, SignedNote},
        payload::Payload,
        tree::{Frontier, root},
        wire,
    },
    id::TenantId,
};

/// Fewer entries than this are not worth a second thread.
const WORTH_A_THREAD: usize = 256;

/// What a log is held against.
#[derive(Clone, Debug, Default)]
pub struct VerifyOptions {
    /// Whose log it has to be.
    pub tenant: Option<TenantId>,
    /// Keys whose signature on a checkpoint counts. Names are origins: a key signs for its own log only.
    pub keys: Vec<NoteKey>,
    /// Checkpoints that were kept elsewhere, older or newer than the log at hand.
    pub checkpoints: Vec<SignedNote>,
    /// What the platform's log says of this one; see [`anchors`].
    pub anchors: Vec<Checkpoint>,
    /// Witnesses whose signature on the newest checkpoint counts.
    pub witnesses: Vec<NoteKey>,
    /// How many of them must have signed it.
    pub witness_threshold: usize,
    /// How many threads hash; 0 and 1 mean the caller's alone.
    pub threads: usize,
}

/// Takes a log in pieces and says what is wrong with it.
#[derive(Debug)]
pub struct Verifier {
    origin: String,
    options: VerifyOptions,
    held: BTreeMap<u64, Vec<(Digest, Rule)>>,
    findings: Findings,
    warnings: Vec<String>,
    covered: u64,
    first: u64,
    frontier: Frontier,
    last: Option<(Digest, u64, u64)>,
    /// Whether the tree is still the log's; after a gap or a fault its roots mean nothing.
    whole: bool,
    seen: HashSet<[u8; 16]>,
    payloads: Payloads,
    absent: BTreeMap<u64, Option<String>>,
    by_key: BTreeMap<String, u64>,
    shredded_keys: BTreeSet<String>,
    shredded: Vec<(u64, u64)>,
    pruned: Option<(u64, Digest)>,
}

impl Verifier {
    /// A verifier for the log `origin`, whose record 0 comes first.
    pub fn new(origin: impl Into<String>, options: VerifyOptions) -> Self {
        Self::pruned(origin, options, &[])
    }

    /// A verifier for a log of which only `leaves`, the hashes of its first records, are left below the first one.
    pub fn pruned(origin: impl Into<String>, options: VerifyOptions, leaves: &[Digest]) -> Self {
        let mut it = Self {
            origin: origin.into(),
            options,
            held: BTreeMap::new(),
            findings: Findings::default(),
            warnings: Vec::new(),
            covered: 0,
            first: leaves.len() as u64,
            frontier: Frontier::default(),
            last: None,
            whole: true,
            seen: HashSet::new(),
            payloads: Payloads::default(),
            absent: BTreeMap::new(),
            by_key: BTreeMap::new(),
            shredded_keys: BTreeSet::new(),
            shredded: Vec::new(),
            pruned: None,
        };
        it.hold_checkpoints();
        for leaf in leaves {
            it.add_leaf(*leaf);
        }
        if let Some(leaf) = leaves.last() {
            it.last = Some((*leaf, 0, 0));
            it.pruned = Some((it.first, root(leaves)));
        }
        it
    }

    /// Reads the checkpoints and keeps what they say, each under its size.
    fn hold_checkpoints(&mut self) {
        let notes = std::mem::take(&mut self.options.checkpoints);
        let mut newest: Option<(u64, usize)> = None;
        for note in &notes {
            let Ok(checkpoint) = Checkpoint::of_note(note) else {
                self.findings.add(0, Rule::V5, "a note is no checkpoint");
                continue;
            };
            let size = checkpoint.size;
            if checkpoint.origin != self.origin {
                let detail = format!("a checkpoint is of `{}`", checkpoint.origin);
                self.findings.add(size.saturating_sub(1), Rule::V10, detail);
                continue;
            }
            if let Err(detail) = self.signed(note) {
                self.findings.add(size.saturating_sub(1), Rule::V5, detail);
                continue;
            }
            let witnesses = self.options.witnesses.iter();
            let count = witnesses
                .filter(|key| key.verify(note) == Some(true))
                .count();
            newest = newest.max(Some((size, count)));
            self.hold(&checkpoint, Rule::V4);
        }
        let needed = self.options.witness_threshold;
        match newest {
            Some((size, count)) if count < needed => {
                let detail =
                    format!("{count} of {needed} demanded witnesses signed the newest checkpoint");
                self.findings.add(size.saturating_sub(1), Rule::V12, detail);
            }
            None if needed > 0 => {
                let detail = "witnesses are demanded and no checkpoint is held";
                self.findings.add(0, Rule::V12, detail);
            }
            _ => {}
        }
        for anchor in std::mem::take(&mut self.options.anchors) {
            if anchor.origin == self.origin {
                self.hold(&anchor, Rule::V11);
            }
        }
    }

    fn signed(&self, note: &SignedNote) -> Result<(), &'static str> {
        let mine = |key: &&NoteKey| key.name() == self.origin && !key.is_witness();
        let verdicts: Vec<bool> = self
            .options
            .keys
            .iter()
            .filter(mine)
            .filter_map(|key| key.verify(note))
            .collect();
        match (verdicts.contains(&false), verdicts.is_empty()) {
            (true, _) => Err("a known key's signature on a checkpoint is bad"),
            (_, true) => Err("a checkpoint is signed by no known key"),
            _ => Ok(()),
        }
    }

    fn hold(&mut self, checkpoint: &Checkpoint, rule: Rule) {
        let roots = self.held.entry(checkpoint.size).or_default();
        if roots.iter().any(|(root, _)| *root != checkpoint.root) {
            let detail = format!("two roots are stated for size {}", checkpoint.size);
            self.findings
                .add(checkpoint.size.saturating_sub(1), Rule::V6, detail);
        }
        roots.push((checkpoint.root, rule));
    }

    /// Takes the next entries, in the order they are stored.
    pub fn push(&mut self, entries: &[Entry]) {
        let threads = self
            .options
            .threads
            .clamp(1, 1 + entries.len() / WORTH_A_THREAD);
        if threads == 1 {
            for entry in entries {
                let facts = examine(entry, &self.origin);
                self.take(facts, entry);
            }
            return;
        }
        let origin = self.origin.as_str();
        let parts = entries.chunks(entries.len().div_ceil(threads));
        let facts: Vec<Vec<Facts>> = std::thread::scope(|scope| {
            let examining: Vec<_> = parts
                .map(|part| {
                    scope.spawn(move || part.iter().map(|it| examine(it, origin)).collect())
                })
                .collect();
            let joined = examining
                .into_iter()
                .map(std::thread::ScopedJoinHandle::join);
            joined
                .map(|it| it.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .collect()
        });
        for (facts, entry) in facts.into_iter().flatten().zip(entries) {
            self.take(facts, entry);
        }
    }

    fn take(&mut self, facts: Facts, entry: &Entry) {
        let expected = self.frontier.size();
        let faulty = facts.fault.is_some();
        if let Some((rule, detail)) = facts.fault {
            self.findings.add(facts.seq, rule, detail);
        }
        let Some(record) = facts.record else {
            self.add_leaf(facts.leaf);
            self.last = Some((facts.leaf, 0, 0));
            return;
        };
        if facts.seq != expected && self.whole {
            self.whole = false;
            let detail = format!("record {} is where {expected} has to be", facts.seq);
            self.findings.add(expected.min(facts.seq), Rule::V2, detail);
        } else if !faulty || !self.whole {
            self.follows(&record);
        }
        if expected == 0 && self.whole {
            self.genesis(entry);
        }
        if !record.same_origin {
            self.findings
                .add(facts.seq, Rule::V10, "the record is of another log");
        }
        if !self.seen.insert(record.event_id) {
            self.findings
                .add(facts.seq, Rule::V2, "the event was recorded before");
        }
        self.payload(facts.seq, record.payload);
        self.special(facts.seq, record.special);
        self.add_leaf(facts.leaf);
        self.last = Some((facts.leaf, record.epoch, record.ts_us));
    }

    /// Whether `record` continues the one before it.
    fn follows(&mut self, record: &RecordFacts) {
        let (prev, epoch, ts_us) = self.last.unwrap_or((Digest::ZERO, 0, 0));
        if record.prev != prev {
            let detail = "the record does not follow the one before it: one of the two was changed";
            self.findings.add(record.seq, Rule::V3, detail);
        }
        if record.epoch < epoch {
            self.findings
                .add(record.seq, Rule::V9, "the writer's epoch went down");
        }
        if record.ts_us < ts_us && self.warnings.len() < 100 {
            let detail = format!(
                "the time of record {} is before that of the last",
                record.seq
            );
            self.warnings.push(detail);
        }
    }

    fn add_leaf(&mut self, leaf: Digest) {
        self.frontier.push(leaf);
        let size = self.frontier.size();
        if let (true, Some(roots)) = (self.whole, self.held.get(&size)) {
            let root = self.frontier.root();
            for (held, rule) in roots {
                if *held == root {
                    self.covered = size;
                } else {
                    let detail = format!("the root at size {size} is another than was stated");
                    self.findings.add(size - 1, *rule, detail);
                }
            }
        }
    }

    /// The first record says whose log it is.
    fn genesis(&mut self, entry: &Entry) {
        if entry.action != AuditEventType::LogGenesis.as_str() {
            self.findings
                .add(0, Rule::V2, "the first record is no genesis record");
        }
        let (Some(tenant), Some(Payload::Blinded { bytes, .. })) =
            (&self.options.tenant, &entry.payload)
        else {
            return;
        };
        let stated = wire::from_payload(bytes).and_then(|it| it.tenant_id);
        if stated.as_ref() != Some(tenant) {
            let detail = format!("the log is not that of tenant `{tenant}`");
            self.findings.add(0, Rule::V10, detail);
        }
    }

    fn payload(&mut self, seq: u64, state: State) {
        match state {
            State::None => {}
            State::Present { dek } => {
                self.payloads.present += 1;
                if let Some(dek) = dek {
                    *self.by_key.entry(dek).or_default() += 1;
                }
            }
            State::Absent { dek } => {
                self.absent.insert(seq, dek);
            }
        }
    }

    fn special(&mut self, seq: u64, special: Option<Special>) {
        match special {
            None => {}
            Some(Special::Shredded { dek, sequences }) => {
                self.shredded_keys.extend(dek);
                let ranges = sequences.as_deref().unwrap_or_default().split(',');
                self.shredded.extend(ranges.filter_map(range));
            }
            Some(Special::Pruned { below, root }) => {
                if let (Some((first, held)), Some(below), Some(root)) = (self.pruned, below, root)
                    && below == first
                    && root != held
                {
                    let detail = "the hashes of pruned records do not make the root that was kept";
                    self.findings.add(seq, Rule::V4, detail);
                }
            }
        }
    }

    /// The report. `head` is what the store says of itself: size and root.
    pub fn finish(mut self, head: Option<(u64, Digest)>) -> Verification {
        let (size, root) = (self.frontier.size(), self.frontier.root());
        if let Some(head) = head
            && self.whole
            && head != (size, root)
        {
            let detail = format!("the stored head, of size {}, is not the log's", head.0);
            self.findings.add(size.min(head.0), Rule::V4, detail);
        }
        if let Some((longest, _)) = self.held.last_key_value()
            && *longest > size
        {
            let detail = format!("the log has {size} records and a checkpoint covers {longest}");
            self.findings.add(size, Rule::V6, detail);
        }
        let missing = self.settle_payloads();
        let (total_findings, findings) = self.findings.finish();
        let verdict = match total_findings {
            0 => Verdict::Ok,
            n if n == missing => Verdict::Incomplete,
            _ => Verdict::Tampered,
        };
        Verification {
            verdict,
            not_detectable: not_detectable(self.covered, size),
            origin: self.origin,
            first_sequence: self.first,
            size,
            root,
            covered_size: self.covered,
            payloads: self.payloads,
            total_findings,
            findings,
            warnings: self.warnings,
        }
    }

    /// Which absent payloads were erased knowingly; returns how many were not.
    fn settle_payloads(&mut self) -> u64 {
        for (seq, dek) in std::mem::take(&mut self.absent) {
            let by_key = dek
                .as_ref()
                .is_some_and(|dek| self.shredded_keys.contains(dek));
            let by_number = self
                .shredded
                .iter()
                .any(|(from, to)| (*from..=*to).contains(&seq));
            if by_key || by_number {
                self.payloads.erased += 1;
            } else {
                self.payloads.missing += 1;
                self.findings
                    .add(seq, Rule::V8, "the payload is missing and nobody erased it");
            }
        }
        for dek in &self.shredded_keys {
            let erased = self.by_key.get(dek).copied().unwrap_or(0);
            self.payloads.present -= erased;
            self.payloads.erased += erased;
        }
        self.payloads.missing
    }
}

/// `5` or `5-9`.
fn range(text: &str) -> Option<(u64, u64)> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    Some((from.parse().ok()?, to.parse().ok()?))
}

fn not_detectable(covered: u64, size: u64) -> Vec<String> {
    let mut list = vec!["what was never recorded, or recorded falsely, by who wrote it".to_owned()];
    if covered < size {
        list.push(format!(
            "tail cut: records from {covered} on are under no held checkpoint, so removing the last of them shows nothing"
        ));
        list.push(format!(
            "re-chain: records from {covered} on could have been written anew by whoever writes to the database; hold a checkpoint outside"
        ));
    }
    list
}

/// What the records of a platform's log say of other logs.
pub fn anchors(entries: &[Entry]) -> Result<Vec<Checkpoint>, AuditError> {
    let mut found = Vec::new();
    for entry in entries {
        let record = Record::decode(&entry.body)
            .map_err(|fault| AuditError::invalid("an audit record", &fault.to_string()))?;
        if record.action != AuditEventType::LogAnchored.as_str() {
            continue;
        }
        let text = |key| record.attributes.text(key);
        let anchor = || {
            Some(Checkpoint {
                origin: text("origin")?.to_owned(),
                size: text("size")?.parse().ok()?,
                root: Digest::from_hex(text("root")?)?,
            })
        };
        found.push(anchor().ok_or_else(|| AuditError::invalid("an anchor", record.action))?);
    }
    Ok(found)
}
