//! The question: what is asked, of whom, until when, and the only ways in which it changes.
//!
//! Invariant: a closed request never changes again; a change made here raises `version` by one, and a store
//! takes it only in place of the version before. This module does not know stores, timers or runs.

use std::{collections::HashSet, time::Duration};

use llmteam_security::{
    clock::Timestamp,
    id::{PrincipalId, RequestId, RunId, SegmentId, StepId, TenantId},
    principal::Role,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{
    error::{Fault, HumanError},
    interaction::{Assignee, InteractionPriority, InteractionStatus, InteractionType},
};

/// How long an answer is waited for when nothing else is said.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);

/// No span of a request is longer than this, 100 years of 365 days.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// What can fire while a request is open. Each fires once per request and level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimerKind {
    /// It should have been answered by now.
    SlaWarning,
    /// It ought to have been answered by now.
    SlaBreach,
    /// The present level ends.
    Deadline,
}

impl TimerKind {
    /// The stored string.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SlaWarning => "sla_warning",
            Self::SlaBreach => "sla_breach",
            Self::Deadline => "deadline",
        }
    }
}

/// One of the answers to a choice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InteractionOption {
    /// Unique among the options; `value` is read as well.
    #[serde(alias = "value")]
    pub id: String,
    /// What the person reads.
    pub label: String,
}

/// A question about to be asked.
#[derive(Clone, Debug, PartialEq)]
pub struct NewInteraction {
    /// Whose run asks.
    pub tenant: TenantId,
    /// The run.
    pub run: RunId,
    /// Its segment.
    pub segment: SegmentId,
    /// The step that asks.
    pub step: StepId,
    /// Asking again under the same key gives the request that is there, open or closed.
    pub dedup_key: String,
    /// What is asked for.
    pub interaction_type: InteractionType,
    /// One line; not empty.
    pub title: String,
    /// More lines.
    pub description: String,
    /// What the person sees, and what an approval approves.
    pub context_data: Value,
    /// The options of a choice.
    pub options: Vec<InteractionOption>,
    /// A JSON Schema for the data of the answer.
    pub input_schema: Option<Value>,
    /// The person asked.
    pub assignee_id: Option<PrincipalId>,
    /// The group asked.
    pub assignee_group: Option<String>,
    /// How long each of the chain has.
    pub timeout: Duration,
    /// After this long without an answer a warning fires.
    pub sla_warning: Option<Duration>,
    /// After this long without an answer a breach fires.
    pub sla_breach: Option<Duration>,
    /// Who is asked next, one after the other.
    pub escalation_chain: Vec<Assignee>,
    /// How much it matters.
    pub priority: InteractionPriority,
    /// The role without which nobody may answer.
    pub required_role: Option<Role>,
    /// Whether the run's initiator may answer.
    pub allow_self_response: bool,
    /// Who started the run.
    pub initiator: Option<PrincipalId>,
}

impl NewInteraction {
    /// A question with nothing but a title, asked of nobody in particular, waiting for 24 hours.
    /// The dedup key is the run and the step.
    pub fn new(
        tenant: TenantId,
        run: RunId,
        segment: SegmentId,
        step: StepId,
        kind: InteractionType,
    ) -> Self {
        Self {
            dedup_key: format!("{run}/{step}"),
            interaction_type: kind,
            title: "Human Task Required".to_owned(),
            description: String::new(),
            context_data: Value::Object(serde_json::Map::new()),
            options: Vec::new(),
            input_schema: None,
            assignee_id: None,
            assignee_group: None,
            timeout: DEFAULT_TIMEOUT,
            sla_warning: None,
            sla_breach: None,
            escalation_chain: Vec::new(),
            priority: InteractionPriority::Normal,
            required_role: None,
            allow_self_response: false,
            initiator: None,
            tenant,
            run,
            segment,
            step,
        }
    }

    /// The same question, asked of `assignee`.
    #[must_use]
    pub fn assigned_to(mut self, assignee: Assignee) -> Self {
        (self.assignee_id, self.assignee_group) = match assignee {
            Assignee::User(id) => (Some(id), None),
            Assignee::Group(id) => (None, Some(id)),
        };
        self
    }

    /// Everything that keeps the question from being asked.
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut check = |holds: bool, path: &str, message: &str| {
            if !holds {
                faults.push(Fault::new(path, message));
            }
        };
        check(!self.title.trim().is_empty(), "title", "must not be empty");
        check(!self.dedup_key.is_empty(), "dedup_key", "must not be empty");
        check(
            !self.timeout.is_zero(),
            "timeout",
            "must be longer than zero",
        );
        for (span, path) in [
            (Some(self.timeout), "timeout"),
            (self.sla_warning, "sla_warning"),
            (self.sla_breach, "sla_breach"),
        ] {
            check(
                span.is_none_or(|span| span <= LONGEST),
                path,
                "must be at most 100 years",
            );
        }
        if let (Some(warning), Some(breach)) = (self.sla_warning, self.sla_breach) {
            check(
                warning < breach,
                "sla_warning",
                "must come before `sla_breach`",
            );
        }
        let is_choice = self.interaction_type == InteractionType::Choice;
        check(
            !is_choice || !self.options.is_empty(),
            "options",
            "a choice needs at least one option",
        );
        let mut ids = HashSet::new();
        for (index, option) in self.options.iter().enumerate() {
            check(
                !option.id.is_empty(),
                &format!("options/{index}/id"),
                "must not be empty",
            );
            check(
                ids.insert(&option.id),
                &format!("options/{index}/id"),
                "is not unique",
            );
        }
        if let Some(error) = self
            .input_schema
            .as_ref()
            .and_then(|schema| jsonschema::validator_for(schema).err())
        {
            faults.push(Fault::new("input_schema", error.to_string()));
        }
        faults
    }
}

/// A question that was asked, and where it stands.
///
/// Serialises to the wire object. Fields are read freely; they change through the methods only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InteractionRequest {
    /// Generated, `req_…`.
    pub request_id: RequestId,
    /// Whose run asks.
    #[serde(rename = "tenant_id")]
    pub tenant: TenantId,
    /// The run.
    #[serde(rename = "run_id")]
    pub run: RunId,
    /// Its segment.
    #[serde(rename = "pipeline_id")]
    pub segment: SegmentId,
    /// The step that asks.
    #[serde(rename = "step_name")]
    pub step: StepId,
    /// One request per key and tenant.
    pub dedup_key: String,
    /// What is asked for.
    pub interaction_type: InteractionType,
    /// One line.
    pub title: String,
    /// More lines.
    pub description: String,
    /// What the person sees.
    pub context_data: Value,
    /// SHA-256 of the canonical `context_data`, in hex: what an approval approves.
    pub subject_hash: String,
    /// The options of a choice.
    pub options: Vec<InteractionOption>,
    /// A JSON Schema for the data of the answer.
    pub input_schema: Option<Value>,
    /// The person asked now.
    pub assignee_id: Option<PrincipalId>,
    /// The group asked now.
    pub assignee_group: Option<String>,
    /// Who was asked at each level reached, the present one last; none means anybody with the role.
    pub asked: Vec<Option<Assignee>>,
    /// How much it matters.
    pub priority: InteractionPriority,
    /// How long each of the chain has.
    #[serde(with = "seconds")]
    pub timeout: Duration,
    /// When the present level ends.
    pub deadline: Timestamp,
    /// Counted from `created_at`.
    #[serde(with = "optional_seconds")]
    pub sla_warning: Option<Duration>,
    /// Counted from `created_at`.
    #[serde(with = "optional_seconds")]
    pub sla_breach: Option<Duration>,
    /// Where it stands.
    pub status: InteractionStatus,
    /// When it was asked.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Option<Timestamp>,
    /// When it was closed.
    pub closed_at: Option<Timestamp>,
    /// Who is asked next, one after the other.
    pub escalation_chain: Vec<Assignee>,
    /// How many of the chain were asked; 0 is the original assignee.
    pub current_escalation_level: u32,
    /// Who alone may answer for now.
    pub claimed_by: Option<PrincipalId>,
    /// Since when.
    pub claimed_at: Option<Timestamp>,
    /// Who handed it over.
    pub delegated_from: Option<PrincipalId>,
    /// The role without which nobody may answer.
    pub required_role: Option<Role>,
    /// Whether the run's initiator may answer.
    pub allow_self_response: bool,
    /// Who started the run.
    pub initiator: Option<PrincipalId>,
    /// Raised by every change.
    pub version: u64,
}

impl InteractionRequest {
    /// Asks `new` at `now`, if there is nothing wrong with it.
    pub(super) fn ask(
        new: NewInteraction,
        request_id: RequestId,
        now: Timestamp,
    ) -> Result<Self, HumanError> {
        let faults = new.faults();
        if !faults.is_empty() {
            return Err(HumanError::InvalidRequest(faults));
        }
        let assignee = match (&new.assignee_id, &new.assignee_group) {
            (Some(id), _) => Some(Assignee::User(id.clone())),
            (None, Some(group)) => Some(Assignee::Group(group.clone())),
            (None, None) => None,
        };
        Ok(Self {
            request_id,
            subject_hash: hash(&new.context_data)?,
            deadline: now.saturating_add(new.timeout),
            asked: vec![assignee],
            status: InteractionStatus::Pending,
            created_at: now,
            updated_at: None,
            closed_at: None,
            current_escalation_level: 0,
            claimed_by: None,
            claimed_at: None,
            delegated_from: None,
            version: 1,
            tenant: new.tenant,
            run: new.run,
            segment: new.segment,
            step: new.step,
            dedup_key: new.dedup_key,
            interaction_type: new.interaction_type,
            title: new.title,
            description: new.description,
            context_data: new.context_data,
            options: new.options,
            input_schema: new.input_schema,
            assignee_id: new.assignee_id,
            assignee_group: new.assignee_group,
            priority: new.priority,
            timeout: new.timeout,
            sla_warning: new.sla_warning,
            sla_breach: new.sla_breach,
            escalation_chain: new.escalation_chain,
            required_role: new.required_role,
            allow_self_response: new.allow_self_response,
            initiator: new.initiator,
        })
    }

    /// Who is asked now; none means anybody with the role.
    pub fn assignee(&self) -> Option<&Assignee> {
        self.asked.last().and_then(Option::as_ref)
    }

    /// Whether it can still be answered.
    pub fn is_open(&self) -> bool {
        self.status.is_open()
    }

    /// What fires while it stays open: which timer, at which level, when.
    pub(super) fn timers(&self) -> impl Iterator<Item = (TimerKind, u32, Timestamp)> {
        let sla = [
            (TimerKind::SlaWarning, self.sla_warning),
            (TimerKind::SlaBreach, self.sla_breach),
        ];
        let created = self.created_at;
        sla.into_iter()
            .filter_map(move |(kind, after)| Some((kind, 0, created.saturating_add(after?))))
            .chain([(
                TimerKind::Deadline,
                self.current_escalation_level,
                self.deadline,
            )])
    }

    /// An error when it can no longer be answered.
    pub(super) fn check_open(&self) -> Result<(), HumanError> {
        if self.is_open() {
            return Ok(());
        }
        Err(HumanError::AlreadyClosed {
            request: self.request_id.clone(),
            status: self.status,
        })
    }

    /// Ends it with `status`.
    pub(super) fn close(&mut self, status: InteractionStatus, now: Timestamp) {
        self.status = status;
        self.closed_at = Some(now);
        self.touch(now);
    }

    /// Lets `principal` alone answer.
    pub(super) fn claim(&mut self, principal: &PrincipalId, now: Timestamp) {
        self.claimed_by = Some(principal.clone());
        self.claimed_at = Some(now);
        self.status = InteractionStatus::InProgress;
        self.touch(now);
    }

    /// Lets everybody answer again who was asked.
    pub(super) fn unclaim(&mut self, now: Timestamp) {
        self.claimed_by = None;
        self.claimed_at = None;
        self.status = match self.current_escalation_level {
            0 => InteractionStatus::Pending,
            _ => InteractionStatus::Escalated,
        };
        self.touch(now);
    }

    /// Asks `to` in place of who is asked now.
    pub(super) fn delegate(&mut self, from: &PrincipalId, to: PrincipalId, now: Timestamp) {
        self.asked.pop();
        self.ask_next(Some(Assignee::User(to)));
        self.delegated_from = Some(from.clone());
        self.unclaim(now);
    }

    /// The present level has ended: asks the next of the chain for a full window from `now`, or gives up
    /// (H-22, H-23).
    pub(super) fn deadline_passed(&mut self, now: Timestamp) {
        let level = self.current_escalation_level as usize;
        let Some(next) = self.escalation_chain.get(level).cloned() else {
            self.close(InteractionStatus::Timeout, now);
            return;
        };
        self.ask_next(Some(next));
        self.current_escalation_level += 1;
        self.deadline = now.saturating_add(self.timeout);
        self.unclaim(now);
    }

    fn ask_next(&mut self, assignee: Option<Assignee>) {
        (self.assignee_id, self.assignee_group) = match &assignee {
            Some(Assignee::User(id)) => (Some(id.clone()), None),
            Some(Assignee::Group(id)) => (None, Some(id.clone())),
            None => (None, None),
        };
        self.asked.push(assignee);
    }

    /// Marks a change that leaves everything else as it is.
    pub(super) fn touch(&mut self, now: Timestamp) {
        self.updated_at = Some(now);
        self.version += 1;
    }
}

/// SHA-256 over RFC 8785 JSON, in hex.
pub(super) fn hash(value: &impl Serialize) -> Result<String, HumanError> {
    let canonical = serde_json_canonicalizer::to_vec(value).map_err(|error| {
        HumanError::InvalidRequest(vec![Fault::new("context_data", error.to_string())])
    })?;
    Ok(Sha256::digest(canonical)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

/// Durations as JSON numbers of seconds; zero stays zero.
mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(
        span: &Duration,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        if span.subsec_nanos() == 0 {
            serializer.serialize_u64(span.as_secs())
        } else {
            serializer.serialize_f64(span.as_secs_f64())
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Duration, D::Error> {
        Duration::try_from_secs_f64(f64::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

/// The same, where absent is `null`.
mod optional_seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Seconds(#[serde(with = "super::seconds")] Duration);

    pub(super) fn serialize<S: Serializer>(
        span: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        span.map(Seconds).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<Seconds>::deserialize(deserializer)?.map(|it| it.0))
    }
}
