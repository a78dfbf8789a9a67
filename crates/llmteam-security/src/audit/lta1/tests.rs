//! The published vectors of LTA1, and that decoding accepts exactly what encoding makes.

use proptest::prelude::*;

use super::*;
use crate::audit::{payload, tree};

pub(in crate::audit) const ORIGIN: &str = "llmteam.example/audit/000102030405060708090a0b0c0d0e0f";

/// The three records of the published vector.
pub(in crate::audit) fn golden() -> [Vec<u8>; 3] {
    let definition = format!("sha256:{}", "ab".repeat(32));
    let mut genesis = Attributes::NONE;
    genesis.push(b"alg", b"sha256").unwrap();
    genesis.push(b"fmt", b"LTA1").unwrap();
    let mut started = Attributes::NONE;
    started.push(b"def", definition.as_bytes()).unwrap();
    let commit = payload::blinded(&[0x11; 32], b"hello");
    let rows = [
        (
            "log.genesis",
            genesis,
            PayloadKind::None,
            0_u64,
            Digest::ZERO,
        ),
        ("run.started", started, PayloadKind::Blinded, 5, commit),
        (
            "approval.decided",
            Attributes::NONE,
            PayloadKind::None,
            0,
            Digest::ZERO,
        ),
    ];
    let mut prev = Digest::ZERO;
    let mut seq = 0;
    rows.map(
        |(action, attributes, payload_kind, payload_len, payload_commit)| {
            let request = format!("req-{seq}");
            let record = Record {
                origin: ORIGIN,
                seq,
                prev,
                ts_us: 1_700_000_000_000_000 + seq,
                writer_epoch: 7,
                event_id: [seq as u8; 16],
                action,
                actor_ref: b"prn_01",
                subject_ref: b"run/01",
                request_id: request.as_bytes(),
                outcome: Outcome::Ok,
                attributes,
                payload_kind,
                payload_len,
                payload_commit,
            };
            let mut bytes = Vec::new();
            record.encode(&mut bytes).unwrap();
            assert_eq!(Record::decode(&bytes).unwrap(), record);
            prev = checksum(&bytes);
            seq += 1;
            bytes
        },
    )
}

// covers: AUD-28
#[test]
fn the_published_vectors() {
    let records = golden();
    assert_eq!(records.each_ref().map(Vec::len), [258, 308, 231]);
    let leaves = records.each_ref().map(|it| checksum(it));
    assert_eq!(
        leaves.map(|it| it.to_string()),
        [
            "71e5dbf01bf687c6b65241687674f8d1413bcece82dd416579d4ca1790d55d45",
            "04f3a889f36d7e0020398d080b14bed206e7918a75968d832dfdcaaefb5c9e77",
            "155be990b56cb3a07393122c8ac409b107d913354f608ca9d9fbc51746ea63fc",
        ]
    );
    let roots = [tree::root(&leaves[..2]), tree::root(&leaves)];
    assert_eq!(
        roots.map(|it| it.to_string()),
        [
            "0a3a32eaa75b59ba1d1ab4839979f8b4dc9ebd9abd98fec78303ab8a67edda39",
            "fe2fc54f1ac13db2ae1dac112c17768fef517ab05ebd5b6935af0f73dc450a94",
        ]
    );
}

#[test]
fn fields_that_are_out_of_bounds_are_refused_and_leave_nothing() {
    let bytes = &golden()[0];
    let good = Record::decode(bytes).unwrap();
    let long = "x".repeat(MAX_RECORD);
    let cases = [
        (Record { action: "", ..good }, Fault::Action),
        (
            Record {
                action: "A",
                ..good
            },
            Fault::Action,
        ),
        (
            Record {
                action: "1a",
                ..good
            },
            Fault::Action,
        ),
        (
            Record {
                action: &long[..65],
                ..good
            },
            Fault::Action,
        ),
        (
            Record {
                origin: &long,
                ..good
            },
            Fault::TooLong,
        ),
        (
            Record {
                payload_len: 1,
                ..good
            },
            Fault::Payload,
        ),
    ];
    for (record, fault) in cases {
        let mut out = b"kept".to_vec();
        assert_eq!(record.encode(&mut out), Err(fault));
        assert_eq!(out, b"kept");
    }
    let mut attributes = Attributes::NONE;
    attributes.push(b"b", b"").unwrap();
    assert_eq!(attributes.push(b"b", b""), Err(Fault::Attributes));
    assert_eq!(attributes.push(b"a", b""), Err(Fault::Attributes));
    for n in 1..MAX_ATTRIBUTES as u8 {
        let key: &'static [u8] = Box::leak(Box::new([b'b', n]));
        attributes.push(key, b"").unwrap();
    }
    assert_eq!(attributes.push(b"z", b""), Err(Fault::Attributes));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    // covers: AUD-28
    #[test]
    fn whatever_decodes_encodes_to_the_same_bytes(which in 0_usize..3, edits in proptest::collection::vec((any::<usize>(), any::<u8>(), 0..3), 1..4)) {
        let mut bytes = golden()[which].clone();
        for (at, byte, kind) in edits {
            let at = at % bytes.len();
            match kind {
                0 => bytes[at] = byte,
                1 => { bytes.insert(at, byte); }
                _ => { bytes.remove(at); }
            }
        }
        if let Ok(record) = Record::decode(&bytes) {
            let mut again = Vec::new();
            record.encode(&mut again).unwrap();
            prop_assert_eq!(again, bytes);
        }
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = Record::decode(&bytes);
        let whole = [b"LTA1\x01".as_slice(), &bytes].concat();
        let _ = Record::decode(&whole);
    }

    #[test]
    fn each_cut_and_each_added_byte_is_refused(which in 0_usize..3, cut in any::<usize>(), byte in any::<u8>()) {
        let bytes = &golden()[which];
        prop_assert!(Record::decode(&bytes[..cut % bytes.len()]).is_err());
        let longer = [bytes.as_slice(), &[byte]].concat();
        prop_assert_eq!(Record::decode(&longer), Err(Fault::Trailing));
    }
}
