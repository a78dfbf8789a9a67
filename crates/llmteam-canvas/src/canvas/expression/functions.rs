//! The functions of the language: size, text search, conversions, `type`.
//!
//! Invariant: a function touches its arguments and nothing else: no clock, no randomness, no environment.

use super::budget::Budget;
use super::error::Fault;
use super::pattern::Pattern;
use super::value::Val;

/// A function that a program may call; the receiver of `text.contains(part)` is its first argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Size,
    Contains,
    StartsWith,
    EndsWith,
    Matches,
    Int,
    Uint,
    Double,
    Text,
    Bool,
    Bytes,
    Type,
    Dyn,
}

impl Function {
    /// Finds a function by its name and the way it is called, or says why there is none.
    pub(super) fn find(name: &str, receiver: bool, arguments: usize) -> Result<Self, String> {
        let (function, both_ways, needed) = match name {
            "size" => (Self::Size, true, 1),
            "contains" => (Self::Contains, false, 2),
            "startsWith" => (Self::StartsWith, false, 2),
            "endsWith" => (Self::EndsWith, false, 2),
            "matches" => (Self::Matches, true, 2),
            "int" => (Self::Int, false, 1),
            "uint" => (Self::Uint, false, 1),
            "double" => (Self::Double, false, 1),
            "string" => (Self::Text, false, 1),
            "bool" => (Self::Bool, false, 1),
            "bytes" => (Self::Bytes, false, 1),
            "type" => (Self::Type, false, 1),
            "dyn" => (Self::Dyn, false, 1),
            "timestamp" | "duration" | "now" => {
                return Err(format!(
                    "`{name}` is not available: expressions know no time"
                ));
            }
            _ if name.starts_with("get") && receiver => {
                return Err(format!(
                    "`{name}` is not available: expressions know no time"
                ));
            }
            _ => return Err(format!("unknown function `{name}`")),
        };
        if !both_ways && receiver != (needed == 2) {
            return Err(if receiver {
                format!("`{name}` is called as `{name}(value)`")
            } else {
                format!("`{name}` is called as `text.{name}(part)`")
            });
        }
        if arguments != needed {
            return Err(format!(
                "`{name}` takes {} and not {}",
                plural(needed - usize::from(receiver)),
                arguments - usize::from(receiver)
            ));
        }
        Ok(function)
    }

    pub(super) fn call<'a>(
        self,
        arguments: &[Val<'a>],
        budget: &mut Budget,
    ) -> Result<Val<'a>, Fault> {
        match (self, arguments) {
            (Self::Size, [of]) => size(of, budget).map(Val::Int),
            (Self::Contains | Self::StartsWith | Self::EndsWith, [text, part]) => {
                self.search(text, part, budget).map(Val::Bool)
            }
            (Self::Matches, [text, pattern]) => {
                let (text, pattern) = (text_of(text, "matches")?, text_of(pattern, "matches")?);
                budget.pattern()?;
                let pattern = Pattern::compile(pattern).map_err(Fault::value)?;
                pattern.occurs_in(text, budget).map(Val::Bool)
            }
            (Self::Int, [of]) => int(of).map(Val::Int),
            (Self::Uint, [of]) => match int(of)? {
                it @ 0.. => Ok(Val::Int(it)),
                _ => Err(Fault::value("a negative number is no uint")),
            },
            (Self::Double, [of]) => double(of).map(Val::Double),
            (Self::Text, [of]) => text(of, budget),
            (Self::Bool, [of]) => bool(of).map(Val::Bool),
            (Self::Bytes, [of]) => bytes(of, budget),
            (Self::Type, [of]) => Ok(Val::Type(of.type_name())),
            (Self::Dyn, [of]) => Ok(of.clone()),
            _ => Err(Fault::value("wrong number of arguments")),
        }
    }

    fn search(self, text: &Val<'_>, part: &Val<'_>, budget: &mut Budget) -> Result<bool, Fault> {
        let name = match self {
            Self::StartsWith => "startsWith",
            Self::EndsWith => "endsWith",
            _ => "contains",
        };
        let (text, part) = (text_of(text, name)?, text_of(part, name)?);
        budget.bytes(if self == Self::Contains {
            text.len()
        } else {
            part.len()
        })?;
        Ok(match self {
            Self::StartsWith => text.starts_with(part),
            Self::EndsWith => text.ends_with(part),
            _ => text.contains(part),
        })
    }
}

/// The type a bare type name denotes.
pub(super) fn type_named(name: &str) -> Option<&'static str> {
    [
        "int",
        "uint",
        "double",
        "string",
        "bool",
        "bytes",
        "list",
        "map",
        "null_type",
        "type",
    ]
    .into_iter()
    .find(|known| *known == name)
}

fn size(of: &Val<'_>, budget: &mut Budget) -> Result<i64, Fault> {
    let size = match (of, of.as_str()) {
        (_, Some(text)) => {
            budget.bytes(text.len())?;
            Some(text.chars().count())
        }
        (Val::Bytes(it), _) => Some(it.len()),
        _ => of.len(),
    };
    size.and_then(|it| i64::try_from(it).ok())
        .ok_or_else(|| unsuitable("size", of))
}

fn int(of: &Val<'_>) -> Result<i64, Fault> {
    match of {
        Val::Int(it) => Ok(*it),
        Val::Double(it)
            if *it > -9_223_372_036_854_775_808.0 && *it < 9_223_372_036_854_775_808.0 =>
        {
            Ok(it.trunc() as i64)
        }
        Val::Double(_) => Err(Fault::value("a double outside the range of int")),
        _ => parse(of, "int"),
    }
}

fn double(of: &Val<'_>) -> Result<f64, Fault> {
    match of {
        Val::Int(it) => Ok(*it as f64),
        Val::Double(it) => Ok(*it),
        _ => parse(of, "double"),
    }
}

fn parse<T: std::str::FromStr>(of: &Val<'_>, name: &str) -> Result<T, Fault> {
    let text = of.as_str().ok_or_else(|| unsuitable(name, of))?;
    text.parse()
        .map_err(|_| Fault::value(format!("the text is no {name}")))
}

fn text<'a>(of: &Val<'a>, budget: &mut Budget) -> Result<Val<'a>, Fault> {
    match of {
        Val::Str(_) | Val::Text(_) => Ok(of.clone()),
        Val::Int(it) => Ok(Val::text(it.to_string())),
        Val::Double(it) => Ok(Val::text(it.to_string())),
        Val::Bool(it) => Ok(Val::text(it.to_string())),
        Val::Bytes(it) => {
            budget.bytes(it.len())?;
            let text =
                std::str::from_utf8(it).map_err(|_| Fault::value("the bytes are no UTF-8"))?;
            Ok(Val::text(text))
        }
        _ => Err(unsuitable("string", of)),
    }
}

fn bool(of: &Val<'_>) -> Result<bool, Fault> {
    match (of, of.as_str()) {
        (Val::Bool(it), _) => Ok(*it),
        (_, Some("true" | "TRUE" | "True" | "t" | "1")) => Ok(true),
        (_, Some("false" | "FALSE" | "False" | "f" | "0")) => Ok(false),
        (_, Some(_)) => Err(Fault::value("the text is no bool")),
        _ => Err(unsuitable("bool", of)),
    }
}

fn bytes<'a>(of: &Val<'a>, budget: &mut Budget) -> Result<Val<'a>, Fault> {
    match (of, of.as_str()) {
        (Val::Bytes(_), _) => Ok(of.clone()),
        (_, Some(text)) => {
            super::budget::fits(text.len())?;
            budget.bytes(text.len())?;
            Ok(Val::Bytes(text.as_bytes().into()))
        }
        _ => Err(unsuitable("bytes", of)),
    }
}

pub(super) fn text_of<'v>(of: &'v Val<'_>, function: &str) -> Result<&'v str, Fault> {
    of.as_str().ok_or_else(|| unsuitable(function, of))
}

fn unsuitable(function: &str, of: &Val<'_>) -> Fault {
    Fault::value(format!(
        "`{function}` cannot be applied to {}",
        of.type_name()
    ))
}

fn plural(arguments: usize) -> String {
    if arguments == 1 {
        "1 argument".to_owned()
    } else {
        format!("{arguments} arguments")
    }
}
