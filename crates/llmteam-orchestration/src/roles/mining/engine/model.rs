//! What followed what, as a value to show and to send.
//!
//! Invariant: activities stand in the order of their first occurrence, everything else sorted by name. Fitness and
//! precision are absent until something has computed them against a net.

use std::collections::BTreeMap;

use serde::Serialize;

use super::super::{
    dfg::discover_dfg, discovery::DiscoveryError, error::MiningError, log::EventLog, pairs::Pairs,
};

/// Why there is no model of what was recorded.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ModelError {
    /// The events are more than a log can hold.
    #[error(transparent)]
    Log(#[from] MiningError),
    /// The miner found none.
    #[error(transparent)]
    Discovery(#[from] DiscoveryError),
}

/// The directly-follows relation of a log: no net, and no claim of one.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ProcessModel {
    /// The activities.
    pub activities: Vec<String>,
    /// What directly followed each activity.
    pub transitions: BTreeMap<String, Vec<String>>,
    /// How often.
    pub frequencies: Pairs<u64>,
    /// How many cases begin with an activity.
    pub starts: BTreeMap<Box<str>, u64>,
    /// How many cases end with one.
    pub ends: BTreeMap<Box<str>, u64>,
    /// How much of the log a net can replay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fitness: Option<f64>,
    /// How little a net allows beyond the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub precision: Option<f64>,
}

impl ProcessModel {
    /// The relation of a log.
    pub fn of(log: &EventLog) -> Self {
        let dfg = discover_dfg(log);
        let mut transitions: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (from, to, _) in dfg.edges.iter() {
            transitions
                .entry(from.to_owned())
                .or_default()
                .push(to.to_owned());
        }
        Self {
            activities: log.activities().iter().map(ToString::to_string).collect(),
            transitions,
            frequencies: dfg.edges,
            starts: dfg.starts,
            ends: dfg.ends,
            fitness: None,
            precision: None,
        }
    }

    /// The frequencies under texts `A->B`, for people: where names contain `->`, several pairs may share a text, and
    /// their frequencies are added.
    pub fn text_frequencies(&self) -> BTreeMap<String, u64> {
        let mut texts = BTreeMap::new();
        for (from, to, count) in self.frequencies.iter() {
            *texts.entry(format!("{from}->{to}")).or_default() += count;
        }
        texts
    }
}
