//! What a `parallel_join` waits for: its slots in order, and the steps that only feed it.

use super::index::EdgeIndex;
use super::loops::Ends;

/// How a join merges its slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinKind {
    /// Waits for every slot.
    All,
    /// Starts at the first value and keeps all values there are.
    Any,
    /// Starts at the first value and cancels the rest.
    First,
}

impl JoinKind {
    /// Whether the first value is enough to start.
    pub fn is_race(self) -> bool {
        self != Self::All
    }
}

/// Orders edges into a join as slots: by port name without its trailing digits, then no number
/// before numbers, then the number, then declaration.
pub(super) fn sort_slots(edges: &mut [EdgeIndex], port_of: impl Fn(EdgeIndex) -> String) {
    edges.sort_by_cached_key(|&edge| {
        let port = port_of(edge);
        let stem = port.trim_end_matches(|c: char| c.is_ascii_digit());
        let digits = port[stem.len()..].trim_start_matches('0');
        let number = (stem.len() < port.len()).then(|| (digits.len(), digits.to_owned()));
        (stem.to_owned(), number, edge)
    });
}

/// The feeders of `join`: the largest set of steps that all reach it by forward edges and
/// whose every edge ends in the join or in the set. In declaration order.
pub(super) fn feeders(
    steps: usize,
    edges: &[Ends],
    is_forward: impl Fn(usize) -> bool,
    join: usize,
) -> Vec<usize> {
    let mut incoming = vec![Vec::new(); steps];
    let mut all_incoming = vec![Vec::new(); steps];
    for (edge, &(from, to)) in edges.iter().enumerate() {
        all_incoming[to].push(from);
        if is_forward(edge) {
            incoming[to].push(from);
        }
    }
    let mut feeds = vec![false; steps];
    let mut stack = vec![join];
    while let Some(step) = stack.pop() {
        for &before in &incoming[step] {
            if before != join && !feeds[before] {
                feeds[before] = true;
                stack.push(before);
            }
        }
    }
    let mut outside: Vec<usize> = edges
        .iter()
        .filter(|&&(from, to)| feeds[from] && to != join && !feeds[to])
        .map(|&(from, _)| from)
        .collect();
    while let Some(step) = outside.pop() {
        if std::mem::take(&mut feeds[step]) {
            outside.extend(
                all_incoming[step]
                    .iter()
                    .copied()
                    .filter(|&before| feeds[before]),
            );
        }
    }
    (0..steps).filter(|&step| feeds[step]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    //
    #[test]
    fn slots_sort_by_stem_then_number() {
        let ports = [
            "branch_10",
            "b",
            "branch_2",
            "branch_",
            "branch_02",
            "branch_2",
        ];
        let mut edges: Vec<EdgeIndex> = (0..ports.len()).map(EdgeIndex::new).collect();
        sort_slots(&mut edges, |edge| ports[edge.at()].to_owned());
        let order: Vec<usize> = edges.iter().map(|edge| edge.at()).collect();
        assert_eq!(order, [1, 3, 2, 4, 5, 0]);
    }

    //
    #[test]
    fn a_step_with_an_edge_elsewhere_feeds_nothing() {
        // 0 -> 1 -> 3(join), 0 -> 2 -> 3, 2 -> 4
        let edges = [(0, 1), (1, 3), (0, 2), (2, 3), (2, 4)];
        assert_eq!(feeders(5, &edges, |_| true, 3), [1]);
        let closed = [(0, 1), (1, 3), (0, 2), (2, 3)];
        assert_eq!(feeders(5, &closed, |_| true, 3), [0, 1, 2]);
    }
}
