//! JSON text to a value, with what `serde_json` does not tell: places, repeated keys, depth and
//! numbers that cannot be held.
//!
//! Invariant: accepts what `serde_json` accepts, but for repeated keys, depth over [`MAX_DEPTH`],
//! more than [`MAX_BYTES`] or [`MAX_VALUES`], and integers outside of i64 and u64. Time and memory
//! are linear in the text; the call stack is bounded by the depth.

use std::fmt;

use serde_json::{Number, Value};

use crate::canvas::definition::Object;
use crate::canvas::validate::ValidationCode;
use crate::canvas::validate::path::{Path, Quoted};
use crate::canvas::validate::report::Report;

/// The longest document, in bytes.
pub const MAX_BYTES: usize = 32 * 1024 * 1024;
/// The deepest nesting of arrays and objects.
pub(crate) const MAX_DEPTH: usize = 64;
/// The most values in one document: several times what the largest segment has.
const MAX_VALUES: usize = 4_000_000;

/// Reads one document; `None` if it could not be read to its end.
pub(super) fn parse(bytes: &[u8], report: &mut Report) -> Option<Value> {
    if bytes.len() > MAX_BYTES {
        let (length, most) = (bytes.len(), MAX_BYTES);
        let message = format_args!("the document has {length} bytes, at most {most} are read");
        report.unreadable(ValidationCode::TooLarge, Path::Root, message);
        return None;
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let at = error.valid_up_to();
            let message = format_args!("not UTF-8 at byte {at}");
            report.unreadable(ValidationCode::InvalidJson, Path::Root, message);
            return None;
        }
    };
    let mut reader = Reader {
        text,
        bytes,
        at: 0,
        values: 0,
        report,
    };
    reader.document().ok()
}

/// Reading has ended; the report says why.
struct Stop;

struct Reader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    values: usize,
    report: &'a mut Report,
}

impl Reader<'_> {
    fn document(&mut self) -> Result<Value, Stop> {
        if self.text.starts_with('\u{feff}') {
            return self.syntax("a byte order mark, JSON has none");
        }
        let value = self.value(Path::Root, 0)?;
        self.skip_blanks();
        if self.at < self.bytes.len() {
            return self.syntax("more text after the end of the document");
        }
        Ok(value)
    }

    fn value(&mut self, path: Path<'_>, depth: usize) -> Result<Value, Stop> {
        self.values += 1;
        if self.values > MAX_VALUES {
            let message = format_args!("the document has more than {MAX_VALUES} values");
            return self.stop(ValidationCode::TooLarge, Path::Root, message);
        }
        self.skip_blanks();
        match self.peek() {
            Some(b'{') => self.object(path, depth + 1),
            Some(b'[') => self.array(path, depth + 1),
            Some(b'"') => self.string().map(Value::String),
            Some(b'-' | b'0'..=b'9') => self.number(path),
            Some(b't') => self.literal("true", Value::Bool(true)),
            Some(b'f') => self.literal("false", Value::Bool(false)),
            Some(b'n') => self.literal("null", Value::Null),
            Some(_) => self.syntax("no JSON value"),
            None => self.syntax("the end of the document instead of a value"),
        }
    }

    fn object(&mut self, path: Path<'_>, depth: usize) -> Result<Value, Stop> {
        self.enter(path, depth)?;
        let mut object = Object::new();
        self.skip_blanks();
        if self.eat(b'}') {
            return Ok(Value::Object(object));
        }
        loop {
            self.skip_blanks();
            if self.peek() != Some(b'"') {
                return self.syntax("a key in quotes is missing");
            }
            let key = self.string()?;
            self.skip_blanks();
            if !self.eat(b':') {
                return self.syntax("a colon after the key is missing");
            }
            let here = path.key(&key);
            if object.contains_key(&key) {
                let message = format_args!("the key {} is repeated", Quoted(&key));
                self.fault(ValidationCode::DuplicateKey, here, message)?;
            }
            let value = self.value(here, depth)?;
            object.insert(key, value);
            self.skip_blanks();
            if self.eat(b'}') {
                return Ok(Value::Object(object));
            }
            if !self.eat(b',') {
                return self.syntax("a comma or `}` is missing");
            }
        }
    }

    fn array(&mut self, path: Path<'_>, depth: usize) -> Result<Value, Stop> {
        self.enter(path, depth)?;
        let mut array = Vec::new();
        self.skip_blanks();
        if self.eat(b']') {
            return Ok(Value::Array(array));
        }
        loop {
            array.push(self.value(path.index(array.len()), depth)?);
            self.skip_blanks();
            if self.eat(b']') {
                return Ok(Value::Array(array));
            }
            if !self.eat(b',') {
                return self.syntax("a comma or `]` is missing");
            }
        }
    }

    fn enter(&mut self, path: Path<'_>, depth: usize) -> Result<(), Stop> {
        if depth > MAX_DEPTH {
            let message = format_args!("nested deeper than {MAX_DEPTH}");
            return self.stop(ValidationCode::TooDeep, path, message);
        }
        self.at += 1;
        Ok(())
    }

    /// The string at the reader's place; `serde_json` resolves its escapes.
    fn string(&mut self) -> Result<String, Stop> {
        let start = self.at;
        let mut escaped = false;
        self.at += 1;
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    self.at += 2;
                }
                Some(0..=0x1f) => return self.syntax("a control character in a string"),
                Some(_) => self.at += 1,
                None => {
                    self.at = start;
                    return self.syntax("a string without its closing quote");
                }
            }
        }
        self.at += 1;
        if !escaped {
            return Ok(self.text[start + 1..self.at - 1].to_owned());
        }
        serde_json::from_slice(&self.bytes[start..self.at]).or_else(|_| {
            self.at = start;
            self.syntax("a string with an escape that is none, or half of a surrogate pair")
        })
    }

    fn number(&mut self, path: Path<'_>) -> Result<Value, Stop> {
        let start = self.at;
        self.eat(b'-');
        match self.peek() {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        let mut whole = true;
        if self.eat(b'.') {
            whole = false;
            self.digits()?;
        }
        if self.eat(b'e') || self.eat(b'E') {
            whole = false;
            let _sign = self.eat(b'+') || self.eat(b'-');
            self.digits()?;
        }
        let token = &self.text[start..self.at];
        let number = if whole {
            integer(token)
        } else {
            fraction(token)
        };
        match number {
            Some(number) => Ok(Value::Number(number)),
            None => {
                let message = format_args!(
                    "the number {} is out of range",
                    Quoted(&self.text[start..self.at])
                );
                self.fault(ValidationCode::InvalidType, path, message)?;
                Ok(Value::Null)
            }
        }
    }

    fn digits(&mut self) -> Result<(), Stop> {
        if !matches!(self.peek(), Some(b'0'..=b'9')) {
            return self.syntax("a digit is missing");
        }
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        Ok(())
    }

    fn literal(&mut self, text: &str, value: Value) -> Result<Value, Stop> {
        if !self.bytes[self.at..].starts_with(text.as_bytes()) {
            return self.syntax("no JSON value");
        }
        self.at += text.len();
        Ok(value)
    }

    fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// Reports a fault and goes on, while there is room for more.
    fn fault(
        &mut self,
        code: ValidationCode,
        path: Path<'_>,
        message: fmt::Arguments<'_>,
    ) -> Result<(), Stop> {
        self.report.unreadable(code, path, message);
        if self.report.is_full() {
            Err(Stop)
        } else {
            Ok(())
        }
    }

    fn stop<T>(
        &mut self,
        code: ValidationCode,
        path: Path<'_>,
        message: fmt::Arguments<'_>,
    ) -> Result<T, Stop> {
        self.report.unreadable(code, path, message);
        Err(Stop)
    }

    /// Ends with what is wrong at the reader's place.
    fn syntax<T>(&mut self, what: &str) -> Result<T, Stop> {
        let at = self.at.min(self.bytes.len());
        let before = &self.bytes[..at];
        let line_start = before
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |it| it + 1);
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        let column = 1 + String::from_utf8_lossy(&before[line_start..])
            .chars()
            .count();
        let message = format_args!("not JSON at line {line}, column {column} (byte {at}): {what}");
        self.stop(ValidationCode::InvalidJson, Path::Root, message)
    }
}

fn integer(token: &str) -> Option<Number> {
    let signed = token.parse::<i64>().map(Number::from);
    signed
        .or_else(|_| token.parse::<u64>().map(Number::from))
        .ok()
}

fn fraction(token: &str) -> Option<Number> {
    token.parse().ok().and_then(Number::from_f64)
}
