//! A guard belongs to one thread, so a future that may move cannot hold it while it waits.
use llmteam_security::tenancy::TenantContext;

async fn work(context: TenantContext) {
    let _guard = context.enter();
    std::future::ready(()).await;
}

fn main() {
    let _task = tokio::spawn(work(TenantContext::for_host("acme".parse().unwrap())));
}
