//! Forests of agents: what is admitted, what moves, who stands where.

use proptest::prelude::*;

use super::*;
use crate::context::viewer::Relation;

fn id(text: &str) -> AgentId {
    text.parse().unwrap()
}

fn tenant(text: &str) -> TenantId {
    text.parse().unwrap()
}

/// `group` over `pipe` over `agent`, all of tenant `t`.
fn chain(lineage: &Lineage) -> [OwnerToken; 3] {
    let t = tenant("t");
    let group = lineage.add(&t, &id("group"), ViewerRole::GroupOrch, None);
    let pipe = lineage.add(
        &t,
        &id("pipe"),
        ViewerRole::PipelineOrch,
        Some(&id("group")),
    );
    let agent = lineage.add(&t, &id("agent"), ViewerRole::Agent, Some(&id("pipe")));
    [group.unwrap(), pipe.unwrap(), agent.unwrap()]
}

fn relation(lineage: &Lineage, viewer: &OwnerToken, subject: &OwnerToken) -> Relation {
    let viewer = lineage.viewer(viewer).unwrap();
    viewer.standing_to(subject.subject()).relation
}

const fn above(direct: bool, pipeline: bool) -> Relation {
    Relation::Orchestrator { direct, pipeline }
}

#[test]
fn who_stands_above_is_found_and_nobody_else() {
    // covers: CTX-02
    let lineage = Lineage::new();
    let [group, pipe, agent] = chain(&lineage);
    let other = lineage
        .add(&tenant("t"), &id("other"), ViewerRole::PipelineOrch, None)
        .unwrap();
    assert_eq!(relation(&lineage, &pipe, &agent), above(true, true));
    assert_eq!(relation(&lineage, &group, &agent), above(false, false));
    assert_eq!(relation(&lineage, &group, &pipe), above(true, false));
    assert_eq!(relation(&lineage, &pipe, &group), Relation::Stranger);
    assert_eq!(relation(&lineage, &pipe, &pipe), Relation::Stranger);
    assert_eq!(relation(&lineage, &other, &agent), Relation::Stranger);
    assert_eq!(relation(&lineage, &agent, &pipe), Relation::Agent);
    assert_eq!(relation(&lineage, &agent, &agent), Relation::Agent);
    assert_eq!(
        lineage.parent(&tenant("t"), &id("agent")).unwrap(),
        Some(id("pipe"))
    );
    assert_eq!(
        lineage.children(&tenant("t"), &id("group")).unwrap(),
        [id("pipe")]
    );
    assert_eq!(
        lineage.role(&tenant("t"), &id("pipe")).unwrap(),
        ViewerRole::PipelineOrch
    );
}

#[test]
fn tenants_are_apart_even_under_the_same_names() {
    // covers: CTX-02
    let lineage = Lineage::new();
    let [.., agent] = chain(&lineage);
    let (u, pipe) = (tenant("u"), id("pipe"));
    let foreign = lineage
        .add(&u, &pipe, ViewerRole::PipelineOrch, None)
        .unwrap();
    let system = lineage
        .add(&u, &id("ops"), ViewerRole::System, None)
        .unwrap();
    assert_eq!(relation(&lineage, &foreign, &agent), Relation::Stranger);
    assert_eq!(relation(&lineage, &system, &agent), Relation::Stranger);
    assert_eq!(
        relation(&lineage, &system, &foreign),
        Relation::System { admin: false }
    );
    // The parent is looked up in the agent's own tenant.
    let orphan = lineage.add(&u, &id("x"), ViewerRole::Agent, Some(&id("group")));
    assert!(matches!(orphan, Err(LineageError::Unknown { .. })));
    let foreign = Lineage::new();
    let _others = chain(&foreign);
    assert!(matches!(
        foreign.viewer(&agent),
        Err(LineageError::ForeignToken { .. })
    ));
}

#[test]
fn moving_and_removing_take_effect_at_once() {
    // covers: CTX-43
    let lineage = Lineage::new();
    let [group, pipe, agent] = chain(&lineage);
    let t = tenant("t");
    let viewer = lineage.viewer(&pipe).unwrap();
    let standing = |viewer: &Viewer| viewer.standing_to(agent.subject()).relation;
    let second = lineage
        .add(
            &t,
            &id("second"),
            ViewerRole::PipelineOrch,
            Some(&id("group")),
        )
        .unwrap();
    lineage
        .move_to(&t, &id("agent"), Some(&id("second")))
        .unwrap();
    assert_eq!(standing(&viewer), Relation::Stranger);
    assert_eq!(relation(&lineage, &second, &agent), above(true, true));
    assert_eq!(relation(&lineage, &group, &agent), above(false, false));
    lineage.move_to(&t, &id("agent"), None).unwrap();
    assert_eq!(relation(&lineage, &group, &agent), Relation::Stranger);
    lineage
        .move_to(&t, &id("agent"), Some(&id("pipe")))
        .unwrap();
    assert_eq!(standing(&viewer), above(true, true));

    let refused = lineage.remove(&t, &id("pipe")).unwrap_err();
    assert!(matches!(
        refused,
        LineageError::HasChildren { children: 1, .. }
    ));
    lineage.move_to(&t, &id("agent"), None).unwrap();
    lineage.remove(&t, &id("pipe")).unwrap();
    assert!(matches!(
        lineage.viewer(&pipe),
        Err(LineageError::ForeignToken { .. })
    ));
    // Somebody else under the same name inherits nothing, and the old viewer sees nothing.
    let next = lineage
        .add(&t, &id("pipe"), ViewerRole::PipelineOrch, None)
        .unwrap();
    lineage
        .move_to(&t, &id("agent"), Some(&id("pipe")))
        .unwrap();
    assert_eq!(standing(&viewer), Relation::Stranger);
    assert_eq!(relation(&lineage, &next, &agent), above(true, true));
    assert!(matches!(
        lineage.viewer(&pipe),
        Err(LineageError::ForeignToken { .. })
    ));
}

#[test]
fn what_is_no_forest_is_refused() {
    // covers: CTX-43
    let lineage = Lineage::new();
    let [_group, _pipe, agent] = chain(&lineage);
    let t = tenant("t");
    let add = |name: &str, role, parent: Option<&str>| {
        let parent = parent.map(id);
        lineage.add(&t, &id(name), role, parent.as_ref()).map(drop)
    };
    use ViewerRole as R;
    assert!(matches!(
        add("agent", R::Agent, None),
        Err(LineageError::Duplicate { .. })
    ));
    assert!(matches!(
        add("x", R::Agent, Some("agent")),
        Err(LineageError::NotAnOrchestrator { .. })
    ));
    assert!(matches!(
        add("x", R::Agent, Some("nobody")),
        Err(LineageError::Unknown { .. })
    ));
    assert!(matches!(
        add("x", R::System, Some("pipe")),
        Err(LineageError::SystemStandsAlone { .. })
    ));
    add("ops", R::System, None).unwrap();
    assert!(matches!(
        add("x", R::Agent, Some("ops")),
        Err(LineageError::NotAnOrchestrator { .. })
    ));
    let go = |name: &str, parent: &str| lineage.move_to(&t, &id(name), Some(&id(parent)));
    assert!(matches!(
        go("group", "pipe"),
        Err(LineageError::Cycle { .. })
    ));
    assert!(matches!(
        go("pipe", "pipe"),
        Err(LineageError::Cycle { .. })
    ));
    assert!(matches!(
        go("ops", "pipe"),
        Err(LineageError::SystemStandsAlone { .. })
    ));
    assert!(matches!(
        go("nobody", "pipe"),
        Err(LineageError::Unknown { .. })
    ));
    let reason = lineage.administration(&agent, "why").unwrap_err();
    assert!(matches!(reason, LineageError::NotSystem { .. }));
    assert_eq!(format!("{lineage:?}"), "Lineage { nodes: 4 }");
}

#[test]
fn administration_is_given_to_system_for_a_reason() {
    // covers: CTX-40
    let lineage = Lineage::new();
    let ops = lineage
        .add(&tenant("t"), &id("ops"), ViewerRole::System, None)
        .unwrap();
    for reason in ["", "  ", &"x".repeat(257)] {
        let refused = lineage.administration(&ops, reason).unwrap_err();
        assert!(matches!(
            refused,
            LineageError::ReasonRequired { limit: 256 }
        ));
    }
    assert_eq!(
        lineage.administration(&ops, "ticket 7").unwrap().reason(),
        "ticket 7"
    );
}

/// One change of a forest: admit, move or remove the node of a number, under that of another.
type Change = (u8, usize, usize);

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn links_agree_with_a_list_of_parents(changes in prop::collection::vec((0..3_u8, 0..12_usize, 0..13_usize), 0..60)) {
        // covers: CTX-02, CTX-43
        links_agree(&changes);
    }
}

/// The lineage against a map of parents that is changed beside it.
fn links_agree(changes: &[Change]) {
    let lineage = Lineage::new();
    let tenants = [tenant("t0"), tenant("t1")];
    let whose = |n: usize| &tenants[n % 2];
    let name = |n: usize| id(&format!("n{}", n / 2));
    let mut parents: BTreeMap<usize, (Option<usize>, OwnerToken)> = BTreeMap::new();
    for &(change, n, goal) in changes {
        // The twelfth goal is the top. A goal of the other tenant names the agent's own tenant's node.
        let goal = (goal < 12).then_some(goal / 2 * 2 + n % 2);
        let (goal_name, known) = (
            goal.map(name),
            goal.is_none_or(|it| parents.contains_key(&it)),
        );
        match change {
            0 => {
                let added = lineage.add(
                    whose(n),
                    &name(n),
                    ViewerRole::PipelineOrch,
                    goal_name.as_ref(),
                );
                assert_eq!(
                    added.is_ok(),
                    known && !parents.contains_key(&n) && goal != Some(n)
                );
                if let Ok(token) = added {
                    parents.insert(n, (goal, token));
                }
            }
            1 => {
                let cycle = goal.is_some_and(|it| it == n || is_above(&parents, n, it));
                let moved = lineage.move_to(whose(n), &name(n), goal_name.as_ref());
                assert_eq!(moved.is_ok(), known && parents.contains_key(&n) && !cycle);
                if moved.is_ok() {
                    parents.get_mut(&n).unwrap().0 = goal;
                }
            }
            _ => {
                let leaf = parents.values().all(|(parent, _)| *parent != Some(n));
                let removed = lineage.remove(whose(n), &name(n));
                assert_eq!(removed.is_ok(), leaf && parents.contains_key(&n));
                if removed.is_ok() {
                    parents.remove(&n);
                }
            }
        }
    }
    for (upper, (_, viewer)) in &parents {
        for (lower, (parent, subject)) in &parents {
            let expected = match is_above(&parents, *upper, *lower) {
                true => above(*parent == Some(*upper), true),
                false => Relation::Stranger,
            };
            assert_eq!(relation(&lineage, viewer, subject), expected);
        }
    }
}

fn is_above(
    parents: &BTreeMap<usize, (Option<usize>, OwnerToken)>,
    upper: usize,
    lower: usize,
) -> bool {
    let parent = |n: &usize| parents.get(n).and_then(|(parent, _)| *parent);
    std::iter::successors(parent(&lower), parent).any(|n| n == upper)
}
