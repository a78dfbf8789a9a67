//! What each tier allows, in one table.
//!
//! Invariant: the table cannot be changed, and everything that is said of a tier is read from it: what looks like
//! a flag is a name in its set of features. This file does not know who has which tier.

use std::{borrow::Cow, fmt, str::FromStr};

use serde::{Serialize, Serializer};

use super::tier::LicenseTier;

/// What stands for "no limit".
pub const UNLIMITED: u64 = 999_999;

/// Names of features.
pub mod feature {
    /// Every feature.
    pub const ALL: &str = "*";
    /// Agents without anything else.
    pub const BASIC: &str = "basic";
    /// Agents.
    pub const BASIC_AGENTS: &str = "basic_agents";
    /// One agent after another.
    pub const SEQUENTIAL_EXECUTION: &str = "sequential_execution";
    /// Several agents at once, whether they do well or not.
    pub const PARALLEL_EXECUTION: &str = "parallel_execution";
    /// Stores in memory.
    pub const MEMORY_STORE: &str = "memory_store";
    /// Stores in Postgres.
    pub const POSTGRES_STORE: &str = "postgres_store";
    /// Stores in Redis.
    pub const REDIS_STORE: &str = "redis_store";
    /// Reading from recorded work how it went.
    pub const PROCESS_MINING: &str = "process_mining";
    /// Acting on the world outside.
    pub const EXTERNAL_ACTIONS: &str = "external_actions";
    /// Asking people.
    pub const HUMAN_INTERACTION: &str = "human_interaction";
    /// Several tenants.
    pub const MULTI_TENANT: &str = "multi_tenant";
    /// A log of who did what.
    pub const AUDIT_TRAIL: &str = "audit_trail";
}

/// Something of which there may be only so many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Limit {
    /// Pipelines that run. Counted before: as many run, may another one start?
    ConcurrentPipelines,
    /// Agents of one pipeline. Counted after: may it have so many?
    AgentsPerPipeline,
    /// Agents that run at once. Counted after: may so many run?
    ParallelAgents,
    /// Teams. Counted before: there are as many, may another one be made?
    Teams,
    /// Snapshots that are kept. Counted before: as many are kept, may another one be?
    Snapshots,
}

/// What a number means that is held against a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Counting {
    /// How many there are now; one more is wanted.
    Before,
    /// How many there would be.
    After,
}

/// A text that is no limit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a limit")]
pub struct UnknownLimit(String);

impl Limit {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::ConcurrentPipelines,
        Self::AgentsPerPipeline,
        Self::ParallelAgents,
        Self::Teams,
        Self::Snapshots,
    ];

    /// The limit as licences and JSON name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ConcurrentPipelines => "max_concurrent_pipelines",
            Self::AgentsPerPipeline => "max_agents_per_pipeline",
            Self::ParallelAgents => "max_parallel_agents",
            Self::Teams => "max_teams",
            Self::Snapshots => "max_snapshots",
        }
    }

    /// What is counted, for people.
    pub fn unit(self) -> &'static str {
        match self {
            Self::ConcurrentPipelines => "pipelines at once",
            Self::AgentsPerPipeline => "agents in a pipeline",
            Self::ParallelAgents => "agents at once",
            Self::Teams => "teams",
            Self::Snapshots => "snapshots",
        }
    }

    /// What a number means that is held against it.
    pub fn counting(self) -> Counting {
        match self {
            Self::AgentsPerPipeline | Self::ParallelAgents => Counting::After,
            Self::ConcurrentPipelines | Self::Teams | Self::Snapshots => Counting::Before,
        }
    }

    /// How many there would be, where `count` is counted as this limit counts.
    pub fn wanted(self, count: u64) -> u64 {
        match self.counting() {
            Counting::Before => count.saturating_add(1),
            Counting::After => count,
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Limit {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.as_str())
    }
}

impl FromStr for Limit {
    type Err = UnknownLimit;

    fn from_str(text: &str) -> Result<Self, UnknownLimit> {
        let found = Self::ALL.into_iter().find(|limit| limit.as_str() == text);
        found.ok_or_else(|| UnknownLimit(text.chars().take(64).collect()))
    }
}

/// Names of features; `*` among them stands for all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeatureSet(Cow<'static, [Cow<'static, str>]>);

impl FeatureSet {
    /// Whether the feature is among them.
    pub fn contains(&self, name: &str) -> bool {
        self.iter().any(|it| it == name || it == feature::ALL)
    }

    /// The names, in their order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(AsRef::as_ref)
    }

    /// These and `more`.
    fn with(&self, more: impl Iterator<Item = String>) -> Self {
        self.iter().map(str::to_owned).chain(more).collect()
    }
}

impl<S: Into<String>> FromIterator<S> for FeatureSet {
    fn from_iter<I: IntoIterator<Item = S>>(names: I) -> Self {
        let mut all: Vec<Cow<'static, str>> = names
            .into_iter()
            .map(|name| Cow::Owned(name.into()))
            .collect();
        all.sort_unstable();
        all.dedup();
        Self(Cow::Owned(all))
    }
}

impl Serialize for FeatureSet {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.iter())
    }
}

/// How much there may be of everything. [`UNLIMITED`] stands for no limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LicenseLimits {
    /// Pipelines that run at once.
    pub max_concurrent_pipelines: u64,
    /// Agents of one pipeline.
    pub max_agents_per_pipeline: u64,
    /// Agents that run at once.
    pub max_parallel_agents: u64,
    /// Teams.
    pub max_teams: u64,
    /// Snapshots that are kept.
    pub max_snapshots: u64,
    /// What may be used besides.
    pub features: FeatureSet,
}

impl LicenseLimits {
    /// How much there may be of it.
    pub fn get(&self, limit: Limit) -> u64 {
        match limit {
            Limit::ConcurrentPipelines => self.max_concurrent_pipelines,
            Limit::AgentsPerPipeline => self.max_agents_per_pipeline,
            Limit::ParallelAgents => self.max_parallel_agents,
            Limit::Teams => self.max_teams,
            Limit::Snapshots => self.max_snapshots,
        }
    }

    /// Whether there may be `wanted` of it.
    pub fn allows(&self, limit: Limit, wanted: u64) -> bool {
        let most = self.get(limit);
        most >= UNLIMITED || wanted <= most
    }

    /// These limits with some replaced and features added.
    pub(super) fn with<'a>(
        &self,
        limits: impl IntoIterator<Item = (&'a Limit, &'a u64)>,
        features: impl Iterator<Item = String>,
    ) -> Self {
        let mut all = Self {
            features: self.features.with(features),
            ..self.clone()
        };
        for (limit, most) in limits {
            *match limit {
                Limit::ConcurrentPipelines => &mut all.max_concurrent_pipelines,
                Limit::AgentsPerPipeline => &mut all.max_agents_per_pipeline,
                Limit::ParallelAgents => &mut all.max_parallel_agents,
                Limit::Teams => &mut all.max_teams,
                Limit::Snapshots => &mut all.max_snapshots,
            } = *most;
        }
        all
    }
}

macro_rules! features {
    ($($name:ident)*) => {
        FeatureSet(Cow::Borrowed(&[$(Cow::Borrowed(feature::$name)),*]))
    };
}

/// What each tier allows, in the order of the tiers.
pub static LICENSE_LIMITS: [LicenseLimits; 3] = [
    LicenseLimits {
        max_concurrent_pipelines: 1,
        max_agents_per_pipeline: 5,
        max_parallel_agents: 2,
        max_teams: 2,
        max_snapshots: 10,
        features: features![BASIC BASIC_AGENTS MEMORY_STORE SEQUENTIAL_EXECUTION],
    },
    LicenseLimits {
        max_concurrent_pipelines: 5,
        max_agents_per_pipeline: 20,
        max_parallel_agents: 10,
        max_teams: 10,
        max_snapshots: 100,
        features: features![
            BASIC BASIC_AGENTS EXTERNAL_ACTIONS HUMAN_INTERACTION MEMORY_STORE PARALLEL_EXECUTION
            POSTGRES_STORE PROCESS_MINING REDIS_STORE SEQUENTIAL_EXECUTION
        ],
    },
    LicenseLimits {
        max_concurrent_pipelines: UNLIMITED,
        max_agents_per_pipeline: UNLIMITED,
        max_parallel_agents: UNLIMITED,
        max_teams: UNLIMITED,
        max_snapshots: UNLIMITED,
        features: features![ALL],
    },
];

/// The same table by its other name.
pub static TIER_LIMITS: &[LicenseLimits; 3] = &LICENSE_LIMITS;

impl LicenseTier {
    /// What the tier allows.
    pub fn limits(self) -> &'static LicenseLimits {
        match self {
            Self::Community => &LICENSE_LIMITS[0],
            Self::Professional => &LICENSE_LIMITS[1],
            Self::Enterprise => &LICENSE_LIMITS[2],
        }
    }

    /// The smallest tier that has the feature.
    pub fn with_feature(name: &str) -> Self {
        let has = |tier: &Self| tier.limits().features.contains(name);
        // The largest has every feature.
        Self::ALL.into_iter().find(has).unwrap_or(Self::Enterprise)
    }
}
