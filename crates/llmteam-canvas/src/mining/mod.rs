//! Process mining of segments: what runs did beside what was designed.
//!
//! [`net`] draws a plan as a Petri net, [`log`] reads runs from the journal as an event log, [`conformance`] compares the two.
//! What is discovered from a log, and how logs and nets are compared at all, is
//! [`llmteam_orchestration::roles::mining`], which knows neither segments nor journals.

pub mod conformance;
pub mod log;
pub mod net;

pub use self::{
    conformance::{
        Conformance, DesignError, EXAMPLES, StepDeviation, VersionCases, cases_by_definition,
        conformance_with_plan, deviation_word,
    },
    log::{LogError, MinedRuns, RunEvents, RunProjection, RunSelection, SkippedRun, read_runs},
    net::net_of_plan,
};

/// Compiles and runs the code of the page with the doc tests.
#[cfg(doctest)]
#[doc = include_str!("../../../../docs/mining.md")]
struct Page;
