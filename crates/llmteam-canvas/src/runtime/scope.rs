//! The runtime that is current where code runs.
//!
//! Invariant: a scope is entered before each poll of its future and left after it, so a runtime is
//! current for one task and never for another one on the same thread.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::marker::PhantomData;
use std::pin::pin;

use llmteam_security::tenancy::{TenantContext, TenantGuard};

use super::{RuntimeContext, RuntimeContextError};

thread_local! {
    static CURRENT: RefCell<Vec<Current>> = const { RefCell::new(Vec::new()) };
}

/// A runtime and the hold on its tenant; none only where a thread is coming to its end.
type Current = (RuntimeContext, Option<TenantGuard>);

/// The runtime of the innermost scope.
///
/// # Errors
/// [`RuntimeContextError::NotActive`] outside every scope.
pub fn get_current_runtime() -> Result<RuntimeContext, RuntimeContextError> {
    CURRENT
        .with_borrow(|stack| stack.last().map(|(runtime, _)| runtime.clone()))
        .ok_or(RuntimeContextError::NotActive)
}

/// Keeps a runtime current on this thread until it is dropped.
///
/// For synchronous code: it cannot be held across an `.await` of a task that moves between threads;
/// [`RuntimeContext::scope`] can.
#[derive(Debug)]
#[must_use = "the scope ends when this is dropped"]
pub struct RuntimeScope {
    depth: usize,
    /// The scope belongs to this thread.
    _here: PhantomData<*const ()>,
}

impl RuntimeScope {
    /// Makes `runtime` and its tenant current on this thread.
    pub fn enter(runtime: RuntimeContext) -> Self {
        let tenant = TenantContext::for_host(runtime.tenant_id().clone());
        let tenant = tenant.enter().ok();
        let depth = CURRENT.with_borrow_mut(|stack| {
            stack.push((runtime, tenant));
            stack.len() - 1
        });
        Self {
            depth,
            _here: PhantomData,
        }
    }
}

impl Drop for RuntimeScope {
    fn drop(&mut self) {
        // Leaving a scope leaves what was entered inside it, in whatever order the guards are dropped.
        // A runtime is dropped only when the stack is free again: its hooks may look at it.
        while let Some(left) = pop_above(self.depth) {
            drop(left);
        }
    }
}

fn pop_above(depth: usize) -> Option<Current> {
    CURRENT.with_borrow_mut(|stack| {
        if stack.len() > depth {
            stack.pop()
        } else {
            None
        }
    })
}

impl RuntimeContext {
    /// Runs `future` with this runtime as the current one.
    pub async fn scope<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        poll_fn(|task| {
            let _scope = RuntimeScope::enter(self.clone());
            future.as_mut().poll(task)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::testing::runtime;

    fn current() -> Option<String> {
        get_current_runtime().ok().map(|it| it.run_id().to_string())
    }

    // covers: R-01, runtime 22, runtime 24, runtime 25
    #[test]
    fn a_sync_scope_ends_with_its_guard() {
        assert_eq!(
            get_current_runtime().unwrap_err(),
            RuntimeContextError::NotActive
        );
        {
            let _scope = RuntimeScope::enter(runtime("a"));
            assert_eq!(current().as_deref(), Some("a"));
        }
        assert_eq!(current(), None);
    }

    // covers: R-01, runtime 26
    #[test]
    fn scopes_nest_and_a_guard_dropped_too_early_takes_the_inner_ones_along() {
        let outer = RuntimeScope::enter(runtime("outer"));
        let inner = RuntimeScope::enter(runtime("inner"));
        assert_eq!(current().as_deref(), Some("inner"));
        drop(inner);
        assert_eq!(current().as_deref(), Some("outer"));
        let inner = RuntimeScope::enter(runtime("inner"));
        drop(outer);
        assert_eq!(current(), None);
        drop(inner);
        assert_eq!(current(), None);
    }

    // covers: R-01, runtime 23
    #[tokio::test]
    async fn interleaved_tasks_on_one_thread_see_their_own_runtime() {
        async fn work() -> Vec<Option<String>> {
            let mut seen = Vec::new();
            for _ in 0..3 {
                seen.push(current());
                tokio::task::yield_now().await;
            }
            seen
        }
        let (a, b) = (runtime("a"), runtime("b"));
        let (in_a, in_b, outside) = tokio::join!(a.scope(work()), b.scope(a.scope(work())), work());
        assert_eq!(in_a, vec![Some("a".to_owned()); 3]);
        assert_eq!(in_b, vec![Some("a".to_owned()); 3]);
        assert_eq!(outside, vec![None; 3]);
    }

    //
    #[tokio::test]
    async fn a_scope_moves_with_its_task_and_a_spawned_task_has_none() {
        let runtime = runtime("a");
        let scoped = tokio::spawn(async move {
            runtime
                .scope(async {
                    let inside = current();
                    let spawned = tokio::spawn(async { current() }).await.unwrap();
                    (inside, spawned)
                })
                .await
        });
        assert_eq!(scoped.await.unwrap(), (Some("a".to_owned()), None));
    }
}
