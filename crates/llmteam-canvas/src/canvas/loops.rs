//! Loops as the execution rules count them, in time almost linear in the graph.
//!
//! A depth-first search from the entrypoint orders the steps. A loop is a strongly connected part;
//! its header is its step found first; without the edges into the header, inner loops remain.
//! This is the loop nesting forest of Havlak, found as in G. Ramalingam, "Identifying loops in
//! almost linear time" (TOPLAS 21, 1999): edges that cross the search tree wait at the lowest common
//! ancestor of their ends, so that each is looked at once.

/// What a search from the entrypoint finds.
pub(crate) struct Found {
    /// By step: whether a path leads to it.
    pub(crate) reached: Vec<bool>,
    /// The loops, outer ones before inner ones.
    pub(crate) loops: Vec<Loop>,
}

/// One loop.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Loop {
    /// The step of the loop that the search finds first.
    pub(crate) header: usize,
    /// The loop's steps, inner loops being named by their headers; ascending.
    pub(crate) members: Vec<usize>,
}

/// Searches from a step along `next`, the successors of each step in declaration order.
pub(crate) fn search(next: &[Vec<usize>], entrypoint: usize) -> Found {
    let count = next.len();
    let mut search = Search {
        next,
        state: vec![State::New; count],
        order: Vec::new(),
        tree: vec![None; count],
        back: vec![Vec::new(); count],
        waiting: vec![Vec::new(); count],
        finished: Sets::new(count),
    };
    search.walk(entrypoint);
    let reached = search.state.iter().map(|it| *it != State::New).collect();
    Found {
        loops: search.loops(),
        reached,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    Open,
    Done,
}

struct Search<'a> {
    next: &'a [Vec<usize>],
    state: Vec<State>,
    /// Steps as they were found.
    order: Vec<usize>,
    /// By step: where the search came from.
    tree: Vec<Option<usize>>,
    /// By step: sources of the edges from below it in the tree.
    back: Vec<Vec<usize>>,
    /// By step: the crossing and forward edges whose ends meet at it.
    waiting: Vec<Vec<(usize, usize)>>,
    /// Finished subtrees, merged into the open step above them.
    finished: Sets,
}

impl Search<'_> {
    fn walk(&mut self, entrypoint: usize) {
        let next = self.next;
        let mut open = vec![(entrypoint, 0)];
        self.enter(entrypoint);
        while let Some((step, position)) = open.last_mut() {
            let step = *step;
            let Some(&to) = next[step].get(*position) else {
                self.state[step] = State::Done;
                if let Some(above) = self.tree[step] {
                    self.finished.merge(step, above);
                }
                open.pop();
                continue;
            };
            *position += 1;
            match self.state[to] {
                State::New => {
                    self.tree[to] = Some(step);
                    self.enter(to);
                    open.push((to, 0));
                }
                State::Open => self.back[to].push(step),
                State::Done => {
                    let meeting = self.finished.find(to);
                    self.waiting[meeting].push((step, to));
                }
            }
        }
    }

    fn enter(&mut self, step: usize) {
        self.state[step] = State::Open;
        self.order.push(step);
    }

    /// Finds loops innermost first, collapsing each into its header.
    fn loops(&self) -> Vec<Loop> {
        let count = self.next.len();
        let mut collapsed = Sets::new(count);
        let mut before: Vec<Vec<usize>> = self
            .tree
            .iter()
            .map(|it| it.iter().copied().collect())
            .collect();
        let mut seen = vec![usize::MAX; count];
        let mut loops = Vec::new();
        for &header in self.order.iter().rev() {
            for &(from, to) in &self.waiting[header] {
                let to = collapsed.find(to);
                before[to].push(from);
            }
            if self.back[header].is_empty() {
                continue;
            }
            seen[header] = header;
            let mut members = vec![header];
            let mut open: Vec<usize> = self.back[header].clone();
            while let Some(step) = open.pop() {
                let step = collapsed.find(step);
                if seen[step] != header {
                    seen[step] = header;
                    members.push(step);
                    open.append(&mut before[step]);
                }
            }
            for &member in &members[1..] {
                collapsed.merge(member, header);
            }
            members.sort_unstable();
            loops.push(Loop { header, members });
        }
        loops.reverse();
        loops
    }
}

/// Disjoint sets, each with a representative of the caller's choice.
struct Sets {
    above: Vec<usize>,
}

impl Sets {
    fn new(count: usize) -> Self {
        Self {
            above: (0..count).collect(),
        }
    }

    fn find(&mut self, mut step: usize) -> usize {
        while self.above[step] != step {
            self.above[step] = self.above[self.above[step]];
            step = self.above[step];
        }
        step
    }

    /// Merges the set that `step` represents into the one that `into` represents.
    fn merge(&mut self, step: usize, into: usize) {
        self.above[step] = into;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    /// X-50 word by word: components, headers, edges removed, again.
    fn by_the_rule(next: &[Vec<usize>], entrypoint: usize) -> BTreeMap<usize, BTreeSet<usize>> {
        let order = preorder(next, entrypoint);
        let rank = |step: usize| order.iter().position(|it| *it == step);
        let reached: BTreeSet<usize> = order.iter().copied().collect();
        let mut edges: BTreeSet<(usize, usize)> = BTreeSet::new();
        for &from in &reached {
            edges.extend(next[from].iter().map(|to| (from, *to)));
        }
        let mut loops = BTreeMap::new();
        let mut parts = vec![(reached, edges)];
        while let Some((steps, edges)) = parts.pop() {
            for component in components(&steps, &edges) {
                let inner: BTreeSet<_> = edges
                    .iter()
                    .filter(|(from, to)| component.contains(from) && component.contains(to))
                    .copied()
                    .collect();
                if inner.is_empty() {
                    continue;
                }
                let header = *component.iter().min_by_key(|it| rank(**it)).unwrap();
                let rest = inner.into_iter().filter(|(_, to)| *to != header).collect();
                loops.insert(header, component.clone());
                parts.push((component, rest));
            }
        }
        loops
    }

    fn preorder(next: &[Vec<usize>], step: usize) -> Vec<usize> {
        fn walk(next: &[Vec<usize>], step: usize, order: &mut Vec<usize>) {
            if !order.contains(&step) {
                order.push(step);
                next[step].iter().for_each(|to| walk(next, *to, order));
            }
        }
        let mut order = Vec::new();
        walk(next, step, &mut order);
        order
    }

    fn components(
        steps: &BTreeSet<usize>,
        edges: &BTreeSet<(usize, usize)>,
    ) -> BTreeSet<BTreeSet<usize>> {
        let reach = |start: usize| {
            let mut reached = BTreeSet::from([start]);
            loop {
                let more: Vec<_> = edges
                    .iter()
                    .filter(|(from, _)| reached.contains(from))
                    .map(|(_, to)| *to)
                    .collect();
                let size = reached.len();
                reached.extend(more);
                if reached.len() == size {
                    return reached;
                }
            }
        };
        let reached: BTreeMap<_, _> = steps.iter().map(|it| (*it, reach(*it))).collect();
        let mutual = |a: &usize, b: &usize| reached[a].contains(b) && reached[b].contains(a);
        steps
            .iter()
            .map(|a| steps.iter().filter(|b| mutual(a, b)).copied().collect())
            .collect()
    }

    /// Loops with inner loops spelt out.
    fn whole(found: &Found) -> BTreeMap<usize, BTreeSet<usize>> {
        let mut whole: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
        for Loop { header, members } in found.loops.iter().rev() {
            let mut all = BTreeSet::new();
            for member in members {
                match whole.get(member) {
                    Some(inner) if member != header => all.extend(inner),
                    _ => drop(all.insert(*member)),
                }
            }
            whole.insert(*header, all);
        }
        whole
    }

    proptest! {
        //
        #[test]
        fn the_fast_search_agrees_with_the_rule(
            count in 1..9_usize,
            pairs in prop::collection::vec((0..9_usize, 0..9_usize), 0..24),
        ) {
            let mut next = vec![Vec::new(); count];
            for (from, to) in pairs {
                next[from % count].push(to % count);
            }
            let found = search(&next, 0);
            prop_assert_eq!(whole(&found), by_the_rule(&next, 0));
        }
    }

    #[test]
    fn ten_thousand_nested_loops_are_found_at_once() {
        let count = 10_000;
        let mut next: Vec<Vec<usize>> = (1..count).map(|step| vec![step]).collect();
        next.push((0..count).collect());
        let found = search(&next, 0);
        assert_eq!(found.loops.len(), count);
        assert_eq!(found.loops[0].header, 0);
    }
}
