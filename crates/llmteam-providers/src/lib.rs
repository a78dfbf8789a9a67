//! Language models of vendors, behind the contract of [`llmteam_orchestration::llm`].
//!
//! [`provider_from_config`] makes a provider for an OpenAI-compatible service, for Anthropic or for
//! Ollama. Each vendor's request, answer and stream are one file under `vendor`; what they share (sending,
//! limits, faults, framing) is written once.
//! This crate does not know who asks, nor whether a failed request is repeated.

mod config;
mod fault;
mod framing;
mod provider;
mod vendor;

pub use crate::config::{ProviderError, ProviderKind, provider_from_config};
