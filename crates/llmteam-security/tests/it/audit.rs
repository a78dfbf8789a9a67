//! What must not build, since it would let a record be changed or an actor be made up.

// covers: AUD-10, AUD-20
#[test]
fn what_would_change_a_record_or_make_up_an_actor_does_not_build() {
    trybuild::TestCases::new().compile_fail("tests/ui/audit/*.rs");
}

#[cfg(test)]
#[cfg(all(unix, feature = "sqlite"))]
mod killed {
    //! Writers that are killed at any moment, and what they leave.

    use std::{
        collections::BTreeMap,
        io::{BufRead, BufReader},
        path::Path,
        process::{Command, Stdio},
        sync::Arc,
    };

    use llmteam_security::{
        SystemClock,
        audit::{
            AuditEvent, AuditEventType, AuditQuery, AuditStore, AuditTrail, CheckpointSigner,
            SignedNote, SqliteAuditStore, verify::VerifyOptions,
        },
        sql::SqliteDatabase,
    };

    const FOLDER: &str = "LLMTEAM_TEST_AUDIT_FOLDER";
    const NAME: &str = "audit::killed::a_killed_writer_leaves_whole_units_and_one_tree";

    async fn opened(folder: &Path) -> (SqliteDatabase, AuditTrail, Arc<SqliteAuditStore>) {
        let database = SqliteDatabase::open(folder.join("a.db")).await.unwrap();
        let table = [("1", "CREATE TABLE state (event TEXT NOT NULL UNIQUE)")];
        database.migrate("test-state", &table).await.unwrap();
        let store = Arc::new(SqliteAuditStore::open(database.clone()).await.unwrap());
        let tenant = "t".parse().unwrap();
        let trail = AuditTrail::new(store.clone(), tenant, Arc::new(SystemClock));
        (database, trail, store)
    }

    /// Changes state and records it, puts events aside, signs, and says what it has been told is done; for ever.
    async fn write(folder: &Path) {
        let (_, trail, _) = opened(folder).await;
        let mut signer = CheckpointSigner::open(folder.join("key"), folder.join("signed")).unwrap();
        loop {
            let id = llmteam_security::audit::generate_audit_id().unwrap();
            let mut session = trail.session().await.unwrap();
            let mut unit = session.begin().await.unwrap();
            sqlx::query("INSERT INTO state VALUES (?)")
                .bind(id.to_string())
                .execute(unit.sqlite().unwrap())
                .await
                .unwrap();
            unit.audit(AuditEvent::new(AuditEventType::ConfigChanged).with_id(id));
            unit.commit().await.unwrap();
            drop(session);
            println!("done {id}");
            let aside = AuditEvent::new(AuditEventType::ActionCompleted);
            trail.log_later(aside).await.unwrap();
            trail.flush().await.unwrap();
            let note = signer.sign(&trail).await.unwrap().to_string();
            println!("note {}", note.replace('\n', "|"));
        }
    }

    // covers: AUD-05, AUD-32, AUD-36
    #[test]
    fn a_killed_writer_leaves_whole_units_and_one_tree() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        if let Some(folder) = std::env::var_os(FOLDER) {
            return runtime.block_on(write(Path::new(&folder)));
        }
        let folder = tempfile::tempdir().unwrap();
        let (mut done, mut notes) = (Vec::new(), Vec::<SignedNote>::new());
        for kill in 0..12 {
            let mut child = Command::new(std::env::current_exe().unwrap())
                .args([NAME, "--exact", "--nocapture"])
                .env(FOLDER, folder.path())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let output = BufReader::new(child.stdout.take().unwrap());
            let mut told = 0;
            for line in output.lines() {
                let line = line.unwrap();
                // The first line of a test's output stands behind its name.
                if let Some((_, id)) = line.split_once("done ").filter(|it| it.1.len() == 36) {
                    done.push(id.to_owned());
                } else if let Some((_, note)) = line.split_once("note ") {
                    // A line that the kill cut off was not told.
                    let Ok(note) = note.replace('|', "\n").parse() else {
                        continue;
                    };
                    notes.push(note);
                } else {
                    continue;
                }
                told += 1;
                if told == 2 + kill * 3 {
                    // SIGKILL; what the child still does until it dies is the moment that is tried.
                    child.kill().unwrap();
                }
            }
            child.wait().unwrap();
        }
        assert!(done.len() > 100 && notes.len() > 100);
        runtime.block_on(check(folder.path(), &done, notes));
    }

    async fn check(folder: &Path, done: &[String], notes: Vec<SignedNote>) {
        let (database, trail, store) = opened(folder).await;
        let mut signer = CheckpointSigner::open(folder.join("key"), folder.join("signed")).unwrap();
        let last = signer.sign(&trail).await.unwrap();
        let query = AuditQuery {
            event_types: vec![AuditEventType::ConfigChanged],
            limit: 10_000,
            ..AuditQuery::default()
        };
        let records = trail.query(&query).await.unwrap();
        let mut reader = database.reader().await.unwrap();
        let state: Vec<String> = sqlx::query_scalar("SELECT event FROM state")
            .fetch_all(&mut *reader)
            .await
            .unwrap();
        drop(reader);
        let mut times: BTreeMap<String, u32> = BTreeMap::new();
        for record in &records {
            *times.entry(record.record_id().to_string()).or_default() += 1;
        }
        assert!(times.values().all(|it| *it == 1));
        assert_eq!(state.len(), times.len(), "each change has its record");
        assert!(state.iter().chain(done).all(|it| times.contains_key(it)));
        assert_eq!(store.waiting(trail.tenant()).await.unwrap(), 0);
        let head = store.head(trail.tenant()).await.unwrap().unwrap();
        let options = VerifyOptions {
            keys: signer.keys(head.origin()).unwrap(),
            checkpoints: [notes, vec![last]].concat(),
            ..VerifyOptions::default()
        };
        let whole = trail.verify(options).await.unwrap();
        assert!(whole.is_valid(), "{whole:?}");
    }
}
