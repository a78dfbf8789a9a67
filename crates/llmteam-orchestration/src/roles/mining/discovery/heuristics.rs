//! The heuristics net: which activity depends on which, told from counts, so that what happened rarely does not blur what
//! happened often.
//!
//! Invariant: every edge of the net joins two activities that occur often enough; every branching is of two kept edges.
//!
//! The measures are those of Weijters and Ribeiro, Flexible heuristics miner (2011).

use std::collections::{BTreeMap, BTreeSet};

use super::{DiscoveryError, check_range};
use crate::roles::mining::{ActivityIndex, Pairs, Variants, follows::DirectlyFollows};

/// What counts as often enough.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HeuristicsOptions {
    /// The least dependency of a kept edge, from −1 to 1; 0.5.
    pub dependency_threshold: f64,
    /// The least measure at which two branches are parallel, from 0 to 1; 0.65.
    pub and_threshold: f64,
    /// The least measure of a loop of two activities, from 0 to 1; 0.5.
    pub loop_two_threshold: f64,
    /// How often an activity has to occur; 1.
    pub min_act_count: u64,
    /// How often two activities have to follow one another; 1.
    pub min_dfg_occurrences: u64,
    /// Edges below this share of the largest edge at either of their ends are not looked at, from 0 to 1; 0.05.
    pub noise: f64,
}

impl Default for HeuristicsOptions {
    fn default() -> Self {
        Self {
            dependency_threshold: 0.5,
            and_threshold: 0.65,
            loop_two_threshold: 0.5,
            min_act_count: 1,
            min_dfg_occurrences: 1,
            noise: 0.05,
        }
    }
}

impl HeuristicsOptions {
    fn check(&self) -> Result<(), DiscoveryError> {
        check_range("dependency_threshold", self.dependency_threshold, -1.0, 1.0)?;
        check_range("and_threshold", self.and_threshold, 0.0, 1.0)?;
        check_range("loop_two_threshold", self.loop_two_threshold, 0.0, 1.0)?;
        check_range("noise", self.noise, 0.0, 1.0)
    }
}

/// A kept edge.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HeuristicsEdge {
    /// How often the second activity directly followed the first.
    pub frequency: u64,
    /// How surely it depends on it; 0 of an edge that a loop of two activities brought in.
    pub dependency: f64,
}

/// How two branches belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Gateway {
    /// Both are taken.
    And,
    /// One is taken.
    Xor,
}

/// Two branches at one activity.
#[derive(Clone, Debug, PartialEq)]
pub struct Branching {
    /// Where they part or meet.
    pub activity: Box<str>,
    /// The first branch by name.
    pub first: Box<str>,
    /// The second branch by name.
    pub second: Box<str>,
    /// How surely both are taken.
    pub measure: f64,
    /// What follows from the measure.
    pub gateway: Gateway,
}

/// What depends on what.
#[derive(Clone, Debug, PartialEq)]
pub struct HeuristicsNet {
    /// The dependency of every pair that followed one another and was not noise, kept or not.
    pub dependencies: Pairs<f64>,
    /// The kept edges.
    pub edges: Pairs<HeuristicsEdge>,
    /// The pairs of branches that leave an activity, by names.
    pub splits: Vec<Branching>,
    /// The pairs of branches that come together at an activity, by names.
    pub joins: Vec<Branching>,
}

/// Discovers a heuristics net.
///
/// With `f` the directly-follows counts without noise: the dependency of `b` on `a` is (f(a,b) − f(b,a)) / (f(a,b) + f(b,a) + 1),
/// of `a` on itself f(a,a) / (f(a,a) + 1). Two branches `b`, `c` of `a` are parallel from
/// (f(b,c) + f(c,b)) / (f(a,b) + f(a,c) + 1) on, likewise where they meet. Two activities that are joined by no dependency and
/// occur as `aba` or `bab` are joined both ways.
///
/// # Errors
///
/// An option is out of range.
pub fn discover_heuristics_net(
    log: &Variants,
    options: &HeuristicsOptions,
) -> Result<HeuristicsNet, DiscoveryError> {
    options.check()?;
    let follows = without_noise(log.directly_follows(), options.noise);
    let dependencies: BTreeMap<_, _> = follows
        .edges
        .keys()
        .map(|(from, to)| ((*from, *to), dependency(&follows, *from, *to)))
        .collect();
    let often = |activity: &ActivityIndex| {
        follows.activities.get(activity).copied().unwrap_or(0) >= options.min_act_count
    };
    let mut kept: BTreeMap<Edge, f64> = dependencies
        .iter()
        .filter(|((from, to), dependency)| {
            often(from)
                && often(to)
                && follows.edge(*from, *to) >= options.min_dfg_occurrences
                && **dependency >= options.dependency_threshold
        })
        .map(|(edge, dependency)| (*edge, *dependency))
        .collect();
    let loops = loops_of_two(log, options.loop_two_threshold);
    for (a, b) in loops.into_iter().filter(|(a, b)| often(a) && often(b)) {
        if !kept.contains_key(&(a, b)) && !kept.contains_key(&(b, a)) {
            kept.extend([((a, b), 0.0), ((b, a), 0.0)]);
        }
    }
    let branchings = Branchings {
        log,
        follows: &follows,
        threshold: options.and_threshold,
    };
    let edges = kept.iter().map(|((from, to), dependency)| {
        let frequency = follows.edge(*from, *to);
        let dependency = *dependency;
        let edge = HeuristicsEdge {
            frequency,
            dependency,
        };
        (((*from).into(), (*to).into()), edge)
    });
    let all = dependencies.iter();
    let all = all.map(|((from, to), it)| (((*from).into(), (*to).into()), *it));
    Ok(HeuristicsNet {
        dependencies: Pairs::new(log.activities(), all),
        edges: Pairs::new(log.activities(), edges),
        splits: branchings.all(kept.keys().copied(), |at, to| follows.edge(at, to)),
        joins: branchings.all(kept.keys().map(|(from, to)| (*to, *from)), |at, from| {
            follows.edge(from, at)
        }),
    })
}

type Edge = (ActivityIndex, ActivityIndex);

/// Drops the edges that are small beside the largest edge at either of their ends.
fn without_noise(mut follows: DirectlyFollows, noise: f64) -> DirectlyFollows {
    let mut largest: BTreeMap<ActivityIndex, u64> = BTreeMap::new();
    for ((from, to), count) in &follows.edges {
        for end in [from, to] {
            let largest = largest.entry(*end).or_default();
            *largest = (*largest).max(*count);
        }
    }
    follows.edges.retain(|(from, to), count| {
        let beside = largest[from].min(largest[to]);
        *count as f64 >= beside as f64 * noise
    });
    follows
}

fn dependency(follows: &DirectlyFollows, from: ActivityIndex, to: ActivityIndex) -> f64 {
    let there = follows.edge(from, to) as f64;
    if from == to {
        return there / (there + 1.0);
    }
    let back = follows.edge(to, from) as f64;
    (there - back) / (there + back + 1.0)
}

/// The pairs that go to and fro often enough, the smaller index first.
fn loops_of_two(log: &Variants, threshold: f64) -> BTreeSet<Edge> {
    let mut triples: BTreeMap<Edge, u64> = BTreeMap::new();
    for variant in log.iter() {
        for triple in variant.activities.windows(3) {
            if let [a, b, again] = *triple
                && a == again
                && a != b
            {
                *triples.entry((a.min(b), a.max(b))).or_default() += variant.cases;
            }
        }
    }
    let measure = |times: u64| times as f64 / (times as f64 + 1.0);
    let often = triples
        .into_iter()
        .filter(|(_, times)| measure(*times) >= threshold);
    often.map(|(pair, _)| pair).collect()
}

struct Branchings<'a> {
    log: &'a Variants,
    follows: &'a DirectlyFollows,
    threshold: f64,
}

impl Branchings<'_> {
    /// The pairs of branches at each activity, by names. `edges` name the activity first and the branch second.
    fn all(
        &self,
        edges: impl Iterator<Item = Edge>,
        frequency: impl Fn(ActivityIndex, ActivityIndex) -> u64,
    ) -> Vec<Branching> {
        let mut branches: BTreeMap<&str, BTreeMap<&str, Edge>> = BTreeMap::new();
        for edge in edges {
            let at = branches.entry(self.log.name(edge.0)).or_default();
            at.insert(self.log.name(edge.1), edge);
        }
        let mut found = Vec::new();
        for (activity, branches) in branches {
            for (first, (at, b)) in &branches {
                for (second, (_, c)) in branches.range::<str, _>((
                    std::ops::Bound::Excluded(*first),
                    std::ops::Bound::Unbounded,
                )) {
                    let beside = self.follows.edge(*b, *c) + self.follows.edge(*c, *b);
                    let taken = frequency(*at, *b) + frequency(*at, *c) + 1;
                    let measure = beside as f64 / taken as f64;
                    found.push(Branching {
                        activity: activity.into(),
                        first: (*first).into(),
                        second: (*second).into(),
                        measure,
                        gateway: if measure >= self.threshold {
                            Gateway::And
                        } else {
                            Gateway::Xor
                        },
                    });
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roles::mining::{fixtures, get_variants};

    fn net(log: &Variants) -> HeuristicsNet {
        discover_heuristics_net(log, &HeuristicsOptions::default()).unwrap()
    }

    #[track_caller]
    fn check_dependencies(net: &HeuristicsNet, expected: &[(&str, f64)]) {
        let found: Vec<_> = net.dependencies.iter().collect();
        assert_eq!(found.len(), expected.len());
        for ((from, to, dependency), (pair, expected)) in found.into_iter().zip(expected) {
            assert_eq!(format!("{from}{to}"), *pair);
            assert!((dependency - expected).abs() < 1e-9, "{pair}: {dependency}");
        }
    }

    fn edges(net: &HeuristicsNet) -> Vec<String> {
        let edges = net.edges.iter();
        edges.map(|(from, to, _)| format!("{from}{to}")).collect()
    }

    #[track_caller]
    fn check_branching(branchings: &[Branching], at: &str, measure: f64, gateway: Gateway) {
        let found = branchings
            .iter()
            .find(|it| (&*it.activity, &*it.first, &*it.second) == (at, "b", "c"))
            .unwrap();
        assert!((found.measure - measure).abs() < 1e-9, "{found:?}");
        assert_eq!(found.gateway, gateway);
    }

    const TWO_THIRDS: f64 = 0.6666666666666666;

    // covers: MM-10, MM-11, M1
    #[test]
    fn the_net_of_l_is_that_of_the_oracle() {
        let net = net(&get_variants(&fixtures::l()));
        let expected = [
            ("ab", 0.75),
            ("ac", 0.5),
            ("ae", 0.5),
            ("bb", 0.5),
            ("bc", 0.25),
            ("bd", TWO_THIRDS),
            ("cb", -0.25),
            ("cd", TWO_THIRDS),
            ("ed", 0.5),
        ];
        check_dependencies(&net, &expected);
        assert_eq!(edges(&net), ["ab", "ac", "ae", "bb", "bd", "cd", "ed"]);
        check_branching(&net.splits, "a", 0.6, Gateway::Xor);
    }

    // covers: MM-10, MM-12
    #[test]
    fn what_comes_in_any_order_is_parallel() {
        let net = net(&get_variants(&fixtures::f()));
        let expected = [
            ("ab", TWO_THIRDS),
            ("ac", 0.5),
            ("ae", 0.5),
            ("bc", 0.25),
            ("bd", 0.5),
            ("cb", -0.25),
            ("cd", TWO_THIRDS),
            ("ed", 0.5),
        ];
        check_dependencies(&net, &expected);
        check_branching(&net.splits, "a", 0.75, Gateway::And);
        check_branching(&net.joins, "d", 0.75, Gateway::And);
    }

    // covers: MM-13
    #[test]
    fn two_activities_that_alternate_are_a_loop() {
        let log = fixtures::h();
        let found = net(&log);
        let expected = [("ab", 0.75), ("bc", 0.0), ("bd", 0.75), ("cb", 0.0)];
        check_dependencies(&found, &expected);
        assert_eq!(edges(&found), ["ab", "bc", "bd", "cb"]);
        assert_eq!(found.edges.get("b", "c").unwrap().dependency, 0.0);
        let strict = HeuristicsOptions {
            loop_two_threshold: 0.81,
            ..Default::default()
        };
        let found = discover_heuristics_net(&log, &strict).unwrap();
        assert_eq!(edges(&found), ["ab", "bd"]);
    }

    // covers: MM-11
    #[test]
    fn thresholds_and_noise_drop_edges() {
        let log = get_variants(&fixtures::l());
        let kept =
            |options: &HeuristicsOptions| edges(&discover_heuristics_net(&log, options).unwrap());
        let plain = HeuristicsOptions::default();
        let often = HeuristicsOptions {
            min_dfg_occurrences: 2,
            ..plain
        };
        assert_eq!(kept(&often), ["ab", "bd", "cd"]);
        let often = HeuristicsOptions {
            min_act_count: 4,
            ..plain
        };
        assert_eq!(kept(&often), ["ab", "bb", "bd"]);
        let sure = HeuristicsOptions {
            dependency_threshold: 0.7,
            ..plain
        };
        assert_eq!(kept(&sure), ["ab"]);
        let clean = HeuristicsOptions {
            noise: 0.5,
            ..plain
        };
        // 1 < 0.5 · min(3, 3) drops bb; 1 = 0.5 · min(3, 2) stays.
        assert_eq!(kept(&clean), ["ab", "ac", "ae", "bd", "cd", "ed"]);
    }

    // covers: MM-14
    #[test]
    fn options_out_of_range_are_refused() {
        let refused = |options: HeuristicsOptions| {
            let found = discover_heuristics_net(&Variants::default(), &options);
            found.unwrap_err().to_string()
        };
        let plain = HeuristicsOptions::default();
        assert_eq!(
            refused(HeuristicsOptions {
                noise: 1.5,
                ..plain
            }),
            "`noise` is 1.5, not between 0 and 1"
        );
        assert_eq!(
            refused(HeuristicsOptions {
                and_threshold: f64::NAN,
                ..plain
            }),
            "`and_threshold` is NaN, not between 0 and 1"
        );
    }

    // covers: M15
    #[test]
    fn the_order_of_cases_means_nothing() {
        let there = net(&fixtures::words(&["abcd", "acbd", "aed", "abbd"]));
        let back = net(&fixtures::words(&["abbd", "aed", "acbd", "abcd"]));
        assert_eq!(there.splits, back.splits);
        assert_eq!(edges(&there), edges(&back));
    }
}
