//! Key files: what is written, what is refused.

use super::*;

fn tenant() -> TenantId {
    "acme".parse().unwrap()
}

fn context<'a>(tenant: &'a TenantId, run: &'a crate::id::RunId) -> WrapContext<'a> {
    let dek = super::super::dek::DekId::from_bytes([1; 16]);
    WrapContext { tenant, run, dek }
}

#[tokio::test]
async fn versions_outlive_the_process_and_old_ones_still_open() {
    // covers: CTX-35
    let folder = tempfile::tempdir().unwrap();
    let (tenant, run) = (tenant(), "r".parse().unwrap());
    let dek: DekBytes = Zeroizing::new([7; 32]);
    let keys = FileKeys::new(folder.path());
    assert_eq!(keys.create(&tenant).await.unwrap(), KekVersion(1));
    let old = keys.wrap(context(&tenant, &run), &dek).await.unwrap();
    assert_eq!(keys.rotate(&tenant).await.unwrap(), KekVersion(2));

    let keys = FileKeys::new(folder.path());
    assert_eq!(keys.current(&tenant).await.unwrap(), KekVersion(2));
    assert_eq!(
        keys.unwrap(context(&tenant, &run), &old).await.unwrap(),
        dek
    );
    let new = keys.wrap(context(&tenant, &run), &dek).await.unwrap();
    assert_eq!(new.kek, KekVersion(2));
    for _ in 0..2 {
        keys.retire(&tenant, KekVersion(1)).await.unwrap();
    }
    let gone = keys.unwrap(context(&tenant, &run), &old).await.unwrap_err();
    assert!(
        matches!(
            gone,
            KeyError::MissingVersion {
                version: KekVersion(1),
                ..
            }
        ),
        "{gone}"
    );
    assert_eq!(
        keys.unwrap(context(&tenant, &run), &new).await.unwrap(),
        dek
    );
    let newest = keys.retire(&tenant, KekVersion(2)).await.unwrap_err();
    assert!(matches!(newest, KeyError::Current { .. }));
    let mut files: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|it| it.unwrap().file_name())
        .collect();
    files.sort();
    assert_eq!(files, ["acme.kek", "acme.kek.lock"]);
}

#[tokio::test]
async fn a_lost_key_is_said_and_never_replaced() {
    // covers: CTX-36
    let folder = tempfile::tempdir().unwrap();
    let (tenant, keys) = (tenant(), FileKeys::new(folder.path()));
    for error in [
        keys.current(&tenant).await.unwrap_err(),
        keys.rotate(&tenant).await.unwrap_err(),
    ] {
        let text = error.to_string();
        assert!(text.starts_with("tenant `acme` has no key at `"), "{text}");
        assert!(text.contains("restore it"), "{text}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    keys.create(&tenant).await.unwrap();
    let before = std::fs::read(folder.path().join("acme.kek")).unwrap();
    assert!(matches!(
        keys.create(&tenant).await.unwrap_err(),
        KeyError::Exists { .. }
    ));
    assert_eq!(
        std::fs::read(folder.path().join("acme.kek")).unwrap(),
        before
    );
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_that_others_can_reach_is_refused() {
    // covers: CTX-35
    use std::os::unix::fs::{PermissionsExt, symlink};
    let folder = tempfile::tempdir().unwrap();
    let (tenant, keys) = (tenant(), FileKeys::new(folder.path()));
    keys.create(&tenant).await.unwrap();
    keys.rotate(&tenant).await.unwrap();
    let path = folder.path().join("acme.kek");
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o600);
    for bad in [0o604, 0o640, 0o660, 0o644] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(bad)).unwrap();
        let error = keys.current(&tenant).await.unwrap_err().to_string();
        assert!(error.contains("others can read it"), "{error}");
    }
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    keys.current(&tenant).await.unwrap();
    let moved = folder.path().join("real");
    std::fs::rename(&path, &moved).unwrap();
    symlink(&moved, &path).unwrap();
    let error = keys.current(&tenant).await.unwrap_err().to_string();
    assert!(error.contains("it is a link"), "{error}");
}

#[tokio::test]
async fn a_damaged_file_is_refused_without_its_content() {
    // covers: CTX-36
    let folder = tempfile::tempdir().unwrap();
    let (tenant, keys) = (tenant(), FileKeys::new(folder.path()));
    keys.create(&tenant).await.unwrap();
    let path = folder.path().join("acme.kek");
    let good = std::fs::read_to_string(&path).unwrap();
    let key = good.lines().nth(2).unwrap().to_owned();
    let damaged = [
        String::new(),
        good.replace("acme", "other"),
        good.replace("llmteam-kek 1", "llmteam-kek 2"),
        "llmteam-kek 1\ntenant acme\n".to_owned(),
        format!("{good}{key}\n"),
        good.replacen("\n1 ", "\n0 ", 1),
        good[..good.len() - 3].to_owned(),
        format!("{good}2 zz\n"),
        format!("{good}garbage\n"),
    ];
    for text in damaged {
        std::fs::write(&path, &text).unwrap();
        let error = keys.current(&tenant).await.unwrap_err();
        assert!(matches!(error, KeyError::Refused { .. }), "{error}");
        assert!(!error.to_string().contains(&key[2..20]), "{error}");
    }
    std::fs::write(&path, good).unwrap();
    keys.current(&tenant).await.unwrap();
}

#[tokio::test]
async fn who_died_while_changing_holds_up_nobody() {
    // covers: CTX-33
    let folder = tempfile::tempdir().unwrap();
    let (tenant, keys) = (tenant(), FileKeys::new(folder.path()));
    keys.create(&tenant).await.unwrap();
    let beside = folder.path().join("acme.kek.new");
    std::fs::write(&beside, "half").unwrap();
    assert_eq!(keys.current(&tenant).await.unwrap(), KekVersion(1));
    assert_eq!(keys.rotate(&tenant).await.unwrap(), KekVersion(2));
    assert!(!beside.exists());
}
