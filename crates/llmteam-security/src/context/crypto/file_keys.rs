//! Tenants' keys in files, one per tenant.
//!
//! Invariant: a key file is readable by its owner alone, is no link, and names its tenant; one that is not so is
//! refused, not repaired. A file is replaced whole or not at all, and never made where one may have been lost.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
    fs::{self, File, OpenOptions},
    io::{ErrorKind, Read as _, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use data_encoding::HEXLOWER;
use zeroize::Zeroizing;

use super::{
    dek::WrappedDek,
    error::KeyError,
    kek::{DekBytes, KekRing, KekVersion, KeyProvider, WrapContext},
};
use crate::id::TenantId;

/// First line of a key file.
const HEAD: &str = "llmteam-kek 1";
/// No key file is longer, in bytes: room for some ten thousand versions.
const LONGEST: u64 = 1 << 20;
/// How often a file that is replaced while it is opened is looked at again.
const LOOKS: usize = 8;

/// Keys in `<folder>/<tenant>.kek`: a head line, a line with the tenant, then a line for each version, oldest first,
/// with its number and 64 hex digits. Several processes may change the keys of one folder.
#[derive(Clone, Debug)]
pub struct FileKeys {
    folder: Arc<Path>,
}

impl FileKeys {
    /// Keys in `folder`, which must exist.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into().into(),
        }
    }

    /// Makes a random key for `tenant`.
    ///
    /// # Errors
    /// [`KeyError::Exists`] if there is a file, whatever is in it; [`KeyError::Refused`], [`KeyError::Random`].
    pub async fn create(&self, tenant: &TenantId) -> Result<KekVersion, KeyError> {
        let it = self.at(tenant);
        it.blocking(|it| {
            let text = it.text(&KekRing::generate()?);
            let file = create_private(&it.path);
            file.and_then(|mut file| write_durably(&mut file, &text))
                .and_then(|()| sync_folder(&it.path))
                .map_err(|error| match error.kind() {
                    ErrorKind::AlreadyExists => KeyError::Exists {
                        tenant: it.tenant.clone(),
                        place: it.place(),
                    },
                    _ => it.refused(error),
                })?;
            Ok(KekVersion(1))
        })
        .await
    }

    fn at(&self, tenant: &TenantId) -> KeyFile {
        KeyFile {
            tenant: tenant.clone(),
            path: self.folder.join(format!("{tenant}.kek")),
        }
    }
}

#[async_trait]
impl KeyProvider for FileKeys {
    async fn wrap(&self, context: WrapContext<'_>, dek: &DekBytes) -> Result<WrappedDek, KeyError> {
        let ring = self.at(context.tenant).blocking(KeyFile::read).await?;
        ring.wrap(context, dek)
    }

    async fn unwrap(
        &self,
        context: WrapContext<'_>,
        wrapped: &WrappedDek,
    ) -> Result<DekBytes, KeyError> {
        let ring = self.at(context.tenant).blocking(KeyFile::read).await?;
        ring.unwrap(context, wrapped)
    }

    async fn current(&self, tenant: &TenantId) -> Result<KekVersion, KeyError> {
        let it = self.at(tenant);
        it.blocking(|it| {
            let current = it.read()?.current();
            current.ok_or_else(|| it.refused("it holds no key"))
        })
        .await
    }

    async fn rotate(&self, tenant: &TenantId) -> Result<KekVersion, KeyError> {
        let it = self.at(tenant);
        it.blocking(|it| it.change(|ring| Ok(ring.rotate()?))).await
    }

    async fn retire(&self, tenant: &TenantId, version: KekVersion) -> Result<(), KeyError> {
        let it = self.at(tenant);
        it.blocking(move |it| it.change(|ring| ring.retire(&it.tenant, version)))
            .await
    }
}

/// The key file of one tenant.
#[derive(Clone)]
struct KeyFile {
    tenant: TenantId,
    path: PathBuf,
}

impl KeyFile {
    async fn blocking<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Self) -> Result<T, KeyError> + Send + 'static,
    ) -> Result<T, KeyError> {
        let it = self.clone();
        let done = tokio::task::spawn_blocking(move || act(&it)).await;
        done.unwrap_or_else(|error| Err(self.refused(error)))
    }

    fn place(&self) -> String {
        format!("`{}`", self.path.display())
    }

    fn refused(&self, reason: impl fmt::Display) -> KeyError {
        KeyError::Refused {
            tenant: self.tenant.clone(),
            place: self.place(),
            reason: reason.to_string(),
        }
    }

    fn read(&self) -> Result<KekRing, KeyError> {
        let text = self.private_text()?;
        self.parse(&text).map_err(|reason| self.refused(reason))
    }

    /// The text of the file, if nobody else can read it.
    fn private_text(&self) -> Result<Zeroizing<String>, KeyError> {
        // A rotation puts another file in its place: then it is looked at again.
        for _ in 0..LOOKS {
            if let Some(text) = self.look()? {
                return Ok(text);
            }
        }
        Err(self.refused("it keeps changing while it is opened"))
    }

    /// The text of the file; none when another one took its place meanwhile.
    fn look(&self) -> Result<Option<Zeroizing<String>>, KeyError> {
        let found = fs::symlink_metadata(&self.path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => KeyError::Missing {
                tenant: self.tenant.clone(),
                place: self.place(),
            },
            _ => self.refused(error),
        })?;
        if !found.is_file() {
            return Err(self.refused("it is a link or no file"));
        }
        let file = File::open(&self.path).map_err(|error| self.refused(error))?;
        let opened = file.metadata().map_err(|error| self.refused(error))?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            if (found.dev(), found.ino()) != (opened.dev(), opened.ino()) {
                return Ok(None);
            }
            if opened.mode() & 0o077 != 0 {
                return Err(self.refused("others can read it; its mode must be 0600"));
            }
        }
        if opened.len() > LONGEST {
            return Err(self.refused("it is too long to be a key file"));
        }
        let mut text = Zeroizing::new(String::with_capacity(
            usize::try_from(opened.len()).unwrap_or(0) + 1,
        ));
        file.take(LONGEST)
            .read_to_string(&mut text)
            .map_err(|error| self.refused(error))?;
        Ok(Some(text))
    }

    fn parse(&self, text: &str) -> Result<KekRing, &'static str> {
        let mut lines = text.lines();
        if lines.next() != Some(HEAD) {
            return Err("its first line is not `llmteam-kek 1`");
        }
        if lines.next().and_then(|line| line.strip_prefix("tenant ")) != Some(self.tenant.as_str())
        {
            return Err("it is the key of another tenant");
        }
        let mut keys = BTreeMap::new();
        for line in lines {
            let (version, key) = line.split_once(' ').ok_or("a line is no `version key`")?;
            let version = version.parse().map(KekVersion);
            let version = version.map_err(|_| "a version is no number")?;
            let bytes = HEXLOWER.decode(key.as_bytes()).map(Zeroizing::new);
            let bytes = bytes.map_err(|_| "a key is not hex")?;
            let key: [u8; 32] = bytes
                .as_slice()
                .try_into()
                .map_err(|_| "a key is not 32 bytes")?;
            if version.0 == 0
                || keys
                    .last_key_value()
                    .is_some_and(|(last, _)| *last >= version)
            {
                return Err("versions do not grow from 1");
            }
            keys.insert(version, Zeroizing::new(key));
        }
        if keys.is_empty() {
            return Err("it holds no key");
        }
        Ok(KekRing { keys })
    }

    fn text(&self, ring: &KekRing) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(200 + 80 * ring.keys.len()));
        // Writing to a text has no error.
        let _ = writeln!(text, "{HEAD}\ntenant {}", self.tenant);
        for (version, key) in &ring.keys {
            let key = Zeroizing::new(HEXLOWER.encode(&**key));
            let _ = writeln!(text, "{version} {}", *key);
        }
        text
    }

    /// Changes the ring and puts the new file in the place of the old one.
    fn change<T>(
        &self,
        act: impl FnOnce(&mut KekRing) -> Result<T, KeyError>,
    ) -> Result<T, KeyError> {
        // Where a key was lost nothing is made, not even a lock.
        self.read()?;
        let _one_at_a_time = self.lock().map_err(|error| self.refused(error))?;
        let beside = self.path.with_extension("kek.new");
        let mut file = match fs::remove_file(&beside) {
            // Left by a process that died while it changed the key.
            Ok(()) => create_private(&beside),
            Err(error) if error.kind() == ErrorKind::NotFound => create_private(&beside),
            Err(error) => Err(error),
        }
        .map_err(|error| self.refused(error))?;
        let changed = self.read().and_then(|mut ring| {
            let done = act(&mut ring)?;
            write_durably(&mut file, &self.text(&ring))
                .and_then(|()| fs::rename(&beside, &self.path))
                .and_then(|()| sync_folder(&self.path))
                .map_err(|error| self.refused(error))?;
            Ok(done)
        });
        if changed.is_err() {
            // After a rename there is nothing left to remove.
            let _ = fs::remove_file(&beside);
        }
        changed
    }

    /// Changes come one after another, those of other processes too. The system lets go for a process that dies.
    fn lock(&self) -> std::io::Result<File> {
        let lock = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(self.path.with_extension("kek.lock"))?;
        lock.lock()?;
        Ok(lock)
    }
}

fn create_private(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn write_durably(file: &mut File, text: &str) -> std::io::Result<()> {
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Makes the entry of `path` in its folder durable.
fn sync_folder(path: &Path) -> std::io::Result<()> {
    match path.parent() {
        Some(folder) if cfg!(unix) => File::open(folder)?.sync_all(),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
