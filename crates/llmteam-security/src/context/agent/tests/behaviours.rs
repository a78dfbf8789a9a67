//! What the module promises in general, one case per promise.

use super::*;

const DENIED: &str = "CONTEXT_DENIED";
const NOT_OWNER: &str = "SEALED_DENIED";

#[tokio::test]
async fn who_is_granted_a_view() {
    // covers: CTX-02, CTX-04
    let world = World::new();
    let context = world.of_sensitivity(SensitivityLevel::Internal);
    assert!(context.can_access(&world.viewer(&world.pipe), None).is_ok());
    let refused = context
        .can_access(&world.viewer(&world.peer), None)
        .unwrap_err();
    assert!(refused.to_string().contains("forbidden"));
    let mut context = world.of_sensitivity(SensitivityLevel::Confidential);
    assert!(context.can_access(&world.viewer(&world.pipe), None).is_ok());
    assert!(
        context
            .can_access(&world.viewer(&world.group), None)
            .is_err()
    );
    context
        .set_sensitivity(&world.agent, SensitivityLevel::Secret)
        .await
        .unwrap();
    assert!(
        context
            .can_access(&world.viewer(&world.pipe), None)
            .is_err()
    );
}

#[tokio::test]
async fn a_sealed_field_is_refused_to_an_orchestrator() {
    let world = World::new();
    let mut context = world.of_sensitivity(SensitivityLevel::Internal);
    context
        .seal_field(&world.agent, "confidence")
        .await
        .unwrap();
    let pipe = world.viewer(&world.pipe);
    let refused = context.can_access(&pipe, Some("confidence")).unwrap_err();
    assert!(refused.to_string().contains("sealed"));
    let result = context.check_access(&pipe, &["confidence", "status"]);
    assert!(!result.allowed && result.reason.contains("sealed"));
    assert!(result.fields_granted.contains("status"));
}

#[tokio::test]
async fn a_denied_viewer_is_refused_unless_it_is_allowed() {
    let world = World::new();
    let mut context = world.of_sensitivity(SensitivityLevel::Internal);
    context
        .deny_access_to(&world.agent, id("pipe"))
        .await
        .unwrap();
    let view = world.view(&context, &world.pipe).await;
    assert_eq!(view["access"], "denied");
    assert_eq!(view.get("confidence"), None);
    context
        .allow_access_to(&world.agent, id("pipe"))
        .await
        .unwrap();
    assert_eq!(world.view(&context, &world.pipe).await["confidence"], 0.0);
    let agents = world.view(&context, &world.peer).await;
    assert_eq!(agents["access"], "denied");
}

#[tokio::test]
async fn a_new_context_is_idle_and_empty() {
    let world = World::new();
    let context = world.context(ContextAccessPolicy::default());
    assert_eq!(context.subject().agent(), &id("agent"));
    let view = context.owner_view(&world.agent).await.unwrap();
    assert_eq!(
        Value::Object(view.into_fields()),
        json!({
            "agent_id": "agent", "agent_name": "Agent A", "status": "idle", "confidence": 0.0, "error_count": 0,
            "last_action": "", "updated_at": "1970-01-01T00:00:00.001000Z", "reasoning_steps": [], "sources": [],
            "sealed_fields": [], "created_at": "1970-01-01T00:00:00.001000Z", "messages": [],
        })
    );
    assert_eq!(
        context.policy(&world.agent).unwrap().sensitivity,
        SensitivityLevel::Internal
    );
    assert_eq!(code(context.policy(&world.peer)), DENIED);
}

#[tokio::test]
async fn the_factory_honours_its_policy() {
    let world = World::new();
    let policy = ContextAccessPolicy {
        sealed_fields: ["card".to_owned()].into(),
        ..ContextAccessPolicy::with_sensitivity(SensitivityLevel::Confidential)
    };
    let context = world.context(policy.clone());
    assert_eq!(context.policy(&world.agent).unwrap(), policy);
}

#[tokio::test]
async fn updates_take_effect_and_set_the_time() {
    let world = World::new();
    let mut context = world.context(ContextAccessPolicy::default());
    world.clock.advance_to(Timestamp::from_micros(2_000)).await;
    context.update_status(AgentStatus::Running);
    context.update_confidence(0.75).unwrap();
    context.update_last_action("search").unwrap();
    context.add_reasoning_step("first").unwrap();
    context.add_source("a book").unwrap();
    let message = json!({"role": "user", "content": "hi"});
    context
        .add_message(message.as_object().unwrap().clone())
        .unwrap();
    context.increment_error_count();
    context.set_data("city", json!({"name": "Bonn"})).unwrap();
    let view = world.view(&context, &world.pipe).await;
    assert_eq!(
        view,
        json!({
            "agent_id": "agent", "agent_name": "Agent A", "status": "running", "confidence": 0.75, "error_count": 1,
            "last_action": "search", "updated_at": "1970-01-01T00:00:00.002000Z", "reasoning_steps": ["first"],
            "sources": ["a book"], "data": {"city": {"name": "Bonn"}}, "sealed_fields": [],
        })
    );
    let own = context.owner_view(&world.agent).await.unwrap();
    assert_eq!(own.get("messages"), Some(&json!([message])));
    assert_eq!(own.data("city"), Some(&json!({"name": "Bonn"})));
}

#[tokio::test]
async fn a_confidential_view_is_reduced() {
    let world = World::new();
    let mut context = world.of_sensitivity(SensitivityLevel::Confidential);
    context.add_reasoning_step("first").unwrap();
    context.add_source("a book").unwrap();
    let view = world.view(&context, &world.pipe).await;
    assert_eq!(view["status"], "idle");
    assert!(view.get("reasoning_steps").is_none() && view.get("sources").is_none());
}

#[tokio::test]
async fn data_is_read_back_or_the_default() {
    let world = World::new();
    let mut context = world.context(ContextAccessPolicy::default());
    context.set_data("k", json!([1])).unwrap();
    let get = async |key, default| context.get_data(&world.agent, key, default).await.unwrap();
    assert_eq!(get("k", json!(0)).await, json!([1]));
    assert_eq!(get("absent", json!(7)).await, json!(7));
    let peer = context.get_data(&world.peer, "k", json!(0)).await;
    assert_eq!(code(peer), DENIED);
}

#[tokio::test]
async fn sealed_values_are_the_owners() {
    // covers: CTX-27
    let world = World::new();
    let mut context = world.context(ContextAccessPolicy::default());
    context
        .set_sealed(&world.agent, "card", json!("4111"))
        .await
        .unwrap();
    assert!(
        context
            .policy(&world.agent)
            .unwrap()
            .sealed_fields
            .contains("card")
    );
    let value = context.get_sealed(&world.agent, "card").await.unwrap();
    assert_eq!(value, "4111");
    assert!(context.has_sealed(&world.agent, "card").await.unwrap());
    assert_eq!(
        context.list_sealed_keys(&world.agent).await.unwrap(),
        ["card".to_owned()].into()
    );
    let absent = context.get_sealed(&world.agent, "absent").await;
    assert_eq!(code(absent), "NOTHING_SEALED");
    let view = world.view(&context, &world.pipe).await;
    assert_eq!(view["sealed_fields"], json!(["card"]));
    assert!(
        view.get("data").is_none() && view.get("card").is_none() && view.get("_sealed").is_none()
    );
    for token in world.others() {
        assert_eq!(code(context.get_sealed(token, "card").await), NOT_OWNER);
        assert_eq!(code(context.has_sealed(token, "card").await), NOT_OWNER);
        assert_eq!(code(context.list_sealed_keys(token).await), NOT_OWNER);
    }
}

#[tokio::test]
async fn administration_opens_what_is_confidential_and_is_recorded() {
    // covers: CTX-40
    let world = World::new();
    let context = world.of_sensitivity(SensitivityLevel::Confidential);
    let ops = world.viewer(&world.ops);
    assert_eq!(world.view(&context, &world.ops).await["access"], "denied");
    let admin = world
        .lineage
        .administration(&world.ops, "ticket 7")
        .unwrap();
    let view = context
        .get_visible_context_as_admin(&ops, &admin)
        .await
        .unwrap();
    assert!(view.granted().is_some());
    let recorded = world.log.attempts().pop().unwrap();
    assert_eq!(recorded.administration.as_deref(), Some("ticket 7"));
    assert!(recorded.is_granted());
    // Not with a log that fails, not without one, not by another viewer, and never where it is secret.
    world.log.fail_with(Some("disk full"));
    let failed = context.get_visible_context_as_admin(&ops, &admin).await;
    assert_eq!(code(failed), "ACCESS_UNRECORDED");
    world.log.fail_with(None);
    let group = world.viewer(&world.group);
    let other = context
        .get_visible_context_as_admin(&group, &admin)
        .await
        .unwrap();
    assert!(other.granted().is_none());
    let secret = world.of_sensitivity(SensitivityLevel::Secret);
    let view = secret
        .get_visible_context_as_admin(&ops, &admin)
        .await
        .unwrap();
    assert!(view.granted().is_none());
    let policy = ContextAccessPolicy::with_sensitivity(SensitivityLevel::Confidential);
    let services = ContextServices::new(world.clock.clone());
    let silent = create_secure_context(&world.agent, "A", policy, services).unwrap();
    let view = silent
        .get_visible_context_as_admin(&ops, &admin)
        .await
        .unwrap();
    assert!(view.granted().is_none());
}

#[tokio::test]
async fn a_context_leaves_encrypted_and_comes_back_whole() {
    // covers: CTX-42
    let world = World::new();
    let services = world.services().with_key(world.key("r").await);
    let policy = ContextAccessPolicy {
        denied_viewers: [id("x")].into(),
        ..ContextAccessPolicy::with_sensitivity(SensitivityLevel::TopSecret)
    };
    let mut context = create_secure_context(&world.agent, "A", policy, services.clone()).unwrap();
    context.set_data("city", json!("Bonn")).unwrap();
    context
        .add_message(json!({"n": 1.5}).as_object().unwrap().clone())
        .unwrap();
    context
        .set_sealed(&world.agent, "card", json!({"n": "4111"}))
        .await
        .unwrap();
    let blob = context.export(&world.agent, 3).await.unwrap();
    for token in world.others() {
        assert_eq!(code(context.export(token, 3).await), DENIED);
    }

    let back = SecureAgentContext::restore(&world.agent, &blob, 3, services.clone()).unwrap();
    assert_eq!(
        back.policy(&world.agent).unwrap(),
        context.policy(&world.agent).unwrap()
    );
    let views = [&context, &back].map(|it| it.owner_view(&world.agent));
    let [before, after] = views;
    assert_eq!(before.await.unwrap(), after.await.unwrap());
    assert_eq!(
        back.get_sealed(&world.agent, "card").await.unwrap(),
        json!({"n": "4111"})
    );
    assert_eq!(code(back.get_sealed(&world.pipe, "card").await), NOT_OWNER);

    // An older version, another agent, another run, no key: none of them opens it.
    let older = SecureAgentContext::restore(&world.agent, &blob, 2, services.clone());
    assert_eq!(code(older), "SEAL_INVALID");
    let peer = SecureAgentContext::restore(&world.peer, &blob, 3, services.clone());
    assert_eq!(code(peer), "SEAL_INVALID");
    let other = services.with_key(world.key("r2").await);
    assert_eq!(
        code(SecureAgentContext::restore(&world.agent, &blob, 3, other)),
        "SEAL_INVALID"
    );
    let plain = world.services();
    assert_eq!(
        code(SecureAgentContext::restore(
            &world.agent,
            &blob,
            3,
            plain.clone()
        )),
        "CONTEXT_UNPROTECTED"
    );
    let context =
        create_secure_context(&world.agent, "A", ContextAccessPolicy::default(), plain).unwrap();
    assert_eq!(
        code(context.export(&world.agent, 1).await),
        "CONTEXT_UNPROTECTED"
    );
}
