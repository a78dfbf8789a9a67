//! Loop: a body, and what leads from its ends back to its starts.

use super::super::{
    graph::{Graph, Groups, Union},
    traces::{Group, Traces},
};

/// The body first, then what leads back; fewer than two groups where nothing does.
///
/// The body has the starts and ends. Of the other connected parts one leads back when it is entered only from ends, and each
/// way in can be taken from every end, and when it leaves only to starts, and each way out leads to every start. Other parts
/// belong to the body. All that leads back is one group.
pub(super) fn groups(graph: &Graph) -> Groups {
    let nodes = 0..graph.nodes();
    let at_border = |node: usize| graph.starts[node] || graph.ends[node];
    let mut sets = Union::new(graph.nodes());
    for (from, to) in graph.edges() {
        if !at_border(from) && !at_border(to) {
            sets.join(from, to);
        }
    }
    let parts = sets.sets().into_iter().filter(|part| !at_border(part[0]));
    let (back, inner): (Vec<_>, Vec<_>) = parts.partition(|part| leads_back(graph, part));
    let border = nodes.filter(|node| at_border(*node));
    let body: Vec<usize> = border.chain(inner.into_iter().flatten()).collect();
    let mut groups = vec![body, back.concat()];
    groups.retain(|it| !it.is_empty());
    groups
}

fn leads_back(graph: &Graph, part: &[usize]) -> bool {
    let marked =
        |some: &[bool]| -> Vec<usize> { (0..graph.nodes()).filter(|node| some[*node]).collect() };
    let (starts, ends) = (marked(&graph.starts), marked(&graph.ends));
    // From all ends or from none of them, and from no start that is not an end; likewise out.
    part.iter().all(|node| {
        let enters = |from: &usize| graph.has_edge(*from, *node);
        let leaves = |to: &usize| graph.has_edge(*node, *to);
        all_or_none(&ends, enters)
            && all_or_none(&starts, leaves)
            && !starts.iter().any(|it| !graph.ends[*it] && enters(it))
            && !ends.iter().any(|it| !graph.starts[*it] && leaves(it))
    })
}

fn all_or_none(nodes: &[usize], joined: impl Fn(&usize) -> bool) -> bool {
    let count = nodes.iter().filter(|it| joined(it)).count();
    count == 0 || count == nodes.len()
}

/// Cuts each trace wherever it goes from one group to the other. It begins and ends in the body, with nothing there if need be.
pub(super) fn split(traces: &Traces, groups: &[Group]) -> Vec<Traces> {
    let mut parts = vec![Traces::default(); groups.len()];
    let [body, back] = &mut parts[..] else {
        return parts;
    };
    let in_body = |it: &u16| groups[0].contains(it);
    for (trace, cases) in traces.iter() {
        for piece in trace.chunk_by(|a, b| in_body(a) == in_body(b)) {
            let part = if in_body(&piece[0]) {
                &mut *body
            } else {
                &mut *back
            };
            part.add(piece.to_vec(), cases);
        }
        for end in [trace.first(), trace.last()] {
            if end.is_some_and(|it| !in_body(it)) {
                body.add(Vec::new(), cases);
            }
        }
    }
    parts
}
