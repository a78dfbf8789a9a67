//! Gives out the keys of runs and erases runs.
//!
//! Invariant: a run has one data key in its life. It is stored wrapped before it seals anything, and once it is
//! destroyed neither this process's handles nor a new one seal or open for the run.
//! This module does not know what is sealed. Rotation is in [`super::rotation`].

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use zeroize::Zeroizing;

use super::{
    blob::SealedBlob,
    dek::{DekId, DekRecord, DekState, DekStatus, WrappedDek},
    error::{DekStoreError, KeyError, SealError},
    kek::{KekVersion, KeyProvider, WrapContext},
    key_log::{KeyAct, KeyEvent, KeyLog},
    run_key::RunKey,
    store::{DekStore, Inserted},
};
use crate::{
    clock::Clock,
    context::random,
    id::{RunId, TenantId},
};

/// How often a new data key is wrapped again because its wrapping version was retired meanwhile.
const WRAP_ATTEMPTS: usize = 8;

/// The handles that are alive, by run.
type Open = HashMap<(TenantId, RunId), Weak<RunKey>>;

/// The keys of runs, over a provider of tenants' keys and a store of wrapped data keys.
pub struct Vault {
    pub(super) keys: Arc<dyn KeyProvider>,
    pub(super) store: Arc<dyn DekStore>,
    log: Arc<dyn KeyLog>,
    clock: Arc<dyn Clock>,
    open: Mutex<Open>,
}

impl Vault {
    /// A vault over `keys` and `store` that records its changes in `log`.
    pub fn new(
        keys: Arc<dyn KeyProvider>,
        store: Arc<dyn DekStore>,
        log: Arc<dyn KeyLog>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            keys,
            store,
            log,
            clock,
            open: Mutex::default(),
        }
    }

    /// The key of `run`, which is made and stored if the run has none. Handles of one run are one key.
    ///
    /// # Errors
    /// [`SealError::Erased`] if the run's key was destroyed; [`SealError::Key`] if the tenant's key cannot be used;
    /// [`SealError::Store`], [`SealError::Random`].
    pub async fn run_key(&self, tenant: &TenantId, run: &RunId) -> Result<Arc<RunKey>, SealError> {
        if let Some(key) = self.opened(tenant, run) {
            return Ok(key);
        }
        let record = match self.store.of_run(tenant, run).await? {
            Some(record) => record,
            None => self.make(tenant, run).await?,
        };
        self.unwrap(&record).await
    }

    /// What is known of the data key that `blob` names.
    ///
    /// # Errors
    /// [`SealError::Store`].
    pub async fn status(
        &self,
        tenant: &TenantId,
        blob: &SealedBlob,
    ) -> Result<DekStatus, SealError> {
        let record = self.store.get(tenant, blob.dek_id()).await?;
        Ok(match record.map(|it| it.state) {
            Some(DekState::Live(wrapped)) => DekStatus::Live(wrapped.kek),
            Some(DekState::Shredded { .. }) => DekStatus::Erased,
            None => DekStatus::Unknown,
        })
    }

    /// Destroys the key of `run`: nothing that was sealed for it opens ever again, here or in a backup of the values.
    /// Whether there was a key to destroy. Handles of this process end at once, those of others when dropped.
    ///
    /// # Errors
    /// [`SealError::NotRecorded`], with nothing destroyed; [`SealError::Store`].
    pub async fn shred(&self, tenant: &TenantId, run: &RunId) -> Result<bool, SealError> {
        let act = KeyAct::Shred { run: run.clone() };
        self.record(tenant, act).await?;
        let shredded = self.store.shred(tenant, run, self.clock.now()).await?;
        let handle = self.handles().remove(&(tenant.clone(), run.clone()));
        if let Some(key) = handle.and_then(|it| it.upgrade()) {
            key.erase();
        }
        Ok(shredded)
    }

    /// Records what is about to happen.
    pub(super) async fn record(&self, tenant: &TenantId, act: KeyAct) -> Result<(), SealError> {
        let event = KeyEvent {
            tenant: tenant.clone(),
            act,
            at: self.clock.now(),
        };
        let recorded = self.log.record(&event).await;
        recorded.map_err(SealError::NotRecorded)
    }

    /// Makes and stores the key of `run`, or takes the one that somebody else stored meanwhile.
    async fn make(&self, tenant: &TenantId, run: &RunId) -> Result<DekRecord, SealError> {
        let (dek, mut bytes) = (DekId::random()?, Zeroizing::new([0; 32]));
        random::fill(&mut *bytes)?;
        let context = WrapContext { tenant, run, dek };
        let mut retired = KekVersion(0);
        for _ in 0..WRAP_ATTEMPTS {
            let wrapped: WrappedDek = self.keys.wrap(context, &bytes).await?;
            retired = wrapped.kek;
            let record = DekRecord {
                tenant: tenant.clone(),
                run: run.clone(),
                id: dek,
                state: DekState::Live(wrapped),
                created_at: self.clock.now(),
            };
            match self.store.insert(&record).await? {
                Inserted::Stored => return Ok(record),
                Inserted::RunHasOne(other) => return Ok(*other),
                // The version was retired between wrapping and storing: wrap again under the newest.
                Inserted::KekRetired => {}
            }
        }
        Err(SealError::Key(KeyError::MissingVersion {
            tenant: tenant.clone(),
            version: retired,
        }))
    }

    async fn unwrap(&self, record: &DekRecord) -> Result<Arc<RunKey>, SealError> {
        let (tenant, run, dek) = (&record.tenant, &record.run, record.id);
        let context = WrapContext { tenant, run, dek };
        let mut state = record.state.clone();
        for _ in 0..WRAP_ATTEMPTS {
            let DekState::Live(wrapped) = &state else {
                let run = run.clone();
                return Err(SealError::Erased { run });
            };
            let error = match self.keys.unwrap(context, wrapped).await {
                Ok(bytes) => {
                    let key = RunKey::new(tenant.clone(), run.clone(), dek, &bytes);
                    return self.keep(Arc::new(key)).await;
                }
                Err(error) => error,
            };
            // Since it was read it may have been wrapped anew, and what wrapped it retired.
            match self.store.get(tenant, dek).await? {
                Some(now) if now.state != state => state = now.state,
                _ => return Err(error.into()),
            }
        }
        Err(SealError::Store(DekStoreError::Unavailable(format!(
            "data key `{dek}` is wrapped anew faster than it can be read"
        ))))
    }

    /// Keeps the handle, unless another came first. A run that was erased meanwhile is not given out.
    async fn keep(&self, key: Arc<RunKey>) -> Result<Arc<RunKey>, SealError> {
        let name = (key.tenant().clone(), key.run().clone());
        let kept = {
            let mut open = self.handles();
            open.retain(|_, handle| handle.strong_count() > 0);
            match open.get(&name).and_then(Weak::upgrade) {
                Some(first) => first,
                None => {
                    open.insert(name, Arc::downgrade(&key));
                    key
                }
            }
        };
        let still = self.store.of_run(kept.tenant(), kept.run()).await?;
        if still.is_none_or(|record| record.wrapped().is_none()) {
            kept.erase();
            let run = kept.run().clone();
            return Err(SealError::Erased { run });
        }
        Ok(kept)
    }

    fn opened(&self, tenant: &TenantId, run: &RunId) -> Option<Arc<RunKey>> {
        let name = (tenant.clone(), run.clone());
        self.handles().get(&name).and_then(Weak::upgrade)
    }

    fn handles(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault")
            .field("keys", &self.keys)
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}
