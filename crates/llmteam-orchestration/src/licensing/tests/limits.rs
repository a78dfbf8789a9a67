//! The table, and managers of a tier.

use crate::{
    execution::{ExecutionMode, ExecutorConfig},
    licensing::{
        Counting, LICENSE_LIMITS, LicenseLimits, LicenseManager, LicenseTier, Limit, TIER_LIMITS,
        UNLIMITED, feature, require_enterprise, require_professional, require_tier,
    },
};
use LicenseTier::{Community, Enterprise, Professional};

fn of(tier: LicenseTier) -> LicenseManager {
    LicenseManager::of_tier(tier)
}

fn maxima(limits: &LicenseLimits) -> [u64; 3] {
    [
        limits.max_concurrent_pipelines,
        limits.max_agents_per_pipeline,
        limits.max_parallel_agents,
    ]
}

// covers: LI01
#[test]
fn limits_keep_what_they_are_built_with() {
    let limits = LicenseLimits {
        max_concurrent_pipelines: 5,
        max_agents_per_pipeline: 20,
        max_parallel_agents: 10,
        max_teams: 1,
        max_snapshots: 10,
        features: ["parallel_execution"].into_iter().collect(),
    };
    assert_eq!(maxima(&limits), [5, 20, 10]);
    assert!(limits.features.contains("parallel_execution"));
    assert!(!limits.features.contains("process_mining"));
}

// covers: LI02
#[test]
fn tiers_have_one_text() {
    let texts = ["community", "professional", "enterprise"];
    assert_eq!(LicenseTier::ALL.map(LicenseTier::as_str), texts);
    for (tier, text) in LicenseTier::ALL.into_iter().zip(texts) {
        assert_eq!(text.parse(), Ok(tier));
        assert_eq!(serde_json::to_value(tier).unwrap(), text);
        assert_eq!(tier.display_name().to_lowercase(), text);
        assert_eq!(tier.is_paid(), tier != Community);
    }
    assert!(Community < Professional && Professional < Enterprise);
    assert!("Community".parse::<LicenseTier>().is_err());
}

// covers: LI03, L6, L11
#[test]
fn one_table_has_all_tiers_and_flags_are_names_in_it() {
    for (tier, limits) in LicenseTier::ALL.into_iter().zip(TIER_LIMITS) {
        assert!(std::ptr::eq(tier.limits(), limits));
        // A copy that a caller changes is nobody else's.
        let mut copy = of(tier).limits();
        copy.max_parallel_agents = 1000;
        assert_eq!(&of(tier).limits(), limits);
        let info = of(tier).get_info();
        for (name, allowed) in info.features {
            assert_eq!(allowed, limits.features.contains(name), "{tier} {name}");
        }
    }
    assert_eq!(LICENSE_LIMITS.len(), 3);
}

// covers: LI04
#[test]
fn community_is_small() {
    let limits = Community.limits();
    assert_eq!(maxima(limits), [1, 5, 2]);
    assert_eq!((limits.max_teams, limits.max_snapshots), (2, 10));
    let has = |name| limits.features.contains(name);
    assert!(has("basic_agents") && has("sequential_execution") && !has("parallel_execution"));
}

// covers: LI05
#[test]
fn professional_is_for_a_team() {
    let limits = Professional.limits();
    assert_eq!(maxima(limits), [5, 20, 10]);
    let has = |name| limits.features.contains(name);
    assert!(has("parallel_execution") && has("process_mining") && !has("multi_tenant"));
}

// covers: LI06
#[test]
fn enterprise_has_no_limits() {
    let limits = Enterprise.limits();
    assert_eq!(maxima(limits), [999_999; 3]);
    assert!(limits.features.iter().any(|name| name == "*"));
    assert!(
        limits.allows(Limit::Teams, u64::MAX),
        "999999 means any number"
    );
}

// covers: LI07, LI08
#[test]
fn a_manager_is_community_unless_it_is_told_otherwise() {
    for manager in [of(Community), LicenseManager::default()] {
        assert_eq!(manager.current_tier(), Community);
        assert_eq!(manager.limits().max_concurrent_pipelines, 1);
    }
}

// covers: LI09
#[test]
fn one_pipeline_may_run_on_community() {
    let manager = of(Community);
    let may = [0, 1, 2].map(|current| manager.check_concurrent_limit(current));
    assert_eq!(may, [true, false, false]);
}

// covers: LI10
#[test]
fn five_agents_may_be_in_a_pipeline_on_community() {
    let may = [3, 5, 6].map(|count| of(Community).check_agents_limit(count));
    assert_eq!(may, [true, true, false]);
}

// covers: LI11
#[test]
fn ten_agents_may_run_at_once_on_professional() {
    let may = [5, 10, 11].map(|count| of(Professional).check_parallel_limit(count));
    assert_eq!(may, [true, true, false]);
}

// covers: LI12, LI13, LI14
#[test]
fn features_follow_the_tier() {
    let has = |tier, names: &[&str]| {
        names
            .iter()
            .map(|name| of(tier).has_feature(name))
            .collect::<Vec<_>>()
    };
    let names = ["parallel_execution", "process_mining", "basic_agents"];
    assert_eq!(has(Professional, &names), [true; 3]);
    assert_eq!(has(Community, &names[..2]), [false; 2]);
    assert_eq!(
        has(
            Enterprise,
            &["parallel_execution", "process_mining", "anything"]
        ),
        [true; 3]
    );
}

// covers: LI15, LI16, LI17
#[test]
fn no_more_run_at_once_than_the_tier_allows() {
    for (tier, expected) in [(Community, 2), (Professional, 10), (Enterprise, 20)] {
        let config = ExecutorConfig {
            max_concurrent: 20,
            ..ExecutorConfig::default()
        };
        assert_eq!(of(tier).enforce(config).unwrap().max_concurrent, expected);
    }
}

// covers: LI18
#[test]
fn everything_else_of_a_configuration_is_kept() {
    let config = ExecutorConfig {
        mode: ExecutionMode::Parallel,
        max_concurrent: 5,
        queue_size: 200,
        task_timeout: std::time::Duration::from_secs(600),
        max_retries: 9,
        enable_backpressure: false,
        ..ExecutorConfig::default()
    };
    assert_eq!(of(Professional).enforce(config.clone()), Ok(config));
}

// covers: L8
#[test]
fn what_is_enforced_is_valid_and_parallel_needs_its_feature() {
    let config = ExecutorConfig {
        mode: ExecutionMode::Parallel,
        ..ExecutorConfig::default()
    };
    let enforced = of(Community).enforce(config).unwrap();
    assert_eq!(
        (enforced.mode, enforced.max_concurrent),
        (ExecutionMode::Adaptive, 2)
    );
    assert!(enforced.validated().is_ok());
    let nothing = ExecutorConfig {
        max_concurrent: 0,
        ..ExecutorConfig::default()
    };
    assert!(of(Enterprise).enforce(nothing).is_err());
    let sequential = ExecutorConfig {
        mode: ExecutionMode::Sequential,
        ..ExecutorConfig::default()
    };
    assert_eq!(
        of(Community).enforce(sequential).unwrap().mode,
        ExecutionMode::Sequential
    );
}

// covers: LI19, LI20
#[test]
fn the_tier_and_its_limits_are_told() {
    let manager = of(Professional);
    assert_eq!(manager.get_tier(), Professional);
    let limits = serde_json::to_value(manager.get_limits()).unwrap();
    assert_eq!(limits["tier"], "professional");
    assert_eq!(limits["max_concurrent_pipelines"], 5);
    assert_eq!(limits["max_agents_per_pipeline"], 20);
    assert_eq!(limits["max_parallel_agents"], 10);
    let features = limits["features"].as_array().unwrap();
    assert!(features.contains(&"parallel_execution".into()));
    let mut status = Vec::new();
    manager.print_status(&mut status).unwrap();
    let status = String::from_utf8(status).unwrap();
    assert!(
        status.starts_with("tier: Professional\n5 pipelines at once\n"),
        "{status}"
    );
}

// covers: L7
#[test]
fn each_limit_says_what_is_counted_and_no_name_fails_open() {
    let manager = of(Community);
    for limit in Limit::ALL {
        let most = manager.limits().get(limit);
        let full = match limit.counting() {
            Counting::Before => most,
            Counting::After => most + 1,
        };
        assert!(manager.check_limit(limit, full - 1), "{limit}");
        let refused = manager.permit(limit, full).unwrap_err();
        assert_eq!(
            (refused.wanted, refused.allowed),
            (most + 1, most),
            "{limit}"
        );
        assert_eq!(limit.as_str().parse(), Ok(limit));
        assert!(of(Enterprise).check_limit(limit, UNLIMITED + 1));
    }
    assert_eq!(
        manager.check_limit(Limit::AgentsPerPipeline, 5),
        manager.check_agents_limit(5)
    );
    assert!("max_agents".parse::<Limit>().is_err() && "features".parse::<Limit>().is_err());
}

// covers: L12
#[test]
fn gates_are_asked_each_time_and_say_what_is_missing() {
    let manager = of(Professional);
    assert!(require_professional(&manager, "mining").is_ok());
    let error = require_enterprise(&manager, "single sign-on").unwrap_err();
    assert_eq!(
        error.to_string(),
        "`single sign-on` needs a licence of tier `enterprise`; `professional` is in force"
    );
    manager.deactivate();
    assert!(require_professional(&manager, "mining").is_err());
    assert!(require_tier(&manager, Community, "anything").is_ok());
    let error = manager
        .require_feature(feature::PROCESS_MINING)
        .unwrap_err();
    assert_eq!((error.required_tier, error.tier), (Professional, Community));
}
