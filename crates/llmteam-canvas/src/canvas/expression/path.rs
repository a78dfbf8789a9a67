//! Pure paths: `a`, `a.b`, `a[0].b` (T-03).
//!
//! Invariant: following a path never fails and copies nothing; what is missing is missing.

use serde_json::Value;

use super::names::{Names, is_identifier, resolve};

/// A name and the fields and items below it.
#[derive(Clone, Debug)]
pub(super) struct Path {
    name: Box<str>,
    steps: Vec<Step>,
}

#[derive(Clone, Debug)]
enum Step {
    Field(Box<str>),
    Item(usize),
}

impl Path {
    /// Parses a text that is a path and nothing else.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let mut steps = Vec::new();
        let name = part(parts.next()?, &mut steps)?;
        for text in parts {
            let at = steps.len();
            let field = part(text, &mut steps)?;
            steps.insert(at, Step::Field(field));
        }
        Some(Self { name, steps })
    }

    /// The value at the path.
    pub(super) fn find<'a>(&self, names: &'a dyn Names) -> Option<&'a Value> {
        self.steps
            .iter()
            .try_fold(resolve(names, &self.name)?, |value, step| match step {
                Step::Field(name) => value.get(&**name),
                Step::Item(index) => value.get(*index),
            })
    }
}

/// One part between dots: an identifier and the indices behind it.
fn part(text: &str, steps: &mut Vec<Step>) -> Option<Box<str>> {
    let (name, indices) = text.split_at(text.find('[').unwrap_or(text.len()));
    if !indices.is_empty() {
        for index in indices.strip_prefix('[')?.strip_suffix(']')?.split("][") {
            let digits = !index.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit());
            // An index that no list can have is a path all the same: what it means is missing.
            steps.push(Step::Item(if digits {
                index.parse().unwrap_or(usize::MAX)
            } else {
                return None;
            }));
        }
    }
    is_identifier(name).then(|| name.into())
}
