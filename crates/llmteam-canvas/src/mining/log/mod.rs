//! Runs as an event log: what the journal says of them, without what they worked on.
//!
//! Invariant: a case is a run, an activity is a step, an activity instance is an activation. No input, output, answer, error
//! message or state enters a log. This module does not know what is discovered from logs.
//!
//! | what happened | in the log |
//! |---|---|
//! | an activation begins | `start` |
//! | a person is asked; a retry waits | `suspend` |
//! | the answer is there; the next attempt begins | `resume` |
//! | the activation completes | `complete`, outcome completed, the attempt that did it |
//! | it fails for good | `complete`, outcome failed |
//! | it is cancelled, or its run stops first | nothing more: a start without an end is kept aside |
//! | a step is skipped | nothing; the number of skips is an attribute of the case |
//! | a loop repeats | another activation, numbered by `llmteam:activation` |

mod events;
mod journal;
#[cfg(test)]
mod tests;

/// The attribute of a case that names its segment.
pub const SEGMENT: &str = "llmteam:segment";
/// The attribute of a case that names the definition it is pinned to, by digest.
pub const DEFINITION: &str = "llmteam:definition";

pub use self::{
    events::{RunEvents, RunProjection},
    journal::{LogError, MinedRuns, RunSelection, SkippedRun, read_runs},
};
