//! Who works next: the language-model contract every layer above speaks.
//!
//! [`call`] says who calls out and what is known about whether the call arrived, [`script`] picks the
//! answer a scripted stand-in gives, [`llm`] is the contract of language models.
//! This crate does not know HTTP, any journal, person, graph or route.

pub mod call;
pub mod llm;
pub mod script;

pub use crate::{
    call::{Caller, Sent},
    llm::{ChatRequest, ChatResponse, CompletionOptions, LlmError, LlmProvider, Usage},
};
