//! How long work stood still while it was under way: for an answer, for another attempt, for whatever it was suspended for.
//!
//! Invariant: an instance that was never suspended stood still for no time and counts with 0; what overlaps counts once for
//! each suspension that says so.

use std::collections::BTreeMap;

use super::{log::EventLog, performance::Summary};

/// For each activity, how long its instances were suspended. It is part of their service time.
pub fn get_suspended_time(log: &EventLog) -> BTreeMap<Box<str>, Summary> {
    let mut times: Vec<Vec<i64>> = vec![Vec::new(); log.activities().len()];
    let mut suspensions = log.suspensions().iter().peekable();
    for (row, activity) in log.activity_column().iter().enumerate() {
        let mut stood = 0_i64;
        while let Some(it) = suspensions.next_if(|it| it.row as usize == row) {
            stood = stood.saturating_add(it.to - it.from);
        }
        times[usize::from(*activity)].push(stood);
    }
    let summaries = log.activities().iter().zip(&mut times);
    summaries
        .filter_map(|(name, times)| Some((name.clone(), Summary::of(times)?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::{
        Lifecycle::{Complete, Resume, Start, Suspend},
        LogOptions, ProcessEvent,
    };
    use super::*;
    use llmteam_security::Timestamp;

    #[test]
    fn suspensions_of_an_instance_add_up() {
        let event = |case: &str, activity: &str, lifecycle, at: i64| {
            let id = format!("{case}{activity}{at}");
            ProcessEvent::new(
                id,
                Timestamp::from_micros(at * 1_000_000),
                activity,
                "r",
                case,
            )
            .lifecycle(lifecycle)
        };
        let events = [
            event("1", "ask", Start, 0),
            event("1", "ask", Suspend, 1),
            event("1", "ask", Resume, 4),
            event("1", "ask", Suspend, 5),
            event("1", "ask", Complete, 10),
            event("1", "tell", Complete, 11),
            event("2", "ask", Complete, 3),
        ];
        let log = EventLog::from_events(&events, LogOptions::default()).unwrap();
        let times = get_suspended_time(&log);
        assert_eq!(
            (times["ask"].count, times["ask"].sum, times["ask"].mean),
            (2, 8.0, 4.0)
        );
        assert_eq!(times["tell"].sum, 0.0);
    }
}
