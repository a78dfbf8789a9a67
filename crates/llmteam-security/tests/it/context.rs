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

#[cfg(test)]
#[cfg(all(unix, feature = "sqlite"))]
mod killed {
    //! Whoever rotates and destroys keys is killed at any moment; what is left opens or is reported erased.

    use std::{
        collections::{BTreeMap, BTreeSet},
        io::{BufRead, BufReader},
        path::Path,
        process::{Command, Stdio},
        sync::Arc,
    };

    use llmteam_security::{
        AgentId, RunId, SystemClock, TenantId,
        context::crypto::{
            DekStatus, FileKeys, KeyProvider, MemoryKeyLog, SealError, SealedBlob, Slot,
            SqliteDekStore, Vault,
        },
        sql::SqliteDatabase,
    };

    const FOLDER: &str = "LLMTEAM_TEST_KEYS_FOLDER";
    const NAME: &str = "context::killed::a_killed_rotation_leaves_every_value_open_or_erased";

    struct Opened {
        vault: Vault,
        keys: Arc<FileKeys>,
        tenant: TenantId,
        agent: AgentId,
    }

    async fn opened(folder: &Path) -> Opened {
        let database = SqliteDatabase::open(folder.join("keys.db")).await.unwrap();
        let keys = Arc::new(FileKeys::new(folder));
        let store = Arc::new(SqliteDekStore::open(database).await.unwrap());
        let log = Arc::new(MemoryKeyLog::new());
        Opened {
            vault: Vault::new(keys.clone(), store, log, Arc::new(SystemClock)),
            keys,
            tenant: "acme".parse().unwrap(),
            agent: "writer".parse().unwrap(),
        }
    }

    impl Opened {
        fn slot(&self) -> Slot<'_> {
            Slot {
                agent: &self.agent,
                name: "card",
                version: 1,
            }
        }

        async fn open(&self, run: &RunId, blob: &SealedBlob) -> Result<Vec<u8>, SealError> {
            let key = self.vault.run_key(&self.tenant, run).await?;
            key.open(self.slot(), blob).map(|it| it.to_vec())
        }

        /// Seals, rotates, wraps anew, retires and destroys, and says what is about to be and what is done; for ever.
        async fn work(&self, from: u32) {
            for n in from.. {
                let run: RunId = format!("r{n}").parse().unwrap();
                let key = self.vault.run_key(&self.tenant, &run).await.unwrap();
                let blob = key.seal(self.slot(), run.as_str().as_bytes()).unwrap();
                drop(key);
                println!("sealed {run} {}.", blob.to_text());
                let old = self.keys.current(&self.tenant).await.unwrap();
                self.vault.rotate(&self.tenant).await.unwrap();
                let report = self.vault.rewrap(&self.tenant).await.unwrap();
                assert!(report.failed.is_empty(), "{report:?}");
                self.vault.retire(&self.tenant, old).await.unwrap();
                if n % 3 == 0 {
                    println!("shredding {run} now.");
                    self.vault.shred(&self.tenant, &run).await.unwrap();
                    println!("shredded {run} now.");
                }
            }
        }
    }

    // covers: CTX-33
    #[test]
    fn a_killed_rotation_leaves_every_value_open_or_erased() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        if let Some(folder) = std::env::var_os(FOLDER) {
            let folder = Path::new(&folder);
            let from = std::fs::read_to_string(folder.join("from")).unwrap();
            return runtime
                .block_on(async { opened(folder).await.work(from.parse().unwrap()).await });
        }
        let folder = tempfile::tempdir().unwrap();
        let mut sealed = BTreeMap::new();
        let (mut begun, mut shredded) = (BTreeSet::new(), BTreeSet::new());
        runtime.block_on(async {
            let it = opened(folder.path()).await;
            it.keys.create(&it.tenant).await.unwrap();
        });
        for kill in 0..16_u64 {
            std::fs::write(folder.path().join("from"), (kill * 100).to_string()).unwrap();
            let mut child = Command::new(std::env::current_exe().unwrap())
                .args([NAME, "--exact", "--nocapture"])
                .env(FOLDER, folder.path())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let output = BufReader::new(child.stdout.take().unwrap());
            let mut told = 0;
            for line in output.lines().map_while(Result::ok) {
                // The first line of a test's output stands behind its name; one without its end was cut off.
                let words: Vec<_> = line.trim_end_matches('.').split(' ').collect();
                let Some([what, run, rest]) = words.last_chunk() else {
                    continue;
                };
                if !line.ends_with('.') {
                    continue;
                }
                match *what {
                    "sealed" => drop(sealed.insert((*run).to_owned(), (*rest).to_owned())),
                    "shredding" => drop(begun.insert((*run).to_owned())),
                    "shredded" => drop(shredded.insert((*run).to_owned())),
                    _ => continue,
                }
                told += 1;
                if told == 1 + kill % 5 {
                    // Some way into what follows the line; SIGKILL.
                    std::thread::sleep(std::time::Duration::from_micros(kill * 700));
                    child.kill().unwrap();
                }
            }
            child.wait().unwrap();
            runtime.block_on(check(folder.path(), &sealed, &begun, &shredded));
        }
        assert!(sealed.len() >= 16 && !shredded.is_empty());
    }

    async fn check(
        folder: &Path,
        sealed: &BTreeMap<String, String>,
        begun: &BTreeSet<String>,
        shredded: &BTreeSet<String>,
    ) {
        let it = opened(folder).await;
        for (name, blob) in sealed {
            let run: RunId = name.parse().unwrap();
            let blob = SealedBlob::from_text(blob).unwrap();
            match it.vault.status(&it.tenant, &blob).await.unwrap() {
                DekStatus::Live(_) => {
                    assert!(!shredded.contains(name), "{name} came back");
                    assert_eq!(it.open(&run, &blob).await.unwrap(), name.as_bytes());
                }
                DekStatus::Erased => {
                    assert!(begun.contains(name), "{name} is lost");
                    assert!(matches!(
                        it.open(&run, &blob).await,
                        Err(SealError::Erased { .. })
                    ));
                }
                DekStatus::Unknown => panic!("{name} has no key"),
            }
        }
        // The next one goes on where the dead one stopped.
        it.vault.rewrap(&it.tenant).await.unwrap();
        it.vault.rotate(&it.tenant).await.unwrap();
    }
}
