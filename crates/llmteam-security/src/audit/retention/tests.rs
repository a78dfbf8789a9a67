//! Pruning, erasing and their interruption, in every store.

use std::sync::Arc;

use super::*;
use crate::{
    audit::{
        AuditEventType as Type, AuditStore, NoteSigner, PayloadKeys, TrailOptions,
        store::contract::{tenant, user},
        verify::{Verdict, VerifyOptions},
    },
    clock::{ManualClock, Timestamp},
};

/// What every store is held to.
pub(in crate::audit) async fn check(store: Arc<dyn AuditStore>) {
    old_records_go_and_every_proof_stays(&store).await;
    a_person_is_forgotten_and_the_chain_is_not(&store).await;
    payloads_go_one_by_one(&store).await;
    keys_are_wrapped_anew_whole_or_not_at_all(&store).await;
}

fn trail(
    store: &Arc<dyn AuditStore>,
    id: &str,
    options: TrailOptions,
) -> (AuditTrail, ManualClock) {
    let clock = ManualClock::new(Timestamp::from_micros(0));
    let trail = AuditTrail::new(Arc::clone(store), tenant(id), Arc::new(clock.clone()));
    (trail.with_options(options), clock)
}

fn payload_keys(ids: &[u8]) -> Option<PayloadKeys> {
    PayloadKeys::new(ids.iter().map(|id| (format!("kek-{id}"), [*id; 32])))
}

async fn add(trail: &AuditTrail, n: usize) {
    let events = (0..n).map(|_| AuditEvent::new(Type::DataCreated).by(user("alice")));
    trail.log_all(events.collect()).await.unwrap();
}

// covers: AUD-17
async fn old_records_go_and_every_proof_stays(store: &Arc<dyn AuditStore>) {
    let options = TrailOptions {
        retention_days: Some(30),
        ..Default::default()
    };
    let (trail, clock) = trail(store, "prune", options);
    add(&trail, 9).await;
    let head = store.head(trail.tenant()).await.unwrap().unwrap();
    let signer = NoteSigner::new(head.origin(), &[3; 32]).unwrap();
    let keys = [signer.public().clone()];
    let mut anchor = head.checkpoint().to_note().unwrap();
    signer.sign(&mut anchor, 0);
    let proof = trail.prove(2, &anchor).await.unwrap();

    let mut archive = Vec::new();
    let young = trail
        .prune(6, &anchor, &keys, &mut archive)
        .await
        .unwrap_err();
    assert!(young.to_string().contains("younger"), "{young}");
    clock.advance(Duration::from_secs(31 * 86_400)).await;
    add(&trail, 2).await;
    assert!(trail.prune(11, &anchor, &keys, &mut archive).await.is_err());
    assert!(trail.prune(6, &anchor, &[], &mut archive).await.is_err());

    let record = trail.prune(6, &anchor, &keys, &mut archive).await.unwrap();
    assert_eq!(record.sequence_number(), 12);
    assert_eq!(archive.iter().filter(|it| **it == b'\n').count(), 6);
    assert!(trail.get(5).await.unwrap().is_none());
    assert!(trail.get(6).await.unwrap().is_some());
    add(&trail, 1).await;
    assert_eq!(trail.prove(2, &anchor).await.unwrap(), proof);
    assert!(proof.holds());
    assert!(trail.verify_chain(1, None).await.unwrap().valid);
    let options = VerifyOptions {
        keys: keys.to_vec(),
        checkpoints: vec![anchor.clone()],
        ..Default::default()
    };
    let whole = trail.verify(options.clone()).await.unwrap();
    assert!(whole.is_valid(), "{whole:?}");
    assert_eq!(
        (whole.first_sequence, whole.size, whole.covered_size),
        (6, 14, 10)
    );

    let mut bundle = Vec::new();
    assert_eq!(
        trail.export(&mut bundle, &[anchor.clone()]).await.unwrap(),
        8
    );
    let outside = crate::audit::verify::verify_bundle(bundle.as_slice(), options.clone()).unwrap();
    assert_eq!((outside.verdict, outside.root), (Verdict::Ok, whole.root));
    // The hash of a record that is gone cannot be changed either.
    let text = String::from_utf8(bundle).unwrap();
    let line = text.lines().nth(3).unwrap();
    let bad = text.replace(line, &format!("{{\"leaf\":\"{}\"}}", "0".repeat(64)));
    assert!(
        !crate::audit::verify::verify_bundle(bad.as_bytes(), options)
            .unwrap()
            .is_valid()
    );
    assert!(
        trail.prune(6, &anchor, &keys, &mut archive).await.is_err(),
        "they are gone already"
    );
}

// covers: AUD-34
async fn a_person_is_forgotten_and_the_chain_is_not(store: &Arc<dyn AuditStore>) {
    let options = TrailOptions {
        payload_keys: payload_keys(&[1]),
        ..Default::default()
    };
    let (alice, _) = trail(store, "shred", options.clone());
    add(&alice, 2).await;
    let about = AuditEvent::new(Type::DataExported)
        .about("alice")
        .with_action("of alice");
    alice.log(about).await.unwrap();
    let bob = AuditEvent::new(Type::DataCreated).by(user("bob"));
    alice.log(bob).await.unwrap();
    // What still waits to be appended is forgotten with the rest.
    let late = AuditEvent::new(Type::DataUpdated).by(user("alice"));
    alice.log_later(late).await.unwrap();
    let before = alice.get(3).await.unwrap().unwrap();
    assert_eq!(before.action(), "of alice");
    before.verify_integrity().unwrap();
    assert!(alice.shred("nobody").await.unwrap().is_none());

    // Cut off before the commit: nothing has happened.
    {
        let mut session = store.session(alice.tenant()).await.unwrap();
        let mut unit = session.begin().await.unwrap();
        let ids = store
            .keys_in(&mut unit, &[])
            .await
            .unwrap()
            .into_iter()
            .map(|it| it.dek_id);
        store
            .change_in(&mut unit, Change::EraseKeys(ids.collect()))
            .await
            .unwrap();
        drop(unit);
    }
    assert_eq!(alice.get(3).await.unwrap().unwrap(), before);

    let shredded = alice.shred("alice").await.unwrap().unwrap();
    assert_eq!(shredded.event_type(), Type::PayloadShredded);
    for number in [1, 2, 3, 5] {
        let record = alice.get(number).await.unwrap().unwrap();
        assert!(record.is_erased() && record.actor_id().is_empty() && record.action().is_empty());
        record.verify_integrity().unwrap();
    }
    assert_eq!(alice.get(4).await.unwrap().unwrap().actor_id(), "bob");
    assert!(alice.shred("alice").await.unwrap().is_none());
    // Whoever comes again has a new key.
    add(&alice, 1).await;
    assert_eq!(alice.get(7).await.unwrap().unwrap().actor_id(), "alice");
    let whole = alice.verify(VerifyOptions::default()).await.unwrap();
    assert!(whole.is_valid(), "{whole:?}");
    assert_eq!((whole.payloads.erased, whole.payloads.missing), (4, 0));
    // Nothing that is stored names a person.
    let entries = store
        .get_by_sequence_range(alice.tenant(), 0, 9)
        .await
        .unwrap();
    for entry in entries {
        let stored = [
            &*entry.body,
            entry.payload.as_ref().map_or(&[][..], |it| it.stored()),
        ]
        .concat();
        let text = String::from_utf8_lossy(&stored);
        assert!(!text.contains("alice") && !text.contains("bob"), "{text}");
    }
}

// covers: AUD-34
async fn payloads_go_one_by_one(store: &Arc<dyn AuditStore>) {
    let (trail, _) = trail(store, "erase", TrailOptions::default());
    add(&trail, 4).await;
    for bad in [&[][..], &[0], &[9]] {
        assert!(trail.erase_payloads(bad).await.is_err());
    }
    trail.erase_payloads(&[2, 4]).await.unwrap();
    let erased = trail.get(2).await.unwrap().unwrap();
    assert!(erased.is_erased());
    erased.verify_integrity().unwrap();
    let whole = trail.verify(VerifyOptions::default()).await.unwrap();
    assert!(whole.is_valid() && whole.payloads.erased == 2, "{whole:?}");
    // Without the record that says so it is a loss.
    let mut session = store.session(trail.tenant()).await.unwrap();
    let mut unit = session.begin().await.unwrap();
    store
        .change_in(&mut unit, Change::ErasePayloads(vec![3]))
        .await
        .unwrap();
    unit.commit().await.unwrap();
    drop(session);
    let whole = trail.verify(VerifyOptions::default()).await.unwrap();
    assert_eq!(
        (whole.verdict, whole.payloads.missing),
        (Verdict::Incomplete, 1)
    );
}

// covers: AUD-34
async fn keys_are_wrapped_anew_whole_or_not_at_all(store: &Arc<dyn AuditStore>) {
    let with = |ids: &[u8]| TrailOptions {
        payload_keys: payload_keys(ids),
        ..Default::default()
    };
    let (old, _) = trail(store, "rewrap", with(&[1]));
    add(&old, 2).await;
    let (both, _) = trail(store, "rewrap", with(&[2, 1]));
    // Cut off before the commit, every key still opens with the one it is listed under.
    {
        let mut session = store.session(both.tenant()).await.unwrap();
        let mut unit = session.begin().await.unwrap();
        let stored = store.keys_in(&mut unit, &[]).await.unwrap();
        let again = stored
            .iter()
            .map(|it| payload_keys(&[2, 1]).unwrap().rewrap(it).unwrap());
        store
            .change_in(&mut unit, Change::PutKeys(again.collect()))
            .await
            .unwrap();
        drop(unit);
    }
    assert_eq!(old.get(1).await.unwrap().unwrap().actor_id(), "alice");
    assert_eq!(both.rewrap_keys().await.unwrap(), 1);
    assert_eq!(both.rewrap_keys().await.unwrap(), 0);
    let (new, _) = trail(store, "rewrap", with(&[2]));
    assert_eq!(new.get(1).await.unwrap().unwrap().actor_id(), "alice");
    assert!(
        old.get(1).await.unwrap().unwrap().is_erased(),
        "the old key opens it no more"
    );
    assert!(
        new.verify(VerifyOptions::default())
            .await
            .unwrap()
            .is_valid()
    );
}
