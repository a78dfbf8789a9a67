//! The names a view may show, and what each is worth.
//!
//! Invariant: the list is closed. A name that is neither here nor a key of the agent's data is unknown, and what is
//! unknown is denied.

/// The field that every view has: it is the name the viewer asked for.
pub(super) const AGENT_ID: &str = "agent_id";
/// The field that lists the names of what is sealed.
pub(super) const SEALED_FIELDS: &str = "sealed_fields";
/// The field that holds the agent's own keys.
pub(super) const DATA: &str = "data";

/// What a name of the view is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FieldClass {
    /// Who the agent is.
    Identity,
    /// How it is doing; shown to whoever is granted a view.
    Public,
    /// How it thinks; shown up to sensitivity `internal`.
    Internal,
    /// Shown to the owner alone.
    Owner,
}

/// The built-in names, in the order of a view.
pub(super) const FIELDS: [(&str, FieldClass); 13] = [
    (AGENT_ID, FieldClass::Identity),
    ("agent_name", FieldClass::Identity),
    ("status", FieldClass::Public),
    ("confidence", FieldClass::Public),
    ("error_count", FieldClass::Public),
    ("last_action", FieldClass::Public),
    ("updated_at", FieldClass::Public),
    ("reasoning_steps", FieldClass::Internal),
    ("sources", FieldClass::Internal),
    (DATA, FieldClass::Public),
    (SEALED_FIELDS, FieldClass::Identity),
    ("created_at", FieldClass::Owner),
    ("messages", FieldClass::Owner),
];

/// The class of a built-in name.
pub(super) fn class(name: &str) -> Option<FieldClass> {
    let found = FIELDS.iter().find(|(field, _)| *field == name);
    found.map(|(_, class)| *class)
}

/// Whether a name can be sealed: all but the two without which a view says nothing.
pub(super) fn is_sealable(name: &str) -> bool {
    !matches!(name, AGENT_ID | SEALED_FIELDS)
}
