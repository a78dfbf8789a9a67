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
    let mut groups = ordered(sets.sets(), &reached);
    join_optional(graph, &mut groups);
    groups
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

/// Joins each group that can be passed by with the groups before it that lead no further and the groups behind it that are
/// entered no earlier.
fn join_optional(graph: &Graph, groups: &mut Groups) {
    let steps = steps(graph, groups);
    // How early a group can be entered, and how far one can get from it, while nothing is joined yet.
    let entered = |group: usize| {
        steps
            .iter()
            .filter(move |it| it.1 == group)
            .map(|it| it.0)
            .min()
    };
    let left = |group: usize| {
        steps
            .iter()
            .filter(move |it| it.0 == group)
            .map(|it| it.1)
            .max()
    };
    let numbers = 1..=groups.len();
    let earliest: Vec<_> = numbers.clone().map(entered).collect();
    let latest: Vec<_> = numbers.clone().map(left).collect();
    // Where each group stands now; those that were joined to it stand there too.
    let mut place: Vec<usize> = (0..=groups.len() + 1).collect();
    for own in numbers {
        let leap = |(from, to): &(usize, usize)| place[*from] < own && own < place[*to];
        if !steps.iter().any(leap) {
            continue;
        }
        let before = (1..own)
            .rev()
            .take_while(|it| latest[it - 1].is_none_or(|to| to <= own));
        let after = (own + 1..=groups.len())
            .take_while(|it| earliest[it - 1].is_none_or(|from| from >= own));
        let joined: Vec<usize> = before.chain(after).collect();
        for other in place.iter_mut().filter(|it| joined.contains(it)) {
            *other = own;
        }
    }
    let mut merged = vec![Vec::new(); groups.len()];
    for (group, place) in groups.drain(..).zip(&place[1..]) {
        merged[place - 1].extend(group);
    }
    merged.retain(|it| !it.is_empty());
    *groups = merged;
}

/// From which group to which one can go, counted from 1: 0 is the start of a case, and the number after the last group its
/// end.
fn steps(graph: &Graph, groups: &Groups) -> Vec<(usize, usize)> {
    let mut number = vec![0; graph.nodes()];
    for (group, own) in groups.iter().zip(1..) {
        for node in group {
            number[*node] = own;
        }
    }
    let marked = |some: &[bool]| -> Vec<usize> {
        let nodes = number.iter().zip(some).filter(|(_, it)| **it);
        nodes.map(|(number, _)| *number).collect()
    };
    let begun = marked(&graph.starts).into_iter().map(|to| (0, to));
    let ended = marked(&graph.ends)
        .into_iter()
        .map(|from| (from, groups.len() + 1));
    let within = graph.edges().map(|(from, to)| (number[from], number[to]));
    let mut steps: Vec<_> = begun.chain(ended).chain(within).collect();
    steps.sort_unstable();
    steps.dedup();
    steps
}

/// Cuts each trace into one piece per group, in order. A piece ends where that costs least: an event of the group within it is
/// worth one, an event of a later group costs one, and of several such places the first is taken. Events of other groups are
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
        if cost < least {
            (least, end) = (cost, place + 1);
        }
    }
    end
}
