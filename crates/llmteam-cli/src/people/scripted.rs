//! Answers from a file, by step and activation: for examples, tests and rehearsals.

use std::collections::BTreeMap;

use llmteam::human::{Answer, InteractionRequest};
use llmteam::id::PrincipalId;
use llmteam::principal::{Principal, Role};
use llmteam::script::Replies;
use serde::{Deserialize, Deserializer, de};
use serde_json::Value;

/// People who answer from a script.
///
/// ```json
/// { "answers": { "reviewer": [ { "review_changes": { "tone": "warmer" } }, { "by": "ann", "approved": true } ] } }
/// ```
///
/// Each list holds one answer per activation of the step and the last repeats. A step that is not named
/// waits for a person. `by` is a principal id; without it the answer is that of `local`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScriptedPeople {
    answers: BTreeMap<String, Replies<ScriptedAnswer>>,
}

#[derive(Clone, Debug, PartialEq)]
struct ScriptedAnswer {
    by: Option<PrincipalId>,
    answer: Answer,
}

impl<'de> Deserialize<'de> for ScriptedAnswer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut fields = serde_json::Map::deserialize(deserializer)?;
        let by = fields
            .remove("by")
            .map(serde_json::from_value)
            .transpose()
            .map_err(de::Error::custom)?;
        let answer = serde_json::from_value(Value::Object(fields)).map_err(de::Error::custom)?;
        Ok(Self { by, answer })
    }
}

impl ScriptedPeople {
    /// Reads a script.
    pub(crate) fn from_json(script: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(script)
    }

    /// Who answers what to a request; none if the script does not name its step.
    pub(crate) fn answer(
        &self,
        request: &InteractionRequest,
        activation: u32,
    ) -> Option<(Principal, Answer)> {
        let scripted = self.answers.get(request.step.as_str())?.pick(activation, 1);
        let by = match &scripted.by {
            Some(id) => Principal::new(id.clone())
                .with_role(Role::Approver)
                .with_role(Role::Override),
            None => Principal::local(),
        };
        Some((by, scripted.answer.clone()))
    }
}
