//! Where licences are found.

use std::{fs, path::PathBuf};

use super::*;
use crate::licensing::{LicenseSource, SourceOutcome};

/// A folder of its own, gone with the value.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let name =
            llmteam_security::id::generate("llmteam-licences-", &llmteam_security::SystemClock);
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, text: &str) -> LicenseSource {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        LicenseSource::File(path)
    }

    fn absent(&self) -> LicenseSource {
        LicenseSource::File(self.0.join("absent"))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed is the system's to clean up.
        let _ = fs::remove_dir_all(&self.0);
    }
}

// covers: L9
#[test]
fn the_first_source_with_a_licence_counts_and_all_are_reported() {
    let (folder, signer) = (Folder::new(), signer());
    let small = folder.file(
        "a",
        &signer.issue(&terms(LicenseTier::Professional)).unwrap(),
    );
    let large = folder.file("b", &signer.issue(&terms(LicenseTier::Enterprise)).unwrap());
    let unset = LicenseSource::Environment("LLMTEAM_TEST_UNSET".into());
    let sources = [unset, folder.absent(), small, large];
    let (manager, report) =
        LicenseManager::load(sources, keys(&signer), Arc::new(clock())).unwrap();
    assert_eq!(manager.current_tier(), LicenseTier::Professional);
    let outcomes: Vec<String> = report
        .0
        .iter()
        .map(|(_, outcome)| outcome.to_string())
        .collect();
    assert_eq!(
        outcomes,
        [
            "nothing there",
            "nothing there",
            "in force",
            "valid, not used"
        ]
    );

    let (manager, _) =
        LicenseManager::load([folder.absent()], keys(&signer), Arc::new(clock())).unwrap();
    assert_eq!(manager.current_tier(), LicenseTier::Community);
}

// covers: L9
#[test]
fn a_source_with_something_else_is_an_error_whatever_the_others_hold() {
    let (folder, signer, stranger) = (Folder::new(), signer(), signer());
    let good = || {
        folder.file(
            "good",
            &signer.issue(&terms(LicenseTier::Professional)).unwrap(),
        )
    };
    let expired = LicenseTerms {
        expires: "2030-06-14".parse().unwrap(),
        ..terms(LicenseTier::Professional)
    };
    for bad in [
        folder.file("empty", ""),
        folder.file("old", "LLMT-ENT-x-99991231"),
        folder.file(
            "planted",
            &stranger.issue(&terms(LicenseTier::Enterprise)).unwrap(),
        ),
        folder.file("expired", &signer.issue(&expired).unwrap()),
        folder.file("huge", &"x".repeat(70_000)),
        LicenseSource::File(folder.0.clone()),
    ] {
        for sources in [[bad.clone(), good()], [good(), bad.clone()]] {
            let error =
                LicenseManager::load(sources, keys(&signer), Arc::new(clock())).unwrap_err();
            assert_eq!(error.0.0.len(), 2, "both are reported");
            assert!(error.to_string().contains(&bad.to_string()), "{error}");
            assert!(
                error
                    .0
                    .0
                    .iter()
                    .any(|(_, outcome)| *outcome == SourceOutcome::Active)
            );
        }
    }
}

// covers: L9
#[test]
fn the_working_directory_is_no_source() {
    let usual = LicenseSource::usual();
    assert_eq!(
        usual[0],
        LicenseSource::Environment("LLMTEAM_LICENSE_KEY".into())
    );
    for source in &usual[1..] {
        let LicenseSource::File(path) = source else {
            panic!("{source}")
        };
        assert!(path.is_absolute() && path.ends_with(".llmteam/license.key"));
    }
}
