//! Who works, who decides who works next, and what the work really was.
//!
//! [`agent`] is the contract of everything that works, [`mining`] reads from recorded work how it went.

pub mod agent;
pub mod mining;

pub use agent::{Agent, AgentError, AgentErrorKind, Fields};
