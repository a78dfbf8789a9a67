//! The input's words say which pipelines get it.
//!
//! Invariant: rules look at whole words of texts in the input, never at names of fields, and never at anything that is no
//! text. Without a rule that fits, the first pipeline that is available gets the input.

use async_trait::async_trait;
use llmteam_security::AgentId;
use serde_json::Value;

use super::{
    super::{
        super::agent::Fields,
        decision::{GroupDecisionType, GroupOrchestrationDecision},
        status::PipelineStatus,
    },
    GroupOrchestrationStrategy, GroupStrategyError, nobody,
    words_of::{occurrences, texts_of, words_of},
};

/// Where inputs with a word go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoutingRule {
    /// A word, or several that follow one another. Case does not matter, in any script.
    pub keyword: String,
    /// Where they go: to all of these that are registered.
    pub pipelines: Vec<AgentId>,
    /// Where the words are looked for, as a JSON Pointer (RFC 6901) such as `/ticket/subject`; `None` for everywhere.
    pub field: Option<String>,
}

impl RoutingRule {
    /// Inputs with `keyword` anywhere go to `pipelines`.
    pub fn new(keyword: impl Into<String>, pipelines: impl IntoIterator<Item = AgentId>) -> Self {
        Self {
            keyword: keyword.into(),
            pipelines: pipelines.into_iter().collect(),
            field: None,
        }
    }

    /// The same, looking only at what stands at `pointer`.
    #[must_use]
    pub fn in_field(mut self, pointer: impl Into<String>) -> Self {
        self.field = Some(pointer.into());
        self
    }
}

/// A rule that cannot be meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRoutingRule {
    /// There is no word in its keyword, so it would fit everything or nothing.
    #[error("keyword `{keyword}` of rule {number} holds no word")]
    NoWord {
        /// The rule, from 1.
        number: usize,
        /// Its keyword.
        keyword: String,
    },
    /// It sends inputs nowhere.
    #[error("rule {number} for `{keyword}` names no pipeline")]
    NoPipeline {
        /// The rule, from 1.
        number: usize,
        /// Its keyword.
        keyword: String,
    },
    /// Its field is no JSON Pointer.
    #[error("field `{field}` of rule {number} is no JSON Pointer: it must begin with `/`")]
    NoPointer {
        /// The rule, from 1.
        number: usize,
        /// Its field.
        field: String,
    },
}

/// Which rule counts when several fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scoring {
    /// The first.
    #[default]
    First,
    /// The one whose words occur most often; of several the first.
    MostOccurrences,
}

/// Gives an input to the pipelines that its words name.
#[derive(Clone, Debug)]
pub struct ContentBasedRoutingStrategy {
    /// Each rule with the words of its keyword.
    rules: Vec<(RoutingRule, Vec<String>)>,
    scoring: Scoring,
}

impl ContentBasedRoutingStrategy {
    /// Tries `rules` in order.
    ///
    /// # Errors
    ///
    /// Every [`InvalidRoutingRule`].
    pub fn new(
        rules: impl IntoIterator<Item = RoutingRule>,
    ) -> Result<Self, Vec<InvalidRoutingRule>> {
        let rules: Vec<RoutingRule> = rules.into_iter().collect();
        let faults: Vec<InvalidRoutingRule> = (1..)
            .zip(&rules)
            .filter_map(|(number, it)| fault(number, it))
            .collect();
        if !faults.is_empty() {
            return Err(faults);
        }
        let with_words = |rule: RoutingRule| {
            let words = words_of(&rule.keyword);
            (rule, words)
        };
        Ok(Self {
            rules: rules.into_iter().map(with_words).collect(),
            scoring: Scoring::default(),
        })
    }

    /// The same, with another way to choose among rules that fit.
    #[must_use]
    pub fn scoring(mut self, scoring: Scoring) -> Self {
        self.scoring = scoring;
        self
    }

    /// The rule that counts for `input` and its pipelines that are registered.
    fn fitting(
        &self,
        statuses: &[PipelineStatus],
        input: &Value,
    ) -> Option<(&RoutingRule, Vec<AgentId>)> {
        let everywhere = texts_of(input);
        let mut best: Option<(usize, &RoutingRule, Vec<AgentId>)> = None;
        for (rule, words) in &self.rules {
            let count = match &rule.field {
                None => occurrences(&everywhere, words),
                Some(field) => input
                    .pointer(field)
                    .map_or(0, |it| occurrences(&texts_of(it), words)),
            };
            if count == 0 || best.as_ref().is_some_and(|(most, ..)| *most >= count) {
                continue;
            }
            let targets = registered(&rule.pipelines, statuses);
            if targets.is_empty() {
                continue;
            }
            best = Some((count, rule, targets));
            if self.scoring == Scoring::First {
                break;
            }
        }
        best.map(|(_, rule, targets)| (rule, targets))
    }
}

fn fault(number: usize, rule: &RoutingRule) -> Option<InvalidRoutingRule> {
    let keyword = || rule.keyword.clone();
    if words_of(&rule.keyword).is_empty() {
        return Some(InvalidRoutingRule::NoWord {
            number,
            keyword: keyword(),
        });
    }
    if rule.pipelines.is_empty() {
        return Some(InvalidRoutingRule::NoPipeline {
            number,
            keyword: keyword(),
        });
    }
    let field = rule.field.as_ref().filter(|it| !it.starts_with('/'))?;
    Some(InvalidRoutingRule::NoPointer {
        number,
        field: field.clone(),
    })
}

fn registered(pipelines: &[AgentId], statuses: &[PipelineStatus]) -> Vec<AgentId> {
    let is_there = |it: &&AgentId| statuses.iter().any(|status| status.pipeline_id == **it);
    pipelines.iter().filter(is_there).cloned().collect()
}

#[async_trait]
impl GroupOrchestrationStrategy for ContentBasedRoutingStrategy {
    async fn decide(
        &self,
        statuses: &[PipelineStatus],
        input: &Fields,
    ) -> Result<GroupOrchestrationDecision, GroupStrategyError> {
        let input = Value::Object(input.clone());
        let route = |targets, reason| {
            GroupOrchestrationDecision::new(GroupDecisionType::RouteToPipeline, targets, reason)
        };
        if let Some((rule, targets)) = self.fitting(statuses, &input) {
            return Ok(route(targets, format!("keyword_match:{}", rule.keyword)));
        }
        let first = statuses.iter().find(|it| it.available);
        Ok(first.map_or_else(nobody, |it| {
            route(vec![it.pipeline_id.clone()], "default_routing".to_owned())
        }))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{
        super::tests::{decided, status},
        *,
    };

    fn rule(keyword: &str, pipelines: &[&str]) -> RoutingRule {
        RoutingRule::new(keyword, pipelines.iter().map(|it| it.parse().unwrap()))
    }

    async fn routed(rules: &[RoutingRule], input: Value) -> (String, String) {
        let strategy = ContentBasedRoutingStrategy::new(rules.iter().cloned()).unwrap();
        let statuses = ["main", "fast", "legal"].map(status);
        let (kind, targets, reason) = decided(&strategy, &statuses, input).await;
        assert_eq!(kind, GroupDecisionType::RouteToPipeline);
        (targets.join("+"), reason)
    }

    // covers: GR05, GR06
    #[tokio::test]
    async fn a_keyword_routes_and_without_one_the_first_pipeline_works() {
        let rules = [rule("urgent", &["fast"])];
        let (target, reason) = routed(&rules, json!({"text": "this is Urgent!"})).await;
        assert_eq!((&*target, &*reason), ("fast", "keyword_match:urgent"));
        let (target, reason) = routed(&rules, json!({"text": "hello"})).await;
        assert_eq!((&*target, &*reason), ("main", "default_routing"));
    }

    // covers: G8
    #[tokio::test]
    async fn only_whole_words_of_texts_count() {
        let rules = [
            rule("urgent", &["fast"]),
            rule("none", &["fast"]),
            rule("id", &["fast"]),
        ];
        for input in [
            json!({"text": "insurgent"}),
            json!({"urgent": false}),
            json!({"urgent": "no"}),
            json!({"text": null}),
            json!({"idx": 7}),
            json!({"text": "urgently"}),
        ] {
            assert_eq!(routed(&rules, input.clone()).await.0, "main", "{input}");
        }
        for input in [
            json!({"a": [{"b": ["not so URGENT"]}]}),
            json!({"text": "case_urgent"}),
        ] {
            assert_eq!(routed(&rules, input.clone()).await.0, "fast", "{input}");
        }
    }

    // covers: G8
    #[tokio::test]
    async fn a_rule_may_look_at_one_field_and_for_several_words() {
        let rules = [rule("credit card", &["fast"]).in_field("/ticket/subject")];
        let input = |subject: &str| json!({"ticket": {"subject": subject}, "body": "credit card"});
        assert_eq!(routed(&rules, input("my Credit-Card")).await.0, "fast");
        assert_eq!(routed(&rules, input("card credit")).await.0, "main");
    }

    // covers: G8
    #[tokio::test]
    async fn several_rules_that_fit_are_taken_in_order_or_by_count() {
        let rules = [rule("contract", &["legal"]), rule("urgent", &["fast"])];
        let input = json!({"text": "urgent, urgent: the contract"});
        assert_eq!(routed(&rules, input.clone()).await.0, "legal");
        let strategy = ContentBasedRoutingStrategy::new(rules)
            .unwrap()
            .scoring(Scoring::MostOccurrences);
        let statuses = ["main", "fast", "legal"].map(status);
        assert_eq!(decided(&strategy, &statuses, input).await.1, ["fast"]);
    }

    // covers: G7
    #[tokio::test]
    async fn all_registered_pipelines_of_a_rule_are_targets() {
        let rules = [
            rule("loan", &["ghost"]),
            rule("loan", &["legal", "ghost", "fast"]),
        ];
        assert_eq!(
            routed(&rules, json!({"text": "a loan"})).await.0,
            "legal+fast"
        );
    }

    // covers: G8
    #[test]
    fn rules_that_cannot_be_meant_are_refused_all_at_once() {
        let rules = [
            rule("", &["a"]),
            rule("x", &[]),
            rule(" ?! ", &["a"]),
            rule("x", &["a"]).in_field("a.b"),
        ];
        let faults = ContentBasedRoutingStrategy::new(rules).unwrap_err();
        let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(
            faults,
            [
                "keyword `` of rule 1 holds no word",
                "rule 2 for `x` names no pipeline",
                "keyword ` ?! ` of rule 3 holds no word",
                "field `a.b` of rule 4 is no JSON Pointer: it must begin with `/`"
            ]
        );
    }
}
