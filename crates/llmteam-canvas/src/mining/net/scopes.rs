//! In which pass of which loop each step is decided and each edge is resolved.
//!
//! A *scope* is the run or one of its loops; a pass of a loop is one of its iterations. A header is decided once in a pass of
//! the scope around its loop, every other step once in each pass of its innermost loop. An edge that comes from outside the
//! scope in which its target is decided is resolved once and holds for all passes.
//!
//! Invariant: every reachable step has one way of being decided. Where the exact way needs more than a net can say, the step
//! is [`Deciding::Freely`] decided, which allows more and never less. This file does not know nets.

use crate::canvas::plan::{EdgeIndex, ExecutionPlan, JoinKind, LoopIndex, StepIndex};

/// The run, or a loop.
pub(super) type Scope = Option<LoopIndex>;

/// How it comes out whether a step runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Deciding {
    /// It is the entrypoint: a run begins with it.
    AtOnce,
    /// When all its edges are resolved.
    WhenResolved {
        /// Those that are resolved in each pass.
        inside: Arriving,
        /// Those that are resolved once, and the outermost loop for whose passes that holds.
        outside: Option<(Arriving, LoopIndex)>,
    },
    /// By the first of its edges that carries.
    AtFirst {
        /// How many edges there are.
        edges: usize,
    },
    /// At any time, either way.
    Freely,
}

/// Edges that are waited for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Arriving {
    /// How many of them can start the step.
    pub(super) needed: usize,
    /// How many of them cannot, alone.
    pub(super) optional: usize,
}

/// What an edge is to its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It asks for another pass of the loop.
    Back(LoopIndex),
    /// It can start its target; `outside` its scope or within.
    Needed {
        /// Whether it is resolved once for all passes.
        outside: bool,
    },
    /// It is waited for.
    Optional {
        /// Whether it is resolved once for all passes.
        outside: bool,
    },
    /// Its target does not look at it.
    Ignored,
}

/// The scopes of a plan.
pub(super) struct Scopes<'a> {
    plan: &'a ExecutionPlan,
    /// By edge: the innermost scope around both its ends.
    homes: Vec<Scope>,
    /// By step.
    deciding: Vec<Deciding>,
}

impl<'a> Scopes<'a> {
    pub(super) fn of(plan: &'a ExecutionPlan) -> Self {
        let mut homes = vec![None; plan.edges.len()];
        for (looped, number) in plan.loops.iter().zip(0..) {
            for edge in &looped.own_edges {
                homes[edge.at()] = Some(LoopIndex::new(number));
            }
        }
        let mut scopes = Self {
            plan,
            homes,
            deciding: Vec::new(),
        };
        let steps = (0..plan.steps.len()).map(StepIndex::new);
        scopes.deciding = steps.map(|step| scopes.decide(step)).collect();
        scopes
    }

    /// How it comes out whether a step runs.
    pub(super) fn deciding(&self, step: StepIndex) -> &Deciding {
        &self.deciding[step.at()]
    }

    /// The scope in whose passes a step is decided.
    pub(super) fn decided_in(&self, step: StepIndex) -> Scope {
        let around = self.plan.step(step).innermost?;
        let looped = self.plan.loop_at(around);
        if looped.header == step {
            looped.parent
        } else {
            Some(around)
        }
    }

    /// The scope in whose passes an edge is resolved.
    pub(super) fn home(&self, edge: EdgeIndex) -> Scope {
        self.homes[edge.at()]
    }

    /// What an edge of a reachable step is to its target.
    pub(super) fn role(&self, at: EdgeIndex) -> Role {
        let edge = self.plan.edge(at);
        if let Some(looped) = edge.closes {
            return Role::Back(looped);
        }
        match self.deciding(edge.to) {
            Deciding::AtOnce | Deciding::Freely => Role::Ignored,
            Deciding::AtFirst { .. } => Role::Needed { outside: false },
            Deciding::WhenResolved { .. } => {
                let outside = self.is_outside(at);
                if self.is_needed(at) {
                    Role::Needed { outside }
                } else {
                    Role::Optional { outside }
                }
            }
        }
    }

    /// The `first` joins that take work out of a step's hands once they start, and whether that can be told exactly: only
    /// where the step is decided within the passes in which the join is.
    pub(super) fn dismissed_by(
        &self,
        step: StepIndex,
    ) -> impl Iterator<Item = (StepIndex, bool)> + '_ {
        let joins = self.plan.step(step).absorbed_by.iter().copied();
        let first = joins.filter(|it| self.plan.step(*it).join == Some(JoinKind::First));
        first.map(move |join| {
            let scope = self.decided_in(join);
            (join, self.is_within(self.decided_in(step), scope))
        })
    }

    /// Whether a join dismisses any step exactly.
    pub(super) fn dismisses(&self, join: StepIndex) -> bool {
        let mut feeders = self.plan.step(join).feeders.iter();
        feeders.any(|step| {
            self.plan.step(*step).reachable && self.dismissed_by(*step).any(|it| it == (join, true))
        })
    }

    /// Whether a scope is another, or inside it.
    pub(super) fn is_within(&self, inner: Scope, outer: Scope) -> bool {
        let around = std::iter::successors(inner, |at| self.plan.loop_at(*at).parent);
        outer.is_none() || around.map(Some).any(|it| it == outer)
    }

    fn decide(&self, step: StepIndex) -> Deciding {
        let planned = self.plan.step(step);
        if step == self.plan.entry {
            return Deciding::AtOnce;
        }
        let edges = planned.forward_in.iter().copied();
        let edges = edges.filter(|it| self.plan.step(self.plan.edge(*it).from).reachable);
        let (outside, inside): (Vec<EdgeIndex>, Vec<EdgeIndex>) =
            edges.partition(|it| self.is_outside(*it));
        let mut reach: Vec<LoopIndex> = outside
            .iter()
            .filter_map(|it| self.holds_for(*it))
            .collect();
        reach.sort_unstable();
        reach.dedup();
        let is_fed_away = self.dismissed_by(step).next().is_some();
        match reach[..] {
            [] if planned.is_race() => Deciding::AtFirst {
                edges: inside.len(),
            },
            [] => Deciding::WhenResolved {
                inside: self.arriving(&inside),
                outside: None,
            },
            [whole] if !planned.is_race() && !is_fed_away => Deciding::WhenResolved {
                inside: self.arriving(&inside),
                outside: Some((self.arriving(&outside), whole)),
            },
            _ => Deciding::Freely,
        }
    }

    fn arriving(&self, edges: &[EdgeIndex]) -> Arriving {
        let needed = edges.iter().filter(|it| self.is_needed(**it)).count();
        Arriving {
            needed,
            optional: edges.len() - needed,
        }
    }

    /// Whether a value on the edge can start its target; every slot of a join can.
    fn is_needed(&self, edge: EdgeIndex) -> bool {
        let target = self.plan.step(self.plan.edge(edge).to);
        let any_required = target.inputs.iter().any(|it| it.required);
        let mut ports = target.inputs.iter().filter(|it| it.edges.contains(&edge));
        target.join.is_some() || !any_required || ports.any(|it| it.required)
    }

    fn is_outside(&self, edge: EdgeIndex) -> bool {
        self.home(edge) != self.decided_in(self.plan.edge(edge).to)
    }

    /// The outermost loop around an edge's target that the edge comes into.
    fn holds_for(&self, edge: EdgeIndex) -> Option<LoopIndex> {
        let (home, inside) = (self.home(edge), self.decided_in(self.plan.edge(edge).to));
        let mut around = std::iter::successors(inside, |at| self.plan.loop_at(*at).parent);
        around.find(|it| self.plan.loop_at(*it).parent == home)
    }
}
