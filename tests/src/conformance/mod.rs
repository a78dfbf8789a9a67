//! Conformance cases: what they say, how an engine is asked, and how the answers are compared.
//!
//! The format is described in `docs/spec/conformance.md`. Nothing here knows how an engine works:
//! [`Engine`] is all that a case is run through.

mod case;
mod compare;
mod engine;
mod invariants;
mod observed;
mod rules;
mod runner_engine;
mod script;
mod stage;
mod surroundings;
mod variants;
mod verdict;

pub use case::{Case, CaseFile, Expectation, PayloadCheck, load_dir, load_file};
pub use compare::compare;
pub use engine::{Engine, OracleEngine, Refusal, case_types, scenario};
pub use invariants::breaches;
pub use observed::{Check, Observed, Seen};
pub use rules::{Coverage, coverage};
pub use runner_engine::RunnerEngine;
pub use variants::{Order, Variant, variants};
pub use verdict::{Verdict, judge};
