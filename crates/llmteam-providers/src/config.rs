//! From an operator's few words to a provider.

use std::{str::FromStr, sync::Arc, time::Duration};

use llmteam_orchestration::llm::LlmProvider;
use llmteam_security::{clock::Clock, secret::Secret};
use llmteam_workflow::egress::{Egress, EgressError, EgressPolicy, Limits, header_map, parse_url};

use crate::{
    provider::HttpProvider,
    vendor::{Anthropic, Ollama, OpenAi, Vendor},
};

/// How long an answer may take when the request does not say: what the vendors' own libraries wait.
const TIMEOUT: Duration = Duration::from_secs(600);

/// Whose interface a service speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProviderKind {
    /// OpenAI's chat completions, which many services and local servers speak too.
    OpenAi,
    /// Anthropic's messages.
    Anthropic,
    /// Ollama's chat.
    Ollama,
}

/// A configuration that makes no provider.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// No such kind.
    #[error("`{0}` is not a kind of model provider; use `openai`, `anthropic` or `ollama`")]
    UnknownKind(String),
    /// The vendor's own service needs a key.
    #[error("`{0}` needs `api_key`")]
    KeyMissing(String),
    /// Address or key cannot be used.
    #[error(transparent)]
    Egress(#[from] EgressError),
}

impl FromStr for ProviderKind {
    type Err = ProviderError;

    fn from_str(text: &str) -> Result<Self, ProviderError> {
        match text {
            "openai" => Ok(Self::OpenAi),
            "anthropic" => Ok(Self::Anthropic),
            "ollama" => Ok(Self::Ollama),
            _ => Err(ProviderError::UnknownKind(text.to_owned())),
        }
    }
}

/// A provider of `kind` whose requests ask `model` unless they name another.
///
/// Without `base_url` it is the vendor's own service, for Ollama the local one. The address is allowed
/// for this provider alone, private or not.
pub fn provider_from_config(
    kind: ProviderKind,
    model: &str,
    base_url: Option<&str>,
    api_key: Option<Secret>,
    clock: Arc<dyn Clock>,
) -> Result<Arc<dyn LlmProvider>, ProviderError> {
    let settings = Settings {
        model,
        base_url,
        api_key,
        clock,
    };
    match kind {
        ProviderKind::OpenAi => settings.build(OpenAi::at),
        ProviderKind::Anthropic => settings.without("/v1").build(|_| Anthropic),
        ProviderKind::Ollama => settings.build(|_| Ollama),
    }
}

struct Settings<'a> {
    model: &'a str,
    base_url: Option<&'a str>,
    api_key: Option<Secret>,
    clock: Arc<dyn Clock>,
}

impl Settings<'_> {
    /// The same without an end of the address that some write and some do not.
    fn without(mut self, end: &str) -> Self {
        self.base_url = self.base_url.map(|url| {
            let url = url.trim_end_matches('/');
            url.strip_suffix(end).unwrap_or(url)
        });
        self
    }

    fn build<V: Vendor>(
        self,
        vendor: impl FnOnce(&str) -> V,
    ) -> Result<Arc<dyn LlmProvider>, ProviderError> {
        let base_url = self.base_url.unwrap_or(V::BASE_URL).trim_end_matches('/');
        if V::NEEDS_KEY && self.api_key.is_none() && base_url == V::BASE_URL {
            return Err(ProviderError::KeyMissing(base_url.to_owned()));
        }
        let vendor = vendor(base_url);
        let base = parse_url(base_url)?;
        let headers = vendor.headers(self.api_key.as_ref());
        let headers = header_map(headers.iter().map(|(name, value)| (*name, value.as_str())))?;
        let limits = Limits {
            total: TIMEOUT,
            ..Limits::default()
        };
        let egress = Egress::new(EgressPolicy::named(&base)?, limits, self.clock)?;
        let mut url = base;
        let path = format!("{}/{}", url.path().trim_end_matches('/'), V::PATH);
        url.set_path(&path);
        Ok(Arc::new(HttpProvider::new(
            vendor,
            url,
            headers,
            self.model.to_owned(),
            self.api_key,
            egress,
        )))
    }
}

#[cfg(test)]
mod tests {
    use llmteam_security::clock::SystemClock;

    use super::*;

    fn build(kind: &str, base_url: Option<&str>, key: Option<&str>) -> Result<String, String> {
        let kind = kind.parse().map_err(|it: ProviderError| it.to_string())?;
        let key = key.map(Secret::new);
        provider_from_config(kind, "m", base_url, key, Arc::new(SystemClock))
            .map(|it| format!("{it:?}"))
            .map_err(|it| it.to_string())
    }

    #[test]
    fn the_address_is_the_vendors_unless_named() {
        for (kind, base, url) in [
            ("openai", None, "https://api.openai.com/v1/chat/completions"),
            (
                "openai",
                Some("http://[::1]:8000/v1/"),
                "http://[::1]:8000/v1/chat/completions",
            ),
            ("anthropic", None, "https://api.anthropic.com/v1/messages"),
            (
                "anthropic",
                Some("https://proxy.example/v1/"),
                "https://proxy.example/v1/messages",
            ),
            ("ollama", None, "http://localhost:11434/api/chat"),
            ("ollama", Some("http://gpu:1/"), "http://gpu:1/api/chat"),
        ] {
            let shown = build(kind, base, Some("s3cret-key")).unwrap();
            assert!(shown.contains(&format!("\"{url}\"")), "{shown}");
            assert!(!shown.contains("s3cret-key"), "{shown}");
        }
    }

    #[test]
    fn what_is_missing_or_wrong_is_said_without_the_key() {
        let text = |kind, base, key| build(kind, base, key).unwrap_err();
        assert_eq!(
            text("openai", None, None),
            "`https://api.openai.com/v1` needs `api_key`"
        );
        assert!(build("openai", Some("http://localhost:8000/v1"), None).is_ok());
        assert!(text("gpt", None, None).starts_with("`gpt` is not a kind"));
        assert!(text("ollama", Some("ftp://host"), None).contains("`ftp`"));
        let bad_key = text("openai", None, Some("s3cret\nkey"));
        assert!(!bad_key.contains("s3cret"), "{bad_key}");
    }
}
