//! Sequence: groups of activities that are passed in one direction only.

use super::super::{
    graph::{Graph, Groups, Square, Union},
    traces::{Group, Traces},
};
use crate::roles::mining::ActivityIndex;

/// Activities that reach each other, or that do not reach each other at all, belong together; the groups are totally ordered by
/// reachability. A group that can be passed by is joined with the neighbours that can be passed by only with it.
pub(super) fn groups(graph: &Graph) -> Groups {
    let reached = graph.reachability();
    let mut sets = Union::new(graph.nodes());
    for a in 0..graph.nodes() {
        for b in a + 1..graph.nodes() {
            if reached.has(a, b) == reached.has(b, a) {
                sets.join(a, b);
            }
        }
    }
    let ordered = ordered(sets.sets(), &reached);
    joined(graph, &ordered)
}

/// The groups in the order in which they are passed: before each stand those that reach it.
fn ordered(mut groups: Groups, reached: &Square) -> Groups {
    let heads: Vec<usize> = groups.iter().map(|group| group[0]).collect();
    groups.sort_by_key(|group| {
        let before = heads.iter().filter(|head| **head != group[0]);
        before.filter(|head| reached.has(**head, group[0])).count()
    });
    groups
}

/// Joins each group that can be passed by with the groups around it that are entered or left only through it.
fn joined(graph: &Graph, groups: &[Vec<usize>]) -> Groups {
    let passage = Passage::new(graph, groups);
    let mut sets = Union::new(groups.len());
    for place in 0..groups.len() {
        if !passage.can_be_passed_by(place) {
            continue;
        }
        let before = (0..place).rev();
        for other in before.take_while(|it| passage.latest_exit[*it] <= place) {
            sets.join(place, other);
        }
        let after = place + 1..groups.len();
        for other in after.take_while(|it| passage.earliest_entry[*it] > place) {
            sets.join(place, other);
        }
    }
    let merge = |places: Vec<usize>| places.iter().flat_map(|it| groups[*it].clone()).collect();
    sets.sets().into_iter().map(merge).collect()
}

/// How the groups of a sequence are entered and left. Groups are counted from 1, so that 0 is before the first, and what
/// follows the last is the number of groups + 1.
struct Passage {
    /// From which group on a group can be entered.
    earliest_entry: Vec<usize>,
    /// Up to which group one can get from a group; one less than counted, so that `≤ place` means "no later than `place`".
    latest_exit: Vec<usize>,
    /// The edges between groups that are not neighbours, start and end of cases included, as counted.
    leaps: Vec<(usize, usize)>,
}

impl Passage {
    fn new(graph: &Graph, groups: &[Vec<usize>]) -> Self {
        let beyond = groups.len() + 1;
        let mut place = vec![0; graph.nodes()];
        for (group, number) in groups.iter().zip(1..) {
            for node in group {
                place[*node] = number;
            }
        }
        let nodes = 0..graph.nodes();
        let begun = nodes.clone().filter(|node| graph.starts[*node]);
        let begun = begun.map(|node| (0, place[node]));
        let ended = nodes.filter(|node| graph.ends[*node]);
        let ended = ended.map(|node| (place[node], beyond));
        let within = graph.edges().map(|(from, to)| (place[from], place[to]));
        let steps: Vec<(usize, usize)> = begun.chain(ended).chain(within).collect();
        let mut passage = Self {
            earliest_entry: vec![beyond; groups.len()],
            latest_exit: vec![0; groups.len()],
            leaps: Vec::new(),
        };
        for (from, to) in steps {
            if let Some(entry) = to
                .checked_sub(1)
                .and_then(|it| passage.earliest_entry.get_mut(it))
            {
                *entry = (*entry).min(from);
            }
            if let Some(exit) = from
                .checked_sub(1)
                .and_then(|it| passage.latest_exit.get_mut(it))
            {
                *exit = (*exit).max(to - 1);
            }
            if from + 1 < to {
                passage.leaps.push((from, to));
            }
        }
        passage
    }

    fn can_be_passed_by(&self, place: usize) -> bool {
        let own = place + 1;
        self.leaps.iter().any(|(from, to)| *from < own && own < *to)
    }
}

/// Cuts each trace into one piece per group, in order. A piece ends where that costs least: an event of the group within it is
/// worth one, an event of a later group costs one, and of several such places the last is taken. Events of other groups are
/// dropped.
pub(super) fn split(traces: &Traces, groups: &[Group]) -> Vec<Traces> {
    let mut parts = vec![Traces::default(); groups.len()];
    for (trace, cases) in traces.iter() {
        let mut rest = trace;
        for (place, group) in groups.iter().enumerate() {
            let passed =
                |it: &ActivityIndex| groups[..place].iter().any(|group| group.contains(it));
            let (piece, after) = rest.split_at(end_of_piece(rest, group, passed));
            let own = piece.iter().copied().filter(|it| group.contains(it));
            parts[place].add(own.collect(), cases);
            rest = after;
        }
    }
    parts
}

fn end_of_piece(
    trace: &[ActivityIndex],
    group: &Group,
    passed: impl Fn(&ActivityIndex) -> bool,
) -> usize {
    let (mut cost, mut least, mut end) = (0_i64, 0, 0);
    for (place, activity) in trace.iter().enumerate() {
        if group.contains(activity) {
            cost -= 1;
        } else if !passed(activity) {
            cost += 1;
        }
        if cost <= least {
            (least, end) = (cost, place + 1);
        }
    }
    end
}
