//! Alignments: for each case the nearest behaviour of a model, move by move.
//!
//! Invariant: an alignment's moves in the log, read in order, are the events of its variant, and its moves in the model lead from
//! the initial to the final marking; no other sequence of moves costs less. Among equally cheap ones the choice depends on the
//! net's order of transitions and on the variant alone.
//!
//! From Adriansyah, Aligning observed and modeled behavior (2014).

mod deviations;
mod search;

pub use self::deviations::{AlignmentDeviation, DeviationKind};
use self::search::Aligner;
use super::{ConformanceError, SearchBound, replay::mean};
use crate::roles::mining::{PetriNet, Variants, petri::TransitionIndex};

/// One step of an alignment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// The event happened and the model does it too; costs nothing.
    Synchronous {
        /// The event, by its place in the variant.
        event: usize,
        /// What the model does.
        transition: TransitionIndex,
    },
    /// The event happened and the model does not do it here; costs 1.
    Log {
        /// The event, by its place in the variant.
        event: usize,
    },
    /// The model does it and it did not happen; costs 1.
    Model {
        /// What the model does.
        transition: TransitionIndex,
    },
    /// The model takes a silent step; costs nothing, but of equally cheap alignments the one with fewest is taken.
    Silent {
        /// What the model does.
        transition: TransitionIndex,
    },
}

/// The nearest behaviour of the model to one variant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alignment {
    /// How many cases took the variant.
    pub cases: u64,
    /// How many events it has.
    pub events: u64,
    /// The moves in order.
    pub moves: Vec<Move>,
    /// How many moves are in the log alone or, visibly, in the model alone.
    pub cost: u64,
    /// How many moves are silent.
    pub silent: u64,
}

/// How near the cases of a log are to a model.
#[derive(Clone, Debug, PartialEq)]
pub struct AlignmentFitness {
    /// One for each variant, in the order of [`Variants::iter`].
    pub traces: Vec<Alignment>,
    /// The alignment of no events at all: the shortest way through the model.
    pub shortest: Alignment,
    /// The mean of the cases' fitness; 1 without cases.
    pub average_trace_fitness: f64,
    /// 1 − Σ cost / Σ (events + cost of the shortest way), over all cases.
    pub log_fitness: f64,
    /// The same where a move costs 10,000 and a silent one 1, as some other tools count.
    pub weighted_log_fitness: f64,
}

impl AlignmentFitness {
    /// 1 − cost / (events + cost of the shortest way through the model): 1 is a case as the model has it, 0 one that shares
    /// nothing with it.
    pub fn trace_fitness(&self, trace: &Alignment) -> f64 {
        complement(
            trace.cost as f64,
            (trace.events + self.shortest.cost) as f64,
        )
    }
}

/// Aligns each variant of a log with a net.
///
/// # Errors
///
/// The net cannot reach its final marking, or a search passes its bound.
pub fn fitness_alignments(
    log: &Variants,
    net: &PetriNet,
    bound: SearchBound,
) -> Result<AlignmentFitness, ConformanceError> {
    let mut aligner = Aligner::new(log, net, bound)?;
    let shortest = aligner.align(&[], 0)?;
    let traces = log
        .iter()
        .map(|variant| aligner.align(&variant.activities, variant.cases))
        .collect::<Result<Vec<_>, _>>()?;
    let mut found = AlignmentFitness {
        traces,
        shortest,
        average_trace_fitness: 1.0,
        log_fitness: 1.0,
        weighted_log_fitness: 1.0,
    };
    let each = found.traces.iter();
    let weighted = each.map(|it| it.cases as f64 * found.trace_fitness(it));
    found.average_trace_fitness = mean(weighted.sum(), log.cases());
    found.log_fitness = found.share(1.0, 0.0);
    found.weighted_log_fitness = found.share(10_000.0, 1.0);
    Ok(found)
}

impl AlignmentFitness {
    fn share(&self, visible: f64, silent: f64) -> f64 {
        let cost = |it: &Alignment| visible * it.cost as f64 + silent * it.silent as f64;
        let (mut spent, mut most) = (0.0, 0.0);
        for trace in &self.traces {
            let cases = trace.cases as f64;
            spent += cases * cost(trace);
            most += cases * (visible * trace.events as f64 + cost(&self.shortest));
        }
        complement(spent, most)
    }
}

/// 1 − part / whole, where nothing of nothing is nothing.
fn complement(part: f64, whole: f64) -> f64 {
    if whole == 0.0 {
        1.0
    } else {
        1.0 - part / whole
    }
}
