//! JSONPath (RFC 9535) over the subject (T-05).
//!
//! Invariant: a query visits at most [`MAX_VISITS`] nodes. The library that runs queries cannot be stopped, so the
//! worst case of a query over a given subject is bounded before it runs, from the shape of its text: a node is
//! reached once per selector that repeats it and once per ancestor for every `..` after the first; a filter that
//! starts from the root again may see the whole subject once per node.

use serde_json::Value;
use serde_json_path::JsonPath;

use super::error::Fault;
use super::value::Meter;

/// The nodes a query may visit.
const MAX_VISITS: usize = 1_000_000;
/// How deep brackets may be nested: the parser reads a nested filter twice per level.
const MAX_NESTING: usize = 6;
const MAX_PARENTHESES: usize = 32;

/// A compiled JSONPath query.
#[derive(Clone, Debug)]
pub(super) struct Query {
    path: JsonPath,
    shape: Shape,
}

impl Query {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let shape = Shape::of(text)?;
        let path = JsonPath::parse(text).map_err(|error| {
            format!(
                "invalid JSONPath at {}: {}",
                error.position() + 1,
                error.message()
            )
        })?;
        Ok(Self { path, shape })
    }

    /// The value of a singular query, or none; the array of all values of any other query.
    pub(super) fn find(&self, subject: &Value) -> Result<Option<Value>, Fault> {
        if self.shape.singular {
            return Ok(self.path.query(subject).first().cloned());
        }
        if self.shape.worst_case(subject) > MAX_VISITS {
            return Err(Fault::Limit(
                format!("the query may visit more than {MAX_VISITS} values").into(),
            ));
        }
        let nodes = self.path.query(subject).all();
        let mut meter = Meter::default();
        meter.frame(nodes.len())?;
        nodes.iter().try_for_each(|node| meter.measure(node))?;
        Ok(Some(Value::Array(nodes.into_iter().cloned().collect())))
    }
}

/// What the text of a query says about its cost.
#[derive(Clone, Debug, Default, PartialEq)]
struct Shape {
    /// Names and indices only: at most one node.
    singular: bool,
    /// How often the selectors of one bracket may name the same node, over all brackets.
    repeats: usize,
    /// The `..` after the first.
    descents: u32,
    /// The queries in the text.
    queries: usize,
    /// Whether a filter may look at the whole subject for each node.
    restarts: u32,
}

impl Shape {
    fn of(text: &str) -> Result<Self, String> {
        let bare = without_strings(text)?;
        let mut commas: Vec<usize> = Vec::new();
        let (mut parentheses, mut repeats) = (0_usize, 1_usize);
        for byte in bare.bytes() {
            match byte {
                b'[' => commas.push(0),
                b']' => repeats = repeats.saturating_mul(1 + commas.pop().unwrap_or_default()),
                b'(' => parentheses += 1,
                b')' => parentheses = parentheses.saturating_sub(1),
                b',' => commas
                    .iter_mut()
                    .next_back()
                    .into_iter()
                    .for_each(|count| *count += 1),
                _ => {}
            }
            if commas.len() > MAX_NESTING || parentheses > MAX_PARENTHESES {
                return Err("nested too deeply".to_owned());
            }
        }
        let roots: Vec<&str> = bare
            .match_indices('$')
            .skip(1)
            .map(|(at, _)| embedded(&bare[at..]))
            .collect();
        let calls = bare.contains('(');
        let restarting = roots.iter().filter(|query| !is_singular(query)).count()
            + usize::from(roots.len() > 1 || (calls && !roots.is_empty()));
        Ok(Self {
            singular: is_singular(&bare),
            repeats,
            descents: u32::try_from(bare.matches("..").count().saturating_sub(1))
                .unwrap_or(u32::MAX),
            queries: bare.matches(['$', '@']).count(),
            restarts: u32::try_from(restarting).unwrap_or(u32::MAX),
        })
    }

    /// More than the values that the query visits in `subject`.
    fn worst_case(&self, subject: &Value) -> usize {
        let mut extent = Extent::default();
        extent.add(subject, 1);
        extent
            .weight
            .saturating_mul(self.queries)
            .saturating_mul(self.repeats)
            .saturating_mul(extent.depth.saturating_pow(self.descents))
            .saturating_mul(extent.weight.saturating_pow(self.restarts))
    }
}

/// How large a subject is: its values, with long texts counting for several, and its depth.
#[derive(Default)]
struct Extent {
    weight: usize,
    depth: usize,
}

impl Extent {
    fn add(&mut self, value: &Value, depth: usize) {
        self.depth = self.depth.max(depth);
        self.weight += 1;
        if self.weight > MAX_VISITS {
            return;
        }
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.add(item, depth + 1)),
            Value::Object(fields) => fields.values().for_each(|field| self.add(field, depth + 1)),
            Value::String(text) => self.weight += text.len() / 64,
            _ => {}
        }
    }
}

/// The text with every string literal emptied and without blanks.
fn without_strings(text: &str) -> Result<String, String> {
    let mut bare = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            quote @ ('\'' | '"') => {
                bare.push('\'');
                loop {
                    match characters.next() {
                        Some('\\') => drop(characters.next()),
                        Some(it) if it == quote => break,
                        Some(_) => {}
                        None => return Err("a text in it has no end".to_owned()),
                    }
                }
            }
            ' ' | '\t' | '\n' | '\r' => {}
            _ => bare.push(character),
        }
    }
    Ok(bare)
}

/// The query that starts at the first character, up to where the filter around it goes on.
fn embedded(text: &str) -> &str {
    let mut open = 0_usize;
    let end = text.find(|character| {
        match character {
            '[' => open += 1,
            ']' if open > 0 => open -= 1,
            ']' | ')' | '&' | '|' | '=' | '!' | '<' | '>' | ',' if open == 0 => return true,
            _ => {}
        }
        false
    });
    &text[..end.unwrap_or(text.len())]
}

fn is_singular(bare: &str) -> bool {
    !bare.contains("..") && !bare.contains(['*', '?', ':', ','])
}

#[cfg(test)]
mod tests {
    use super::{MAX_VISITS, Query, Shape};
    use serde_json::{Value, json};

    #[track_caller]
    fn shape(text: &str) -> Shape {
        Shape::of(text).expect("readable")
    }

    // covers: T-05
    #[test]
    fn names_and_indices_are_singular_and_nothing_else() {
        for text in [
            "$",
            "$.a",
            "$['a,*:?']",
            "$[0]",
            "$[-1].a[\"..\"]",
            "$ .a ['b\\'*']",
            "$.a.b[2]",
        ] {
            assert!(shape(text).singular, "{text}");
        }
        for text in [
            "$..a",
            "$.*",
            "$[*]",
            "$[0,1]",
            "$['a','b']",
            "$[0:1]",
            "$[:]",
            "$[?@.a]",
            "$['a'][?@ == 1]",
        ] {
            assert!(!shape(text).singular, "{text}");
        }
    }

    #[test]
    fn the_shape_counts_what_multiplies() {
        let expected = Shape {
            singular: false,
            repeats: 3,
            descents: 1,
            queries: 3,
            restarts: 0,
        };
        assert_eq!(shape("$..a[0,0,1]..b[?@.c && @.d == ',,..$']"), expected);
        for (text, restarts) in [
            ("$.a[?@.b < $.limit]", 0),
            ("$.a[?$.b == $.c]", 1),
            ("$.a[?$..b]", 1),
            ("$.a[?$.*]", 1),
            ("$.a[?length($.b) > 2]", 1),
            ("$.a[?@[?$[?$.*]]]", 3),
        ] {
            assert_eq!(shape(text).restarts, restarts, "{text}");
        }
    }

    // The bound is above what a query visits: for queries that repeat nodes the result alone shows it.
    #[test]
    fn the_worst_case_covers_the_result() {
        let subject: Value = (0..12).fold(
            json!([1, 2]),
            |inner, n| json!({"a": inner, "b": n, "c": [n, n]}),
        );
        for text in [
            "$..*",
            "$..*..*",
            "$..*..*..*",
            "$..[*,*]",
            "$[*,*][*,*][*,*]",
            "$..[?@..b]",
            "$..*[*]..c",
        ] {
            let query = Query::parse(text).expect("valid");
            let found = query.path.query(&subject).len();
            assert!(
                found > 1 && found <= query.shape.worst_case(&subject),
                "{text}: {found}"
            );
        }
    }

    #[test]
    fn explosions_are_refused_before_they_run() {
        let deep = (0..60).fold(json!(1), |inner, _| json!([inner, 1]));
        let wide = Value::Array((0..20_000).map(|n| json!({"n": n})).collect());
        for (text, subject) in [
            ("$..*..*..*..*..*..*..*..*", &deep),
            (
                "$[*,*,*,*][*,*,*,*][*,*,*,*][*,*,*,*][*,*,*,*][*,*,*,*][*,*,*,*][*,*,*,*][*,*,*,*]",
                &deep,
            ),
            ("$[?$..n]", &wide),
            ("$[?$[?@.n == 3]]", &wide),
            ("$[?$ == $]", &wide),
        ] {
            let query = Query::parse(text).expect("valid");
            let fault = query.find(subject).expect_err(text);
            assert_eq!(
                fault.into_reason(),
                format!("the query may visit more than {MAX_VISITS} values"),
                "{text}"
            );
        }
        for text in [
            "$[?@[?@[?@[?@[?@[?@[?@.a]]]]]]]",
            &format!("$[?{}@.a{}]", "(".repeat(40), ")".repeat(40)),
        ] {
            assert_eq!(Query::parse(text).expect_err(text), "nested too deeply");
        }
        for text in [
            "$['a",
            "$.a[?@.b == \"x]",
            "$[?match(@.a, 'a*')]",
            "$[?search(@.a, @.b)]",
            "$x",
            "$.a.",
            "$[1",
            "$ ",
        ] {
            assert!(Query::parse(text).is_err(), "{text}");
        }
    }
}
