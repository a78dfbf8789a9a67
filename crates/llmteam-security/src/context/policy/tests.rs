//! Policies: the table of roles, the order of rules, and that stricter never shows more.

use proptest::prelude::*;
use serde_json::json;

use super::{SensitivityLevel as S, VisibilityLevel as V, *};

fn standing(relation: Relation) -> Standing {
    let viewer = "viewer".parse().unwrap();
    Standing { viewer, relation }
}

const PARENT: Relation = Relation::Orchestrator {
    direct: true,
    pipeline: true,
};
const GROUP_PARENT: Relation = Relation::Orchestrator {
    direct: true,
    pipeline: false,
};
const ABOVE: Relation = Relation::Orchestrator {
    direct: false,
    pipeline: true,
};
const GROUP_ABOVE: Relation = Relation::Orchestrator {
    direct: false,
    pipeline: false,
};
const SYSTEM: Relation = Relation::System { admin: false };
const ADMIN: Relation = Relation::System { admin: true };
const RELATIONS: [Relation; 8] = [
    Relation::Agent,
    Relation::Stranger,
    PARENT,
    GROUP_PARENT,
    ABOVE,
    GROUP_ABOVE,
    SYSTEM,
    ADMIN,
];

fn policy(sensitivity: S, default_visibility: V) -> ContextAccessPolicy {
    ContextAccessPolicy {
        sensitivity,
        default_visibility,
        ..ContextAccessPolicy::default()
    }
}

fn no_key(_: &str) -> bool {
    false
}

fn access(policy: &ContextAccessPolicy, relation: Relation) -> Result<(), Refusal> {
    policy.can_access(&standing(relation), None, &no_key)
}

#[test]
fn the_default_policy_is_internal_and_for_the_direct_orchestrator() {
    let it = ContextAccessPolicy::default();
    assert_eq!(it, policy(S::Internal, V::Orchestrator));
    assert!(!it.audit_access && !it.encrypt_sealed && it.sealed_fields.is_empty());
    assert_eq!(access(&it, PARENT), Ok(()));
    let refused = access(&it, Relation::Agent).unwrap_err();
    assert!(refused.as_str().contains("forbidden"));
}

#[test]
fn the_narrower_of_wish_and_sensitivity_holds() {
    // covers: CTX-04, CTX-24
    // Who is let in, in the order of RELATIONS: agent, stranger, four orchestrators, system, admin.
    let table = [
        (S::Public, V::Hierarchy, "--pPaAsx"),
        (S::Public, V::Orchestrator, "--pP--sx"),
        (S::Public, V::SelfOnly, "--------"),
        (S::Internal, V::Hierarchy, "--pP--sx"),
        (S::Internal, V::Orchestrator, "--pP--sx"),
        (S::Internal, V::SelfOnly, "--------"),
        (S::Confidential, V::Hierarchy, "--p----x"),
        (S::Confidential, V::Orchestrator, "--p----x"),
        (S::Confidential, V::SelfOnly, "--------"),
        (S::Secret, V::Hierarchy, "--------"),
        (S::TopSecret, V::Hierarchy, "--------"),
    ];
    for (sensitivity, visibility, expected) in table {
        let policy = policy(sensitivity, visibility);
        let got: String = RELATIONS
            .iter()
            .zip("--pPaAsx".chars().enumerate())
            .map(
                |(relation, (n, letter))| match (access(&policy, *relation), n) {
                    (Ok(()), 0) => 'G',
                    (Ok(()), 1) => 'S',
                    (Ok(()), _) => letter,
                    (Err(_), _) => '-',
                },
            )
            .collect();
        assert_eq!(got, expected, "{sensitivity} {visibility}");
    }
}

#[test]
fn a_denial_holds_unless_the_viewer_is_allowed_and_allowing_grants_nothing() {
    let mut it = policy(S::Internal, V::Orchestrator);
    it.deny_access_to("viewer".parse().unwrap());
    assert_eq!(access(&it, PARENT), Err(Refusal::DeniedViewer));
    it.allow_access_to("viewer".parse().unwrap());
    assert_eq!(access(&it, PARENT), Ok(()));
    for relation in [Relation::Agent, Relation::Stranger, ABOVE] {
        assert!(access(&it, relation).is_err());
    }
    it.set_sensitivity(S::Secret);
    for relation in RELATIONS {
        assert!(access(&it, relation).is_err());
    }
}

#[test]
fn names_are_decided_one_by_one_and_unknown_ones_are_denied() {
    // covers: CTX-15
    let mut it = policy(S::Internal, V::Orchestrator);
    it.seal_field("card");
    it.seal_field("last_action");
    let key = |name: &str| ["card", "city", "messages"].contains(&name);
    let check =
        |policy: &ContextAccessPolicy, name| policy.can_access(&standing(PARENT), Some(name), &key);
    for name in [
        "agent_id",
        "status",
        "reasoning_steps",
        "data",
        "city",
        "sealed_fields",
    ] {
        assert_eq!(check(&it, name), Ok(()), "{name}");
    }
    for (name, why) in [
        ("card", Refusal::SealedField),
        ("last_action", Refusal::SealedField),
        ("messages", Refusal::NotShown),
        ("created_at", Refusal::NotShown),
        ("town", Refusal::UnknownField),
        ("", Refusal::UnknownField),
    ] {
        assert_eq!(check(&it, name), Err(why), "{name}");
    }
    assert!(Refusal::SealedField.as_str().contains("sealed"));
    it.set_sensitivity(S::Confidential);
    assert_eq!(check(&it, "reasoning_steps"), Err(Refusal::NotShown));
    assert_eq!(check(&it, "confidence"), Ok(()));
    it.seal_field("data");
    assert_eq!(check(&it, "city"), Err(Refusal::SealedField));
}

#[test]
fn a_result_lists_what_is_granted_and_denied_in_one_order() {
    // covers: CTX-15
    let mut it = policy(S::Internal, V::Orchestrator);
    it.seal_field("b");
    it.seal_field("a");
    let check = |names: &[&str], relation| it.check_access(&standing(relation), names, &no_key);
    let all = check(&["status", "b", "a", "x"], PARENT);
    assert!(!all.allowed);
    assert_eq!(all.reason, Refusal::SealedField.as_str());
    assert_eq!(
        serde_json::to_string(&all).unwrap(),
        r#"{"allowed":false,"reason":"the field is sealed","fields_granted":["status"],"fields_denied":["a","b","x"]}"#
    );
    let none = check(&[], PARENT);
    assert!(none.allowed && none.fields_granted.is_empty() && none.fields_denied.is_empty());
    let refused = check(&["status", "b"], Relation::Stranger);
    assert_eq!(refused.reason, Refusal::Unrelated.as_str());
    assert_eq!(refused.fields_denied.len(), 2);
}

#[test]
fn a_policy_is_written_sorted_and_read_back_whole() {
    // covers: CTX-15
    let it = ContextAccessPolicy {
        default_visibility: V::Hierarchy,
        sensitivity: S::TopSecret,
        denied_viewers: ["z", "a"].map(|id| id.parse().unwrap()).into(),
        allowed_viewers: ["m".parse().unwrap()].into(),
        sealed_fields: ["y", "x"].map(str::to_owned).into(),
        audit_access: true,
        encrypt_sealed: true,
    };
    let json = serde_json::to_value(&it).unwrap();
    assert_eq!(
        json,
        json!({
            "default_visibility": "hierarchy", "sensitivity": "top_secret",
            "denied_viewers": ["a", "z"], "allowed_viewers": ["m"], "sealed_fields": ["x", "y"],
            "audit_access": true, "encrypt_sealed": true,
        })
    );
    assert_eq!(
        serde_json::from_value::<ContextAccessPolicy>(json).unwrap(),
        it
    );
    assert_eq!(
        serde_json::from_str::<ContextAccessPolicy>("{}").unwrap(),
        ContextAccessPolicy::default()
    );
    for wrong in [
        r#"{"sensitivty": "secret"}"#,
        r#"{"sensitivity": "Secret"}"#,
        r#"{"denied_viewers": ["a:b"]}"#,
    ] {
        assert!(
            serde_json::from_str::<ContextAccessPolicy>(wrong).is_err(),
            "{wrong}"
        );
    }
}

fn any_policy() -> impl Strategy<Value = ContextAccessPolicy> {
    let names =
        || prop::collection::btree_set(prop::sample::select(vec!["viewer", "other"]), 0..=2);
    let sealed = prop::sample::subsequence(NAMES.to_vec(), 0..=4);
    (
        0..5_usize,
        0..3_usize,
        names(),
        names(),
        sealed,
        any::<bool>(),
    )
        .prop_map(
            |(sensitivity, visibility, denied, allowed, sealed, audit_access)| {
                ContextAccessPolicy {
                    default_visibility: V::ALL[visibility],
                    sensitivity: S::ALL[sensitivity],
                    denied_viewers: denied.iter().map(|id| id.parse().unwrap()).collect(),
                    allowed_viewers: allowed.iter().map(|id| id.parse().unwrap()).collect(),
                    sealed_fields: sealed.into_iter().map(str::to_owned).collect(),
                    audit_access,
                    encrypt_sealed: false,
                }
            },
        )
}

const NAMES: [&str; 8] = [
    "agent_name",
    "status",
    "reasoning_steps",
    "data",
    "messages",
    "card",
    "city",
    "nothing",
];

fn shown(policy: &ContextAccessPolicy, relation: Relation) -> BTreeSet<&'static str> {
    let key = |name: &str| ["card", "city"].contains(&name);
    let granted = |name: &&str| {
        policy
            .can_access(&standing(relation), Some(name), &key)
            .is_ok()
    };
    NAMES.into_iter().filter(granted).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn an_agent_and_a_stranger_see_nothing_and_learn_nothing(one in any_policy(), other in any_policy()) {
        // covers: CTX-20
        for relation in [Relation::Agent, Relation::Stranger] {
            prop_assert!(shown(&one, relation).is_empty());
            prop_assert_eq!(access(&one, relation), access(&other, relation));
        }
    }

    #[test]
    fn a_stricter_policy_never_shows_more(policy in any_policy(), step in 0..5_usize, name in prop::sample::select(NAMES.to_vec())) {
        // covers: CTX-23
        let mut stricter = policy.clone();
        match step {
            0 => stricter.sensitivity = S::ALL[(policy.sensitivity as usize + 1).min(4)],
            1 => stricter.default_visibility = V::ALL[(policy.default_visibility as usize).saturating_sub(1)],
            2 => stricter.deny_access_to("viewer".parse().unwrap()),
            3 => stricter.seal_field(name),
            _ => { stricter.allowed_viewers.clear(); }
        }
        for relation in RELATIONS {
            let (less, more) = (shown(&stricter, relation), shown(&policy, relation));
            prop_assert!(less.is_subset(&more), "{:?}: {:?} shows {:?} beyond {:?}", relation, stricter, less, more);
            prop_assert!(access(&stricter, relation).is_err() || access(&policy, relation).is_ok());
        }
    }

    #[test]
    fn secret_is_for_the_owner_and_allowing_overrides_denials_only(policy in any_policy()) {
        // covers: CTX-24
        let mut open = policy.clone();
        open.denied_viewers.clear();
        for relation in RELATIONS {
            if policy.sensitivity >= S::Secret {
                prop_assert!(access(&policy, relation).is_err());
            }
            prop_assert!(access(&policy, relation).is_err() || access(&open, relation).is_ok());
        }
    }

    #[test]
    fn every_policy_is_read_back_as_it_was(policy in any_policy()) {
        // covers: CTX-15
        let text = serde_json::to_string(&policy).unwrap();
        let read: ContextAccessPolicy = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(serde_json::to_string(&read).unwrap(), text);
        prop_assert_eq!(read, policy);
    }
}
