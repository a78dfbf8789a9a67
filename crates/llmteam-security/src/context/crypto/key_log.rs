//! Recording each change of keys before it happens.
//!
//! Invariant: a change that cannot be recorded does not happen. Records name keys and hold none.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
};

use async_trait::async_trait;

use super::{dek::DekId, kek::KekVersion};
use crate::{
    clock::Timestamp,
    context::access_log::AccessLogError,
    id::{RunId, TenantId},
};

/// What is about to happen to a tenant's keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyAct {
    /// The tenant's key gets a new version.
    Rotate {
        /// The version so far.
        from: KekVersion,
    },
    /// A data key is wrapped anew.
    Rewrap {
        /// The data key.
        dek: DekId,
        /// Under what it was.
        from: KekVersion,
        /// Under what it is to be.
        to: KekVersion,
    },
    /// A version, and all before it, is destroyed.
    Retire {
        /// The version.
        version: KekVersion,
    },
    /// The data key of a run is destroyed, and with it all that was sealed for the run.
    Shred {
        /// The run.
        run: RunId,
    },
}

/// A change of a tenant's keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyEvent {
    /// The tenant.
    pub tenant: TenantId,
    /// What is about to happen.
    pub act: KeyAct,
    /// When.
    pub at: Timestamp,
}

/// Keeps changes of keys.
#[async_trait]
pub trait KeyLog: Send + Sync + fmt::Debug {
    /// Returns when `event` is durable.
    async fn record(&self, event: &KeyEvent) -> Result<(), AccessLogError>;
}

/// Keeps changes in memory. For tests.
#[derive(Debug, Default)]
pub struct MemoryKeyLog(Mutex<Vec<KeyEvent>>);

impl MemoryKeyLog {
    /// An empty log.
    pub fn new() -> Self {
        Self::default()
    }

    /// What was recorded, oldest first.
    pub fn events(&self) -> Vec<KeyEvent> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

#[async_trait]
impl KeyLog for MemoryKeyLog {
    async fn record(&self, event: &KeyEvent) -> Result<(), AccessLogError> {
        let mut events = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        events.push(event.clone());
        Ok(())
    }
}
