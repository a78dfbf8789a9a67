//! `llmteam tenants`

use llmteam::audit::Actor;
use llmteam::principal::Principal;
use llmteam::tenancy::{Tenant, TenantConfig, TenantManager};

use crate::args::Tenants;
use crate::error::CliError;
use crate::session::Session;
use crate::{exit, output};

/// The most tenants of one list.
const LISTED: u32 = 1_000;

/// Lists, shows, makes and deletes tenants.
pub(super) async fn perform(args: Tenants) -> Result<u8, CliError> {
    match args {
        Tenants::List { json, place } => {
            let session = Session::open(&place).await?;
            list(&session.tenants.list_tenants(LISTED, 0).await?, json)?;
        }
        Tenants::Show { id, place } => {
            let session = Session::open(&place).await?;
            show(&session.tenants.find_tenant(&id).await?)?;
        }
        Tenants::Create {
            id,
            name,
            tier,
            place,
        } => {
            let session = Session::open(&place).await?;
            let name = name.unwrap_or_else(|| id.to_string());
            let mut config = TenantConfig::new(id.clone(), name);
            config.tier = tier;
            show(&administrator(&session).create_tenant(config).await?)?;
        }
        Tenants::Delete { id, place } => {
            let session = Session::open(&place).await?;
            administrator(&session).delete_tenant(&id).await?;
        }
    }
    Ok(exit::DONE)
}

/// The tenants, changed by whoever is at this machine.
fn administrator(session: &Session) -> TenantManager {
    let actor = Actor::user(&Principal::local().id);
    session.tenants.clone().acting_as(actor)
}

fn list(tenants: &[Tenant], json: bool) -> Result<(), CliError> {
    if output::wants_json(json) {
        let configs: Vec<_> = tenants.iter().map(|it| it.config.to_dict()).collect();
        return output::json(&configs, true);
    }
    let rows: Vec<_> = tenants
        .iter()
        .map(|it| {
            [
                it.config.tenant_id.to_string(),
                it.config.tier.to_string(),
                it.config.name.clone(),
            ]
        })
        .collect();
    output::table(["TENANT", "TIER", "NAME"], &rows)
}

fn show(tenant: &Tenant) -> Result<(), CliError> {
    output::json(&tenant.config.to_dict(), true)
}
