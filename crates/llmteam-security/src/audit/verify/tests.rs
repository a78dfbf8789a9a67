//! Every kind of tampering is found where it is, and nothing is found where nothing was touched.

use std::{borrow::Cow, sync::Arc};

use proptest::prelude::*;

use super::*;
use crate::{
    audit::{
        Actor, AuditEvent, AuditEventType as Type, AuditId, AuditStore, AuditTrail, Checkpoint,
        Digest, MemoryAuditStore, NoteSigner, SignedNote,
        entry::Entry,
        lta1::{Record, checksum},
        payload::Payload,
        tree,
    },
    clock::{ManualClock, Timestamp},
    id::TenantId,
};

/// A log, and a checkpoint of it that somebody keeps elsewhere.
pub(in crate::audit) struct Log {
    pub(in crate::audit) tenant: TenantId,
    pub(in crate::audit) origin: String,
    pub(in crate::audit) entries: Vec<Entry>,
    pub(in crate::audit) head: (u64, Digest),
    pub(in crate::audit) note: SignedNote,
    pub(in crate::audit) signer: NoteSigner,
}

pub(in crate::audit) async fn log(tenant: &str, records: u64) -> Log {
    let store = MemoryAuditStore::new().unwrap();
    let clock = ManualClock::new(Timestamp::from_micros(1_700_000_000_000_000));
    let tenant: TenantId = tenant.parse().unwrap();
    let trail = AuditTrail::new(Arc::new(store.clone()), tenant.clone(), Arc::new(clock));
    let events = (0..records).map(|n| {
        let actor = Actor::user(&format!("user-{}", n % 3).parse().unwrap());
        AuditEvent::new(Type::DataUpdated)
            .by(actor)
            .with_run(format!("r{n}"))
            .on("doc", n.to_string())
    });
    trail.log_all(events.collect()).await.unwrap();
    let head = store.head(&tenant).await.unwrap().unwrap();
    let entries = store
        .get_by_sequence_range(&tenant, 0, records)
        .await
        .unwrap();
    let signer = NoteSigner::new(head.origin(), &[5; 32]).unwrap();
    let mut note = head.checkpoint().to_note().unwrap();
    signer.sign(&mut note, 0);
    let checkpoint = head.checkpoint();
    Log {
        tenant,
        origin: checkpoint.origin,
        entries,
        head: (checkpoint.size, checkpoint.root),
        note,
        signer,
    }
}

impl Log {
    pub(in crate::audit) fn options(&self) -> VerifyOptions {
        VerifyOptions {
            tenant: Some(self.tenant.clone()),
            keys: vec![self.signer.public().clone()],
            checkpoints: vec![self.note.clone()],
            ..VerifyOptions::default()
        }
    }

    fn check(&self, options: VerifyOptions) -> Verification {
        let mut verifier = Verifier::new(&self.origin, options);
        for piece in self.entries.chunks(700) {
            verifier.push(piece);
        }
        verifier.finish(Some(self.head))
    }

    /// Writes everything from record `from` on anew, as somebody with the database can.
    fn rechain(&mut self, from: usize) {
        for at in from..self.entries.len() {
            let prev = at
                .checked_sub(1)
                .map_or(Digest::ZERO, |before| self.entries[before].leaf);
            let entry = &mut self.entries[at];
            let body = entry.body.clone();
            let mut record = Record::decode(&body).unwrap();
            record.prev = prev;
            record.seq = at as u64;
            let mut bytes = Vec::new();
            record.encode(&mut bytes).unwrap();
            entry.seq = record.seq;
            entry.leaf = checksum(&bytes);
            entry.body = bytes.into();
        }
        self.restate();
    }

    fn restate(&mut self) {
        let leaves: Vec<Digest> = self.entries.iter().map(|it| it.leaf).collect();
        self.head = (leaves.len() as u64, tree::root(&leaves));
    }
}

fn runtime<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(work)
}

/// Changes a field and keeps the record well-formed.
fn edit(entry: &mut Entry, change: impl FnOnce(&mut Record<'_>)) {
    let body = entry.body.clone();
    let mut record = Record::decode(&body).unwrap();
    change(&mut record);
    let mut bytes = Vec::new();
    record.encode(&mut bytes).unwrap();
    entry.body = bytes.into();
}

/// Tampers in way `kind` at record `at`; returns the first and the last place where it may show.
fn tamper(log: &mut Log, other: &Log, kind: usize, at: usize, bit: usize) -> (u64, u64) {
    let n = log.entries.len();
    let near = |at: usize| (at as u64, at as u64 + 1);
    match kind {
        // A bit of the body.
        0 => {
            let body = &mut log.entries[at].body;
            let bit = bit % (body.len() * 8);
            body[bit / 8] ^= 1 << (bit % 8);
        }
        // A field, the hash made to fit.
        1 => {
            edit(&mut log.entries[at], |record| record.ts_us += 1);
            log.entries[at].ts_us += 1;
            log.entries[at].leaf = checksum(&log.entries[at].body);
        }
        // Two records change places.
        2 => {
            let with = if at + 1 < n { at + 1 } else { at - 1 };
            log.entries.swap(at, with);
            let low = at.min(with) as u64;
            return (low, low + 1);
        }
        3 => {
            log.entries.remove(at);
        }
        4 => {
            let copy = log.entries[at].clone();
            log.entries.insert(at, copy);
        }
        // A record that never was, linked to the one before it.
        5 => {
            let mut made = log.entries[at].clone();
            let prev = log.entries[at - 1].leaf;
            edit(&mut made, |record| {
                record.prev = prev;
                record.event_id = [0xee; 16];
            });
            made.event_id = AuditId::from_bytes([0xee; 16]);
            made.leaf = checksum(&made.body);
            log.entries.insert(at, made);
        }
        // Another number, in row and record.
        6 => {
            log.entries[at].seq += 1;
            edit(&mut log.entries[at], |record| record.seq += 1);
            log.entries[at].leaf = checksum(&log.entries[at].body);
        }
        // The end is cut off, and the head says so.
        7 => {
            log.entries.truncate(at);
            log.restate();
            return (at as u64, at as u64);
        }
        8 => {
            let with = if at + 1 < n { at + 1 } else { at - 1 };
            let mine = log.entries[at].payload.clone();
            log.entries[at].payload = std::mem::replace(&mut log.entries[with].payload, mine);
            let low = at.min(with) as u64;
            return (low, low);
        }
        // Another tenant's record.
        9 => log.entries[at] = other.entries[at].clone(),
        // The stored head.
        10 => {
            log.head.1.0[bit % 32] ^= 1;
            return (n as u64, n as u64);
        }
        // A stored hash.
        11 => log.entries[at].leaf.0[bit % 32] ^= 1,
        // The checkpoint that is held, made for another root.
        12 => {
            let mut checkpoint = Checkpoint::of_note(&log.note).unwrap();
            checkpoint.root.0[bit % 32] ^= 1;
            let text = log.note.to_string();
            let signatures = text.split("\n\n").last().unwrap();
            log.note = format!("{checkpoint}\n{signatures}").parse().unwrap();
            return (n as u64 - 1, n as u64 - 1);
        }
        // Everything from here on is written anew.
        _ => {
            edit(&mut log.entries[at], |record| record.ts_us += 1);
            log.entries[at].ts_us += 1;
            log.rechain(at);
            return (at as u64, n as u64 - 1);
        }
    }
    near(at)
}

const KINDS: usize = 14;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    // covers: AUD-01, AUD-02, AUD-11, AUD-35
    #[test]
    fn every_tampering_is_found_where_it_is(size in 3_u64..40, kind in 0..KINDS, at in any::<usize>(), bit in any::<usize>()) {
        let mut log = runtime(self::log("mine", size));
        let other = runtime(self::log("other", size));
        let clean = log.check(log.options());
        prop_assert!(clean.is_valid(), "{clean:?}");
        prop_assert_eq!(clean.covered_size, size + 1);
        let at = 1 + at % (log.entries.len() - 1);
        let (from, to) = tamper(&mut log, &other, kind, at, bit);
        let found = log.check(log.options());
        prop_assert_eq!(found.verdict, Verdict::Tampered, "kind {}", kind);
        let (seq, _) = found.first_bad().unwrap();
        prop_assert!((from..=to).contains(&seq), "kind {kind} at {at}: {from}..={to}, {:?}", found.findings);
    }
}

// covers: AUD-02, AUD-35
#[tokio::test]
async fn what_no_checkpoint_covers_is_named_and_not_claimed() {
    let mut cut = log("t", 20).await;
    cut.entries.truncate(15);
    cut.restate();
    let mut anew = log("t", 20).await;
    edit(&mut anew.entries[10], |record| record.ts_us += 1);
    anew.entries[10].ts_us += 1;
    anew.rechain(10);
    for log in [cut, anew] {
        let options = VerifyOptions {
            checkpoints: Vec::new(),
            ..log.options()
        };
        let unseen = log.check(options);
        assert!(unseen.is_valid(), "{unseen:?}");
        assert_eq!(unseen.covered_size, 0);
        let text = unseen.not_detectable.join("\n");
        assert!(
            text.contains("tail cut") && text.contains("re-chain"),
            "{text}"
        );
        assert!(!log.check(log.options()).is_valid());
    }
}

// covers: AUD-35
#[tokio::test]
async fn checkpoints_anchors_and_witnesses_are_held_against_the_log() {
    let log = log("t", 9).await;
    let first = |it: Verification| it.first_bad();
    let stranger = NoteSigner::new(&log.origin, &[6; 32]).unwrap();
    let unknown = VerifyOptions {
        keys: vec![stranger.public().clone()],
        ..log.options()
    };
    assert_eq!(first(log.check(unknown)), Some((9, Rule::V5)));

    let mut fork = Checkpoint {
        origin: log.origin.clone(),
        size: 4,
        root: Digest([1; 32]),
    }
    .to_note()
    .unwrap();
    log.signer.sign(&mut fork, 0);
    let forked = VerifyOptions {
        checkpoints: vec![log.note.clone(), fork.clone()],
        ..log.options()
    };
    assert_eq!(first(log.check(forked)), Some((3, Rule::V4)));
    let mut second = Checkpoint {
        origin: log.origin.clone(),
        size: 4,
        root: Digest([2; 32]),
    }
    .to_note()
    .unwrap();
    log.signer.sign(&mut second, 0);
    let two = VerifyOptions {
        checkpoints: vec![fork, second],
        ..log.options()
    };
    assert!(
        log.check(two)
            .findings
            .iter()
            .any(|it| it.rule == Rule::V6 && it.seq == 3)
    );

    let mut longer = Checkpoint {
        origin: log.origin.clone(),
        size: 99,
        root: Digest([1; 32]),
    }
    .to_note()
    .unwrap();
    log.signer.sign(&mut longer, 0);
    let shrunk = VerifyOptions {
        checkpoints: vec![longer],
        ..log.options()
    };
    assert_eq!(first(log.check(shrunk)), Some((10, Rule::V6)));

    let anchor = Checkpoint {
        origin: log.origin.clone(),
        size: 5,
        root: Digest([1; 32]),
    };
    let anchored = VerifyOptions {
        anchors: vec![anchor],
        ..log.options()
    };
    assert_eq!(first(log.check(anchored)), Some((4, Rule::V11)));

    let witness = NoteSigner::witness("w", &[8; 32]).unwrap();
    let witnesses = vec![witness.public().clone()];
    let demanded = VerifyOptions {
        witnesses,
        witness_threshold: 1,
        ..log.options()
    };
    assert_eq!(first(log.check(demanded.clone())), Some((9, Rule::V12)));
    let mut cosigned = log.note.clone();
    witness.sign(&mut cosigned, 1_700_000_000);
    assert!(
        log.check(VerifyOptions {
            checkpoints: vec![cosigned],
            ..demanded
        })
        .is_valid()
    );

    let tenant = Some("another".parse().unwrap());
    assert_eq!(
        first(log.check(VerifyOptions {
            tenant,
            ..log.options()
        })),
        Some((0, Rule::V10))
    );
}

// covers: AUD-35
#[tokio::test]
async fn payloads_epochs_and_copies_are_looked_at() {
    let mut gone = log("t", 5).await;
    gone.entries[2].payload = None;
    let found = gone.check(gone.options());
    assert_eq!(
        (found.verdict, found.first_bad()),
        (Verdict::Incomplete, Some((2, Rule::V8)))
    );
    assert_eq!(found.payloads.missing, 1);

    let mut blind = log("t", 5).await;
    let Some(Payload::Blinded { blind: bytes, .. }) = &mut blind.entries[3].payload else {
        panic!()
    };
    bytes[0] ^= 1;
    assert_eq!(
        blind.check(blind.options()).first_bad(),
        Some((3, Rule::V8))
    );

    let mut copy = log("t", 5).await;
    copy.entries[4].action = Cow::Borrowed("data.deleted");
    assert_eq!(copy.check(copy.options()).first_bad(), Some((4, Rule::V7)));

    let mut epoch = log("t", 5).await;
    edit(&mut epoch.entries[2], |record| record.writer_epoch = 9);
    epoch.rechain(2);
    let options = VerifyOptions {
        checkpoints: Vec::new(),
        ..epoch.options()
    };
    assert_eq!(epoch.check(options).first_bad(), Some((3, Rule::V9)));
}

#[tokio::test]
async fn two_threads_find_what_one_finds() {
    let mut log = log("t", 2_000).await;
    log.entries[1_234].body[60] ^= 1;
    let alone = log.check(log.options());
    let together = log.check(VerifyOptions {
        threads: 2,
        ..log.options()
    });
    assert_eq!(alone, together);
    assert_eq!(alone.first_bad().map(|it| it.0), Some(1_234));
}
