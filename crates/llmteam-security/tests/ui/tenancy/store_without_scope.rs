//! A scoped store is made for a scope, not for a text.
use std::sync::Arc;

use llmteam_security::{MemoryKeyValueStore, ScopedStore};

fn main() {
    let _store = ScopedStore::new(Arc::new(MemoryKeyValueStore::default()), "acme:");
}
