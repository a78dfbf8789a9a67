//! The text of a licence, which its signature covers.
//!
//! Invariant: what is said has exactly one text, and a text that is not written exactly so is refused: it is read,
//! written again and compared. This file does not know signatures.
//!
//! ```text
//! llmteam license v1
//! tier: professional
//! owner: Example Ltd
//! email: licences@example.com
//! feature: sso
//! limit: max_teams 50
//! issued: 2030-01-01T12:00:00.000000Z
//! not-before: 2030-01-01
//! expires: 2030-12-31
//! ```

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    str::FromStr,
};

use super::{error::LicenseValidationError, license::LicenseTerms, limits::UNLIMITED};

/// The first line: product and format.
const HEADER: &str = "llmteam license v1";
/// The longest name of an owner, address or feature, in bytes.
const LONGEST: usize = 200;
/// The most features.
const MOST_FEATURES: usize = 100;

impl LicenseTerms {
    /// The text of these terms.
    ///
    /// # Errors
    /// [`LicenseValidationError::Field`] for the first field that no licence can hold.
    pub fn to_text(&self) -> Result<String, LicenseValidationError> {
        let fault = LicenseValidationError::field;
        for (field, text) in [("owner", &self.owner), ("email", &self.owner_email)] {
            line(text).map_err(|reason| fault(field, reason))?;
        }
        if self.features.len() > MOST_FEATURES {
            return Err(fault("feature", format!("at most {MOST_FEATURES} fit")));
        }
        for name in &self.features {
            line(name).map_err(|reason| fault("feature", reason))?;
        }
        if let Some((limit, most)) = self
            .limits
            .iter()
            .find(|(_, most)| !(1..=UNLIMITED).contains(*most))
        {
            let reason = format!("`{limit}` is {most}, and must be from 1 to {UNLIMITED}");
            return Err(fault("limit", reason));
        }
        if self.expires < self.not_before {
            let reason = format!(
                "{} is before the first day, {}",
                self.expires, self.not_before
            );
            return Err(fault("expires", reason));
        }
        Ok(self.written())
    }

    /// Reads the text of a licence, without its signature.
    ///
    /// # Errors
    /// [`LicenseValidationError::Malformed`] or [`LicenseValidationError::Field`] where it is not exactly what
    /// [`Self::to_text`] writes.
    pub fn from_text(text: &str) -> Result<Self, LicenseValidationError> {
        let mut lines = Lines(
            text.split_inclusive('\n')
                .map(|it| it.trim_end_matches('\n'))
                .peekable(),
        );
        if lines.0.next() != Some(HEADER) {
            let reason = format!("its first line is not `{HEADER}`");
            return Err(LicenseValidationError::malformed(reason));
        }
        let (tier, owner, owner_email) =
            (lines.one("tier")?, lines.one("owner")?, lines.one("email")?);
        let mut features = BTreeSet::new();
        while let Some(name) = lines.maybe("feature") {
            features.insert(name.to_owned());
        }
        let mut limits = BTreeMap::new();
        while let Some(limit) = lines.maybe("limit") {
            let fault =
                || LicenseValidationError::field("limit", "it is not `limit: <name> <number>`");
            let (name, most) = limit.split_once(' ').ok_or_else(fault)?;
            limits.insert(parsed("limit", name)?, parsed("limit", most)?);
        }
        let terms = Self {
            tier,
            owner,
            owner_email,
            features,
            limits,
            issued_at: lines.one("issued")?,
            not_before: lines.one("not-before")?,
            expires: lines.one("expires")?,
        };
        // Whatever is written otherwise (an order, a zero, a space, a line more) is another text.
        if terms.to_text()? == text {
            Ok(terms)
        } else {
            Err(LicenseValidationError::malformed(
                "it is not written as licences are",
            ))
        }
    }

    fn written(&self) -> String {
        let Self {
            tier,
            owner,
            owner_email,
            issued_at,
            not_before,
            expires,
            ..
        } = self;
        let mut text = format!("{HEADER}\ntier: {tier}\nowner: {owner}\nemail: {owner_email}\n");
        // Writing into a text cannot fail.
        for name in &self.features {
            let _ = writeln!(text, "feature: {name}");
        }
        for (limit, most) in &self.limits {
            let _ = writeln!(text, "limit: {limit} {most}");
        }
        let _ = writeln!(
            text,
            "issued: {issued_at}\nnot-before: {not_before}\nexpires: {expires}"
        );
        text
    }
}

struct Lines<'a, I: Iterator<Item = &'a str>>(std::iter::Peekable<I>);

impl<'a, I: Iterator<Item = &'a str>> Lines<'a, I> {
    /// The value of the next line, if it is of this field.
    fn maybe(&mut self, field: &str) -> Option<&'a str> {
        let value = self.0.peek()?.strip_prefix(field)?.strip_prefix(": ")?;
        self.0.next();
        Some(value)
    }

    fn one<T: FromStr<Err: ToString>>(
        &mut self,
        field: &'static str,
    ) -> Result<T, LicenseValidationError> {
        let missing =
            || LicenseValidationError::field(field, "its line is missing or out of place");
        parsed(field, self.maybe(field).ok_or_else(missing)?)
    }
}

fn parsed<T: FromStr<Err: ToString>>(
    field: &'static str,
    text: &str,
) -> Result<T, LicenseValidationError> {
    let fault = |error: T::Err| LicenseValidationError::field(field, error.to_string());
    text.parse().map_err(fault)
}

/// Checks that a value is one line of reasonable length, and no other value looks the same for its spaces.
fn line(text: &str) -> Result<(), String> {
    if text.is_empty() || text.len() > LONGEST {
        return Err(format!(
            "it has {} bytes, and must have 1 to {LONGEST}",
            text.len()
        ));
    }
    if text.trim() != text || text.chars().any(char::is_control) {
        return Err("it begins or ends with a space, or holds control characters".to_owned());
    }
    Ok(())
}
