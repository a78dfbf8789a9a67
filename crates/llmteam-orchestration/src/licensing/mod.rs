//! How much of the product a host may use: tiers, their limits, and licences that say which.
//!
//! Invariant: a licence counts only while its signature verifies under a key that the host trusts and its day has
//! not passed; one function says what is in force, and everything asks it. Limits are about scale: isolation, audit,
//! approvals and encryption ask no licence. Nothing is limited where no [`LicenseManager`] is handed over.
//! This module does not know what is counted, nor who keeps the counts.
//!
//! A gate in a program that somebody else runs is not tamper-proof: who can change the program or its clock can pass
//! it. A licence cannot be revoked before it expires.
//!
//! ```
//! use llmteam_orchestration::licensing::{LicenseManager, LicenseTier, Limit};
//!
//! let license = LicenseManager::default();
//! assert_eq!(license.current_tier(), LicenseTier::Community);
//! assert!(license.permit(Limit::AgentsPerPipeline, 5).is_ok());
//! let refused = license.permit(Limit::AgentsPerPipeline, 6).unwrap_err();
//! assert_eq!(refused.to_string(), "6 agents in a pipeline are more than the 5 of tier `community`");
//! ```

mod day;
mod error;
mod gate;
mod key;
mod license;
mod limits;
mod manager;
mod source;
mod tenants;
mod text;
mod tier;

#[cfg(test)]
mod tests;

/// The page of this module, whose example is compiled.
#[cfg(doctest)]
#[doc = include_str!("../../../../docs/orchestration/licensing.md")]
mod page {}

pub use self::{
    day::{Day, InvalidDay},
    error::{
        FeatureNotLicensedError, LicenseError, LicenseExpiredError, LicenseValidationError,
        LimitExceededError,
    },
    gate::{
        get_license_manager, print_license_status, require_enterprise, require_professional,
        require_tier, set_license_manager,
    },
    key::{LicenseSigner, TrustedKeys, read_unverified},
    license::{License, LicenseTerms},
    limits::{
        Counting, FeatureSet, LICENSE_LIMITS, LicenseLimits, Limit, TIER_LIMITS, UNLIMITED,
        UnknownLimit, feature,
    },
    manager::{LicenseInfo, LicenseManager, LicensedLimits},
    source::{LicenseLoadError, LicenseReport, LicenseSource, SourceOutcome},
    tenants::TenantLicenses,
    tier::{LicenseTier, UnknownTier},
};
