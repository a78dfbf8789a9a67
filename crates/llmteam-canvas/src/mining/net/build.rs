//! From the rules of execution to places and transitions.
//!
//! An edge that is resolved leaves a token with its target, which says whether it carried. A step that is decided takes the
//! tokens of its edges and is ready or dead; where it is dead its edges are resolved as dead, so deadness travels as it does in
//! the machine. A step that has run chooses one of its [`outcomes`]. A loop ends a pass when its back edges are resolved:
//! all it has left open stands before one of them. What leaves a loop is kept until this closes.
//!
//! Invariant: every completed run of the plan leads from the one initial token to the one final token, its steps in the order
//! in which they began. Modes, slots and the limit of iterations are not looked at. This file does not know logs.

use std::collections::BTreeMap;

use llmteam_orchestration::roles::mining::{PetriNet, PetriNetError};

use super::{
    draft::{Draft, PlaceId, Tokens},
    outcomes::{Filled, outcomes},
    scopes::{Arriving, Deciding, Role, Scope, Scopes},
};
use crate::canvas::plan::{EdgeIndex, ExecutionPlan, JoinKind, LoopIndex, StepIndex};

/// The net of a plan.
pub(super) fn build(plan: &ExecutionPlan) -> Result<PetriNet, PetriNetError> {
    let mut net = Builder {
        plan,
        scopes: Scopes::of(plan),
        draft: Draft::default(),
        known: BTreeMap::new(),
        open: BTreeMap::new(),
    };
    let end = net.draft.place("run/end");
    for step in net.steps() {
        net.decide(step);
        net.perform(step);
    }
    let loops = (0..plan.loops.len()).map(LoopIndex::new);
    // All exits first: a pass of an inner loop waits for those of the loops around it, too.
    let exits: Vec<(LoopIndex, Tokens)> = loops.map(|at| (at, net.exits(at))).collect();
    for (at, exits) in exits {
        net.repeat(at, exits);
    }
    net.finish(end);
    net.draft.build(end)
}

struct Builder<'a> {
    plan: &'a ExecutionPlan,
    scopes: Scopes<'a>,
    draft: Draft,
    known: BTreeMap<(Owner, &'static str), PlaceId>,
    /// How many tokens each scope waits for at the end of a pass, apart from those of back edges.
    open: BTreeMap<Scope, usize>,
}

/// What a place is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Owner {
    Step(StepIndex),
    Edge(EdgeIndex),
    Scope(Scope),
}

impl Builder<'_> {
    /// How it comes out whether a step runs.
    fn decide(&mut self, step: StepIndex) {
        let ready = self.step_place(step, "ready");
        match self.scopes.deciding(step).clone() {
            Deciding::AtOnce => self.draft.mark(ready),
            Deciding::Freely => {
                let undecided = self.step_place(step, "undecided");
                self.draft.mark(undecided);
                self.decided(step, "free", Tokens::one(undecided), Tokens::default());
            }
            Deciding::AtFirst { edges } => self.race(step, edges),
            Deciding::WhenResolved {
                inside,
                outside: None,
            } => {
                for carried in 0..=inside.needed {
                    let taken = self.arrived(step, inside, carried);
                    self.decided_as(
                        step,
                        carried > 0,
                        &carried.to_string(),
                        taken,
                        Tokens::default(),
                    );
                }
            }
            Deciding::WhenResolved {
                inside,
                outside: Some((outside, _)),
            } => {
                self.enter(step, outside);
                for carried in 0..=inside.needed {
                    for held in ["entered", "missed"] {
                        let held_place = self.step_place(step, held);
                        let taken = self.arrived(step, inside, carried).with(held_place, 1);
                        let alive = carried > 0 || held == "entered";
                        let name = format!("{held}{carried}");
                        self.decided_as(step, alive, &name, taken, Tokens::one(held_place));
                    }
                }
            }
        }
    }

    /// The tokens of all edges of a step, `carried` of which carried.
    fn arrived(&mut self, step: StepIndex, edges: Arriving, carried: usize) -> Tokens {
        Tokens::default()
            .with(self.step_place(step, "value"), carried)
            .with(self.step_place(step, "none"), edges.needed - carried)
            .with(self.step_place(step, "optional"), edges.optional)
    }

    /// Edges from outside are resolved once; what came of them holds until the loop around the step closes.
    fn enter(&mut self, step: StepIndex, edges: Arriving) {
        for carried in 0..=edges.needed {
            let taken = Tokens::default()
                .with(self.step_place(step, "value_outside"), carried)
                .with(
                    self.step_place(step, "none_outside"),
                    edges.needed - carried,
                )
                .with(self.step_place(step, "optional_outside"), edges.optional);
            let held = self.step_place(step, if carried > 0 { "entered" } else { "missed" });
            let name = self.step_name(step, &format!("enter{carried}"));
            self.draft.silent(name, taken, Tokens::one(held));
        }
    }

    /// The first value starts a race; what comes after it is dropped.
    fn race(&mut self, step: StepIndex, edges: usize) {
        let others = edges.saturating_sub(1);
        let [value, none, late] = ["value", "none", "late"].map(|it| self.step_place(step, it));
        let waits = self.wait_for(self.scopes.decided_in(step), others);
        let starts = Tokens::default().with(late, others);
        self.decided_as(step, true, "start", Tokens::one(value), starts);
        let none_left = Tokens::default().with(waits, others);
        self.decided_as(
            step,
            false,
            "none",
            Tokens::default().with(none, edges),
            none_left,
        );
        for (dropped, name) in [(value, "late_value"), (none, "late_none")] {
            let name = self.step_name(step, name);
            self.draft
                .silent(name, Tokens::one(late).with(dropped, 1), Tokens::one(waits));
        }
    }

    /// A decision that falls either way.
    fn decided(&mut self, step: StepIndex, name: &str, taken: Tokens, put: Tokens) {
        self.decided_as(step, true, name, taken.clone(), put.clone());
        self.decided_as(step, false, name, taken, put);
    }

    /// A decision for a step or against it. A `first` join says by it that its feeders are not waited for.
    fn decided_as(
        &mut self,
        step: StepIndex,
        alive: bool,
        name: &str,
        mut taken: Tokens,
        mut put: Tokens,
    ) {
        if self.plan.step(step).join == Some(JoinKind::First) && self.scopes.dismisses(step) {
            taken.add(self.open_place(step), 1);
            put.add(self.step_place(step, "over"), 1);
        }
        if alive {
            put.add(self.step_place(step, "ready"), 1);
            let name = self.step_name(step, &format!("alive_{name}"));
            self.draft.silent(name, taken, put);
        } else {
            put.add_all(&self.dead(step), 1);
            let name = self.step_name(step, &format!("dead_{name}"));
            self.draft.silent(name, taken, put);
        }
    }

    /// The step itself, what it may do, and how it may be taken out of its hands.
    fn perform(&mut self, step: StepIndex) {
        let label = self.plan.step(step).spec.step_id.to_string();
        let ready = self.step_place(step, "ready");
        let (mut taken, mut kept) = (Tokens::one(ready), Tokens::default());
        let joins: Vec<(StepIndex, bool)> = self.scopes.dismissed_by(step).collect();
        for (join, exactly) in joins {
            let mut while_over = Tokens::default();
            if exactly {
                let open = self.open_place(join);
                taken.add(open, 1);
                kept.add(open, 1);
                while_over.add(self.step_place(join, "over"), 1);
            }
            let name = self.step_name(step, &format!("dismissed_{}", self.id(join)));
            let mut put = while_over.clone();
            put.add_all(&self.dead(step), 1);
            while_over.add(ready, 1);
            self.draft.silent(name, while_over, put);
        }
        let outcomes = outcomes(self.plan, step);
        if let [only] = &outcomes[..] {
            kept.add_all(&self.outcome(step, only), 1);
            self.draft.labelled(&label, taken, kept);
            return;
        }
        let done = self.step_place(step, "done");
        kept.add(done, 1);
        self.draft.labelled(&label, taken, kept);
        for (number, outcome) in outcomes.iter().enumerate() {
            let put = self.outcome(step, outcome);
            let name = self.step_name(step, &format!("outcome{}", number + 1));
            self.draft.silent(name, Tokens::one(done), put);
        }
    }

    /// What an outcome leaves behind.
    fn outcome(&mut self, step: StepIndex, outcome: &super::outcomes::Outcome) -> Tokens {
        let mut put = self.at_the_end(step);
        for edge in outcome.edges(Filled::Yes) {
            put.add_all(&self.offered(edge), 1);
        }
        for edge in outcome.edges(Filled::No) {
            put.add_all(&self.resolved(edge, false), 1);
        }
        for (number, edges) in (1..).zip(outcome.open_ports(self.plan)) {
            put.add(self.port(step, number, &edges), 1);
        }
        put
    }

    /// A port that has a value or none.
    fn port(&mut self, step: StepIndex, number: usize, edges: &[EdgeIndex]) -> PlaceId {
        let (mut with, mut without) = (Tokens::default(), Tokens::default());
        for edge in edges {
            with.add_all(&self.offered(*edge), 1);
            without.add_all(&self.resolved(*edge, false), 1);
        }
        let name = self.step_name(step, &format!("port{number}"));
        let place = self.draft.place(&name);
        self.draft
            .silent(format!("{name}_value"), Tokens::one(place), with);
        self.draft
            .silent(format!("{name}_none"), Tokens::one(place), without);
        place
    }

    /// An edge whose port has a value: it carries, if its condition holds.
    fn offered(&mut self, edge: EdgeIndex) -> Tokens {
        if self.plan.edge(edge).condition.is_none() {
            return self.resolved(edge, true);
        }
        let offered = (Owner::Edge(edge), "condition");
        if let Some(place) = self.known.get(&offered) {
            return Tokens::one(*place);
        }
        let place = self.edge_place(edge, "condition");
        for (holds, name) in [(true, "holds"), (false, "fails")] {
            let put = self.resolved(edge, holds);
            let name = edge_name(edge, name);
            self.draft.silent(name, Tokens::one(place), put);
        }
        Tokens::one(place)
    }

    /// What an edge leaves behind when it is resolved in its step's pass.
    fn resolved(&mut self, edge: EdgeIndex, carried: bool) -> Tokens {
        if self.plan.edge(edge).leaves.is_none() {
            return self.arrives(edge, carried);
        }
        if carried {
            return Tokens::one(self.edge_place(edge, "carried"));
        }
        Tokens::one(self.scope_place(self.plan.step(self.plan.edge(edge).from).innermost, "open"))
    }

    /// What an edge leaves with its target.
    fn arrives(&mut self, at: EdgeIndex, carried: bool) -> Tokens {
        let to = self.plan.edge(at).to;
        let place = match (self.scopes.role(at), carried) {
            (Role::Ignored, _) => self.scope_place(self.scopes.home(at), "open"),
            (Role::Back(looped), true) => self.scope_place(Some(looped), "again"),
            (Role::Back(looped), false) => self.scope_place(Some(looped), "enough"),
            (Role::Needed { outside: false }, true) => self.step_place(to, "value"),
            (Role::Needed { outside: false }, false) => self.step_place(to, "none"),
            (Role::Needed { outside: true }, true) => self.step_place(to, "value_outside"),
            (Role::Needed { outside: true }, false) => self.step_place(to, "none_outside"),
            (Role::Optional { outside: false }, _) => self.step_place(to, "optional"),
            (Role::Optional { outside: true }, _) => self.step_place(to, "optional_outside"),
        };
        Tokens::one(place)
    }

    /// What a step leaves behind that does not run.
    fn dead(&mut self, step: StepIndex) -> Tokens {
        let mut put = self.at_the_end(step);
        for edge in self.plan.step(step).outgoing.clone() {
            put.add_all(&self.resolved(edge, false), 1);
        }
        put
    }

    /// The run waits for the steps that nothing follows.
    fn at_the_end(&mut self, step: StepIndex) -> Tokens {
        let is_last = self.plan.step(step).outgoing.is_empty();
        let waits = self.scope_place(None, "open");
        Tokens::default().with(waits, usize::from(is_last))
    }

    /// The end of a pass of a loop: another one, or the loop closes and its exits are resolved.
    fn repeat(&mut self, at: LoopIndex, exits: Tokens) {
        let looped = self.plan.loop_at(at);
        let scope = Some(at);
        let [again, enough] = ["again", "enough"].map(|it| self.scope_place(scope, it));
        let over = self.pass_over(scope);
        let all = looped.back_edges.len();
        let mut anew = Tokens::one(self.step_place(looped.header, "ready"));
        anew.add_all(&self.untouched(at), 1);
        for carried in 1..=all {
            let taken = over
                .clone()
                .with(again, carried)
                .with(enough, all - carried);
            let name = self.loop_name(at, &format!("again{carried}"));
            self.draft.silent(name, taken, anew.clone());
        }
        let put = self.forget(at, exits);
        let name = self.loop_name(at, "close");
        self.draft.silent(name, over.with(enough, all), put);
    }

    /// What edges brought into a loop that closes is forgotten; then it is left.
    fn forget(&mut self, at: LoopIndex, exits: Tokens) -> Tokens {
        let holds = |step: &StepIndex| matches!(self.scopes.deciding(*step), Deciding::WhenResolved { outside: Some((_, whole)), .. } if *whole == at);
        let held: Vec<StepIndex> = self.steps().into_iter().filter(holds).collect();
        if held.is_empty() {
            return exits;
        }
        let mut put = Tokens::default();
        let forgotten = self.scope_place(Some(at), "forgotten");
        for step in &held {
            let closing = self.step_place(*step, "closing");
            put.add(closing, 1);
            for what in ["entered", "missed"] {
                let taken = Tokens::one(closing).with(self.step_place(*step, what), 1);
                let name = self.step_name(*step, &format!("forget_{what}"));
                self.draft.silent(name, taken, Tokens::one(forgotten));
            }
        }
        let name = self.loop_name(at, "left");
        let taken = Tokens::default().with(forgotten, held.len());
        self.draft.silent(name, taken, exits);
        put
    }

    /// An exit carries when it did in any pass.
    fn exits(&mut self, at: LoopIndex) -> Tokens {
        let mut put = Tokens::default();
        let looped = self.plan.loop_at(at);
        if looped.exits.is_empty() {
            let place = self.wait_for(looped.parent, 1);
            put.add(place, 1);
        }
        for &edge in &looped.exits {
            let [carried, yes, no, leaving] =
                ["carried", "yes", "no", "leaving"].map(|it| self.edge_place(edge, it));
            let waits = self.wait_for(self.plan.step(self.plan.edge(edge).from).innermost, 1);
            self.draft.mark(no);
            put.add(leaving, 1);
            for (before, name) in [(no, "first"), (yes, "more")] {
                let taken = Tokens::one(carried).with(before, 1);
                let name = edge_name(edge, name);
                self.draft
                    .silent(name, taken, Tokens::one(yes).with(waits, 1));
            }
            for (held, did, name) in [(yes, true, "leaves"), (no, false, "lapses")] {
                let then = self.arrives(edge, did);
                let name = edge_name(edge, name);
                self.draft
                    .silent(name, Tokens::one(leaving).with(held, 1), then);
            }
        }
        put
    }

    /// The run is over.
    fn finish(&mut self, end: PlaceId) {
        let taken = self.pass_over(None);
        self.draft.silent("run/finish", taken, Tokens::one(end));
    }

    /// What is there at the end of a pass of a scope, apart from back edges.
    fn pass_over(&mut self, scope: Scope) -> Tokens {
        let steps = self.steps();
        let ignored = self.plan.edges.iter().zip(0..).filter(|(edge, at)| {
            let at = EdgeIndex::new(*at);
            self.plan.step(edge.from).reachable
                && self.scopes.role(at) == Role::Ignored
                && self.scopes.home(at) == scope
        });
        let mut waits = ignored.count();
        if scope.is_none() {
            let last = steps
                .iter()
                .filter(|it| self.plan.step(**it).outgoing.is_empty());
            waits += last.count();
        }
        self.wait_for(scope, waits);
        let open = self.open.get(&scope).copied().unwrap_or(0);
        let mut over = Tokens::default().with(self.scope_place(scope, "open"), open);
        for join in self.dismissing(&[scope]) {
            over.add(self.step_place(join, "over"), 1);
        }
        over
    }

    /// What lies ready before a pass of a loop: its own and that of the loops within, which have not begun.
    fn untouched(&mut self, at: LoopIndex) -> Tokens {
        let whole: Vec<Scope> = self.plan.with_inner(at).into_iter().map(Some).collect();
        let mut ready = Tokens::default();
        for step in self.steps() {
            let is_free = *self.scopes.deciding(step) == Deciding::Freely;
            if is_free && whole.contains(&self.scopes.decided_in(step)) {
                ready.add(self.step_place(step, "undecided"), 1);
            }
        }
        for join in self.dismissing(&whole) {
            ready.add(self.open_place(join), 1);
        }
        for inner in whole.iter().flatten().filter(|it| **it != at) {
            for edge in self.plan.loop_at(*inner).exits.clone() {
                ready.add(self.edge_place(edge, "no"), 1);
            }
        }
        ready
    }

    /// The `first` joins that are decided in some scopes and dismiss somebody.
    fn dismissing(&self, scopes: &[Scope]) -> Vec<StepIndex> {
        let mut steps = self.steps();
        steps.retain(|step| {
            self.plan.step(*step).join == Some(JoinKind::First)
                && *self.scopes.deciding(*step) != Deciding::AtOnce
                && scopes.contains(&self.scopes.decided_in(*step))
                && self.scopes.dismisses(*step)
        });
        steps
    }

    /// A `first` join has not begun.
    fn open_place(&mut self, join: StepIndex) -> PlaceId {
        let place = self.step_place(join, "open");
        self.draft.mark(place);
        place
    }

    /// The place of a scope whose tokens a pass waits for, and so many more of them.
    fn wait_for(&mut self, scope: Scope, more: usize) -> PlaceId {
        *self.open.entry(scope).or_default() += more;
        self.scope_place(scope, "open")
    }

    fn steps(&self) -> Vec<StepIndex> {
        let steps = self.plan.steps.iter().zip(0..);
        let reachable = steps.filter(|(step, _)| step.reachable);
        reachable.map(|(_, at)| StepIndex::new(at)).collect()
    }

    fn step_place(&mut self, step: StepIndex, what: &'static str) -> PlaceId {
        let name = self.step_name(step, what);
        self.place(Owner::Step(step), what, name)
    }

    fn edge_place(&mut self, edge: EdgeIndex, what: &'static str) -> PlaceId {
        self.place(Owner::Edge(edge), what, edge_name(edge, what))
    }

    fn scope_place(&mut self, scope: Scope, what: &'static str) -> PlaceId {
        let name = match scope {
            Some(at) => self.loop_name(at, what),
            None => format!("run/{what}"),
        };
        self.place(Owner::Scope(scope), what, name)
    }

    fn place(&mut self, owner: Owner, what: &'static str, name: String) -> PlaceId {
        let draft = &mut self.draft;
        *self
            .known
            .entry((owner, what))
            .or_insert_with(|| draft.place(name))
    }

    fn id(&self, step: StepIndex) -> &str {
        self.plan.step(step).spec.step_id.as_str()
    }

    /// No step id holds a dot or a slash, so no two names are the same.
    fn step_name(&self, step: StepIndex, what: &str) -> String {
        format!("{}.{what}", self.id(step))
    }

    fn loop_name(&self, at: LoopIndex, what: &str) -> String {
        let header = self.id(self.plan.loop_at(at).header);
        format!("{header}.loop.{what}")
    }
}

fn edge_name(edge: EdgeIndex, what: &str) -> String {
    format!("edge{}/{what}", edge.at() + 1)
}
