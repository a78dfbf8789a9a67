//! Many tasks on one manager: what comes out is what some order of whole operations gives.

use std::{future::poll_fn, task::Poll};

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_lost_and_nothing_counted_twice() {
    // covers: C19
    let mut world = World::new();
    world.add(ContextScope::Group, "group", None).unwrap();
    for pipe in 0..4 {
        let name = format!("p{pipe}");
        world
            .add(ContextScope::Pipeline, &name, Some("group"))
            .unwrap();
        for agent in 0..4 {
            let agent = format!("p{pipe}a{agent}");
            world.add(ContextScope::Agent, &agent, Some(&name)).unwrap();
        }
    }
    let secured: BTreeMap<String, SharedSecureContext> = (0..4)
        .map(|pipe| format!("p{pipe}a0"))
        .map(|name| {
            (
                name.clone(),
                world.secure(&name, ContextAccessPolicy::default()),
            )
        })
        .collect();
    let world = Arc::new(world);
    let mut tasks = Vec::new();
    for name in world.own.keys().filter(|it| it.contains('a')).cloned() {
        let (world, secure) = (world.clone(), secured.get(&name).cloned());
        tasks.push(tokio::spawn(async move {
            for round in 1..=50 {
                match &secure {
                    Some(secure) => secure.write().await.increment_error_count(),
                    None => world.set(&name, "error_count", json!(round)),
                }
                world.to_root(&name).await;
                let parent = id(if round % 2 == 0 { &name[..2] } else { "p0" });
                if round % 7 == 0 && name.ends_with("a3") {
                    world
                        .manager
                        .move_context(&id(&name), Some(&parent))
                        .unwrap();
                }
                tokio::task::yield_now().await;
            }
            world.to_root(&name).await;
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let total: u64 = (0..4)
        .filter_map(|pipe| world.data(&format!("p{pipe}"), "error_count")?.as_u64())
        .sum();
    assert_eq!(total, 16 * 50);
    assert_eq!(world.data("group", "error_count"), Some(json!(16 * 50)));
}

#[tokio::test]
async fn who_moves_while_it_is_asked_contributes_where_it_came_to() {
    // covers: C19
    let mut world = World::with_agents();
    world
        .add(ContextScope::Pipeline, "pipe2", Some("group"))
        .unwrap();
    let a1 = world.secure("a1", ContextAccessPolicy::default());
    let mut writing = a1.write().await;
    writing.increment_error_count();
    let moving = id("a1");
    let mut propagating = Box::pin(world.manager.propagate_to_root(&moving));
    // It waits for the writer; meanwhile the agent is moved.
    let waits = poll_fn(|cx| Poll::Ready(propagating.as_mut().poll(cx).is_pending())).await;
    assert!(waits);
    world
        .manager
        .move_context(&id("a1"), Some(&id("pipe2")))
        .unwrap();
    drop(writing);
    assert!(propagating.await.unwrap());
    assert_eq!(world.data("pipe", "error_count"), None);
    assert_eq!(world.data("pipe2", "error_count"), Some(json!(1)));
    assert_eq!(world.data("group", "error_count"), Some(json!(1)));
}
