//! The pipeline with least to do gets the input.
//!
//! Invariant: a pipeline that cools down gets nothing; of the others the one with the fewest runs under way, then the one
//! that is least far, then the one that was started longest ago. With equal load each gets its turn.

use async_trait::async_trait;

use super::{
    super::{
        super::agent::Fields,
        decision::{GroupDecisionType, GroupOrchestrationDecision},
        status::{PipelineState, PipelineStatus},
    },
    GroupOrchestrationStrategy, GroupStrategyError, nobody,
};

/// Gives the input to the pipeline with least to do.
#[derive(Clone, Copy, Debug, Default)]
pub struct LoadBalancingStrategy;

/// Whether a pipeline does nothing, whatever became of its last run.
fn is_free(status: &PipelineStatus) -> bool {
    status.in_flight == 0 && status.status != PipelineState::Running
}

#[async_trait]
impl GroupOrchestrationStrategy for LoadBalancingStrategy {
    async fn decide(
        &self,
        statuses: &[PipelineStatus],
        _input: &Fields,
    ) -> Result<GroupOrchestrationDecision, GroupStrategyError> {
        let available = statuses.iter().filter(|it| it.available);
        let least = available.min_by(|a, b| {
            let busy = |it: &PipelineStatus| (!is_free(it), it.in_flight);
            busy(a)
                .cmp(&busy(b))
                .then(a.progress.total_cmp(&b.progress))
                .then(a.last_start.cmp(&b.last_start))
        });
        let Some(least) = least else {
            return Ok(nobody());
        };
        let reason = if is_free(least) {
            "load_balancing:idle"
        } else {
            "load_balancing:least_progress"
        };
        let target = least.pipeline_id.clone();
        Ok(GroupOrchestrationDecision::new(
            GroupDecisionType::RouteToPipeline,
            [target],
            reason,
        ))
    }

    fn depends_on_load(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{
        super::tests::{decided, status},
        *,
    };

    fn running(id: &str, progress: f64) -> PipelineStatus {
        PipelineStatus {
            status: PipelineState::Running,
            progress,
            in_flight: 1,
            ..status(id)
        }
    }

    async fn chosen(statuses: &[PipelineStatus]) -> (String, String) {
        let (kind, targets, reason) = decided(&LoadBalancingStrategy, statuses, json!({})).await;
        assert_eq!(kind, GroupDecisionType::RouteToPipeline);
        (targets.concat(), reason)
    }

    // covers: GR02
    #[tokio::test]
    async fn an_idle_pipeline_is_preferred() {
        let chosen = chosen(&[running("p1", 0.1), status("p2")]).await;
        assert_eq!(chosen, ("p2".to_owned(), "load_balancing:idle".to_owned()));
    }

    // covers: GR03
    #[tokio::test]
    async fn among_busy_ones_the_least_far_is() {
        let chosen = chosen(&[running("p1", 0.8), running("p2", 0.3)]).await;
        assert_eq!(
            chosen,
            ("p2".to_owned(), "load_balancing:least_progress".to_owned())
        );
    }

    // covers: G1
    #[tokio::test]
    async fn fewest_runs_come_before_progress_and_the_longest_unused_last() {
        let two = PipelineStatus {
            in_flight: 2,
            ..running("p1", 0.0)
        };
        assert_eq!(chosen(&[two, running("p2", 0.9)]).await.0, "p2");
        let used = |id, last_start| PipelineStatus {
            last_start,
            ..status(id)
        };
        assert_eq!(
            chosen(&[used("p1", 7), used("p2", 3), used("p3", 5)])
                .await
                .0,
            "p2"
        );
    }

    // covers: G2
    #[tokio::test]
    async fn who_cools_down_gets_nothing() {
        let cold = |id| PipelineStatus {
            available: false,
            ..status(id)
        };
        assert_eq!(chosen(&[cold("p1"), running("p2", 0.9)]).await.0, "p2");
        let nobody = decided(&LoadBalancingStrategy, &[cold("p1")], json!({})).await;
        assert_eq!(nobody.0, GroupDecisionType::Escalate);
    }
}
