//! Rotation and erasing that die at every step, and rotation under load.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicI64, Ordering},
};

use super::{
    mortal::{Fuse, Late, Mortal},
    *,
};
use crate::{
    clock::{ManualClock, Timestamp},
    context::crypto::{
        DekBytes, DekState, DekStatus, DekStore, Inserted, KekVersion, KeyAct, KeyError,
        KeyProvider, MemoryDekStore, MemoryKeyLog, MemoryKeys, SealFault, SealedBlob, Slot,
    },
    id::{AgentId, RunId},
};

/// Runs of one tenant, each with a sealed value.
struct World {
    tenant: TenantId,
    agent: AgentId,
    keys: Arc<MemoryKeys>,
    store: Arc<dyn DekStore>,
    log: Arc<MemoryKeyLog>,
    blobs: Vec<(RunId, SealedBlob)>,
}

impl World {
    async fn new(store: Arc<dyn DekStore>, tenant: &str, runs: usize) -> Self {
        let keys = Arc::new(MemoryKeys::new());
        let tenant = tenant.parse().unwrap();
        keys.create(&tenant).unwrap();
        let mut world = Self {
            tenant,
            agent: "x".parse().unwrap(),
            keys,
            store,
            log: Arc::new(MemoryKeyLog::new()),
            blobs: Vec::new(),
        };
        let vault = world.vault();
        for n in 0..runs {
            let run: RunId = format!("r{n}").parse().unwrap();
            let key = vault.run_key(&world.tenant, &run).await.unwrap();
            let blob = key.seal(world.slot(), run.as_str().as_bytes()).unwrap();
            world.blobs.push((run, blob));
        }
        world
    }

    fn slot(&self) -> Slot<'_> {
        Slot {
            agent: &self.agent,
            name: "k",
            version: 1,
        }
    }

    fn vault(&self) -> Vault {
        let clock = Arc::new(ManualClock::new(Timestamp::from_micros(1)));
        Vault::new(
            self.keys.clone(),
            self.store.clone(),
            self.log.clone(),
            clock,
        )
    }

    /// A vault of a process that dies after so many steps.
    fn mortal(&self, steps: i64, after: bool) -> (Vault, Arc<Fuse>) {
        let fuse = Arc::new(Fuse {
            left: AtomicI64::new(steps),
            after,
        });
        let keys: Arc<Mortal<MemoryKeys>> = Arc::new(Mortal {
            fuse: fuse.clone(),
            inner: self.keys.clone(),
        });
        let store: Mortal<dyn DekStore> = Mortal {
            fuse: fuse.clone(),
            inner: self.store.clone(),
        };
        let log = Mortal {
            fuse: fuse.clone(),
            inner: self.log.clone(),
        };
        let clock = Arc::new(ManualClock::new(Timestamp::from_micros(1)));
        (
            Vault::new(keys, Arc::new(store), Arc::new(log), clock),
            fuse,
        )
    }

    /// Every value opens with exactly one of the listed keys, or is said to be erased. How many are erased.
    async fn check(&self) -> usize {
        let vault = self.vault();
        let mut keys = Vec::new();
        for (run, _) in &self.blobs {
            keys.extend(vault.run_key(&self.tenant, run).await.ok());
        }
        let mut erased = 0;
        for (run, blob) in &self.blobs {
            let opening = keys
                .iter()
                .filter(|key| key.open(self.slot(), blob).is_ok())
                .count();
            match vault.status(&self.tenant, blob).await.unwrap() {
                DekStatus::Live(_) => {
                    assert_eq!(opening, 1);
                    let key = vault.run_key(&self.tenant, run).await.unwrap();
                    let value = key.open(self.slot(), blob).unwrap();
                    assert_eq!(*value, run.as_str().as_bytes());
                }
                DekStatus::Erased => {
                    assert_eq!(opening, 0);
                    let error = vault.run_key(&self.tenant, run).await.unwrap_err();
                    assert_eq!(error.code(), "SEAL_ERASED");
                    erased += 1;
                }
                DekStatus::Unknown => panic!("the key of `{run}` is neither listed nor erased"),
            }
        }
        erased
    }

    /// Rotates, wraps everything anew, erases a run, retires what was before.
    async fn renew(&self, vault: &Vault) -> Result<(), SealError> {
        let newest = vault.rotate(&self.tenant).await?;
        let report = vault.rewrap(&self.tenant).await?;
        assert!(report.failed.is_empty());
        vault.shred(&self.tenant, &self.blobs[1].0).await?;
        vault.retire(&self.tenant, KekVersion(newest.0 - 1)).await
    }
}

async fn dies_everywhere(store: Arc<dyn DekStore>) {
    let mut deaths = 0;
    for after in [false, true] {
        for steps in 0.. {
            let name = format!("t-{after}-{steps}");
            let world = World::new(store.clone(), &name, 5).await;
            let (vault, fuse) = world.mortal(steps, after);
            let done = world.renew(&vault).await;
            let died = fuse.left.load(Ordering::SeqCst) < 0;
            assert_eq!(done.is_err(), died, "{done:?}");
            assert!(world.check().await <= 1);
            // Another process takes it up and comes to the end.
            world.renew(&world.vault()).await.unwrap();
            assert_eq!(world.check().await, 1);
            let newest = world.keys.current(&world.tenant).await.unwrap();
            let left = world
                .store
                .below(&world.tenant, newest, None, 10)
                .await
                .unwrap();
            assert_eq!(left, []);
            if !died {
                break;
            }
            deaths += 1;
        }
    }
    // 1 rotation: 2 steps, 5 data keys: 2 each, at least 3 pages, erasing and retiring: 2 and 3.
    assert!(deaths >= 2 * 20, "{deaths}");
}

#[tokio::test]
async fn a_process_that_dies_at_any_step_loses_nothing() {
    // covers: CTX-33
    dies_everywhere(Arc::new(MemoryDekStore::new())).await;
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn a_process_that_dies_at_any_step_loses_nothing_in_sqlite() {
    // covers: CTX-33
    let database = crate::sql::SqliteDatabase::memory().await.unwrap();
    let store = crate::context::crypto::SqliteDekStore::open(database)
        .await
        .unwrap();
    dies_everywhere(Arc::new(store)).await;
}

/// Writers of new runs go on while the tenant's key is replaced three times.
async fn rotates_under_writers(store: Arc<dyn DekStore>, writers: usize) {
    let mut world = World::new(store, "t", 20).await;
    let vault = Arc::new(world.vault());
    let agent = world.agent.clone();
    let tasks: Vec<_> = (0..writers)
        .map(|n| {
            let (vault, tenant, agent) = (vault.clone(), world.tenant.clone(), agent.clone());
            tokio::spawn(async move {
                for _ in 0..n % 7 {
                    tokio::task::yield_now().await;
                }
                let run: RunId = format!("w{n}").parse().unwrap();
                let key = vault.run_key(&tenant, &run).await.unwrap();
                let slot = Slot {
                    agent: &agent,
                    name: "k",
                    version: 1,
                };
                let blob = key.seal(slot, run.as_str().as_bytes()).unwrap();
                (run, blob)
            })
        })
        .collect();
    let mut refused = 0;
    for _ in 0..3 {
        let newest = vault.rotate(&world.tenant).await.unwrap();
        loop {
            assert!(vault.rewrap(&world.tenant).await.unwrap().failed.is_empty());
            match vault.retire(&world.tenant, KekVersion(newest.0 - 1)).await {
                Ok(()) => break,
                Err(SealError::KekInUse { .. }) => refused += 1,
                Err(error) => panic!("{error}"),
            }
            tokio::task::yield_now().await;
        }
    }
    for task in tasks {
        world.blobs.push(task.await.unwrap());
    }
    assert_eq!(world.blobs.len(), 20 + writers);
    assert_eq!(world.check().await, 0);
    assert_eq!(
        world.keys.current(&world.tenant).await.unwrap(),
        KekVersion(4)
    );
    eprintln!("{refused} times a version was still in use");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_rotations_under_a_thousand_writers() {
    // covers: CTX-33
    rotates_under_writers(Arc::new(MemoryDekStore::new()), 1_000).await;
}

#[cfg(feature = "sqlite")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_rotations_under_a_thousand_writers_in_sqlite() {
    // covers: CTX-33
    let database = crate::sql::SqliteDatabase::memory().await.unwrap();
    let store = crate::context::crypto::SqliteDekStore::open(database)
        .await
        .unwrap();
    rotates_under_writers(Arc::new(store), 1_000).await;
}

#[tokio::test]
async fn a_new_key_that_was_wrapped_by_a_retired_version_is_wrapped_again() {
    // covers: CTX-33
    let world = World::new(Arc::new(MemoryDekStore::new()), "t", 2).await;
    let (vault, tenant) = (world.vault(), &world.tenant);
    // A writer wraps under version 1 and is slow to store it.
    let (run, dek) = ("slow".parse().unwrap(), DekId::from_bytes([3; 16]));
    let context = WrapContext {
        tenant,
        run: &run,
        dek,
    };
    let wrapped = world
        .keys
        .wrap(context, &DekBytes::new([1; 32]))
        .await
        .unwrap();
    world.renew(&vault).await.unwrap();
    let late = DekRecord {
        tenant: tenant.clone(),
        run: run.clone(),
        id: dek,
        state: DekState::Live(wrapped),
        created_at: Timestamp::from_micros(1),
    };
    assert_eq!(
        world.store.insert(&late).await.unwrap(),
        Inserted::KekRetired
    );
    assert!(vault.run_key(tenant, &run).await.is_ok());
}

#[tokio::test]
async fn who_read_a_key_before_it_was_wrapped_anew_still_gets_it() {
    // covers: CTX-33
    let world = World::new(Arc::new(MemoryDekStore::new()), "t", 2).await;
    let (run, blob) = &world.blobs[0];
    let before = world.store.of_run(&world.tenant, run).await.unwrap();
    world.renew(&world.vault()).await.unwrap();
    let late = Arc::new(Late {
        inner: world.store.clone(),
        before: Mutex::new(before.clone()),
    });
    let clock = Arc::new(ManualClock::new(Timestamp::from_micros(1)));
    let vault = Vault::new(world.keys.clone(), late.clone(), world.log.clone(), clock);
    let key = vault.run_key(&world.tenant, run).await.unwrap();
    assert_eq!(
        *key.open(world.slot(), blob).unwrap(),
        run.as_str().as_bytes()
    );
    // Nor does another process that wraps anew at the same time report it as lost.
    *late.before.lock().unwrap() = before;
    let report = vault.rewrap(&world.tenant).await.unwrap();
    assert_eq!((report.rewrapped, report.failed.len()), (0, 0));
}

#[tokio::test]
async fn a_data_key_that_cannot_be_unwrapped_is_reported_and_stops_nothing() {
    // covers: CTX-36
    let world = World::new(Arc::new(MemoryDekStore::new()), "t", 3).await;
    let record = world
        .store
        .of_run(&world.tenant, &world.blobs[0].0)
        .await
        .unwrap()
        .unwrap();
    let mut damaged = record.wrapped().unwrap().clone();
    damaged.bytes[70] ^= 1;
    let kek = damaged.kek;
    assert!(
        world
            .store
            .replace(&world.tenant, record.id, kek, &damaged)
            .await
            .unwrap()
    );
    let vault = world.vault();
    vault.rotate(&world.tenant).await.unwrap();
    let report = vault.rewrap(&world.tenant).await.unwrap();
    assert_eq!((report.rewrapped, report.failed.len()), (2, 1));
    let (id, error) = &report.failed[0];
    assert_eq!(*id, record.id);
    assert!(matches!(
        error,
        SealError::Key(KeyError::Unwrap {
            fault: SealFault::Tampered,
            ..
        })
    ));
    let retired = vault.retire(&world.tenant, kek).await.unwrap_err();
    assert_eq!(retired.code(), "KEY_IN_USE");
    // Erasing its run lets the version go.
    vault.shred(&world.tenant, &world.blobs[0].0).await.unwrap();
    vault.retire(&world.tenant, kek).await.unwrap();
    assert_eq!(
        vault
            .retire(&world.tenant, KekVersion(2))
            .await
            .unwrap_err()
            .code(),
        "KEY_UNAVAILABLE"
    );
}

#[tokio::test]
async fn every_change_is_recorded_before_it_happens() {
    // covers: CTX-33
    let world = World::new(Arc::new(MemoryDekStore::new()), "t", 2).await;
    world.renew(&world.vault()).await.unwrap();
    let acts: Vec<_> = world.log.events().into_iter().map(|it| it.act).collect();
    let (one, two) = (KekVersion(1), KekVersion(2));
    assert_eq!(acts.len(), 5);
    assert_eq!(acts[0], KeyAct::Rotate { from: one });
    assert!(matches!(acts[1], KeyAct::Rewrap { from, to, .. } if (from, to) == (one, two)));
    assert_eq!(
        acts[3],
        KeyAct::Shred {
            run: world.blobs[1].0.clone()
        }
    );
    assert_eq!(acts[4], KeyAct::Retire { version: one });
    // Without a record nothing happens.
    let (vault, _) = world.mortal(0, false);
    for result in [
        vault.rotate(&world.tenant).await.map(drop),
        vault.retire(&world.tenant, one).await,
        vault
            .shred(&world.tenant, &world.blobs[0].0)
            .await
            .map(drop),
    ] {
        assert_eq!(result.unwrap_err().code(), "ACCESS_UNRECORDED");
    }
    assert_eq!(world.keys.current(&world.tenant).await.unwrap(), two);
    assert_eq!(world.check().await, 1);
}

#[cfg(feature = "postgres")]
mod postgres {
    use super::*;
    use crate::{context::crypto::PostgresDekStore, sql::postgres::testing::TestDatabase};

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn three_rotations_under_writers() {
        // covers: CTX-33
        let database = TestDatabase::new().await.unwrap();
        let owner = database.owner().await.unwrap();
        PostgresDekStore::migrate(&owner).await.unwrap();
        let store = PostgresDekStore::open(database.app().await.unwrap());
        rotates_under_writers(Arc::new(store.await.unwrap()), 200).await;
    }
}
