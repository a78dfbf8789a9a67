//! Replacing a tenant's key while everything goes on.
//!
//! Invariant: at every moment each live data key is wrapped by a version that the provider still has. A new version
//! wraps new data keys; old ones are wrapped anew one at a time, each in one step, and values are never touched; a
//! version is destroyed only when nothing refers to it and nothing can come to refer to it any more. So a process may
//! die anywhere, and running it again goes on from there.

use super::{
    dek::{DekId, DekRecord},
    error::SealError,
    kek::{KekVersion, WrapContext},
    key_log::KeyAct,
    vault::Vault,
};
use crate::id::TenantId;

/// Data keys that are read at once.
const BATCH: usize = 100;

/// What a pass of re-wrapping did.
#[derive(Debug, Default)]
pub struct RewrapReport {
    /// How many data keys are wrapped by the newest version now and were not before.
    pub rewrapped: u64,
    /// Those that could not be unwrapped, with the reason. They are as they were.
    pub failed: Vec<(DekId, SealError)>,
}

impl Vault {
    /// Gives the tenant's key a new version, which wraps new data keys from now on.
    ///
    /// # Errors
    /// [`SealError::NotRecorded`], with nothing changed; [`SealError::Key`].
    pub async fn rotate(&self, tenant: &TenantId) -> Result<KekVersion, SealError> {
        let from = self.keys.current(tenant).await?;
        self.record(tenant, KeyAct::Rotate { from }).await?;
        Ok(self.keys.rotate(tenant).await?)
    }

    /// Wraps every data key of `tenant` that an older version wraps under the newest. Safe to stop and to run again,
    /// in several processes at once too.
    ///
    /// # Errors
    /// [`SealError::NotRecorded`], [`SealError::Store`], and [`SealError::Key`] if the tenant has no key at all. A
    /// single data key that cannot be unwrapped is in the report and stops nothing.
    pub async fn rewrap(&self, tenant: &TenantId) -> Result<RewrapReport, SealError> {
        let newest = self.keys.current(tenant).await?;
        let mut report = RewrapReport::default();
        let mut after = None;
        loop {
            let batch = self.store.below(tenant, newest, after, BATCH).await?;
            let Some(last) = batch.last() else {
                return Ok(report);
            };
            after = Some(last.id);
            for record in &batch {
                match self.rewrap_one(record).await {
                    Ok(true) => report.rewrapped += 1,
                    Ok(false) => {}
                    Err(error @ SealError::Key(_)) => report.failed.push((record.id, error)),
                    Err(error) => return Err(error),
                }
            }
        }
    }

    /// Whether this call, and not another process, wrapped it anew.
    async fn rewrap_one(&self, record: &DekRecord) -> Result<bool, SealError> {
        let Some(old) = record.wrapped() else {
            return Ok(false);
        };
        let context = WrapContext {
            tenant: &record.tenant,
            run: &record.run,
            dek: record.id,
        };
        let bytes = match self.keys.unwrap(context, old).await {
            Ok(bytes) => bytes,
            Err(error) => {
                // Another process may have wrapped it anew, or erased its run, since it was read.
                let now = self.store.get(&record.tenant, record.id).await?;
                return match now.is_some_and(|now| now.state != record.state) {
                    true => Ok(false),
                    false => Err(error.into()),
                };
            }
        };
        let new = self.keys.wrap(context, &bytes).await?;
        let act = KeyAct::Rewrap {
            dek: record.id,
            from: old.kek,
            to: new.kek,
        };
        self.record(&record.tenant, act).await?;
        let replaced = self.store.replace(&record.tenant, record.id, old.kek, &new);
        Ok(replaced.await?)
    }

    /// Destroys `version` of the tenant's key and all before it.
    ///
    /// # Errors
    /// [`SealError::KekInUse`] while a data key refers to one of them; [`SealError::Key`] for the newest version;
    /// [`SealError::NotRecorded`], [`SealError::Store`].
    pub async fn retire(&self, tenant: &TenantId, version: KekVersion) -> Result<(), SealError> {
        let current = self.keys.current(tenant).await?;
        if version >= current {
            let tenant = tenant.clone();
            return Err(SealError::Key(super::error::KeyError::Current {
                tenant,
                version,
            }));
        }
        self.record(tenant, KeyAct::Retire { version }).await?;
        // The store closes the version first: a data key that was wrapped by it and is not stored yet is refused.
        let count = self.store.close(tenant, version).await?;
        if count > 0 {
            return Err(SealError::KekInUse {
                tenant: tenant.clone(),
                version,
                count,
            });
        }
        Ok(self.keys.retire(tenant, version).await?)
    }
}

#[cfg(test)]
mod mortal;
#[cfg(test)]
mod tests;
