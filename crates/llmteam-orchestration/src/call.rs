//! A call to something outside the process: who makes it, and whether it arrived.
//!
//! Invariant: a [`Caller`] is the same after a restart, so what is chosen by it is chosen again.
//! This module does not know what is called.

use llmteam_security::id::{AgentId, StepId};

/// The place in a run from which a call is made.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Caller {
    /// The step.
    pub step: StepId,
    /// The agent within the step, where a step has several.
    pub agent: Option<AgentId>,
    /// Which activation of the step, from 1.
    pub activation: u32,
    /// Which attempt of the activation, from 1.
    pub attempt: u32,
}

impl Caller {
    /// The first attempt of the first activation of `step`.
    pub fn new(step: StepId) -> Self {
        Self {
            step,
            agent: None,
            activation: 1,
            attempt: 1,
        }
    }

    /// The same place at another activation and attempt.
    pub fn at(mut self, activation: u32, attempt: u32) -> Self {
        self.activation = activation;
        self.attempt = attempt;
        self
    }
}

/// What is known about whether a failed call reached the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sent {
    /// Nothing was sent: repeating the call cannot repeat its effect.
    No,
    /// It may have been sent and acted on: the connection broke or the time ran out after the start.
    Maybe,
    /// The other side answered.
    Yes,
}
