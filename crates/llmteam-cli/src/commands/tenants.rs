//! `llmteam tenants`

use llmteam::audit::{Actor, AuditEvent, AuditEventType};
use llmteam::id::TenantId;
use llmteam::principal::Principal;
use llmteam::tenancy::{Tenant, TenantConfig};

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
            let made = session.tenants.create_tenant(config).await?;
            record(&session, &id, AuditEventType::TenantCreated, "create").await?;
            show(&made)?;
        }
        Tenants::Delete { id, place } => {
            let session = Session::open(&place).await?;
            session.tenants.find_tenant(&id).await?;
            record(&session, &id, AuditEventType::TenantDeleted, "delete").await?;
            session.tenants.delete_tenant(&id).await?;
        }
    }
    Ok(exit::DONE)
}

/// Says in the tenant's own log what is done to it.
async fn record(
    session: &Session,
    id: &TenantId,
    kind: AuditEventType,
    action: &str,
) -> Result<(), CliError> {
    let event = AuditEvent::new(kind)
        .by(Actor::user(&Principal::local().id))
        .with_action(action)
        .on("tenant", id.as_str());
    session.trail_of(id)?.log(event).await?;
    Ok(())
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
