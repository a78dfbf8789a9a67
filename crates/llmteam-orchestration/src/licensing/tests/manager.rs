//! Licences in time, and who is held to which.

use llmteam_security::TenantId;

use super::*;
use crate::{
    execution::ExecutorConfig,
    licensing::{
        LicenseError, LicenseValidationError, Limit, TenantLicenses, get_license_manager,
        print_license_status, set_license_manager,
    },
};

// covers: L3
#[tokio::test(start_paused = true)]
async fn a_licence_counts_from_its_first_day_to_the_end_of_its_last() {
    let (signer, _, _) = office();
    let text = signer.issue(&terms(LicenseTier::Professional)).unwrap();
    for (now, counts) in [
        ("2030-01-01T23:59:59.999999Z", false),
        ("2030-01-02T00:00:00Z", true),
        ("2030-06-30T00:00:00Z", true),
        ("2030-06-30T23:59:59.999999Z", true),
        ("2030-07-01T00:00:00Z", false),
    ] {
        let manager = LicenseManager::new(keys(&signer), Arc::new(ManualClock::new(at(now))));
        assert_eq!(manager.activate(&text).is_ok(), counts, "{now}");
        assert_eq!(manager.current_tier() == LicenseTier::Professional, counts);
    }
    let early = LicenseManager::new(
        keys(&signer),
        Arc::new(ManualClock::new(at("2030-01-01T00:00:00Z"))),
    );
    let error = early.activate(&text).unwrap_err();
    assert!(matches!(
        error,
        LicenseError::Invalid(LicenseValidationError::NotYetValid { .. })
    ));
    assert_eq!(
        error.to_string(),
        "the licence of `Example Ltd` counts from 2030-01-02"
    );
    let late = LicenseManager::new(
        keys(&signer),
        Arc::new(ManualClock::new(at("2031-01-01T00:00:00Z"))),
    );
    let error = late.activate(&text).unwrap_err();
    assert!(matches!(error, LicenseError::Expired(_)));
    assert_eq!(
        error.to_string(),
        "the licence of `Example Ltd` expired at the end of 2030-06-30; ask for a new one"
    );
}

// covers: L4, L12
#[tokio::test(start_paused = true)]
async fn what_expires_counts_no_more_anywhere_at_once() {
    let (signer, manager, clock) = office();
    let license = manager
        .activate(&signer.issue(&terms(LicenseTier::Professional)).unwrap())
        .unwrap();
    let handle = manager.clone();
    let config = ExecutorConfig::default();
    let asked = || {
        (
            handle.current_tier(),
            handle.has_tier(LicenseTier::Professional),
            handle.limits().max_teams,
            handle.has_feature("sso"),
            handle.check_feature("parallel_execution"),
            handle.permit(Limit::AgentsPerPipeline, 20).is_ok(),
            handle.enforce(config.clone()).unwrap().max_concurrent,
            handle.get_info().license.is_some(),
        )
    };
    let licensed = (
        LicenseTier::Professional,
        true,
        50,
        true,
        true,
        true,
        10,
        true,
    );
    assert_eq!(asked(), licensed);
    clock.advance_to(at("2030-06-30T23:59:59.999999Z")).await;
    assert_eq!(asked(), licensed);
    assert_eq!(license.days_remaining(at("2030-06-30T00:00:00Z")), 1);
    clock.advance_to(at("2030-07-01T00:00:00Z")).await;
    assert_eq!(
        asked(),
        (
            LicenseTier::Community,
            false,
            2,
            false,
            false,
            false,
            2,
            false
        )
    );
    assert!(license.is_expired(at("2030-07-01T00:00:00Z")));
    assert_eq!(license.days_remaining(at("2031-07-01T00:00:00Z")), 0);
}

// covers: L5
#[test]
fn limits_and_features_of_a_licence_are_those_of_its_tier_and_its_own() {
    let (signer, manager, _) = office();
    let more = LicenseTerms {
        limits: [(Limit::Teams, 50), (Limit::ParallelAgents, 3)].into(),
        ..terms(LicenseTier::Professional)
    };
    manager.activate(&signer.issue(&more).unwrap()).unwrap();
    assert!(manager.permit(Limit::Teams, 49).is_ok());
    let refused = manager.permit(Limit::Teams, 50).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "51 teams are more than the 50 of tier `professional`"
    );
    assert!(
        manager.permit(Limit::ParallelAgents, 4).is_err(),
        "a licence may also allow less"
    );
    assert!(manager.has_feature("sso") && manager.has_feature("process_mining"));
    manager.deactivate();
    assert_eq!(manager.limits(), *LicenseTier::Community.limits());
}

#[test]
fn a_licence_that_does_not_count_changes_nothing() {
    let (signer, manager, _) = office();
    manager
        .activate(&signer.issue(&terms(LicenseTier::Professional)).unwrap())
        .unwrap();
    assert!(manager.activate("LLMT-ENT-x-99991231").is_err());
    assert_eq!(manager.current_tier(), LicenseTier::Professional);
    let shown = format!("{manager:?}");
    assert!(shown.contains("Example Ltd") && shown.contains("Professional"));
    let mut status = Vec::new();
    manager.print_status(&mut status).unwrap();
    let status = String::from_utf8(status).unwrap();
    assert!(
        status.contains(
            "owner: Example Ltd\nexpires: at the end of 2030-06-30 (UTC), 15 whole days left\n"
        ),
        "{status}"
    );
}

// covers: L10
#[test]
fn there_is_one_default_which_the_host_sets_once() {
    assert_eq!(get_license_manager().current_tier(), LicenseTier::Community);
    let mine = LicenseManager::of_tier(LicenseTier::Professional);
    set_license_manager(mine.clone()).unwrap();
    assert_eq!(
        get_license_manager().current_tier(),
        LicenseTier::Professional
    );
    assert!(set_license_manager(LicenseManager::default()).is_err());
    // The same licence by every way, and nobody else's.
    mine.deactivate();
    assert_eq!(get_license_manager().current_tier(), LicenseTier::Community);
    let mut status = Vec::new();
    print_license_status(&mut status).unwrap();
    assert!(status.starts_with(b"tier: Community\n"));
    assert_eq!(
        LicenseManager::of_tier(LicenseTier::Enterprise).current_tier(),
        LicenseTier::Enterprise
    );
}

#[test]
fn tenants_are_held_to_their_own_licence_or_the_hosts() {
    let id = |text: &str| text.parse::<TenantId>().unwrap();
    let licenses = TenantLicenses::new(LicenseManager::of_tier(LicenseTier::Professional));
    let own = LicenseManager::of_tier(LicenseTier::Enterprise);
    assert!(licenses.set(id("acme"), own.clone()).is_none());
    let tier = |tenant: &str| licenses.get(&id(tenant)).current_tier();
    assert_eq!(
        (tier("acme"), tier("other")),
        (LicenseTier::Enterprise, LicenseTier::Professional)
    );
    own.deactivate();
    assert_eq!(
        tier("acme"),
        LicenseTier::Community,
        "its own, though it is smaller now"
    );
    assert!(licenses.remove(&id("acme")).is_some());
    assert_eq!(tier("acme"), LicenseTier::Professional);
}
