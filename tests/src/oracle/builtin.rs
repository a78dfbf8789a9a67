//! The built-in handlers that need nothing but their input.

use super::expression::{self, Fault, Names};
use super::segment::Step;
use serde_json::{Map, Value, json};

/// How a handler call ended.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    /// A result.
    Return(Value),
    /// An error: an `ErrorInfo` object.
    Fail(Value),
    /// The step waits for a person.
    Suspend,
}

/// An `ErrorInfo` with all its keys.
#[must_use]
pub(super) fn error(error_type: &str, code: &str, message: &str, recoverable: bool) -> Value {
    json!({
        "error_type": error_type,
        "error_message": message,
        "error_code": code,
        "stack_trace": null,
        "recoverable": recoverable,
    })
}

/// What a call works on.
pub(super) struct Call<'a> {
    /// The step.
    pub(super) step: &'a Step,
    /// Its subject.
    pub(super) subject: &'a Value,
    /// Its input object.
    pub(super) input: &'a Map<String, Value>,
    /// The variable `run`.
    pub(super) run: &'a Value,
    /// For a join: the values it hands on, in slot order.
    pub(super) joined: &'a [Value],
    /// The port that a result goes to unless it names its own.
    pub(super) default_port: &'a str,
}

/// Runs a built-in handler; `Err` names what this interpreter does not cover.
pub(super) fn run(call: &Call<'_>) -> Result<Answer, String> {
    let config = &call.step.config;
    let text = |key: &str| config.get(key).and_then(Value::as_str);
    match call.step.kind.as_str() {
        "condition" => {
            match expression::condition(text("expression").unwrap_or_default(), &call.names()) {
                Ok(true) => Ok(Answer::Return(json!({ "true": call.subject }))),
                Ok(false) => Ok(Answer::Return(json!({ "false": call.subject }))),
                Err(fault) => failed(fault, "InvalidConditionError", "INVALID_CONDITION"),
            }
        }
        "parallel_split" => {
            let branches = config.get("branches").and_then(Value::as_u64).unwrap_or(2);
            let copies = (1..=branches).map(|n| (format!("branch_{n}"), call.subject.clone()));
            Ok(Answer::Return(Value::Object(copies.collect())))
        }
        "parallel_join" => Ok(Answer::Return(match text("merge_strategy") {
            Some("first") => call.joined.first().cloned().unwrap_or(Value::Null),
            _ => Value::Array(call.joined.to_vec()),
        }))
        .map(|answer| call.on_default_port(answer)),
        "transform" => match call.transform() {
            Ok(value) => Ok(call.on_default_port(Answer::Return(value))),
            Err(fault) => failed(fault, "ExpressionError", "EXPRESSION"),
        },
        "human_task" => Ok(Answer::Suspend),
        other => Err(format!("the built-in handler of `{other}`")),
    }
}

fn failed(fault: Fault, error_type: &str, code: &str) -> Result<Answer, String> {
    match fault {
        Fault::Error => Ok(Answer::Fail(error(error_type, code, "", false))),
        Fault::Unsupported(text) => Err(format!("expression `{text}`")),
    }
}

impl Call<'_> {
    fn on_default_port(&self, answer: Answer) -> Answer {
        match answer {
            Answer::Return(value) => Answer::Return(json!({ self.default_port: value })),
            other => other,
        }
    }

    fn names(&self) -> Names {
        let mut builtins = Map::new();
        builtins.insert("value".to_owned(), self.subject.clone());
        builtins.insert("input".to_owned(), Value::Object(self.input.clone()));
        builtins.insert("run".to_owned(), self.run.clone());
        let subject = self.subject.as_object().cloned().unwrap_or_default();
        Names {
            fields: vec![subject, self.input.clone()],
            builtins,
        }
    }

    fn transform(&self) -> Result<Value, Fault> {
        let config = &self.step.config;
        let default = config.get("default");
        let value_of =
            |text: &str| expression::transform(text, self.subject, &self.names(), default);
        if let Some(Value::Object(mapping)) = config.get("mapping") {
            let mut built = Map::new();
            for (key, value) in mapping {
                let value = match value {
                    Value::String(text) => value_of(text)?,
                    literal => literal.clone(),
                };
                built.insert(key.clone(), value);
            }
            return Ok(Value::Object(built));
        }
        match config.get("expression") {
            Some(Value::String(text)) => value_of(text),
            _ => Ok(self.subject.clone()),
        }
    }
}
