//! Contexts from outside of the crate: what does not compile, and one whole story.

use std::sync::Arc;

use llmteam_security::{
    AgentId, ManualClock, TenantId, Timestamp,
    context::{
        AccessAction, ContextAccessPolicy, ContextServices, ContextView, Lineage, MemoryAccessLog,
        SensitivityLevel, ViewerRole, create_secure_context,
        crypto::{MemoryDekStore, MemoryKeyLog, MemoryKeys, Vault},
    },
};
use serde_json::json;

#[test]
fn what_breaks_a_principle_does_not_compile() {
    // covers: CTX-20, CTX-22, CTX-27
    trybuild::TestCases::new().compile_fail("tests/ui/context/*.rs");
}

#[tokio::test]
async fn a_team_of_two_agents() -> Result<(), Box<dyn std::error::Error>> {
    // covers: CTX-10
    let (tenant, run): (TenantId, _) = ("acme".parse()?, "run_1".parse()?);
    let (chief, writer): (AgentId, AgentId) = ("chief".parse()?, "writer".parse()?);
    let clock = Arc::new(ManualClock::new(Timestamp::from_micros(1)));
    let keys = Arc::new(MemoryKeys::new());
    keys.create(&tenant)?;
    let store = Arc::new(MemoryDekStore::new());
    let vault = Vault::new(keys, store, Arc::new(MemoryKeyLog::new()), clock.clone());

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
    let view = view.granted().ok_or("the chief sees it")?;
    assert_eq!(view.data("draft"), Some(&json!("once upon a time")));
    assert_eq!(view.get("sealed_fields"), Some(&json!(["token"])));
    let own = context
        .get_visible_context(&lineage.viewer(&writers)?)
        .await?;
    assert!(matches!(own, ContextView::Denied { .. }));
    assert!(context.get_sealed(&chiefs, "token").await.is_err());
    assert_eq!(context.get_sealed(&writers, "token").await?, "s3cret");

    vault.shred(&tenant, &run).await?;
    let erased = context.get_sealed(&writers, "token").await.unwrap_err();
    assert_eq!(erased.code(), "SEAL_ERASED");
    let actions: Vec<_> = log.attempts().iter().map(|it| it.action).collect();
    use AccessAction::{GetSealed, SetSealed, View};
    assert_eq!(
        actions,
        [SetSealed, View, View, GetSealed, GetSealed, GetSealed]
    );
    Ok(())
}
