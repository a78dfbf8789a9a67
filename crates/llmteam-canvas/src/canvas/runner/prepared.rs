//! A segment made ready to run: checked, compiled, its handlers bound.

use std::sync::Arc;

use llmteam_security::id::SegmentId;

use super::RunnerError;

use crate::canvas::catalog::StepCatalog;
use crate::canvas::definition::SegmentDefinition;
use crate::canvas::error::CanvasError;
use crate::canvas::handler::StepHandler;
use crate::canvas::plan::{ExecutionPlan, PlanError, StepIndex};
use crate::canvas::validate::SegmentValidator;

/// A plan and the handlers that run its steps. Prepare once, run as often as you like.
///
/// Replacing a handler in the catalog affects segments prepared afterwards only (K-02).
#[derive(Clone)]
pub struct PreparedSegment {
    plan: Arc<ExecutionPlan>,
    segment_id: SegmentId,
    handlers: Arc<[Option<Arc<dyn StepHandler>>]>,
}

impl std::fmt::Debug for PreparedSegment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PreparedSegment")
            .field("digest", &self.plan.digest())
            .finish_non_exhaustive()
    }
}

impl PreparedSegment {
    /// Checks the structure, compiles the plan, binds the handlers.
    pub(super) fn new(
        segment: &SegmentDefinition,
        catalog: &StepCatalog,
    ) -> Result<Self, RunnerError> {
        SegmentValidator::new()
            .validate(segment)
            .raise_if_invalid()
            .map_err(CanvasError::from)?;
        let plan = ExecutionPlan::compile(segment, |type_id| catalog.get(type_id))?;
        let handlers = segment
            .steps
            .iter()
            .map(|step| catalog.get_handler(&step.step_type))
            .collect();
        let segment_id = segment.segment_id.parse().map_err(PlanError::from)?;
        Ok(Self {
            plan: Arc::new(plan),
            segment_id,
            handlers,
        })
    }

    /// The compiled plan.
    pub fn plan(&self) -> &Arc<ExecutionPlan> {
        &self.plan
    }

    /// The segment's id.
    pub fn segment_id(&self) -> &SegmentId {
        &self.segment_id
    }

    pub(super) fn handler(&self, step: StepIndex) -> Option<&Arc<dyn StepHandler>> {
        self.handlers.get(step.at())?.as_ref()
    }

    /// The first reachable step that nothing can run.
    pub(super) fn step_without_handler(&self) -> Option<StepIndex> {
        let steps = self.plan.steps().iter().enumerate();
        steps
            .filter(|(at, step)| step.is_reachable() && self.handlers[*at].is_none())
            .map(|(at, _)| StepIndex::new(at))
            .next()
    }
}
