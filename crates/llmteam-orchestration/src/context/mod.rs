//! Contexts above and below one another: agents in pipelines, pipelines in groups.
//!
//! Invariant: what a context holds of those under it is the aggregate of what each of them contributes now, each
//! counted once, whatever the order and number of propagations; what is sealed or secret reaches nobody.
//! An owner is handed its [`OwnContext`] and can name no other; who looks further shows a
//! [`Viewer`](llmteam_security::context::Viewer).
//! This module does not know what agents do, nor when somebody propagates.

mod aggregation;
mod error;
mod forest;
pub mod hierarchical;
mod ledger;
mod manager;
mod own;
pub mod propagation;
mod route;
mod scope;
mod view;

pub use self::{
    aggregation::{AggregationRule, STATUS_ORDER, UnknownRule},
    error::{ContextError, Fault, FaultKind},
    hierarchical::{ContextSummary, HierarchicalContext},
    manager::ContextManager,
    own::{OwnContext, SharedSecureContext},
    propagation::{ContextPropagationConfig, PropagationConfigError, REPORTED_FIELDS},
    scope::{ContextScope, UnknownScope},
    view::ChildView,
};

/// Compiles and runs the code of the page with the doc tests.
#[cfg(doctest)]
#[doc = include_str!("../../../../docs/orchestration/context.md")]
struct Page;

#[cfg(test)]
mod tests;
