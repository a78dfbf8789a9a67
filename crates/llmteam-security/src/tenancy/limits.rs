//! What a tenant may use at most.
//!
//! Invariant: a limit is a number or none at all, and zero means nothing; a feature that was disabled is off even
//! where all are on. This module does not know who uses what: see [`super::usage`].

use std::{cmp::Ordering, collections::BTreeSet, fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{error::TenantError, text::printable};

/// Written in place of no limit.
const WIRE_UNLIMITED: u64 = 999_999;

/// Bytes of a gigabyte, the unit in which storage is written.
const GIGABYTE: u64 = 1_000_000_000;

/// All features.
pub(super) const ALL_FEATURES: &str = "*";

/// A number that must not be passed, or no limit. Written as a number, no limit as 999999.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Limit(Option<u64>);

impl Limit {
    /// No limit.
    pub const UNLIMITED: Self = Self(None);

    /// At most `maximum`; 999999 is no limit, since it is how none is written.
    pub const fn at(maximum: u64) -> Self {
        if maximum == WIRE_UNLIMITED {
            Self(None)
        } else {
            Self(Some(maximum))
        }
    }

    /// The number; `None` when there is no limit.
    pub const fn maximum(self) -> Option<u64> {
        self.0
    }

    /// Whether there is no limit.
    pub const fn is_unlimited(self) -> bool {
        self.0.is_none()
    }

    /// Whether `more` may be added to `current`.
    pub fn allows(self, current: u64, more: u64) -> bool {
        self.0.is_none_or(|maximum| {
            current
                .checked_add(more)
                .is_some_and(|total| total <= maximum)
        })
    }
}

/// No limit is above every number.
impl Ord for Limit {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.0, other.0) {
            (Some(a), Some(b)) => a.cmp(&b),
            (a, b) => a.is_none().cmp(&b.is_none()),
        }
    }
}

impl PartialOrd for Limit {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Debug for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(maximum) => write!(f, "Limit({maximum})"),
            None => f.write_str("Limit(unlimited)"),
        }
    }
}

impl Serialize for Limit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0.unwrap_or(WIRE_UNLIMITED))
    }
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u64::deserialize(deserializer).map(Self::at)
    }
}

/// What a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LimitKind {
    /// `concurrent_pipelines`: pipelines that run at the same time.
    ConcurrentPipelines,
    /// `agents_per_pipeline`: agents of one pipeline.
    AgentsPerPipeline,
    /// `requests_per_minute`: requests in any 60 seconds.
    RequestsPerMinute,
    /// `runs_per_day`: runs in any 24 hours.
    RunsPerDay,
    /// `storage_gb`: what is stored. Amounts are bytes; a gigabyte has 1,000,000,000.
    Storage,
}

impl LimitKind {
    /// All kinds.
    pub const ALL: [Self; 5] = [
        Self::ConcurrentPipelines,
        Self::AgentsPerPipeline,
        Self::RequestsPerMinute,
        Self::RunsPerDay,
        Self::Storage,
    ];

    /// The name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ConcurrentPipelines => "concurrent_pipelines",
            Self::AgentsPerPipeline => "agents_per_pipeline",
            Self::RequestsPerMinute => "requests_per_minute",
            Self::RunsPerDay => "runs_per_day",
            Self::Storage => "storage_gb",
        }
    }
}

impl fmt::Display for LimitKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for LimitKind {
    type Err = TenantError;

    /// Reads a name; any other text is [`TenantError::UnknownLimit`], never a limit that always passes.
    fn from_str(name: &str) -> Result<Self, TenantError> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == name)
            .ok_or_else(|| TenantError::UnknownLimit(printable(name)))
    }
}

/// The limits and features that are in force for a tenant.
///
/// Written with the names of the fields, storage as `max_storage_gb` in gigabytes, `features` as an array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantLimits {
    /// Pipelines that run at the same time.
    pub max_concurrent_pipelines: Limit,
    /// Agents of one pipeline.
    pub max_agents_per_pipeline: Limit,
    /// Requests in any 60 seconds.
    pub max_requests_per_minute: Limit,
    /// Stored bytes.
    pub max_storage: Limit,
    /// Runs in any 24 hours.
    pub max_runs_per_day: Limit,
    features: BTreeSet<String>,
    disabled: BTreeSet<String>,
}

impl TenantLimits {
    /// The limits that `limit` gives, with a tier's features and what a tenant has switched on and off.
    pub(super) fn new(
        tier: &[&str],
        enabled: &BTreeSet<String>,
        disabled: &BTreeSet<String>,
        limit: impl Fn(LimitKind) -> Limit,
    ) -> Self {
        let named = tier.iter().map(|it| (*it).to_owned());
        let features = named.chain(enabled.iter().cloned());
        Self {
            max_concurrent_pipelines: limit(LimitKind::ConcurrentPipelines),
            max_agents_per_pipeline: limit(LimitKind::AgentsPerPipeline),
            max_requests_per_minute: limit(LimitKind::RequestsPerMinute),
            max_storage: limit(LimitKind::Storage),
            max_runs_per_day: limit(LimitKind::RunsPerDay),
            features: features.filter(|it| !disabled.contains(it)).collect(),
            disabled: disabled.clone(),
        }
    }

    /// Whether `feature` is on: not disabled, and named or among all. A disabled `*` disables everything.
    pub fn has_feature(&self, feature: &str) -> bool {
        let disabled = self.disabled.contains(feature) || self.disabled.contains(ALL_FEATURES);
        !disabled && (self.features.contains(ALL_FEATURES) || self.features.contains(feature))
    }

    /// The features that are on by name; `*` stands for all that are not disabled.
    pub fn features(&self) -> &BTreeSet<String> {
        &self.features
    }

    /// The limit of one kind.
    pub fn limit(&self, kind: LimitKind) -> Limit {
        match kind {
            LimitKind::ConcurrentPipelines => self.max_concurrent_pipelines,
            LimitKind::AgentsPerPipeline => self.max_agents_per_pipeline,
            LimitKind::RequestsPerMinute => self.max_requests_per_minute,
            LimitKind::RunsPerDay => self.max_runs_per_day,
            LimitKind::Storage => self.max_storage,
        }
    }
}

impl Serialize for TenantLimits {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Wire<'a> {
            max_concurrent_pipelines: Limit,
            max_agents_per_pipeline: Limit,
            max_requests_per_minute: Limit,
            max_storage_gb: f64,
            max_runs_per_day: Limit,
            features: &'a BTreeSet<String>,
        }
        // Whole and fractional gigabytes apart: each is exact well beyond any disk.
        let gigabytes = |bytes: u64| {
            let rest = u32::try_from(bytes % GIGABYTE).unwrap_or(u32::MAX);
            let whole = u32::try_from(bytes / GIGABYTE).unwrap_or(u32::MAX);
            f64::from(whole) + f64::from(rest) / 1e9
        };
        Wire {
            max_concurrent_pipelines: self.max_concurrent_pipelines,
            max_agents_per_pipeline: self.max_agents_per_pipeline,
            max_requests_per_minute: self.max_requests_per_minute,
            max_storage_gb: self.max_storage.maximum().map_or(999_999.0, gigabytes),
            max_runs_per_day: self.max_runs_per_day,
            features: &self.features,
        }
        .serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_a_number_or_none_and_zero_is_nothing() {
        // covers: TEN-13
        assert!(Limit::at(1).allows(0, 1) && !Limit::at(1).allows(1, 1));
        assert!(!Limit::at(0).allows(0, 1) && Limit::at(0).allows(0, 0));
        assert!(Limit::UNLIMITED.allows(u64::MAX, u64::MAX));
        assert!(!Limit::at(u64::MAX).allows(u64::MAX, 1));
        assert!(Limit::UNLIMITED > Limit::at(u64::MAX) && Limit::at(2) > Limit::at(1));
        let written = serde_json::to_value([Limit::at(7), Limit::UNLIMITED]).unwrap();
        assert_eq!(written, serde_json::json!([7, 999_999]));
        assert_eq!(
            serde_json::from_value::<[Limit; 2]>(written).unwrap(),
            [Limit::at(7), Limit::UNLIMITED]
        );
        for bad in [
            "-1",
            "1e400",
            "true",
            "1.5",
            "18446744073709551616",
            "\"7\"",
        ] {
            assert!(serde_json::from_str::<Limit>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_misspelt_limit_is_refused() {
        // covers: TEN-17
        for kind in LimitKind::ALL {
            assert_eq!(kind.as_str().parse::<LimitKind>().unwrap(), kind);
        }
        let error = "requests_per_minuet\n".parse::<LimitKind>().unwrap_err();
        assert!(matches!(&error, TenantError::UnknownLimit(_)));
        assert!(!error.to_string().contains('\n'));
    }
}
