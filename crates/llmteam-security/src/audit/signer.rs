//! Signs the heads of logs, and remembers what it signed where the database cannot reach it.
//!
//! Invariant: for one log it never signs two roots of one size, nor a shorter log after a longer one, nor a log that does
//! not continue what it signed before: it keeps the right edge of each tree itself. What it signs is remembered on disk
//! before anybody sees it. It does not know who keeps checkpoints: that is what makes them worth something.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{Read, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{
    checkpoint::Checkpoint,
    error::AuditError,
    event::AuditEvent,
    event_type::AuditEventType,
    note::{NoteKey, NoteSigner, SignedNote},
    random,
    record::AuditRecord,
    trail::AuditTrail,
    tree::Frontier,
};
use crate::clock::Timestamp;

/// A log is signed again after this long, when it grew.
const EVERY: Duration = Duration::from_secs(1);
/// Or after so many records.
const RECORDS: u64 = 256;
/// Hashes read at a time.
const PIECE: u64 = 65_536;

/// Signs checkpoints with a key of its own.
pub struct CheckpointSigner {
    seed: Zeroizing<[u8; 32]>,
    /// The key before, which signs as well until it is retired.
    previous: Option<Zeroizing<[u8; 32]>>,
    path: PathBuf,
    /// Held for as long as the signer lives: one process signs.
    _lock: File,
    signed: BTreeMap<String, Signed>,
    last_time: BTreeMap<String, Timestamp>,
}

/// What was signed last of a log.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Signed {
    size: u64,
    frontier: String,
    note: String,
}

impl CheckpointSigner {
    /// A signer with the key in file `key` and what it signed in file `state`. Both are made when they are absent,
    /// readable by their owner alone. A key that others may read is refused.
    pub fn open(key: impl AsRef<Path>, state: impl Into<PathBuf>) -> Result<Self, AuditError> {
        let path = state.into();
        let lock_path = path.with_extension("lock");
        let lock = private(OpenOptions::new().create(true).write(true).truncate(false))
            .open(&lock_path)
            .map_err(|error| unusable(&lock_path, error))?;
        lock.try_lock().map_err(|error| {
            unusable(&lock_path, format_args!("another process signs: {error}"))
        })?;
        Ok(Self {
            seed: read_key(key.as_ref())?,
            previous: None,
            signed: read_state(&path)?,
            last_time: BTreeMap::new(),
            path,
            _lock: lock,
        })
    }

    /// The same signer, whose checkpoints the key in file `key` signs as well: the one used before.
    pub fn with_previous_key(mut self, key: impl AsRef<Path>) -> Result<Self, AuditError> {
        self.previous = Some(read_key(key.as_ref())?);
        Ok(self)
    }

    /// The keys that verify this signer's checkpoints of `origin`, the newest first.
    pub fn keys(&self, origin: &str) -> Result<Vec<NoteKey>, AuditError> {
        let signers = self.signers(origin)?;
        Ok(signers.iter().map(|it| it.public().clone()).collect())
    }

    fn signers(&self, origin: &str) -> Result<Vec<NoteSigner>, AuditError> {
        let seeds = std::iter::once(&self.seed).chain(&self.previous);
        seeds.map(|seed| NoteSigner::new(origin, seed)).collect()
    }

    /// What was signed last of the log `origin`.
    pub fn last(&self, origin: &str) -> Option<SignedNote> {
        self.signed.get(origin)?.note.parse().ok()
    }

    /// Signs the end of the trail's log. A log that has not grown gives the checkpoint it has.
    ///
    /// # Errors
    /// [`AuditError::Fork`] when the log does not continue what was signed before.
    pub async fn sign(&mut self, trail: &AuditTrail) -> Result<SignedNote, AuditError> {
        let head = match trail.store.head(&trail.tenant).await? {
            Some(head) => head,
            None => trail.initialize().await?,
        };
        let checkpoint = head.checkpoint();
        let frontier = self.continued(trail, &checkpoint).await?;
        let now = trail.clock.now();
        if let Some(signed) = self.signed.get(&checkpoint.origin)
            && signed.size == checkpoint.size
        {
            return signed.note.parse();
        }
        let mut note = checkpoint.to_note()?;
        let seconds = u64::try_from(now.as_micros() / 1_000_000).unwrap_or(0);
        for signer in self.signers(&checkpoint.origin)? {
            signer.sign(&mut note, seconds);
        }
        let signed = Signed {
            size: checkpoint.size,
            frontier: data_encoding::HEXLOWER.encode(&frontier.to_bytes()),
            note: note.to_string(),
        };
        let before = self.signed.insert(checkpoint.origin.clone(), signed);
        if let Err(error) = write_state(&self.path, &self.signed) {
            match before {
                Some(before) => self.signed.insert(checkpoint.origin, before),
                None => self.signed.remove(&checkpoint.origin),
            };
            return Err(error);
        }
        self.last_time.insert(checkpoint.origin, now);
        Ok(note)
    }

    /// As [`Self::sign`], when the log grew and a second or 256 records have passed.
    pub async fn sign_if_due(
        &mut self,
        trail: &AuditTrail,
    ) -> Result<Option<SignedNote>, AuditError> {
        let Some(head) = trail.store.head(&trail.tenant).await? else {
            return Ok(None);
        };
        let signed = self.signed.get(head.origin()).map_or(0, |it| it.size);
        let grew = head.size().saturating_sub(signed);
        let since = self.last_time.get(head.origin());
        let rested = since.is_none_or(|last| trail.clock.now().since(*last) >= EVERY);
        if signed <= head.size() && (grew == 0 || (grew < RECORDS && !rested)) {
            return Ok(None);
        }
        self.sign(trail).await.map(Some)
    }

    /// The tree that was signed, with the log's new leaves, which must make the log's root.
    async fn continued(
        &self,
        trail: &AuditTrail,
        checkpoint: &Checkpoint,
    ) -> Result<Frontier, AuditError> {
        let fork = |reason: String| AuditError::Fork {
            origin: checkpoint.origin.clone(),
            size: checkpoint.size,
            reason,
        };
        let mut frontier = match self.signed.get(&checkpoint.origin) {
            None => Frontier::default(),
            Some(signed) => {
                let bytes = data_encoding::HEXLOWER.decode(signed.frontier.as_bytes());
                let frontier = bytes
                    .ok()
                    .and_then(|it| Frontier::from_bytes(signed.size, &it));
                frontier.ok_or_else(|| unusable(&self.path, "what was signed is damaged"))?
            }
        };
        let before = frontier.size();
        if checkpoint.size < before {
            return Err(fork(format!("size {before} was signed")));
        }
        while frontier.size() < checkpoint.size {
            let (start, end) = (
                frontier.size(),
                checkpoint.size.min(frontier.size() + PIECE),
            );
            let leaves = trail.store.leaves(&trail.tenant, start, end).await?;
            if leaves.len() as u64 != end - start {
                return Err(fork(format!(
                    "hashes of records {start} to {end} are missing"
                )));
            }
            leaves.into_iter().for_each(|leaf| frontier.push(leaf));
        }
        if frontier.root() != checkpoint.root {
            return Err(fork(format!(
                "it does not continue what was signed at size {before}"
            )));
        }
        Ok(frontier)
    }

    /// Records that this signer's key takes over from its previous one; both sign until [`Self::retire`].
    pub async fn announce(&self, trail: &AuditTrail) -> Result<AuditRecord, AuditError> {
        self.record(trail, "new").await
    }

    /// Records that the previous key is no longer valid, and stops signing with it.
    pub async fn retire(&mut self, trail: &AuditTrail) -> Result<AuditRecord, AuditError> {
        let record = self.record(trail, "remaining").await?;
        self.previous = None;
        Ok(record)
    }

    async fn record(&self, trail: &AuditTrail, role: &str) -> Result<AuditRecord, AuditError> {
        let head = trail.initialize().await?;
        let keys = self.keys(head.origin())?;
        let mut event = AuditEvent::new(AuditEventType::KeyRotated).with_attribute("as", role);
        for (name, key) in ["key", "previous"].iter().zip(&keys) {
            event = event.with_attribute(name, key.to_string());
        }
        trail.log(event).await
    }
}

impl std::fmt::Debug for CheckpointSigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CheckpointSigner")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

fn unusable(path: &Path, reason: impl std::fmt::Display) -> AuditError {
    AuditError::Key {
        name: path.display().to_string(),
        reason: reason.to_string(),
    }
}

fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

/// Reads a key of 64 hex digits, or makes one.
fn read_key(path: &Path) -> Result<Zeroizing<[u8; 32]>, AuditError> {
    let fault = |error: std::io::Error| unusable(path, error);
    match private(OpenOptions::new().write(true).create_new(true)).open(path) {
        Ok(mut file) => {
            let seed: Zeroizing<[u8; 32]> = Zeroizing::new(random::bytes()?);
            let text = Zeroizing::new(data_encoding::HEXLOWER.encode(&*seed));
            file.write_all(text.as_bytes()).map_err(fault)?;
            file.sync_all().map_err(fault)?;
            return Ok(seed);
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(fault(error)),
    }
    let mut file = File::open(path).map_err(fault)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = file.metadata().map_err(fault)?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(unusable(path, "others may read it; make it mode 0600"));
        }
    }
    let mut text = Zeroizing::new(String::new());
    file.read_to_string(&mut text).map_err(fault)?;
    let bytes = data_encoding::HEXLOWER.decode(text.trim().as_bytes());
    let seed = bytes.ok().and_then(|it| it.try_into().ok());
    seed.map(Zeroizing::new)
        .ok_or_else(|| unusable(path, "it is not 64 hex digits"))
}

fn read_state(path: &Path) -> Result<BTreeMap<String, Signed>, AuditError> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map_err(|_| unusable(path, "what was signed cannot be read")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(error) => Err(unusable(path, error)),
    }
}

/// Writes beside and renames, so that a crash leaves the old file or the new one.
fn write_state(path: &Path, state: &BTreeMap<String, Signed>) -> Result<(), AuditError> {
    let beside = path.with_extension("new");
    let write = || {
        let mut file =
            private(OpenOptions::new().write(true).create(true).truncate(true)).open(&beside)?;
        file.write_all(&serde_json::to_vec(state)?)?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        match path.parent().filter(|it| !it.as_os_str().is_empty()) {
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    };
    write().map_err(|error: std::io::Error| unusable(path, error))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        audit::{AuditStore, MemoryAuditStore, store::contract, verify::VerifyOptions},
        clock::ManualClock,
    };

    struct Place(tempfile::TempDir);

    impl Place {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn signer(&self) -> CheckpointSigner {
            CheckpointSigner::open(self.0.path().join("key"), self.0.path().join("state")).unwrap()
        }
    }

    fn trail(store: &MemoryAuditStore, clock: &ManualClock) -> AuditTrail {
        AuditTrail::new(
            Arc::new(store.clone()),
            contract::tenant("t"),
            Arc::new(clock.clone()),
        )
    }

    async fn add(trail: &AuditTrail, n: usize) {
        let events = (0..n).map(|_| AuditEvent::new(AuditEventType::DataCreated));
        trail.log_all(events.collect()).await.unwrap();
    }

    // covers: AUD-36
    #[tokio::test]
    async fn a_log_that_grew_is_signed_and_every_checkpoint_holds() {
        let (place, clock) = (Place::new(), ManualClock::new(Timestamp::from_micros(0)));
        let store = MemoryAuditStore::new().unwrap();
        let trail = trail(&store, &clock);
        let mut signer = place.signer();
        let mut notes = Vec::new();
        for n in [1, 300, 7] {
            add(&trail, n).await;
            notes.push(signer.sign(&trail).await.unwrap());
            // The process ends and another takes over, with the same key and memory.
            drop(signer);
            signer = place.signer();
            assert_eq!(signer.sign(&trail).await.unwrap(), *notes.last().unwrap());
        }
        let origin = trail.initialize().await.unwrap().origin().to_owned();
        assert_eq!(signer.last(&origin).as_ref(), notes.last());
        let options = VerifyOptions {
            keys: signer.keys(&origin).unwrap(),
            checkpoints: notes,
            ..Default::default()
        };
        let whole = trail.verify(options).await.unwrap();
        assert!(whole.is_valid() && whole.covered_size == 309, "{whole:?}");
    }

    // covers: AUD-36
    #[tokio::test]
    async fn it_is_due_after_a_second_or_256_records() {
        let (place, clock) = (Place::new(), ManualClock::new(Timestamp::from_micros(0)));
        let trail = trail(&MemoryAuditStore::new().unwrap(), &clock);
        let mut signer = place.signer();
        assert!(signer.sign_if_due(&trail).await.unwrap().is_none());
        for (n, wait, due) in [
            (1, 0, true),
            (0, 5_000, false),
            (1, 10, true),
            (255, 0, false),
            (1, 0, true),
            (1, 999, false),
            (0, 1, true),
        ] {
            add(&trail, n).await;
            clock.advance(Duration::from_millis(wait)).await;
            assert_eq!(
                signer.sign_if_due(&trail).await.unwrap().is_some(),
                due,
                "{n} {wait}"
            );
        }
    }

    // covers: AUD-36
    #[tokio::test]
    async fn a_fork_and_a_shorter_log_are_refused_a_thousand_times() {
        let (place, clock) = (Place::new(), ManualClock::new(Timestamp::from_micros(0)));
        let store = MemoryAuditStore::new().unwrap();
        let trail = trail(&store, &clock);
        add(&trail, 20).await;
        let mut signer = place.signer();
        let good = signer.sign(&trail).await.unwrap();
        let head = store.head(trail.tenant()).await.unwrap().unwrap();
        let mut refused = 0;
        for n in 0..1_000_u64 {
            let mut fork = head.clone();
            fork.frontier = Frontier::default();
            for leaf in 0..1 + n % 60 {
                let bytes = [n.to_be_bytes(), leaf.to_be_bytes()].concat();
                fork.frontier.push(super::super::hash::leaf(&bytes));
            }
            let error = signer
                .continued(&trail, &fork.checkpoint())
                .await
                .unwrap_err();
            refused += usize::from(matches!(error, AuditError::Fork { .. }));
        }
        assert_eq!(refused, 1_000);
        assert_eq!(signer.sign(&trail).await.unwrap(), good);
    }

    // covers: AUD-37
    #[tokio::test]
    async fn both_keys_sign_while_one_takes_over() {
        let (place, clock) = (Place::new(), ManualClock::new(Timestamp::from_micros(0)));
        let trail = trail(&MemoryAuditStore::new().unwrap(), &clock);
        add(&trail, 1).await;
        let origin = trail.initialize().await.unwrap().origin().to_owned();
        let old = place.signer().keys(&origin).unwrap();
        let folder = place.0.path();
        let mut signer = CheckpointSigner::open(folder.join("key2"), folder.join("state"))
            .unwrap()
            .with_previous_key(folder.join("key"))
            .unwrap();
        let record = signer.announce(&trail).await.unwrap();
        assert_eq!(record.event_type(), AuditEventType::KeyRotated);
        let note = signer.sign(&trail).await.unwrap();
        for key in old.iter().chain(&signer.keys(&origin).unwrap()) {
            assert_eq!(key.verify(&note), Some(true));
        }
        signer.retire(&trail).await.unwrap();
        let note = signer.sign(&trail).await.unwrap();
        assert_eq!(old[0].verify(&note), None);
        assert!(
            trail
                .verify(VerifyOptions::default())
                .await
                .unwrap()
                .is_valid()
        );
    }

    // covers: AUD-37
    #[test]
    fn a_key_is_private_and_one_process_signs() {
        let place = Place::new();
        let signer = place.signer();
        let again =
            CheckpointSigner::open(place.0.path().join("key"), place.0.path().join("state"));
        assert!(
            again
                .unwrap_err()
                .to_string()
                .contains("another process signs")
        );
        drop(signer);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let key = place.0.path().join("key");
            assert_eq!(
                fs::metadata(&key).unwrap().permissions().mode() & 0o777,
                0o600
            );
            fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
            let error = CheckpointSigner::open(&key, place.0.path().join("state")).unwrap_err();
            assert!(error.to_string().contains("0600"), "{error}");
        }
    }
}
