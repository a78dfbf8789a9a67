//! Envelope encryption of what is sealed.
//!
//! Invariant: a sealed value opens under exactly one key and only at the tenant, run, agent, slot and version it was
//! sealed for; what does not open is an error and never plaintext. A run has one data key, wrapped by a key of its
//! tenant; who destroys the wrapped key has erased the run. The stored bytes are described in `docs/sealed-format.md`.
//! This module does not know contexts, nor who may open what.

mod blob;
mod committing;
mod dek;
mod error;
mod file_keys;
mod kek;
mod key_log;
mod memory_keys;
mod rotation;
mod run_key;
mod slot;
mod store;
mod vault;

#[cfg(feature = "postgres")]
pub use self::store::PostgresDekStore;
#[cfg(feature = "sqlite")]
pub use self::store::SqliteDekStore;
pub use self::{
    blob::SealedBlob,
    dek::{DekId, DekRecord, DekState, DekStatus, WrappedDek},
    error::{DekStoreError, KeyError, SealError, SealFault},
    file_keys::FileKeys,
    kek::{DekBytes, KekVersion, KeyProvider, WrapContext},
    key_log::{KeyAct, KeyEvent, KeyLog, MemoryKeyLog},
    memory_keys::MemoryKeys,
    rotation::RewrapReport,
    run_key::RunKey,
    slot::Slot,
    store::{DekStore, Inserted, MemoryDekStore},
    vault::Vault,
};

#[cfg(test)]
mod tests;
