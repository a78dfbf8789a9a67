//! Signed notes as C2SP defines them (c2sp.org/signed-note, c2sp.org/tlog-cosignature), with Ed25519.
//!
//! Invariant: parsing is strict: what it accepts, writing gives back byte for byte. A signature of an unknown key is
//! ignored, a bad one of a known key refuses the note.
//! It does not know what the text of a note says: see [`super::checkpoint`].

use std::{fmt, str::FromStr};

use data_encoding::{BASE64, HEXLOWER};
use ed25519_dalek::{Signature as Ed25519, Signer, SigningKey, VerifyingKey};

use super::{error::AuditError, hash::digest};

/// The most signatures of a note.
pub const MAX_SIGNATURES: usize = 16;
const LONGEST: usize = 65_536;

/// What a signature covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Algorithm {
    /// The text (0x01).
    Text = 1,
    /// A time and the text: that of a witness (0x04).
    Cosignature = 4,
}

/// A public key and its name, `<name>+<8 hex digits>+<base64>`.
#[derive(Clone, PartialEq, Eq)]
pub struct NoteKey {
    name: String,
    algorithm: Algorithm,
    key: VerifyingKey,
    hash: [u8; 4],
}

impl NoteKey {
    fn new(name: &str, algorithm: Algorithm, key: VerifyingKey) -> Self {
        let all = digest(&[name.as_bytes(), b"\n", &[algorithm as u8], &key.to_bytes()]);
        let mut hash = [0; 4];
        hash.copy_from_slice(&all.0[..4]);
        Self {
            name: name.to_owned(),
            algorithm,
            key,
            hash,
        }
    }

    /// The name; that of a log's key is the log's origin.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is the key of a witness.
    pub fn is_witness(&self) -> bool {
        self.algorithm == Algorithm::Cosignature
    }

    /// Whether `note` bears this key's good signature: `None` when it bears none of it.
    pub fn verify(&self, note: &SignedNote) -> Option<bool> {
        let mine = |it: &&NoteSignature| it.name == self.name && it.hash == self.hash;
        let mut found = None;
        for signature in note.signatures.iter().filter(mine) {
            if !self.is_good(&note.text, &signature.bytes) {
                return Some(false);
            }
            found = Some(true);
        }
        found
    }

    fn is_good(&self, text: &str, signature: &[u8]) -> bool {
        let (message, signature) = match self.algorithm {
            Algorithm::Text => (text.to_owned(), signature),
            Algorithm::Cosignature => {
                let Some((time, rest)) = signature.split_first_chunk::<8>() else {
                    return false;
                };
                (cosigned(u64::from_be_bytes(*time), text), rest)
            }
        };
        Ed25519::from_slice(signature)
            .is_ok_and(|it| self.key.verify_strict(message.as_bytes(), &it).is_ok())
    }
}

fn cosigned(time: u64, text: &str) -> String {
    format!("cosignature/v1\ntime {time}\n{text}")
}

impl fmt::Display for NoteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [&[self.algorithm as u8], &self.key.to_bytes()[..]].concat();
        write!(
            f,
            "{}+{}+{}",
            self.name,
            HEXLOWER.encode(&self.hash),
            BASE64.encode(&bytes)
        )
    }
}

impl fmt::Debug for NoteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for NoteKey {
    type Err = AuditError;

    fn from_str(text: &str) -> Result<Self, AuditError> {
        let parsed = || {
            let mut parts = text.splitn(3, '+');
            let (name, hash, key) = (parts.next()?, parts.next()?, parts.next()?);
            let bytes = strict_base64(key)?;
            let (algorithm, key) = bytes.split_first()?;
            let algorithm = match algorithm {
                1 => Algorithm::Text,
                4 => Algorithm::Cosignature,
                _ => return None,
            };
            let key = VerifyingKey::from_bytes(key.try_into().ok()?).ok()?;
            let it = Self::new(name, algorithm, key);
            (is_name(name) && HEXLOWER.encode(&it.hash) == hash).then_some(it)
        };
        parsed().ok_or_else(|| AuditError::invalid("a verifier key", text))
    }
}

/// A key that signs notes under a name. It never prints.
pub struct NoteSigner {
    key: SigningKey,
    public: NoteKey,
}

impl NoteSigner {
    /// The signer `name` with a 32-byte Ed25519 seed.
    pub fn new(name: &str, seed: &[u8; 32]) -> Result<Self, AuditError> {
        Self::with(name, seed, Algorithm::Text)
    }

    /// A witness `name`, whose signatures carry a time.
    pub fn witness(name: &str, seed: &[u8; 32]) -> Result<Self, AuditError> {
        Self::with(name, seed, Algorithm::Cosignature)
    }

    fn with(name: &str, seed: &[u8; 32], algorithm: Algorithm) -> Result<Self, AuditError> {
        if !is_name(name) {
            return Err(AuditError::invalid("a key name", name));
        }
        let key = SigningKey::from_bytes(seed);
        let public = NoteKey::new(name, algorithm, key.verifying_key());
        Ok(Self { key, public })
    }

    /// The key that verifies what this one signs.
    pub fn public(&self) -> &NoteKey {
        &self.public
    }

    /// Adds a signature to `note`. `unix_seconds` is kept by a witness's signature only.
    pub fn sign(&self, note: &mut SignedNote, unix_seconds: u64) {
        let bytes = match self.public.algorithm {
            Algorithm::Text => self.key.sign(note.text.as_bytes()).to_bytes().to_vec(),
            Algorithm::Cosignature => {
                let signature = self.key.sign(cosigned(unix_seconds, &note.text).as_bytes());
                [
                    unix_seconds.to_be_bytes().as_slice(),
                    &signature.to_bytes()[..],
                ]
                .concat()
            }
        };
        note.signatures.push(NoteSignature {
            name: self.public.name.clone(),
            hash: self.public.hash,
            bytes,
        });
    }
}

impl fmt::Debug for NoteSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NoteSigner")
            .field("public", &self.public)
            .finish_non_exhaustive()
    }
}

/// A text and who signed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedNote {
    text: String,
    signatures: Vec<NoteSignature>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct NoteSignature {
    name: String,
    hash: [u8; 4],
    bytes: Vec<u8>,
}

impl SignedNote {
    /// An unsigned note. The text ends in a newline, and has no other control characters.
    pub fn new(text: impl Into<String>) -> Result<Self, AuditError> {
        let text = text.into();
        if !text.ends_with('\n') || text.chars().any(|c| c.is_control() && c != '\n') {
            return Err(AuditError::invalid("the text of a note", &text));
        }
        Ok(Self {
            text,
            signatures: Vec::new(),
        })
    }

    /// The text, with its last newline.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for SignedNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        for it in &self.signatures {
            let bytes = [it.hash.as_slice(), &it.bytes].concat();
            writeln!(f, "— {} {}", it.name, BASE64.encode(&bytes))?;
        }
        Ok(())
    }
}

impl FromStr for SignedNote {
    type Err = AuditError;

    fn from_str(input: &str) -> Result<Self, AuditError> {
        let parsed = || {
            if input.len() > LONGEST {
                return None;
            }
            let cut = input.rfind("\n\n")?;
            let mut note = Self::new(&input[..=cut]).ok()?;
            let lines = input[cut + 2..].strip_suffix('\n')?;
            for line in lines.split('\n') {
                let (name, signature) = line.strip_prefix("— ")?.split_once(' ')?;
                let bytes = strict_base64(signature)?;
                let (hash, bytes) = bytes.split_first_chunk::<4>()?;
                if !is_name(name) || bytes.is_empty() || note.signatures.len() == MAX_SIGNATURES {
                    return None;
                }
                note.signatures.push(NoteSignature {
                    name: name.to_owned(),
                    hash: *hash,
                    bytes: bytes.to_vec(),
                });
            }
            Some(note)
        };
        parsed().ok_or_else(|| AuditError::invalid("a signed note", input))
    }
}

/// Base64 in its one spelling: padded at the end and nowhere else.
pub(super) fn strict_base64(text: &str) -> Option<Vec<u8>> {
    let bytes = BASE64.decode(text.as_bytes()).ok()?;
    (BASE64.encode(&bytes) == text).then_some(bytes)
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name
            .chars()
            .any(|c| c.is_whitespace() || c.is_control() || c == '+')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn note() -> (SignedNote, NoteSigner) {
        let signer = NoteSigner::new("log", &[1; 32]).unwrap();
        let mut note = SignedNote::new("one\n\ntwo\n").unwrap();
        signer.sign(&mut note, 0);
        (note, signer)
    }

    // covers: AUD-31
    #[test]
    fn a_note_and_a_key_read_back() {
        let (mut note, signer) = note();
        let witness = NoteSigner::witness("w", &[2; 32]).unwrap();
        witness.sign(&mut note, 1_700_000_000);
        let again: SignedNote = note.to_string().parse().unwrap();
        assert_eq!(again, note);
        for key in [signer.public(), witness.public()] {
            let key: NoteKey = key.to_string().parse().unwrap();
            assert_eq!(key.verify(&again), Some(true));
        }
        let stranger = NoteSigner::new("log", &[3; 32]).unwrap();
        assert_eq!(stranger.public().verify(&again), None);
        assert!(!format!("{signer:?}").contains("01010101"));
    }

    // covers: AUD-31
    #[test]
    fn a_known_key_with_one_bad_signature_refuses_the_note() {
        let (good, signer) = note();
        let mut bad = good.clone();
        bad.signatures[0].bytes[5] ^= 1;
        assert_eq!(signer.public().verify(&bad), Some(false));
        bad.signatures.insert(0, good.signatures[0].clone());
        assert_eq!(signer.public().verify(&bad), Some(false));
        let mut other = good;
        other.text = "three\n".to_owned();
        assert_eq!(signer.public().verify(&other), Some(false));
    }

    // covers: AUD-31
    #[test]
    fn what_is_not_quite_a_note_is_refused() {
        let text = note().0.to_string();
        let line = text.lines().last().unwrap().to_owned();
        let sixteen = format!("{}{}", text, format!("{line}\n").repeat(15));
        assert!(sixteen.parse::<SignedNote>().is_ok());
        let broken = [
            String::new(),
            "text\n".into(),
            "text\n\n".into(),
            text.trim_end().to_owned(),
            format!("{text}\n"),
            text.replace("— ", "- "),
            text.replace('\n', "\r\n"),
            text.replace(&line, &format!("{line} ")),
            text.replace(&line, "— log AAAA"),
            text.replace("— log", "— l+g"),
            format!("{sixteen}{line}\n"),
        ];
        for bad in broken {
            assert!(bad.parse::<SignedNote>().is_err(), "{bad:?}");
        }
        for bad in ["", "a+b", "log+00000000+AQ==", "x"] {
            assert!(bad.parse::<NoteKey>().is_err());
        }
    }

    proptest! {
        #[test]
        fn whatever_parses_is_written_back_the_same(at in any::<usize>(), with in any::<char>()) {
            let mut text: Vec<char> = note().0.to_string().chars().collect();
            let at = at % text.len();
            text[at] = with;
            let text: String = text.into_iter().collect();
            if let Ok(note) = text.parse::<SignedNote>() {
                prop_assert_eq!(note.to_string(), text);
            }
        }
    }
}
