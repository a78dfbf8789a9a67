//! Process mining: what the work really was, read from what was recorded.
//!
//! [`engine`] records events while work goes on, [`cases`] gathers whole cases. [`log`] is what was recorded, one row for each activity instance.
//! [`dfg`] says what followed what, [`performance`] how long it took, [`standstill`] how long of that it stood still, [`rework`] what was done again and
//! [`resources`] who worked with whom.
//!
//! [`variants`] is the log as the algorithms see it: sequences of activities, equal ones counted once. [`petri`] and [`tree`]
//! are the models of what may happen, [`discovery`] makes them from logs, [`conformance`] is how well a log and a model agree.
//! [`xes`] and [`ocel`] are the formats of logs.
//! This module knows no run, no journal and no graph; who has those makes a log of them.

pub mod cases;
pub mod conformance;
pub mod dfg;
pub mod discovery;
pub mod engine;
pub mod error;
pub mod event;
#[cfg(test)]
pub(crate) mod fixtures;
pub mod follows;
pub mod log;
#[cfg(test)]
pub(crate) mod nets;
pub mod ocel;
pub mod pairs;
pub mod performance;
pub mod petri;
pub mod resources;
pub mod rework;
pub mod standstill;
pub mod tree;
pub mod variants;
pub mod xes;
pub mod xml;

pub use cases::{Case, CaseEvent, CaseLog};
pub use conformance::{
    Alignment, AlignmentDeviation, AlignmentFitness, ConformanceError, DeviationKind, Move,
    ReplayFitness, SearchBound, TraceReplay, fitness_alignments, fitness_token_based_replay,
    generalization_tbr, precision_alignments, precision_token_based_replay, simplicity_petri_net,
};
pub use dfg::{Dfg, discover_dfg, discover_eventually_follows_graph};
pub use discovery::{
    Branching, DiscoveryError, Gateway, HeuristicsEdge, HeuristicsNet, HeuristicsOptions,
    discover_heuristics_net, discover_process_tree_inductive,
};
pub use engine::{
    MetricsOptions, ModelError, ProcessMetrics, ProcessMiningEngine, ProcessModel, Retention,
    StreamTotals,
};
pub use error::MiningError;
pub use event::{Lifecycle, Outcome, ProcessEvent};
pub use follows::DirectlyFollows;
pub use log::{ActivityInstance, Attribute, AttributeValue, EventLog, LogOptions, get_variants};
pub use ocel::{
    ObjectLog, discover_object_centric_dfg, export_ocel_json, export_ocel_xml, flatten,
    import_ocel_json, import_ocel_xml,
};
pub use pairs::Pairs;
pub use performance::{
    CaseMeasure, Deviation, Summary, case_measures, discover_performance_dfg,
    discover_temporal_profile, get_service_time, get_sojourn_time, get_waiting_time,
    mean_arrival_gap,
};
pub use petri::{
    Marking, PetriNet, PetriNetError, PetriNetFault, PnmlError, export_pnml, import_pnml,
};
pub use resources::{discover_handover_of_work_network, discover_working_together_network};
pub use rework::{Rework, get_minimum_self_distance, get_rework_cases_per_activity};
pub use standstill::get_suspended_time;
pub use tree::{Operator, ProcessTree, ProcessTreeError, ProcessTreeParseError};
pub use variants::{ActivityIndex, TooManyActivities, Variant, Variants};
pub use xes::{XesImport, XesLifecycle, XesOptions, XesWarnings, export_xes, import_xes};
pub use xml::{FormatError, FormatFault, ReadLimits};

/// Compiles and runs the code of the page with the doc tests.
#[cfg(doctest)]
#[doc = include_str!("../../../../../docs/orchestration/mining-log.md")]
struct LogPage;

/// Compiles and runs the code of the page with the doc tests.
#[cfg(doctest)]
#[doc = include_str!("../../../../../docs/orchestration/mining-models.md")]
struct ModelsPage;
