//! Contexts that are entered and left by hand.
//!
//! Invariant: what was entered is left in the opposite order, also when the stack is dropped.

use super::{
    context::{TenantContext, TenantGuard},
    error::TenantError,
};
use crate::id::TenantId;

/// Tenants entered one inside the other by synchronous code. It stays on its thread.
#[derive(Debug, Default)]
pub struct TenantContextStack {
    entered: Vec<(TenantId, TenantGuard)>,
}

impl TenantContextStack {
    /// An empty stack.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes the context's tenant current.
    pub fn push(&mut self, context: TenantContext) -> Result<(), TenantError> {
        let tenant = context.tenant().clone();
        self.entered.push((tenant, context.enter()?));
        Ok(())
    }

    /// Leaves the newest context and says whose it was; `None` when the stack is empty.
    pub fn pop(&mut self) -> Option<TenantId> {
        self.entered.pop().map(|(tenant, _guard)| tenant)
    }

    /// The newest tenant of this stack.
    pub fn current(&self) -> Option<&TenantId> {
        self.entered.last().map(|(tenant, _)| tenant)
    }

    /// How many contexts are entered.
    pub fn depth(&self) -> usize {
        self.entered.len()
    }

    /// Leaves all contexts, newest first.
    pub fn clear(&mut self) {
        while self.pop().is_some() {}
    }
}

impl Drop for TenantContextStack {
    fn drop(&mut self) {
        self.clear();
    }
}
