//! The figures of a group from those of its pipelines.
//!
//! Invariant: a pipeline counts by its cases; nothing depends on anything but the figures and the order of registration.
//! This module does not know how the figures of a pipeline come about.

use llmteam_security::AgentId;
use serde::Serialize;

use super::member::PipelineFigures;

/// The figures of a group. Those below `total_pipelines` are absent while no pipeline has any.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct GroupMetrics {
    /// How many pipelines are registered.
    pub total_pipelines: usize,
    /// From how many cases the rates come.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cases: Option<usize>,
    /// The share of cases that completed, over all pipelines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub avg_completion_rate: Option<f64>,
    /// The mean share of work that failed, each pipeline weighted by its cases.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub avg_error_rate: Option<f64>,
    /// The activities that take longest, as `pipeline:activity`: in the order of registration, longest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bottlenecks: Option<Vec<String>>,
}

/// The figures of a group whose pipelines, in the order of registration, have these.
pub(super) fn group_metrics(pipelines: &[(AgentId, Option<PipelineFigures>)]) -> GroupMetrics {
    let known: Vec<(&AgentId, &PipelineFigures)> = pipelines
        .iter()
        .filter_map(|(id, figures)| Some((id, figures.as_ref()?)))
        .collect();
    let total_pipelines = pipelines.len();
    if known.is_empty() {
        return GroupMetrics {
            total_pipelines,
            ..GroupMetrics::default()
        };
    }
    let cases: usize = known.iter().map(|(_, it)| it.cases).sum();
    let mean = |rate: fn(&PipelineFigures) -> f64| {
        let sum: f64 = known.iter().map(|(_, it)| rate(it) * it.cases as f64).sum();
        if cases == 0 { 0.0 } else { sum / cases as f64 }
    };
    let bottlenecks = known.iter().flat_map(|(id, it)| {
        let activities = it.metrics.bottleneck_activities.iter();
        activities.map(move |activity| format!("{id}:{activity}"))
    });
    GroupMetrics {
        total_pipelines,
        cases: Some(cases),
        avg_completion_rate: Some(mean(|it| it.metrics.completion_rate)),
        avg_error_rate: Some(mean(|it| it.metrics.error_rate)),
        bottlenecks: Some(bottlenecks.collect()),
    }
}
