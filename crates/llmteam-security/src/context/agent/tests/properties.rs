//! The principles over random forests, policies and contents.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(work)
}

/// What fills a context.
#[derive(Clone, Debug)]
struct Content {
    confidence: f64,
    errors: u8,
    action: String,
    steps: Vec<String>,
    data: Vec<(String, String)>,
    sealed: Vec<(String, String)>,
}

fn content() -> impl Strategy<Value = Content> {
    let text = || "[a-z]{0,6}";
    let pairs = || prop::collection::vec(("[a-e]", text()), 0..4);
    let steps = prop::collection::vec(text(), 0..3);
    (0.0..1.0_f64, 0..3_u8, text(), steps, pairs(), pairs()).prop_map(
        |(confidence, errors, action, steps, data, sealed)| Content {
            confidence,
            errors,
            action,
            steps,
            data: data
                .into_iter()
                .map(|(key, value)| (format!("d_{key}"), value))
                .collect(),
            sealed: sealed
                .into_iter()
                .map(|(key, value)| (format!("s_{key}"), value))
                .collect(),
        },
    )
}

const NAMES: [&str; 7] = [
    "status",
    "reasoning_steps",
    "confidence",
    "d_a",
    "d_b",
    "data",
    "last_action",
];

fn policy() -> impl Strategy<Value = ContextAccessPolicy> {
    let ids = || prop::sample::subsequence(vec!["pipe", "group", "peer", "ops", "stranger"], 0..=3);
    let sealed = prop::sample::subsequence(NAMES.to_vec(), 0..=3);
    (0..4_usize, 0..3_usize, ids(), ids(), sealed).prop_map(
        |(sensitivity, visibility, denied, allowed, sealed)| ContextAccessPolicy {
            sensitivity: SensitivityLevel::ALL[sensitivity],
            default_visibility: VisibilityLevel::ALL[visibility],
            denied_viewers: denied.into_iter().map(id).collect(),
            allowed_viewers: allowed.into_iter().map(id).collect(),
            sealed_fields: sealed.into_iter().map(str::to_owned).collect(),
            ..ContextAccessPolicy::default()
        },
    )
}

async fn filled(
    world: &World,
    policy: ContextAccessPolicy,
    content: &Content,
) -> SecureAgentContext {
    let sealed_names = policy.sealed_fields.clone();
    let open = ContextAccessPolicy {
        sealed_fields: BTreeSet::new(),
        ..policy
    };
    let mut context = world.context(open);
    context.update_confidence(content.confidence).unwrap();
    (0..content.errors).for_each(|_| context.increment_error_count());
    context.update_last_action(content.action.clone()).unwrap();
    for step in &content.steps {
        context.add_reasoning_step(step.clone()).unwrap();
    }
    for (key, value) in &content.data {
        context.set_data(key.clone(), json!(value)).unwrap();
    }
    for (key, value) in &content.sealed {
        context
            .set_sealed(&world.agent, key, json!(value))
            .await
            .unwrap();
    }
    for name in sealed_names {
        context.seal_field(&world.agent, name).await.unwrap();
    }
    context
}

/// The names a view shows: fields, and keys of the data.
fn names(view: &Value) -> BTreeSet<String> {
    let view = view.as_object().unwrap();
    if view.contains_key("access") {
        return BTreeSet::new();
    }
    let data = view
        .get("data")
        .and_then(Value::as_object)
        .into_iter()
        .flatten();
    let fields = view.keys().filter(|name| *name != "sealed_fields");
    fields.chain(data.map(|(key, _)| key)).cloned().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn an_agent_sees_no_other_agent_and_learns_nothing(
        policies in (policy(), policy()), contents in (content(), content()),
    ) {
        // covers: CTX-20
        block_on(async {
            let world = World::new();
            let one = filled(&world, policies.0, &contents.0).await;
            let two = filled(&world, policies.1, &contents.1).await;
            for token in [&world.peer, &world.stranger, &world.foreign, &world.agent] {
                let views = [world.view(&one, token).await, world.view(&two, token).await];
                assert_eq!(views[0].to_string(), views[1].to_string());
                let keys: Vec<_> = views[0].as_object().unwrap().keys().cloned().collect();
                assert_eq!(keys, ["access", "agent_id", "reason"]);
            }
            for name in ["s_a", "d_a", "status"] {
                for token in world.others() {
                    let errors = [one.get_sealed(token, name).await, two.get_sealed(token, name).await];
                    let [first, second] = errors.map(|it| it.unwrap_err().to_string());
                    assert_eq!(first, second);
                }
            }
        });
    }

    #[test]
    fn changing_what_was_given_out_changes_nothing(policy in policy(), content in content()) {
        // covers: CTX-11, CTX-21
        block_on(async {
            let world = World::new();
            let one = filled(&world, policy.clone(), &content).await;
            let mut two = filled(&world, policy, &content).await;
            let own = async |it: &SecureAgentContext| it.owner_view(&world.agent).await.unwrap();
            let before = own(&one).await;
            // Everything that can be had of it, turned over.
            let mut given = before.clone().into_fields();
            given.values_mut().for_each(|value| *value = json!("overwritten"));
            let mut policy = one.policy(&world.agent).unwrap();
            policy.sealed_fields.insert("d_a".to_owned());
            policy.set_sensitivity(SensitivityLevel::Public);
            // And another context of the same inputs.
            two.set_data("new", json!(1)).unwrap();
            two.set_sealed(&world.agent, "s_new", json!(1)).await.unwrap();
            two.delete_sealed(&world.agent, "s_a").await.unwrap();
            two.deny_access_to(&world.agent, id("pipe")).await.unwrap();
            assert_eq!(own(&one).await, before);
        });
    }

    #[test]
    fn a_stricter_context_never_shows_more(
        policy in policy(), content in content(), step in 0..4_usize, name in prop::sample::select(NAMES.to_vec()),
    ) {
        // covers: CTX-23
        block_on(async {
            let world = World::new();
            let mut context = filled(&world, policy.clone(), &content).await;
            let mut before = Vec::new();
            for token in world.others() {
                before.push(names(&world.view(&context, token).await));
            }
            let owner = &world.agent;
            match step {
                0 => {
                    let next = (policy.sensitivity as usize + 1).min(3);
                    context.set_sensitivity(owner, SensitivityLevel::ALL[next]).await.unwrap();
                }
                1 => {
                    let next = (policy.default_visibility as usize).saturating_sub(1);
                    context.set_default_visibility(owner, VisibilityLevel::ALL[next]).await.unwrap();
                }
                2 => context.deny_access_to(owner, id("pipe")).await.unwrap(),
                _ => context.seal_field(owner, name).await.unwrap(),
            }
            for (token, before) in world.others().into_iter().zip(before) {
                let after = names(&world.view(&context, token).await);
                assert!(after.is_subset(&before), "{after:?} beyond {before:?}");
            }
        });
    }

    #[test]
    fn views_and_checks_agree(policy in policy(), content in content()) {
        // covers: CTX-15, CTX-24
        block_on(async {
            let world = World::new();
            let secret = policy.sensitivity >= SensitivityLevel::Secret;
            let context = filled(&world, policy, &content).await;
            for token in world.others() {
                let viewer = world.viewer(token);
                let view = world.view(&context, token).await;
                let shown = names(&view);
                assert!(!secret || shown.is_empty());
                for name in ["agent_name", "status", "reasoning_steps", "messages", "d_a", "d_b", "s_a", "nothing"] {
                    let granted = context.can_access(&viewer, Some(name)).is_ok();
                    assert_eq!(granted, shown.contains(name), "{name} {view}");
                }
            }
        });
    }

    #[test]
    fn after_deleting_or_dropping_a_value_no_view_has_it_again(policy in policy(), content in content()) {
        // covers: CTX-29
        block_on(async {
            let world = World::new();
            let mut context = filled(&world, policy, &content).await;
            for (key, _) in &content.sealed {
                context.delete_sealed(&world.agent, key).await.unwrap();
                assert!(context.set_data(key.clone(), json!("again")).is_err());
            }
            let views = world.others().map(|token| world.view(&context, token));
            for view in views {
                let view = view.await;
                assert!(content.sealed.iter().all(|(key, _)| !names(&view).contains(key)));
            }
            for (key, _) in &content.sealed {
                assert!(context.get_sealed(&world.agent, key).await.is_err());
            }
        });
    }
}

/// A forest of up to 12 nodes of two tenants: each with the number of its parent, if that came before it.
fn forest() -> impl Strategy<Value = Vec<(bool, u8, usize)>> {
    prop::collection::vec((any::<bool>(), 0..4_u8, 0..12_usize), 2..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn in_any_forest_a_grant_means_to_stand_above(nodes in forest(), policy in policy()) {
        // covers: CTX-22, CTX-24
        block_on(async {
            let lineage = Lineage::new();
            let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(Timestamp::from_micros(1)));
            let mut made: Vec<(TenantId, ViewerRole, Option<usize>, OwnerToken)> = Vec::new();
            for (number, (second, role, parent)) in nodes.iter().enumerate() {
                let tenant = tenant(if *second { "u" } else { "t" });
                let role = ViewerRole::ALL[usize::from(*role)];
                let under = (*parent < number).then_some(*parent);
                let parent_name = under.map(|it| id(&format!("n{it}")));
                let name = id(&format!("n{number}"));
                let with_parent = lineage.add(&tenant, &name, role, parent_name.as_ref());
                let (under, token) = match with_parent {
                    Ok(token) => (under, token),
                    Err(_) => (None, lineage.add(&tenant, &name, role, None).unwrap()),
                };
                made.push((tenant, role, under, token));
            }
            let above = |upper: usize, lower: usize| {
                std::iter::successors(made[lower].2, |it| made[*it].2).position(|it| it == upper)
            };
            for (lower, (tenant, _, _, token)) in made.iter().enumerate() {
                let services = ContextServices::new(clock.clone());
                let context = create_secure_context(token, "x", policy.clone(), services).unwrap();
                for (upper, (viewers, role, _, viewer)) in made.iter().enumerate() {
                    let viewer = lineage.viewer(viewer).unwrap();
                    let view = context.get_visible_context(&viewer).await.unwrap();
                    if view.granted().is_none() {
                        continue;
                    }
                    assert_eq!(viewers, tenant);
                    assert!(policy.sensitivity < SensitivityLevel::Secret);
                    match role {
                        ViewerRole::Agent => panic!("an agent was granted a view"),
                        ViewerRole::System => assert_ne!(upper, lower),
                        ViewerRole::PipelineOrch | ViewerRole::GroupOrch => {
                            let steps = above(upper, lower).expect("stands above");
                            let far = steps > 0;
                            assert!(!far || policy.sensitivity == SensitivityLevel::Public);
                            assert!(!far || policy.default_visibility == VisibilityLevel::Hierarchy);
                        }
                    }
                    // Never upwards, nor across: the other way round is denied.
                    assert!(*role == ViewerRole::System || above(lower, upper).is_none());
                }
            }
        });
    }
}
