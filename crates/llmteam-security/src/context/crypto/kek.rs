//! The keys of tenants: who wraps the data keys.
//!
//! Invariant: a tenant's key never leaves its provider; data keys go in and come out. Versions only grow, and the
//! newest wraps.
//! This module does not know where data keys are kept.

use std::{collections::BTreeMap, fmt};

use async_trait::async_trait;
use zeroize::Zeroizing;

use super::{
    committing::CommittingKey,
    dek::{DekId, WrappedDek, wrap_data},
    error::{KeyError, SealFault},
};
use crate::{
    context::random::{self, NoRandomness},
    id::{RunId, TenantId},
};

/// What keeps keys that wrap keys apart from every other use.
const DOMAIN: &[u8] = b"llmteam/kek/v1\0";

/// A version of a tenant's key, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KekVersion(pub u32);

impl fmt::Display for KekVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// An unwrapped data key. Wiped when dropped.
pub type DekBytes = Zeroizing<[u8; 32]>;

/// Which data key is wrapped.
#[derive(Clone, Copy, Debug)]
pub struct WrapContext<'a> {
    /// The tenant.
    pub tenant: &'a TenantId,
    /// The run.
    pub run: &'a RunId,
    /// The data key.
    pub dek: DekId,
}

/// Wraps and unwraps data keys under the keys of tenants: a key file, a key management service.
///
/// What `wrap` made under one context `unwrap` opens under that context and no other, as long as the version that
/// wrapped it has not been retired. A tenant without a key is an error: no provider makes one up, since that would
/// hide that the old one is lost.
#[async_trait]
pub trait KeyProvider: Send + Sync + fmt::Debug {
    /// Wraps `dek` under the newest version of the tenant's key.
    async fn wrap(&self, context: WrapContext<'_>, dek: &DekBytes) -> Result<WrappedDek, KeyError>;

    /// Unwraps what [`Self::wrap`] made.
    async fn unwrap(
        &self,
        context: WrapContext<'_>,
        wrapped: &WrappedDek,
    ) -> Result<DekBytes, KeyError>;

    /// The newest version of the tenant's key.
    async fn current(&self, tenant: &TenantId) -> Result<KekVersion, KeyError>;

    /// Adds a version, which wraps from now on; older ones still unwrap.
    async fn rotate(&self, tenant: &TenantId) -> Result<KekVersion, KeyError>;

    /// Destroys `version` and all before it. Refuses the newest one. Doing it again changes nothing.
    async fn retire(&self, tenant: &TenantId, version: KekVersion) -> Result<(), KeyError>;
}

/// The versions of one tenant's key, held in memory. Wiped when dropped.
#[derive(Clone)]
pub(super) struct KekRing {
    pub(super) keys: BTreeMap<KekVersion, Zeroizing<[u8; 32]>>,
}

impl KekRing {
    /// A ring with a random version 1.
    pub(super) fn generate() -> Result<Self, NoRandomness> {
        let mut ring = Self {
            keys: BTreeMap::new(),
        };
        ring.rotate()?;
        Ok(ring)
    }

    /// Adds a random version.
    pub(super) fn rotate(&mut self) -> Result<KekVersion, NoRandomness> {
        let mut key = Zeroizing::new([0; 32]);
        random::fill(&mut *key)?;
        let next = KekVersion(self.current().map_or(1, |it| it.0.saturating_add(1)));
        self.keys.insert(next, key);
        Ok(next)
    }

    /// Drops `version` and all before it, if a newer one is there.
    pub(super) fn retire(
        &mut self,
        tenant: &TenantId,
        version: KekVersion,
    ) -> Result<(), KeyError> {
        if self.current().is_none_or(|current| version >= current) {
            let tenant = tenant.clone();
            return Err(KeyError::Current { tenant, version });
        }
        self.keys.retain(|it, _| *it > version);
        Ok(())
    }

    pub(super) fn current(&self) -> Option<KekVersion> {
        self.keys.keys().next_back().copied()
    }

    pub(super) fn wrap(
        &self,
        context: WrapContext<'_>,
        dek: &DekBytes,
    ) -> Result<WrappedDek, KeyError> {
        let Some((version, key)) = self.keys.last_key_value() else {
            return Err(KeyError::Missing {
                tenant: context.tenant.clone(),
                place: "an empty key ring".to_owned(),
            });
        };
        let bound = wrap_data(context.tenant, context.run, context.dek, *version);
        let mut bytes = Vec::new();
        CommittingKey::derive(DOMAIN, key).seal(&bound, &**dek, &mut bytes)?;
        let kek = *version;
        Ok(WrappedDek { kek, bytes })
    }

    pub(super) fn unwrap(
        &self,
        context: WrapContext<'_>,
        wrapped: &WrappedDek,
    ) -> Result<DekBytes, KeyError> {
        let version = wrapped.kek;
        let tenant = || context.tenant.clone();
        let key = self.keys.get(&version);
        let key = key.ok_or_else(|| KeyError::MissingVersion {
            tenant: tenant(),
            version,
        })?;
        let refused = |fault| KeyError::Unwrap {
            tenant: tenant(),
            dek: context.dek,
            version,
            fault,
        };
        let bound = wrap_data(context.tenant, context.run, context.dek, version);
        let opened = CommittingKey::derive(DOMAIN, key)
            .open(&bound, &wrapped.bytes)
            .map_err(refused)?;
        let dek = opened.as_slice().try_into();
        dek.map(Zeroizing::new)
            .map_err(|_| refused(SealFault::NotSealed))
    }
}
