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
    Usual(&'static str),
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
            Kind::Usual(name) => name,
            Kind::Own(name) => name,
        }
    }
}

impl From<&str> for PortName {
    fn from(name: &str) -> Self {
        let usual = USUAL.iter().find(|it| **it == name);
        Self(match usual {
            Some(usual) => Kind::Usual(usual),
            None => Kind::Own(Arc::from(name)),
        })
    }
}

impl PartialEq for PortName {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
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
