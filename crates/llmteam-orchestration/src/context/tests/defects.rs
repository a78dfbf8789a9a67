//! Scenarios in which a hierarchy once went wrong: `C1` to `C14`, `C19`. `C15` to `C18` are in `visibility`.

use super::*;

fn code<T>(result: Result<T, ContextError>) -> &'static str {
    match result.err() {
        None => "ok",
        Some(ContextError::Unknown { .. }) => "unknown",
        Some(ContextError::UnknownParent { .. }) => "unknown parent",
        Some(ContextError::Duplicate { .. }) => "duplicate",
        Some(ContextError::ScopeOrder { .. }) => "scope",
        Some(_) => "other",
    }
}

#[tokio::test]
async fn a_repeated_push_changes_nothing_and_a_new_value_replaces_the_old() {
    // covers: C1, C2
    let world = World::with_agents();
    world.set("a1", "confidence", json!(0.8));
    world.set("a2", "confidence", json!(0.2));
    world.set("a1", "error_count", json!(3));
    assert!(world.up("a1").await);
    assert!(world.up("a2").await);
    let before = world.own("pipe").to_dict().unwrap();
    world.later().await;
    for _ in 0..3 {
        assert!(!world.up("a1").await);
    }
    assert_eq!(world.own("pipe").to_dict().unwrap(), before);
    assert_eq!(before["data"], json!({"confidence": 0.5, "error_count": 3}));

    world.set("a1", "confidence", json!(1.0));
    world.up("a1").await;
    assert_eq!(world.data("pipe", "confidence"), Some(json!(0.6)));
}

#[tokio::test]
async fn two_levels_count_once() {
    // covers: C2, C10
    let world = World::with_agents();
    world.set("a1", "error_count", json!(2));
    for _ in 0..3 {
        world.to_root("a1").await;
        world.up("a1").await;
        world.up("pipe").await;
    }
    assert_eq!(world.data("pipe", "error_count"), Some(json!(2)));
    assert_eq!(world.data("group", "error_count"), Some(json!(2)));
}

#[tokio::test]
async fn what_the_parent_wrote_is_one_contribution_more() {
    // covers: C2
    let world = World::with_agents();
    world.set("pipe", "error_count", json!(10));
    world.set("a1", "error_count", json!(3));
    for _ in 0..2 {
        world.up("a1").await;
        assert_eq!(world.data("pipe", "error_count"), Some(json!(13)));
    }
    // Writing again replaces it, and without children it stands alone.
    world.set("pipe", "error_count", json!(1));
    assert_eq!(world.data("pipe", "error_count"), Some(json!(4)));
    world.manager.remove_context(&id("a1")).unwrap();
    assert_eq!(world.data("pipe", "error_count"), Some(json!(1)));
}

#[tokio::test]
async fn the_worst_recovers() {
    // covers: C3
    let world = World::with_agents();
    for status in ["failed", "completed", "idle"] {
        world.set("a1", "status", json!(status));
        world.up("a1").await;
        assert_eq!(world.data("pipe", "status"), Some(json!(status)));
    }
}

#[tokio::test]
async fn idle_counts_and_an_unknown_status_is_an_error() {
    // covers: C4
    let world = World::with_agents();
    world.set("a1", "status", json!("idle"));
    world.up("a1").await;
    assert_eq!(world.data("pipe", "status"), Some(json!("idle")));
    world.set("a2", "status", json!("paused"));
    let refused = world.manager.propagate_up(&id("a2")).await.unwrap_err();
    assert!(refused.to_string().contains("`paused`"), "{refused}");
    assert_eq!(world.data("pipe", "status"), Some(json!("idle")));
    // A parent's own unknown status is not overwritten, but reported.
    world.set("a2", "status", json!("running"));
    world.set("group", "status", json!("paused"));
    let refused = world
        .manager
        .propagate_to_root(&id("a2"))
        .await
        .unwrap_err();
    assert!(
        refused.to_string().contains("`status` of `group`"),
        "{refused}"
    );
    assert_eq!(world.data("pipe", "status"), Some(json!("idle")));
    assert_eq!(world.data("group", "status"), Some(json!("paused")));
}

#[tokio::test]
async fn the_books_are_not_in_the_data_and_do_not_grow() {
    // covers: C5
    let world = World::with_agents();
    for push in 0..10_000 {
        world.set("a1", "confidence", json!(f64::from(push % 100) / 100.0));
        world.up("a1").await;
    }
    let data = world.own("pipe").data().unwrap();
    assert_eq!(Value::Object(data), json!({"confidence": 0.99}));
}

#[tokio::test]
async fn who_leaves_is_not_counted_any_more_on_any_level() {
    // covers: C6
    let mut world = World::with_agents();
    world
        .add(ContextScope::Pipeline, "pipe2", Some("group"))
        .unwrap();
    for (agent, errors) in [("a1", 3), ("a2", 4)] {
        world.set(agent, "error_count", json!(errors));
        world.to_root(agent).await;
    }
    assert_eq!(world.data("group", "error_count"), Some(json!(7)));

    world
        .manager
        .move_context(&id("a1"), Some(&id("pipe2")))
        .unwrap();
    let pipe = world.manager.get_context(&id("pipe")).unwrap();
    assert!(pipe.get_child_context(&id("a1")).is_none());
    assert_eq!(world.data("pipe", "error_count"), Some(json!(4)));
    assert_eq!(world.data("group", "error_count"), Some(json!(4)));
    assert_eq!(world.data("pipe2", "error_count"), None);
    world.to_root("a1").await;
    assert_eq!(world.data("pipe2", "error_count"), Some(json!(3)));
    assert_eq!(world.data("group", "error_count"), Some(json!(7)));

    world.manager.remove_context(&id("a2")).unwrap();
    assert_eq!(world.data("pipe", "error_count"), None);
    assert_eq!(world.data("group", "error_count"), Some(json!(3)));
}

#[tokio::test]
async fn a_value_that_is_erased_is_retracted() {
    // covers: C6
    let world = World::with_agents();
    world.set("a1", "error_count", json!(3));
    world.to_root("a1").await;
    world.own("a1").remove_data("error_count").unwrap();
    assert!(world.to_root("a1").await);
    for name in ["pipe", "group"] {
        assert_eq!(world.data(name, "error_count"), None);
    }
}

#[tokio::test]
async fn all_faults_are_listed_and_nothing_is_applied() {
    // covers: C8
    let world = World::with_agents();
    world.set("a2", "error_count", json!(1));
    world.up("a2").await;
    world.set("a1", "status", json!("completed"));
    world.set("a1", "error_count", json!("many"));
    world.set("a1", "confidence", json!(f64::NAN));
    world.set("pipe", "confidence", json!("high"));
    world.set("group", "status", json!(7));
    let maps = || ["pipe", "group"].map(|it| world.own(it).to_dict().unwrap());
    let before = maps();
    let Err(ContextError::Propagation(faults)) = world.manager.propagate_to_root(&id("a1")).await
    else {
        panic!("nothing was refused");
    };
    let faults: Vec<_> = faults.iter().map(Fault::to_string).collect();
    let expected = [
        "`confidence` of `a1` must be a number, not null",
        "`error_count` of `a1` must be a number, not a string",
        "`confidence` of `pipe` must be a number, not a string",
        "`status` of `group` must be a status, not a number",
    ];
    assert_eq!(faults, expected);
    assert_eq!(maps(), before);
    // Where children contribute, the parent's own value must fit as well.
    let refused = world.own("pipe").set_data("error_count", json!("many"));
    assert!(matches!(refused, Err(ContextError::Propagation(_))));
    assert_eq!(maps(), before);
}

#[tokio::test]
async fn a_parent_that_does_not_exist_is_an_error() {
    // covers: C11
    let mut world = World::new();
    let refused = world.add(ContextScope::Agent, "a1", Some("pipe"));
    assert_eq!(code(refused), "unknown parent");
    assert!(world.manager.get_context(&id("a1")).is_none());
    world.add(ContextScope::Pipeline, "pipe", None).unwrap();
    world.add(ContextScope::Agent, "a1", Some("pipe")).unwrap();
    let moved = world.manager.move_context(&id("a1"), Some(&id("nobody")));
    assert_eq!(code(moved), "unknown parent");
    let moved = world.manager.move_context(&id("nobody"), None);
    assert_eq!(code(moved), "unknown");
    let up = world.manager.propagate_up(&id("nobody")).await;
    assert_eq!(code(up), "unknown");
    let down = world.manager.propagate_down(&id("nobody")).await;
    assert_eq!(code(down), "unknown");
}

#[test]
fn an_owner_has_one_context() {
    // covers: C12
    let mut world = World::with_agents();
    world.set("a1", "draft", json!(1));
    assert_eq!(
        code(world.add(ContextScope::Agent, "a1", None)),
        "duplicate"
    );
    assert_eq!(world.data("a1", "draft"), Some(json!(1)));
    // A system's name is taken too.
    let _ops = world.manager.create_system(&id("ops")).unwrap();
    assert_eq!(code(world.add(ContextScope::Agent, "ops", None)), "other");

    let at = Timestamp::from_micros(0);
    let mut pipe = world.manager.get_context(&id("pipe")).unwrap();
    let twin = HierarchicalContext::new(ContextScope::Agent, id("a1"), at);
    assert_eq!(code(pipe.set_child_context(twin, at)), "duplicate");
}

#[test]
fn links_lead_to_a_wider_scope_and_close_no_circle() {
    // covers: C13
    let mut world = World::with_agents();
    assert_eq!(
        code(world.add(ContextScope::Group, "g2", Some("a1"))),
        "scope"
    );
    assert_eq!(
        code(world.add(ContextScope::Pipeline, "p2", Some("pipe"))),
        "scope"
    );
    world.add(ContextScope::Pipeline, "p2", None).unwrap();
    for (moved, to) in [
        ("pipe", "pipe"),
        ("group", "pipe"),
        ("group", "a1"),
        ("p2", "pipe"),
        ("a1", "a1"),
        ("a1", "a2"),
    ] {
        let refused = world.manager.move_context(&id(moved), Some(&id(to)));
        assert_eq!(code(refused), "scope", "{moved} under {to}");
    }
    assert_eq!(
        code(world.add(ContextScope::Agent, "self", Some("self"))),
        "unknown parent"
    );
    let roots = world.manager.get_root_contexts();
    assert_eq!(roots.len(), 2);
    // What was refused left nothing behind, in the lineage either.
    world.add(ContextScope::Group, "g2", None).unwrap();
}

#[tokio::test]
async fn copies_are_independent() {
    // covers: C14
    let world = World::with_agents();
    world.set("pipe", "shared_state", json!({"list": [1]}));
    world.down("pipe").await;
    world.set("a1", "shared_state", json!({"list": [1, "a1's"]}));
    for name in ["pipe", "a2"] {
        assert_eq!(world.data(name, "shared_state"), Some(json!({"list": [1]})));
    }
    let mut map = world.own("a2").to_dict().unwrap();
    map["data"]["shared_state"]["list"][0] = json!("overwritten");
    let mut copy = world.manager.get_context(&id("a2")).unwrap();
    copy.set_data("shared_state", json!(0), Timestamp::MAX)
        .unwrap();
    assert_eq!(world.data("a2", "shared_state"), Some(json!({"list": [1]})));
}

#[tokio::test]
async fn times_are_utc_and_of_the_clock() {
    // covers: C19
    let world = World::with_agents();
    world.later().await;
    world.set("a1", "draft", json!(1));
    let map = world.own("a1").to_dict().unwrap();
    assert_eq!(map["created_at"], "1970-01-01T00:00:01.000000Z");
    assert_eq!(map["updated_at"], "1970-01-01T00:00:02.000000Z");
}
