//! Which run: the one the host named, whose part of it, and at which attempt.
//!
//! Invariant: two runs that differ in any part differ as text: neither `/` nor `#` occurs in an id.
//! This module does not know whether such a run exists.

use std::fmt;

use llmteam_security::{AgentId, RunId};
use serde::{Serialize, Serializer};

/// A run, or a pipeline's part of it.
///
/// Shown as `run`, `run/pipeline`, and with `#2` for the second attempt.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunPath {
    run: RunId,
    within: Vec<AgentId>,
    attempt: u32,
}

impl RunPath {
    /// The run that the host named.
    pub fn run(&self) -> &RunId {
        &self.run
    }

    /// The way down from that run: groups and pipelines, outermost first; empty for the run itself.
    pub fn within(&self) -> &[AgentId] {
        &self.within
    }

    /// Which attempt, from 1.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// The part of this run that `pipeline` does.
    #[must_use]
    pub fn child(&self, pipeline: &AgentId) -> Self {
        let mut child = self.clone();
        child.within.push(pipeline.clone());
        child
    }

    /// The same run at another attempt.
    #[must_use]
    pub fn at_attempt(mut self, attempt: u32) -> Self {
        self.attempt = attempt;
        self
    }
}

impl From<RunId> for RunPath {
    fn from(run: RunId) -> Self {
        Self {
            run,
            within: Vec::new(),
            attempt: 1,
        }
    }
}

impl fmt::Display for RunPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.run)?;
        for pipeline in &self.within {
            write!(f, "/{pipeline}")?;
        }
        if self.attempt > 1 {
            write!(f, "#{}", self.attempt)?;
        }
        Ok(())
    }
}

impl Serialize for RunPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // covers: G13
    #[test]
    fn runs_that_differ_are_written_differently() {
        let path = |run: &str, pipeline: &str| {
            RunPath::from(run.parse::<RunId>().unwrap()).child(&pipeline.parse().unwrap())
        };
        assert_eq!(path("a", "b_c").to_string(), "a/b_c");
        assert_eq!(path("a_b", "c").to_string(), "a_b/c");
        assert_eq!(path("a", "b").at_attempt(2).to_string(), "a/b#2");
        assert_eq!(path("a", "b").run().as_str(), "a");
    }
}
