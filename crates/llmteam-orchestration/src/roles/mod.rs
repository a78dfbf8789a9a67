//! Who works, who decides who works next, and what the work really was.
//!
//! [`agent`] is the contract of everything that works, [`decision`] what may be decided, [`strategy`] who decides,
//! [`pipeline`] carries it out, [`group`] chooses among pipelines, [`mining`] reads from recorded work how it went.

pub mod agent;
pub mod decision;
pub mod group;
mod live;
pub mod mining;
pub mod pipeline;
pub mod run;
pub mod strategy;
mod text;
mod words;

pub use self::{
    agent::{Agent, AgentError, AgentErrorKind, Fields},
    decision::{Confidence, DecisionSource, DecisionType, OrchestrationDecision, OrchestratorRole},
    group::{
        AggregationStrategy, ContentBasedRoutingStrategy, GroupDecisionType, GroupError,
        GroupOrchestrationDecision, GroupOrchestrationStrategy, GroupOrchestrator, GroupOutcome,
        LoadBalancingStrategy, ParallelFanOutStrategy, PipelineStatus,
    },
    pipeline::{OrchestrationError, OrchestrationOutcome, OutcomeKind, PipelineOrchestrator},
    run::RunPath,
    strategy::{
        LLMBasedStrategy, OrchestrationContext, OrchestrationStrategy, RuleBasedStrategy,
        RulesFirstStrategy, StrategyError,
    },
    words::UnknownWord,
};
