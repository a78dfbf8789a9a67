//! Sealing and opening a value, beside the bare cipher on the same bytes.
//!
//! The floor is XChaCha20-Poly1305 with a key that is there, a nonce that is there and associated data that is there;
//! ours makes the associated data of the place, draws a nonce, and checks and wipes what the floor does not.

use std::hint::black_box;
use std::sync::Arc;

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use llmteam_security::clock::SystemClock;
use llmteam_security::context::crypto::{
    MemoryDekStore, MemoryKeyLog, MemoryKeys, RunKey, Slot, Vault,
};
use llmteam_security::id::{AgentId, TenantId};
use tokio::runtime::Runtime;

use crate::measure::{Report, plain_rate, two_workers};

/// Sizes of values, in bytes, each with how many are sealed in one repetition.
const SIZES: [(usize, usize); 2] = [(4 << 10, 8_000), (64 << 10, 800)];

/// As much associated data as the place below has.
const BOUND: [u8; 87] = [7; 87];

pub(crate) fn measure(report: &mut Report) {
    let runtime = two_workers();
    for (size, times) in SIZES {
        let name = format!("seal/{}KiB", size >> 10);
        if report.wants(&name) {
            let value = vec![7; size];
            let (ours, floor) = (seal(&runtime, &value, times), bare_seal(&value, times));
            report.add(&name, "values/s", ours, ("bare cipher", floor), 0.8);
        }
        let name = format!("open/{}KiB", size >> 10);
        if report.wants(&name) {
            let value = vec![7; size];
            let (ours, floor) = (open(&runtime, &value, times), bare_open(&value, times));
            report.add(&name, "values/s", ours, ("bare cipher", floor), 0.8);
        }
    }
}

fn key(runtime: &Runtime) -> Arc<RunKey> {
    let keys = Arc::new(MemoryKeys::new());
    let tenant: TenantId = "acme".parse().expect("a tenant id");
    keys.create(&tenant).expect("the tenant has no key yet");
    let (store, log) = (MemoryDekStore::new(), MemoryKeyLog::new());
    let vault = Vault::new(keys, Arc::new(store), Arc::new(log), Arc::new(SystemClock));
    let run = "run_1".parse().expect("a run id");
    let key = runtime.block_on(vault.run_key(&tenant, &run));
    key.expect("the run gets a key")
}

fn agent() -> AgentId {
    "writer".parse().expect("an agent id")
}

fn slot(agent: &AgentId, version: u64) -> Slot<'_> {
    Slot {
        agent,
        name: "sealed/card",
        version,
    }
}

fn seal(runtime: &Runtime, value: &[u8], times: usize) -> f64 {
    let (key, agent) = (key(runtime), agent());
    plain_rate(times, || {
        for version in 0..times {
            let sealed = key.seal(slot(&agent, version as u64), value);
            black_box(sealed.expect("the value is sealed"));
        }
    })
}

fn open(runtime: &Runtime, value: &[u8], times: usize) -> f64 {
    let (key, agent) = (key(runtime), agent());
    let blob = key
        .seal(slot(&agent, 1), value)
        .expect("the value is sealed");
    plain_rate(times, || {
        for _ in 0..times {
            let opened = key.open(slot(&agent, 1), &blob);
            black_box(opened.expect("the value opens"));
        }
    })
}

fn bare_seal(value: &[u8], times: usize) -> f64 {
    let (cipher, nonce) = (XChaCha20Poly1305::new(&[7; 32].into()), [5; 24].into());
    plain_rate(times, || {
        for _ in 0..times {
            let sealed = cipher.encrypt(&nonce, bound(value));
            black_box(sealed.expect("the value is sealed"));
        }
    })
}

fn bare_open(value: &[u8], times: usize) -> f64 {
    let (cipher, nonce) = (XChaCha20Poly1305::new(&[7; 32].into()), [5; 24].into());
    let sealed = cipher
        .encrypt(&nonce, bound(value))
        .expect("the value is sealed");
    plain_rate(times, || {
        for _ in 0..times {
            let opened = cipher.decrypt(&nonce, bound(&sealed));
            black_box(opened.expect("the value opens"));
        }
    })
}

fn bound(message: &[u8]) -> Payload<'_, '_> {
    Payload {
        msg: message,
        aad: &BOUND,
    }
}
