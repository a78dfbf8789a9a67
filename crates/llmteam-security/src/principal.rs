//! Who acts.
//!
//! A [`Principal`] is an identity that somebody has already authenticated; this module does not know how.
//! It says who it is, never what it may do to a given thing: that is decided where the thing lives.

use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Serialize};

use crate::id::{InvalidId, PrincipalId};

/// A part somebody plays for a tenant. Written as its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Role {
    /// `operator`: keeps the installation running and may act in place of whoever was asked.
    Operator,
    /// `approver`: answers what was asked of nobody in particular.
    Approver,
    /// `override`: may act in place of whoever was asked.
    Override,
    /// A role the tenant has named itself.
    Named(String),
}

impl Role {
    /// The name.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Operator => "operator",
            Self::Approver => "approver",
            Self::Override => "override",
            Self::Named(name) => name,
        }
    }

    /// Whether the role lets its holder act in place of whoever was asked.
    pub fn overrides(&self) -> bool {
        matches!(self, Self::Operator | Self::Override)
    }
}

impl From<String> for Role {
    fn from(name: String) -> Self {
        match name.as_str() {
            "operator" => Self::Operator,
            "approver" => Self::Approver,
            "override" => Self::Override,
            _ => Self::Named(name),
        }
    }
}

impl From<&str> for Role {
    fn from(name: &str) -> Self {
        name.to_owned().into()
    }
}

impl From<Role> for String {
    fn from(role: Role) -> Self {
        role.as_str().to_owned()
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// An authenticated identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Principal {
    /// Who it is.
    pub id: PrincipalId,
    /// The groups it is a member of.
    #[serde(default)]
    pub groups: BTreeSet<String>,
    /// The parts it plays.
    #[serde(default)]
    pub roles: BTreeSet<Role>,
    /// Whether it may answer what a run of its own asks.
    #[serde(default)]
    pub allow_self_response: bool,
}

impl Principal {
    /// A principal without groups and roles.
    pub fn new(id: PrincipalId) -> Self {
        Self {
            id,
            groups: BTreeSet::new(),
            roles: BTreeSet::new(),
            allow_self_response: false,
        }
    }

    /// The one principal of an installation without authentication: `local`, operator and approver.
    pub fn local() -> Self {
        let id: Result<PrincipalId, InvalidId> = "local".parse();
        let mut local = Self::new(id.expect("`local` is a principal id"));
        local.roles.extend([Role::Operator, Role::Approver]);
        local.allow_self_response = true;
        local
    }

    /// The same principal, also playing `role`.
    #[must_use]
    pub fn with_role(mut self, role: Role) -> Self {
        self.roles.insert(role);
        self
    }

    /// The same principal, also a member of `group`.
    #[must_use]
    pub fn with_group(mut self, group: impl Into<String>) -> Self {
        self.groups.insert(group.into());
        self
    }

    /// Whether it plays `role`.
    pub fn has_role(&self, role: &Role) -> bool {
        self.roles.contains(role)
    }

    /// The role by which it may act in place of whoever was asked, if any.
    pub fn override_role(&self) -> Option<&Role> {
        self.roles.iter().find(|role| role.overrides())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_its_name() {
        for name in ["operator", "approver", "override", "finance"] {
            let role: Role = serde_json::from_value(name.into()).unwrap();
            assert_eq!(serde_json::to_value(&role).unwrap(), name);
        }
        // A name that is spelt out is the same role.
        assert_eq!(Role::from("override"), Role::Override);
        assert_eq!(Role::from("Override"), Role::Named("Override".into()));
    }

    #[test]
    fn the_local_principal_may_answer_everything_and_nobody_else_may_by_default() {
        let local = Principal::local();
        assert_eq!(local.override_role(), Some(&Role::Operator));
        assert!(local.has_role(&Role::Approver) && local.allow_self_response);
        let alice = Principal::new("alice".parse().unwrap()).with_role(Role::Approver);
        assert_eq!(alice.override_role(), None);
        assert!(!alice.allow_self_response);
    }
}
