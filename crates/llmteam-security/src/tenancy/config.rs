//! What is known of a tenant.
//!
//! Invariant: the JSON has 17 fields; one that is unknown, missing where it must be, or of the wrong form is refused.
//! What [`TenantConfig::check`] refuses enters no store. This module does not know where configurations are kept.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    error::TenantError,
    limits::{ALL_FEATURES, Limit, LimitKind, TenantLimits},
    text::fault,
    tier::{TenantTier, get_tier_limits},
};
use crate::{clock::Timestamp, id::TenantId};

/// Bytes of a name.
const LONGEST_NAME: usize = 255;

/// Bytes of an entry of a list, of a region and of a key id.
const LONGEST_ENTRY: usize = 128;

/// Bytes of the whole configuration as JSON.
const LARGEST: usize = 256 * 1024;

/// A tenant: who it is, what it has beyond or below its tier, and which actions it may take.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TenantConfig {
    /// Its id.
    pub tenant_id: TenantId,
    /// What people call it.
    pub name: String,
    /// What it gets unless overridden.
    pub tier: TenantTier,
    /// In place of the tier's limit; zero means none.
    #[serde(default)]
    pub max_concurrent_pipelines: Option<Limit>,
    /// In place of the tier's limit; zero means none.
    #[serde(default)]
    pub max_agents_per_pipeline: Option<Limit>,
    /// In place of the tier's limit; zero means none.
    #[serde(default)]
    pub max_requests_per_minute: Option<Limit>,
    /// Features beyond the tier's.
    #[serde(default)]
    pub features_enabled: BTreeSet<String>,
    /// Features that are off whatever else says they are on.
    #[serde(default)]
    pub features_disabled: BTreeSet<String>,
    /// The only actions that are allowed; `None` allows all, an empty set none.
    #[serde(default)]
    pub allowed_actions: Option<BTreeSet<String>>,
    /// Actions that are never allowed.
    #[serde(default)]
    pub blocked_actions: BTreeSet<String>,
    /// Where the tenant wants its data; noted, not enforced here.
    #[serde(default = "default_region")]
    pub data_region: String,
    /// The key that wraps its data keys; empty for the installation's.
    #[serde(default)]
    pub encryption_key_id: String,
    /// Days for which its audit records are kept.
    #[serde(default = "default_retention")]
    pub audit_retention_days: u32,
    /// Whatever else the host notes.
    #[serde(default)]
    pub metadata: Map<String, Value>,
    /// When it was created; the epoch until it is.
    #[serde(default = "epoch")]
    pub created_at: Timestamp,
    /// When it last changed; the epoch until it is created.
    #[serde(default = "epoch")]
    pub updated_at: Timestamp,
    /// Whether anything may be done on its behalf.
    #[serde(default = "default_active")]
    pub is_active: bool,
}

fn default_region() -> String {
    "default".to_owned()
}

fn default_retention() -> u32 {
    90
}

fn default_active() -> bool {
    true
}

fn epoch() -> Timestamp {
    Timestamp::from_micros(0)
}

impl TenantConfig {
    /// An active tenant of the free tier without overrides.
    pub fn new(tenant_id: TenantId, name: impl Into<String>) -> Self {
        Self {
            tenant_id,
            name: name.into(),
            tier: TenantTier::default(),
            max_concurrent_pipelines: None,
            max_agents_per_pipeline: None,
            max_requests_per_minute: None,
            features_enabled: BTreeSet::new(),
            features_disabled: BTreeSet::new(),
            allowed_actions: None,
            blocked_actions: BTreeSet::new(),
            data_region: default_region(),
            encryption_key_id: String::new(),
            audit_retention_days: default_retention(),
            metadata: Map::new(),
            created_at: epoch(),
            updated_at: epoch(),
            is_active: default_active(),
        }
    }

    /// The limit in force of one kind: the override where there is one, else the tier's.
    pub fn limit(&self, kind: LimitKind) -> Limit {
        let overriding = match kind {
            LimitKind::ConcurrentPipelines => self.max_concurrent_pipelines,
            LimitKind::AgentsPerPipeline => self.max_agents_per_pipeline,
            LimitKind::RequestsPerMinute => self.max_requests_per_minute,
            LimitKind::RunsPerDay | LimitKind::Storage => None,
        };
        overriding.unwrap_or_else(|| get_tier_limits(self.tier).limit(kind))
    }

    /// Whether `feature` is on; a disabled one is off whatever else says, and a disabled `*` disables everything.
    pub fn has_feature(&self, feature: &str) -> bool {
        let names = |set: &BTreeSet<String>| set.contains(feature) || set.contains(ALL_FEATURES);
        let tier = get_tier_limits(self.tier).features;
        let on = tier.iter().any(|it| [feature, ALL_FEATURES].contains(it));
        !names(&self.features_disabled) && (on || names(&self.features_enabled))
    }

    /// The limits in force: overrides before the tier's, disabled features before all others.
    pub fn get_effective_limits(&self) -> TenantLimits {
        TenantLimits::new(
            get_tier_limits(self.tier).features,
            &self.features_enabled,
            &self.features_disabled,
            |kind| self.limit(kind),
        )
    }

    /// Whether the action may be taken: not blocked, and on the list of allowed ones where there is a list.
    pub fn is_action_allowed(&self, action: &str) -> bool {
        let listed = self.allowed_actions.as_ref();
        !self.blocked_actions.contains(action) && listed.is_none_or(|it| it.contains(action))
    }

    /// The JSON object of all 17 fields.
    pub fn to_dict(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(object)) => object,
            // A structure with text keys is always an object.
            _ => Map::new(),
        }
    }

    /// Reads the JSON object; `tenant_id`, `name` and `tier` must be there.
    pub fn from_dict(object: Map<String, Value>) -> Result<Self, serde_json::Error> {
        serde_json::from_value(Value::Object(object))
    }

    /// Refuses texts that cannot be shown safely and configurations that are too large.
    pub fn check(&self) -> Result<(), TenantError> {
        let mut texts = vec![
            ("name", self.name.as_str(), LONGEST_NAME),
            ("data_region", &self.data_region, LONGEST_ENTRY),
        ];
        if !self.encryption_key_id.is_empty() {
            texts.push(("encryption_key_id", &self.encryption_key_id, LONGEST_ENTRY));
        }
        let lists = [
            ("features_enabled", Some(&self.features_enabled)),
            ("features_disabled", Some(&self.features_disabled)),
            ("allowed_actions", self.allowed_actions.as_ref()),
            ("blocked_actions", Some(&self.blocked_actions)),
        ];
        for (field, list) in lists {
            let entries = list.into_iter().flatten();
            texts.extend(entries.map(|entry| (field, entry.as_str(), LONGEST_ENTRY)));
        }
        let refuse = |field, reason| TenantError::InvalidConfig {
            tenant_id: self.tenant_id.clone(),
            field,
            reason,
        };
        for (field, text, longest) in texts {
            if let Some(reason) = fault(text, longest) {
                return Err(refuse(field, reason));
            }
        }
        let size = serde_json::to_vec(self).map_or(usize::MAX, |json| json.len());
        if size > LARGEST {
            return Err(refuse("metadata", "makes the configuration too large"));
        }
        Ok(())
    }
}
