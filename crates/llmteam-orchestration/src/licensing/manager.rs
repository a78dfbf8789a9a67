//! What is in force, and the questions that are asked of it.
//!
//! Invariant: every answer comes from [`LicenseManager::in_force`], which looks at the licence and at the clock: what
//! has expired counts no more from that instant, wherever it was handed to. This file does not know who asks.

use std::{
    collections::BTreeMap,
    fmt, io,
    sync::{Arc, PoisonError, RwLock},
};

use llmteam_security::{Clock, SystemClock, Timestamp};
use serde::Serialize;
use serde_json::Value;

use super::{
    error::{
        FeatureNotLicensedError, LicenseError, LicenseExpiredError, LicenseValidationError,
        LimitExceededError,
    },
    key::TrustedKeys,
    license::License,
    limits::{LicenseLimits, Limit, UNLIMITED, feature},
    tier::LicenseTier,
};

/// A handle on what is licensed. Clones share one licence.
///
/// [`LicenseManager::default`] is Community, trusts nobody and looks nowhere.
#[derive(Clone)]
pub struct LicenseManager(Arc<Shared>);

struct Shared {
    clock: Arc<dyn Clock>,
    keys: TrustedKeys,
    community: Arc<Grant>,
    granted: RwLock<Option<Arc<Grant>>>,
}

/// What somebody may do.
#[derive(Debug, PartialEq, Eq)]
struct Grant {
    tier: LicenseTier,
    limits: LicenseLimits,
    /// Absent where the tier itself was granted.
    license: Option<License>,
}

impl Grant {
    fn of_tier(tier: LicenseTier) -> Self {
        Self {
            tier,
            limits: tier.limits().clone(),
            license: None,
        }
    }
}

impl LicenseManager {
    /// A manager that is Community until a licence signed by one of `keys` is activated.
    pub fn new(keys: TrustedKeys, clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Shared {
            clock,
            keys,
            community: Arc::new(Grant::of_tier(LicenseTier::Community)),
            granted: RwLock::new(None),
        }))
    }

    /// A manager of a tier that needs no licence: for tests, and for hosts that settle it by other means.
    pub fn of_tier(tier: LicenseTier) -> Self {
        let manager = Self::default();
        manager.grant(Some(Grant::of_tier(tier)));
        manager
    }

    /// Verifies a licence and puts it in force.
    ///
    /// # Errors
    /// [`LicenseValidationError`] where it is none or counts from a later day, [`LicenseExpiredError`] where it has
    /// expired. What was in force stays so.
    pub fn activate(&self, text: &str) -> Result<License, LicenseError> {
        let license = self.check(text)?;
        self.grant(Some(Grant {
            tier: license.terms().tier,
            limits: license.limits(),
            license: Some(license.clone()),
        }));
        Ok(license)
    }

    /// The licence that `text` is, if it counts now. Nothing changes.
    ///
    /// # Errors
    /// As [`Self::activate`].
    pub fn check(&self, text: &str) -> Result<License, LicenseError> {
        let license = self.0.keys.verify(text)?;
        let (terms, now) = (license.terms(), self.now());
        let owner = terms.owner.clone();
        if license.is_expired(now) {
            let expired = terms.expires;
            return Err(LicenseExpiredError { owner, expired }.into());
        }
        if !license.is_valid(now) {
            let from = terms.not_before;
            return Err(LicenseValidationError::NotYetValid { owner, from }.into());
        }
        Ok(license)
    }

    /// Back to Community.
    pub fn deactivate(&self) {
        self.grant(None);
    }

    /// The tier in force.
    pub fn current_tier(&self) -> LicenseTier {
        self.in_force().tier
    }

    /// The tier in force.
    pub fn get_tier(&self) -> LicenseTier {
        self.current_tier()
    }

    /// The licence in force, if it is one that decides.
    pub fn license(&self) -> Option<License> {
        self.in_force().license.clone()
    }

    /// The limits in force.
    pub fn limits(&self) -> LicenseLimits {
        self.in_force().limits.clone()
    }

    /// The limits in force, with their tier.
    pub fn get_limits(&self) -> LicensedLimits {
        let grant = self.in_force();
        let (tier, limits) = (grant.tier, grant.limits.clone());
        LicensedLimits { tier, limits }
    }

    /// Whether the tier in force is at least this one.
    pub fn has_tier(&self, required: LicenseTier) -> bool {
        self.current_tier() >= required
    }

    /// Whether the feature may be used.
    pub fn has_feature(&self, name: &str) -> bool {
        self.in_force().limits.features.contains(name)
    }

    /// Whether the feature may be used.
    pub fn check_feature(&self, name: &str) -> bool {
        self.has_feature(name)
    }

    /// Lets the feature be used.
    ///
    /// # Errors
    /// [`FeatureNotLicensedError`] with the smallest tier that has it.
    pub fn require_feature(&self, name: &str) -> Result<(), FeatureNotLicensedError> {
        let grant = self.in_force();
        if grant.limits.features.contains(name) {
            return Ok(());
        }
        Err(FeatureNotLicensedError {
            feature: name.to_owned(),
            required_tier: LicenseTier::with_feature(name),
            tier: grant.tier,
        })
    }

    /// Lets there be as much. What `count` means is the limit's: how many there are and one more is wanted, or how
    /// many there would be ([`Limit::counting`]).
    ///
    /// # Errors
    /// [`LimitExceededError`] where that is more than is allowed.
    pub fn permit(&self, limit: Limit, count: u64) -> Result<(), LimitExceededError> {
        let (grant, wanted) = (self.in_force(), limit.wanted(count));
        if grant.limits.allows(limit, wanted) {
            return Ok(());
        }
        Err(LimitExceededError {
            limit,
            wanted,
            allowed: grant.limits.get(limit),
            tier: grant.tier,
        })
    }

    /// Whether [`Self::permit`] would.
    pub fn check_limit(&self, limit: Limit, count: u64) -> bool {
        self.permit(limit, count).is_ok()
    }

    /// Whether another pipeline may start while `current` run.
    pub fn check_concurrent_limit(&self, current: u64) -> bool {
        self.check_limit(Limit::ConcurrentPipelines, current)
    }

    /// Whether a pipeline may have `count` agents.
    pub fn check_agents_limit(&self, count: u64) -> bool {
        self.check_limit(Limit::AgentsPerPipeline, count)
    }

    /// Whether `count` agents may run at once.
    pub fn check_parallel_limit(&self, count: u64) -> bool {
        self.check_limit(Limit::ParallelAgents, count)
    }

    /// What is in force, for people and machines.
    pub fn get_info(&self) -> LicenseInfo {
        let (grant, now) = (self.in_force(), self.now());
        let limits = &grant.limits;
        let license = grant.license.as_ref().map(|it| it.to_dict(now));
        LicenseInfo {
            tier: grant.tier,
            license: license.and_then(|it| serde_json::to_value(it).ok()),
            limits: Limit::ALL
                .map(|limit| (limit.as_str(), limits.get(limit)))
                .into(),
            features: [
                feature::PROCESS_MINING,
                feature::AUDIT_TRAIL,
                feature::MULTI_TENANT,
                feature::POSTGRES_STORE,
                feature::HUMAN_INTERACTION,
            ]
            .map(|name| (name, limits.features.contains(name)))
            .into(),
        }
    }

    /// Writes what is in force, for people.
    pub fn print_status(&self, to: &mut impl io::Write) -> io::Result<()> {
        let (grant, now) = (self.in_force(), self.now());
        writeln!(to, "tier: {}", grant.tier.display_name())?;
        if let Some(license) = &grant.license {
            let terms = license.terms();
            let left = license.days_remaining(now);
            writeln!(to, "owner: {}", terms.owner)?;
            writeln!(
                to,
                "expires: at the end of {} (UTC), {left} whole days left",
                terms.expires
            )?;
        }
        for limit in Limit::ALL {
            let most = grant.limits.get(limit);
            let most = if most >= UNLIMITED {
                "any number of".to_owned()
            } else {
                most.to_string()
            };
            writeln!(to, "{most} {}", limit.unit())?;
        }
        let features: Vec<&str> = grant.limits.features.iter().collect();
        writeln!(to, "features: {}", features.join(", "))
    }

    /// The one place that says what counts now.
    fn in_force(&self) -> Arc<Grant> {
        let granted = self
            .0
            .granted
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let counts = |grant: &Arc<Grant>| {
            grant
                .license
                .as_ref()
                .is_none_or(|license| license.is_valid(self.now()))
        };
        granted
            .filter(counts)
            .unwrap_or_else(|| Arc::clone(&self.0.community))
    }

    fn grant(&self, grant: Option<Grant>) {
        let mut granted = self
            .0
            .granted
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *granted = grant.map(Arc::new);
    }

    fn now(&self) -> Timestamp {
        self.0.clock.now()
    }
}

impl Default for LicenseManager {
    fn default() -> Self {
        Self::new(TrustedKeys::default(), Arc::new(SystemClock))
    }
}

impl fmt::Debug for LicenseManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let grant = self.in_force();
        f.debug_struct("LicenseManager")
            .field("tier", &grant.tier)
            .field("license", &grant.license)
            .finish_non_exhaustive()
    }
}

/// Limits and whose they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LicensedLimits {
    /// The tier in force.
    pub tier: LicenseTier,
    /// What it and its licence allow.
    #[serde(flatten)]
    pub limits: LicenseLimits,
}

/// What is in force, as JSON shows it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LicenseInfo {
    /// The tier in force.
    pub tier: LicenseTier,
    /// The licence, without its signature.
    pub license: Option<Value>,
    /// How much there may be, by the names of the limits.
    pub limits: BTreeMap<&'static str, u64>,
    /// Which features may be used.
    pub features: BTreeMap<&'static str, bool>,
}
