//! The current tenant: entered, restored, not inherited.

use std::{panic, sync::Arc, time::Duration};

use proptest::prelude::*;

use super::{house, id};
use crate::tenancy::{
    AdminAction, AdminEvent, AdminLog, AdminLogError, MemoryTenantStore, TenantConfig,
    TenantContext, TenantContextStack, TenantError, TenantManager, TenantScope, TenantTier,
    get_current_config, get_current_tenant, in_current_tenant, require_tenant_context,
    with_current_tenant,
};

fn context(tenant: &str) -> TenantContext {
    TenantContext::for_host(id(tenant))
}

fn current() -> Option<String> {
    get_current_tenant().map(|it| it.to_string())
}

fn is(tenant: &str) {
    assert_eq!(current().as_deref(), Some(tenant));
}

fn none() {
    assert_eq!(current(), None);
}

#[test]
fn nobody_is_current_until_somebody_is_entered() {
    // covers: TEN-40
    none();
    assert_eq!(require_tenant_context(), Err(TenantError::NoContext));
    assert_eq!(TenantScope::current(), Err(TenantError::NoContext));
    // No name stands for nobody.
    let _guard = context("default").enter().unwrap();
    is("default");
}

#[test]
fn a_guard_makes_its_tenant_current_and_restores_what_was_before() {
    // covers: TEN-41
    none();
    {
        let outer = context("a");
        assert!(!outer.is_current());
        let _outer = outer.enter().unwrap();
        is("a");
        assert!(context("a").is_current() && !context("b").is_current());
        {
            let _inner = context("b").enter().unwrap();
            is("b");
        }
        is("a");
    }
    none();
}

#[tokio::test]
async fn a_scope_makes_its_tenant_current_across_awaits() {
    // covers: TEN-41
    none();
    let inner = async {
        is("a");
        tokio::task::yield_now().await;
        context("b")
            .scope(async {
                tokio::task::yield_now().await;
                is("b");
            })
            .await
            .unwrap();
        is("a");
        let _guard = context("c").enter().unwrap();
        is("c");
        context("d").scope(async { is("d") }).await.unwrap();
        is("c");
    };
    context("a").scope(inner).await.unwrap();
    none();
}

#[tokio::test]
async fn futures_of_one_task_do_not_see_each_others_tenant() {
    // covers: TEN-41, TEN-43
    let of = |tenant: &'static str| async move {
        let work = async {
            for _ in 0..5 {
                is(tenant);
                tokio::task::yield_now().await;
            }
        };
        context(tenant).scope(work).await.unwrap();
    };
    let outside = async {
        for _ in 0..5 {
            none();
            tokio::task::yield_now().await;
        }
    };
    tokio::join!(of("a"), of("b"), outside);
}

#[tokio::test]
async fn a_spawned_task_and_a_thread_have_none_unless_it_is_handed_on() {
    // covers: TEN-43
    let work = async {
        tokio::spawn(async { none() }).await.unwrap();
        tokio::task::spawn_blocking(none).await.unwrap();
        std::thread::spawn(none).join().unwrap();
        tokio::spawn(with_current_tenant(async {
            tokio::task::yield_now().await;
            is("a");
        }))
        .await
        .unwrap();
        tokio::task::spawn_blocking(in_current_tenant(|| is("a")))
            .await
            .unwrap();
        is("a");
    };
    context("a").scope(work).await.unwrap();
    // What had none is handed on as none, also into a scope.
    let (task, closure) = (
        with_current_tenant(async { none() }),
        in_current_tenant(none),
    );
    context("a")
        .scope(async {
            task.await;
            closure();
        })
        .await
        .unwrap();
}

#[test]
fn another_task_on_the_same_thread_does_not_see_a_guard_that_is_held() {
    // covers: TEN-43
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let holding = tokio::task::spawn_local(async {
            // A future that stays on its thread can hold a guard across an await; nobody else may notice.
            let _guard = context("a").enter().unwrap();
            for _ in 0..5 {
                is("a");
                tokio::task::yield_now().await;
            }
        });
        let watching = tokio::task::spawn_local(async {
            for _ in 0..5 {
                none();
                tokio::task::yield_now().await;
            }
        });
        let _guard = context("main").enter().unwrap();
        holding.await.unwrap();
        watching.await.unwrap();
        is("main");
    });
    none();
}

#[tokio::test]
async fn a_panic_and_a_cancellation_restore_what_was_before() {
    // covers: TEN-42
    let caught = panic::catch_unwind(|| {
        let _guard = context("a").enter().unwrap();
        panic!("inside a");
    });
    assert!(caught.is_err());
    none();
    let spawned = tokio::spawn(async {
        context("a")
            .scope(async { panic!("inside a") })
            .await
            .unwrap();
    });
    assert!(spawned.await.is_err());
    none();
    let work = async {
        let pending = context("b").scope(async {
            let _guard = context("c").enter().unwrap();
            is("c");
            std::future::pending::<()>().await;
        });
        // Dropped while it waits.
        tokio::select! { biased; _ = pending => {}, () = tokio::task::yield_now() => {} }
        is("a");
    };
    context("a").scope(work).await.unwrap();
    none();
}

#[tokio::test]
async fn guards_that_are_dropped_in_any_order_leave_nothing() {
    // covers: TEN-42
    let (a, b) = (context("a").enter().unwrap(), context("b").enter().unwrap());
    drop(a);
    is("b");
    drop(b);
    none();
    // A guard that is carried out of its scope means nothing outside.
    let carried = context("a")
        .scope(async { context("b").enter().unwrap() })
        .await
        .unwrap();
    none();
    drop(carried);
    none();
}

#[test]
fn a_stack_leaves_what_it_entered_also_when_it_is_dropped() {
    // covers: TEN-42
    let mut stack = TenantContextStack::new();
    assert_eq!((stack.pop(), stack.depth()), (None, 0));
    for (depth, tenant) in ["a", "b", "c"].into_iter().enumerate() {
        stack.push(context(tenant)).unwrap();
        is(tenant);
        assert_eq!(
            (stack.current(), stack.depth()),
            (Some(&id(tenant)), depth + 1)
        );
    }
    assert_eq!(stack.pop(), Some(id("c")));
    is("b");
    drop(stack);
    none();
    let mut stack = TenantContextStack::new();
    stack.push(context("a")).unwrap();
    stack.clear();
    none();
}

#[test]
fn a_configuration_goes_with_its_context() {
    let config = Arc::new(TenantConfig::new(id("a"), "A"));
    let context = context("a").with_config(config.clone());
    assert_eq!(context.get_config(), Some(&config));
    assert_eq!(context.tenant_scope().tenant(), &id("a"));
    let guard = context.enter().unwrap();
    assert_eq!(get_current_config(), Some(config));
    drop(guard);
    assert_eq!(get_current_config(), None);
}

#[tokio::test]
async fn the_manager_lets_nobody_become_who_is_not_there_or_not_active() {
    // covers: TEN-44
    let it = house();
    it.add("acme", TenantTier::Free).await;
    let acme = it.tenants.context(&id("acme")).await.unwrap();
    assert_eq!(acme.get_config().unwrap().name, "Name");
    let guard = acme.enter().unwrap();
    is("acme");
    drop(guard);
    let ghost = it.tenants.context(&id("ghost")).await.unwrap_err();
    assert_eq!(
        ghost,
        TenantError::NotFound {
            tenant_id: id("ghost")
        }
    );
    it.switch_off("acme").await;
    let off = it.tenants.context(&id("acme")).await.unwrap_err();
    assert_eq!(
        off,
        TenantError::Inactive {
            tenant_id: id("acme")
        }
    );
    it.tenants.delete_tenant(&id("acme")).await.unwrap();
    let gone = it.tenants.context(&id("acme")).await.unwrap_err();
    assert_eq!(
        gone,
        TenantError::NotFound {
            tenant_id: id("acme")
        }
    );
}

#[tokio::test]
async fn going_from_one_tenant_to_another_is_noted_or_refused() {
    // covers: TEN-45
    let it = house();
    it.add("a", TenantTier::Free).await;
    it.add("b", TenantTier::Free).await;
    let early = it.tenants.context(&id("b")).await.unwrap();
    let crossing = async {
        // Issued under no tenant: entering it here would cross unseen.
        let refused = early.scope(async { unreachable!("not entered") }).await;
        let expected = TenantError::Crossing {
            from: id("a"),
            to: id("b"),
        };
        assert_eq!(refused.map(|()| unreachable!()), Err::<(), _>(expected));
        is("a");
        let again = it.tenants.context(&id("a")).await.unwrap();
        again.scope(async { is("a") }).await.unwrap();
        assert_eq!(it.log.events(), []);
        let noted = it.tenants.context(&id("b")).await.unwrap();
        noted.scope(async { is("b") }).await.unwrap();
    };
    context("a").scope(crossing).await.unwrap();
    let event = AdminEvent {
        principal: None,
        action: AdminAction::TenantCrossed,
        tenant: Some(id("a")),
        target: Some(id("b")),
        key: None,
    };
    assert_eq!(it.log.events(), [event]);

    let silent = TenantManager::new(it.store.clone(), Arc::new(it.clock.clone()));
    let deaf = silent.clone().with_admin_log(Arc::new(FullLog));
    let refusing = async {
        assert!(matches!(
            silent.context(&id("b")).await,
            Err(TenantError::Crossing { .. })
        ));
        assert!(matches!(
            deaf.context(&id("b")).await,
            Err(TenantError::Unnoted(_))
        ));
    };
    context("a").scope(refusing).await.unwrap();
}

#[derive(Debug)]
struct FullLog;

#[async_trait::async_trait]
impl AdminLog for FullLog {
    async fn record(&self, _event: AdminEvent) -> Result<(), AdminLogError> {
        Err(AdminLogError("the log is full".into()))
    }
}

/// What a generated program does with tenants.
#[derive(Clone, Debug)]
enum Step {
    Scope(&'static str, Vec<Step>),
    Guard(&'static str, Vec<Step>),
    Spawn(Vec<Step>),
    Panic(Vec<Step>),
    Cancel(&'static str, Vec<Step>),
    Yield,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let tenant = || prop::sample::select(vec!["a", "b", "c"]);
    let leaf = prop::collection::vec(Just(Step::Yield), 0..3);
    leaf.prop_recursive(4, 24, 3, move |inner| {
        let step = prop_oneof![
            (tenant(), inner.clone()).prop_map(|(t, s)| Step::Scope(t, s)),
            (tenant(), inner.clone()).prop_map(|(t, s)| Step::Guard(t, s)),
            (tenant(), inner.clone()).prop_map(|(t, s)| Step::Cancel(t, s)),
            inner.clone().prop_map(Step::Spawn),
            inner.clone().prop_map(Step::Panic),
            Just(Step::Yield),
        ];
        prop::collection::vec(step, 0..4)
    })
}

type Done = std::pin::Pin<Box<dyn Future<Output = ()>>>;

/// Does the steps, and at each point compares the current tenant with what it must be.
fn run(steps: Vec<Step>, expected: Option<&'static str>) -> Done {
    Box::pin(async move {
        for step in steps {
            assert_eq!(current().as_deref(), expected);
            match step {
                Step::Scope(tenant, inner) => context(tenant)
                    .scope(run(inner, Some(tenant)))
                    .await
                    .unwrap(),
                Step::Guard(tenant, inner) => {
                    let _guard = context(tenant).enter().unwrap();
                    run(inner, Some(tenant)).await;
                }
                Step::Spawn(inner) => tokio::task::spawn_local(run(inner, None)).await.unwrap(),
                Step::Panic(inner) => {
                    let work = context("p").scope(async move {
                        run(inner, Some("p")).await;
                        panic::resume_unwind(Box::new("inside"));
                    });
                    assert!(tokio::task::spawn_local(work).await.is_err());
                }
                Step::Cancel(tenant, inner) => {
                    let work = context(tenant).scope(async move {
                        run(inner, Some(tenant)).await;
                        std::future::pending::<()>().await;
                    });
                    tokio::select! { biased; _ = work => {}, () = tokio::task::yield_now() => {} }
                }
                Step::Yield => tokio::task::yield_now().await,
            }
            assert_eq!(current().as_deref(), expected);
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    // covers: TEN-42, TEN-43
    #[test]
    fn any_nesting_restores_what_was_before(first in steps(), second in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let local = tokio::task::LocalSet::new();
        local.block_on(&runtime, async {
            let both = (tokio::task::spawn_local(run(first, None)), tokio::task::spawn_local(run(second, None)));
            both.0.await.unwrap();
            both.1.await.unwrap();
            assert_eq!(current(), None);
        });
        assert_eq!(current(), None);
    }
}

#[tokio::test]
async fn a_deleted_tenant_is_entered_no_longer_than_the_cache_may_be_behind() {
    // covers: TEN-22, TEN-44
    let it = house();
    it.add("acme", TenantTier::Free).await;
    let store: Arc<MemoryTenantStore> = it.store.clone();
    let other = TenantManager::new(store, Arc::new(it.clock.clone()));
    other.context(&id("acme")).await.unwrap();
    it.tenants.delete_tenant(&id("acme")).await.unwrap();
    assert!(it.tenants.context(&id("acme")).await.is_err());
    other.context(&id("acme")).await.unwrap();
    it.clock.advance(Duration::from_secs(5)).await;
    assert!(other.context(&id("acme")).await.is_err());
}
