//! `llmteam mine performance`

use llmteam::roles::mining::{
    EventLog, MetricsOptions, Pairs, ProcessMetrics, Rework, Summary,
    discover_handover_of_work_network, discover_performance_dfg, get_rework_cases_per_activity,
    get_service_time, get_sojourn_time, get_suspended_time, get_waiting_time,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

use super::{percent, seconds, source};
use crate::args::Source;
use crate::error::CliError;
use crate::{exit, output};

type BySteps = BTreeMap<Box<str>, Summary>;

/// All times of a log.
struct Times {
    service: BySteps,
    suspended: BySteps,
    waiting: BySteps,
    sojourn: BySteps,
    edges: Pairs<Summary>,
    rework: BTreeMap<Box<str>, Rework>,
    handover: Pairs<f64>,
    metrics: ProcessMetrics,
}

/// Measures runs.
pub(super) async fn perform(source: &Source, json: bool) -> Result<u8, CliError> {
    let log = source::read_one(source).await?.log;
    let times = Times {
        service: get_service_time(&log),
        suspended: get_suspended_time(&log),
        waiting: get_waiting_time(&log),
        sojourn: get_sojourn_time(&log),
        edges: discover_performance_dfg(&log),
        rework: get_rework_cases_per_activity(&log),
        handover: discover_handover_of_work_network(&log, 0.0)?,
        metrics: ProcessMetrics::of(&log, MetricsOptions::default()),
    };
    if output::wants_json(json) {
        output::json(&times.json(&log)?, true)?;
    } else {
        times.show(&log)?;
    }
    Ok(exit::DONE)
}

impl Times {
    fn json(&self, log: &EventLog) -> Result<Value, CliError> {
        let steps = self.service.iter().map(|(name, service)| {
            json!({
                "step": name,
                "times": service.count,
                "service": service,
                "suspended": self.suspended.get(name),
                "waiting": self.waiting.get(name),
                "sojourn": self.sojourn.get(name),
            })
        });
        Ok(json!({
            "cases": log.case_count(),
            "steps": steps.collect::<Vec<_>>(),
            "edges": self.edges,
            "rework": self.rework,
            "handover": self.handover,
            "metrics": self.metrics,
        }))
    }

    fn show(&self, log: &EventLog) -> Result<(), CliError> {
        let mean = |times: &BySteps, name: &str| {
            times.get(name).map_or(String::new(), |it| seconds(it.mean))
        };
        let steps: Vec<_> = self
            .service
            .iter()
            .map(|(name, service)| {
                [
                    name.to_string(),
                    service.count.to_string(),
                    seconds(service.mean),
                    mean(&self.suspended, name),
                    mean(&self.waiting, name),
                    mean(&self.sojourn, name),
                ]
            })
            .collect();
        output::table(
            [
                "STEP",
                "TIMES",
                "SERVICE",
                "SUSPENDED",
                "WAITING",
                "SOJOURN",
            ],
            &steps,
        )?;
        let edges: Vec<_> = self
            .edges
            .iter()
            .map(|(from, to, it)| {
                [
                    from.to_owned(),
                    to.to_owned(),
                    it.count.to_string(),
                    seconds(it.mean),
                    seconds(it.max),
                ]
            })
            .collect();
        table(["FROM", "TO", "TIMES", "MEAN", "LONGEST"], &edges)?;
        let rework: Vec<_> = self
            .rework
            .iter()
            .map(|(name, it)| [name.to_string(), it.cases.to_string(), percent(it.ratio)])
            .collect();
        table(["DONE AGAIN", "RUNS", "SHARE"], &rework)?;
        let handover: Vec<_> = self
            .handover
            .iter()
            .map(|(from, to, share)| [from.to_owned(), to.to_owned(), percent(*share)])
            .collect();
        table(["HANDED OVER BY", "TO", "SHARE"], &handover)?;
        let it = &self.metrics;
        output::line("")?;
        output::line(&format!(
            "{} runs, {} completed; {} of the steps failed, {} needed another attempt",
            log.case_count(),
            percent(it.completion_rate),
            percent(it.error_rate),
            percent(it.retry_rate),
        ))?;
        output::line(&format!(
            "a run takes {} ({} to {})",
            seconds(it.avg_duration.as_secs_f64()),
            seconds(it.min_duration.as_secs_f64()),
            seconds(it.max_duration.as_secs_f64()),
        ))?;
        output::line(&format!(
            "bottlenecks: {}",
            it.bottleneck_activities.join(", ")
        ))
    }
}

/// A table under an empty line; none without rows.
fn table<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> Result<(), CliError> {
    if rows.is_empty() {
        return Ok(());
    }
    output::line("")?;
    output::table(head, rows)
}
