//! Looking names up, and refusing what is found.
//!
//! Invariant: the client connects to the very addresses that were checked here; it never looks up again.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use async_trait::async_trait;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::{error::EgressError, policy::EgressPolicy};

/// Finds the addresses of a name.
#[async_trait]
pub(super) trait Lookup: Send + Sync + fmt::Debug {
    async fn lookup(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// The machine's resolver.
#[derive(Debug)]
pub(super) struct SystemLookup;

#[async_trait]
impl Lookup for SystemLookup {
    async fn lookup(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        let found = tokio::net::lookup_host((host, 0)).await?;
        Ok(found.map(|it| it.ip()).collect())
    }
}

/// What the HTTP client asks instead of the machine's resolver.
pub(super) struct CheckedResolver {
    pub(super) policy: Arc<EgressPolicy>,
    pub(super) lookup: Arc<dyn Lookup>,
}

impl Resolve for CheckedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let policy = Arc::clone(&self.policy);
        let lookup = Arc::clone(&self.lookup);
        Box::pin(async move {
            let host = name.as_str();
            let found = lookup.lookup(host).await?;
            if found.is_empty() {
                let detail = format!("`{host}` has no address");
                return Err(EgressError::Connect { detail }.into());
            }
            policy.check_lookup(host, &found)?;
            // Port 0 stands for the port of the address that is asked.
            let addresses = found.into_iter().map(|it| SocketAddr::new(it, 0));
            Ok(Box::new(addresses) as Addrs)
        })
    }
}
