//! Parallelism: groups of activities each of which follows each of the others.

use super::super::{
    graph::{Graph, Groups, Union},
    traces::{Group, Traces},
};

/// Activities that do not follow each other both ways belong together. A group without a start or without an end cannot go on
/// by itself and joins its neighbour, small groups standing before large ones.
pub(super) fn groups(graph: &Graph) -> Groups {
    let mut sets = Union::new(graph.nodes());
    for a in 0..graph.nodes() {
        for b in a + 1..graph.nodes() {
            if !(graph.has_edge(a, b) && graph.has_edge(b, a)) {
                sets.join(a, b);
            }
        }
    }
    let mut groups = sets.sets();
    groups.sort_by_key(Vec::len);
    let whole = |group: &[usize]| {
        group.iter().any(|it| graph.starts[*it]) && group.iter().any(|it| graph.ends[*it])
    };
    let mut place = 0;
    while groups.len() > 1 && place < groups.len() {
        if whole(&groups[place]) {
            place += 1;
            continue;
        }
        let lacking = groups.remove(place);
        groups[place.saturating_sub(1)].extend(lacking);
    }
    groups
}

/// Each group gets its events of every trace.
pub(super) fn split(traces: &Traces, groups: &[Group]) -> Vec<Traces> {
    let part = |group: &Group| traces.project(|it| group.contains(&it));
    groups.iter().map(part).collect()
}
