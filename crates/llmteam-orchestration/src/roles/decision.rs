//! What is decided about the next step of a run, by whom, and how sure they are.
//!
//! Invariant: a decision's type is one of a closed set and its confidence lies within 0 and 1.
//! This module does not know how a decision is reached, nor what carrying it out means: see
//! [`super::strategy`] and [`super::pipeline`].

use std::fmt;

use llmteam_security::AgentId;
use serde::{Deserialize, Deserializer, Serialize, de};

use super::{agent::Fields, words::words};

words! {
    /// What an orchestrator is for.
    OrchestratorRole, "a role of an orchestrator" {
        /// Decides who works next.
        Orchestration = "orchestration",
        /// Records what was done, and learns from it.
        ProcessMining = "process_mining",
    }

    /// What happens next in a run.
    DecisionType, "a decision" {
        /// The targets work, one after another.
        Route = "route",
        /// The targets, or those who worked last, work again.
        Retry = "retry",
        /// The run stops and somebody above is told.
        Escalate = "escalate",
        /// The targets are passed over.
        Skip = "skip",
        /// The targets work at the same time.
        Parallel = "parallel",
        /// The run is done.
        End = "end",
        /// A person is wanted; the run stops as with [`Self::Escalate`].
        RequestHuman = "request_human",
    }
}

/// How sure somebody is: 0 not at all, 1 entirely.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct Confidence(f64);

/// A number that is no confidence.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("`{0}` is not a confidence: expected a number from 0 to 1")]
pub struct InvalidConfidence(f64);

impl Confidence {
    /// Entirely sure.
    pub const CERTAIN: Self = Self(1.0);
    /// As sure as not.
    pub const EVEN: Self = Self(0.5);
    /// What an answer that names no confidence is taken for.
    pub const LIKELY: Self = Self(0.8);

    /// A confidence.
    ///
    /// # Errors
    ///
    /// [`InvalidConfidence`] outside 0 to 1, not a number included.
    pub fn new(value: f64) -> Result<Self, InvalidConfidence> {
        if (0.0..=1.0).contains(&value) {
            Ok(Self(value))
        } else {
            Err(InvalidConfidence(value))
        }
    }

    /// The number.
    pub fn get(self) -> f64 {
        self.0
    }
}

impl<'de> Deserialize<'de> for Confidence {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(f64::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

/// Who reached a decision.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum DecisionSource {
    /// A strategy that says no more of itself.
    #[default]
    Strategy,
    /// The rule of this name.
    Rule {
        /// Its name.
        name: String,
    },
    /// No rule fitted: the next agent in order, or the end.
    DefaultSequence,
    /// A language model.
    Model {
        /// How often it was asked until its answer could be used.
        asks: u32,
    },
    /// The model gave no answer that could be used and there was nobody else to ask.
    ParseError {
        /// How often it was asked.
        asks: u32,
    },
}

impl fmt::Display for DecisionSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Strategy => f.write_str("strategy"),
            Self::Rule { name } => write!(f, "rule `{name}`"),
            Self::DefaultSequence => f.write_str("default sequence"),
            Self::Model { asks } => write!(f, "model, asked {asks} times"),
            Self::ParseError { asks } => write!(f, "parse error, model asked {asks} times"),
        }
    }
}

/// What happens next, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OrchestrationDecision {
    /// What happens.
    pub decision_type: DecisionType,
    /// To whom, in this order. They need not be registered: who carries the decision out says who was missing.
    #[serde(default)]
    pub target_agents: Vec<AgentId>,
    /// Why, for people and logs.
    pub reason: String,
    /// How sure whoever decided is.
    pub confidence: Confidence,
    /// Who decided.
    #[serde(default)]
    pub source: DecisionSource,
    /// Anything else worth keeping with it.
    #[serde(default)]
    pub metadata: Fields,
}

impl OrchestrationDecision {
    /// A decision that is certain; the fields are public for those that are not.
    pub fn new(
        decision_type: DecisionType,
        targets: impl IntoIterator<Item = AgentId>,
        reason: impl Into<String>,
    ) -> Self {
        Self {
            decision_type,
            target_agents: targets.into_iter().collect(),
            reason: reason.into(),
            confidence: Confidence::CERTAIN,
            source: DecisionSource::default(),
            metadata: Fields::new(),
        }
    }

    /// The run is done.
    pub fn end(reason: impl Into<String>) -> Self {
        Self::new(DecisionType::End, [], reason)
    }

    /// The same, reached by `source`.
    #[must_use]
    pub fn by(mut self, source: DecisionSource) -> Self {
        self.source = source;
        self
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn id(text: &str) -> AgentId {
        text.parse().unwrap()
    }

    // covers: ST01
    #[test]
    fn words_of_roles_and_decisions() {
        assert_eq!(OrchestratorRole::WORDS, ["orchestration", "process_mining"]);
        let words = [
            "route",
            "retry",
            "escalate",
            "skip",
            "parallel",
            "end",
            "request_human",
        ];
        assert_eq!(DecisionType::WORDS, words);
        for it in DecisionType::ALL {
            assert_eq!(it.as_str().parse(), Ok(*it));
        }
    }

    // covers: O4
    #[test]
    fn an_unknown_decision_is_an_error_that_lists_the_known() {
        let error = "rout\u{0}e".parse::<DecisionType>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "`rout\\u{0}e` is not a decision: expected `route`, `retry`, `escalate`, `skip`, `parallel`, `end`, \
             `request_human`"
        );
    }

    // covers: ST02
    #[test]
    fn a_decision_keeps_what_it_is_given() {
        let decision = OrchestrationDecision {
            confidence: Confidence::new(0.9).unwrap(),
            ..OrchestrationDecision::new(DecisionType::Route, [id("a"), id("b")], "both are ready")
        };
        let wire = serde_json::to_value(&decision).unwrap();
        assert_eq!(
            wire,
            json!({"decision_type": "route", "target_agents": ["a", "b"], "reason": "both are ready",
                   "confidence": 0.9, "source": {"by": "strategy"}, "metadata": {}})
        );
        assert_eq!(
            serde_json::from_value::<OrchestrationDecision>(wire).unwrap(),
            decision
        );
    }

    #[test]
    fn confidence_lies_within_its_bounds() {
        for good in [0.0, 0.5, 1.0] {
            assert_eq!(Confidence::new(good).unwrap().get(), good);
        }
        for bad in [-0.1, 1.1, 17.0, f64::NAN, f64::INFINITY] {
            assert!(Confidence::new(bad).is_err(), "{bad}");
        }
        assert!(serde_json::from_value::<Confidence>(json!(17)).is_err());
    }
}
