//! What can go wrong with licences: texts that are none, days that have passed, and more than is allowed.
//!
//! Invariant: no message holds a signature or a private key. This file does not know how anything is checked.

use super::{day::Day, limits::Limit, tier::LicenseTier};

/// Any of them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LicenseError {
    /// The text is no licence that counts here.
    #[error(transparent)]
    Invalid(#[from] LicenseValidationError),
    /// Its last day has passed.
    #[error(transparent)]
    Expired(#[from] LicenseExpiredError),
    /// A feature or tier is missing.
    #[error(transparent)]
    FeatureNotLicensed(#[from] FeatureNotLicensedError),
    /// More is wanted than is allowed.
    #[error(transparent)]
    LimitExceeded(#[from] LimitExceededError),
}

/// Why a text is no licence that counts here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LicenseValidationError {
    /// A key of the kind that anybody could write.
    #[error(
        "keys that begin with `LLMT-` are not signed and count no more; ask for a signed licence"
    )]
    Unsigned,
    /// Not the form of a licence.
    #[error("the text is not a licence: {reason}")]
    Malformed {
        /// What is wrong with it.
        reason: String,
    },
    /// It is in the form of a licence, and says something that cannot be.
    #[error("`{field}` of the licence is invalid: {reason}")]
    Field {
        /// The line.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// None of the trusted keys signed it.
    #[error("the licence is signed by `{signer}`, which is none of the {trusted} trusted keys")]
    UnknownKey {
        /// The name of who signed it, by its own word.
        signer: String,
        /// How many keys are trusted.
        trusted: usize,
    },
    /// A trusted key is named, and did not sign this.
    #[error("the licence does not bear the signature of `{signer}`: it was changed after signing")]
    BadSignature {
        /// Whose signature it should be.
        signer: String,
    },
    /// It counts from a later day.
    #[error("the licence of `{owner}` counts from {from}")]
    NotYetValid {
        /// Whose licence.
        owner: String,
        /// From when it counts.
        from: Day,
    },
    /// A key to sign or to verify with is none.
    #[error("a licence key is invalid: {reason}")]
    Key {
        /// What is wrong with it, without the key.
        reason: String,
    },
}

impl LicenseValidationError {
    pub(super) fn malformed(reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self::Malformed { reason }
    }

    pub(super) fn field(field: &'static str, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self::Field { field, reason }
    }

    pub(super) fn key(reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self::Key { reason }
    }
}

/// The last day of a licence has passed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the licence of `{owner}` expired at the end of {expired}; ask for a new one")]
pub struct LicenseExpiredError {
    /// Whose licence.
    pub owner: String,
    /// Its last day, in UTC.
    pub expired: Day,
}

/// Something is not part of the tier in force.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{feature}` needs a licence of tier `{required_tier}`; `{tier}` is in force")]
pub struct FeatureNotLicensedError {
    /// What was wanted.
    pub feature: String,
    /// The smallest tier that has it.
    pub required_tier: LicenseTier,
    /// The tier in force.
    pub tier: LicenseTier,
}

/// More is wanted than is allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{wanted} {} are more than the {allowed} of tier `{tier}`", .limit.unit())]
pub struct LimitExceededError {
    /// Of what.
    pub limit: Limit,
    /// How many there would be.
    pub wanted: u64,
    /// How many there may be.
    pub allowed: u64,
    /// The tier in force.
    pub tier: LicenseTier,
}
