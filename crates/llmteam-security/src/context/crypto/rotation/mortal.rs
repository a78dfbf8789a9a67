//! Stores, keys and logs of a process that dies, and a store that answers late.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicI64, Ordering},
};

use async_trait::async_trait;

use super::*;
use crate::{
    clock::Timestamp,
    context::{
        AccessLogError,
        crypto::{
            DekBytes, DekStore, DekStoreError, Inserted, KekVersion, KeyError, KeyEvent, KeyLog,
            KeyProvider, MemoryKeyLog, MemoryKeys, WrappedDek,
        },
    },
    id::RunId,
};

/// Lets so many steps through. The one after them is the death of the process, before its effect or after it; from
/// then on nothing happens any more.
#[derive(Debug)]
pub(super) struct Fuse {
    pub(super) left: AtomicI64,
    pub(super) after: bool,
}

impl Fuse {
    async fn step<T, E>(&self, dead: E, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        match self.left.fetch_sub(1, Ordering::SeqCst) {
            1.. => work.await,
            0 if self.after => {
                let _ = work.await;
                Err(dead)
            }
            _ => Err(dead),
        }
    }
}

#[derive(Debug)]
pub(super) struct Mortal<T: ?Sized> {
    pub(super) fuse: Arc<Fuse>,
    pub(super) inner: Arc<T>,
}

fn dead() -> DekStoreError {
    DekStoreError::Unavailable("dead".to_owned())
}

#[async_trait]
impl DekStore for Mortal<dyn DekStore> {
    async fn insert(&self, record: &DekRecord) -> Result<Inserted, DekStoreError> {
        self.fuse.step(dead(), self.inner.insert(record)).await
    }

    async fn of_run(
        &self,
        tenant: &TenantId,
        run: &RunId,
    ) -> Result<Option<DekRecord>, DekStoreError> {
        self.fuse.step(dead(), self.inner.of_run(tenant, run)).await
    }

    async fn get(&self, tenant: &TenantId, id: DekId) -> Result<Option<DekRecord>, DekStoreError> {
        self.fuse.step(dead(), self.inner.get(tenant, id)).await
    }

    async fn replace(
        &self,
        tenant: &TenantId,
        id: DekId,
        from: KekVersion,
        to: &WrappedDek,
    ) -> Result<bool, DekStoreError> {
        self.fuse
            .step(dead(), self.inner.replace(tenant, id, from, to))
            .await
    }

    async fn below(
        &self,
        tenant: &TenantId,
        version: KekVersion,
        after: Option<DekId>,
        limit: usize,
    ) -> Result<Vec<DekRecord>, DekStoreError> {
        // Small pages, so that dying between pages is tried too.
        let page = self.inner.below(tenant, version, after, limit.min(2));
        self.fuse.step(dead(), page).await
    }

    async fn shred(
        &self,
        tenant: &TenantId,
        run: &RunId,
        at: Timestamp,
    ) -> Result<bool, DekStoreError> {
        self.fuse
            .step(dead(), self.inner.shred(tenant, run, at))
            .await
    }

    async fn close(&self, tenant: &TenantId, version: KekVersion) -> Result<u64, DekStoreError> {
        self.fuse
            .step(dead(), self.inner.close(tenant, version))
            .await
    }
}

#[async_trait]
impl KeyProvider for Mortal<MemoryKeys> {
    async fn wrap(&self, context: WrapContext<'_>, dek: &DekBytes) -> Result<WrappedDek, KeyError> {
        self.inner.wrap(context, dek).await
    }

    async fn unwrap(
        &self,
        context: WrapContext<'_>,
        wrapped: &WrappedDek,
    ) -> Result<DekBytes, KeyError> {
        self.inner.unwrap(context, wrapped).await
    }

    async fn current(&self, tenant: &TenantId) -> Result<KekVersion, KeyError> {
        self.inner.current(tenant).await
    }

    async fn rotate(&self, tenant: &TenantId) -> Result<KekVersion, KeyError> {
        self.fuse
            .step(refused(tenant), self.inner.rotate(tenant))
            .await
    }

    async fn retire(&self, tenant: &TenantId, version: KekVersion) -> Result<(), KeyError> {
        self.fuse
            .step(refused(tenant), self.inner.retire(tenant, version))
            .await
    }
}

fn refused(tenant: &TenantId) -> KeyError {
    KeyError::Missing {
        tenant: tenant.clone(),
        place: "a dead process".to_owned(),
    }
}

#[async_trait]
impl KeyLog for Mortal<MemoryKeyLog> {
    async fn record(&self, event: &KeyEvent) -> Result<(), AccessLogError> {
        let dead = AccessLogError("dead".to_owned());
        self.fuse.step(dead, self.inner.record(event)).await
    }
}

/// A store that answers `of_run` as it was before somebody else wrapped the key anew and retired what wrapped it.
#[derive(Debug)]
pub(super) struct Late {
    pub(super) inner: Arc<dyn DekStore>,
    pub(super) before: Mutex<Option<DekRecord>>,
}

#[async_trait]
impl DekStore for Late {
    async fn insert(&self, record: &DekRecord) -> Result<Inserted, DekStoreError> {
        self.inner.insert(record).await
    }

    async fn of_run(
        &self,
        tenant: &TenantId,
        run: &RunId,
    ) -> Result<Option<DekRecord>, DekStoreError> {
        let before = self.before.lock().unwrap().take();
        match before {
            Some(record) => Ok(Some(record)),
            None => self.inner.of_run(tenant, run).await,
        }
    }

    async fn get(&self, tenant: &TenantId, id: DekId) -> Result<Option<DekRecord>, DekStoreError> {
        self.inner.get(tenant, id).await
    }

    async fn replace(
        &self,
        tenant: &TenantId,
        id: DekId,
        from: KekVersion,
        to: &WrappedDek,
    ) -> Result<bool, DekStoreError> {
        self.inner.replace(tenant, id, from, to).await
    }

    async fn below(
        &self,
        tenant: &TenantId,
        version: KekVersion,
        after: Option<DekId>,
        limit: usize,
    ) -> Result<Vec<DekRecord>, DekStoreError> {
        let before = self.before.lock().unwrap().take();
        match before {
            Some(record) => Ok(vec![record]),
            None => self.inner.below(tenant, version, after, limit).await,
        }
    }

    async fn shred(
        &self,
        tenant: &TenantId,
        run: &RunId,
        at: Timestamp,
    ) -> Result<bool, DekStoreError> {
        self.inner.shred(tenant, run, at).await
    }

    async fn close(&self, tenant: &TenantId, version: KekVersion) -> Result<u64, DekStoreError> {
        self.inner.close(tenant, version).await
    }
}
