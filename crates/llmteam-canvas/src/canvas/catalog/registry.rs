//! The registry of step types.
//!
//! Invariant: a type id names one entry; registering it again replaces the entry and keeps its
//! place. A clone is a separate catalog.

use std::collections::HashMap;
use std::sync::Arc;

use super::builtin;
use super::metadata::{StepCategory, StepTypeMetadata};

/// Step types by id, in registration order.
#[derive(Clone, Debug, Default)]
pub struct StepCatalog {
    entries: Vec<Arc<StepTypeMetadata>>,
    places: HashMap<String, usize>,
}

impl StepCatalog {
    /// A catalog without types.
    pub fn new() -> Self {
        Self::default()
    }

    /// A catalog with the built-in types.
    pub fn with_builtins() -> Self {
        let mut catalog = Self::new();
        for metadata in builtin::metadata() {
            catalog.register(metadata);
        }
        catalog
    }

    /// Adds a type or replaces the one with its id.
    pub fn register(&mut self, metadata: StepTypeMetadata) {
        let metadata = Arc::new(metadata);
        match self.places.get(&metadata.type_id) {
            Some(place) => self.entries[*place] = metadata,
            None => {
                self.places
                    .insert(metadata.type_id.clone(), self.entries.len());
                self.entries.push(metadata);
            }
        }
    }

    /// Removes a type; an unknown id changes nothing.
    pub fn unregister(&mut self, type_id: &str) {
        if let Some(removed) = self.places.remove(type_id) {
            self.entries.remove(removed);
            for place in self.places.values_mut() {
                *place -= usize::from(*place > removed);
            }
        }
    }

    /// What is known of a type.
    pub fn get(&self, type_id: &str) -> Option<&StepTypeMetadata> {
        self.places
            .get(type_id)
            .map(|place| self.entries[*place].as_ref())
    }

    /// Whether the type is registered.
    pub fn has(&self, type_id: &str) -> bool {
        self.places.contains_key(type_id)
    }

    /// All types in registration order.
    pub fn list_all(&self) -> Vec<&StepTypeMetadata> {
        self.entries.iter().map(AsRef::as_ref).collect()
    }

    /// The types of one category in registration order.
    pub fn list_by_category(&self, category: StepCategory) -> Vec<&StepTypeMetadata> {
        let all = self.entries.iter().map(AsRef::as_ref);
        all.filter(|it| it.category == category).collect()
    }

    /// All type ids in registration order.
    pub fn list_type_ids(&self) -> Vec<&str> {
        self.entries.iter().map(|it| it.type_id.as_str()).collect()
    }
}
