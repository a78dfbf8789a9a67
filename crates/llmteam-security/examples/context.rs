//! A chief and a writer: what the one sees of the other, and what erasing a run does.
//!
//! Run with `cargo run -p llmteam-security --example context`.

use std::{error::Error, sync::Arc};

use llmteam_security::{
    AgentId, Clock, RunId, SystemClock, TenantId,
    context::{
        ContextAccessPolicy, ContextServices, Lineage, MemoryAccessLog, SensitivityLevel,
        ViewerRole, create_secure_context,
        crypto::{MemoryDekStore, MemoryKeyLog, MemoryKeys, Vault},
    },
};
use serde_json::json;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let (tenant, run): (TenantId, RunId) = ("acme".parse()?, "run_1".parse()?);
    let (chief, writer): (AgentId, AgentId) = ("chief".parse()?, "writer".parse()?);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);

    // The tenant's key wraps the key of the run.
    let keys = Arc::new(MemoryKeys::new());
    keys.create(&tenant)?;
    let (store, key_log) = (MemoryDekStore::new(), MemoryKeyLog::new());
    let vault = Vault::new(keys, Arc::new(store), Arc::new(key_log), clock.clone());

    // Admission gives out each token once.
    let lineage = Lineage::new();
    let chiefs = lineage.add(&tenant, &chief, ViewerRole::PipelineOrch, None)?;
    let writers = lineage.add(&tenant, &writer, ViewerRole::Agent, Some(&chief))?;

    let log = Arc::new(MemoryAccessLog::new());
    let services = ContextServices::new(clock)
        .with_log(log.clone())
        .with_key(vault.run_key(&tenant, &run).await?);
    let policy = ContextAccessPolicy::with_sensitivity(SensitivityLevel::Internal);
    let mut context = create_secure_context(&writers, "Writer", policy, services)?;
    context.set_data("draft", json!("once upon a time"))?;
    context
        .set_sealed(&writers, "token", json!("s3cret"))
        .await?;

    let view = context
        .get_visible_context(&lineage.viewer(&chiefs)?)
        .await?;
    println!("the chief sees {}", json!(view));
    let view = context
        .get_visible_context(&lineage.viewer(&writers)?)
        .await?;
    println!("an agent sees {}", json!(view));
    println!(
        "the owner reads {}",
        context.get_sealed(&writers, "token").await?
    );
    if let Err(error) = context.get_sealed(&chiefs, "token").await {
        println!("the chief asks for it: {error}");
    }

    vault.shred(&tenant, &run).await?;
    if let Err(error) = context.get_sealed(&writers, "token").await {
        println!("the owner asks again: {error}");
    }
    for attempt in log.attempts() {
        let (who, what) = (&attempt.viewer, attempt.action.as_str());
        println!("recorded: {who} {what}: {:?}", attempt.outcome);
    }
    Ok(())
}
