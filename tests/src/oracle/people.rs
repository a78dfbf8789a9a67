//! What a person's answer is worth (H-04 and the accepted answers of each task type).

use serde_json::{Map, Value, json};

/// The output of a human task for an answer, or `None` when the answer is refused to the responder.
#[must_use]
pub fn outcome(config: &Map<String, Value>, subject: &Value, answer: &Value) -> Option<Value> {
    if !accepted(config, answer) {
        return None;
    }
    let text = |key: &str| answer[key].as_str().unwrap_or_default().to_owned();
    let filled = |key: &str| match &answer[key] {
        Value::Null => None,
        Value::Object(fields) if fields.is_empty() => None,
        other => Some(other.clone()),
    };
    let response_data = match &answer["input_data"] {
        Value::Null => json!({}),
        data => data.clone(),
    };
    let approved = json!({
        "data": subject,
        "response_data": response_data,
        "responder": text("responder_id"),
        "comment": text("comment"),
    });
    let typed_in =
        config.get("task_type") == Some(&json!("input")) && filled("input_data").is_some();
    let (port, mut object) = if answer["approved"] == false {
        let mut rejected = approved;
        rejected["reason"] = json!(text("reason"));
        ("rejected", rejected)
    } else if answer["approved"] == true || typed_in {
        ("approved", approved)
    } else if let Some(changes) = filled("review_changes").or_else(|| filled("input_data")) {
        let modified = json!({
            "data": changes,
            "original_data": subject,
            "responder": text("responder_id"),
            "comment": text("comment"),
        });
        ("modified", modified)
    } else {
        ("approved", approved)
    };
    if !answer["selected_option"].is_null() {
        object["selected_option"] = answer["selected_option"].clone();
    }
    Some(json!({ port: object }))
}

fn accepted(config: &Map<String, Value>, answer: &Value) -> bool {
    let decided = answer["approved"].is_boolean();
    let changes = answer["review_changes"]
        .as_object()
        .is_some_and(|changes| !changes.is_empty());
    let refused = answer["approved"] == false;
    match config
        .get("task_type")
        .and_then(Value::as_str)
        .unwrap_or("approval")
    {
        "choice" => {
            let choices = config
                .get("choices")
                .and_then(Value::as_array)
                .cloned()
                .unwrap_or_default();
            let chosen = &answer["selected_option"];
            let listed = choices
                .iter()
                .enumerate()
                .any(|(n, label)| label == chosen || *chosen == json!(n.to_string()));
            refused || listed
        }
        "input" => refused || !answer["input_data"].is_null(),
        _ => decided || changes,
    }
}

/// The names that take over one after another when nobody answers.
#[must_use]
pub(super) fn escalation_chain(config: &Map<String, Value>) -> Vec<String> {
    let chain = config
        .get("escalation_chain")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    chain
        .iter()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}
