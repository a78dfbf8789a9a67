//! What is done with traces that no cut divides.
//!
//! Invariant: every trace is a sequence of the operator over its parts.

use super::{cut, traces::Traces};
use crate::roles::mining::{ActivityIndex, Operator};

/// An operator and the traces of its operands; `None` when only a flower is left. Of several ways the first is taken:
///
/// 1. an activity that occurs once in every trace is parallel to the rest;
/// 2. an activity without which there is a cut is parallel to the rest;
/// 3. traces begin again where an activity that ends some is followed by one that begins some;
/// 4. traces begin again where there is an activity that begins some.
pub(super) fn parts(traces: &Traces) -> Option<(Operator, Vec<Traces>)> {
    let follows = traces.directly_follows();
    let activities: Vec<ActivityIndex> = follows.activities.keys().copied().collect();
    let once = activities.iter().find(|it| is_once(traces, **it));
    let aside = once.or_else(|| activities.iter().find(|it| is_in_the_way(traces, **it)));
    if let Some(aside) = aside.filter(|_| activities.len() > 1) {
        let parts = vec![
            traces.project(|it| it == *aside),
            traces.project(|it| it != *aside),
        ];
        return Some((Operator::Parallel, parts));
    }
    let starts = |it: ActivityIndex| follows.starts.contains_key(&it);
    let ends = |it: ActivityIndex| follows.ends.contains_key(&it);
    let pieces = [
        traces.cut_up(|before, after| ends(before) && starts(after)),
        traces.cut_up(|_, after| starts(after)),
    ];
    let mut more = pieces.into_iter().filter(|it| it.cases() > traces.cases());
    let again = more.next()?;
    // Between two rounds nothing happens.
    let nothing = Traces::from_iter([(Vec::new(), 1)]);
    Some((Operator::Loop, vec![again, nothing]))
}

fn is_once(traces: &Traces, activity: ActivityIndex) -> bool {
    let times = |trace: &[ActivityIndex]| trace.iter().filter(|it| **it == activity).count();
    traces.iter().all(|(trace, _)| times(trace) == 1)
}

fn is_in_the_way(traces: &Traces, activity: ActivityIndex) -> bool {
    let rest = traces.project(|it| it != activity);
    cut::find(&rest.directly_follows()).is_some()
}
