//! Token replay: cases are played on a net, and the tokens that this lacks and leaves are counted.
//!
//! Invariant: what is consumed was produced or missing, and what was produced or missing is consumed or remains, so
//! `produced + missing = consumed + remaining` for each trace. An event whose activity no transition stands for changes nothing
//! and is reported.
//!
//! The counts and figures are those of Rozinat and van der Aalst, Conformance checking of processes based on monitoring real
//! behavior (2008).

use super::{ConformanceError, SearchBound, labels::Labels, silent};
use crate::roles::mining::{
    ActivityIndex, Marking, PetriNet, Variant, Variants,
    petri::{Arc, Transition, TransitionIndex},
};

/// How one variant went on the net.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceReplay {
    /// How many cases took it.
    pub cases: u64,
    /// Tokens that were not there when they were needed.
    pub missing: u64,
    /// Tokens taken, those of the final marking included.
    pub consumed: u64,
    /// Tokens left beyond the final marking.
    pub remaining: u64,
    /// Tokens put, those of the initial marking included.
    pub produced: u64,
    /// The events that fired although tokens were missing, by their place in the variant.
    pub forced: Vec<usize>,
    /// The events whose activity is unknown to the net, by their place in the variant.
    pub unknown: Vec<usize>,
}

impl TraceReplay {
    /// Whether nothing was missing and nothing remained.
    pub fn fits(&self) -> bool {
        self.missing == 0 && self.remaining == 0
    }

    /// ½ (1 − missing / consumed) + ½ (1 − remaining / produced); 1 when nothing was consumed or produced.
    pub fn fitness(&self) -> f64 {
        fitness(self.missing, self.consumed, self.remaining, self.produced)
    }
}

/// How the cases of a log went on a net.
#[derive(Clone, Debug, PartialEq)]
pub struct ReplayFitness {
    /// One for each variant, in the order of [`Variants::iter`].
    pub traces: Vec<TraceReplay>,
    /// How often each transition fired, by its index, over all cases.
    pub executions: Vec<u64>,
    /// The mean of the cases' fitness; 1 without cases.
    pub average_trace_fitness: f64,
    /// The fitness of the tokens of all cases together.
    pub log_fitness: f64,
    /// The share of the cases that fit; 1 without cases.
    pub fitting_share: f64,
}

impl ReplayFitness {
    /// The activities that are unknown to the net, each with how many events name it, in the order of the log's activities.
    pub fn unknown_activities<'l>(&self, log: &'l Variants) -> Vec<(&'l str, u64)> {
        let mut events = vec![0; log.activities().len()];
        for (variant, trace) in log.iter().zip(&self.traces) {
            for event in &trace.unknown {
                events[usize::from(variant.activities[*event])] += variant.cases;
            }
        }
        let named = log.activities().iter().map(|name| &**name).zip(events);
        named.filter(|(_, events)| *events > 0).collect()
    }
}

/// Replays a log on a net.
///
/// An event fires the first enabled transition that has its activity as its label. If none is enabled, the shortest sequence
/// of silent transitions that enables one fires before it; if there is none, the transition that lacks fewest tokens is given
/// them. At the end the silent transitions fire that lead nearest to the final marking.
///
/// # Errors
///
/// A search among silent transitions passes its bound.
pub fn fitness_token_based_replay(
    log: &Variants,
    net: &PetriNet,
    bound: SearchBound,
) -> Result<ReplayFitness, ConformanceError> {
    let labels = Labels::new(log, net);
    let replayer = Replayer::new(net, &labels, bound);
    let mut executions = vec![0; net.transitions().len()];
    let mut traces = Vec::with_capacity(log.iter().len());
    for variant in log.iter() {
        let (trace, fired) = replayer.trace(variant)?;
        for transition in fired {
            executions[transition.get()] += variant.cases;
        }
        traces.push(trace);
    }
    let cases = log.cases();
    let sum =
        |of: fn(&TraceReplay) -> u64| -> u64 { traces.iter().map(|it| it.cases * of(it)).sum() };
    let weighted = traces.iter().map(|it| it.cases as f64 * it.fitness());
    let fitting = sum(|it| u64::from(it.fits()));
    Ok(ReplayFitness {
        executions,
        average_trace_fitness: mean(weighted.sum(), cases),
        log_fitness: fitness(
            sum(|it| it.missing),
            sum(|it| it.consumed),
            sum(|it| it.remaining),
            sum(|it| it.produced),
        ),
        fitting_share: mean(fitting as f64, cases),
        traces,
    })
}

/// The mean of a sum over cases; 1 without cases, for nothing deviates there.
pub(super) fn mean(sum: f64, cases: u64) -> f64 {
    if cases == 0 { 1.0 } else { sum / cases as f64 }
}

fn fitness(missing: u64, consumed: u64, remaining: u64, produced: u64) -> f64 {
    if consumed == 0 || produced == 0 {
        return 1.0;
    }
    let missing = missing as f64 / consumed as f64;
    let remaining = remaining as f64 / produced as f64;
    0.5 * (1.0 - missing) + 0.5 * (1.0 - remaining)
}

/// The tokens that arcs move.
fn weight(arcs: &[Arc]) -> u64 {
    arcs.iter().map(|arc| u64::from(arc.weight)).sum()
}

/// Plays events on a net.
pub(super) struct Replayer<'a> {
    net: &'a PetriNet,
    labels: &'a Labels,
    bound: SearchBound,
}

/// Where a replay stands, and what it did to come there.
pub(super) struct Replay {
    pub(super) marking: Marking,
    missing: u64,
    fired: Vec<TransitionIndex>,
}

impl Replay {
    /// A replay that begins at a marking.
    pub(super) fn at(marking: Marking) -> Self {
        Self {
            marking,
            missing: 0,
            fired: Vec::new(),
        }
    }
}

/// What an event did.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Played {
    /// A transition had its tokens and fired.
    Fired,
    /// A transition was given tokens and fired.
    Forced,
    /// No transition stands for the activity.
    Unknown,
}

impl<'a> Replayer<'a> {
    pub(super) fn new(net: &'a PetriNet, labels: &'a Labels, bound: SearchBound) -> Self {
        Self { net, labels, bound }
    }

    pub(super) fn event(
        &self,
        replay: &mut Replay,
        activity: ActivityIndex,
    ) -> Result<Played, ConformanceError> {
        let Some(label) = self.labels.of_activity(activity) else {
            return Ok(Played::Unknown);
        };
        let candidates = self.labels.transitions(label);
        let (path, blocked) = silent::nearest(
            self.net,
            self.labels.silent(),
            &replay.marking,
            self.bound,
            |marking| u64::from(self.enabled(candidates, marking).is_none()),
        )?;
        if blocked == 0 {
            self.fire_all(replay, path);
        }
        let enabled = self.enabled(candidates, &replay.marking);
        let transition = match enabled {
            Some(transition) => transition,
            None => self.cheapest(candidates, &replay.marking),
        };
        self.fire(replay, transition);
        Ok(if enabled.is_some() {
            Played::Fired
        } else {
            Played::Forced
        })
    }

    fn trace(
        &self,
        variant: &Variant,
    ) -> Result<(TraceReplay, Vec<TransitionIndex>), ConformanceError> {
        let mut replay = Replay::at(self.net.initial_marking().clone());
        let (mut forced, mut unknown) = (Vec::new(), Vec::new());
        for (event, activity) in variant.activities.iter().enumerate() {
            match self.event(&mut replay, *activity)? {
                Played::Fired => {}
                Played::Forced => forced.push(event),
                Played::Unknown => unknown.push(event),
            }
        }
        let wanted = self.net.final_marking();
        let (path, _) = silent::nearest(
            self.net,
            self.labels.silent(),
            &replay.marking,
            self.bound,
            |marking| {
                let (short, over) = marking.against(wanted);
                short + over
            },
        )?;
        self.fire_all(&mut replay, path);
        let (short, remaining) = replay.marking.against(wanted);
        let moved = |tokens: fn(&Transition) -> u64| -> u64 {
            let fired = replay.fired.iter();
            fired.map(|it| tokens(self.net.transition(*it))).sum()
        };
        let trace = TraceReplay {
            cases: variant.cases,
            missing: replay.missing + short,
            consumed: moved(|it| weight(&it.inputs)) + wanted.total(),
            remaining,
            produced: moved(|it| weight(&it.outputs)) + self.net.initial_marking().total(),
            forced,
            unknown,
        };
        Ok((trace, replay.fired))
    }

    fn enabled(
        &self,
        candidates: &[TransitionIndex],
        marking: &Marking,
    ) -> Option<TransitionIndex> {
        let mut candidates = candidates.iter().copied();
        candidates.find(|it| self.net.is_enabled(marking, *it))
    }

    /// The transition that lacks fewest tokens, the first of several. A label has at least one transition.
    fn cheapest(&self, candidates: &[TransitionIndex], marking: &Marking) -> TransitionIndex {
        let lacking = |it: TransitionIndex| self.net.take(&mut marking.clone(), it);
        let mut best = candidates[0];
        for candidate in &candidates[1..] {
            if lacking(*candidate) < lacking(best) {
                best = *candidate;
            }
        }
        best
    }

    fn fire_all(&self, replay: &mut Replay, path: Vec<TransitionIndex>) {
        for transition in path {
            self.fire(replay, transition);
        }
    }

    fn fire(&self, replay: &mut Replay, transition: TransitionIndex) {
        replay.missing += self.net.take(&mut replay.marking, transition);
        self.net.put(&mut replay.marking, transition);
        replay.fired.push(transition);
    }
}
