//! Live models, HTTP clients, stores and secrets, made of what the configuration says.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use llmteam::clock::Clock;
use llmteam::egress::{HttpClient, HttpClientConfig, ScriptedClient};
use llmteam::id::TenantId;
use llmteam::kv::{KeyCodec, KeyValueStore, MemoryKeyValueStore};
use llmteam::llm::{LlmProvider, ScriptedProvider};
use llmteam::runtime::{Client, RuntimeContextManager};
use llmteam::secret::{EnvSecrets, FileSecrets, Secret, SecretError, SecretsProvider};
use llmteam::sql::{SqliteDatabase, SqliteKeyValueStore};
use llmteam_providers::{ProviderKind, provider_from_config};
use serde_json::Value;

use super::Config;
use super::file::{
    HttpConfig, HttpKind, LlmConfig, LlmKind, PromptsConfig, SecretSource, StoreKind,
};
use crate::error::CliError;
use crate::input;

/// Where prompt templates are looked up.
const PROMPTS: &str = "prompts";

/// Everything runs of the tenant may reach. Every fault is listed.
pub(crate) async fn resources(
    config: &Config,
    tenant: &TenantId,
    clock: &Arc<dyn Clock>,
    database: Option<&SqliteDatabase>,
) -> Result<RuntimeContextManager, CliError> {
    let mut maker = Maker {
        config,
        tenant,
        clock,
        faults: Vec::new(),
    };
    let secrets: Arc<dyn SecretsProvider> = Arc::new(maker.secrets());
    let mut manager = RuntimeContextManager::new(Arc::clone(clock));
    for (name, llm) in &config.llm {
        if let Some(provider) = maker.keep(&format!("llm.{name}"), maker.llm(llm).await) {
            manager.register_llm(name, provider);
        }
    }
    for (name, http) in &config.http {
        if let Some(client) = maker.keep(&format!("http.{name}"), maker.http(http, &secrets)) {
            manager.register_client(name, client);
        }
    }
    for (name, store) in &config.store {
        let store = match (store.kind, database) {
            (StoreKind::Sql, Some(database)) => sql_store(database, name).await,
            // Without a database nothing outlives the process, a store of kind `sql` neither.
            (StoreKind::Sql, None) | (StoreKind::Memory, _) => {
                Ok(Arc::new(MemoryKeyValueStore::default()) as _)
            }
        };
        if let Some(store) = maker.keep(&format!("store.{name}"), store) {
            manager.register_store(name, store);
        }
    }
    if let Some(prompts) = &config.prompts
        && let Some(store) = maker.keep(PROMPTS, maker.prompts(prompts).await)
    {
        manager.register_store(PROMPTS, store);
    }
    manager.set_secrets_provider(secrets);
    match maker.faults.is_empty() {
        true => Ok(manager),
        false => Err(CliError::Config {
            path: config.path.clone(),
            faults: maker.faults,
        }),
    }
}

async fn sql_store(
    database: &SqliteDatabase,
    name: &str,
) -> Result<Arc<dyn KeyValueStore>, String> {
    let store = SqliteKeyValueStore::open(database.clone(), name)
        .await
        .map_err(text)?;
    Ok(Arc::new(store))
}

struct Maker<'a> {
    config: &'a Config,
    tenant: &'a TenantId,
    clock: &'a Arc<dyn Clock>,
    faults: Vec<String>,
}

impl Maker<'_> {
    fn keep<T>(&mut self, path: &str, made: Result<T, String>) -> Option<T> {
        made.map_err(|fault| self.faults.push(format!("`{path}`: {fault}")))
            .ok()
    }

    async fn llm(&self, llm: &LlmConfig) -> Result<Arc<dyn LlmProvider>, String> {
        let kind = match llm.kind {
            LlmKind::OpenAi => ProviderKind::OpenAi,
            LlmKind::Anthropic => ProviderKind::Anthropic,
            LlmKind::Ollama => ProviderKind::Ollama,
            LlmKind::Scripted => {
                let script = self.script(llm.script.as_deref())?;
                let provider =
                    ScriptedProvider::from_json(&script, Arc::clone(self.clock)).map_err(text)?;
                return Ok(Arc::new(provider));
            }
        };
        let key = match &llm.api_key {
            Some(source) => Some(self.secret(source).await?),
            None => None,
        };
        let model = llm.model.as_deref().unwrap_or_default();
        provider_from_config(
            kind,
            model,
            llm.base_url.as_deref(),
            key,
            Arc::clone(self.clock),
        )
        .map_err(text)
    }

    fn http(
        &self,
        http: &HttpConfig,
        secrets: &Arc<dyn SecretsProvider>,
    ) -> Result<Arc<dyn Client>, String> {
        if http.kind == HttpKind::Scripted {
            let script = self.script(http.script.as_deref())?;
            let mut script: Value = serde_json::from_str(&script).map_err(text)?;
            if let (Some(deduplicates), Some(script)) = (http.deduplicates, script.as_object_mut())
            {
                script.insert("deduplicates".to_owned(), deduplicates.into());
            }
            let client = ScriptedClient::from_json(&script.to_string(), Arc::clone(self.clock))
                .map_err(text)?;
            return Ok(Arc::new(client));
        }
        let client = HttpClientConfig {
            base_url: http.base_url.clone().unwrap_or_default(),
            headers: http.headers.clone(),
            secret_refs: http.secret_refs.clone(),
            deduplicates: http.deduplicates.unwrap_or(false),
            ..HttpClientConfig::default()
        };
        let client =
            HttpClient::new(client, Arc::clone(secrets), Arc::clone(self.clock)).map_err(text)?;
        Ok(Arc::new(client))
    }

    /// The templates of a directory, as the tenant's part of the prompt store.
    async fn prompts(&self, prompts: &PromptsConfig) -> Result<Arc<dyn KeyValueStore>, String> {
        let directory = self.config.resolve(&prompts.dir);
        let unreadable =
            |error: std::io::Error| format!("directory `{}`: {error}", directory.display());
        let keys = KeyCodec::tenant(self.tenant);
        let store = MemoryKeyValueStore::default();
        for entry in std::fs::read_dir(&directory).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            let (Some(id), Some(kind)) = (
                path.file_stem().and_then(|it| it.to_str()),
                path.extension().and_then(|it| it.to_str()),
            ) else {
                continue;
            };
            let template = match kind {
                "txt" | "md" => Value::String(input::text(&path).map_err(text)?),
                "json" => serde_json::from_str(&input::text(&path).map_err(text)?)
                    .map_err(|error| format!("`{}`: {error}", path.display()))?,
                _ => continue,
            };
            store.set(&keys.encode(id), template).await.map_err(text)?;
        }
        Ok(Arc::new(store))
    }

    fn script(&self, script: Option<&Path>) -> Result<String, String> {
        input::text(&self.config.resolve(script.unwrap_or(Path::new("")))).map_err(text)
    }

    async fn secret(&self, source: &SecretSource) -> Result<Secret, String> {
        let id = "api_key";
        self.granted([(id, source)])
            .get_secret(self.tenant, id)
            .await
            .map_err(text)
    }

    fn secrets(&self) -> ConfiguredSecrets {
        self.granted(
            self.config
                .secrets
                .iter()
                .map(|(id, source)| (id.as_str(), source)),
        )
    }

    fn granted<'s>(
        &self,
        sources: impl IntoIterator<Item = (&'s str, &'s SecretSource)>,
    ) -> ConfiguredSecrets {
        let mut secrets = ConfiguredSecrets::default();
        for (id, source) in sources {
            match source {
                SecretSource::Env(variable) => {
                    secrets.env = secrets.env.grant(self.tenant, id, variable);
                }
                SecretSource::File(path) => {
                    secrets.file = secrets
                        .file
                        .grant(self.tenant, id, self.config.resolve(path));
                }
            }
        }
        secrets
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the shape that `map_err` takes"
)]
fn text(error: impl ToString) -> String {
    error.to_string()
}

/// The secrets of the configuration: some in the environment, some in files.
#[derive(Default)]
struct ConfiguredSecrets {
    env: EnvSecrets,
    file: FileSecrets,
}

#[async_trait]
impl SecretsProvider for ConfiguredSecrets {
    async fn get_secret(&self, tenant: &TenantId, id: &str) -> Result<Secret, SecretError> {
        match self.env.get_secret(tenant, id).await {
            Err(SecretError::NotFound(_)) => self.file.get_secret(tenant, id).await,
            other => other,
        }
    }
}
