//! The tenant for which the current code runs.
//!
//! Invariant: it is what the innermost scope around the running code says, or none; it is restored when that scope
//! ends, however it ends, and a spawned task begins with none. Nothing outside this file can set it.
//! This module does not know whether a tenant exists: [`super::TenantManager::context`] does.

use std::{
    cell::RefCell,
    future::Future,
    marker::PhantomData,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::task::Id;

use super::{config::TenantConfig, error::TenantError, scope::TenantScope};
use crate::id::TenantId;

tokio::task_local! {
    /// The scope of the running future. It moves with the future and is not there while the future rests.
    static SCOPE: Frames;
}

thread_local! {
    /// What synchronous code has entered outside any scope of a future.
    static ROOT: Frames = Frames::default();
}

/// Numbers of guards, so that each removes its own frame whatever the order.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// The tenant of a scope, and what synchronous code has entered inside it.
#[derive(Default)]
struct Frames {
    base: Option<Entered>,
    entered: RefCell<Vec<Frame>>,
}

struct Frame {
    number: u64,
    /// Which task entered. On one thread another task may run while the guard is held, and must not see it.
    task: Option<Id>,
    entered: Entered,
}

#[derive(Clone)]
struct Entered {
    tenant: TenantId,
    config: Option<Arc<TenantConfig>>,
}

impl Frames {
    fn current<T>(&self, read: impl FnOnce(&Entered) -> T) -> Option<T> {
        let frames = self.entered.borrow();
        match frames.last() {
            None => self.base.as_ref().map(read),
            Some(_) => {
                let task = tokio::task::try_id();
                let newest = frames.iter().rev().find(|frame| frame.task == task);
                newest
                    .map(|frame| &frame.entered)
                    .or(self.base.as_ref())
                    .map(read)
            }
        }
    }

    fn push(&self, entered: Entered) -> u64 {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        self.entered.borrow_mut().push(Frame {
            number,
            task: tokio::task::try_id(),
            entered,
        });
        number
    }

    /// Removes the frame; false when it is not here.
    fn remove(&self, number: u64) -> bool {
        let mut frames = self.entered.borrow_mut();
        let place = frames.iter().rposition(|frame| frame.number == number);
        place.map(|place| frames.remove(place)).is_some()
    }
}

/// What `read` makes of the innermost scope's tenant.
fn current<T>(read: impl Fn(&Entered) -> T) -> Option<T> {
    // Inside a future's scope only that scope counts; a thread that is ending has no tenant.
    SCOPE
        .try_with(|frames| frames.current(&read))
        .or_else(|_| ROOT.try_with(|frames| frames.current(&read)))
        .ok()
        .flatten()
}

/// The tenant for which this code runs; `None` when nobody said.
pub fn get_current_tenant() -> Option<TenantId> {
    current(|entered| entered.tenant.clone())
}

/// What `read` makes of the current tenant, which is not copied for it.
pub(super) fn with_tenant<T>(read: impl Fn(&TenantId) -> T) -> Option<T> {
    current(|entered| read(&entered.tenant))
}

/// The tenant for which this code runs; [`TenantError::NoContext`] when nobody said.
pub fn require_tenant_context() -> Result<TenantId, TenantError> {
    get_current_tenant().ok_or(TenantError::NoContext)
}

/// The configuration attached to the context of the current tenant.
pub fn get_current_config() -> Option<Arc<TenantConfig>> {
    current(|entered| entered.config.clone()).flatten()
}

/// `future` with the tenant that is current now, to be spawned; without one, it has none.
///
/// A spawned task does not inherit the tenant by itself.
pub fn with_current_tenant<F: Future>(future: F) -> impl Future<Output = F::Output> {
    let frames = Frames {
        base: current(Clone::clone),
        ..Frames::default()
    };
    SCOPE.scope(frames, future)
}

/// `work` with the tenant that is current now, for another thread; without one, it has none.
pub fn in_current_tenant<T>(work: impl FnOnce() -> T) -> impl FnOnce() -> T {
    let base = current(Clone::clone);
    move || {
        let frames = Frames {
            base,
            ..Frames::default()
        };
        SCOPE.sync_scope(frames, work)
    }
}

/// Who handed a context out, and so where it may be entered.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Issued {
    /// Trusted code of the host.
    Host,
    /// The manager, while this tenant was current; a change of tenant was noted then.
    Under(Option<TenantId>),
}

/// The right to run code on behalf of one tenant. Entering uses it up.
///
/// Code of a step is never given one: it gets stores that are already scoped.
#[derive(Debug)]
pub struct TenantContext {
    tenant: TenantId,
    config: Option<Arc<TenantConfig>>,
    issued: Issued,
}

impl TenantContext {
    /// A context that nobody has checked: for the host's own code and tests.
    /// Everything else asks [`super::TenantManager::context`].
    pub fn for_host(tenant: TenantId) -> Self {
        Self {
            tenant,
            config: None,
            issued: Issued::Host,
        }
    }

    /// A checked context. Entering it while another tenant is current is allowed only where it was issued.
    pub(super) fn issued(config: Arc<TenantConfig>) -> Self {
        Self {
            tenant: config.tenant_id.clone(),
            config: Some(config),
            issued: Issued::Under(get_current_tenant()),
        }
    }

    /// The same context with a configuration attached.
    #[must_use]
    pub fn with_config(mut self, config: Arc<TenantConfig>) -> Self {
        self.config = Some(config);
        self
    }

    /// For whom it is.
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// The configuration that was attached.
    pub fn get_config(&self) -> Option<&Arc<TenantConfig>> {
        self.config.as_ref()
    }

    /// Whether its tenant is the current one.
    pub fn is_current(&self) -> bool {
        current(|entered| entered.tenant == self.tenant) == Some(true)
    }

    /// The tenant's part of shared stores.
    pub fn tenant_scope(&self) -> TenantScope {
        TenantScope::new(self.tenant.clone())
    }

    /// Makes the tenant current for this thread and task until the guard is dropped.
    ///
    /// The guard must not be held across an `await`: use [`Self::scope`] there.
    pub fn enter(self) -> Result<TenantGuard, TenantError> {
        let entered = self.admit()?;
        let number = match SCOPE.try_with(|frames| frames.push(entered.clone())) {
            Ok(number) => number,
            Err(_) => ROOT.with(|frames| frames.push(entered)),
        };
        Ok(TenantGuard {
            number,
            not_send: PhantomData,
        })
    }

    /// Runs `future` with the tenant as the current one.
    pub async fn scope<F: Future>(self, future: F) -> Result<F::Output, TenantError> {
        let frames = Frames {
            base: Some(self.admit()?),
            ..Frames::default()
        };
        Ok(SCOPE.scope(frames, future).await)
    }

    fn admit(self) -> Result<Entered, TenantError> {
        let from = match &self.issued {
            Issued::Host => None,
            Issued::Under(under) => get_current_tenant()
                .filter(|now| *now != self.tenant && Some(now) != under.as_ref()),
        };
        match from {
            Some(from) => Err(TenantError::Crossing {
                from,
                to: self.tenant,
            }),
            None => Ok(Entered {
                tenant: self.tenant,
                config: self.config,
            }),
        }
    }
}

/// Holds a tenant current; dropping it restores what was before. It stays on its thread.
#[derive(Debug)]
#[must_use = "the tenant is current until the guard is dropped"]
pub struct TenantGuard {
    number: u64,
    not_send: PhantomData<*const ()>,
}

impl Drop for TenantGuard {
    fn drop(&mut self) {
        // A guard that was carried out of its scope finds its frame gone with the scope.
        let removed = SCOPE.try_with(|frames| frames.remove(self.number));
        if removed != Ok(true) {
            let _ = ROOT.try_with(|frames| frames.remove(self.number));
        }
    }
}
