//! What contexts, managers and propagation do, as the rules `CT01` to `CT17` say.

use super::*;

fn now(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000)
}

fn context(scope: ContextScope, name: &str) -> HierarchicalContext {
    HierarchicalContext::new(scope, id(name), now(1))
}

#[test]
fn a_new_context_is_empty_and_stands_alone() {
    // covers: CT01
    let agent = context(ContextScope::Agent, "a1");
    assert_eq!(
        (agent.scope(), agent.owner_id()),
        (ContextScope::Agent, &id("a1"))
    );
    assert_eq!((agent.parent_id(), agent.children_count()), (None, 0));
    assert!(agent.data().is_empty());
    assert_eq!((agent.created_at(), agent.updated_at()), (now(1), now(1)));
}

#[test]
fn a_child_is_linked_and_taken_away() {
    // covers: CT02, CT03
    let mut pipe = context(ContextScope::Pipeline, "pipe");
    pipe.set_child_context(context(ContextScope::Agent, "a1"), now(2))
        .unwrap();
    let child = pipe.get_child_context(&id("a1")).unwrap();
    assert_eq!(child.parent_id(), Some(&id("pipe")));
    assert_eq!((pipe.children_count(), pipe.updated_at()), (1, now(2)));
    assert_eq!(pipe.access_count(), 0);

    let gone = pipe.remove_child_context(&id("a1"), now(3)).unwrap();
    assert_eq!(gone.parent_id(), None);
    assert_eq!((pipe.children_count(), pipe.updated_at()), (0, now(3)));
    assert!(pipe.get_child_context(&id("a1")).is_none());
    assert!(pipe.remove_child_context(&id("a1"), now(4)).is_none());
    assert_eq!(pipe.updated_at(), now(3));
}

#[test]
fn a_summary_says_who_and_how_many() {
    // covers: CT04
    let summary = serde_json::to_value(context(ContextScope::Agent, "a1").get_summary()).unwrap();
    let expected = json!({
        "scope": "agent", "owner_id": "a1", "children_count": 0,
        "updated_at": "1970-01-01T00:00:01.000000Z", "access_count": 0,
    });
    assert_eq!(summary, expected);
}

#[test]
fn the_map_form_carries_the_data_and_no_children() {
    // covers: CT05
    let mut pipe = context(ContextScope::Pipeline, "pipe");
    let mut agent = context(ContextScope::Agent, "a1");
    agent
        .set_data("hidden", json!("from the parent's map"), now(2))
        .unwrap();
    pipe.set_child_context(agent, now(2)).unwrap();
    pipe.set_data("shared_state", json!({"step": 1}), now(3))
        .unwrap();
    let mut group = context(ContextScope::Group, "group");
    group.set_child_context(pipe, now(4)).unwrap();
    let map = group.get_child_context(&id("pipe")).unwrap().to_dict();
    let expected = json!({
        "scope": "pipeline", "owner_id": "pipe", "parent_id": "group",
        "data": {"shared_state": {"step": 1}}, "children_count": 1,
        "created_at": "1970-01-01T00:00:01.000000Z", "updated_at": "1970-01-01T00:00:03.000000Z",
        "access_count": 0,
    });
    assert_eq!(Value::Object(map), expected);
}

#[test]
fn a_created_context_is_found() {
    // covers: CT09
    let mut world = World::new();
    world.add(ContextScope::Pipeline, "pipe", None).unwrap();
    let found = world.manager.get_context(&id("pipe")).unwrap();
    assert_eq!(
        (found.scope(), found.owner_id()),
        (ContextScope::Pipeline, &id("pipe"))
    );
    assert!(world.manager.get_context(&id("nobody")).is_none());
}

#[test]
fn three_levels_are_linked() {
    // covers: CT10
    let world = World::with_agents();
    let group = world.manager.get_context(&id("group")).unwrap();
    assert_eq!((group.parent_id(), group.children_count()), (None, 1));
    let pipe = group.get_child_context(&id("pipe")).unwrap();
    assert_eq!(
        (pipe.parent_id(), pipe.children_count()),
        (Some(&id("group")), 2)
    );
    let agent = pipe.get_child_context(&id("a1")).unwrap();
    assert_eq!(agent.parent_id(), Some(&id("pipe")));
    let all: Vec<_> = world.manager.get_all_contexts().into_keys().collect();
    assert_eq!(all, ["a1", "a2", "group", "pipe"].map(id));
}

#[test]
fn what_is_removed_goes_with_all_under_it() {
    // covers: CT11
    let mut world = World::with_agents();
    let gone = world.manager.remove_context(&id("pipe")).unwrap().unwrap();
    assert_eq!(gone.children_count(), 2);
    for name in ["pipe", "a1", "a2"] {
        assert!(world.manager.get_context(&id(name)).is_none(), "{name}");
        let unknown = world.own(name).data();
        assert!(
            matches!(unknown, Err(ContextError::Unknown { .. })),
            "{name}"
        );
    }
    let group = world.manager.get_context(&id("group")).unwrap();
    assert_eq!(group.children_count(), 0);
    assert!(world.manager.remove_context(&id("pipe")).unwrap().is_none());
    // The names are free again, and who had them before is not who has them now.
    let before = world.own.remove("a1").unwrap();
    world.add(ContextScope::Agent, "a1", Some("group")).unwrap();
    assert!(matches!(before.data(), Err(ContextError::Unknown { .. })));
}

#[tokio::test]
async fn a_single_agent_is_what_its_pipeline_knows() {
    // covers: CT12
    let world = World::with_agents();
    world.set("a1", "status", json!("completed"));
    world.set("a1", "confidence", json!(0.95));
    world.later().await;
    assert!(world.up("a1").await);
    assert_eq!(world.data("pipe", "status"), Some(json!("completed")));
    assert_eq!(world.data("pipe", "confidence"), Some(json!(0.95)));
    assert_eq!(world.data("pipe", "error_count"), None);
    let pipe = world.manager.get_context(&id("pipe")).unwrap();
    assert_eq!(pipe.updated_at(), now(2));
    // At the top nothing happens.
    assert!(!world.up("group").await);
}

#[tokio::test]
async fn sums_means_and_the_worst_of_two_agents() {
    // covers: CT13, CT14, CT15
    let world = World::with_agents();
    let values = [("a1", 3, 0.8, "running"), ("a2", 5, 0.6, "failed")];
    for (agent, errors, confidence, status) in values {
        world.set(agent, "error_count", json!(errors));
        world.set(agent, "confidence", json!(confidence));
        world.set(agent, "status", json!(status));
        world.up(agent).await;
    }
    assert_eq!(world.data("pipe", "error_count"), Some(json!(8)));
    let confidence = world.data("pipe", "confidence").unwrap().as_f64().unwrap();
    assert!((confidence - 0.7).abs() < 1e-12);
    assert_eq!(world.data("pipe", "status"), Some(json!("failed")));
}

#[tokio::test]
async fn both_fields_reach_both_agents() {
    // covers: CT16
    let world = World::with_agents();
    world.set(
        "pipe",
        "global_config",
        json!({"model": "m", "depth": {"n": 2}}),
    );
    world.set("pipe", "shared_state", json!(42));
    world.set("pipe", "private", json!("stays"));
    world.set("a1", "shared_state", json!("before"));
    assert!(world.down("pipe").await);
    for agent in ["a1", "a2"] {
        let expected = json!({"model": "m", "depth": {"n": 2}});
        assert_eq!(world.data(agent, "global_config"), Some(expected));
        assert_eq!(world.data(agent, "shared_state"), Some(json!(42)));
        assert_eq!(world.data(agent, "private"), None);
    }
    assert!(!world.down("pipe").await);
    assert_eq!(world.data("group", "shared_state"), None);
}

#[test]
fn roots_are_those_under_nobody() {
    // covers: CT17
    let mut world = World::with_agents();
    world.add(ContextScope::Group, "other", None).unwrap();
    let roots = world.manager.get_root_contexts();
    let roots: Vec<_> = roots.iter().map(HierarchicalContext::owner_id).collect();
    assert_eq!(roots, [&id("group"), &id("other")]);
}

#[tokio::test]
async fn an_own_context_is_read_and_written_by_its_owner() {
    let world = World::with_agents();
    let own = world.own("a1");
    own.set_data("draft", json!(["once"])).unwrap();
    assert_eq!(own.get_data("draft").unwrap(), Some(json!(["once"])));
    assert_eq!(
        Value::Object(own.data().unwrap()),
        json!({"draft": ["once"]})
    );
    assert_eq!(own.to_dict().unwrap()["parent_id"], "pipe");
    assert_eq!(own.get_summary().unwrap().owner_id, id("a1"));
    assert!(own.remove_data("draft").unwrap());
    assert!(!own.remove_data("draft").unwrap());
    assert_eq!(own.get_data("draft").unwrap(), None);
}
