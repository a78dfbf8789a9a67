//! How long work took and how long it waited.
//!
//! Invariant: sums are exact in microseconds; only what is given out is in seconds as floating point. Times between
//! instances are signed: overlapping work has negative ones.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    ops::Range,
};

use serde::Serialize;

use super::{log::EventLog, pairs::Pairs};

const MICROS: f64 = 1e6;

/// A summary of times, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// How many there are; at least 1.
    pub count: u64,
    /// Their mean.
    pub mean: f64,
    /// Their median; the mean of the middle two where their number is even.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
    /// Their sum.
    pub sum: f64,
    /// Their sample standard deviation; a single time has none.
    pub stdev: Option<f64>,
}

impl Summary {
    /// A summary of microseconds, whose order changes; `None` without any.
    pub(crate) fn of(micros: &mut [i64]) -> Option<Self> {
        let (min, max) = (*micros.iter().min()?, *micros.iter().max()?);
        let spread = Spread::of(micros);
        let middle = micros.len() / 2;
        let (below, median, _) = micros.select_nth_unstable(middle);
        let median = *median as f64;
        let below = below
            .iter()
            .max()
            .filter(|_| middle * 2 == spread.count as usize);
        let median = below.map_or(median, |below| (*below as f64 + median) / 2.0);
        Some(Self {
            count: spread.count,
            mean: spread.mean(),
            median: median / MICROS,
            min: min as f64 / MICROS,
            max: max as f64 / MICROS,
            sum: spread.sum as f64 / MICROS,
            stdev: spread.deviation(),
        })
    }
}

/// Exact sums of times and of their squares. They stop growing at 1.7·10³⁸ square microseconds.
#[derive(Clone, Copy, Debug, Default)]
struct Spread {
    count: u64,
    sum: i128,
    squares: i128,
}

impl Spread {
    fn of(micros: &[i64]) -> Self {
        micros.iter().fold(Self::default(), |spread, it| {
            let it = i128::from(*it);
            Self {
                count: spread.count + 1,
                sum: spread.sum + it,
                squares: spread.squares.saturating_add(it * it),
            }
        })
    }

    /// In seconds.
    fn mean(&self) -> f64 {
        self.sum as f64 / self.count as f64 / MICROS
    }

    /// The sample standard deviation in seconds; a single value has none.
    fn deviation(&self) -> Option<f64> {
        let count = i128::from(self.count);
        if count < 2 {
            return None;
        }
        // n·Σx² - (Σx)² is exact unless it is out of range.
        let exact = count
            .checked_mul(self.squares)
            .and_then(|it| Some(it - self.sum.checked_mul(self.sum)?));
        let spread = exact.map_or_else(
            || self.squares as f64 * self.count as f64 - (self.sum as f64).powi(2),
            |it| it as f64,
        );
        let pairs = self.count as f64 * (self.count - 1) as f64;
        Some((spread.max(0.0) / pairs).sqrt() / MICROS)
    }
}

/// A mean and a sample standard deviation, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Deviation {
    /// The mean.
    pub mean: f64,
    /// The deviation; 0 for a single value.
    pub stdev: f64,
}

/// Times by activity, gathered in microseconds.
struct Gathered(Vec<Vec<i64>>);

impl Gathered {
    fn new(log: &EventLog) -> Self {
        Self(vec![Vec::new(); log.activities().len()])
    }

    fn summaries(mut self, log: &EventLog) -> BTreeMap<Box<str>, Summary> {
        let summaries = self.0.iter_mut().zip(log.activities());
        summaries
            .filter_map(|(times, name)| Some((name.clone(), Summary::of(times)?)))
            .collect()
    }
}

/// For each pair of activities that followed one another directly, the times from completion to start.
pub fn discover_performance_dfg(log: &EventLog) -> Pairs<Summary> {
    let (activity, start, complete) = (
        log.activity_column(),
        log.start_column(),
        log.complete_column(),
    );
    let mut times: BTreeMap<(usize, usize), Vec<i64>> = BTreeMap::new();
    for rows in log.cases() {
        for row in rows.skip(1) {
            let pair = (activity[row - 1].into(), activity[row].into());
            times
                .entry(pair)
                .or_default()
                .push(start[row] - complete[row - 1]);
        }
    }
    let summaries = times
        .into_iter()
        .filter_map(|(pair, mut times)| Some((pair, Summary::of(&mut times)?)));
    Pairs::new(log.activities(), summaries)
}

/// For each activity, how long its instances took.
pub fn get_service_time(log: &EventLog) -> BTreeMap<Box<str>, Summary> {
    let mut times = Gathered::new(log);
    for (row, activity) in log.activity_column().iter().enumerate() {
        times.0[usize::from(*activity)].push(log.service_micros(row));
    }
    times.summaries(log)
}

/// For each activity, how long its instances waited after the one before in their case had completed. The first
/// instance of a case does not wait.
pub fn get_waiting_time(log: &EventLog) -> BTreeMap<Box<str>, Summary> {
    let mut times = Gathered::new(log);
    for rows in log.cases() {
        for row in rows.skip(1) {
            times.0[usize::from(log.activity_column()[row])].push(waited(log, row));
        }
    }
    times.summaries(log)
}

/// For each activity, waiting and service of its instances together.
pub fn get_sojourn_time(log: &EventLog) -> BTreeMap<Box<str>, Summary> {
    let mut times = Gathered::new(log);
    for rows in log.cases() {
        let first = rows.start;
        for row in rows {
            let waited = if row == first { 0 } else { waited(log, row) };
            let sojourn = waited.saturating_add(log.service_micros(row));
            times.0[usize::from(log.activity_column()[row])].push(sojourn);
        }
    }
    times.summaries(log)
}

/// How long a row that is not the first of its case waited, in microseconds.
fn waited(log: &EventLog, row: usize) -> i64 {
    (log.start_column()[row] - log.complete_column()[row - 1]).max(0)
}

/// For each pair of activities where one came after the other was complete, directly or not: the times between, from
/// completion to start.
pub fn discover_temporal_profile(log: &EventLog) -> Pairs<Deviation> {
    let mut spreads: BTreeMap<(usize, usize), Spread> = BTreeMap::new();
    let mut done = Done::new(log.activities().len());
    for rows in log.cases() {
        done.each(log, rows, |before, to, start| {
            let (count, start) = (i128::from(before.count), i128::from(start));
            let spread = spreads.entry((before.activity, to)).or_default();
            spread.count += before.count;
            spread.sum += count * start - before.sum;
            // Σ(s - c)² = n·s² - 2·s·Σc + Σc².
            let squares = (count * start).saturating_mul(start);
            let squares = squares.saturating_sub((2 * start).saturating_mul(before.sum));
            spread.squares = spread
                .squares
                .saturating_add(squares.saturating_add(before.squares));
        });
    }
    let profile = spreads.into_iter().map(|(pair, spread)| {
        (
            pair,
            Deviation {
                mean: spread.mean(),
                stdev: spread.deviation().unwrap_or(0.0),
            },
        )
    });
    Pairs::new(log.activities(), profile)
}

/// The instances of one activity that had completed, times in microseconds after the start of the case.
#[derive(Clone, Copy)]
pub(crate) struct Before {
    pub(crate) activity: usize,
    pub(crate) count: u64,
    sum: i128,
    squares: i128,
}

/// Walks a case and keeps, by activity, what has completed: all pairs of a case without looking at each.
pub(crate) struct Done {
    completed: Vec<Before>,
    /// The activities with a count above 0.
    touched: Vec<usize>,
    /// Completion and activity of earlier rows that may not be over.
    pending: BinaryHeap<Reverse<(i64, usize)>>,
}

impl Done {
    pub(crate) fn new(activities: usize) -> Self {
        let none = |activity| Before {
            activity,
            count: 0,
            sum: 0,
            squares: 0,
        };
        Self {
            completed: (0..activities).map(none).collect(),
            touched: Vec::new(),
            pending: BinaryHeap::new(),
        }
    }

    /// For each row and each activity that had completed before it started: what had, the row's activity, and its
    /// start in microseconds after the start of the case.
    pub(crate) fn each(
        &mut self,
        log: &EventLog,
        rows: Range<usize>,
        mut seen: impl FnMut(&Before, usize, i64),
    ) {
        let Some(base) = log
            .start_column()
            .get(rows.start)
            .copied()
            .filter(|_| !rows.is_empty())
        else {
            return;
        };
        for row in rows {
            let (activity, start) = (
                usize::from(log.activity_column()[row]),
                log.start_column()[row],
            );
            while let Some(Reverse((complete, of))) =
                self.pending.peek().copied().filter(|it| it.0.0 <= start)
            {
                self.pending.pop();
                let before = &mut self.completed[of];
                if before.count == 0 {
                    self.touched.push(of);
                }
                let complete = i128::from(complete - base);
                before.count += 1;
                before.sum += complete;
                before.squares = before.squares.saturating_add(complete * complete);
            }
            for of in &self.touched {
                seen(&self.completed[*of], activity, start - base);
            }
            self.pending
                .push(Reverse((log.complete_column()[row], activity)));
        }
        self.pending.clear();
        for of in self.touched.drain(..) {
            self.completed[of] = Before {
                activity: of,
                count: 0,
                sum: 0,
                squares: 0,
            };
        }
    }
}

/// The times of a case, in seconds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CaseMeasure {
    /// Its name.
    pub case: Box<str>,
    /// From the first start to the last completion.
    pub duration: f64,
    /// The sum of what its instances took.
    pub service: f64,
    /// The rest of the duration; negative where instances overlap.
    pub waiting: f64,
    /// From the first completion to the last.
    pub between_completions: f64,
}

/// The times of each case that has an instance, in the order of the log.
pub fn case_measures(log: &EventLog) -> Vec<CaseMeasure> {
    let cases = log.cases().enumerate().filter(|(_, rows)| !rows.is_empty());
    let measures = cases.map(|(case, rows)| {
        let span = CaseSpan::of(log, rows.clone());
        let service: i128 = rows.map(|row| i128::from(log.service_micros(row))).sum();
        let duration = i128::from(span.last_complete - span.first_start);
        let seconds = |micros: i128| micros as f64 / MICROS;
        CaseMeasure {
            case: log.case_name(case).into(),
            duration: seconds(duration),
            service: seconds(service),
            waiting: seconds(duration - service),
            between_completions: seconds(i128::from(span.last_complete - span.first_complete)),
        }
    });
    measures.collect()
}

/// The mean time between the first completions of cases that began one after the other, in seconds; `None` with less
/// than two cases.
pub fn mean_arrival_gap(log: &EventLog) -> Option<f64> {
    let cases = log.cases().filter(|it| !it.is_empty());
    let firsts: Vec<i64> = cases
        .map(|rows| CaseSpan::of(log, rows).first_complete)
        .collect();
    let (first, last) = (firsts.iter().min()?, firsts.iter().max()?);
    let gaps = firsts.len() - 1;
    (gaps > 0).then(|| (last - first) as f64 / gaps as f64 / MICROS)
}

/// The ends of a case, in microseconds since the epoch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CaseSpan {
    pub(crate) first_start: i64,
    pub(crate) first_complete: i64,
    pub(crate) last_complete: i64,
}

impl CaseSpan {
    /// Of a case with at least one row.
    pub(crate) fn of(log: &EventLog, rows: Range<usize>) -> Self {
        let (start, complete) = (
            &log.start_column()[rows.clone()],
            &log.complete_column()[rows],
        );
        Self {
            // Rows are ordered by their start.
            first_start: start.first().copied().unwrap_or(0),
            first_complete: complete.iter().min().copied().unwrap_or(0),
            last_complete: complete.iter().max().copied().unwrap_or(0),
        }
    }
}

#[cfg(test)]
mod tests;
