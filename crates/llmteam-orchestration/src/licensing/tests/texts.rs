//! Licences as texts: signed, exact, and nothing else.

use llmteam_security::Secret;
use proptest::prelude::*;

use super::*;
use crate::licensing::{LicenseValidationError as Invalid, Limit, read_unverified};

// covers: L13
#[test]
fn a_licence_says_what_was_signed_and_shows_no_signature() {
    let signer = signer();
    let said = terms(LicenseTier::Professional);
    let text = signer.issue(&said).unwrap();
    let license = keys(&signer).verify(&text).unwrap();
    assert_eq!(license.terms(), &said);
    assert!(license.signer().starts_with("issuer+"));
    assert_eq!(
        read_unverified(&text).unwrap(),
        (said, license.signer().to_owned())
    );
    let signature = text.trim_end().rsplit(' ').next().unwrap();
    let json = serde_json::to_string(&license.to_dict(at("2030-06-15T12:00:00Z"))).unwrap();
    for shown in [format!("{license:?}"), json.clone()] {
        assert!(!shown.contains(&signature[..20]) && !shown.contains(&signature[30..]));
        assert!(shown.contains("licences@example.com"));
    }
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["key"].as_str().unwrap().len(), 13);
    assert_eq!(json["issued_at"], "2030-01-01T09:30:00.000000Z");
    assert_eq!(
        (&json["expires_at"], &json["days_remaining"]),
        (&"2030-06-30".into(), &15.into())
    );
}

// covers: L1
#[test]
fn only_a_trusted_signature_makes_a_licence() {
    let (signer, stranger) = (signer(), signer());
    let text = signer.issue(&terms(LicenseTier::Enterprise)).unwrap();
    let trusted = keys(&signer);
    // Same name, another key.
    let forged = stranger.issue(&terms(LicenseTier::Enterprise)).unwrap();
    assert!(matches!(
        trusted.verify(&forged),
        Err(Invalid::UnknownKey { trusted: 1, .. })
    ));
    assert!(matches!(
        TrustedKeys::default().verify(&text),
        Err(Invalid::UnknownKey { trusted: 0, .. })
    ));
    let changed = text.replace("max_teams 50", "max_teams 51");
    assert!(matches!(
        trusted.verify(&changed),
        Err(Invalid::BadSignature { .. })
    ));
    // The old key and the new one, while keys change.
    let both = TrustedKeys::new([stranger.public(), signer.public()]).unwrap();
    assert!(both.verify(&text).is_ok() && both.verify(&forged).is_ok());
}

// covers: L1
#[test]
fn keys_of_the_unsigned_kind_are_refused_by_name() {
    let trusted = keys(&signer());
    for old in [
        "LLMT-ENT-x-99991231",
        " llmt-pro-abc-20991231\n",
        "LLMT-ENT--99991231",
    ] {
        assert_eq!(trusted.verify(old), Err(Invalid::Unsigned), "{old}");
    }
    assert!(Invalid::Unsigned.to_string().contains("`LLMT-`"));
}

// covers: L2
#[test]
fn a_licence_has_exactly_one_text() {
    let signer = signer();
    let said = terms(LicenseTier::Professional);
    let text = signer.issue(&said).unwrap();
    let trusted = keys(&signer);
    let signature = text.lines().last().unwrap().to_owned();
    for other in [
        format!("{text}\n"),
        format!("{text}{signature}\n"),
        format!(" {text}"),
        text.trim_end().to_owned(),
        text.replace('\n', "\r\n"),
        text.replace("tier: ", "tier:  "),
    ] {
        assert!(trusted.verify(&other).is_err(), "{other:?}");
    }
    // Even a trusted key cannot sign a text that is not written as licences are.
    let plain = said.to_text().unwrap();
    for other in [
        plain.replace("max_teams 50", "max_teams 050"),
        plain.replace("feature: sso\n", "feature: sso\nfeature: sso\n"),
        plain.replace("feature: sso\n", "feature: sso\nfeature: abc\n"),
        plain.replace(
            "feature: sso\nlimit: max_teams 50\n",
            "limit: max_teams 50\nfeature: sso\n",
        ),
        plain.replace("2030-01-02", "2030-1-2"),
        plain.replace("09:30:00.000000Z", "09:30:00Z"),
        plain.replace("expires: 2030-06-30\n", "expires: 209911\n"),
        plain.replace("max_teams", "max_everything"),
        plain.replace("llmteam license v1", "another license v1"),
        format!("{plain}note: more\n"),
        plain.replace("owner: Example Ltd\n", ""),
    ] {
        assert_ne!(other, plain);
        assert!(LicenseTerms::from_text(&other).is_err(), "{other}");
    }
}

#[test]
fn what_no_licence_can_say_is_not_signed() {
    let signer = signer();
    let good = terms(LicenseTier::Professional);
    let bad = [
        LicenseTerms {
            owner: String::new(),
            ..good.clone()
        },
        LicenseTerms {
            owner: "a\nb".into(),
            ..good.clone()
        },
        LicenseTerms {
            owner_email: " a@example.com".into(),
            ..good.clone()
        },
        LicenseTerms {
            owner: "a".repeat(201),
            ..good.clone()
        },
        LicenseTerms {
            features: [String::new()].into(),
            ..good.clone()
        },
        LicenseTerms {
            features: (0..101).map(|n| n.to_string()).collect(),
            ..good.clone()
        },
        LicenseTerms {
            limits: [(Limit::Teams, 0)].into(),
            ..good.clone()
        },
        LicenseTerms {
            limits: [(Limit::Teams, 1_000_000)].into(),
            ..good.clone()
        },
        LicenseTerms {
            expires: "2030-01-01".parse().unwrap(),
            ..good
        },
    ];
    for terms in bad {
        assert!(
            matches!(signer.issue(&terms), Err(Invalid::Field { .. })),
            "{terms:?}"
        );
    }
}

#[test]
fn a_private_key_reads_back_and_never_prints() {
    let (signer, private) = LicenseSigner::generate("issuer").unwrap();
    let again = LicenseSigner::from_private(&private).unwrap();
    assert_eq!(again.public(), signer.public());
    let key = private.expose().rsplit('+').next().unwrap();
    for shown in [format!("{signer:?}"), format!("{private:?}")] {
        assert!(!shown.contains(key));
    }
    let broken = [
        private.expose().replacen("PRIVATE", "PUBLIC", 1),
        private.expose().replacen("issuer", "another", 1),
        private
            .expose()
            .trim_end_matches('=')
            .chars()
            .take(60)
            .collect(),
        signer.public(),
        String::new(),
    ];
    for broken in broken {
        let error = LicenseSigner::from_private(&Secret::new(broken)).unwrap_err();
        assert!(!error.to_string().contains(key));
    }
    assert!(LicenseSigner::generate("two words").is_err());
    assert!(TrustedKeys::new(["issuer+00000000+AAAA"]).is_err());
    let witness = llmteam_security::audit::NoteSigner::witness("w", &[1; 32]).unwrap();
    assert!(TrustedKeys::new([witness.public().to_string()]).is_err());
}

fn any_terms() -> impl Strategy<Value = LicenseTerms> {
    let line = "[a-zA-Z0-9äß:,.-]([ a-zA-Z0-9äß:,.-]{0,30}[a-zA-Z0-9äß:,.-])?";
    let limits = proptest::collection::btree_map(
        proptest::sample::select(&Limit::ALL),
        1_u64..=999_999,
        0..5,
    );
    (
        proptest::sample::select(&LicenseTier::ALL),
        line,
        line,
        proptest::collection::btree_set(line, 0..5),
        limits,
        (
            0_i64..4_000_000_000_000_000,
            0_i64..2_000_000_000_000_000,
            0_i64..2_000_000_000_000_000,
        ),
    )
        .prop_map(
            |(tier, owner, owner_email, features, limits, (issued, from, span))| LicenseTerms {
                tier,
                owner,
                owner_email,
                features,
                limits,
                issued_at: Timestamp::from_micros(issued),
                not_before: crate::licensing::Day::of(Timestamp::from_micros(from)),
                expires: crate::licensing::Day::of(Timestamp::from_micros(from + span)),
            },
        )
}

proptest! {
    #[test]
    fn whatever_is_signed_reads_back(terms in any_terms()) {
        let signer = signer();
        let text = signer.issue(&terms).unwrap();
        let license = keys(&signer).verify(&text).unwrap();
        prop_assert_eq!(license.terms(), &terms);
        prop_assert_eq!(license.terms().to_text().unwrap(), terms.to_text().unwrap());
    }

    #[test]
    fn no_other_text_is_the_licence(place in any::<proptest::sample::Index>(), with in any::<char>(), cut in any::<bool>()) {
        let signer = signer();
        let text = signer.issue(&terms(LicenseTier::Professional)).unwrap();
        let mut letters: Vec<char> = text.chars().collect();
        let place = place.index(letters.len());
        if cut {
            letters.remove(place);
        } else {
            letters[place] = with;
        }
        let other: String = letters.into_iter().collect();
        prop_assert!(other == text || keys(&signer).verify(&other).is_err());
    }

    #[test]
    fn no_text_panics(text in "\\PC*") {
        prop_assert!(TrustedKeys::default().verify(&text).is_err());
        prop_assert!(read_unverified(&text).is_err());
    }
}
