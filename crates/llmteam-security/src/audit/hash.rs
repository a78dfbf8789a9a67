//! SHA-256 as the audit trail uses it: the only file that names an implementation.
//!
//! Invariant: both implementations give the same digests for the same bytes; which one is compiled changes speed alone.
//! It does not know what is hashed, apart from the two prefixes of RFC 6962 that keep leaves and nodes apart.

use std::fmt;

/// A SHA-256 digest. Shown and serialised as 64 lowercase hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// 32 zero bytes: the link of a record that has no predecessor, the commitment to no payload.
    pub const ZERO: Self = Self([0; 32]);

    /// Reads 64 lowercase hex digits; anything else is `None`.
    pub fn from_hex(text: &str) -> Option<Self> {
        let bytes = data_encoding::HEXLOWER.decode(text.as_bytes()).ok()?;
        Self::from_slice(&bytes)
    }

    /// Takes exactly 32 bytes; anything else is `None`.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl serde::Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::from_hex(&text)
            .ok_or_else(|| serde::de::Error::custom("a digest is 64 lowercase hex digits"))
    }
}

/// SHA-256 over the parts, one after another.
pub fn digest(parts: &[&[u8]]) -> Digest {
    let mut hasher = imp::Hasher::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finish()
}

/// The hash of a leaf: SHA-256(0x00 ‖ record), RFC 6962 section 2.1.
pub fn leaf(record: &[u8]) -> Digest {
    digest(&[&[0], record])
}

/// The hash of an inner node: SHA-256(0x01 ‖ left ‖ right), RFC 6962 section 2.1.
pub fn node(left: &Digest, right: &Digest) -> Digest {
    let mut bytes = [0; 65];
    bytes[0] = 1;
    bytes[1..33].copy_from_slice(&left.0);
    bytes[33..].copy_from_slice(&right.0);
    digest(&[&bytes])
}

#[cfg(not(feature = "audit-aws-lc"))]
mod imp {
    use sha2::{Digest as _, Sha256};

    use super::Digest;

    pub(super) struct Hasher(Sha256);

    impl Hasher {
        pub(super) fn new() -> Self {
            Self(Sha256::new())
        }

        pub(super) fn update(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }

        pub(super) fn finish(self) -> Digest {
            Digest(self.0.finalize().into())
        }
    }
}

#[cfg(feature = "audit-aws-lc")]
mod imp {
    use aws_lc_rs::digest::{Context, SHA256};

    use super::Digest;

    pub(super) struct Hasher(Context);

    impl Hasher {
        pub(super) fn new() -> Self {
            Self(Context::new(&SHA256))
        }

        pub(super) fn update(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }

        pub(super) fn finish(self) -> Digest {
            let mut bytes = [0; 32];
            bytes.copy_from_slice(self.0.finish().as_ref());
            Digest(bytes)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_digests_of_fips_180_4() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(digest(&[]).to_string(), empty);
        assert_eq!(digest(&[b"a", b"", b"bc"]).to_string(), abc);
        assert_eq!(
            Digest::from_hex(abc).map(|it| it.to_string()).as_deref(),
            Some(abc)
        );
        for bad in ["", "ab", &abc.to_uppercase(), &format!("{abc}00")] {
            assert_eq!(Digest::from_hex(bad), None);
        }
    }

    proptest! {
        // Whichever implementation is compiled, it gives what sha2 gives.
        #[test]
        fn the_compiled_implementation_agrees_with_sha2(
            bytes in proptest::collection::vec(any::<u8>(), 0..400), cut in 0_usize..400,
        ) {
            use sha2::Digest as _;
            let cut = cut.min(bytes.len());
            let expected: [u8; 32] = sha2::Sha256::digest(&bytes).into();
            prop_assert_eq!(digest(&[&bytes[..cut], &bytes[cut..]]).0, expected);
        }
    }
}
