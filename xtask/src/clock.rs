//! How long things took, for people to read. The one file of xtask that reads a clock.

use std::{
    fmt,
    time::{Duration, Instant},
};

/// Runs from its start until it is printed: `4.2s`, `12m03s`, `1h02m`.
#[derive(Clone, Copy)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    #[expect(
        clippy::disallowed_methods,
        reason = "xtask times builds and tests; it holds no run of llmteam"
    )]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

impl fmt::Display for Stopwatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&readable(self.elapsed()))
    }
}

fn readable(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{:.1}s", time.as_secs_f64()),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_two_units_at_most() {
        assert_eq!(readable(Duration::from_millis(4_230)), "4.2s");
        assert_eq!(readable(Duration::from_secs(723)), "12m03s");
        assert_eq!(readable(Duration::from_secs(3_725)), "1h02m");
    }
}
