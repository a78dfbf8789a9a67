//! Live resources by the name a segment refers to them with.
//!
//! Invariant: a name stands for one resource; replacing it keeps its place in the list.
//! A registry is a handle: its clones share one content.

use std::fmt;
use std::sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use llmteam_orchestration::llm::LlmProvider;
use llmteam_security::kv::KeyValueStore;
use llmteam_workflow::egress::Client;

use super::error::ResourceNotFoundError;

/// What a registry may hold.
pub trait Resource: Send + Sync {
    /// The word for it in messages.
    const KIND: &'static str;
}

impl Resource for dyn KeyValueStore {
    const KIND: &'static str = "Store";
}

impl Resource for dyn Client {
    const KIND: &'static str = "Client";
}

impl Resource for dyn LlmProvider {
    const KIND: &'static str = "LLM provider";
}

/// Stores by name.
pub type StoreRegistry = Registry<dyn KeyValueStore>;
/// HTTP clients by name.
pub type ClientRegistry = Registry<dyn Client>;
/// Language models by name.
pub type LLMRegistry = Registry<dyn LlmProvider>;

type Entries<T> = Vec<(String, Arc<T>)>;

/// Resources of one kind by name, in registration order.
pub struct Registry<T: ?Sized> {
    /// Made when somebody looks or shares: most runs of a library user register nothing.
    entries: OnceLock<Arc<RwLock<Entries<T>>>>,
}

impl<T: Resource + ?Sized> Registry<T> {
    /// An empty registry.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a resource, or replaces the one with this name.
    pub fn register(&self, id: impl Into<String>, resource: Arc<T>) {
        let id = id.into();
        let mut entries = self.write();
        match entries.iter_mut().find(|(name, _)| *name == id) {
            Some((_, known)) => *known = resource,
            None => entries.push((id, resource)),
        }
    }

    /// Removes a resource; an unknown name changes nothing.
    pub fn unregister(&self, id: &str) {
        self.write().retain(|(name, _)| name != id);
    }

    /// The resource of this name.
    ///
    /// # Errors
    /// Nothing is registered under it.
    pub fn get(&self, id: &str) -> Result<Arc<T>, ResourceNotFoundError> {
        let entries = self.read();
        let found = entries.iter().find(|(name, _)| name == id);
        found
            .map(|(_, resource)| Arc::clone(resource))
            .ok_or_else(|| ResourceNotFoundError::new(T::KIND, id))
    }

    /// Whether something is registered under this name.
    pub fn has(&self, id: &str) -> bool {
        self.read().iter().any(|(name, _)| name == id)
    }

    /// All names, in registration order.
    pub fn list(&self) -> Vec<String> {
        self.read().iter().map(|(name, _)| name.clone()).collect()
    }

    /// Removes everything.
    pub fn clear(&self) {
        self.write().clear();
    }

    fn read(&self) -> RwLockReadGuard<'_, Entries<T>> {
        self.shared().read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Entries<T>> {
        self.shared()
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: ?Sized> Registry<T> {
    fn shared(&self) -> &Arc<RwLock<Entries<T>>> {
        self.entries.get_or_init(Arc::default)
    }
}

impl<T: ?Sized> Default for Registry<T> {
    fn default() -> Self {
        Self {
            entries: OnceLock::new(),
        }
    }
}

impl<T: ?Sized> Clone for Registry<T> {
    fn clone(&self) -> Self {
        Self {
            entries: Arc::clone(self.shared()).into(),
        }
    }
}

impl<T: Resource + ?Sized> fmt::Debug for Registry<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple(T::KIND).field(&self.list()).finish()
    }
}
