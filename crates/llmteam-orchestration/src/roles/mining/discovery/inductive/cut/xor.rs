//! Choice: activities that no path joins.

use super::super::{
    graph::{Graph, Groups, Union},
    traces::{Group, Traces},
};

/// The connected parts of the graph.
pub(super) fn groups(graph: &Graph) -> Groups {
    let mut sets = Union::new(graph.nodes());
    for (from, to) in graph.edges() {
        sets.join(from, to);
    }
    sets.sets()
}

/// Each trace goes to the group that most of its events are of, the last of several, without its other events.
pub(super) fn split(traces: &Traces, groups: &[Group]) -> Vec<Traces> {
    let mut parts = vec![Traces::default(); groups.len()];
    for (trace, cases) in traces.iter() {
        let events = |group: &Group| trace.iter().filter(|it| group.contains(it)).count();
        let most = groups.iter().enumerate();
        let most = most.max_by_key(|(_, group)| events(group));
        if let Some((place, group)) = most {
            let own = trace.iter().copied().filter(|it| group.contains(it));
            parts[place].add(own.collect(), cases);
        }
    }
    parts
}
