//! From a checked definition to its plan.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use llmteam_security::id::{InvalidId, StepId};
use serde_json::Value;

use super::index::{EdgeIndex, StepIndex};
use super::joins::{Graph as Topology, JoinKind, feeders, sort_slots};
use super::loops::{Ends, loop_forest};
use super::{EdgeSource, ExecutionPlan, PlanEdge, PlanInput, PlanStep, digest};
use crate::canvas::catalog::StepTypeMetadata;
use crate::canvas::definition::{DEFAULT_OUTPUT, SegmentDefinition, StepDefinition};
use crate::canvas::expression::{Condition, InvalidCondition};
use crate::canvas::ports::EffectivePorts;
use crate::runtime::{PortName, StepSpec};

/// A definition that validation would have refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// The segment has no step.
    #[error("the segment has no step")]
    Empty,
    /// A step or segment id breaks its pattern.
    #[error(transparent)]
    Id(#[from] InvalidId),
    /// The entrypoint or an edge names no step.
    #[error("`{0}` is no step of the segment")]
    UnknownStep(String),
    /// An edge's condition does not compile.
    #[error(transparent)]
    Condition(#[from] InvalidCondition),
    /// The definition cannot be written as JSON.
    #[error("the definition cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

impl ExecutionPlan {
    /// Compiles a definition. `metadata` tells what is known of a step type.
    ///
    /// # Errors
    /// Only for a definition that validation refuses.
    pub fn compile(
        definition: &SegmentDefinition,
        metadata: impl Fn(&str) -> Option<Arc<StepTypeMetadata>>,
    ) -> Result<Self, PlanError> {
        Graph::read(definition, metadata)?.into_plan(definition)
    }
}

/// The definition with names replaced by positions.
struct Graph {
    metadata: Vec<Option<Arc<StepTypeMetadata>>>,
    ends: Vec<Ends>,
    entry: usize,
    ports: Vec<EffectivePorts>,
}

impl Graph {
    fn read(
        definition: &SegmentDefinition,
        metadata: impl Fn(&str) -> Option<Arc<StepTypeMetadata>>,
    ) -> Result<Self, PlanError> {
        let place: HashMap<&str, usize> = definition
            .steps
            .iter()
            .enumerate()
            .map(|(at, step)| (step.step_id.as_str(), at))
            .collect();
        let find = |id: &str| {
            place
                .get(id)
                .copied()
                .ok_or_else(|| PlanError::UnknownStep(id.to_owned()))
        };
        let entry = find(definition.effective_entrypoint().ok_or(PlanError::Empty)?)?;
        let ends = definition
            .edges
            .iter()
            .map(|edge| Ok((find(&edge.from_step)?, find(&edge.to_step)?)))
            .collect::<Result<Vec<Ends>, PlanError>>()?;
        let metadata: Vec<_> = definition
            .steps
            .iter()
            .map(|step| metadata(&step.step_type))
            .collect();
        let mut incoming = vec![Vec::new(); definition.steps.len()];
        let mut outgoing = vec![Vec::new(); definition.steps.len()];
        for (edge, &(from, to)) in definition.edges.iter().zip(&ends) {
            outgoing[from].push(edge);
            incoming[to].push(edge);
        }
        let ports = definition
            .steps
            .iter()
            .enumerate()
            .map(|(at, step)| {
                EffectivePorts::of(
                    step,
                    metadata[at].as_deref(),
                    incoming[at].iter().copied(),
                    outgoing[at].iter().copied(),
                )
            })
            .collect();
        Ok(Self {
            metadata,
            ends,
            entry,
            ports,
        })
    }

    fn into_plan(self, definition: &SegmentDefinition) -> Result<ExecutionPlan, PlanError> {
        let forest = loop_forest(definition.steps.len(), &self.ends, self.entry);
        let has_output: Vec<bool> = self
            .ports
            .iter()
            .map(|ports| ports.has_output(DEFAULT_OUTPUT))
            .collect();
        let edges = definition
            .edges
            .iter()
            .enumerate()
            .map(|(at, edge)| {
                let (from, to) = self.ends[at];
                // Every other port that an edge names is effective.
                let has_port = edge.from_port != DEFAULT_OUTPUT || has_output[from];
                Ok(PlanEdge {
                    from: StepIndex::new(from),
                    to: StepIndex::new(to),
                    source: if has_port {
                        EdgeSource::Port(PortName::from(edge.from_port.as_str()))
                    } else {
                        EdgeSource::Whole
                    },
                    to_port: PortName::from(edge.to_port.as_str()),
                    condition: edge
                        .condition
                        .as_deref()
                        .map(Condition::compile)
                        .transpose()?
                        .flatten(),
                    closes: forest.closes[at],
                    leaves: forest.leaves[at],
                })
            })
            .collect::<Result<Vec<_>, PlanError>>()?;
        let mut steps = Vec::with_capacity(definition.steps.len());
        for (at, step) in definition.steps.iter().enumerate() {
            steps.push(self.step(at, step, forest.reached[at], forest.innermost[at])?);
        }
        self.connect(&mut steps, &edges);
        self.find_feeders(&mut steps, &edges);
        let used: BTreeMap<&str, &StepTypeMetadata> = self
            .metadata
            .iter()
            .flatten()
            .map(|it| (it.type_id.as_str(), it.as_ref()))
            .collect();
        let used: Vec<&StepTypeMetadata> = used.into_values().collect();
        Ok(ExecutionPlan {
            definition: definition.clone(),
            digest: digest::digest(definition, &used)?,
            specs: steps.iter().map(|it| Arc::clone(&it.spec)).collect(),
            steps,
            edges,
            loops: forest.loops,
            entry: StepIndex::new(self.entry),
            timeout: definition.params.timeout(),
        })
    }

    fn step(
        &self,
        at: usize,
        step: &StepDefinition,
        reachable: bool,
        innermost: Option<super::LoopIndex>,
    ) -> Result<PlanStep, PlanError> {
        let ports = &self.ports[at];
        let outputs: Vec<PortName> = ports
            .outputs
            .iter()
            .map(|name| PortName::from(name.as_str()))
            .collect();
        let has_error_port = outputs.iter().any(|port| &**port == "error");
        let metadata = self.metadata[at].as_deref();
        let retries = if metadata.is_some_and(|it| !it.supports_retry) {
            Some(0)
        } else {
            step.config
                .get("retry_count")
                .and_then(Value::as_u64)
                .map(|n| u32::try_from(n).unwrap_or(u32::MAX))
        };
        let timeout = step
            .config
            .get("timeout_seconds")
            .and_then(Value::as_f64)
            .filter(|seconds| *seconds > 0.0 && metadata.is_none_or(|it| it.supports_timeout))
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        Ok(PlanStep {
            spec: Arc::new(StepSpec::new(
                step.step_id.parse::<StepId>()?,
                step.step_type.clone(),
                step.config.clone(),
                outputs,
            )),
            reachable,
            join: (step.step_type == "parallel_join").then(|| join_kind(step)),
            retries,
            timeout,
            default_output: PortName::from(ports.default_output.as_str()),
            has_error_port,
            inputs: Vec::new(),
            forward_in: Vec::new(),
            slots: Vec::new(),
            back_in: Vec::new(),
            outgoing: Vec::new(),
            has_conditions: false,
            only_port: None,
            innermost,
            feeders: Vec::new(),
            absorbed_by: Vec::new(),
        })
    }

    /// Tells every step its edges, connected ports and slots.
    fn connect(&self, steps: &mut [PlanStep], edges: &[PlanEdge]) {
        let mut ports_named = vec![None::<PortName>; steps.len()];
        let mut agree = vec![true; steps.len()];
        for (at, edge) in edges.iter().enumerate() {
            let at = EdgeIndex::new(at);
            let source = &mut steps[edge.from.at()];
            source.outgoing.push(at);
            source.has_conditions |= edge.condition.is_some();
            let target = edge.to.at();
            match &ports_named[target] {
                None => ports_named[target] = Some(edge.to_port.clone()),
                Some(port) => agree[target] &= *port == edge.to_port,
            }
            let step = &mut steps[target];
            if edge.closes.is_some() {
                step.back_in.push(at);
                continue;
            }
            step.forward_in.push(at);
            match step
                .inputs
                .iter_mut()
                .find(|input| input.name == edge.to_port)
            {
                Some(input) => input.edges.push(at),
                None => {
                    let spec = self.metadata[target]
                        .as_deref()
                        .and_then(|it| it.input(&edge.to_port));
                    step.inputs.push(PlanInput {
                        name: edge.to_port.clone(),
                        required: spec.is_none_or(|it| it.required),
                        edges: vec![at],
                    });
                }
            }
        }
        for (at, step) in steps.iter_mut().enumerate() {
            step.only_port = ports_named[at].take().filter(|_| agree[at]);
            if step.join.is_some() {
                step.slots = step
                    .forward_in
                    .iter()
                    .chain(&step.back_in)
                    .copied()
                    .collect();
                for slots in [&mut step.forward_in, &mut step.slots] {
                    sort_slots(slots, |edge| edges[edge.at()].to_port.to_string());
                }
            }
        }
    }

    fn find_feeders(&self, steps: &mut [PlanStep], edges: &[PlanEdge]) {
        let races: Vec<usize> = (0..steps.len()).filter(|&at| steps[at].is_race()).collect();
        if races.is_empty() {
            return;
        }
        let mut topology = Topology::with_capacity(steps.len(), edges.len());
        let nodes: Vec<_> = steps.iter().map(|_| topology.add_node(())).collect();
        for edge in edges {
            topology.add_edge(
                nodes[edge.from.at()],
                nodes[edge.to.at()],
                edge.closes.is_none(),
            );
        }
        for join in races {
            let feeders = feeders(&topology, join);
            for &feeder in &feeders {
                steps[feeder].absorbed_by.push(StepIndex::new(join));
            }
            steps[join].feeders = feeders.into_iter().map(StepIndex::new).collect();
        }
    }
}

/// The merge strategy that a join's configuration names; `all` unless it says otherwise.
fn join_kind(step: &StepDefinition) -> JoinKind {
    match step.config.get("merge_strategy").and_then(Value::as_str) {
        Some("any") => JoinKind::Any,
        Some("first") => JoinKind::First,
        _ => JoinKind::All,
    }
}
