//! A marker is put where it must not leave, then looked for in what everybody else can get.

use llmteam_security::context::{
    VisibilityLevel,
    crypto::{MemoryDekStore, MemoryKeyLog, MemoryKeys, Vault},
};
use proptest::prelude::*;

use super::*;

/// Names, scopes and parents of the forest; every context has a field of its own that goes up.
const NODES: [(&str, ContextScope, Option<&str>); 7] = [
    ("g", ContextScope::Group, None),
    ("p", ContextScope::Pipeline, Some("g")),
    ("q", ContextScope::Pipeline, Some("g")),
    ("a", ContextScope::Agent, Some("p")),
    ("b", ContextScope::Agent, Some("p")),
    ("c", ContextScope::Agent, Some("q")),
    ("d", ContextScope::Agent, Some("g")),
];

/// A confidence that is found again in any text; its own for each context, and exact in binary.
fn confidence(node: usize) -> f64 {
    0.5 + (node as f64 + 1.0) / 1024.0
}

fn policy() -> impl Strategy<Value = ContextAccessPolicy> {
    let sealed =
        prop::sample::subsequence(vec!["note", "confidence", "data", "global_config"], 0..=4);
    (0..5_usize, 0..3_usize, sealed).prop_map(|(sensitivity, visibility, sealed)| {
        ContextAccessPolicy {
            default_visibility: VisibilityLevel::ALL[visibility],
            sealed_fields: sealed.into_iter().map(str::to_owned).collect(),
            ..World::policy(SensitivityLevel::ALL[sensitivity])
        }
    })
}

async fn world(policies: &[ContextAccessPolicy]) -> World {
    let mut config = ContextPropagationConfig::default();
    for (name, ..) in NODES {
        config
            .add_propagate_up(format!("note_{name}"), None)
            .unwrap();
    }
    // The greatest, not the mean: a mean would hide what it is made of.
    config.set_aggregation_rule("confidence", AggregationRule::Max);
    let mut world = World::with_config(config);
    let keys = Arc::new(MemoryKeys::new());
    keys.create(&tenant()).unwrap();
    let store = Arc::new(MemoryDekStore::new());
    let vault = Vault::new(
        keys,
        store,
        Arc::new(MemoryKeyLog::new()),
        world.clock.clone(),
    );
    let key = vault
        .run_key(&tenant(), &"r1".parse().unwrap())
        .await
        .unwrap();
    for (node, (name, scope, parent)) in NODES.into_iter().enumerate() {
        world.add(scope, name, parent).unwrap();
        let mut policy = policies[node].clone();
        if policy.sealed_fields.remove("note") {
            policy.seal_field(format!("note_{name}"));
        }
        let services = ContextServices::new(world.clock.clone())
            .with_log(world.log.clone())
            .with_key(key.clone());
        let token = world.own(name).token();
        let mut secure = create_secure_context(token, name, policy, services).unwrap();
        secure.update_confidence(confidence(node)).unwrap();
        let sealed = json!(format!("sealed-{name}-"));
        secure.set_sealed(token, "token", sealed).await.unwrap();
        world.own(name).attach_secure_context(secure).unwrap();
        world.set(
            name,
            &format!("note_{name}"),
            json!(format!("note-{name}-")),
        );
        world.set(name, "global_config", json!(format!("config-{name}-")));
    }
    world
}

/// What must not leave a context of that policy.
fn hidden(node: usize, policy: &ContextAccessPolicy) -> Vec<String> {
    let name = NODES[node].0;
    let closed = policy.effective_visibility() == VisibilityLevel::SelfOnly;
    let sealed = |field: &str| closed || policy.sealed_fields.contains(field);
    let mut hidden = vec![format!("sealed-{name}-")];
    if sealed("note") || sealed("data") {
        hidden.push(format!("note-{name}-"));
    }
    if sealed("global_config") || sealed("data") {
        hidden.push(format!("config-{name}-"));
    }
    if sealed("confidence") {
        hidden.push(confidence(node).to_string());
    }
    hidden
}

/// What everybody but the context itself can get, as text, except for copies of the context as such.
async fn outputs(world: &World, of: &str) -> String {
    let mut out = String::new();
    for (name, own) in &world.own {
        if name != of {
            out += &json!(own.to_dict().unwrap()).to_string();
        }
        out += &format!("{:?}", own.get_visible_children().await);
        let viewer = world.manager.viewer(own.token()).unwrap();
        for (parent, ..) in NODES {
            let views = world
                .manager
                .get_visible_children(&id(parent), &viewer)
                .await;
            out += &views.map_or_else(
                |error| format!("{error} {error:?}"),
                |it| shown(it).to_string(),
            );
        }
    }
    out + &serde_json::to_string(&world.log.attempts()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn what_is_sealed_or_secret_is_found_nowhere_else(
        policies in prop::collection::vec(policy(), NODES.len()),
        moved in prop::sample::select(vec!["a", "b", "c", "d"]),
        to in prop::sample::select(vec!["p", "q", "g"]),
    ) {
        // covers: C17
        block_on(async {
            let world = world(&policies).await;
            for round in 0..2 {
                for (name, ..) in NODES.into_iter().rev() {
                    world.to_root(name).await;
                    world.up(name).await;
                }
                for (name, ..) in NODES {
                    world.down(name).await;
                }
                for (node, (name, ..)) in NODES.into_iter().enumerate() {
                    let out = outputs(&world, name).await;
                    for marker in hidden(node, &policies[node]) {
                        assert!(!out.contains(&marker), "{marker} of {name}, round {round}");
                    }
                }
                world.manager.move_context(&id(moved), Some(&id(to))).unwrap();
            }
        });
    }

    #[test]
    fn an_agent_learns_nothing_of_its_siblings(policies in prop::collection::vec(policy(), NODES.len())) {
        // covers: C15
        block_on(async {
            let world = world(&policies).await;
            for name in ["a", "b", "c", "d", "p", "q"] {
                world.to_root(name).await;
            }
            let own = world.own("a");
            let viewer = world.manager.viewer(own.token()).unwrap();
            let mut out = json!([own.to_dict().unwrap(), own.get_summary().unwrap()]).to_string();
            out += &shown(own.get_visible_children().await.unwrap()).to_string();
            for (parent, ..) in NODES.into_iter().filter(|it| it.0 != "a") {
                let refused = world.manager.get_visible_children(&id(parent), &viewer).await;
                out += &refused.unwrap_err().to_string();
            }
            for (node, (name, ..)) in NODES.into_iter().enumerate().filter(|(_, it)| it.0 != "a") {
                for marker in ["note", "config", "sealed"].map(|it| format!("{it}-{name}-")) {
                    assert!(!out.contains(&marker), "{marker}");
                }
                assert!(!out.contains(&confidence(node).to_string()), "{name}");
            }
        });
    }
}

#[test]
fn the_search_finds_what_may_leave() {
    block_on(async {
        let policy = ContextAccessPolicy {
            default_visibility: VisibilityLevel::Hierarchy,
            ..World::policy(SensitivityLevel::Public)
        };
        let world = world(&vec![policy; NODES.len()]).await;
        for name in ["a", "b", "c", "d", "p", "q"] {
            world.to_root(name).await;
        }
        world.down("g").await;
        let out = outputs(&world, "d").await;
        assert!(out.contains("note-d-"));
        assert!(out.contains(&confidence(6).to_string()));
        assert!(outputs(&world, "g").await.contains("config-g-"));
    });
}
