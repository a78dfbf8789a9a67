//! Who may see what of a context.
//!
//! Invariant: the first rule that matches decides, everything unknown is denied, and a narrower policy never shows
//! more. Decisions are functions of policy, standing and name alone; they read no value of the context.
//! This module does not know the context, nor who may change a policy: see [`super::agent`].

use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Serialize};

use super::{
    field::{self, FieldClass},
    viewer::{Relation, Standing},
    visibility::{SensitivityLevel, VisibilityLevel, get_visibility_for_sensitivity},
};
use crate::id::AgentId;

/// Who may see what of a context. Any combination of values is a policy; the context that is built with one owns it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ContextAccessPolicy {
    /// The widest visibility that the owner wishes; the sensitivity may narrow it.
    pub default_visibility: VisibilityLevel,
    /// How much harm it does when the context is seen.
    pub sensitivity: SensitivityLevel,
    /// Viewers that see nothing.
    pub denied_viewers: BTreeSet<AgentId>,
    /// Viewers that `denied_viewers` does not stop. Grants nothing by itself.
    pub allowed_viewers: BTreeSet<AgentId>,
    /// Names that nobody but the owner sees, of built-in fields and of keys of the data.
    pub sealed_fields: BTreeSet<String>,
    /// Whether every access must be recorded, or else not happen.
    pub audit_access: bool,
    /// Whether sealed values must be encrypted in memory.
    pub encrypt_sealed: bool,
}

/// Why something is denied. The text is fixed: it depends on nothing that the viewer may not see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The viewer is an agent.
    Agent,
    /// The viewer is of another tenant, below, beside or nowhere.
    Unrelated,
    /// The requester is neither owner nor direct orchestrator, and a policy is theirs to change.
    NotInCharge,
    /// A direct orchestrator may make a policy stricter; loosening it is the owner's.
    Loosening,
    /// The name is sealed.
    SealedField,
    /// The policy names the viewer.
    DeniedViewer,
    /// The sensitivity leaves the context to its owner.
    OwnerOnly,
    /// Confidential, and the viewer is not the direct pipeline orchestrator.
    Confidential,
    /// Confidential, and the system viewer shows no administration for it.
    Administration,
    /// The context is visible to fewer than this viewer.
    Visibility,
    /// The name is shown to no viewer of this sensitivity.
    NotShown,
    /// There is no such name.
    UnknownField,
}

impl Refusal {
    /// The reason as text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "forbidden: an agent sees no other agent's context",
            Self::Unrelated => "forbidden: not an orchestrator above this agent",
            Self::NotInCharge => "forbidden: neither the owner nor the direct orchestrator",
            Self::Loosening => "forbidden: only the owner makes a policy less strict",
            Self::SealedField => "the field is sealed",
            Self::DeniedViewer => "the policy denies this viewer",
            Self::OwnerOnly => "the sensitivity leaves it to the owner",
            Self::Confidential => "confidential: for the direct pipeline orchestrator",
            Self::Administration => "confidential: the system viewer needs an administration",
            Self::Visibility => "the context is not visible to this viewer",
            Self::NotShown => "the field is not shown at this sensitivity",
            Self::UnknownField => "unknown field",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a viewer may see of the names it asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ContextAccessResult {
    /// Whether everything asked for is granted.
    pub allowed: bool,
    /// Why not; `"granted"` if it is.
    pub reason: String,
    /// Names that are granted.
    pub fields_granted: BTreeSet<String>,
    /// Names that are denied.
    pub fields_denied: BTreeSet<String>,
}

impl ContextAccessPolicy {
    /// A policy of that sensitivity, the rest as by default.
    pub fn with_sensitivity(sensitivity: SensitivityLevel) -> Self {
        Self {
            sensitivity,
            ..Self::default()
        }
    }

    /// Denies `viewer`.
    pub fn deny_access_to(&mut self, viewer: AgentId) {
        self.denied_viewers.insert(viewer);
    }

    /// Lets `viewer` pass a denial.
    pub fn allow_access_to(&mut self, viewer: AgentId) {
        self.allowed_viewers.insert(viewer);
    }

    /// Seals `name`.
    pub fn seal_field(&mut self, name: impl Into<String>) {
        self.sealed_fields.insert(name.into());
    }

    /// Opens `name`; whether it was sealed.
    pub fn unseal_field(&mut self, name: &str) -> bool {
        self.sealed_fields.remove(name)
    }

    /// Sets the sensitivity.
    pub fn set_sensitivity(&mut self, sensitivity: SensitivityLevel) {
        self.sensitivity = sensitivity;
    }

    /// How far the context is seen: the narrower of what the owner wishes and what the sensitivity allows.
    pub fn effective_visibility(&self) -> VisibilityLevel {
        self.default_visibility
            .min(get_visibility_for_sensitivity(self.sensitivity))
    }

    /// Whether an access that cannot be recorded must not happen.
    pub fn must_record(&self) -> bool {
        self.audit_access || self.sensitivity >= SensitivityLevel::Secret
    }

    /// Whether what the owner keeps under `name`, in the context or beside it, may be copied to others at all: nothing
    /// that is sealed, and nothing of a context that is its owner's alone.
    pub fn lets_out(&self, name: &str) -> bool {
        let sealed = |name: &str| self.sealed_fields.contains(name);
        let in_sealed_data = field::class(name).is_none() && sealed(field::DATA);
        self.effective_visibility() > VisibilityLevel::SelfOnly && !sealed(name) && !in_sealed_data
    }

    /// Whether who stands there may see the context, or the field `name` of it. `has_key` says which keys the
    /// agent's data has.
    ///
    /// # Errors
    /// Why not.
    pub fn can_access(
        &self,
        standing: &Standing,
        name: Option<&str>,
        has_key: &dyn Fn(&str) -> bool,
    ) -> Result<(), Refusal> {
        related(standing.relation)?;
        if name.is_some_and(|name| self.sealed_fields.contains(name)) {
            return Err(Refusal::SealedField);
        }
        self.admits(standing)?;
        name.map_or(Ok(()), |name| self.shows(name, has_key))
    }

    /// Which of `names` who stands there may see; with none, whether there is anything to see.
    pub fn check_access(
        &self,
        standing: &Standing,
        names: &[&str],
        has_key: &dyn Fn(&str) -> bool,
    ) -> ContextAccessResult {
        let base = self.can_access(standing, None, has_key);
        let mut result = ContextAccessResult {
            allowed: base.is_ok(),
            reason: base.map_or_else(Refusal::as_str, |()| "granted").to_owned(),
            fields_granted: BTreeSet::new(),
            fields_denied: BTreeSet::new(),
        };
        for name in names {
            match self.can_access(standing, Some(name), has_key) {
                Ok(()) => result.fields_granted.insert((*name).to_owned()),
                Err(_) => result.fields_denied.insert((*name).to_owned()),
            };
        }
        if result.allowed
            && let Some(denied) = result.fields_denied.first()
        {
            let why = self.can_access(standing, Some(denied), has_key);
            result.allowed = false;
            result.reason = why.map_or_else(Refusal::as_str, |()| "granted").to_owned();
        }
        result
    }

    /// Whether the policy lets a related viewer in.
    fn admits(&self, standing: &Standing) -> Result<(), Refusal> {
        let viewer = &standing.viewer;
        if self.denied_viewers.contains(viewer) && !self.allowed_viewers.contains(viewer) {
            return Err(Refusal::DeniedViewer);
        }
        match self.sensitivity {
            SensitivityLevel::Secret | SensitivityLevel::TopSecret => Err(Refusal::OwnerOnly),
            SensitivityLevel::Confidential => confidential(standing.relation),
            SensitivityLevel::Public | SensitivityLevel::Internal => Ok(()),
        }?;
        let reaches = match self.effective_visibility() {
            VisibilityLevel::SelfOnly => false,
            VisibilityLevel::Orchestrator => !matches!(
                standing.relation,
                Relation::Orchestrator { direct: false, .. }
            ),
            VisibilityLevel::Hierarchy => true,
        };
        if reaches {
            Ok(())
        } else {
            Err(Refusal::Visibility)
        }
    }

    /// Whether a viewer that is let in is shown `name`.
    fn shows(&self, name: &str, has_key: &dyn Fn(&str) -> bool) -> Result<(), Refusal> {
        let open = self.sensitivity <= SensitivityLevel::Internal;
        match field::class(name) {
            Some(FieldClass::Identity | FieldClass::Public) => Ok(()),
            Some(FieldClass::Internal) if open => Ok(()),
            Some(FieldClass::Internal | FieldClass::Owner) => Err(Refusal::NotShown),
            None if has_key(name) && !self.sealed_fields.contains(field::DATA) => Ok(()),
            None if has_key(name) => Err(Refusal::SealedField),
            None => Err(Refusal::UnknownField),
        }
    }
}

fn related(relation: Relation) -> Result<(), Refusal> {
    match relation {
        Relation::Agent => Err(Refusal::Agent),
        Relation::Stranger => Err(Refusal::Unrelated),
        Relation::Orchestrator { .. } | Relation::System { .. } => Ok(()),
    }
}

fn confidential(relation: Relation) -> Result<(), Refusal> {
    match relation {
        Relation::Orchestrator {
            direct: true,
            pipeline: true,
        }
        | Relation::System { admin: true } => Ok(()),
        Relation::System { admin: false } => Err(Refusal::Administration),
        _ => Err(Refusal::Confidential),
    }
}

#[cfg(test)]
mod tests;
