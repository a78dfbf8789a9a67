//! Timing, medians, and the table of ratios.

use std::future::Future;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

/// Timed repetitions after one warm-up.
const REPEATS: usize = 7;

/// One line of the table.
struct Line {
    name: String,
    rate: f64,
    unit: &'static str,
    floor: String,
    floor_rate: f64,
    /// The figure is at its target when `rate / floor_rate` is at least this.
    target: f64,
}

/// Collects figures and prints them.
pub(crate) struct Report {
    wanted: Vec<String>,
    lines: Vec<Line>,
}

impl Report {
    pub(crate) fn new(wanted: Vec<String>) -> Self {
        Self {
            wanted,
            lines: Vec::new(),
        }
    }

    /// Whether a workload was asked for: by name, or because no name was given.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.wanted.is_empty() || self.wanted.iter().any(|it| name.contains(it.as_str()))
    }

    /// Adds a figure and its floor, both in units per second. `target` is the least ratio to the floor.
    pub(crate) fn add(
        &mut self,
        name: &str,
        unit: &'static str,
        rate: f64,
        floor: (&str, f64),
        target: f64,
    ) {
        let line = Line {
            name: name.to_owned(),
            rate,
            unit,
            floor: floor.0.to_owned(),
            floor_rate: floor.1,
            target,
        };
        eprintln!("{}", line.text());
        self.lines.push(line);
    }

    pub(crate) fn print(&self) {
        println!(
            "cpu_state: two threads do {:.2} times the work of one",
            scaling()
        );
        for line in &self.lines {
            println!("{}", line.text());
        }
    }
}

impl Line {
    fn text(&self) -> String {
        let ratio = self.rate / self.floor_rate;
        let verdict = match ratio / self.target {
            share if share >= 1.0 => "at target",
            share if share >= 0.5 => "between half the target and the target",
            _ => "below half the target",
        };
        format!(
            "{:<24} {:>12.0} {:<9} {:.2} x floor ({}: {:.0}), target {:.2}: {verdict}",
            self.name, self.rate, self.unit, ratio, self.floor, self.floor_rate, self.target
        )
    }
}

/// Units per second: the median over repeated runs of `work`, each doing `units`.
pub(crate) fn rate<F: Future<Output = ()>>(
    runtime: &Runtime,
    units: usize,
    mut work: impl FnMut() -> F,
) -> f64 {
    runtime.block_on(work());
    let mut times: Vec<Duration> = (0..REPEATS)
        .map(|_| {
            let start = now();
            runtime.block_on(work());
            start.elapsed()
        })
        .collect();
    median_rate(&mut times, units)
}

/// As [`rate`] for work on something that is made anew each time, outside the clock.
pub(crate) fn prepared_rate<T, F: Future<Output = ()>>(
    runtime: &Runtime,
    units: usize,
    mut made: impl FnMut() -> T,
    mut work: impl FnMut(T) -> F,
) -> f64 {
    runtime.block_on(work(made()));
    let mut times: Vec<Duration> = (0..REPEATS)
        .map(|_| {
            let it = made();
            let start = now();
            runtime.block_on(work(it));
            start.elapsed()
        })
        .collect();
    median_rate(&mut times, units)
}

/// As [`rate`] for work that needs no runtime.
pub(crate) fn plain_rate(units: usize, mut work: impl FnMut()) -> f64 {
    work();
    let mut times: Vec<Duration> = (0..REPEATS)
        .map(|_| {
            let start = now();
            work();
            start.elapsed()
        })
        .collect();
    median_rate(&mut times, units)
}

fn median_rate(times: &mut [Duration], units: usize) -> f64 {
    times.sort_unstable();
    units as f64 / times[times.len() / 2].as_secs_f64()
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn now() -> Instant {
    Instant::now()
}

/// A tokio runtime with two workers.
pub(crate) fn two_workers() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime with two workers starts")
}

/// How much more two threads do than one: 2.0 on two real CPUs, 1.0 where they share one.
fn scaling() -> f64 {
    fn spin() {
        let mut x = 1_u64;
        for _ in 0..100_000_000 {
            x = std::hint::black_box(x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
        }
    }
    let one = plain_rate(1, spin);
    let two = plain_rate(2, || {
        std::thread::scope(|threads| {
            threads.spawn(spin);
            threads.spawn(spin);
        });
    });
    two / one
}
