//! Configurations that cannot be meant, with every fault.
//!
//! Invariant: an error here lists all faults that there are, never none. This file does not know how the
//! rules are kept.

use std::fmt;

/// A configuration that no executor can keep.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the executor's configuration is invalid: {}", listed(.faults))]
pub struct InvalidExecutorConfig {
    /// What is wrong, in the order of the fields.
    pub faults: Vec<ConfigFault>,
}

/// One field that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigFault {
    /// The field.
    pub field: &'static str,
    /// What it holds.
    pub value: String,
    /// What it must hold.
    pub rule: &'static str,
}

impl fmt::Display for ConfigFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, value, rule } = self;
        write!(f, "`{field}` is `{value}`: {rule}")
    }
}

fn listed(faults: &[ConfigFault]) -> String {
    let faults: Vec<String> = faults.iter().map(ConfigFault::to_string).collect();
    faults.join("; ")
}
