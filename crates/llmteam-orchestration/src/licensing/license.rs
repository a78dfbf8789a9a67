//! A licence: what was agreed, and for which days.
//!
//! Invariant: a [`License`] comes out of a verified text and nowhere else; it shows neither its text nor its
//! signature. This file does not know how a text is verified.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use llmteam_security::Timestamp;
use serde::Serialize;

use super::{
    day::Day,
    limits::{LicenseLimits, Limit},
    tier::LicenseTier,
};

/// What a licence says. An issuer writes it, a signature makes it a licence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LicenseTerms {
    /// Its tier.
    pub tier: LicenseTier,
    /// Who may use it: one line.
    pub owner: String,
    /// How to reach them: one line.
    pub owner_email: String,
    /// Features besides those of the tier.
    pub features: BTreeSet<String>,
    /// Limits in place of those of the tier, each at least 1.
    pub limits: BTreeMap<Limit, u64>,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// Its first day.
    pub not_before: Day,
    /// Its last day.
    #[serde(rename = "expires_at")]
    pub expires: Day,
}

/// A licence whose signature was verified.
#[derive(Clone, PartialEq, Eq)]
pub struct License {
    terms: LicenseTerms,
    /// The first characters of its signature: enough to tell licences apart, and no more.
    mark: String,
    signer: String,
}

impl License {
    pub(super) fn new(terms: LicenseTerms, mark: String, signer: String) -> Self {
        Self {
            terms,
            mark,
            signer,
        }
    }

    /// What it says.
    pub fn terms(&self) -> &LicenseTerms {
        &self.terms
    }

    /// The key that signed it, `<name>+<8 hex digits>`.
    pub fn signer(&self) -> &str {
        &self.signer
    }

    /// What it allows while it counts.
    pub fn limits(&self) -> LicenseLimits {
        let terms = &self.terms;
        let features = terms.features.iter().cloned();
        terms.tier.limits().with(&terms.limits, features)
    }

    /// Whether it counts at `now`: from the beginning of its first day to the end of its last, in UTC.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.terms.not_before.start() <= now && !self.is_expired(now)
    }

    /// Whether its last day has passed.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        now >= self.terms.expires.end()
    }

    /// How many whole days are left.
    pub fn days_remaining(&self, now: Timestamp) -> u64 {
        self.terms.expires.end().since(now).as_secs() / 86_400
    }

    /// The licence as JSON shows it at `now`, without its signature.
    pub fn to_dict(&self, now: Timestamp) -> impl Serialize + fmt::Debug {
        Shown {
            key: format!("{}...", self.mark),
            terms: self.terms.clone(),
            days_remaining: self.days_remaining(now),
            signer: self.signer.clone(),
        }
    }
}

impl fmt::Debug for License {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("License")
            .field("terms", &self.terms)
            .field("signer", &self.signer)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Serialize)]
struct Shown {
    key: String,
    #[serde(flatten)]
    terms: LicenseTerms,
    days_remaining: u64,
    signer: String,
}
