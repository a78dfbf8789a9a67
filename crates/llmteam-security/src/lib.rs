//! The security layer of llmteam: who is acting, for whom, and the foundations every layer shares.
//!
//! It knows no agent, no workflow, no graph and no route.

pub mod clock;
pub mod id;
