//! Who owns a run: a process of a host, recognised after a crash, a reboot or the reuse of its id.
//!
//! Invariant: an owner is called gone only when its process certainly is; a process that cannot be seen from
//! here (another host, another container) counts as alive. Two owners are the same when they are one process.

use std::{fmt, sync::OnceLock};

use llmteam_security::id::{RunId, TenantId};

use super::error::JournalError;

/// A process that owns runs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Owner {
    host: String,
    pid: u32,
    process_started: u64,
}

impl Owner {
    /// This process.
    pub fn current() -> Self {
        static CURRENT: OnceLock<Owner> = OnceLock::new();
        let current = CURRENT.get_or_init(|| {
            let pid = std::process::id();
            // A process that cannot learn its own start is told apart by its id alone.
            Self::new(
                host::id(),
                pid,
                process::started(pid).seen().unwrap_or_default(),
            )
        });
        current.clone()
    }

    /// The process with the id `pid` on `host`; `process_started` tells it from others that had the id.
    pub fn new(host: impl Into<String>, pid: u32, process_started: u64) -> Self {
        Self {
            host: host.into(),
            pid,
            process_started,
        }
    }

    /// The host it runs on.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Its process id there.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Names the start of the process; only good for comparing.
    pub fn process_started(&self) -> u64 {
        self.process_started
    }

    /// Whether its process has certainly ended.
    pub fn is_gone(&self) -> bool {
        let current = Self::current();
        if self.host != current.host || *self == current {
            return false;
        }
        match process::started(self.pid) {
            process::Seen::Running(started) => started != self.process_started,
            process::Seen::Gone => true,
            process::Seen::Unknown => false,
        }
    }

    /// Whether this process may own a run that `present` owns so far.
    pub(super) fn may_follow(
        &self,
        present: Option<&Self>,
        run: &RunId,
    ) -> Result<(), JournalError> {
        match present {
            Some(other) if other != self && !other.is_gone() => Err(JournalError::RunActive {
                run: run.clone(),
                owner: other.clone(),
            }),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {} of host `{}`", self.pid, self.host)
    }
}

/// Proof that its holder owns a run. Only a journal makes one, and there is one per epoch.
#[derive(Debug)]
pub struct Lease {
    /// Whose run it is.
    pub tenant: TenantId,
    /// The run.
    pub run: RunId,
    /// Raised with every owner: the fencing token.
    pub epoch: u64,
    /// The store's own key of the run.
    pub(super) key: i64,
    /// Set once the run has ended, which gives the lease back.
    pub(super) ended: std::sync::atomic::AtomicBool,
}

impl Lease {
    pub(super) fn new(tenant: TenantId, run: RunId, epoch: u64, key: i64) -> Self {
        Self {
            tenant,
            run,
            epoch,
            key,
            ended: false.into(),
        }
    }
}

mod host {
    //! The name of this host, the same for all its processes.

    /// The machine's id, or its name. In a container, where machine ids are often copies of each other, both.
    pub(super) fn id() -> String {
        let name = || read(&["/proc/sys/kernel/hostname", "/etc/hostname"]);
        let machine = read(&["/etc/machine-id", "/var/lib/dbus/machine-id"]);
        let id = match machine {
            Some(machine) if in_container() => format!("{machine}/{}", name().unwrap_or_default()),
            Some(machine) => machine,
            None => name()
                .or_else(|| std::env::var("HOSTNAME").ok())
                .or_else(|| std::env::var("COMPUTERNAME").ok())
                .unwrap_or_default(),
        };
        if id.is_empty() {
            "localhost".to_owned()
        } else {
            id
        }
    }

    /// Whether processes are numbered by something smaller than the machine. 4026531836 is the kernel's
    /// fixed number of the first such space.
    fn in_container() -> bool {
        std::fs::read_link("/proc/self/ns/pid")
            .is_ok_and(|space| space.as_os_str() != "pid:[4026531836]")
    }

    fn read(paths: &[&str]) -> Option<String> {
        let texts = paths
            .iter()
            .filter_map(|path| std::fs::read_to_string(path).ok());
        texts
            .map(|text| text.trim().to_owned())
            .find(|text| !text.is_empty())
    }
}

mod process {
    //! When a process of this host began.

    use sha2::{Digest, Sha256};

    /// What can be seen of a process id.
    pub(super) enum Seen {
        /// A process has it, which began then.
        Running(u64),
        /// No process has it.
        Gone,
        /// It cannot be told.
        Unknown,
    }

    impl Seen {
        pub(super) fn seen(self) -> Option<u64> {
            match self {
                Self::Running(started) => Some(started),
                Self::Gone | Self::Unknown => None,
            }
        }
    }

    /// The start within this boot, hashed with the boot's id: a process that begins at the same moment after
    /// a reboot is another one.
    #[cfg(target_os = "linux")]
    pub(super) fn started(pid: u32) -> Seen {
        use std::{fs, io};
        let stat = match fs::read(format!("/proc/{pid}/stat")) {
            Ok(stat) => stat,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // Without /proc nothing is ever found.
                return if fs::exists("/proc/self/stat").unwrap_or(false) {
                    Seen::Gone
                } else {
                    Seen::Unknown
                };
            }
            // ESRCH: it ended while it was being read.
            Err(error) if error.raw_os_error() == Some(3) => return Seen::Gone,
            Err(_) => return Seen::Unknown,
        };
        let Some((state, ticks)) = state_and_start(&String::from_utf8_lossy(&stat)) else {
            return Seen::Unknown;
        };
        // A zombie has ended; only its parent has not looked yet.
        if matches!(state, 'Z' | 'X' | 'x') {
            return Seen::Gone;
        }
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        Seen::Running(fingerprint(&[boot.trim(), &ticks]))
    }

    /// Fields 3 and 22 of proc_pid_stat(5). The second field is the program's name, which may hold anything.
    #[cfg(target_os = "linux")]
    fn state_and_start(stat: &str) -> Option<(char, String)> {
        let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
        let state = fields.next()?.chars().next()?;
        Some((state, fields.nth(18)?.to_owned()))
    }

    /// The start as `ps` writes it.
    #[cfg(all(unix, not(target_os = "linux")))]
    pub(super) fn started(pid: u32) -> Seen {
        let listed = std::process::Command::new("ps")
            .args(["-o", "lstart=", "-p", &pid.to_string()])
            .env("LC_ALL", "C")
            .env("TZ", "UTC")
            .output();
        match listed {
            Ok(listed) => match String::from_utf8_lossy(&listed.stdout).trim() {
                "" => Seen::Gone,
                start => Seen::Running(fingerprint(&[start])),
            },
            Err(_) => Seen::Unknown,
        }
    }

    #[cfg(not(unix))]
    pub(super) fn started(_pid: u32) -> Seen {
        Seen::Unknown
    }

    #[cfg(unix)]
    fn fingerprint(parts: &[&str]) -> u64 {
        let digest = Sha256::digest(parts.join("\n"));
        let mut first = [0; 8];
        first.copy_from_slice(&digest[..8]);
        // Databases store signed numbers.
        u64::from_be_bytes(first) >> 1
    }

    #[cfg(all(test, target_os = "linux"))]
    mod tests {
        #[test]
        fn a_program_may_be_called_anything() {
            let rest = (4..=21)
                .map(|n| n.to_string())
                .collect::<Vec<_>>()
                .join(" ");
            let stat = format!("77 (a) b (S) R) S {rest} 987654 23 24");
            assert_eq!(
                super::state_and_start(&stat),
                Some(('S', "987654".to_owned()))
            );
            assert_eq!(super::state_and_start("77 (a) S 4 5"), None);
        }
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    /// A child that waits, and the owner it would be.
    fn child() -> (std::process::Child, Owner) {
        let child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let started = process::started(child.id()).seen().unwrap();
        let owner = Owner::new(Owner::current().host, child.id(), started);
        (child, owner)
    }

    #[test]
    fn a_process_is_gone_when_it_has_ended_even_before_its_parent_looks() {
        let (mut child, owner) = child();
        assert!(!owner.is_gone());
        child.kill().unwrap();
        // Nobody has waited for it yet: it is a zombie soon.
        let mut looks = 0;
        while !owner.is_gone() {
            looks += 1;
            assert!(looks < 1_000_000, "a killed child counts as alive");
            std::thread::yield_now();
        }
        child.wait().unwrap();
        assert!(owner.is_gone());
    }

    #[test]
    fn a_reused_process_id_is_another_process() {
        let (mut child, owner) = child();
        let earlier = Owner {
            process_started: owner.process_started ^ 1,
            ..owner.clone()
        };
        assert!(earlier.is_gone());
        assert!(!owner.is_gone());
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn what_cannot_be_seen_counts_as_alive() {
        let here = Owner::current();
        assert!(!here.is_gone());
        assert_eq!(here, Owner::current());
        let elsewhere = Owner {
            host: "elsewhere".to_owned(),
            ..here
        };
        assert!(!elsewhere.is_gone());
    }
}
