//! Licences from key to host.

use crate::program::{Called, Place};

/// A place with a key, and the key's public half.
fn office() -> (Place, String) {
    let place = Place::new();
    let made = place
        .call(&[
            "license",
            "keygen",
            "--name",
            "issuer",
            "--key",
            "issuer.key",
        ])
        .exits(0);
    (place, made.out.trim().to_owned())
}

fn issue(place: &Place, more: &[&str]) -> Called {
    let terms = [
        "license",
        "issue",
        "--key",
        "issuer.key",
        "--tier",
        "professional",
        "--owner",
        "Example Ltd",
        "--email",
        "licences@example.com",
    ];
    place.call(&[&terms[..], more].concat())
}

#[test]
fn a_licence_is_issued_verified_and_shown() {
    let (place, public) = office();
    let more = [
        "--expires",
        "2999-12-31",
        "--limit",
        "max_teams=50",
        "--feature",
        "sso",
        "-o",
        "a.license",
    ];
    let issued = issue(&place, &more).exits(0);
    assert_eq!(
        std::fs::read_to_string(place.path("a.license")).unwrap(),
        issued.out
    );
    assert!(
        issued
            .out
            .starts_with("llmteam license v1\ntier: professional\nowner: Example Ltd\n")
    );

    let verified = place
        .call(&["license", "verify", "a.license", "--trust", &public])
        .exits(0)
        .json();
    assert_eq!(verified["counts"], true);
    assert_eq!(verified["license"]["limits"]["max_teams"], 50);
    assert_eq!(verified["license"]["expires_at"], "2999-12-31");

    let untrusted = place.call(&["license", "show", "a.license"]).exits(0);
    assert_eq!(untrusted.json()["counts"], false);
    assert!(
        untrusted.err.contains("none of the 0 trusted keys"),
        "{}",
        untrusted.err
    );
}

#[test]
fn what_does_not_count_exits_with_1_and_says_why() {
    let (place, public) = office();
    issue(&place, &["--expires", "2999-12-31", "-o", "good"]).exits(0);
    let good = std::fs::read_to_string(place.path("good")).unwrap();
    place.write("changed", good.replace("professional", "enterprise"));
    place.write("old", "LLMT-ENT-x-99991231");
    issue(
        &place,
        &[
            "--not-before",
            "2001-01-01",
            "--expires",
            "2001-12-31",
            "-o",
            "expired",
        ],
    )
    .exits(0);
    for (file, says) in [
        ("changed", "was changed after signing"),
        ("old", "are not signed and count no more"),
        ("expired", "expired at the end of 2001-12-31"),
    ] {
        let called = place
            .call(&["license", "verify", file, "--trust", &public])
            .exits(1);
        assert!(called.err.contains(says), "{file}: {}", called.err);
    }
    place.call(&["license", "verify", "good"]).exits(2);
    place
        .call(&["license", "verify", "absent", "--trust", &public])
        .exits(2);
    place
        .call(&["license", "verify", "good", "--trust", "nonsense"])
        .exits(1);
    issue(&place, &["--expires", "209911"]).exits(2);
    issue(
        &place,
        &["--expires", "2999-12-31", "--limit", "max_everything=1"],
    )
    .exits(2);
    issue(&place, &["--expires", "2001-12-31"]).exits(1);
}

#[test]
fn what_is_in_force_is_shown_with_every_source() {
    let (place, public) = office();
    let home = place.path("home");
    std::fs::create_dir_all(home.join(".llmteam")).unwrap();
    let show = |variable: Option<&str>| {
        let mut command = place.command(&["license", "show"]);
        command
            .env("HOME", &home)
            .env("LLMTEAM_LICENSE_TRUST", &public);
        if let Some(text) = variable {
            command.env("LLMTEAM_LICENSE_KEY", text);
        }
        Called::of(&command.output().unwrap())
    };
    let none = show(None).exits(0).json();
    assert_eq!(
        (&none["tier"], &none["sources"][1]["outcome"]),
        (&"community".into(), &"nothing there".into())
    );

    let text = issue(&place, &["--expires", "2999-12-31"]).exits(0).out;
    // A file of the working directory is no source.
    place.write("license.key", &text);
    assert_eq!(show(None).exits(0).json()["tier"], "community");
    std::fs::write(home.join(".llmteam/license.key"), &text).unwrap();
    let from_file = show(None).exits(0).json();
    assert_eq!(from_file["tier"], "professional");
    assert_eq!(from_file["license"]["owner"], "Example Ltd");
    // The shell takes the last line end away.
    let both = show(Some(text.trim_end())).exits(0).json();
    assert_eq!(both["sources"][0]["outcome"], "in force");
    assert_eq!(both["sources"][1]["outcome"], "valid, not used");

    let bad = show(Some("LLMT-ENT-x-99991231")).exits(1);
    assert_eq!(bad.json()["tier"], "community");
    assert!(
        bad.err.contains("`LLMTEAM_LICENSE_KEY`") && bad.err.contains("LLMT-"),
        "{}",
        bad.err
    );
}

#[test]
fn a_private_key_is_its_owners_alone() {
    let (place, _) = office();
    let again = [
        "license",
        "keygen",
        "--name",
        "issuer",
        "--key",
        "issuer.key",
    ];
    place.call(&again).exits(2);
    let key = std::fs::read_to_string(place.path("issuer.key")).unwrap();
    let issued = issue(&place, &["--expires", "2999-12-31"]).exits(0);
    // `PRIVATE+KEY+name+hash+secret`, and the secret may have a plus as well.
    let secret = key.trim().splitn(5, '+').last().unwrap();
    assert!(secret.len() > 40);
    assert!(!issued.out.contains(secret) && !issued.err.contains(secret));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(place.path("issuer.key")), 0o600);
        std::fs::set_permissions(place.path("issuer.key"), PermissionsExt::from_mode(0o644))
            .unwrap();
        let refused = issue(&place, &["--expires", "2999-12-31"]).exits(2);
        assert!(
            refused.err.contains("others may read it"),
            "{}",
            refused.err
        );
    }
}
