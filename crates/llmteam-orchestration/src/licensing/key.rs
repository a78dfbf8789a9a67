//! Who signs licences, and whose signatures count.
//!
//! A licence is a C2SP signed note: its text, a blank line, one Ed25519 signature. Keys are written as notes write them:
//! `<name>+<8 hex digits>+<base64>`, and `PRIVATE+KEY+` before that for the half that signs.
//!
//! Invariant: a licence bears exactly one signature and has exactly one text; a private key never prints.
//! This file does not know what licences allow, nor what day it is.

use std::{fmt, str::FromStr};

use data_encoding::{BASE64, HEXLOWER};
use llmteam_security::{
    Secret,
    audit::{NoteKey, NoteSigner, SignedNote},
};
use zeroize::Zeroizing;

use super::{
    error::LicenseValidationError,
    license::{License, LicenseTerms},
};

/// What a licence of the old kind begins with.
const UNSIGNED: &str = "LLMT-";
/// What a private key begins with.
const PRIVATE: &str = "PRIVATE+KEY+";
/// Ed25519, as keys of notes name it.
const ED25519: u8 = 1;

/// The keys whose signatures count. To change keys, trust the old and the new one until old licences have expired.
#[derive(Clone, Debug, Default)]
pub struct TrustedKeys(Vec<NoteKey>);

impl TrustedKeys {
    /// These keys, each as [`LicenseSigner::public`] writes it.
    ///
    /// # Errors
    /// [`LicenseValidationError::Key`] for one that is none.
    pub fn new<S: AsRef<str>>(
        keys: impl IntoIterator<Item = S>,
    ) -> Result<Self, LicenseValidationError> {
        let keys = keys.into_iter().map(|text| {
            let text = text.as_ref().trim();
            let key = NoteKey::from_str(text).map_err(unusable)?;
            if key.is_witness() {
                return Err(LicenseValidationError::key("it is the key of a witness"));
            }
            Ok(key)
        });
        keys.collect::<Result<_, _>>().map(Self)
    }

    /// The licence that `text` is, once its signature is verified. It may have expired, or count from later.
    ///
    /// # Errors
    /// [`LicenseValidationError`] saying why it is none.
    pub fn verify(&self, text: &str) -> Result<License, LicenseValidationError> {
        let parts = Parts::of(text)?;
        let known = self
            .0
            .iter()
            .find_map(|key| Some((key, key.verify(&parts.note)?)));
        match known {
            Some((_, true)) => {
                let terms = LicenseTerms::from_text(parts.note.text())?;
                Ok(License::new(terms, parts.mark(), parts.key_id()))
            }
            Some((key, false)) => Err(LicenseValidationError::BadSignature {
                signer: key.name().to_owned(),
            }),
            None => Err(LicenseValidationError::UnknownKey {
                signer: parts.key_id(),
                trusted: self.0.len(),
            }),
        }
    }
}

/// What a text says that is in the form of a licence, and who signed it by its own word. Nothing is verified.
///
/// # Errors
/// [`LicenseValidationError`] where it is not in that form.
pub fn read_unverified(text: &str) -> Result<(LicenseTerms, String), LicenseValidationError> {
    let parts = Parts::of(text)?;
    Ok((LicenseTerms::from_text(parts.note.text())?, parts.key_id()))
}

/// A text in the form of a licence.
struct Parts<'a> {
    note: SignedNote,
    signer: &'a str,
    signature: &'a str,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Result<Self, LicenseValidationError> {
        let start = text.trim_start();
        if start
            .get(..UNSIGNED.len())
            .is_some_and(|it| it.eq_ignore_ascii_case(UNSIGNED))
        {
            return Err(LicenseValidationError::Unsigned);
        }
        let fault = || LicenseValidationError::malformed("it is not a text with one signature");
        let note = SignedNote::from_str(text).map_err(|_| fault())?;
        let (_, signatures) = text.rsplit_once("\n\n").ok_or_else(fault)?;
        let line = signatures
            .strip_suffix('\n')
            .filter(|it| !it.contains('\n'));
        let line = line.and_then(|it| it.strip_prefix("— ")?.split_once(' '));
        let (signer, signature) = line.ok_or_else(fault)?;
        Ok(Self {
            note,
            signer,
            signature,
        })
    }

    /// `<name>+<8 hex digits>`, by its own word.
    fn key_id(&self) -> String {
        let bytes = BASE64.decode(self.signature.as_bytes()).unwrap_or_default();
        let hash = bytes.get(..4).unwrap_or_default();
        format!("{}+{}", self.signer, HEXLOWER.encode(hash))
    }

    /// Ten characters of the signature proper, past the key's hash.
    fn mark(&self) -> String {
        self.signature.chars().skip(8).take(10).collect()
    }
}

/// Signs licences. It never prints its key.
#[derive(Debug)]
pub struct LicenseSigner(NoteSigner);

impl LicenseSigner {
    /// A new key under `name`, and its private half for a file that its owner alone may read.
    ///
    /// # Errors
    /// [`LicenseValidationError::Key`] for a name with spaces, `+` or control characters, or where the machine
    /// has no randomness.
    pub fn generate(name: &str) -> Result<(Self, Secret), LicenseValidationError> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *seed).map_err(unusable)?;
        let signer = NoteSigner::new(name, &seed).map_err(unusable)?;
        let hash = key_hash(signer.public());
        let mut bytes = Zeroizing::new([ED25519; 33]);
        bytes[1..].copy_from_slice(&*seed);
        let key = Zeroizing::new(BASE64.encode(&*bytes));
        let private = Secret::new(format!("{PRIVATE}{name}+{hash}+{}", &*key));
        Ok((Self(signer), private))
    }

    /// The signer of a private key.
    ///
    /// # Errors
    /// [`LicenseValidationError::Key`] where it is none; the message shows nothing of it.
    pub fn from_private(key: &Secret) -> Result<Self, LicenseValidationError> {
        let parsed = || {
            let mut parts = key.expose().trim().strip_prefix(PRIVATE)?.splitn(3, '+');
            let (name, hash, key) = (parts.next()?, parts.next()?, parts.next()?);
            let bytes = Zeroizing::new(BASE64.decode(key.as_bytes()).ok()?);
            let (&algorithm, seed) = bytes.split_first()?;
            let seed = Zeroizing::new(<[u8; 32]>::try_from(seed).ok()?);
            let signer = NoteSigner::new(name, &seed).ok()?;
            (algorithm == ED25519 && key_hash(signer.public()) == hash).then_some(Self(signer))
        };
        parsed().ok_or_else(|| LicenseValidationError::key("it is not a private key of licences"))
    }

    /// The half that verifies, for [`TrustedKeys`].
    pub fn public(&self) -> String {
        self.0.public().to_string()
    }

    /// The licence for these terms.
    ///
    /// # Errors
    /// [`LicenseValidationError::Field`] where no licence can say so.
    pub fn issue(&self, terms: &LicenseTerms) -> Result<String, LicenseValidationError> {
        let text = terms.to_text()?;
        let mut note = SignedNote::new(text)
            .map_err(|error| LicenseValidationError::malformed(error.to_string()))?;
        self.0.sign(&mut note, 0);
        Ok(note.to_string())
    }
}

fn unusable<E: fmt::Display>(error: E) -> LicenseValidationError {
    LicenseValidationError::key(error.to_string())
}

/// The eight hex digits between the name and the key.
fn key_hash(key: &NoteKey) -> String {
    let text = key.to_string();
    let hash = text.strip_prefix(key.name()).and_then(|it| it.get(1..9));
    hash.unwrap_or_default().to_owned()
}

impl fmt::Display for TrustedKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|key| writeln!(f, "{key}"))
    }
}
