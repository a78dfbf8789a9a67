//! `llmteam license`. Opens no database.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use llmteam::clock::{Clock, SystemClock};
use llmteam::licensing::{
    Day, LicenseInfo, LicenseLoadError, LicenseManager, LicenseReport, LicenseSigner,
    LicenseSource, LicenseTerms, TrustedKeys, read_unverified,
};
use llmteam::secret::Secret;
use serde::Serialize;
use serde_json::Value;

use crate::args::{Issue, License};
use crate::error::CliError;
use crate::{exit, input, output};

/// Shows, verifies and issues licences, and makes the keys for that.
pub(super) fn perform(args: License) -> Result<u8, CliError> {
    match args {
        License::Show { file, trust, json } => {
            let keys = TrustedKeys::new(&trust.keys)?;
            match file {
                Some(path) => examined(&path, keys).and_then(|it| it.show(json)),
                None => in_force(keys, json),
            }
        }
        License::Verify { file, trust } => {
            if trust.keys.is_empty() {
                return Err(CliError::usage("say with `--trust` whose licences count"));
            }
            let examined = examined(&file, TrustedKeys::new(&trust.keys)?)?;
            output::json(&examined, true)?;
            if let Some(reason) = &examined.reason {
                eprintln!("{reason}");
            }
            Ok(if examined.counts {
                exit::DONE
            } else {
                exit::FAILED
            })
        }
        License::Issue(args) => issue(args),
        License::Keygen { name, key } => {
            let (signer, private) = LicenseSigner::generate(&name)?;
            keep(&key, &private)?;
            output::line(&signer.public())?;
            Ok(exit::DONE)
        }
    }
}

/// What a file says, and whether that counts.
#[derive(Serialize)]
struct Examined {
    /// Whether a trusted key signed it and it counts now.
    counts: bool,
    /// Why it does not.
    reason: Option<String>,
    /// What it says, whoever wrote it.
    license: Value,
    /// Who signed it, by its own word.
    signer: String,
}

fn examined(path: &Path, keys: TrustedKeys) -> Result<Examined, CliError> {
    let text = input::text(path)?;
    let (terms, signer) = read_unverified(&text)?;
    let checked = LicenseManager::new(keys, Arc::new(SystemClock)).check(&text);
    let reason = checked.err().map(|error| error.to_string());
    Ok(Examined {
        counts: reason.is_none(),
        reason,
        license: serde_json::to_value(terms)?,
        signer,
    })
}

impl Examined {
    fn show(&self, json: bool) -> Result<u8, CliError> {
        if output::wants_json(json) {
            output::json(self, true)?;
        } else {
            let fields = self.license.as_object().into_iter().flatten();
            let shown = |value: &Value| {
                let text = value.as_str().map(str::to_owned);
                text.unwrap_or_else(|| value.to_string())
            };
            let rows: Vec<_> = fields
                .map(|(name, value)| [name.clone(), shown(value)])
                .chain([["signer".to_owned(), self.signer.clone()]])
                .collect();
            output::table(["FIELD", "VALUE"], &rows)?;
        }
        match &self.reason {
            None => eprintln!("it counts"),
            Some(reason) => eprintln!("it does not count here: {reason}"),
        }
        Ok(exit::DONE)
    }
}

/// What is in force, and what was found where.
#[derive(Serialize)]
struct InForce {
    #[serde(flatten)]
    info: LicenseInfo,
    sources: Vec<Source>,
}

#[derive(Serialize)]
struct Source {
    source: String,
    outcome: String,
}

fn in_force(keys: TrustedKeys, json: bool) -> Result<u8, CliError> {
    let loaded = LicenseManager::load(LicenseSource::usual(), keys, Arc::new(SystemClock));
    let (manager, LicenseReport(report), code) = match loaded {
        Ok((manager, report)) => (manager, report, exit::DONE),
        Err(LicenseLoadError(report)) => (LicenseManager::default(), report, exit::FAILED),
    };
    for (source, outcome) in &report {
        eprintln!("{source}: {outcome}");
    }
    if output::wants_json(json) {
        let sources = report.iter().map(|(source, outcome)| Source {
            source: source.to_string(),
            outcome: outcome.to_string(),
        });
        let shown = InForce {
            info: manager.get_info(),
            sources: sources.collect(),
        };
        output::json(&shown, true)?;
    } else {
        let mut status = Vec::new();
        manager.print_status(&mut status)?;
        output::line(String::from_utf8_lossy(&status).trim_end())?;
    }
    Ok(code)
}

fn issue(args: Issue) -> Result<u8, CliError> {
    let signer = LicenseSigner::from_private(&private(&args.key)?)?;
    let now = SystemClock.now();
    let terms = LicenseTerms {
        tier: args.tier,
        owner: args.owner,
        owner_email: args.email,
        features: args.features.into_iter().collect(),
        limits: args.limits.into_iter().collect(),
        issued_at: now,
        not_before: args.not_before.unwrap_or(Day::of(now)),
        expires: args.expires,
    };
    let text = signer.issue(&terms)?;
    if let Some(path) = args.output {
        std::fs::write(path, &text)?;
    }
    output::line(text.trim_end_matches('\n'))?;
    Ok(exit::DONE)
}

/// Writes a private key to a new file that its owner alone may read.
fn keep(path: &Path, key: &Secret) -> Result<(), CliError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let refused = |error: std::io::Error| {
        let message = format!("file `{}` cannot be made: {error}", path.display());
        CliError::usage(message)
    };
    let mut file = options.open(path).map_err(refused)?;
    writeln!(file, "{}", key.expose()).map_err(refused)?;
    file.sync_all().map_err(refused)
}

/// Reads a private key; one that others may read is refused.
fn private(path: &Path) -> Result<Secret, CliError> {
    let text = Secret::new(input::text(path)?);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(path)?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(CliError::FileUnreadable {
                path: path.to_owned(),
                reason: "others may read it; make it mode 0600".to_owned(),
            });
        }
    }
    Ok(text)
}
