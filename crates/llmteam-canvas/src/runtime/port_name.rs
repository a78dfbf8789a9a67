//! The name of a port.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// A port's name. Cheap to clone: the usual names are static, so that steps which run on several
/// processors do not share a counter for them.
#[derive(Clone)]
pub struct PortName(Kind);

#[derive(Clone)]
enum Kind {
    /// A place in [`USUAL`].
    Usual(u8),
    Own(Arc<str>),
}

/// Names that most ports have.
const USUAL: [&str; 8] = [
    "input", "output", "error", "true", "false", "approved", "rejected", "timeout",
];

impl Deref for PortName {
    type Target = str;

    fn deref(&self) -> &str {
        match &self.0 {
            Kind::Usual(at) => USUAL[usize::from(*at)],
            Kind::Own(name) => name,
        }
    }
}

impl From<&str> for PortName {
    fn from(name: &str) -> Self {
        let usual = (0..).zip(USUAL).find(|(_, it)| *it == name);
        Self(match usual {
            Some((at, _)) => Kind::Usual(at),
            None => Kind::Own(Arc::from(name)),
        })
    }
}

impl PartialEq for PortName {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Kind::Usual(own), Kind::Usual(its)) => own == its,
            (Kind::Own(own), Kind::Own(its)) => own == its,
            _ => false,
        }
    }
}

impl Eq for PortName {}

impl fmt::Display for PortName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl fmt::Debug for PortName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_its_text_whether_usual_or_not() {
        for text in ["input", "branch_7", ""] {
            let name = PortName::from(text);
            assert_eq!((&*name, name.to_string().as_str()), (text, text));
            assert_eq!(name, PortName::from(text));
            assert_eq!(name.clone(), name);
        }
        assert_ne!(PortName::from("true"), PortName::from("false"));
    }
}
