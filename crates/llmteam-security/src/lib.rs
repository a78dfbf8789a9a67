//! The security layer of llmteam: who is acting, for whom, and the foundations every layer shares.
//!
//! It knows no agent, no workflow, no graph and no route.

pub mod audit;
pub mod clock;
pub mod context;
pub mod id;
pub mod kv;
pub mod principal;
pub mod ratelimit;
pub mod secret;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub mod sql;
pub mod tenancy;
mod unit;

pub use crate::{
    clock::{Clock, ManualClock, SystemClock, Timestamp, Wake},
    id::{
        AgentId, InstanceId, InvalidId, PrincipalId, RequestId, RunId, SegmentId, StepId, TenantId,
    },
    kv::{KeyCodec, KeyValueStore, KvError, MemoryKeyValueStore, PhysicalKey, ScopedStore},
    principal::{Principal, Role},
    secret::{EnvSecrets, FileSecrets, Secret, SecretError, SecretsProvider},
    unit::{MemoryDatabase, UnitOfWork, UnitSession},
};
