//! Crossing tenants takes the right to.
use std::sync::Arc;

use llmteam_security::{MemoryKeyValueStore, Principal, tenancy::CrossTenantStore};

fn main() {
    let store = Arc::new(MemoryKeyValueStore::default());
    let _store = CrossTenantStore::new(store, Principal::local());
}
