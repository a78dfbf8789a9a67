//! Starting a run once, however often the start is asked for.

use std::time::Duration;

use llmteam_security::id::RunId;
use llmteam_workflow::persistence::{RunRow, StartKey};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{PreparedSegment, RunConfig, RunHandle, RunnerError, SegmentRunner};
use crate::runtime::RuntimeContext;

/// How long a key stays bound.
const KEPT: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// The longest key, in bytes.
const MAX_KEY_BYTES: usize = 255;

/// What a start with a key came to.
#[derive(Debug)]
pub enum StartedOnce {
    /// The run was started.
    Started(RunHandle),
    /// The key has started this run before; nothing was started.
    Known(Box<RunRow>),
}

impl SegmentRunner {
    /// Starts a segment unless `key` has started one before, in this tenant and for this segment.
    ///
    /// A key is bound for seven days to one run and to the input that it began with. If a process stopped
    /// after binding and before starting, the next call starts that run.
    ///
    /// # Errors
    /// [`RunnerError::KeyConflict`] if the key was bound with another input, [`RunnerError::InvalidKey`] for a
    /// key that is empty or too long, otherwise as [`SegmentRunner::start`].
    pub async fn start_once(
        &self,
        key: &str,
        segment: &PreparedSegment,
        runtime: RuntimeContext,
        input: Value,
        config: RunConfig,
    ) -> Result<StartedOnce, RunnerError> {
        if key.is_empty() || key.len() > MAX_KEY_BYTES {
            return Err(RunnerError::InvalidKey);
        }
        let now = self.0.clock.now();
        let tenant = runtime.tenant_id().clone();
        let start = StartKey {
            tenant: tenant.clone(),
            segment: segment.segment_id().clone(),
            key: key.to_owned(),
            run: runtime.run_id().clone(),
            input_hash: input_hash(&input)?,
            at: now,
            until: now.saturating_add(KEPT),
        };
        let bound = self.journal()?.bind_start(&start).await?;
        if bound.input_hash != start.input_hash {
            return Err(RunnerError::KeyConflict {
                key: start.key,
                run_id: bound.run,
            });
        }
        if let Some(row) = self.stored(&tenant, &bound.run).await? {
            return Ok(StartedOnce::Known(Box::new(row)));
        }
        let runtime = as_run(&runtime, bound.run.clone());
        match self.start(segment, runtime, input, config).await {
            Err(RunnerError::RunAlreadyExists(run_id)) => {
                match self.stored(&tenant, &run_id).await? {
                    Some(row) => Ok(StartedOnce::Known(Box::new(row))),
                    None => Err(RunnerError::RunAlreadyExists(run_id)),
                }
            }
            started => Ok(StartedOnce::Started(started?)),
        }
    }
}

/// The same runtime for a run of this id.
fn as_run(runtime: &RuntimeContext, run_id: RunId) -> RuntimeContext {
    if *runtime.run_id() == run_id {
        return runtime.clone();
    }
    runtime.copy(|it| it.run_id(run_id))
}

/// SHA-256, in hex, over the RFC 8785 form of the input.
fn input_hash(input: &Value) -> Result<String, serde_json::Error> {
    let bytes = serde_json_canonicalizer::to_vec(input)?;
    Ok(data_encoding::HEXLOWER.encode(&Sha256::digest(bytes)))
}
