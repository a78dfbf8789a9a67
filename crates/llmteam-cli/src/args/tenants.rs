//! `llmteam tenants` as it is typed.

use clap::Subcommand;
use llmteam::id::TenantId;
use llmteam::tenancy::TenantTier;

use super::Place;

/// `llmteam tenants`
#[derive(Debug, Subcommand)]
pub(crate) enum Tenants {
    /// List tenants
    List {
        /// Print JSON even on a terminal
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Show one tenant
    Show {
        /// The tenant
        id: TenantId,
        #[command(flatten)]
        place: Place,
    },
    /// Make a tenant
    Create {
        /// Its id
        id: TenantId,
        /// What people call it [default: the id]
        #[arg(long, value_name = "TEXT")]
        name: Option<String>,
        /// free, starter, professional or enterprise
        #[arg(long, default_value = "free", value_parser = tier)]
        tier: TenantTier,
        #[command(flatten)]
        place: Place,
    },
    /// Delete a tenant; its data stays until it is purged, and its id is not given out again before
    Delete {
        /// The tenant
        id: TenantId,
        #[command(flatten)]
        place: Place,
    },
}

fn tier(text: &str) -> Result<TenantTier, String> {
    serde_json::from_value(text.into()).map_err(|_| format!("`{text}` is no tier"))
}
