//! What comes with each tier.
//!
//! Invariant: the table is constant; nobody who reads it can change it for others.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::limits::{ALL_FEATURES, Limit, LimitKind};

/// The tier of a tenant. It limits scale, never isolation. Written in lower case.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum TenantTier {
    /// `free`, the default.
    #[default]
    Free,
    /// `starter`.
    Starter,
    /// `professional`.
    Professional,
    /// `enterprise`: no limits, all features.
    Enterprise,
}

impl TenantTier {
    /// The name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Starter => "starter",
            Self::Professional => "professional",
            Self::Enterprise => "enterprise",
        }
    }
}

impl fmt::Display for TenantTier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One row of [`TIER_LIMITS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TierLimits {
    /// Whose row it is.
    pub tier: TenantTier,
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
    /// Features; `*` is all.
    pub features: &'static [&'static str],
}

impl TierLimits {
    /// The limit of one kind.
    pub const fn limit(&self, kind: LimitKind) -> Limit {
        match kind {
            LimitKind::ConcurrentPipelines => self.max_concurrent_pipelines,
            LimitKind::AgentsPerPipeline => self.max_agents_per_pipeline,
            LimitKind::RequestsPerMinute => self.max_requests_per_minute,
            LimitKind::RunsPerDay => self.max_runs_per_day,
            LimitKind::Storage => self.max_storage,
        }
    }
}

const FREE: TierLimits = TierLimits {
    tier: TenantTier::Free,
    max_concurrent_pipelines: Limit::at(1),
    max_agents_per_pipeline: Limit::at(5),
    max_requests_per_minute: Limit::at(10),
    max_storage: Limit::at(1_000_000_000),
    max_runs_per_day: Limit::at(100),
    features: &["basic_agents", "simple_pipelines"],
};

const STARTER: TierLimits = TierLimits {
    tier: TenantTier::Starter,
    max_concurrent_pipelines: Limit::at(2),
    max_agents_per_pipeline: Limit::at(10),
    max_requests_per_minute: Limit::at(60),
    max_storage: Limit::at(10_000_000_000),
    max_runs_per_day: Limit::at(1_000),
    features: &["basic_agents", "simple_pipelines", "parallel_execution"],
};

const PROFESSIONAL: TierLimits = TierLimits {
    tier: TenantTier::Professional,
    max_concurrent_pipelines: Limit::at(10),
    max_agents_per_pipeline: Limit::at(50),
    max_requests_per_minute: Limit::at(300),
    max_storage: Limit::at(100_000_000_000),
    max_runs_per_day: Limit::at(10_000),
    features: &[
        "basic_agents",
        "simple_pipelines",
        "parallel_execution",
        "external_actions",
        "human_interaction",
        "persistence",
    ],
};

const ENTERPRISE: TierLimits = TierLimits {
    tier: TenantTier::Enterprise,
    max_concurrent_pipelines: Limit::UNLIMITED,
    max_agents_per_pipeline: Limit::UNLIMITED,
    max_requests_per_minute: Limit::UNLIMITED,
    max_storage: Limit::UNLIMITED,
    max_runs_per_day: Limit::UNLIMITED,
    features: &[ALL_FEATURES],
};

/// What comes with each tier, lowest first.
pub const TIER_LIMITS: [TierLimits; 4] = [FREE, STARTER, PROFESSIONAL, ENTERPRISE];

/// What comes with `tier`.
pub const fn get_tier_limits(tier: TenantTier) -> TierLimits {
    match tier {
        TenantTier::Free => FREE,
        TenantTier::Starter => STARTER,
        TenantTier::Professional => PROFESSIONAL,
        TenantTier::Enterprise => ENTERPRISE,
    }
}
