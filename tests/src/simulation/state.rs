//! What a simulation remembers of open attempts and requests.

use serde_json::{Map, Value};

/// A running attempt.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    /// Which handler call of its step.
    pub(super) call: usize,
    /// When it is out of time.
    pub(super) limit: Option<u64>,
}

/// An open human request.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) call: usize,
    pub(super) deadline: u64,
    /// Answered, or out of time.
    pub(super) closed: bool,
    window: u64,
    chain: Vec<String>,
    /// Deadlines that have fired, and those that were applied.
    fired: usize,
    level: usize,
}

impl Request {
    pub(super) fn new(config: &Map<String, Value>, call: usize, now: u64) -> Self {
        let hours = config
            .get("timeout_hours")
            .and_then(Value::as_f64)
            .unwrap_or(24.0);
        let window = (hours * 3_600_000.0).round() as u64;
        let chain = config
            .get("escalation_chain")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        let chain = chain
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect();
        Self {
            call,
            deadline: now + window,
            closed: false,
            window,
            chain,
            fired: 0,
            level: 0,
        }
    }

    /// The deadline has passed.
    pub(super) fn fire(&mut self) {
        self.fired += 1;
        self.deadline += self.window;
        self.closed = self.fired > self.chain.len();
    }

    /// The next level and its name, as long as there is one.
    pub(super) fn escalate(&mut self) -> Option<(u32, String)> {
        let assignee = self.chain.get(self.level).cloned()?;
        self.level += 1;
        Some((u32::try_from(self.level).unwrap_or(u32::MAX), assignee))
    }
}
