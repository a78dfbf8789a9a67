//! What a service's refusals and a connection's failures mean.
//!
//! Invariant: no error made here holds the key, even when the service repeats it.

use std::time::Duration;

use llmteam_orchestration::llm::LlmError;
use llmteam_security::secret::Secret;
use llmteam_workflow::egress::{EgressError, EgressResponse};
use serde_json::Value;

/// The longest text taken over from a service, in characters.
const DETAIL: usize = 500;

/// The fault of a call that got no whole response.
pub(crate) fn of_egress(error: EgressError) -> LlmError {
    let detail = error.to_string();
    match error {
        EgressError::Denied { .. } | EgressError::WrongPeer { .. } => LlmError::Denied { detail },
        EgressError::InvalidRequest { .. } | EgressError::Secret(_) => {
            LlmError::InvalidRequest { detail }
        }
        EgressError::Connect { detail } => LlmError::Connect { detail },
        EgressError::Timeout { after, .. } => LlmError::Timeout { after },
        EgressError::Interrupted { detail, .. } => LlmError::Interrupted { detail },
        EgressError::TooLarge { limit } => LlmError::TooLarge { limit },
    }
}

/// The fault a response with another status than 200 stands for.
pub(crate) async fn of_response(response: EgressResponse) -> LlmError {
    let status = response.status();
    let retry_after = wait_ms(&response).or(response.retry_after());
    // The status is known; a body that is cut or too long adds nothing to it.
    let body = response.read_bounded().await.unwrap_or_default();
    let body = serde_json::from_slice(&body)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&body).into_owned()));
    of_status(status, retry_after, &body)
}

/// Milliseconds to wait, a header OpenAI sends beside `Retry-After`.
fn wait_ms(response: &EgressResponse) -> Option<Duration> {
    let text = response.headers().get("retry-after-ms")?.to_str().ok()?;
    Duration::try_from_secs_f64(text.trim().parse::<f64>().ok()? / 1000.0).ok()
}

fn of_status(status: u16, retry_after: Option<Duration>, body: &Value) -> LlmError {
    let detail = detail(body);
    match status {
        401 | 403 => LlmError::Auth { status },
        // An account without money is not helped by waiting.
        429 if body.pointer("/error/code").and_then(Value::as_str)
            == Some("insufficient_quota") =>
        {
            LlmError::InvalidRequest { detail }
        }
        429 => LlmError::RateLimited { retry_after },
        408 | 409 | 425 | 500.. => LlmError::Server {
            status,
            retry_after,
            detail,
        },
        _ => LlmError::InvalidRequest {
            detail: format!("status {status}: {detail}"),
        },
    }
}

/// The fault that an error object inside a response or stream with status 200 stands for.
pub(crate) fn of_error_object(body: &Value) -> LlmError {
    let kind = body.pointer("/error/type").and_then(Value::as_str);
    let code = body.pointer("/error/code");
    let status = match (kind, code.and_then(Value::as_u64)) {
        (_, Some(status @ 400..=599)) => u16::try_from(status).unwrap_or(500),
        (Some("invalid_request_error" | "request_too_large"), _) => 400,
        (Some("authentication_error"), _) => 401,
        (Some("permission_error"), _) => 403,
        (Some("not_found_error"), _) => 404,
        (Some("rate_limit_error" | "rate_limit_exceeded" | "insufficient_quota"), _) => 429,
        (Some("timeout_error"), _) => 504,
        (Some("overloaded_error"), _) => 529,
        _ => 500,
    };
    of_status(status, None, body)
}

/// The service's own words, whatever shape it puts them in.
fn detail(body: &Value) -> String {
    let words = ["/error/message", "/error", "/message", ""];
    let words = words
        .iter()
        .find_map(|it| body.pointer(it).and_then(Value::as_str));
    let words = words.unwrap_or_default().trim();
    if words.is_empty() {
        return "the service gave no reason".to_owned();
    }
    let clean = |c: char| if c.is_control() { ' ' } else { c };
    words.chars().take(DETAIL).map(clean).collect()
}

/// The error with the key blotted out of whatever text it carries.
pub(crate) fn without_key(mut error: LlmError, key: Option<&Secret>) -> LlmError {
    let Some(key) = key.map(Secret::expose).filter(|it| !it.is_empty()) else {
        return error;
    };
    match &mut error {
        LlmError::Connect { detail }
        | LlmError::Denied { detail }
        | LlmError::Server { detail, .. }
        | LlmError::Interrupted { detail }
        | LlmError::Malformed { detail }
        | LlmError::InvalidRequest { detail } => *detail = detail.replace(key, "***"),
        LlmError::RateLimited { .. }
        | LlmError::Timeout { .. }
        | LlmError::TooLarge { .. }
        | LlmError::Auth { .. } => {}
    }
    error
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn statuses_mean_the_same_for_every_vendor() {
        for (status, code) in [
            (301, "LLM_INVALID_REQUEST"),
            (400, "LLM_INVALID_REQUEST"),
            (401, "LLM_AUTH"),
            (403, "LLM_AUTH"),
            (404, "LLM_INVALID_REQUEST"),
            (408, "LLM_SERVER"),
            (413, "LLM_INVALID_REQUEST"),
            (429, "LLM_RATE_LIMITED"),
            (500, "LLM_SERVER"),
            (503, "LLM_SERVER"),
            (529, "LLM_SERVER"),
        ] {
            assert_eq!(
                of_status(status, None, &Value::Null).code(),
                code,
                "{status}"
            );
        }
        let broke = json!({"error": {"code": "insufficient_quota", "message": "pay"}});
        assert!(!of_status(429, None, &broke).is_recoverable());
    }

    #[test]
    fn the_words_are_found_in_every_shape_and_cleaned() {
        for (body, words) in [
            (json!({"error": {"message": "a\nb"}}), "a b"),
            (json!({"error": "no such model"}), "no such model"),
            (json!({"message": "hm"}), "hm"),
            (json!("<html>"), "<html>"),
            (json!({"detail": []}), "the service gave no reason"),
        ] {
            assert_eq!(detail(&body), words);
        }
        assert_eq!(detail(&json!("x".repeat(9999))).len(), DETAIL);
    }

    #[test]
    fn a_key_that_is_repeated_back_is_blotted_out() {
        let error = of_status(400, None, &json!({"error": "key sk-1 is unknown"}));
        let error = without_key(error, Some(&Secret::new("sk-1")));
        assert!(error.to_string().contains("key *** is unknown"), "{error}");
    }

    #[test]
    fn errors_inside_a_stream_keep_their_meaning() {
        let of = |kind: &str| of_error_object(&json!({"error": {"type": kind, "message": "m"}}));
        assert_eq!(of("overloaded_error").code(), "LLM_SERVER");
        assert_eq!(of("rate_limit_error").code(), "LLM_RATE_LIMITED");
        assert_eq!(of("invalid_request_error").code(), "LLM_INVALID_REQUEST");
        assert_eq!(of("new_kind").code(), "LLM_SERVER");
        assert_eq!(
            of_error_object(&json!({"error": {"code": 429}})).code(),
            "LLM_RATE_LIMITED"
        );
    }
}
