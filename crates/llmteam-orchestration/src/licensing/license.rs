//! A licence: what was agreed, and for which days.
//!
//! Invariant: a [`License`] comes out of a verified text and nowhere else; it shows neither its text nor its
//! signature. This file does not know how a text is verified.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use llmteam_security::Timestamp;
use serde::{Serialize, Serializer, ser::SerializeStruct};

use super::{
    day::Day,
    limits::{LicenseLimits, Limit},
    tier::LicenseTier,
};

/// What a licence says. An issuer writes it, a signature makes it a licence.
#[derive(Clone, Debug, PartialEq, Eq)]
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
            license: self.clone(),
            days_remaining: self.days_remaining(now),
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

#[derive(Debug)]
struct Shown {
    key: String,
    license: License,
    days_remaining: u64,
}

impl Serialize for Shown {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let terms = &self.license.terms;
        let limits: BTreeMap<&str, u64> = terms
            .limits
            .iter()
            .map(|(limit, most)| (limit.as_str(), *most))
            .collect();
        let mut json = to.serialize_struct("License", 11)?;
        json.serialize_field("key", &self.key)?;
        json.serialize_field("tier", &terms.tier)?;
        json.serialize_field("owner", &terms.owner)?;
        json.serialize_field("owner_email", &terms.owner_email)?;
        json.serialize_field("issued_at", &terms.issued_at)?;
        json.serialize_field("not_before", &terms.not_before)?;
        json.serialize_field("expires_at", &terms.expires)?;
        json.serialize_field("days_remaining", &self.days_remaining)?;
        json.serialize_field("features", &terms.features)?;
        json.serialize_field("limits", &limits)?;
        json.serialize_field("signer", &self.license.signer)?;
        json.end()
    }
}
