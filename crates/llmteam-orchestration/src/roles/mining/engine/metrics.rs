//! The figures of a log at a glance.
//!
//! Invariant: nothing here depends on when it is asked: throughput is measured between the first start and the last
//! completion of the log. What an event says of its outcome and attempt counts before what its name suggests.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;

use super::super::{
    event::{Lifecycle, Outcome},
    log::EventLog,
    performance::{CaseSpan, get_service_time, get_waiting_time},
};

/// The figures of a log.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ProcessMetrics {
    /// The mean duration of cases, from first start to last completion.
    pub avg_duration: Duration,
    /// The shortest.
    pub min_duration: Duration,
    /// The longest.
    pub max_duration: Duration,
    /// Completed cases per hour between the first start and the last completion; 0 when there is no time between.
    pub cases_per_hour: f64,
    /// The share of cases that completed.
    pub completion_rate: f64,
    /// The share of instances that failed.
    pub error_rate: f64,
    /// The share of instances that were a second attempt, or a later one.
    pub retry_rate: f64,
    /// The activities that take longest, by mean service time.
    pub bottleneck_activities: Vec<String>,
    /// The activities that are waited for longest, by mean waiting time.
    pub waiting_bottlenecks: Vec<String>,
    /// The mean waiting time of each activity that is not always first.
    pub waiting_time_by_activity: BTreeMap<String, Duration>,
}

/// What counts as a bottleneck.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetricsOptions {
    /// How many at most.
    pub bottlenecks: usize,
    /// Only activities whose mean time is longer.
    pub above: Duration,
}

impl Default for MetricsOptions {
    /// Three that take any time at all.
    fn default() -> Self {
        Self {
            bottlenecks: 3,
            above: Duration::ZERO,
        }
    }
}

impl ProcessMetrics {
    /// The figures of a log.
    pub fn of(log: &EventLog, options: MetricsOptions) -> Self {
        let mut metrics = Self::default();
        metrics.count_cases(log);
        metrics.count_instances(log);
        let service = get_service_time(log);
        let service = service.iter().map(|(name, it)| (&**name, it.mean));
        metrics.bottleneck_activities = bottlenecks(service, options);
        let waiting = get_waiting_time(log);
        let means = waiting.iter().map(|(name, it)| (&**name, it.mean));
        metrics.waiting_bottlenecks = bottlenecks(means.clone(), options);
        metrics.waiting_time_by_activity = means
            .map(|(name, mean)| (name.to_owned(), Duration::from_secs_f64(mean)))
            .collect();
        metrics
    }

    fn count_cases(&mut self, log: &EventLog) {
        let mut open = vec![false; log.case_count()];
        let mut begun = None;
        for it in log
            .aside()
            .iter()
            .filter(|it| it.lifecycle == Lifecycle::Start)
        {
            open[it.case as usize] = true;
            begun = Some(begun.map_or(it.time, |first: i64| first.min(it.time)));
        }
        let completed = (0..log.case_count()).filter(|case| {
            log.case_outcome(*case)
                .map_or(!open[*case], |outcome| outcome == Outcome::Completed)
        });
        let completed = completed.count() as f64;
        if log.case_count() > 0 {
            self.completion_rate = completed / log.case_count() as f64;
        }
        let spans: Vec<CaseSpan> = log
            .cases()
            .filter(|it| !it.is_empty())
            .map(|rows| CaseSpan::of(log, rows))
            .collect();
        let duration = |it: &CaseSpan| micros(it.last_complete - it.first_start);
        self.min_duration = spans.iter().map(duration).min().unwrap_or_default();
        self.max_duration = spans.iter().map(duration).max().unwrap_or_default();
        let sum: u128 = spans.iter().map(|it| duration(it).as_micros()).sum();
        let mean = sum.checked_div(spans.len() as u128).unwrap_or(0);
        self.avg_duration = Duration::from_micros(u64::try_from(mean).unwrap_or(u64::MAX));
        let first = spans.iter().map(|it| it.first_start).chain(begun).min();
        let last = spans.iter().map(|it| it.last_complete).max();
        if let (Some(first), Some(last)) = (first, last)
            && last > first
        {
            self.cases_per_hour = completed * 3600.0 / micros(last - first).as_secs_f64();
        }
    }

    fn count_instances(&mut self, log: &EventLog) {
        let named = |word| -> Vec<bool> {
            log.activities()
                .iter()
                .map(|it| has_word(it, word))
                .collect()
        };
        let (errors, retries) = (named("error"), named("retry"));
        let (mut failed, mut again) = (0_u64, 0_u64);
        for (row, activity) in log.activity_column().iter().enumerate() {
            let (instance, activity) = (log.instance(row), usize::from(*activity));
            failed += u64::from(
                instance
                    .outcome
                    .map_or(errors[activity], |it| it == Outcome::Failed),
            );
            again += u64::from(
                instance
                    .attempt
                    .map_or(retries[activity], |it| it.get() > 1),
            );
        }
        if log.instance_count() > 0 {
            self.error_rate = failed as f64 / log.instance_count() as f64;
            self.retry_rate = again as f64 / log.instance_count() as f64;
        }
    }
}

fn micros(span: i64) -> Duration {
    Duration::from_micros(u64::try_from(span).unwrap_or(0))
}

/// Those with the longest mean in seconds, longest first, then by name.
fn bottlenecks<'a>(
    means: impl Iterator<Item = (&'a str, f64)>,
    options: MetricsOptions,
) -> Vec<String> {
    let mut means: Vec<_> = means
        .filter(|it| it.1 > options.above.as_secs_f64())
        .collect();
    means.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(b.0)));
    means
        .into_iter()
        .take(options.bottlenecks)
        .map(|(name, _)| name.to_owned())
        .collect()
}

/// Whether one of the words of a name, between anything but letters and digits, is `word`.
pub(super) fn has_word(name: &str, word: &str) -> bool {
    name.split(|it: char| !it.is_alphanumeric())
        .any(|it| it.eq_ignore_ascii_case(word))
}
