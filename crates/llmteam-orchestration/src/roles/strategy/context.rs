//! What a strategy is shown of a run: where it stands, who is there, and how it went so far.
//!
//! Invariant: a context is a copy that belongs to one run; nothing of another run is in it, and changing it changes no
//! run. This module does not know how the figures are counted: see [`super::super::pipeline`].

use std::{collections::BTreeMap, fmt, time::Duration};

use llmteam_security::{AgentId, Timestamp};
use serde::{Serialize, Serializer};

use super::super::{
    agent::Fields,
    decision::{DecisionSource, DecisionType},
    run::RunPath,
};

/// Where a run stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nobody has worked yet.
    Start,
    /// The agent that worked last.
    Agent(AgentId),
    /// The agents that worked last, at the same time; in the order in which they were named.
    Parallel(Vec<AgentId>),
}

impl Step {
    /// Who worked last.
    pub fn agents(&self) -> &[AgentId] {
        match self {
            Self::Start => &[],
            Self::Agent(agent) => std::slice::from_ref(agent),
            Self::Parallel(agents) => agents,
        }
    }
}

/// `start`, the agent's name, or names joined by `+`, which no name contains.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start => f.write_str("start"),
            Self::Agent(agent) => write!(f, "{agent}"),
            Self::Parallel(agents) => {
                for (n, agent) in agents.iter().enumerate() {
                    write!(f, "{}{agent}", if n == 0 { "" } else { "+" })?;
                }
                Ok(())
            }
        }
    }
}

impl Serialize for Step {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What an agent says of itself.
#[derive(Clone, Debug, PartialEq)]
pub enum AgentState {
    /// Its own fields.
    Known(Fields),
    /// It keeps none. On the wire `{"status": "available"}`.
    Available,
    /// It could not say. On the wire `{"status": "unknown"}`.
    Unknown,
}

impl AgentState {
    /// The state as fields.
    pub fn to_fields(&self) -> Fields {
        let status = |word: &str| Fields::from_iter([("status".to_owned(), word.into())]);
        match self {
            Self::Known(fields) => fields.clone(),
            Self::Available => status("available"),
            Self::Unknown => status("unknown"),
        }
    }
}

impl Serialize for AgentState {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_fields().serialize(serializer)
    }
}

/// What an agent has done in a run so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AgentRecord {
    /// How often it worked, failures included.
    pub executions: u32,
    /// How often it failed.
    pub failures: u32,
    /// Whether it was passed over.
    pub skipped: bool,
}

impl AgentRecord {
    /// Whether the agent's turn in the default order is over.
    pub fn had_its_turn(self) -> bool {
        self.executions > 0 || self.skipped
    }
}

/// One piece of work that a decision led to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExecutionRecord {
    /// Who worked.
    pub agent: AgentId,
    /// Why it failed, if it did; without secrets and bounded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// How long it took.
    #[serde(rename = "duration_ms", serialize_with = "milliseconds")]
    pub duration: Duration,
}

/// One decision of a run and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HistoryEntry {
    /// Where the run stood when it was decided.
    pub step: Step,
    /// What was decided.
    pub decision: DecisionSummary,
    /// When.
    pub timestamp: Timestamp,
    /// Who worked, in the order of the targets.
    pub executions: Vec<ExecutionRecord>,
}

/// The part of a decision that history keeps.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DecisionSummary {
    /// What was decided.
    #[serde(rename = "type")]
    pub decision_type: DecisionType,
    /// For whom.
    pub targets: Vec<AgentId>,
    /// Why.
    pub reason: String,
    /// Who decided.
    pub source: DecisionSource,
}

fn milliseconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64() * 1e3)
}

/// What a strategy is shown of a run.
#[derive(Clone, Debug)]
pub struct OrchestrationContext {
    /// Whose run it is; `None` in a context made by hand.
    pub pipeline_id: Option<AgentId>,
    /// Which run it is; `None` in a context made by hand.
    pub run: Option<RunPath>,
    /// Where the run stands.
    pub current_step: Step,
    /// The registered agents, in the order of their registration.
    pub available_agents: Vec<AgentId>,
    /// What they say of themselves.
    pub agent_states: BTreeMap<AgentId, AgentState>,
    /// What each of them has done in this run; who has done nothing may be missing.
    pub agent_records: BTreeMap<AgentId, AgentRecord>,
    /// The latest decisions of this run, oldest first.
    pub execution_history: Vec<HistoryEntry>,
    /// The input and what the agents have made of it.
    pub global_state: Fields,
    /// How long the current step has lasted: since the first execution of the agents that worked last.
    pub step_duration: Duration,
    /// How often the current step was tried again.
    pub retry_count: u32,
    /// Failed executions of this run over all of them; 0 when there were none.
    pub error_rate: f64,
    /// Who failed in the current step and was neither tried again with success nor passed over.
    pub failed_agents: Vec<AgentId>,
}

impl OrchestrationContext {
    /// The situation at `current_step` of a run in which nothing has happened yet.
    pub fn new(current_step: Step, available_agents: impl IntoIterator<Item = AgentId>) -> Self {
        Self {
            pipeline_id: None,
            run: None,
            current_step,
            available_agents: available_agents.into_iter().collect(),
            agent_states: BTreeMap::new(),
            agent_records: BTreeMap::new(),
            execution_history: Vec::new(),
            global_state: Fields::new(),
            step_duration: Duration::ZERO,
            retry_count: 0,
            error_rate: 0.0,
            failed_agents: Vec::new(),
        }
    }

    /// The first agent in order that has neither worked nor been passed over.
    pub fn next_in_order(&self) -> Option<&AgentId> {
        let done = |agent: &AgentId| {
            self.agent_records
                .get(agent)
                .is_some_and(|record| record.had_its_turn())
        };
        self.available_agents.iter().find(|agent| !done(agent))
    }
}
