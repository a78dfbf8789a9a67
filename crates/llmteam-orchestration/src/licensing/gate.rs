//! Checks of a tier for operations as a whole, and the one optional default of a process.
//!
//! Invariant: nothing here looks anywhere by itself: the default is what the host set, once, and Community before.
//! This file does not know what is gated.

use std::{io, sync::OnceLock};

use super::{error::FeatureNotLicensedError, manager::LicenseManager, tier::LicenseTier};

static DEFAULT: OnceLock<LicenseManager> = OnceLock::new();

/// Makes `manager` the default of the process. Hands it back when there is one already.
pub fn set_license_manager(manager: LicenseManager) -> Result<(), LicenseManager> {
    DEFAULT.set(manager)
}

/// The default of the process: what the host set, or Community.
pub fn get_license_manager() -> LicenseManager {
    DEFAULT.get().cloned().unwrap_or_default()
}

/// Writes what is in force by the default of the process, for people.
pub fn print_license_status(to: &mut impl io::Write) -> io::Result<()> {
    get_license_manager().print_status(to)
}

/// Lets `operation` happen where the tier in force is at least `tier`. To be asked each time, not once.
///
/// # Errors
/// [`FeatureNotLicensedError`] naming the operation and both tiers.
pub fn require_tier(
    license: &LicenseManager,
    tier: LicenseTier,
    operation: &str,
) -> Result<(), FeatureNotLicensedError> {
    let current = license.current_tier();
    if current >= tier {
        return Ok(());
    }
    Err(FeatureNotLicensedError {
        feature: operation.to_owned(),
        required_tier: tier,
        tier: current,
    })
}

/// [`require_tier`] with Professional.
///
/// # Errors
/// As [`require_tier`].
pub fn require_professional(
    license: &LicenseManager,
    operation: &str,
) -> Result<(), FeatureNotLicensedError> {
    require_tier(license, LicenseTier::Professional, operation)
}

/// [`require_tier`] with Enterprise.
///
/// # Errors
/// As [`require_tier`].
pub fn require_enterprise(
    license: &LicenseManager,
    operation: &str,
) -> Result<(), FeatureNotLicensedError> {
    require_tier(license, LicenseTier::Enterprise, operation)
}
