//! The place a value is sealed for.
//!
//! Invariant: two different places have different bytes: each part stands behind its length.

use super::dek::DekId;
use crate::id::{AgentId, RunId, TenantId};

/// What every sealed value of this format is bound to first.
const DOMAIN: &[u8] = b"llmteam/seal/v1\0";

/// A place in a run: an agent, a name, and how often it was written.
#[derive(Clone, Copy, Debug)]
pub struct Slot<'a> {
    /// The agent.
    pub agent: &'a AgentId,
    /// The name of the place, such as `sealed/card`.
    pub name: &'a str,
    /// Counts the writes. Who keeps the value elsewhere keeps the version apart from it, so that an older value put
    /// back in its place does not open.
    pub version: u64,
}

/// Appends `part` behind its length, four bytes, big-endian.
pub(super) fn lp(out: &mut Vec<u8>, part: &[u8]) {
    let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(part);
}

/// The part of the associated data that all slots of a run share.
pub(super) fn run_prefix(tenant: &TenantId, run: &RunId) -> Vec<u8> {
    let mut out = Vec::with_capacity(DOMAIN.len() + 8 + tenant.as_str().len() + run.as_str().len());
    out.extend_from_slice(DOMAIN);
    lp(&mut out, tenant.as_str().as_bytes());
    lp(&mut out, run.as_str().as_bytes());
    out
}

/// `"llmteam/seal/v1\0" ‖ lp(tenant) ‖ lp(run) ‖ lp(agent) ‖ lp(slot) ‖ u64 version ‖ lp(dek id)`.
pub(super) fn associated_data(prefix: &[u8], slot: Slot<'_>, dek: DekId) -> Vec<u8> {
    let agent = slot.agent.as_str().as_bytes();
    let length = prefix.len() + 4 + agent.len() + 4 + slot.name.len() + 8 + 4 + DekId::LEN;
    let mut out = Vec::with_capacity(length);
    out.extend_from_slice(prefix);
    lp(&mut out, agent);
    lp(&mut out, slot.name.as_bytes());
    out.extend_from_slice(&slot.version.to_be_bytes());
    lp(&mut out, dek.as_bytes());
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Place = (String, String, String, String, u64, [u8; 16]);

    fn bytes(place: &Place) -> Vec<u8> {
        let (tenant, run, agent, name, version, dek) = place;
        let agent = agent.parse().unwrap();
        let slot = Slot {
            agent: &agent,
            name,
            version: *version,
        };
        let prefix = run_prefix(&tenant.parse().unwrap(), &run.parse().unwrap());
        associated_data(&prefix, slot, DekId::from_bytes(*dek))
    }

    fn place() -> impl Strategy<Value = Place> {
        let id = || "[ab][ab.]{0,2}";
        let dek = prop_oneof![Just([0; 16]), Just([1; 16])];
        (id(), id(), id(), "[ab./\0é]{0,4}", 0..3_u64, dek)
    }

    #[test]
    fn the_bytes_are_the_written_ones() {
        // covers: CTX-30
        let got = bytes(&(
            "t".into(),
            "r1".into(),
            "a".into(),
            "s/é".into(),
            258,
            [7; 16],
        ));
        let mut expected = b"llmteam/seal/v1\0".to_vec();
        expected.extend(b"\0\0\0\x01t\0\0\0\x02r1\0\0\0\x01a\0\0\0\x04s/\xc3\xa9");
        expected.extend(b"\0\0\0\0\0\0\x01\x02\0\0\0\x10");
        expected.extend([7; 16]);
        assert_eq!(got, expected);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn different_places_have_different_bytes(one in place(), other in place()) {
            // covers: CTX-30
            prop_assert_eq!(bytes(&one) == bytes(&other), one == other);
        }
    }
}
