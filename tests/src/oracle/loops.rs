//! The loops of a segment, found by asking which steps reach which.

use super::segment::Segment;

/// A loop: a strongly connected part of the graph with at least one inner edge.
#[derive(Clone, Debug)]
pub(super) struct Loop {
    /// Its steps, in declaration order.
    pub(super) steps: Vec<usize>,
    /// The step of it that the search from the entrypoint finds first.
    pub(super) header: usize,
    /// Its inner edges into the header.
    pub(super) back_edges: Vec<usize>,
    /// 0 for an outermost loop.
    pub(super) depth: usize,
}

impl Loop {
    /// Whether `self` lies strictly inside `outer`.
    #[must_use]
    pub(super) fn is_inside(&self, outer: &Self) -> bool {
        self.depth > outer.depth && outer.steps.contains(&self.header)
    }
}

/// The reachable steps in the order of a depth-first search from the entrypoint.
#[must_use]
pub(super) fn search_order(segment: &Segment) -> Vec<usize> {
    fn visit(segment: &Segment, step: usize, order: &mut Vec<usize>) {
        if order.contains(&step) {
            return;
        }
        order.push(step);
        for edge in segment.outgoing(step) {
            visit(segment, segment.edges[edge].to, order);
        }
    }
    let mut order = Vec::new();
    visit(segment, segment.entry, &mut order);
    order
}

/// Every loop of the segment, outer ones before those inside them.
#[must_use]
pub(super) fn find(segment: &Segment) -> Vec<Loop> {
    let order = search_order(segment);
    let edges: Vec<usize> = (0..segment.edges.len())
        .filter(|&e| order.contains(&segment.edges[e].from))
        .collect();
    let mut loops = Vec::new();
    find_within(segment, &order, &edges, 0, &mut loops);
    loops
}

fn find_within(
    segment: &Segment,
    order: &[usize],
    edges: &[usize],
    depth: usize,
    loops: &mut Vec<Loop>,
) {
    let mut seen: Vec<usize> = Vec::new();
    for &header in order {
        if seen.contains(&header) {
            continue;
        }
        let mut steps: Vec<usize> = order
            .iter()
            .copied()
            .filter(|&step| {
                reaches(segment, edges, header, step) && reaches(segment, edges, step, header)
            })
            .collect();
        if steps.is_empty() {
            continue;
        }
        seen.extend(&steps);
        let inside = |e: &usize| {
            steps.contains(&segment.edges[*e].from) && steps.contains(&segment.edges[*e].to)
        };
        let inner: Vec<usize> = edges.iter().copied().filter(inside).collect();
        let (back_edges, rest): (Vec<usize>, Vec<usize>) = inner
            .into_iter()
            .partition(|&e| segment.edges[e].to == header);
        let members: Vec<usize> = steps.clone();
        steps.sort_unstable();
        loops.push(Loop {
            steps,
            header,
            back_edges,
            depth,
        });
        find_within(segment, &members, &rest, depth + 1, loops);
    }
}

/// Whether a path of at least one of these edges leads from one step to the other.
fn reaches(segment: &Segment, edges: &[usize], from: usize, to: usize) -> bool {
    let mut found = vec![from];
    let mut next = 0;
    while next < found.len() {
        let here = found[next];
        for &edge in edges.iter().filter(|&&e| segment.edges[e].from == here) {
            let target = segment.edges[edge].to;
            if target == to {
                return true;
            }
            if !found.contains(&target) {
                found.push(target);
            }
        }
        next += 1;
    }
    false
}
