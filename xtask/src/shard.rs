//! Which of N machines runs a test. A test is in exactly one shard, and stays there while its name does.

use std::{fmt, num::NonZeroU64, str::FromStr};

use crate::process::Failure;

/// Shard K of N, written `K/N`, K from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shard {
    index: u64,
    count: NonZeroU64,
}

impl Shard {
    /// `name` is `binary::test`, as [`crate::test`] prints it.
    pub(crate) fn holds(self, name: &str) -> bool {
        fnv1a(name.as_bytes()) % self.count == self.index - 1
    }
}

impl Default for Shard {
    /// All tests.
    fn default() -> Self {
        Self {
            index: 1,
            count: NonZeroU64::MIN,
        }
    }
}

impl FromStr for Shard {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self, Failure> {
        let parts = text
            .split_once('/')
            .and_then(|(index, count)| Some((index.parse().ok()?, count.parse().ok()?)));
        match parts {
            Some((index, count)) if (1..=u64::from(count)).contains(&index) => {
                Ok(Self { index, count })
            }
            _ => Err(Failure(format!(
                "expected K/N with 1 <= K <= N, for example 2/3, not `{text}`"
            ))),
        }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

/// FNV-1a, 64 bits: the same on every machine and in every build, unlike `std`'s hasher.
/// Its last step mixes the high bits down, since the remainder looks at the low ones.
fn fnv1a(bytes: &[u8]) -> u64 {
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    hash ^ (hash >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn k_of_n_is_read_and_written() {
        for text in ["1/1", "2/3", "64/64"] {
            assert_eq!(text.parse::<Shard>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_not_k_of_n_is_refused() {
        for text in [
            "",
            "2",
            "0/3",
            "4/3",
            "1/0",
            "-1/3",
            "1/3/5",
            "a/b",
            " 1/3",
            "1/18446744073709551616",
        ] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
    }

    #[test]
    fn every_test_is_in_exactly_one_shard_and_no_shard_is_idle() {
        let names: Vec<String> = (0..2_000)
            .map(|n| format!("llmteam-canvas::machine::tests::case_{n}"))
            .collect();
        for count in 1..=8 {
            let shards: Vec<Shard> = (1..=count)
                .map(|k| format!("{k}/{count}").parse().unwrap())
                .collect();
            for name in &names {
                assert_eq!(
                    shards.iter().filter(|shard| shard.holds(name)).count(),
                    1,
                    "{name} of {count}"
                );
            }
            for shard in shards {
                let load = names.iter().filter(|name| shard.holds(name)).count();
                let fair = names.len() / usize::try_from(count).unwrap();
                assert!(
                    load > fair / 2 && load < fair * 2,
                    "{shard} holds {load}, a fair share is {fair}"
                );
            }
        }
    }

    #[test]
    fn the_assignment_never_changes() {
        let shard: Shard = "2/3".parse().unwrap();
        let held: Vec<bool> = ["a::one", "a::two", "b::one", "b::two"]
            .iter()
            .map(|name| shard.holds(name))
            .collect();
        assert_eq!(held, [true, false, true, true]);
    }
}
