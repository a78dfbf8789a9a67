//! The registry of step types.
//!
//! Invariant: a type id names one entry; registering it again replaces the entry and keeps its place.
//! A clone is a handle on the same catalog. What was taken out of it does not change any more, so a
//! run that has begun goes on with the types it began with (K-02).

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, LazyLock, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use serde_json::{Value, json};

use super::builtin;
use super::metadata::{StepCategory, StepTypeMetadata};
use super::schema::ConfigSchema;
use crate::canvas::definition::Object;
use crate::canvas::handler::{self, StepHandler};
use crate::canvas::validate::path::Path;
use crate::canvas::validate::report::Report;
use crate::canvas::validate::{ValidationCode, ValidationSeverity};

static INSTANCE: LazyLock<RwLock<StepCatalog>> =
    LazyLock::new(|| RwLock::new(StepCatalog::with_builtins()));

/// Step types by id, in registration order.
#[derive(Clone, Debug, Default)]
pub struct StepCatalog {
    entries: Arc<RwLock<Entries>>,
}

#[derive(Debug, Default)]
struct Entries {
    ordered: Vec<Arc<Entry>>,
    places: HashMap<String, usize>,
}

struct Entry {
    metadata: Arc<StepTypeMetadata>,
    handler: Option<Arc<dyn StepHandler>>,
    schema: OnceLock<Result<ConfigSchema, String>>,
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("metadata", &self.metadata)
            .field("has_handler", &self.handler.is_some())
            .finish_non_exhaustive()
    }
}

impl Entry {
    fn schema(&self) -> Result<&ConfigSchema, &str> {
        let compile = || ConfigSchema::compile(&self.metadata.config_schema);
        self.schema
            .get_or_init(compile)
            .as_ref()
            .map_err(String::as_str)
    }
}

impl StepCatalog {
    /// A catalog without types.
    pub fn new() -> Self {
        Self::default()
    }

    /// A catalog of its own with the built-in types and their handlers (K-01).
    pub fn with_builtins() -> Self {
        let catalog = Self::new();
        for metadata in builtin::metadata() {
            let handler = handler::builtin(&metadata.type_id);
            catalog.register(metadata, handler);
        }
        catalog
    }

    /// The catalog of the process.
    pub fn instance() -> Self {
        INSTANCE
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Replaces the catalog of the process by a fresh one; handles on the old one keep it.
    pub fn reset_instance() {
        *INSTANCE.write().unwrap_or_else(PoisonError::into_inner) = Self::with_builtins();
    }

    /// Adds a type or replaces the one with its id, together with what runs its steps.
    pub fn register(&self, metadata: StepTypeMetadata, handler: Option<Arc<dyn StepHandler>>) {
        let entry = Arc::new(Entry {
            metadata: Arc::new(metadata),
            handler,
            schema: OnceLock::new(),
        });
        let mut entries = self.write();
        match entries.places.get(&entry.metadata.type_id).copied() {
            Some(place) => entries.ordered[place] = entry,
            None => {
                let place = entries.ordered.len();
                entries.places.insert(entry.metadata.type_id.clone(), place);
                entries.ordered.push(entry);
            }
        }
    }

    /// Removes a type; an unknown id changes nothing.
    pub fn unregister(&self, type_id: &str) {
        let mut entries = self.write();
        if let Some(removed) = entries.places.remove(type_id) {
            entries.ordered.remove(removed);
            for place in entries.places.values_mut() {
                *place -= usize::from(*place > removed);
            }
        }
    }

    /// What is known of a type.
    pub fn get(&self, type_id: &str) -> Option<Arc<StepTypeMetadata>> {
        self.entry(type_id).map(|it| it.metadata.clone())
    }

    /// What runs the steps of a type.
    pub fn get_handler(&self, type_id: &str) -> Option<Arc<dyn StepHandler>> {
        self.entry(type_id).and_then(|it| it.handler.clone())
    }

    /// Whether the type is registered.
    pub fn has(&self, type_id: &str) -> bool {
        self.read().places.contains_key(type_id)
    }

    /// All types in registration order.
    pub fn list_all(&self) -> Vec<Arc<StepTypeMetadata>> {
        self.read()
            .ordered
            .iter()
            .map(|it| it.metadata.clone())
            .collect()
    }

    /// The types of one category in registration order.
    pub fn list_by_category(&self, category: StepCategory) -> Vec<Arc<StepTypeMetadata>> {
        let mut types = self.list_all();
        types.retain(|it| it.category == category);
        types
    }

    /// All type ids in registration order.
    pub fn list_type_ids(&self) -> Vec<String> {
        let entries = self.read();
        entries
            .ordered
            .iter()
            .map(|it| it.metadata.type_id.clone())
            .collect()
    }

    /// What a palette needs: `{version, categories, types: {type_id: metadata}}`.
    ///
    /// # Errors
    /// Metadata that JSON cannot write.
    pub fn export_for_ui(&self) -> Result<Value, serde_json::Error> {
        let mut types = Object::new();
        for metadata in self.list_all() {
            types.insert(metadata.type_id.clone(), serde_json::to_value(&*metadata)?);
        }
        let categories = StepCategory::ALL.map(StepCategory::as_str);
        Ok(json!({ "version": "1.0", "categories": categories, "types": types }))
    }

    /// What is wrong with a config, one sentence each; empty if nothing is.
    pub fn validate_step_config(&self, type_id: &str, config: &Object) -> Vec<String> {
        let mut report = Report::default();
        if !self.check_config(type_id, config, [Path::Root; 2], &mut report) {
            return vec![format!("Unknown step type: {type_id}")];
        }
        let messages = report.into_messages().into_iter();
        messages
            .filter(|it| it.severity == ValidationSeverity::Error)
            .map(|it| it.message)
            .collect()
    }

    /// Reports what is wrong with a config; `false` if the type is unknown.
    ///
    /// The paths are those of the type and of the config.
    pub(crate) fn check_config(
        &self,
        type_id: &str,
        config: &Object,
        [type_path, config_path]: [Path<'_>; 2],
        report: &mut Report,
    ) -> bool {
        let Some(entry) = self.entry(type_id) else {
            return false;
        };
        match entry.schema() {
            Ok(schema) => schema.check(config, config_path, report),
            Err(reason) => report.add(
                ValidationCode::SchemaViolation,
                type_path,
                format_args!("the config schema of type `{type_id}` cannot be used: {reason}"),
            ),
        }
        true
    }

    fn entry(&self, type_id: &str) -> Option<Arc<Entry>> {
        let entries = self.read();
        entries
            .places
            .get(type_id)
            .map(|place| entries.ordered[*place].clone())
    }

    fn read(&self) -> RwLockReadGuard<'_, Entries> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Entries> {
        self.entries.write().unwrap_or_else(PoisonError::into_inner)
    }
}
