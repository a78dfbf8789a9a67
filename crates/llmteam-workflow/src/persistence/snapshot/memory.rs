//! Snapshots in memory, bounded.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
    fmt,
    num::NonZeroUsize,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use llmteam_security::id::{RunId, TenantId};

use super::{PipelineSnapshot, SnapshotFilter, SnapshotInfo, SnapshotStore};
use crate::persistence::error::SnapshotError;

/// How many snapshots are held when nothing else is said.
const DEFAULT_CAPACITY: NonZeroUsize = NonZeroUsize::new(10_000).expect("is not zero");

/// A store that is gone with its last handle. Clones share one.
///
/// When it is full it drops the oldest snapshot that nobody needs: never the newest of a run that has not
/// ended, nor a pause that has not been resumed.
#[derive(Clone)]
pub struct MemorySnapshotStore {
    held: Arc<Mutex<Vec<Held>>>,
    capacity: NonZeroUsize,
}

/// The text is what was saved, so that nobody's later changes reach it.
#[derive(Clone)]
struct Held {
    tenant: TenantId,
    info: SnapshotInfo,
    text: String,
    waits_for_resume: bool,
    fencing_token: Option<u64>,
}

impl Default for MemorySnapshotStore {
    fn default() -> Self {
        Self::with_capacity(DEFAULT_CAPACITY)
    }
}

impl MemorySnapshotStore {
    /// A store that holds at most `capacity` snapshots.
    pub fn with_capacity(capacity: NonZeroUsize) -> Self {
        Self {
            held: Arc::default(),
            capacity,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn find<'a>(held: &'a mut [Held], tenant: &TenantId, id: &str) -> Option<&'a mut Held> {
    held.iter_mut()
        .find(|it| it.tenant == *tenant && it.info.snapshot_id == id)
}

/// The place of the oldest snapshot that may go.
fn droppable(held: &[Held]) -> Option<usize> {
    let mut newest: HashMap<(&TenantId, &RunId), u64> = HashMap::new();
    for it in held {
        let seq = newest.entry((&it.tenant, &it.info.run_id)).or_default();
        *seq = it.info.seq.max(*seq);
    }
    held.iter().position(|it| {
        let newest = newest.get(&(&it.tenant, &it.info.run_id)) == Some(&it.info.seq);
        let needed = newest && !it.info.phase.is_final();
        !needed && (it.info.consumed || !it.waits_for_resume)
    })
}

#[async_trait]
impl SnapshotStore for MemorySnapshotStore {
    async fn save(
        &self,
        mut snapshot: PipelineSnapshot,
    ) -> Result<PipelineSnapshot, SnapshotError> {
        let mut held = self.lock();
        let id = snapshot.snapshot_id.clone();
        let of_run: Vec<&Held> = held
            .iter()
            .filter(|it| it.tenant == snapshot.tenant_id && it.info.run_id == snapshot.run_id)
            .collect();
        super::check_fence(
            &snapshot,
            of_run.iter().filter_map(|it| it.fencing_token).max(),
        )?;
        let taken: BTreeMap<u64, &str> = of_run
            .iter()
            .map(|it| (it.info.seq, it.info.snapshot_id.as_str()))
            .collect();
        let present = held
            .iter()
            .position(|it| it.tenant == snapshot.tenant_id && it.info.snapshot_id == id);
        if let Some(present) = present.map(|at| &held[at].info) {
            if present.consumed {
                return Err(SnapshotError::Consumed(id));
            }
            if present.run_id != snapshot.run_id {
                return Err(SnapshotError::Conflict(id));
            }
        }
        if !snapshot.is_sealed() {
            let last = taken.last_key_value().map_or(0, |(seq, _)| *seq);
            snapshot.seq = present.map_or(last + 1, |at| held[at].info.seq);
        }
        if taken.get(&snapshot.seq).is_some_and(|holder| *holder != id) {
            return Err(SnapshotError::Conflict(id));
        }
        let snapshot = snapshot.seal()?;
        let text = snapshot.to_text()?;
        let new = Held {
            tenant: snapshot.tenant_id.clone(),
            info: SnapshotInfo::of(&snapshot, text.len(), false),
            text,
            waits_for_resume: snapshot.waits_for_resume(),
            fencing_token: snapshot.fencing_token,
        };
        if let Some(present) = present {
            held[present] = new;
            return Ok(snapshot);
        }
        if held.len() >= self.capacity.get() {
            let oldest = droppable(&held).ok_or(SnapshotError::StoreFull(held.len()))?;
            held.remove(oldest);
        }
        held.push(new);
        Ok(snapshot)
    }

    async fn load(
        &self,
        tenant: &TenantId,
        snapshot_id: &str,
    ) -> Result<Option<PipelineSnapshot>, SnapshotError> {
        let text = find(&mut self.lock(), tenant, snapshot_id).map(|it| it.text.clone());
        text.map(|text| PipelineSnapshot::from_text(snapshot_id, &text))
            .transpose()
    }

    async fn load_latest(
        &self,
        tenant: &TenantId,
        run: &RunId,
    ) -> Result<Option<PipelineSnapshot>, SnapshotError> {
        let newest = {
            let held = self.lock();
            let of_run = held
                .iter()
                .filter(|it| it.tenant == *tenant && it.info.run_id == *run);
            of_run.max_by_key(|it| it.info.seq).cloned()
        };
        newest
            .map(|it| PipelineSnapshot::from_text(&it.info.snapshot_id, &it.text))
            .transpose()
    }

    async fn list(
        &self,
        tenant: &TenantId,
        filter: SnapshotFilter,
    ) -> Result<Vec<SnapshotInfo>, SnapshotError> {
        let held = self.lock();
        let infos = held.iter().filter(|it| it.tenant == *tenant);
        let infos = infos.map(|it| &it.info).filter(|it| {
            filter.run.as_ref().is_none_or(|run| *run == it.run_id)
                && filter
                    .pipeline
                    .as_ref()
                    .is_none_or(|pipeline| *pipeline == it.pipeline_id)
        });
        let mut infos: Vec<SnapshotInfo> = infos.cloned().collect();
        infos.sort_by_key(|it| Reverse((it.created_at, it.seq)));
        infos.truncate(filter.limit);
        Ok(infos)
    }

    async fn consume(&self, tenant: &TenantId, snapshot_id: &str) -> Result<bool, SnapshotError> {
        let mut held = self.lock();
        let found = find(&mut held, tenant, snapshot_id);
        Ok(found.is_some_and(|it| !std::mem::replace(&mut it.info.consumed, true)))
    }

    async fn delete(&self, tenant: &TenantId, snapshot_id: &str) -> Result<bool, SnapshotError> {
        let mut held = self.lock();
        let before = held.len();
        held.retain(|it| it.tenant != *tenant || it.info.snapshot_id != snapshot_id);
        Ok(held.len() < before)
    }
}

impl fmt::Debug for MemorySnapshotStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemorySnapshotStore")
            .field("held", &self.lock().len())
            .field("capacity", &self.capacity)
            .finish()
    }
}
