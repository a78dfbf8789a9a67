//! A small expression evaluator: the part of CEL that random graphs and most cases use.
//!
//! What it does not know it refuses as unsupported, so that it never guesses.

use serde_json::{Map, Number, Value};

/// Why an expression gave no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The rules make it an error.
    Error,
    /// Outside the part this evaluator knows.
    Unsupported(String),
}

/// The names an expression may use: the fields in order of precedence, then the built-ins.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    /// Objects whose keys are names; an earlier one hides a later one.
    pub(super) fields: Vec<Map<String, Value>>,
    /// `value`, `input`, `run` and, on edges, `output`.
    pub(super) builtins: Map<String, Value>,
}

impl Names {
    fn get(&self, name: &str) -> Option<&Value> {
        if let Some(builtin) = name.strip_prefix('_') {
            return self.builtins.get(builtin);
        }
        self.fields
            .iter()
            .find_map(|object| object.get(name))
            .or_else(|| self.builtins.get(name))
    }
}

/// Whether the text is a single identifier.
#[must_use]
pub(super) fn is_identifier(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// A condition.
pub(super) fn condition(text: &str, names: &Names) -> Result<bool, Fault> {
    let text = text.trim();
    match text.to_ascii_lowercase().as_str() {
        "true" => return Ok(true),
        "false" => return Ok(false),
        _ => {}
    }
    if is_identifier(text) {
        let value = names.get(text).ok_or(Fault::Error)?;
        return Ok(match value {
            Value::Null => false,
            Value::Bool(flag) => *flag,
            Value::Number(number) => number.as_f64() != Some(0.0),
            Value::String(text) => !text.is_empty(),
            Value::Array(items) => !items.is_empty(),
            Value::Object(fields) => !fields.is_empty(),
        });
    }
    match evaluate(text, names)? {
        Value::Bool(flag) => Ok(flag),
        _ => Err(Fault::Error),
    }
}

/// A transform's expression (T-02 to T-04).
pub(super) fn transform(
    text: &str,
    subject: &Value,
    names: &Names,
    default: Option<&Value>,
) -> Result<Value, Fault> {
    let text = text.trim();
    if matches!(text, "input" | "data" | "output" | ".") && subject.get(text).is_none() {
        return Ok(subject.clone());
    }
    if text.starts_with('$') {
        return Err(Fault::Unsupported(text.to_owned()));
    }
    if let Some((name, rest)) = pure_path(text) {
        let mut found = names.get(name);
        for part in rest {
            found = found.and_then(|value| match part {
                Part::Field(name) => value.get(name),
                Part::Index(at) => value.get(at),
            });
        }
        return Ok(found.or(default).cloned().unwrap_or(Value::Null));
    }
    evaluate(text, names)
}

enum Part<'a> {
    Field(&'a str),
    Index(usize),
}

/// `a.b[0].c` as its first name and what follows; `None` for any other expression (T-03).
fn pure_path(text: &str) -> Option<(&str, Vec<Part<'_>>)> {
    let mut parts = Vec::new();
    for dotted in text.split('.') {
        let (name, indices) = dotted.split_at(dotted.find('[').unwrap_or(dotted.len()));
        if !is_identifier(name) || matches!(name, "true" | "false" | "null") {
            return None;
        }
        parts.push(Part::Field(name));
        for index in indices.split_terminator(']') {
            parts.push(Part::Index(index.strip_prefix('[')?.parse().ok()?));
        }
    }
    match parts.remove(0) {
        Part::Field(first) => Some((first, parts)),
        Part::Index(_) => None,
    }
}

fn evaluate(text: &str, names: &Names) -> Result<Value, Fault> {
    let tokens = tokens(text)?;
    let mut parser = Parser {
        tokens: &tokens,
        at: 0,
        names,
    };
    let value = parser.or();
    if parser.at < tokens.len() && value.is_ok() {
        return Err(Fault::Unsupported(text.to_owned()));
    }
    value
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Literal(Value),
    Name(String),
    Sign(&'static str),
}

const SIGNS: [&str; 19] = [
    "&&", "||", "==", "!=", "<=", ">=", "<", ">", "!", "+", "-", "*", "/", "%", "(", ")", ".", "[",
    "]",
];

fn tokens(text: &str) -> Result<Vec<Token>, Fault> {
    let mut rest = text.trim_start();
    let mut tokens = Vec::new();
    while let Some(first) = rest.chars().next() {
        let length = if first.is_ascii_digit() {
            let end = rest
                .find(|c: char| !c.is_ascii_digit() && c != '.')
                .unwrap_or(rest.len());
            let number: Number = rest[..end]
                .parse()
                .map_err(|_| Fault::Unsupported(text.to_owned()))?;
            tokens.push(Token::Literal(Value::Number(number)));
            end
        } else if first == '\'' || first == '"' {
            let end = rest[1..].find(first).ok_or(Fault::Error)?;
            tokens.push(Token::Literal(Value::String(rest[1..=end].to_owned())));
            end + 2
        } else if first.is_ascii_alphabetic() || first == '_' {
            let end = rest
                .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .unwrap_or(rest.len());
            tokens.push(match &rest[..end] {
                "true" => Token::Literal(Value::Bool(true)),
                "false" => Token::Literal(Value::Bool(false)),
                "null" => Token::Literal(Value::Null),
                name => Token::Name(name.to_owned()),
            });
            end
        } else {
            let sign = SIGNS.iter().find(|sign| rest.starts_with(**sign));
            let sign = sign.ok_or_else(|| Fault::Unsupported(text.to_owned()))?;
            tokens.push(Token::Sign(sign));
            sign.len()
        };
        rest = rest[length..].trim_start();
    }
    Ok(tokens)
}

/// Reads and evaluates at once; both sides of `&&` and `||` are always read, as CEL's absorption needs.
struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
    names: &'a Names,
}

type Outcome = Result<Value, Fault>;

impl Parser<'_> {
    fn accept(&mut self, signs: &[&'static str]) -> Option<&'static str> {
        match self.tokens.get(self.at) {
            Some(Token::Sign(sign)) if signs.contains(sign) => {
                self.at += 1;
                Some(sign)
            }
            _ => None,
        }
    }

    fn or(&mut self) -> Outcome {
        let mut left = self.and();
        while self.accept(&["||"]).is_some() {
            left = absorb(left, self.and(), true);
        }
        left
    }

    fn and(&mut self) -> Outcome {
        let mut left = self.comparison();
        while self.accept(&["&&"]).is_some() {
            left = absorb(left, self.comparison(), false);
        }
        left
    }

    fn comparison(&mut self) -> Outcome {
        let left = self.sum();
        let Some(sign) = self.accept(&["==", "!=", "<=", ">=", "<", ">"]) else {
            return left;
        };
        let (left, right) = both(left, self.sum())?;
        compare(sign, &left, &right)
    }

    fn sum(&mut self) -> Outcome {
        let mut left = self.product();
        while let Some(sign) = self.accept(&["+", "-"]) {
            let right = self.product();
            left = both(left, right).and_then(|(a, b)| arithmetic(sign, &a, &b));
        }
        left
    }

    fn product(&mut self) -> Outcome {
        let mut left = self.unary();
        while let Some(sign) = self.accept(&["*", "/", "%"]) {
            let right = self.unary();
            left = both(left, right).and_then(|(a, b)| arithmetic(sign, &a, &b));
        }
        left
    }

    fn unary(&mut self) -> Outcome {
        match self.accept(&["!", "-"]) {
            Some("!") => match self.unary()? {
                Value::Bool(flag) => Ok(Value::Bool(!flag)),
                _ => Err(Fault::Error),
            },
            Some(_) => {
                let value = self.unary()?;
                arithmetic("-", &Value::from(0), &value)
            }
            None => self.member(),
        }
    }

    fn member(&mut self) -> Outcome {
        let mut value = self.primary();
        loop {
            if self.accept(&["."]).is_some() {
                let Some(Token::Name(name)) = self.tokens.get(self.at) else {
                    return Err(Fault::Unsupported("member".to_owned()));
                };
                self.at += 1;
                value = value.and_then(|value| value.get(name).cloned().ok_or(Fault::Error));
            } else if self.accept(&["["]).is_some() {
                let (object, key) = both(value, self.or())?;
                self.accept(&["]"]).ok_or(Fault::Error)?;
                value = match (&object, &key) {
                    (Value::Object(fields), Value::String(key)) => fields.get(key),
                    (Value::Array(items), Value::Number(_)) => {
                        key.as_u64().and_then(|at| items.get(at as usize))
                    }
                    _ => None,
                }
                .cloned()
                .ok_or(Fault::Error);
            } else {
                return value;
            }
        }
    }

    fn primary(&mut self) -> Outcome {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        match token {
            Some(Token::Literal(value)) => Ok(value),
            Some(Token::Name(name)) if self.tokens.get(self.at) == Some(&Token::Sign("(")) => {
                Err(Fault::Unsupported(name))
            }
            Some(Token::Name(name)) => self.names.get(&name).cloned().ok_or(Fault::Error),
            Some(Token::Sign("(")) => {
                let value = self.or();
                self.accept(&[")"]).ok_or(Fault::Error)?;
                value
            }
            other => Err(Fault::Unsupported(format!("{other:?}"))),
        }
    }
}

fn both(left: Outcome, right: Outcome) -> Result<(Value, Value), Fault> {
    Ok((left?, right?))
}

fn absorb(left: Outcome, right: Outcome, decisive: bool) -> Outcome {
    let decisive = Value::Bool(decisive);
    if left.as_ref() == Ok(&decisive) || right.as_ref() == Ok(&decisive) {
        return Ok(decisive);
    }
    match both(left, right)? {
        (Value::Bool(_), Value::Bool(_)) => Ok(Value::Bool(decisive != Value::Bool(true))),
        _ => Err(Fault::Error),
    }
}

fn compare(sign: &str, left: &Value, right: &Value) -> Outcome {
    let equal = match (left.as_f64(), right.as_f64()) {
        (Some(a), Some(b)) => a == b,
        _ => left == right,
    };
    let less = match (left, right) {
        (Value::Number(_), Value::Number(_)) => left.as_f64() < right.as_f64(),
        (Value::String(a), Value::String(b)) => a < b,
        _ if sign == "==" || sign == "!=" => false,
        _ => return Err(Fault::Error),
    };
    Ok(Value::Bool(match sign {
        "==" => equal,
        "!=" => !equal,
        "<" => less,
        "<=" => less || equal,
        ">" => !less && !equal,
        _ => !less,
    }))
}

fn arithmetic(sign: &str, left: &Value, right: &Value) -> Outcome {
    if let (Some(a), Some(b)) = (left.as_i64(), right.as_i64()) {
        let result = match sign {
            "+" => a.checked_add(b),
            "-" => a.checked_sub(b),
            "*" => a.checked_mul(b),
            "/" => a.checked_div(b),
            _ => a.checked_rem(b),
        };
        return result.map(Value::from).ok_or(Fault::Error);
    }
    if let (Some(a), Some(b)) = (left.as_f64(), right.as_f64()) {
        let result = match sign {
            "+" => a + b,
            "-" => a - b,
            "*" => a * b,
            "/" => a / b,
            _ => return Err(Fault::Error),
        };
        return Number::from_f64(result)
            .map(Value::Number)
            .ok_or(Fault::Error);
    }
    match (sign, left, right) {
        ("+", Value::String(a), Value::String(b)) => Ok(Value::String(format!("{a}{b}"))),
        ("+", Value::Array(a), Value::Array(b)) => {
            Ok(Value::Array(a.iter().chain(b).cloned().collect()))
        }
        _ => Err(Fault::Error),
    }
}
