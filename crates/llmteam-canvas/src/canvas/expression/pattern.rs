//! The regular expressions of `matches`.
//!
//! Invariant: the time of a match is at most proportional to the text times the pattern's positions (its characters
//! and classes with their repetitions written out), and that is what it costs. Positions and memory are bounded.

use regex::{Regex, RegexBuilder};
use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Hir, HirKind};

use super::budget::Budget;
use super::error::Fault;

const MAX_POSITIONS: usize = 2_000;
const MAX_MEMORY: usize = 1 << 20;
const MAX_NESTING: u32 = 50;

/// A compiled pattern.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    regex: Regex,
    positions: usize,
}

impl Pattern {
    /// Compiles a pattern, or says why it is none.
    pub(super) fn compile(text: &str) -> Result<Self, String> {
        let syntax = ParserBuilder::new()
            .nest_limit(MAX_NESTING)
            .build()
            .parse(text)
            .map_err(|error| invalid(&error.to_string()))?;
        let positions = positions(&syntax);
        if positions > MAX_POSITIONS {
            return Err(too_large());
        }
        let regex = RegexBuilder::new(text)
            .nest_limit(MAX_NESTING)
            .size_limit(MAX_MEMORY)
            .dfa_size_limit(MAX_MEMORY / 4)
            .build();
        match regex {
            Ok(regex) => Ok(Self { regex, positions }),
            Err(regex::Error::CompiledTooBig(_)) => Err(too_large()),
            Err(error) => Err(invalid(&error.to_string())),
        }
    }

    /// Whether the pattern occurs in the text.
    pub(super) fn occurs_in(&self, text: &str, budget: &mut Budget) -> Result<bool, Fault> {
        budget.matched(text.len(), self.positions)?;
        Ok(self.regex.is_match(text))
    }
}

fn too_large() -> String {
    "the pattern of `matches` is too large".to_owned()
}

/// The library draws the place over several lines; its last line says what is wrong.
fn invalid(error: &str) -> String {
    let reason = error.lines().last().unwrap_or_default();
    let reason = reason.trim_start_matches("error: ");
    format!("the pattern of `matches` is invalid: {reason}")
}

fn positions(syntax: &Hir) -> usize {
    match syntax.kind() {
        HirKind::Empty | HirKind::Look(_) => 1,
        HirKind::Literal(it) => it.0.len(),
        HirKind::Class(_) => 1,
        HirKind::Repetition(it) => {
            let times = it.max.unwrap_or(it.min).max(1);
            positions(&it.sub).saturating_mul(usize::try_from(times).unwrap_or(usize::MAX))
        }
        HirKind::Capture(it) => positions(&it.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().map(positions).fold(0, usize::saturating_add)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Pattern;
    use crate::canvas::expression::budget::Budget;

    #[test]
    fn positions_write_repetitions_out() {
        for (text, expected) in [
            ("", 1),
            ("abc", 3),
            ("[a-z]+@x", 3),
            ("(a|bc){3}", 9),
            (".{2,5}", 5),
            (r"\w{4,}", 4),
            ("((ab){10}){10}", 200),
        ] {
            let pattern = Pattern::compile(text).expect(text);
            assert_eq!(pattern.positions, expected, "{text}");
        }
        for text in [
            "(a{1000}){1000}",
            "a{2001}",
            r"\w{100}",
            "(((((a{100}){100}){100}){100}){100}){100}",
        ] {
            assert_eq!(
                Pattern::compile(text).expect_err(text),
                "the pattern of `matches` is too large"
            );
        }
        let deep = format!("{}a{}", "(".repeat(60), ")".repeat(60));
        for text in ["(", "a{2,1}", "[z-a]", r"(a)\1", "(?=a)", &deep] {
            let reason = Pattern::compile(text).expect_err(text);
            assert!(
                reason.starts_with("the pattern of `matches` is invalid: "),
                "{reason}"
            );
        }
    }

    // Such a pattern gains nothing from the engine's tables: a byte costs it as much as it has positions.
    #[test]
    fn a_costly_pattern_is_paid_for() {
        let text = "ab".repeat(20_000);
        let costly = Pattern::compile("(a|b)*a[ab]{1000}c").expect("valid");
        assert!(costly.occurs_in(&text, &mut Budget::new()).is_err());
        assert_eq!(
            costly.occurs_in(&text[..9_000], &mut Budget::new()).ok(),
            Some(false)
        );
        let cheap = Pattern::compile("[ab]+c").expect("valid");
        assert_eq!(
            cheap.occurs_in(&text.repeat(100), &mut Budget::new()).ok(),
            Some(false)
        );
    }
}
