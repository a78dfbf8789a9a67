//! Who works next, and what the work really was.
//!
//! [`call`] says who calls out and what is known about whether the call arrived, [`script`] picks the
//! answer a scripted stand-in gives, [`llm`] is the contract of language models, [`context`] what agents, pipelines and
//! groups know of one another, [`roles`] who works and decides, [`execution`] runs many that work at once,
//! [`licensing`] says how many that may be.
//! This crate does not know HTTP, any journal, person, graph or route.

pub mod call;
pub mod context;
pub mod execution;
pub mod licensing;
pub mod llm;
pub mod roles;
pub mod script;

pub use crate::{
    call::{Caller, Sent},
    llm::{ChatRequest, ChatResponse, CompletionOptions, LlmError, LlmProvider, Usage},
};
