//! What somebody hands over to be recorded: an event, and who acts in it.
//!
//! Invariant: an actor is made from an authenticated identity, never from free text; an event owns everything it says.
//! It does not know its place in a log: numbers and links are given when it is sealed.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    event_type::{ActorType, AuditEventType, AuditSeverity},
    record::AuditId,
};
use crate::{
    clock::Timestamp,
    id::{AgentId, PrincipalId},
};

/// Who acts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    pub(super) kind: ActorType,
    pub(super) id: String,
    pub(super) ip: String,
    pub(super) user_agent: String,
}

impl Actor {
    fn new(kind: ActorType, id: &str) -> Self {
        Self {
            kind,
            id: id.to_owned(),
            ip: String::new(),
            user_agent: String::new(),
        }
    }

    /// A person or service that was authenticated.
    pub fn user(id: &PrincipalId) -> Self {
        Self::new(ActorType::User, id.as_str())
    }

    /// An agent.
    pub fn agent(id: &AgentId) -> Self {
        Self::new(ActorType::Agent, id.as_str())
    }

    /// An orchestrator of a pipeline.
    pub fn pipeline_orchestrator(id: &AgentId) -> Self {
        Self::new(ActorType::PipelineOrchestrator, id.as_str())
    }

    /// An orchestrator of a group.
    pub fn group_orchestrator(id: &AgentId) -> Self {
        Self::new(ActorType::GroupOrchestrator, id.as_str())
    }

    /// The program itself.
    pub fn system() -> Self {
        Self::new(ActorType::System, "")
    }

    /// A system outside, such as one that calls back.
    pub fn external(id: &PrincipalId) -> Self {
        Self::new(ActorType::External, id.as_str())
    }

    /// The same actor, acting from `ip`.
    #[must_use]
    pub fn from_ip(mut self, ip: IpAddr) -> Self {
        self.ip = ip.to_string();
        self
    }

    /// The same actor, acting with the program that calls itself `user_agent`.
    #[must_use]
    pub fn with_user_agent(mut self, user_agent: impl Into<String>) -> Self {
        self.user_agent = user_agent.into();
        self
    }
}

impl Default for Actor {
    fn default() -> Self {
        Self::system()
    }
}

/// An event to be recorded. Made by [`AuditEvent::new`] and its `with_` methods.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuditEvent {
    pub(super) id: Option<AuditId>,
    pub(super) timestamp: Option<Timestamp>,
    /// Whether nobody knows how it went.
    pub(super) unknown: bool,
    /// The person whose key the payload goes under.
    pub(super) data_subject: Option<String>,
    /// Written into the record itself, not into its payload.
    pub(super) attributes: Vec<(String, String)>,
    pub(super) details: Details,
}

/// The fields of a record that its event gives it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Details {
    pub(super) event_type: AuditEventType,
    pub(super) severity: AuditSeverity,
    pub(super) pipeline_id: String,
    pub(super) run_id: String,
    pub(super) agent_name: String,
    pub(super) step_name: String,
    pub(super) actor: Actor,
    pub(super) action: String,
    pub(super) resource_type: String,
    pub(super) resource_id: String,
    pub(super) old_value: Option<Map<String, Value>>,
    pub(super) new_value: Option<Map<String, Value>>,
    pub(super) success: bool,
    pub(super) error_message: String,
    pub(super) metadata: Map<String, Value>,
    pub(super) tags: Vec<String>,
}

impl Details {
    pub(super) fn new(event_type: AuditEventType) -> Self {
        Self {
            event_type,
            severity: AuditSeverity::Info,
            pipeline_id: String::new(),
            run_id: String::new(),
            agent_name: String::new(),
            step_name: String::new(),
            actor: Actor::system(),
            action: String::new(),
            resource_type: String::new(),
            resource_id: String::new(),
            old_value: None,
            new_value: None,
            success: true,
            error_message: String::new(),
            metadata: Map::new(),
            tags: Vec::new(),
        }
    }
}

macro_rules! texts {
    ($($(#[$doc:meta])* $method:ident -> $field:ident;)*) => {$(
        $(#[$doc])*
        #[must_use]
        pub fn $method(mut self, value: impl Into<String>) -> Self {
            self.details.$field = value.into();
            self
        }
    )*};
}

impl AuditEvent {
    /// An event of `event_type`: severity info, done by the system, successful, and empty otherwise.
    pub fn new(event_type: AuditEventType) -> Self {
        Self {
            id: None,
            timestamp: None,
            unknown: false,
            data_subject: None,
            attributes: Vec::new(),
            details: Details::new(event_type),
        }
    }

    texts! {
        /// The pipeline it belongs to.
        with_pipeline -> pipeline_id;
        /// The run it belongs to.
        with_run -> run_id;
        /// The agent it is about.
        with_agent -> agent_name;
        /// The step it is about.
        with_step -> step_name;
        /// What was done, in a word.
        with_action -> action;
    }

    /// The id by which a repeated call is known; a new one is made otherwise.
    #[must_use]
    pub fn with_id(mut self, id: AuditId) -> Self {
        self.id = Some(id);
        self
    }

    /// Who acts.
    #[must_use]
    pub fn by(mut self, actor: Actor) -> Self {
        self.details.actor = actor;
        self
    }

    /// What was acted on.
    #[must_use]
    pub fn on(mut self, resource_type: impl Into<String>, resource_id: impl Into<String>) -> Self {
        self.details.resource_type = resource_type.into();
        self.details.resource_id = resource_id.into();
        self
    }

    /// How grave it is.
    #[must_use]
    pub fn with_severity(mut self, severity: AuditSeverity) -> Self {
        self.details.severity = severity;
        self
    }

    /// What was there before.
    #[must_use]
    pub fn with_old_value(mut self, value: Map<String, Value>) -> Self {
        self.details.old_value = Some(value);
        self
    }

    /// What is there now.
    #[must_use]
    pub fn with_new_value(mut self, value: Map<String, Value>) -> Self {
        self.details.new_value = Some(value);
        self
    }

    /// Anything else, in place of what was given before.
    #[must_use]
    pub fn with_metadata(mut self, metadata: Map<String, Value>) -> Self {
        self.details.metadata = metadata;
        self
    }

    /// Adds one thing to what else there is to say, in place of what had that name before.
    #[must_use]
    pub fn with_detail(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.details.metadata.insert(name.into(), value.into());
        self
    }

    /// Adds a word to find it by.
    #[must_use]
    pub fn with_tag(mut self, tag: impl Into<String>) -> Self {
        self.details.tags.push(tag.into());
        self
    }

    /// It failed, and why.
    #[must_use]
    pub fn failed(mut self, error_message: impl Into<String>) -> Self {
        self.details.success = false;
        self.details.error_message = error_message.into();
        self
    }

    /// Nobody knows whether it was done: the answer to a call was lost.
    #[must_use]
    pub fn outcome_unknown(mut self) -> Self {
        self.details.success = false;
        self.unknown = true;
        self
    }

    /// The person its details are about. Where the trail has payload keys, the details go under that person's own key
    /// and can be erased with it. Without this it is the actor, when that is a user.
    #[must_use]
    pub fn about(mut self, person: impl Into<String>) -> Self {
        self.data_subject = Some(person.into());
        self
    }

    /// What happened.
    pub fn event_type(&self) -> AuditEventType {
        self.details.event_type
    }

    /// The maps of the event, for a [`super::Redactor`] to change before anything is hashed.
    pub fn maps_mut(&mut self) -> impl Iterator<Item = &mut Map<String, Value>> {
        let Details {
            old_value,
            new_value,
            metadata,
            ..
        } = &mut self.details;
        old_value
            .iter_mut()
            .chain(new_value)
            .chain(std::iter::once(metadata))
    }

    /// The error message, for a [`super::Redactor`] to change.
    pub fn error_message_mut(&mut self) -> &mut String {
        &mut self.details.error_message
    }

    pub(super) fn with_attribute(mut self, key: &str, value: impl Into<String>) -> Self {
        self.attributes.push((key.to_owned(), value.into()));
        self
    }
}
