//! Who sees what of those under a context, and what of secure contexts reaches those above: `C15` to `C18`.

use llmteam_security::context::{AccessOutcome, AgentStatus, Viewer, VisibilityLevel};

use super::*;

impl World {
    fn viewer(&self, name: &str) -> Viewer {
        self.manager.viewer(self.own(name).token()).unwrap()
    }

    async fn children(&self, parent: &str, viewer: &Viewer) -> Result<Value, ContextError> {
        let views = self.manager.get_visible_children(&id(parent), viewer).await;
        views.map(shown)
    }
}

#[tokio::test]
async fn a_pipeline_sees_its_unsecured_agents_in_summary() {
    // covers: CT06
    let world = World::with_agents();
    world.set("a1", "draft", json!("unseen"));
    let views = shown(world.own("pipe").get_visible_children().await.unwrap());
    for agent in ["a1", "a2"] {
        assert_eq!(views[agent]["owner_id"], agent);
        assert_eq!(views[agent]["scope"], "agent");
    }
    assert!(!views.to_string().contains("unseen"));
    // Each call counts, and asking for a child does not.
    let pipe = world.manager.get_context(&id("pipe")).unwrap();
    assert_eq!(pipe.access_count(), 1);
    world.own("pipe").get_visible_children().await.unwrap();
    let pipe = world.manager.get_context(&id("pipe")).unwrap();
    assert_eq!(pipe.access_count(), 2);
    assert!(
        pipe.get_child_context(&id("a1"))
            .is_some_and(|it| it.access_count() == 0)
    );
    assert_eq!(
        shown(world.own("a1").get_visible_children().await.unwrap()),
        json!({})
    );
}

#[tokio::test]
async fn a_pipeline_sees_of_a_secured_agent_what_its_policy_shows() {
    // covers: CT07, CT08
    let world = World::with_agents();
    let a1 = world.secure("a1", World::policy(SensitivityLevel::Internal));
    {
        let mut a1 = a1.write().await;
        a1.update_status(AgentStatus::Running);
        a1.update_confidence(0.95).unwrap();
    }
    let mut denying = World::policy(SensitivityLevel::Internal);
    denying.deny_access_to(id("pipe"));
    world.secure("a2", denying);
    let views = shown(world.own("pipe").get_visible_children().await.unwrap());
    assert_eq!(views["a1"]["status"], "running");
    assert_eq!(views["a1"]["confidence"], 0.95);
    assert_eq!(views["a2"]["access"], "denied");
    assert_eq!(views["a2"]["reason"], "the policy denies this viewer");
}

#[tokio::test]
async fn parents_ancestors_and_systems_look_and_nobody_else() {
    // covers: C15
    let mut world = World::with_agents();
    world
        .add(ContextScope::Pipeline, "pipe2", Some("group"))
        .unwrap();
    world.add(ContextScope::Group, "other", None).unwrap();
    let ops = world.manager.create_system(&id("ops")).unwrap();
    let public = ContextAccessPolicy {
        default_visibility: VisibilityLevel::Hierarchy,
        ..World::policy(SensitivityLevel::Public)
    };
    world.secure("a2", public);
    for name in ["pipe", "group"] {
        let views = world.children("pipe", &world.viewer(name)).await.unwrap();
        assert_eq!(views["a1"]["owner_id"], "a1", "{name}");
        assert_eq!(views["a2"]["status"], "idle", "{name}");
    }
    let viewer = world.manager.viewer(&ops).unwrap();
    let views = world.children("pipe", &viewer).await.unwrap();
    assert_eq!(views.as_object().unwrap().len(), 2);

    let count = |world: &World| world.own("pipe").get_summary().unwrap().access_count;
    let before = count(&world);
    for name in ["a1", "a2", "pipe2", "other"] {
        let refused = world
            .children("pipe", &world.viewer(name))
            .await
            .unwrap_err();
        assert!(
            matches!(refused, ContextError::Denied { .. }),
            "{name}: {refused}"
        );
        let told = refused.to_string().replace(&format!("`{name}`"), "");
        assert!(!told.contains("a1") && !told.contains("a2"), "{told}");
    }
    assert_eq!(count(&world), before);

    // Somebody of another manager, of the same name.
    let elsewhere = World::with_agents();
    let refused = world.children("pipe", &elsewhere.viewer("pipe")).await;
    assert!(matches!(refused, Err(ContextError::Denied { .. })));
    let foreign = world.manager.viewer(elsewhere.own("pipe").token());
    assert!(matches!(foreign, Err(ContextError::Lineage(_))));

    // Who was moved away, was above no longer; the system is gone when it is removed.
    let group = world.viewer("group");
    world
        .manager
        .move_context(&id("pipe"), Some(&id("other")))
        .unwrap();
    assert!(world.children("pipe", &group).await.is_err());
    assert!(world.children("pipe", &world.viewer("other")).await.is_ok());
    assert!(world.manager.remove_system(&id("pipe")).is_err());
    world.manager.remove_system(&id("ops")).unwrap();
    assert!(world.children("pipe", &viewer).await.is_err());
}

#[tokio::test]
async fn a_childless_parent_tells_strangers_nothing_either() {
    // covers: C15
    let mut world = World::new();
    world.add(ContextScope::Pipeline, "pipe", None).unwrap();
    world.add(ContextScope::Pipeline, "stranger", None).unwrap();
    assert_eq!(
        world.children("pipe", &world.viewer("pipe")).await.unwrap(),
        json!({})
    );
    assert!(
        world
            .children("pipe", &world.viewer("stranger"))
            .await
            .is_err()
    );
}

#[tokio::test]
async fn each_attempt_on_each_child_is_recorded_once() {
    // covers: C16
    let world = World::with_agents();
    world.secure("a2", World::policy(SensitivityLevel::Internal));
    let outcomes = |world: &World, name: &str| -> Vec<_> {
        let attempts = world.attempts_on(name);
        attempts
            .into_iter()
            .map(|it| (it.viewer.to_string(), it.outcome == AccessOutcome::Granted))
            .collect()
    };
    world.children("pipe", &world.viewer("pipe")).await.unwrap();
    world
        .children("pipe", &world.viewer("a1"))
        .await
        .unwrap_err();
    let expected = [("pipe".to_owned(), true), ("a1".to_owned(), false)];
    for child in ["a1", "a2"] {
        assert_eq!(outcomes(&world, child), expected, "{child}");
    }
    // The group asks for an internal context of a pipeline: there, denied, recorded.
    let views = world
        .children("pipe", &world.viewer("group"))
        .await
        .unwrap();
    assert_eq!(views["a2"]["access"], "denied");
    assert_eq!(outcomes(&world, "a2")[2], ("group".to_owned(), false));
    // What a propagation learns is asked for too.
    world.up("a2").await;
    assert_eq!(outcomes(&world, "a2")[3..], [("pipe".to_owned(), true)]);
}

#[tokio::test]
async fn without_a_record_nothing_secret_is_shown_and_a_summary_is_counted() {
    // covers: C16
    let world = World::with_agents();
    let audited = ContextAccessPolicy {
        audit_access: true,
        ..World::policy(SensitivityLevel::Internal)
    };
    let a1 = world.secure("a1", audited);
    a1.write().await.increment_error_count();
    world.log.fail_with(Some("disk full"));
    let refused = world.manager.propagate_up(&id("a1")).await;
    assert!(matches!(refused, Err(ContextError::Access(_))));
    assert_eq!(world.data("pipe", "error_count"), None);
    let refused = world.children("pipe", &world.viewer("pipe")).await;
    assert!(matches!(refused, Err(ContextError::Access(_))));
    let views = world
        .children("group", &world.viewer("group"))
        .await
        .unwrap();
    assert_eq!(views["pipe"]["owner_id"], "pipe");
    assert_eq!(world.manager.unrecorded_attempts(), 1);
}

#[tokio::test]
async fn what_is_sealed_or_secret_does_not_propagate() {
    // covers: C17
    let world = World::with_agents();
    let mut sealing = World::policy(SensitivityLevel::Internal);
    sealing.seal_field("confidence");
    let a1 = world.secure("a1", sealing);
    a1.write().await.update_confidence(0.9).unwrap();
    a1.write().await.increment_error_count();
    let a2 = world.secure("a2", World::policy(SensitivityLevel::Secret));
    a2.write().await.increment_error_count();
    for agent in ["a1", "a2"] {
        world.to_root(agent).await;
    }
    for name in ["pipe", "group"] {
        assert_eq!(world.data(name, "confidence"), None);
        assert_eq!(world.data(name, "error_count"), Some(json!(1)));
    }
    // What was shown before and is sealed now is retracted by the next propagation.
    let token = world.own("a1").token();
    a1.write()
        .await
        .seal_field(token, "error_count")
        .await
        .unwrap();
    world.to_root("a1").await;
    assert_eq!(world.data("group", "error_count"), None);
    assert_eq!(world.data("group", "status"), Some(json!("idle")));
}

#[tokio::test]
async fn what_a_context_hides_is_not_handed_down_either() {
    // covers: C17
    let policies = [
        (World::policy(SensitivityLevel::Secret), [false, false]),
        (World::policy(SensitivityLevel::Confidential), [true, true]),
        (
            ContextAccessPolicy {
                sealed_fields: ["shared_state".to_owned()].into(),
                ..ContextAccessPolicy::default()
            },
            [true, false],
        ),
        (
            ContextAccessPolicy {
                sealed_fields: ["data".to_owned()].into(),
                ..ContextAccessPolicy::default()
            },
            [false, false],
        ),
        (
            ContextAccessPolicy {
                default_visibility: VisibilityLevel::SelfOnly,
                ..ContextAccessPolicy::default()
            },
            [false, false],
        ),
    ];
    for (policy, expected) in policies {
        let world = World::with_agents();
        world.secure("pipe", policy.clone());
        world.set("pipe", "global_config", json!("g"));
        world.set("pipe", "shared_state", json!("s"));
        world.down("pipe").await;
        let got = ["global_config", "shared_state"].map(|it| world.data("a1", it).is_some());
        assert_eq!(got, expected, "{policy:?}");
    }
}

#[tokio::test]
async fn a_secure_context_is_the_one_source_of_what_it_reports() {
    // covers: C18
    let world = World::with_agents();
    let a1 = world.secure("a1", World::policy(SensitivityLevel::Internal));
    for _ in 0..7 {
        a1.write().await.increment_error_count();
    }
    a1.write().await.update_status(AgentStatus::Failed);
    for field in REPORTED_FIELDS {
        let refused = world.own("a1").set_data(field, json!(0));
        assert!(
            matches!(refused, Err(ContextError::KeptSecurely { .. })),
            "{field}"
        );
    }
    world.to_root("a1").await;
    for name in ["pipe", "group"] {
        assert_eq!(world.data(name, "error_count"), Some(json!(7)));
        assert_eq!(world.data(name, "status"), Some(json!("failed")));
    }
    a1.write().await.update_status(AgentStatus::Completed);
    world.up("a1").await;
    assert_eq!(world.data("pipe", "status"), Some(json!("completed")));
}

#[tokio::test]
async fn a_secured_orchestrator_contributes_its_own_and_what_it_was_contributed() {
    // covers: C18
    let world = World::with_agents();
    let pipe = world.secure("pipe", World::policy(SensitivityLevel::Internal));
    pipe.write().await.increment_error_count();
    world.set("a1", "error_count", json!(2));
    world.to_root("a1").await;
    assert_eq!(world.data("pipe", "error_count"), Some(json!(2)));
    assert_eq!(world.data("group", "error_count"), Some(json!(3)));
    // And what it contributes follows when somebody under it leaves.
    world.manager.remove_context(&id("a1")).unwrap();
    assert_eq!(world.data("group", "error_count"), Some(json!(1)));
    // Another parent has not been shown anything yet.
    let mut world = world;
    world.add(ContextScope::Group, "other", None).unwrap();
    world
        .manager
        .move_context(&id("pipe"), Some(&id("other")))
        .unwrap();
    assert_eq!(world.data("group", "error_count"), None);
    assert_eq!(world.data("other", "error_count"), None);
}

#[tokio::test]
async fn what_became_secret_does_not_go_up_when_somebody_leaves() {
    // covers: C6, C17
    for strict in [false, true] {
        let world = World::with_agents();
        let pipe = world.secure("pipe", World::policy(SensitivityLevel::Internal));
        for agent in ["a1", "a2"] {
            world.set(agent, "error_count", json!(2));
            world.to_root(agent).await;
        }
        assert_eq!(world.data("group", "error_count"), Some(json!(4)));
        if strict {
            let token = world.own("pipe").token();
            let secret = SensitivityLevel::Secret;
            pipe.write()
                .await
                .set_sensitivity(token, secret)
                .await
                .unwrap();
        }
        world.manager.remove_context(&id("a1")).unwrap();
        let expected = if strict { None } else { Some(json!(2)) };
        assert_eq!(world.data("group", "error_count"), expected);
    }
}

#[tokio::test]
async fn a_secure_context_is_attached_once_by_its_owner_and_first() {
    // covers: C18
    let world = World::with_agents();
    let internal = || World::policy(SensitivityLevel::Internal);
    world.secure("a1", internal());
    let again = world
        .own("a1")
        .attach_secure_context(world.secured("a1", internal()));
    assert!(matches!(again, Err(ContextError::AlreadySecured { .. })));
    let others = world
        .own("a2")
        .attach_secure_context(world.secured("a1", internal()));
    assert!(matches!(
        others,
        Err(ContextError::ForeignSecureContext { .. })
    ));
    world.set("a2", "status", json!("running"));
    let late = world
        .own("a2")
        .attach_secure_context(world.secured("a2", internal()));
    assert!(matches!(late, Err(ContextError::KeptSecurely { .. })));
}

#[test]
fn neither_data_nor_secure_contexts_show_in_debug_output() {
    let world = World::with_agents();
    world.set("a1", "draft", json!("unseen"));
    let secure = world.secure("a2", World::policy(SensitivityLevel::Internal));
    block_on(async { secure.write().await.update_last_action("unseen").unwrap() });
    let context = world.manager.get_context(&id("pipe")).unwrap();
    let texts = [
        format!("{context:?}"),
        format!("{:?}", world.manager),
        format!("{:?}", world.own("a1")),
        format!("{:?}", world.own("a2")),
    ];
    assert!(texts.iter().all(|it| !it.contains("unseen")), "{texts:?}");
}
