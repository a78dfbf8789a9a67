//! Registries, contexts and step contexts as a host and a handler use them.

use std::sync::Arc;

use async_trait::async_trait;
use llmteam_orchestration::llm::{LlmProvider, ScriptedProvider};
use llmteam_security::clock::{Clock, ManualClock, Timestamp};
use llmteam_security::id::{InstanceId, RunId, SegmentId, TenantId};
use llmteam_security::kv::{KeyValueStore, MemoryKeyValueStore};
use llmteam_security::secret::{SecretError, SecretsProvider};
use llmteam_workflow::egress::{Client, ScriptedClient};
use serde_json::{Map, Value, json};

use super::testing::runtime;
use super::*;

fn id<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().unwrap()
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(ManualClock::new(Timestamp::from_micros(7)))
}

fn store() -> Arc<dyn KeyValueStore> {
    Arc::new(MemoryKeyValueStore::default())
}

fn client() -> Arc<dyn Client> {
    Arc::new(ScriptedClient::from_json(r#"{"routes": {}}"#, clock()).unwrap())
}

fn llm() -> Arc<dyn LlmProvider> {
    Arc::new(ScriptedProvider::from_json(r#"{"default": "ok"}"#, clock()).unwrap())
}

#[derive(Debug)]
struct Vault;

#[async_trait]
impl SecretsProvider for Vault {
    async fn get_secret(&self, tenant: &TenantId, id: &str) -> Result<Secret, SecretError> {
        match (tenant.as_str(), id) {
            ("t", "key") => Ok(Secret::new("hunter2")),
            ("t", "locked") => Err(SecretError::Denied(id.to_owned())),
            ("t", "down") => Err(SecretError::Unavailable {
                id: id.to_owned(),
                reason: "the vault is sealed".to_owned(),
            }),
            _ => Err(SecretError::NotFound(id.to_owned())),
        }
    }
}

// covers: runtime 1, runtime 2, runtime 3, runtime 4, runtime 5, runtime 6
#[test]
fn a_registry_keeps_order_through_replacement_and_removal() {
    let registry = StoreRegistry::new();
    let (a, b) = (store(), store());
    assert!(!registry.has("a"));
    registry.register("a", store());
    registry.register("b", Arc::clone(&b));
    registry.register("c", store());
    registry.register("a", Arc::clone(&a));
    assert!(Arc::ptr_eq(&registry.get("a").unwrap(), &a));
    assert_eq!(registry.list(), ["a", "b", "c"]);
    registry.unregister("b");
    registry.unregister("b");
    assert_eq!(registry.list(), ["a", "c"]);
    assert!(registry.has("a") && !registry.has("b"));
    let error = registry.get("nonexistent").unwrap_err();
    assert_eq!(error.to_string(), "Store 'nonexistent' not found");
    registry.clear();
    assert!(registry.list().is_empty());
}

// covers: runtime 7, runtime 8, runtime 9, runtime 10
#[test]
fn each_registry_names_its_kind() {
    let (clients, llms) = (ClientRegistry::new(), LLMRegistry::new());
    let (client, llm) = (client(), llm());
    clients.register("api", Arc::clone(&client));
    llms.register("main", Arc::clone(&llm));
    assert!(Arc::ptr_eq(&clients.get("api").unwrap(), &client));
    assert!(Arc::ptr_eq(&llms.get("main").unwrap(), &llm));
    assert_eq!(
        clients.get("x").unwrap_err().to_string(),
        "Client 'x' not found"
    );
    assert_eq!(
        llms.get("x").unwrap_err().to_string(),
        "LLM provider 'x' not found"
    );
}

fn manager() -> RuntimeContextManager {
    let mut manager = RuntimeContextManager::new(clock());
    manager.register_store("db", store());
    manager.register_client("api", client());
    manager.register_llm("main", llm());
    manager.set_secrets_provider(Arc::new(Vault));
    manager
}

// covers: R-02, runtime 11, runtime 12, runtime 13, runtime 14
#[test]
fn a_manager_fills_what_is_missing_and_shares_its_resources() {
    let manager = manager();
    let named = manager.create_runtime(
        id("t"),
        id::<InstanceId>("i"),
        id::<RunId>("r"),
        id::<SegmentId>("s"),
    );
    let ids = [
        named.tenant_id().as_str(),
        named.instance_id().as_str(),
        named.run_id().as_str(),
    ];
    assert_eq!(ids, ["t", "i", "r"]);
    assert_eq!(named.segment_id(), Some(&id("s")));
    assert_eq!(named.created_at(), Timestamp::from_micros(7));
    assert!(named.resolve_store("db").is_ok() && named.resolve_client("api").is_ok());
    assert!(named.resolve_llm("main").is_ok());

    let bare = manager.create_runtime(id("t"), None, None, None);
    assert!(bare.run_id().as_str().starts_with("run_"));
    assert_eq!(bare.run_id().as_str(), bare.instance_id().as_str());
    assert_eq!(bare.segment_id(), None);
    assert_eq!(bare.with_segment(id("seg")).segment_id(), Some(&id("seg")));
    manager.register_store("late", store());
    assert!(named.resolve_store("late").is_ok());
}

// covers: runtime 18
#[test]
fn a_copy_replaces_what_is_named_and_keeps_the_rest() {
    let data = Map::from_iter([("k".to_owned(), json!(1))]);
    let clock = ManualClock::new(Timestamp::from_micros(7));
    let original = RuntimeContext::builder(id("t"), Arc::new(clock))
        .run_id(id::<RunId>("r"))
        .data(data.clone())
        .on_event(|_| {})
        .build();
    let copy = original.copy(|it| it.run_id(id::<RunId>("other")));
    assert_eq!((copy.run_id(), copy.tenant_id()), (&id("other"), &id("t")));
    assert_eq!(copy.created_at(), original.created_at());
    assert_eq!(copy.data(), &data);
    assert!(copy.has_hooks());
    assert_eq!(original.run_id().as_str(), "r");
    original.stores().register("db", store());
    assert!(copy.resolve_store("db").is_ok());
}

// covers: X-35
#[test]
fn expressions_see_the_run() {
    let runtime = runtime("r")
        .with_segment(id("seg"))
        .with_run_input(Arc::new(json!({ "a": 1 })));
    let expected = json!({
        "input": { "a": 1 }, "run_id": "r", "instance_id": "r", "tenant_id": "t", "segment_id": "seg",
    });
    assert_eq!(runtime.run_value(), &expected);
}

// covers: R-04, runtime 15, runtime 16
#[tokio::test]
async fn a_secret_comes_from_the_provider_or_not_at_all() {
    let runtime = manager().create_runtime(id("t"), None, None, None);
    let secret = runtime.resolve_secret("key").await.unwrap();
    assert_eq!(
        (secret.expose(), format!("{secret:?}")),
        ("hunter2", "***".to_owned())
    );
    let step = runtime.child_context(id("work"));
    assert_eq!(step.get_secret("key").await.unwrap().expose(), "hunter2");

    let refused = runtime.resolve_secret("locked").await.unwrap_err();
    assert!(
        matches!(refused, RuntimeContextError::Denied(_)),
        "{refused}"
    );
    let sealed = runtime.resolve_secret("down").await.unwrap_err();
    assert!(
        matches!(sealed, RuntimeContextError::SecretUnavailable { .. }),
        "{sealed}"
    );
    let foreign = runtime.copy(|it| it.tenant_id(id("other")));
    let absent = foreign.resolve_secret("key").await.unwrap_err();
    assert_eq!(absent.to_string(), "Secret 'key' not found");
    let none = runtime
        .copy(|it| it.secrets(None))
        .resolve_secret("key")
        .await
        .unwrap_err();
    assert!(matches!(none, RuntimeContextError::NotFound(_)));
    assert_eq!(none.to_string(), "SecretsProvider not configured");
}

// covers: runtime 17, runtime 19
#[test]
fn a_child_context_is_a_step_of_this_runtime() {
    let runtime = runtime("r").with_segment(id("seg"));
    let step = runtime.child_context(id("work"));
    assert_eq!(step.step_id().as_str(), "work");
    assert_eq!(step.segment_id(), Some(&id("seg")));
    let ids = [
        step.tenant_id().as_str(),
        step.instance_id().as_str(),
        step.run_id().as_str(),
    ];
    assert_eq!(ids, ["t", "r", "r"]);
    assert_eq!((step.activation(), step.attempt()), (1, 1));
}

// covers: R-03, X-96, runtime 20
#[tokio::test]
async fn a_steps_store_is_its_instances_part_of_the_registered_one() {
    let manager = manager();
    let shared = store();
    manager.register_store("db", Arc::clone(&shared));
    let step = |tenant: &str, instance: &str| {
        let runtime = manager.create_runtime(id(tenant), id::<InstanceId>(instance), None, None);
        runtime.child_context(id("work"))
    };
    let (a, b, foreign) = (step("t", "a"), step("t", "b"), step("u", "a"));
    for (context, value) in [(&a, 1), (&b, 2), (&foreign, 3)] {
        context
            .get_store("db")
            .unwrap()
            .set("k", json!(value))
            .await
            .unwrap();
    }
    assert_eq!(
        a.get_store("db").unwrap().get("k").await.unwrap(),
        Some(json!(1))
    );
    assert_eq!(shared.get("t:a:k").await.unwrap(), Some(json!(1)));
    a.get_tenant_store("db")
        .unwrap()
        .set("k", json!("all"))
        .await
        .unwrap();
    assert_eq!(
        b.get_tenant_store("db").unwrap().get("k").await.unwrap(),
        Some(json!("all"))
    );
    assert_eq!(
        foreign
            .get_tenant_store("db")
            .unwrap()
            .get("k")
            .await
            .unwrap(),
        None
    );
    // No key of the tenant's scope reaches into an instance.
    assert_eq!(
        a.get_tenant_store("db").unwrap().get("b:k").await.unwrap(),
        None
    );
    assert!(a.get_store("nope").is_err());
}

// covers: runtime 21
#[test]
fn step_state_is_set_read_and_cleared() {
    let step = runtime("r").child_context(id("work"));
    step.set_state("n", json!(1));
    assert_eq!(step.get_state("n"), Some(json!(1)));
    assert_eq!(step.get_state("missing"), None);
    step.clear_state();
    assert_eq!(step.get_state("n"), None);
}

#[derive(Default)]
struct Recorder {
    events: std::sync::Mutex<Vec<String>>,
    calls: bool,
}

#[async_trait]
impl StepLink for Recorder {
    fn emit(&self, step: &StepSpec, activation: u32, event: crate::events::StepEvent) {
        let line = format!("{} {}#{activation}", event.event_type, step.step_id);
        self.events.lock().unwrap().push(line);
    }

    fn emits_calls(&self) -> bool {
        self.calls
    }

    async fn intent(
        &self,
        step: &StepSpec,
        activation: u32,
        n: u32,
    ) -> Result<(), crate::canvas::handler::StepError> {
        let line = format!("intent {}#{activation}.{n}", step.step_id);
        self.events.lock().unwrap().push(line);
        Ok(())
    }
}

fn linked(recorder: &Arc<Recorder>) -> StepContext {
    let spec = StepSpec::new(id("work"), "custom".to_owned(), Map::new(), Vec::new());
    let input = StepInput::of_run(Arc::new(Value::Null));
    let link = Arc::clone(recorder) as Arc<dyn StepLink>;
    StepContext::linked(
        runtime("r"),
        Arc::new(spec),
        link,
        (3, 2),
        input,
        Arc::default(),
    )
}

#[test]
fn a_handler_speaks_of_its_work_but_not_of_its_fate() {
    use crate::events::{CallKind, StepEvent};
    let quiet = Arc::new(Recorder::default());
    let step = linked(&quiet);
    step.emitter().action_started("http_action", None);
    step.emit(StepEvent::step_completed(1, &Value::Null, 1));
    step.emit(StepEvent::segment_cancelled("not mine to say"));
    step.emit(StepEvent::call_started(1, CallKind::Tool, "search"));
    assert_eq!(*quiet.events.lock().unwrap(), ["action.started work#3"]);

    let verbose = Arc::new(Recorder {
        calls: true,
        ..Recorder::default()
    });
    linked(&verbose).emit(StepEvent::call_started(1, CallKind::Tool, "search"));
    assert_eq!(*verbose.events.lock().unwrap(), ["call.started work#3"]);
}

#[tokio::test]
async fn only_a_call_that_must_not_be_repeated_records_an_intent_and_keys_differ_by_call() {
    use crate::canvas::handler::EffectClass;
    let recorder = Arc::new(Recorder::default());
    let step = linked(&recorder);
    let first = step.begin_effect(EffectClass::Keyed).await.unwrap();
    let second = step.begin_effect(EffectClass::AtMostOnce).await.unwrap();
    assert_ne!(first, second);
    assert_eq!(*recorder.events.lock().unwrap(), ["intent work#3.1"]);
    // Another attempt of the activation sends the same keys.
    assert_eq!(
        linked(&recorder)
            .begin_effect(EffectClass::Keyed)
            .await
            .unwrap(),
        first
    );
}

// covers: X-69
#[tokio::test]
async fn a_cancelled_attempt_is_told_whenever_it_asks() {
    let shared = Arc::new(Activation::with_state(LocalState::from(Map::from_iter([
        ("n".to_owned(), json!(1)),
    ]))));
    let spec = StepSpec::new(id("work"), "custom".to_owned(), Map::new(), Vec::new());
    let input = StepInput::of_run(Arc::new(Value::Null));
    let link = Arc::new(Recorder::default());
    let step = StepContext::linked(
        runtime("r"),
        Arc::new(spec),
        link,
        (1, 1),
        input,
        Arc::clone(&shared),
    );
    let (waiting, ()) = tokio::join!(
        async {
            step.cancelled().await;
            true
        },
        async {
            tokio::task::yield_now().await;
            shared.cancel();
        }
    );
    assert!(waiting);
    step.cancelled().await;
    step.set_state("m", json!(2));
    let kept = shared.state();
    assert!(kept.get("n").is_some() && kept.get("m").is_some());
}
