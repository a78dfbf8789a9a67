//! Licensing as its users see it, on a clock that stands still.

mod limits;
mod manager;
mod sources;
mod texts;

use std::sync::Arc;

use llmteam_security::{ManualClock, Timestamp};

use super::{LicenseManager, LicenseSigner, LicenseTerms, LicenseTier, TrustedKeys};

fn signer() -> LicenseSigner {
    LicenseSigner::generate("issuer").unwrap().0
}

fn keys(signer: &LicenseSigner) -> TrustedKeys {
    TrustedKeys::new([signer.public()]).unwrap()
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn clock() -> ManualClock {
    ManualClock::new(at("2030-06-15T12:00:00Z"))
}

fn terms(tier: LicenseTier) -> LicenseTerms {
    LicenseTerms {
        tier,
        owner: "Example Ltd".into(),
        owner_email: "licences@example.com".into(),
        features: ["sso".to_owned()].into(),
        limits: [(super::Limit::Teams, 50)].into(),
        issued_at: at("2030-01-01T09:30:00Z"),
        not_before: "2030-01-02".parse().unwrap(),
        expires: "2030-06-30".parse().unwrap(),
    }
}

/// A signer, a manager that trusts it, and its clock.
fn office() -> (LicenseSigner, LicenseManager, ManualClock) {
    let (signer, clock) = (signer(), clock());
    let manager = LicenseManager::new(keys(&signer), Arc::new(clock.clone()));
    (signer, manager, clock)
}
