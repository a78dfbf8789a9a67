//! Values that never print, and who hands them out.
//!
//! Invariant: a [`Secret`] shows as `***` in every text form, is never serialised, is wiped when dropped,
//! and leaves only through [`Secret::expose`]. Each provider answers for the tenant it is asked for and
//! no other: a secret of another tenant looks like one that does not exist.

use std::{collections::BTreeMap, fmt, path::PathBuf};

use async_trait::async_trait;
use zeroize::Zeroizing;

use crate::id::TenantId;

/// A value that must not be seen: an API key, a password, a signing key.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Keeps `value` from sight.
    pub fn new(value: impl Into<String>) -> Self {
        Self(Zeroizing::new(value.into()))
    }

    /// The value itself. Every use of a secret is found by searching for this name.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Why a secret was not handed out. No variant holds any part of a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// The tenant has no secret of this id.
    #[error("secret `{0}` is not configured")]
    NotFound(String),
    /// The provider knows the secret and refuses it.
    #[error("access to secret `{0}` is denied")]
    Denied(String),
    /// The place that holds the secret could not be read.
    #[error("secret `{id}` cannot be read: {reason}")]
    Unavailable {
        /// The secret.
        id: String,
        /// What went wrong, without the value.
        reason: String,
    },
}

/// Hands out secrets by tenant and id.
#[async_trait]
pub trait SecretsProvider: Send + Sync {
    /// The value of secret `id` of `tenant`.
    async fn get_secret(&self, tenant: &TenantId, id: &str) -> Result<Secret, SecretError>;
}

/// Secrets held in environment variables, each granted to a tenant by name.
#[derive(Clone, Debug, Default)]
pub struct EnvSecrets {
    variables: Grants<String>,
}

impl EnvSecrets {
    /// Lets `tenant` read the environment variable `variable` as secret `id`.
    #[must_use]
    pub fn grant(
        mut self,
        tenant: &TenantId,
        id: impl Into<String>,
        variable: impl Into<String>,
    ) -> Self {
        self.variables.insert(tenant, id.into(), variable.into());
        self
    }
}

#[async_trait]
impl SecretsProvider for EnvSecrets {
    async fn get_secret(&self, tenant: &TenantId, id: &str) -> Result<Secret, SecretError> {
        let variable = self.variables.get(tenant, id)?;
        // `VarError` would show the value of a variable that is not UTF-8.
        std::env::var(variable)
            .map(Secret::new)
            .map_err(|error| SecretError::Unavailable {
                id: id.to_owned(),
                reason: match error {
                    std::env::VarError::NotPresent => {
                        format!("environment variable `{variable}` is not set")
                    }
                    std::env::VarError::NotUnicode(_) => {
                        format!("environment variable `{variable}` is not UTF-8")
                    }
                },
            })
    }
}

/// Secrets held in files, each granted to a tenant by path; one trailing line end is not part of the value.
#[derive(Clone, Debug, Default)]
pub struct FileSecrets {
    paths: Grants<PathBuf>,
}

impl FileSecrets {
    /// Lets `tenant` read the file at `path` as secret `id`.
    #[must_use]
    pub fn grant(
        mut self,
        tenant: &TenantId,
        id: impl Into<String>,
        path: impl Into<PathBuf>,
    ) -> Self {
        self.paths.insert(tenant, id.into(), path.into());
        self
    }
}

#[async_trait]
impl SecretsProvider for FileSecrets {
    async fn get_secret(&self, tenant: &TenantId, id: &str) -> Result<Secret, SecretError> {
        let path = self.paths.get(tenant, id)?.clone();
        let unavailable = |reason: String| SecretError::Unavailable {
            id: id.to_owned(),
            reason,
        };
        let read = tokio::task::spawn_blocking(move || {
            std::fs::read_to_string(&path)
                .map_err(|error| format!("file `{}`: {error}", path.display()))
        });
        let text = Zeroizing::new(
            read.await
                .map_err(|e| unavailable(e.to_string()))?
                .map_err(unavailable)?,
        );
        let value = text
            .strip_suffix('\n')
            .map_or(text.as_str(), |it| it.strip_suffix('\r').unwrap_or(it));
        Ok(Secret::new(value))
    }
}

/// Which tenant may read which place under which id.
#[derive(Clone, Debug)]
struct Grants<T>(BTreeMap<TenantId, BTreeMap<String, T>>);

impl<T> Default for Grants<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T> Grants<T> {
    fn insert(&mut self, tenant: &TenantId, id: String, place: T) {
        self.0.entry(tenant.clone()).or_default().insert(id, place);
    }

    fn get(&self, tenant: &TenantId, id: &str) -> Result<&T, SecretError> {
        let place = self.0.get(tenant).and_then(|ids| ids.get(id));
        place.ok_or_else(|| SecretError::NotFound(id.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(id: &str) -> TenantId {
        id.parse().unwrap()
    }

    #[test]
    fn no_text_form_shows_the_value() {
        //
        let secret = Secret::new("hunter2");
        assert_eq!(
            format!("{secret} {secret:?} {:#?}", Some(&secret)),
            "*** *** Some(\n    ***,\n)"
        );
        assert_eq!(secret.expose(), "hunter2");
    }

    #[tokio::test]
    async fn a_grant_is_for_one_tenant_only() {
        let secrets = EnvSecrets::default()
            .grant(&tenant("a"), "path", "PATH")
            .grant(&tenant("a"), "gone", "LLMTEAM_NO_SUCH");
        assert!(
            !secrets
                .get_secret(&tenant("a"), "path")
                .await
                .unwrap()
                .expose()
                .is_empty()
        );
        let foreign = secrets.get_secret(&tenant("b"), "path").await.unwrap_err();
        assert_eq!(foreign, SecretError::NotFound("path".into()));
        let unset = secrets.get_secret(&tenant("a"), "gone").await.unwrap_err();
        assert_eq!(
            unset.to_string(),
            "secret `gone` cannot be read: environment variable `LLMTEAM_NO_SUCH` is not set"
        );
    }

    #[tokio::test]
    async fn a_file_loses_one_line_end_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        for (content, value) in [
            ("key\n", "key"),
            ("key\r\n", "key"),
            ("key\n\n", "key\n"),
            (" key ", " key "),
            ("", ""),
        ] {
            let path = folder.path().join("secret");
            std::fs::write(&path, content).unwrap();
            let secrets = FileSecrets::default().grant(&tenant("a"), "key", path);
            assert_eq!(
                secrets
                    .get_secret(&tenant("a"), "key")
                    .await
                    .unwrap()
                    .expose(),
                value
            );
        }
        let absent =
            FileSecrets::default().grant(&tenant("a"), "key", folder.path().join("absent"));
        assert!(matches!(
            absent.get_secret(&tenant("a"), "key").await,
            Err(SecretError::Unavailable { .. })
        ));
    }
}
