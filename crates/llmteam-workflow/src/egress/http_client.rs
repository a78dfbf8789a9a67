//! A service at an address of operator configuration.

use std::{collections::BTreeMap, fmt, sync::Arc};

use async_trait::async_trait;
use llmteam_security::{
    clock::Clock,
    id::TenantId,
    secret::{Secret, SecretsProvider},
};
use reqwest::{
    Method, Url,
    header::{CONTENT_TYPE, HeaderMap, HeaderValue},
};

use super::{
    client::{Client, ClientBody, ClientResponse, RequestOptions, without_query},
    error::EgressError,
    headers::header_map,
    policy::{EgressPolicy, parse_url},
    transport::{Egress, EgressRequest, Limits},
};

/// What an operator says about a service.
#[derive(Clone, Debug, Default)]
pub struct HttpClientConfig {
    /// Where it is; paths of requests are appended.
    pub base_url: String,
    /// Headers of every request. `{name}` in a value stands for the secret `secret_refs` gives it.
    pub headers: BTreeMap<String, String>,
    /// Names of placeholders and the ids of their secrets, which are asked for at every call.
    pub secret_refs: BTreeMap<String, String>,
    /// See [`Client::deduplicates`].
    pub deduplicates: bool,
    /// Bounds of every call.
    pub limits: Limits,
}

/// A client of one service.
pub struct HttpClient {
    base: Url,
    config: HttpClientConfig,
    secrets: Arc<dyn SecretsProvider>,
    egress: Egress,
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient")
            .field("base_url", &self.base.as_str())
            .finish_non_exhaustive()
    }
}

impl HttpClient {
    /// A client for `config`; all of it is checked here, but the secrets.
    pub fn new(
        config: HttpClientConfig,
        secrets: Arc<dyn SecretsProvider>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, EgressError> {
        let base = parse_url(&config.base_url)?;
        if base.query().is_some() || base.fragment().is_some() {
            return Err(invalid(
                "the base address has a query or a fragment".to_owned(),
            ));
        }
        header_map(
            config
                .headers
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str())),
        )?;
        for name in config.secret_refs.keys() {
            let placeholder = format!("{{{name}}}");
            if !config.headers.values().any(|it| it.contains(&placeholder)) {
                return Err(invalid(format!(
                    "no header uses the secret `{placeholder}`"
                )));
            }
        }
        let egress = Egress::new(EgressPolicy::named(&base)?, config.limits.clone(), clock)?;
        Ok(Self {
            base,
            config,
            secrets,
            egress,
        })
    }

    /// The address of `path` with `query` added: below the base address, whatever the path holds.
    fn url(&self, path: &str, query: &[(String, String)]) -> Result<Url, EgressError> {
        check_path(path)?;
        let (path, own_query) = match path.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (path, None),
        };
        let mut url = self.base.clone();
        let base = self.base.path().trim_end_matches('/');
        match path.trim_start_matches('/') {
            "" if own_query.is_none() => {}
            rest => url.set_path(&format!("{base}/{rest}")),
        }
        url.set_query(own_query);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }

    /// The client's own headers with their secrets, then the request's.
    async fn headers(&self, options: &RequestOptions) -> Result<HeaderMap, EgressError> {
        let secrets = self.secrets(options.tenant.as_ref()).await?;
        let own = self.config.headers.iter();
        let own: Vec<_> = own
            .map(|(name, value)| (name, fill(value, &secrets)))
            .collect();
        let own = own
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        let extra = options
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        header_map(own.chain(extra))
    }

    async fn secrets(&self, tenant: Option<&TenantId>) -> Result<Vec<(&str, Secret)>, EgressError> {
        let mut secrets = Vec::with_capacity(self.config.secret_refs.len());
        for (name, id) in &self.config.secret_refs {
            let tenant = tenant.ok_or_else(|| {
                invalid(format!("secret `{id}` is needed, but no tenant is given"))
            })?;
            secrets.push((name.as_str(), self.secrets.get_secret(tenant, id).await?));
        }
        Ok(secrets)
    }
}

#[async_trait]
impl Client for HttpClient {
    async fn request(
        &self,
        method: Method,
        path: &str,
        options: RequestOptions,
    ) -> Result<ClientResponse, EgressError> {
        let url = self.url(path, &options.query)?;
        let mut headers = self.headers(&options).await?;
        let body = match options.body {
            None => None,
            Some(ClientBody::Bytes(bytes)) => Some(bytes),
            Some(ClientBody::Json(value)) => {
                let json = HeaderValue::from_static("application/json");
                headers.entry(CONTENT_TYPE).or_insert(json);
                Some(value.to_string().into_bytes())
            }
        };
        let request = EgressRequest {
            method,
            url,
            headers,
            body,
            timeout: options.timeout,
        };
        let response = self.egress.send(request).await?;
        let text = |it: &HeaderValue| String::from_utf8_lossy(it.as_bytes()).into_owned();
        let headers = response.headers().iter();
        Ok(ClientResponse {
            status: response.status(),
            headers: headers
                .map(|(name, value)| (name.to_string(), text(value)))
                .collect(),
            retry_after: response.retry_after(),
            body: response.read_bounded().await?,
        })
    }

    fn deduplicates(&self) -> bool {
        self.config.deduplicates
    }

    fn endpoint(&self, path: &str) -> String {
        let base = self.base.as_str().trim_end_matches('/');
        format!("{base}/{}", without_query(path).trim_start_matches('/'))
    }
}

/// A header's value with its placeholders filled, each once: what a secret holds is not scanned again.
fn fill(template: &str, secrets: &[(&str, Secret)]) -> String {
    let mut filled = String::new();
    let mut rest = template;
    while let Some(at) = rest.find('{') {
        let (before, from) = rest.split_at(at);
        filled.push_str(before);
        let used = secrets.iter().find_map(|(name, secret)| {
            let after = from[1..].strip_prefix(name)?.strip_prefix('}')?;
            Some((secret.expose(), after))
        });
        let (text, after) = used.unwrap_or(("{", &from[1..]));
        filled.push_str(text);
        rest = after;
    }
    filled + rest
}

/// Refuses paths that could be read as another address or climb out of the base address.
fn check_path(path: &str) -> Result<(), EgressError> {
    let odd = |c: char| c.is_control() || matches!(c, '\\' | '#' | ' ');
    let path_only = without_query(path);
    let climbs = path_only.split('/').any(|part| {
        let dots = part.to_ascii_lowercase().replace("%2e", ".");
        dots == "." || dots == ".."
    });
    if path.contains(odd) || climbs || Url::parse(path).is_ok() {
        let shown: String = path_only
            .chars()
            .take(64)
            .flat_map(char::escape_default)
            .collect();
        return Err(invalid(format!(
            "`{shown}` is not a path below the base address"
        )));
    }
    Ok(())
}

fn invalid(reason: String) -> EgressError {
    EgressError::InvalidRequest { reason }
}
