//! Durable workflows of language-model agents, people and services.
//!
//! This crate only re-exports the layers; a service that needs one layer depends on that crate alone.
//! Each layer is a feature and all are on by default; `sqlite` adds durable stores to those that are on.
//!
//! | module | feature | what it is for |
//! |---|---|---|
//! | [`id`], [`clock`], [`principal`], [`secret`], [`kv`] | always | names, time, who acts, credentials, small values |
//! | [`tenancy`], [`audit`], [`context`], [`ratelimit`] | always | whose it is, who did what, who may see what of an agent, how often |
//! | [`sql`] | `sqlite` | the one database handle that all stores of a process share |
//! | [`llm`] | `orchestration` | the contract of language models, and a scripted one |
//! | [`hierarchy`] | `orchestration` | contexts of agents, pipelines and groups above one another |
//! | [`execution`], [`licensing`] | `orchestration` | many agents at once within limits, and how much a host may use |
//! | [`roles`] | `orchestration` | who works and decides, and what the work really was ([`roles::mining`]) |
//! | [`egress`] | `workflow` | outbound HTTP |
//! | [`human`] | `workflow` | questions to people and their answers |
//! | [`persistence`] | `workflow` | the run journal, leases, snapshots |
//! | [`canvas`] | `canvas` | segments: the JSON contract, its checks, the step types |
//! | [`events`] | `canvas` | what a run did, as it happens and afterwards |
//! | [`mining`] | `canvas` | runs as an event log, and beside what was designed |
//! | [`runtime`] | `canvas` | what a run may reach: models, HTTP clients, stores, secrets |
//!
//! # A segment
//!
//! ```
//! # #[cfg(feature = "canvas")] {
//! use llmteam::canvas::{
//!     catalog::StepCatalog,
//!     definition::SegmentDefinition,
//!     validate::validate_segment,
//! };
//!
//! let segment = SegmentDefinition::from_json(r#"{
//!     "segment_id": "greeting", "name": "Greeting", "version": "1.0",
//!     "entrypoint": "greet",
//!     "steps": [{
//!         "step_id": "greet", "type": "llm_agent", "name": "Greeter",
//!         "config": {"llm_ref": "main", "prompt": "Greet {name}."}
//!     }],
//!     "edges": []
//! }"#).expect("a well-formed segment");
//! let report = validate_segment(&segment, Some(&StepCatalog::with_builtins()));
//! assert!(report.is_valid());
//! # }
//! ```

pub use llmteam_security::{audit, clock, context, id, kv, principal, ratelimit, secret, tenancy};

#[cfg(feature = "sqlite")]
pub use llmteam_security::sql;

#[cfg(feature = "orchestration")]
pub use llmteam_orchestration::{
    call, context as hierarchy, execution, licensing, llm, roles, script,
};

#[cfg(feature = "workflow")]
pub use llmteam_workflow::{egress, human, persistence};

#[cfg(feature = "canvas")]
pub use llmteam_canvas::{canvas, events, mining, runtime};

/// Compiles and runs the code of the README with the doc tests.
#[cfg(all(doctest, feature = "canvas"))]
#[doc = include_str!("../../../README.md")]
struct Readme;
