//! One agent's working state, and who may see what of it.
//!
//! Invariant: agents never see one another, an orchestrator sees only what stands under it, and what is sealed is
//! its owner's alone. Who looks shows a [`Viewer`], who owns shows an [`OwnerToken`]; neither can be made from text.
//! This module does not know what agents do, nor where contexts are kept.

pub mod access_log;
pub mod agent;
mod audit_log;
pub mod crypto;
mod error;
mod field;
mod lineage;
mod owner;
mod policy;
mod random;
mod role;
mod sealed;
mod viewer;
mod visibility;

pub use self::{
    access_log::{
        AccessAction, AccessAttempt, AccessLog, AccessLogError, AccessOutcome, MemoryAccessLog,
    },
    agent::{
        AgentStatus, Authority, ContextServices, ContextView, GrantedView, SecureAgentContext,
        create_secure_context,
    },
    audit_log::AuditAccessLog,
    error::{ContextAccessError, LineageError},
    lineage::Lineage,
    owner::{OwnerToken, Subject},
    policy::{ContextAccessPolicy, ContextAccessResult, Refusal},
    random::NoRandomness,
    role::{ROLE_AGENT, ROLE_GROUP_ORCH, ROLE_PIPELINE_ORCH, ROLE_SYSTEM, UnknownRole, ViewerRole},
    sealed::SealedData,
    viewer::{AdminCapability, Standing, Viewer},
    visibility::{
        SENSITIVITY_VISIBILITY_MAP, SensitivityLevel, UnknownLevel, VisibilityLevel,
        get_visibility_for_sensitivity, is_visibility_allowed,
    },
};
