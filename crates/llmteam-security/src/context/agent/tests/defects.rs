//! Ways in which access control of contexts goes wrong, each tried.

use super::*;
use crate::context::AccessAction;

const NOT_OWNER: &str = "SEALED_DENIED";

#[tokio::test]
async fn orchestrators_see_what_stands_under_them_and_nothing_else() {
    // covers: CTX-02
    let world = World::new();
    let policy = ContextAccessPolicy {
        default_visibility: VisibilityLevel::Hierarchy,
        allowed_viewers: ["pipe", "group", "stranger", "peer"].map(id).into(),
        ..ContextAccessPolicy::with_sensitivity(SensitivityLevel::Public)
    };
    let context = world.context(policy.clone());
    for (token, granted) in [
        (&world.pipe, true),
        (&world.group, true),
        (&world.ops, true),
        (&world.stranger, false),
        (&world.peer, false),
        (&world.foreign, false),
        (&world.agent, false),
    ] {
        let view = world.view(&context, token).await;
        assert_eq!(view["access"] != "denied", granted, "{token:?}");
    }
    // Not upwards.
    let pipes = create_secure_context(&world.pipe, "P", policy, world.services()).unwrap();
    assert_eq!(world.view(&pipes, &world.agent).await["access"], "denied");
    assert_eq!(world.view(&pipes, &world.group).await["status"], "idle");
    // Not after the agent has moved away.
    world
        .lineage
        .move_to(&tenant("t"), &id("agent"), None)
        .unwrap();
    assert_eq!(world.view(&context, &world.pipe).await["access"], "denied");
}

#[tokio::test]
async fn nobody_but_the_owner_loosens_a_policy_and_only_the_parent_tightens_it_too() {
    // covers: CTX-03, CTX-41
    let world = World::new();
    let mut context = world.of_sensitivity(SensitivityLevel::Internal);
    let pipe = world.viewer(&world.pipe);
    context.seal_field(&pipe, "status").await.unwrap();
    context.deny_access_to(&pipe, id("x")).await.unwrap();
    context
        .set_sensitivity(&pipe, SensitivityLevel::Secret)
        .await
        .unwrap();
    context
        .set_default_visibility(&pipe, VisibilityLevel::SelfOnly)
        .await
        .unwrap();
    let before = context.policy(&world.agent).unwrap();
    let lower = context
        .set_sensitivity(&pipe, SensitivityLevel::Public)
        .await;
    assert!(lower.unwrap_err().to_string().contains("only the owner"));
    assert!(
        context
            .set_default_visibility(&pipe, VisibilityLevel::Hierarchy)
            .await
            .is_err()
    );
    assert!(context.allow_access_to(&pipe, id("pipe")).await.is_err());
    assert_eq!(
        code(context.unseal_field(&world.pipe, "status").await),
        NOT_OWNER
    );
    for token in [
        &world.group,
        &world.peer,
        &world.stranger,
        &world.ops,
        &world.foreign,
    ] {
        let viewer = world.viewer(token);
        assert!(context.deny_access_to(&viewer, id("y")).await.is_err());
        assert!(context.seal_field(token, "confidence").await.is_err());
    }
    assert_eq!(context.policy(&world.agent).unwrap(), before);
    context
        .set_sensitivity(&world.agent, SensitivityLevel::Public)
        .await
        .unwrap();
    assert!(context.unseal_field(&world.agent, "status").await.unwrap());
    assert!(!context.unseal_field(&world.agent, "status").await.unwrap());
}

#[tokio::test]
async fn the_owner_is_not_locked_out_of_its_own_context() {
    // covers: CTX-05
    let world = World::new();
    let services = world.services().with_key(world.key("r").await);
    for sensitivity in SensitivityLevel::ALL {
        let policy = ContextAccessPolicy {
            denied_viewers: [id("agent")].into(),
            default_visibility: VisibilityLevel::SelfOnly,
            ..ContextAccessPolicy::with_sensitivity(sensitivity)
        };
        let mut context =
            create_secure_context(&world.agent, "A", policy, services.clone()).unwrap();
        context.add_reasoning_step("mine").unwrap();
        let own = context.owner_view(&world.agent).await.unwrap();
        assert_eq!(own.get("reasoning_steps"), Some(&json!(["mine"])));
        for token in world.others() {
            assert_eq!(code(context.owner_view(token).await), "CONTEXT_DENIED");
        }
    }
}

#[tokio::test]
async fn sealing_covers_every_field_and_moves_what_is_there() {
    // covers: CTX-06
    let world = World::new();
    let mut context = world.of_sensitivity(SensitivityLevel::Internal);
    context.add_reasoning_step("secret plan").unwrap();
    context.update_last_action("secret act").unwrap();
    context.set_data("card", json!("secret number")).unwrap();
    context.set_data("city", json!("Bonn")).unwrap();
    for name in [
        "reasoning_steps",
        "last_action",
        "status",
        "agent_name",
        "card",
    ] {
        context.seal_field(&world.agent, name).await.unwrap();
    }
    context.add_reasoning_step("secret too").unwrap();
    let views = [
        world.view(&context, &world.pipe).await.to_string(),
        format!(
            "{context:?} {:?}",
            context.owner_view(&world.agent).await.unwrap()
        ),
        serde_json::to_string(&context.owner_view(&world.agent).await.unwrap()).unwrap(),
        context
            .get_data(&world.agent, "card", json!("none"))
            .await
            .unwrap()
            .to_string(),
    ];
    for view in &views {
        assert!(
            !view.contains("secret") && !view.contains("Agent A"),
            "{view}"
        );
    }
    assert!(views[0].contains("Bonn"));
    let get = async |name| context.get_sealed(&world.agent, name).await.unwrap();
    assert_eq!(get("card").await, "secret number");
    assert_eq!(
        get("reasoning_steps").await,
        json!(["secret plan", "secret too"])
    );
    assert_eq!(get("status").await, "idle");
    // A sealed name takes no plain value, and a field no sealed one.
    assert_eq!(code(context.set_data("card", json!(1))), "SEALED_NAME");
    let built_in = context.set_sealed(&world.agent, "status", json!(1)).await;
    assert_eq!(code(built_in), "CONTEXT_INVALID");
    for name in ["agent_id", "sealed_fields"] {
        assert_eq!(
            code(context.seal_field(&world.agent, name).await),
            "CONTEXT_INVALID"
        );
    }
    // All of the data at once.
    context.seal_field(&world.agent, "data").await.unwrap();
    assert!(
        world
            .view(&context, &world.pipe)
            .await
            .get("data")
            .is_none()
    );
    assert_eq!(
        context.get_sealed(&world.agent, "data").await.unwrap(),
        json!({"city": "Bonn"})
    );
}

#[tokio::test]
async fn every_attempt_is_recorded_once_and_before_it_succeeds() {
    // covers: CTX-08, CTX-28
    let world = World::new();
    let mut context = world.of_sensitivity(SensitivityLevel::Internal);
    let mut seen = 0;
    let mut last = |action: AccessAction, granted: bool| {
        let attempts = world.log.attempts();
        seen += 1;
        assert_eq!(attempts.len(), seen, "{action:?}");
        let last = &attempts[seen - 1];
        assert_eq!(
            (last.action, last.is_granted()),
            (action, granted),
            "{last:?}"
        );
        assert_eq!((last.agent.as_str(), last.tenant.as_str()), ("agent", "t"));
        last.clone()
    };
    context
        .set_sealed(&world.agent, "k", json!(1))
        .await
        .unwrap();
    last(AccessAction::SetSealed, true);
    context
        .set_sealed(&world.pipe, "k", json!(1))
        .await
        .unwrap_err();
    last(AccessAction::SetSealed, false);
    context.get_sealed(&world.agent, "k").await.unwrap();
    last(AccessAction::GetSealed, true);
    context
        .get_sealed(&world.agent, "absent")
        .await
        .unwrap_err();
    let failed = last(AccessAction::GetSealed, false);
    assert_eq!(
        failed.outcome,
        AccessOutcome::Failed {
            code: "NOTHING_SEALED"
        }
    );
    context.get_sealed(&world.foreign, "k").await.unwrap_err();
    let refused = last(AccessAction::GetSealed, false);
    assert_eq!(
        (refused.viewer.as_str(), refused.viewer_tenant.as_str()),
        ("pipe", "u")
    );
    assert_eq!(refused.field.as_deref(), Some("k"));
    context.delete_sealed(&world.peer, "k").await.unwrap_err();
    last(AccessAction::DeleteSealed, false);
    context.delete_sealed(&world.agent, "k").await.unwrap();
    last(AccessAction::DeleteSealed, true);
    context.unseal_field(&world.agent, "k").await.unwrap();
    last(AccessAction::Unseal, true);
    context.list_sealed_keys(&world.agent).await.unwrap();
    last(AccessAction::ListSealed, true);
    context.deny_access_to(&world.agent, id("x")).await.unwrap();
    last(AccessAction::ChangePolicy, true);
    context
        .seal_field(&world.viewer(&world.group), "status")
        .await
        .unwrap_err();
    last(AccessAction::ChangePolicy, false);
    context
        .set_sensitivity(&world.agent, SensitivityLevel::TopSecret)
        .await
        .unwrap_err();
    last(AccessAction::ChangePolicy, false);
    let viewed = world.view(&context, &world.pipe).await;
    let record = last(AccessAction::View, true);
    assert_eq!(record.viewer_role, Some(ViewerRole::PipelineOrch));
    let shown: Vec<_> = viewed.as_object().unwrap().keys().cloned().collect();
    let mut visible = record.fields_visible;
    visible.sort_unstable();
    assert_eq!(visible, shown);
    world.view(&context, &world.peer).await;
    last(AccessAction::View, false);
    context.owner_view(&world.agent).await.unwrap();
    last(AccessAction::OwnerView, true);
    context.export(&world.agent, 1).await.unwrap_err();
    last(AccessAction::Export, false);
}

#[tokio::test]
async fn a_failing_log_lets_nothing_sealed_or_secret_out() {
    // covers: CTX-08, CTX-28
    let world = World::new();
    let services = world.services().with_key(world.key("r").await);
    for sensitivity in SensitivityLevel::ALL {
        let policy = ContextAccessPolicy::with_sensitivity(sensitivity);
        let mut context =
            create_secure_context(&world.agent, "A", policy, services.clone()).unwrap();
        context
            .set_sealed(&world.agent, "k", json!("v"))
            .await
            .unwrap();
        world.log.fail_with(Some("disk full"));
        let unrecorded = "ACCESS_UNRECORDED";
        assert_eq!(
            code(context.get_sealed(&world.agent, "k").await),
            unrecorded
        );
        assert_eq!(code(context.get_sealed(&world.peer, "k").await), unrecorded);
        assert_eq!(
            code(context.set_sealed(&world.agent, "l", json!(1)).await),
            unrecorded
        );
        assert_eq!(
            code(context.delete_sealed(&world.agent, "k").await),
            unrecorded
        );
        assert_eq!(
            code(context.unseal_field(&world.agent, "k").await),
            unrecorded
        );
        assert_eq!(code(context.export(&world.agent, 1).await), unrecorded);
        assert_eq!(
            code(context.deny_access_to(&world.agent, id("x")).await),
            unrecorded
        );
        let own = context.owner_view(&world.agent).await;
        let view = context
            .get_visible_context(&world.viewer(&world.pipe))
            .await;
        let closed = sensitivity >= SensitivityLevel::Secret;
        assert_eq!((own.is_err(), view.is_err()), (closed, closed));
        // What went by unrecorded is counted, not forgotten.
        assert_eq!(context.unrecorded_attempts(), if closed { 0 } else { 2 });
        world.log.fail_with(None);
        // Nothing has changed.
        assert_eq!(
            context.list_sealed_keys(&world.agent).await.unwrap(),
            ["k".to_owned()].into()
        );
        assert_eq!(context.get_sealed(&world.agent, "k").await.unwrap(), "v");
        assert!(
            context
                .policy(&world.agent)
                .unwrap()
                .denied_viewers
                .is_empty()
        );
    }
    let policy = ContextAccessPolicy {
        audit_access: true,
        ..ContextAccessPolicy::default()
    };
    let context = world.context(policy);
    world.log.fail_with(Some("disk full"));
    assert!(
        context
            .get_visible_context(&world.viewer(&world.pipe))
            .await
            .is_err()
    );
    assert!(context.get_data(&world.agent, "k", json!(0)).await.is_err());
}

#[tokio::test]
async fn strangers_cannot_tell_what_exists() {
    // covers: CTX-09, CTX-27
    let world = World::new();
    let mut with = world.context(ContextAccessPolicy::default());
    with.set_sealed(&world.agent, "k", json!("v"))
        .await
        .unwrap();
    let mut without = world.context(ContextAccessPolicy::default());
    for token in world.others() {
        for context in [&mut with, &mut without] {
            let errors = [
                context.get_sealed(token, "k").await.unwrap_err(),
                context.delete_sealed(token, "k").await.unwrap_err(),
                context.unseal_field(token, "k").await.unwrap_err(),
                context.has_sealed(token, "k").await.unwrap_err(),
                context.set_sealed(token, "k", json!(1)).await.unwrap_err(),
            ];
            let requester = token.subject().agent();
            for error in errors {
                let expected = format!("`{requester}` may not reach sealed `k` of `agent`");
                assert_eq!(error.to_string(), expected);
            }
        }
    }
}

#[tokio::test]
async fn top_secret_is_never_only_a_label() {
    // covers: CTX-10
    let world = World::new();
    let bare = ContextServices::new(world.clock.clone());
    let key = world.key("r").await;
    let top = ContextAccessPolicy::with_sensitivity(SensitivityLevel::TopSecret);
    let make = |policy: &ContextAccessPolicy, services: &ContextServices| {
        create_secure_context(&world.agent, "A", policy.clone(), services.clone())
    };
    let unprotected = "CONTEXT_UNPROTECTED";
    assert_eq!(code(make(&top, &bare)), unprotected);
    assert_eq!(code(make(&top, &world.services())), unprotected);
    assert_eq!(
        code(make(&top, &bare.clone().with_key(key.clone()))),
        unprotected
    );
    let audited = ContextAccessPolicy {
        audit_access: true,
        ..ContextAccessPolicy::default()
    };
    assert_eq!(code(make(&audited, &bare)), unprotected);
    let encrypted = ContextAccessPolicy {
        encrypt_sealed: true,
        ..ContextAccessPolicy::default()
    };
    assert_eq!(code(make(&encrypted, &world.services())), unprotected);
    let foreign = bare
        .clone()
        .with_key(key_of("u", "r", world.clock.clone()).await);
    assert_eq!(
        code(make(&ContextAccessPolicy::default(), &foreign)),
        "CONTEXT_INVALID"
    );

    let mut context = make(&top, &world.services().with_key(key)).unwrap();
    context
        .set_sealed(&world.agent, "k", json!("v"))
        .await
        .unwrap();
    assert!(context.sealed.values().all(SealedData::is_encrypted));
    // Nor does a context become top secret without what it takes.
    let mut context = make(&ContextAccessPolicy::default(), &world.services()).unwrap();
    let raised = context
        .set_sensitivity(&world.agent, SensitivityLevel::TopSecret)
        .await;
    assert_eq!(code(raised), unprotected);
}

#[tokio::test]
async fn deleting_a_value_does_not_open_its_name() {
    // covers: CTX-12, CTX-29
    let world = World::new();
    let mut context = world.of_sensitivity(SensitivityLevel::Internal);
    context.set_data("card", json!("4111")).unwrap();
    context.seal_field(&world.agent, "card").await.unwrap();
    assert!(context.delete_sealed(&world.agent, "card").await.unwrap());
    assert!(!context.delete_sealed(&world.agent, "card").await.unwrap());
    assert_eq!(code(context.set_data("card", json!("4112"))), "SEALED_NAME");
    let view = world.view(&context, &world.pipe).await;
    assert_eq!(view["sealed_fields"], json!(["card"]));
    assert!(!view.to_string().contains("411"));
    // Opening it is an act of its own; a value that is there becomes plain.
    context
        .set_sealed(&world.agent, "card", json!("4113"))
        .await
        .unwrap();
    assert!(context.unseal_field(&world.agent, "card").await.unwrap());
    assert_eq!(
        world.view(&context, &world.pipe).await["data"],
        json!({"card": "4113"})
    );
    assert_eq!(
        code(context.get_sealed(&world.agent, "card").await),
        "NOTHING_SEALED"
    );
}

#[test]
fn a_confidence_is_a_number_from_0_to_1() {
    // covers: CTX-13
    let world = World::new();
    let mut context = world.context(ContextAccessPolicy::default());
    for (given, kept) in [
        (1.5, 1.0),
        (-0.5, 0.0),
        (0.25, 0.25),
        (f64::INFINITY, 1.0),
        (f64::NEG_INFINITY, 0.0),
        (-0.0, 0.0),
    ] {
        context.update_confidence(given).unwrap();
        assert_eq!(context.state.confidence.to_bits(), f64::to_bits(kept));
    }
    context.update_confidence(0.5).unwrap();
    assert_eq!(code(context.update_confidence(f64::NAN)), "CONTEXT_INVALID");
    assert!((context.state.confidence - 0.5).abs() < f64::EPSILON);
}

#[tokio::test]
async fn a_context_has_an_end_and_the_oldest_entry_leaves() {
    // covers: CTX-14
    const MAX: usize = SecureAgentContext::MAX_ENTRIES;
    let world = World::new();
    let mut context = world.context(ContextAccessPolicy::default());
    for n in 0..MAX + 3 {
        context.add_reasoning_step(n.to_string()).unwrap();
    }
    assert_eq!(context.state.reasoning_steps.len(), MAX);
    assert_eq!(context.state.reasoning_steps[0], "3");
    let large = "x".repeat(SecureAgentContext::MAX_TEXT + 1);
    let invalid = "CONTEXT_INVALID";
    assert_eq!(code(context.add_source(large.clone())), invalid);
    assert_eq!(code(context.update_last_action(large.clone())), invalid);
    assert_eq!(code(context.set_data("x".repeat(257), json!(1))), invalid);
    let huge = json!("x".repeat(SecureAgentContext::MAX_VALUE));
    assert_eq!(code(context.set_data("k", huge.clone())), invalid);
    assert_eq!(
        code(context.set_sealed(&world.agent, "k", huge).await),
        invalid
    );
    let deep = (0..100).fold(json!(1), |inner, _| json!([inner]));
    assert_eq!(code(context.set_data("k", deep)), invalid);
    for n in 0..MAX {
        context.set_data(n.to_string(), json!(n)).unwrap();
    }
    assert_eq!(code(context.set_data("one more", json!(1))), invalid);
    context.set_data("7", json!("again")).unwrap();
    let made = create_secure_context(
        &world.agent,
        large,
        ContextAccessPolicy::default(),
        world.services(),
    );
    assert_eq!(code(made), invalid);
}

#[tokio::test]
async fn an_erased_run_takes_its_sealed_values_along() {
    // covers: CTX-37
    let world = World::new();
    let key = world.key("r").await;
    let services = world.services().with_key(key.clone());
    let policy = ContextAccessPolicy::default();
    let mut context = create_secure_context(&world.agent, "A", policy, services).unwrap();
    context
        .set_sealed(&world.agent, "k", json!("v"))
        .await
        .unwrap();
    key.erase();
    assert_eq!(
        code(context.get_sealed(&world.agent, "k").await),
        "SEAL_ERASED"
    );
    assert_eq!(
        code(context.set_sealed(&world.agent, "l", json!(1)).await),
        "SEAL_ERASED"
    );
    assert_eq!(
        world.view(&context, &world.pipe).await["sealed_fields"],
        json!(["k"])
    );
}
