//! Which fields travel between contexts, which way, and by which rule.
//!
//! Invariant: a field travels one way or not at all, since what is handed down and then counted upward would count
//! again and again; what a context reports of itself is never handed down. Fields keep the order they were added in.
//! This module does not know values.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{aggregation::AggregationRule, error::shown};

/// What a context reports of itself. Where it has a secure context, that keeps them, and nothing else does.
pub const REPORTED_FIELDS: [&str; 3] = ["status", "confidence", "error_count"];

/// Which fields travel between contexts, which way, and by which rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Draft")]
pub struct ContextPropagationConfig {
    propagate_up: Vec<String>,
    propagate_down: Vec<String>,
    aggregation_rules: BTreeMap<String, AggregationRule>,
}

/// Why a field is not taken into a configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PropagationConfigError {
    /// The field travels the other way already.
    #[error("`{field}` cannot travel both up and down; remove it from the other list first")]
    BothWays {
        /// The field.
        field: String,
    },
    /// The field is one of [`REPORTED_FIELDS`] and is to be handed down.
    #[error("`{field}` is what a context reports of itself and is not handed down")]
    Reported {
        /// The field.
        field: String,
    },
}

/// A configuration as it is written, unchecked.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Draft {
    propagate_up: Vec<String>,
    propagate_down: Vec<String>,
    aggregation_rules: BTreeMap<String, AggregationRule>,
}

impl Default for Draft {
    fn default() -> Self {
        let ContextPropagationConfig {
            propagate_up,
            propagate_down,
            aggregation_rules,
        } = ContextPropagationConfig::default();
        Self {
            propagate_up,
            propagate_down,
            aggregation_rules,
        }
    }
}

impl TryFrom<Draft> for ContextPropagationConfig {
    type Error = PropagationConfigError;

    fn try_from(draft: Draft) -> Result<Self, PropagationConfigError> {
        let mut config = Self {
            aggregation_rules: draft.aggregation_rules,
            ..Self::empty()
        };
        for field in draft.propagate_up {
            config.add_propagate_up(field, None)?;
        }
        for field in draft.propagate_down {
            config.add_propagate_down(field)?;
        }
        Ok(config)
    }
}

/// Up go `status` (worst), `confidence` (avg) and `error_count` (sum), down `global_config` and `shared_state`.
impl Default for ContextPropagationConfig {
    fn default() -> Self {
        use AggregationRule as Rule;
        let rules = [
            ("confidence", Rule::Avg),
            ("error_count", Rule::Sum),
            ("status", Rule::Worst),
        ];
        Self {
            propagate_up: REPORTED_FIELDS.map(str::to_owned).into(),
            propagate_down: ["global_config", "shared_state"].map(str::to_owned).into(),
            aggregation_rules: rules.map(|(field, rule)| (field.to_owned(), rule)).into(),
        }
    }
}

impl ContextPropagationConfig {
    /// Nothing travels.
    pub fn empty() -> Self {
        Self {
            propagate_up: Vec::new(),
            propagate_down: Vec::new(),
            aggregation_rules: BTreeMap::new(),
        }
    }

    /// The fields that are aggregated upward.
    pub fn propagate_up(&self) -> &[String] {
        &self.propagate_up
    }

    /// The fields that are copied downward.
    pub fn propagate_down(&self) -> &[String] {
        &self.propagate_down
    }

    /// Has `field` aggregated upward by `rule`. Without one the rule it has stays, or is
    /// [`AggregationRule::Last`].
    ///
    /// # Errors
    /// [`PropagationConfigError::BothWays`].
    pub fn add_propagate_up(
        &mut self,
        field: impl Into<String>,
        rule: Option<AggregationRule>,
    ) -> Result<(), PropagationConfigError> {
        let field = field.into();
        if self.propagate_down.contains(&field) {
            let field = shown(&field);
            return Err(PropagationConfigError::BothWays { field });
        }
        let rule = rule.unwrap_or_else(|| self.get_aggregation_rule(&field));
        self.aggregation_rules.insert(field.clone(), rule);
        if !self.propagate_up.contains(&field) {
            self.propagate_up.push(field);
        }
        Ok(())
    }

    /// Has `field` copied downward.
    ///
    /// # Errors
    /// [`PropagationConfigError::BothWays`], [`PropagationConfigError::Reported`].
    pub fn add_propagate_down(
        &mut self,
        field: impl Into<String>,
    ) -> Result<(), PropagationConfigError> {
        let field = field.into();
        if REPORTED_FIELDS.contains(&field.as_str()) {
            return Err(PropagationConfigError::Reported { field });
        }
        if self.propagate_up.contains(&field) {
            let field = shown(&field);
            return Err(PropagationConfigError::BothWays { field });
        }
        if !self.propagate_down.contains(&field) {
            self.propagate_down.push(field);
        }
        Ok(())
    }

    /// Aggregates `field` upward no longer and forgets its rule; whether it was.
    pub fn remove_propagate_up(&mut self, field: &str) -> bool {
        self.aggregation_rules.remove(field);
        remove(&mut self.propagate_up, field)
    }

    /// Copies `field` downward no longer; whether it was.
    pub fn remove_propagate_down(&mut self, field: &str) -> bool {
        remove(&mut self.propagate_down, field)
    }

    /// Sets the rule of `field`. Does not by itself make it travel.
    pub fn set_aggregation_rule(&mut self, field: impl Into<String>, rule: AggregationRule) {
        self.aggregation_rules.insert(field.into(), rule);
    }

    /// The rule of `field`; [`AggregationRule::Last`] if it has none.
    pub fn get_aggregation_rule(&self, field: &str) -> AggregationRule {
        self.aggregation_rules
            .get(field)
            .copied()
            .unwrap_or_default()
    }

    /// The fields that are aggregated upward, each with its rule.
    pub(super) fn upward(&self) -> impl Iterator<Item = (&str, AggregationRule)> {
        let fields = self.propagate_up.iter().map(String::as_str);
        fields.map(|field| (field, self.get_aggregation_rule(field)))
    }
}

fn remove(fields: &mut Vec<String>, field: &str) -> bool {
    let before = fields.len();
    fields.retain(|it| it != field);
    fields.len() < before
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_default_is_the_written_one() {
        // covers: CT18, CT24
        let config = ContextPropagationConfig::default();
        assert_eq!(
            config.propagate_up(),
            ["status", "confidence", "error_count"]
        );
        assert_eq!(config.propagate_down(), ["global_config", "shared_state"]);
        let rules = ["status", "confidence", "error_count", "anything"]
            .map(|field| config.get_aggregation_rule(field).as_str());
        assert_eq!(rules, ["worst", "avg", "sum", "last"]);
    }

    #[test]
    fn fields_are_added_once_and_removed_with_their_rule() {
        // covers: CT19, CT20, CT21, CT22, CT23
        use AggregationRule as Rule;
        let mut config = ContextPropagationConfig::default();
        for _ in 0..2 {
            config
                .add_propagate_up("custom_metric", Some(Rule::Max))
                .unwrap();
            config.add_propagate_down("custom_config").unwrap();
        }
        assert_eq!(config.propagate_up()[3..], ["custom_metric"]);
        assert_eq!(config.propagate_down()[2..], ["custom_config"]);
        assert_eq!(config.get_aggregation_rule("custom_metric"), Rule::Max);

        assert!(config.remove_propagate_up("confidence"));
        assert!(config.remove_propagate_down("global_config"));
        assert!(!config.remove_propagate_up("confidence"));
        assert!(!config.remove_propagate_down("never"));
        assert_eq!(
            config.propagate_up(),
            ["status", "error_count", "custom_metric"]
        );
        assert_eq!(config.propagate_down(), ["shared_state", "custom_config"]);
        assert_eq!(config.get_aggregation_rule("confidence"), Rule::Last);

        config.set_aggregation_rule("status", Rule::Max);
        assert_eq!(config.get_aggregation_rule("status"), Rule::Max);
    }

    #[test]
    fn adding_a_field_again_keeps_its_rule() {
        // covers: C9
        let mut config = ContextPropagationConfig::default();
        config.add_propagate_up("confidence", None).unwrap();
        assert_eq!(
            config.get_aggregation_rule("confidence"),
            AggregationRule::Avg
        );
        config.add_propagate_up("note", None).unwrap();
        assert_eq!(config.get_aggregation_rule("note"), AggregationRule::Last);
    }

    #[test]
    fn a_field_travels_one_way() {
        let mut config = ContextPropagationConfig::default();
        let up = config.add_propagate_up("shared_state", None);
        assert!(matches!(up, Err(PropagationConfigError::BothWays { .. })));
        config.add_propagate_up("note", None).unwrap();
        let down = config.add_propagate_down("note");
        assert!(matches!(down, Err(PropagationConfigError::BothWays { .. })));
        config.remove_propagate_up("status");
        let down = config.add_propagate_down("status");
        assert!(matches!(down, Err(PropagationConfigError::Reported { .. })));
    }

    #[test]
    fn it_is_read_as_it_is_written_and_nothing_unknown_passes() {
        // covers: C7
        let mut config = ContextPropagationConfig::default();
        config
            .add_propagate_up("load", Some(AggregationRule::Max))
            .unwrap();
        let text = serde_json::to_string(&config).unwrap();
        assert_eq!(
            serde_json::from_str::<ContextPropagationConfig>(&text).unwrap(),
            config
        );
        for refused in [
            json!({"aggregation_rules": {"status": "average"}}),
            json!({"propagate_sideways": []}),
            json!({"propagate_up": ["a"], "propagate_down": ["a"]}),
            json!({"propagate_up": [], "propagate_down": ["status"]}),
        ] {
            assert!(serde_json::from_value::<ContextPropagationConfig>(refused).is_err());
        }
        let defaults = serde_json::from_value::<ContextPropagationConfig>(json!({})).unwrap();
        assert_eq!(defaults, ContextPropagationConfig::default());
    }
}
