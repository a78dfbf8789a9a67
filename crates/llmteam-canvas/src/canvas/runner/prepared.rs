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
pub struct PreparedSegment(Arc<Prepared>);

struct Prepared {
    plan: Arc<ExecutionPlan>,
    segment_id: SegmentId,
    handlers: Vec<Option<Arc<dyn StepHandler>>>,
    /// The first reachable step that nothing can run.
    step_without_handler: Option<StepIndex>,
}

impl std::fmt::Debug for PreparedSegment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PreparedSegment")
            .field("digest", &self.plan().digest())
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
        let handlers: Vec<_> = segment
            .steps
            .iter()
            .map(|step| catalog.get_handler(&step.step_type))
            .collect();
        let step_without_handler = plan
            .steps()
            .iter()
            .zip(&handlers)
            .position(|(step, handler)| step.is_reachable() && handler.is_none())
            .map(StepIndex::new);
        Ok(Self(Arc::new(Prepared {
            plan: Arc::new(plan),
            segment_id: segment.segment_id.parse().map_err(PlanError::from)?,
            handlers,
            step_without_handler,
        })))
    }

    /// The compiled plan.
    pub fn plan(&self) -> &Arc<ExecutionPlan> {
        &self.0.plan
    }

    /// The segment's id.
    pub fn segment_id(&self) -> &SegmentId {
        &self.0.segment_id
    }

    pub(super) fn handler(&self, step: StepIndex) -> Option<&Arc<dyn StepHandler>> {
        self.0.handlers.get(step.at())?.as_ref()
    }

    /// The first reachable step that nothing can run.
    pub(super) fn step_without_handler(&self) -> Option<StepIndex> {
        self.0.step_without_handler
    }
}
