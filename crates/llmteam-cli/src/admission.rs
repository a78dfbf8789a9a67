//! Whether a tenant's limits let one more run begin.
//!
//! The runs of the database are counted, so several processes count the same; two that ask at the same instant may
//! both be let in.

use std::time::Duration;

use llmteam::canvas::definition::SegmentDefinition;
use llmteam::persistence::{RunFilter, RunState};
use llmteam::tenancy::LimitKind;

use crate::error::CliError;
use crate::session::Session;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Refuses a run of `segment` that would pass a limit of the tenant.
pub(crate) async fn admit(session: &Session, segment: &SegmentDefinition) -> Result<(), CliError> {
    let agents = segment
        .steps
        .iter()
        .filter(|it| it.step_type == "llm_agent")
        .count();
    if agents > 0 {
        enforce(session, LimitKind::AgentsPerPipeline, agents as u64 - 1).await?;
    }
    let now = session.clock.now();
    let tenant = session.tenants.get_tenant(&session.tenant).await?;
    for kind in [LimitKind::ConcurrentPipelines, LimitKind::RunsPerDay] {
        let Some(maximum) = tenant.config.limit(kind).maximum() else {
            continue;
        };
        let states = match kind {
            LimitKind::ConcurrentPipelines => vec![RunState::Pending, RunState::Running],
            _ => Vec::new(),
        };
        let filter = RunFilter {
            states,
            limit: usize::try_from(maximum).unwrap_or(usize::MAX),
            ..RunFilter::default()
        };
        let runs = session.journal.runs(&session.tenant, filter).await?;
        let recent = |started| kind != LimitKind::RunsPerDay || now.since(started) < DAY;
        let counted = runs.iter().filter(|it| recent(it.started_at)).count();
        enforce(session, kind, counted as u64).await?;
    }
    Ok(())
}

async fn enforce(session: &Session, kind: LimitKind, current: u64) -> Result<(), CliError> {
    let enforced = session
        .tenants
        .enforce_limit(&session.tenant, kind, current);
    Ok(enforced.await?)
}
