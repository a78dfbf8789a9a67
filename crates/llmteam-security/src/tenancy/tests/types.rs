//! Tiers, configurations, limits and features.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::id;
use crate::tenancy::{Limit, TIER_LIMITS, TenantConfig, TenantError, TenantTier, get_tier_limits};

fn config() -> TenantConfig {
    TenantConfig::new(id("acme"), "Acme")
}

fn set<const N: usize>(entries: [&str; N]) -> BTreeSet<String> {
    entries.map(str::to_owned).into()
}

#[test]
fn a_new_tenant_is_free_and_active() {
    // covers: TEN-01
    let it = config();
    assert_eq!((it.tier, it.is_active), (TenantTier::Free, true));
    assert_eq!(
        (it.data_region.as_str(), it.audit_retention_days),
        ("default", 90)
    );
    let limits = it.get_effective_limits();
    assert_eq!(limits.max_concurrent_pipelines, Limit::at(1));
    assert_eq!(limits.max_agents_per_pipeline, Limit::at(5));
    assert!(limits.has_feature("basic_agents") && !limits.has_feature("persistence"));
}

#[test]
fn an_override_is_taken_as_it_is_also_zero() {
    // covers: TEN-02
    let mut it = config();
    it.max_concurrent_pipelines = Some(Limit::at(5));
    it.max_requests_per_minute = Some(Limit::at(0));
    let limits = it.get_effective_limits();
    assert_eq!(limits.max_concurrent_pipelines, Limit::at(5));
    assert_eq!(limits.max_agents_per_pipeline, Limit::at(5));
    assert!(!limits.max_requests_per_minute.allows(0, 1));
}

#[test]
fn a_disabled_feature_is_off_whatever_else_says() {
    // covers: TEN-03
    let mut it = config();
    it.features_enabled = set(["custom", "both"]);
    it.features_disabled = set(["simple_pipelines", "both"]);
    let limits = it.get_effective_limits();
    assert_eq!(*limits.features(), set(["basic_agents", "custom"]));
    assert!(limits.has_feature("custom") && !limits.has_feature("both"));

    it.tier = TenantTier::Enterprise;
    it.features_disabled = set(["external_actions"]);
    let limits = it.get_effective_limits();
    assert!(limits.has_feature("anything") && !limits.has_feature("external_actions"));
    it.features_disabled = set(["*"]);
    assert!(!it.get_effective_limits().has_feature("basic_agents"));
}

#[test]
fn blocked_wins_and_an_empty_list_allows_nothing() {
    // covers: TEN-04
    let mut it = config();
    assert!(it.is_action_allowed("any"));
    it.blocked_actions = set(["bad"]);
    assert!(!it.is_action_allowed("bad") && it.is_action_allowed("any"));
    it.allowed_actions = Some(set(["good", "bad"]));
    assert!(it.is_action_allowed("good") && !it.is_action_allowed("any"));
    assert!(!it.is_action_allowed("bad"));
    it.allowed_actions = Some(set([]));
    assert!(!it.is_action_allowed("good"));
}

#[test]
fn the_table_of_tiers_is_constant_and_complete() {
    // covers: TEN-07
    let written: Vec<Value> = TIER_LIMITS
        .iter()
        .map(|row| {
            assert_eq!(*row, get_tier_limits(row.tier));
            let mut it = config();
            it.tier = row.tier;
            serde_json::to_value(it.get_effective_limits()).unwrap()
        })
        .collect();
    let row = |pipelines, agents, requests, storage: f64, runs| {
        json!([pipelines, agents, requests, storage, runs])
    };
    let names = [
        "max_concurrent_pipelines",
        "max_agents_per_pipeline",
        "max_requests_per_minute",
        "max_storage_gb",
        "max_runs_per_day",
    ];
    let numbers: Vec<Value> = written
        .iter()
        .map(|it| names.map(|name| it[name].clone()).to_vec().into())
        .collect();
    let expected = [
        row(1, 5, 10, 1.0, 100),
        row(2, 10, 60, 10.0, 1_000),
        row(10, 50, 300, 100.0, 10_000),
        row(999_999, 999_999, 999_999, 999_999.0, 999_999),
    ];
    assert_eq!(numbers, expected);
    assert_eq!(written[3]["features"], json!(["*"]));
    assert_eq!(
        written[1]["features"],
        json!(["basic_agents", "parallel_execution", "simple_pipelines"])
    );
    // A million is not too many where there is no limit.
    let enterprise = get_tier_limits(TenantTier::Enterprise);
    assert!(enterprise.max_concurrent_pipelines.allows(1_000_000, 1));
}

#[test]
fn the_json_has_seventeen_fields_and_no_other() {
    // covers: TEN-05
    let written = Value::Object(config().to_dict());
    let expected = json!({
        "tenant_id": "acme", "name": "Acme", "tier": "free",
        "max_concurrent_pipelines": null, "max_agents_per_pipeline": null, "max_requests_per_minute": null,
        "features_enabled": [], "features_disabled": [], "allowed_actions": null, "blocked_actions": [],
        "data_region": "default", "encryption_key_id": "", "audit_retention_days": 90, "metadata": {},
        "created_at": "1970-01-01T00:00:00.000000Z", "updated_at": "1970-01-01T00:00:00.000000Z",
        "is_active": true,
    });
    assert_eq!(written, expected);
    let read = |value: Value| serde_json::from_value::<TenantConfig>(value);
    let least = json!({"tenant_id": "acme", "name": "Acme", "tier": "free"});
    assert_eq!(read(least.clone()).unwrap(), config());
    for field in ["tenant_id", "name", "tier"] {
        let mut object = least.clone();
        object.as_object_mut().unwrap().remove(field);
        assert!(read(object).unwrap_err().to_string().contains(field));
    }
    for (field, bad) in [
        ("tier", json!("gold")),
        ("tier", json!("Free")),
        ("features_disable", json!([])),
        ("is_active", json!(1)),
        ("created_at", json!("noon")),
        ("allowed_actions", json!("all")),
    ] {
        let mut object = least.clone();
        object[field] = bad;
        assert!(read(object).is_err(), "{field}");
    }
    let twice = r#"{"tenant_id":"acme","tenant_id":"other","name":"A","tier":"free"}"#;
    assert!(serde_json::from_str::<TenantConfig>(twice).is_err());
}

#[test]
fn hostile_ids_and_numbers_are_refused_at_the_door() {
    // covers: TEN-06, TEN-09
    let read = |field: &str, value: Value| {
        let mut object = json!({"tenant_id": "acme", "name": "Acme", "tier": "free"});
        object[field] = value;
        serde_json::from_value::<TenantConfig>(object)
    };
    let long = "x".repeat(1 << 20);
    for hostile in [
        "",
        " ",
        "a:b",
        "a/b",
        "..",
        "a*",
        "a>",
        "{a}",
        "a%2f",
        "a\0",
        "a\r\n",
        "\u{1b}[2J",
        "a\u{202e}",
        "\u{feff}a",
        "cafe\u{301}",
        "caf\u{e9}",
        "\u{130}x",
        "\u{430}cme",
        &long,
    ] {
        let error = read("tenant_id", hostile.into()).unwrap_err().to_string();
        assert!(
            error.len() < 800 && !error.contains(['\0', '\n', '\u{1b}', '\u{202e}']),
            "{error:?}"
        );
    }
    for hostile in [Value::Null, true.into(), 0.into(), json!(["a"])] {
        assert!(read("tenant_id", hostile).is_err());
    }
    for hostile in [json!(-1), json!(1.5), json!(true), json!("5"), json!(1e300)] {
        assert!(read("max_concurrent_pipelines", hostile.clone()).is_err());
        assert!(read("audit_retention_days", hostile).is_err());
    }
    let largest = read("max_concurrent_pipelines", i64::MAX.into()).unwrap();
    assert!(
        largest
            .get_effective_limits()
            .max_concurrent_pipelines
            .allows(0, i64::MAX as u64)
    );
    // Ids compare by bytes.
    assert_ne!(id("Acme"), id("acme"));
}

#[test]
fn texts_that_mislead_and_configurations_that_are_too_large_are_refused() {
    // covers: TEN-08
    let refused = |change: &dyn Fn(&mut TenantConfig)| {
        let mut it = config();
        change(&mut it);
        match it.check().unwrap_err() {
            TenantError::InvalidConfig { field, .. } => field,
            other => panic!("{other}"),
        }
    };
    for name in [
        "",
        "a\nb",
        "a\0",
        "a\u{202e}b",
        "\u{feff}a",
        "a\u{2066}",
        &"x".repeat(256),
    ] {
        assert_eq!(refused(&|it| it.name = name.to_owned()), "name");
    }
    assert_eq!(
        refused(&|it| it.data_region = "e\u{1b}u".into()),
        "data_region"
    );
    assert_eq!(
        refused(&|it| it.features_enabled = set(["a\tb"])),
        "features_enabled"
    );
    assert_eq!(
        refused(&|it| it.allowed_actions = Some(set([""]))),
        "allowed_actions"
    );
    let large = || [("k".to_owned(), Value::from("v".repeat(300_000)))];
    assert_eq!(refused(&|it| it.metadata.extend(large())), "metadata");
    let mut fine = config();
    fine.name = "Acme – Größe 東京 🎉".into();
    fine.check().unwrap();
}

proptest! {
    // covers: TEN-05
    #[test]
    fn a_configuration_survives_json(
        name in "\\PC{1,20}",
        tier in prop::sample::select(vec![TenantTier::Free, TenantTier::Starter, TenantTier::Professional, TenantTier::Enterprise]),
        limit in prop::option::of(any::<u64>()),
        features in prop::collection::btree_set("[a-z_*]{1,8}", 0..4),
        allowed in prop::option::of(prop::collection::btree_set("[a-z]{1,8}", 0..4)),
        active in any::<bool>(),
        days in any::<u32>(),
    ) {
        let mut it = config();
        (it.name, it.tier, it.is_active, it.audit_retention_days) = (name, tier, active, days);
        it.max_agents_per_pipeline = limit.map(Limit::at);
        it.features_disabled = features;
        it.allowed_actions = allowed;
        prop_assert_eq!(TenantConfig::from_dict(it.to_dict()).unwrap(), it);
    }

    // covers: TEN-03
    #[test]
    fn disabling_never_switches_on(
        enabled in prop::collection::btree_set("[ab*]", 0..3), disabled in prop::collection::btree_set("[ab*]", 0..3),
        tier in prop::sample::select(vec![TenantTier::Free, TenantTier::Enterprise]), asked in "[abc*]",
    ) {
        let mut it = config();
        (it.features_enabled, it.tier) = (enabled, tier);
        let before = it.get_effective_limits().has_feature(&asked);
        it.features_disabled = disabled.clone();
        let after = it.get_effective_limits().has_feature(&asked);
        prop_assert_eq!(after, it.has_feature(&asked));
        prop_assert!(before || !after);
        prop_assert!(!(after && disabled.contains(&asked)));
    }
}
