//! Process trees as text: `->(a, X(+(b,c), e), d)`.
//!
//! Invariant: what a tree prints reads back as the same tree. Operands are parted by `,`, and by `, ` where one of them is an
//! operator. A label of letters, digits, inner blanks and `_ - . : /` stands as it is, every other in single quotes, in which
//! `\` stands before `'` and `\`; `τ` and `tau` mean the tree that does nothing.

use std::{fmt, str::FromStr};

use super::{MAX_DEPTH, Node, Operator, ProcessTree, ProcessTreeError};

/// Why a text is no process tree.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProcessTreeParseError {
    /// Something else should stand here.
    #[error("{wanted} is expected at byte {at}")]
    Expected {
        /// What should stand here.
        wanted: &'static str,
        /// How many bytes stand before.
        at: usize,
    },
    /// The operands make no tree.
    #[error("before byte {at}: {error}")]
    Operands {
        /// Why.
        error: ProcessTreeError,
        /// Where the operands end.
        at: usize,
    },
}

impl fmt::Display for ProcessTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.node {
            Node::Silent => f.write_str("τ"),
            Node::Activity(label) if is_plain(label) => f.write_str(label),
            Node::Activity(label) => {
                let escaped = label.replace('\\', r"\\").replace('\'', r"\'");
                write!(f, "'{escaped}'")
            }
            Node::Operator(operator, operands) => {
                let nested = operands.iter().any(|it| it.operands().is_some());
                let separator = if nested { ", " } else { "," };
                write!(f, "{}(", operator.as_str())?;
                for (index, operand) in operands.iter().enumerate() {
                    let separator = if index == 0 { "" } else { separator };
                    write!(f, "{separator}{operand}")?;
                }
                f.write_str(")")
            }
        }
    }
}

impl FromStr for ProcessTree {
    type Err = ProcessTreeParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parser = Parser { text, at: 0 };
        let tree = parser.tree(0)?;
        parser.skip_blanks();
        if parser.rest().is_empty() {
            Ok(tree)
        } else {
            Err(parser.expected("the end"))
        }
    }
}

fn is_plain(label: &str) -> bool {
    let ends_in_blank = label.starts_with(' ') || label.ends_with(' ');
    !label.is_empty()
        && !ends_in_blank
        && !matches!(label, "τ" | "tau")
        && label.chars().all(is_plain_char)
}

fn is_plain_char(char: char) -> bool {
    char.is_alphanumeric() || matches!(char, ' ' | '_' | '-' | '.' | ':' | '/')
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    fn tree(&mut self, depth: usize) -> Result<ProcessTree, ProcessTreeParseError> {
        self.skip_blanks();
        if let Some(operator) = self.operator() {
            if depth == MAX_DEPTH {
                return Err(self.unfit(ProcessTreeError::TooDeep));
            }
            let operands = self.operands(depth)?;
            return ProcessTree::operator(operator, operands).map_err(|error| self.unfit(error));
        }
        if self.take("'") {
            return self.quoted();
        }
        match self.plain() {
            "" => Err(self.expected("a label, `τ` or an operator")),
            "τ" | "tau" => Ok(ProcessTree::silent()),
            label => Ok(ProcessTree::activity(label)),
        }
    }

    /// An operator and the parenthesis behind it. `X` and `+` without one are not operators.
    fn operator(&mut self) -> Option<Operator> {
        let (operator, rest) = Operator::ALL.into_iter().find_map(|operator| {
            let rest = self.rest().strip_prefix(operator.as_str())?;
            Some((operator, rest.trim_start().strip_prefix('(')?))
        })?;
        self.at = self.text.len() - rest.len();
        Some(operator)
    }

    fn operands(&mut self, depth: usize) -> Result<Vec<ProcessTree>, ProcessTreeParseError> {
        let mut operands = Vec::new();
        self.skip_blanks();
        if self.take(")") {
            return Ok(operands);
        }
        loop {
            operands.push(self.tree(depth + 1)?);
            self.skip_blanks();
            if self.take(")") {
                return Ok(operands);
            }
            if !self.take(",") {
                return Err(self.expected("`,` or `)`"));
            }
        }
    }

    fn quoted(&mut self) -> Result<ProcessTree, ProcessTreeParseError> {
        let mut label = String::new();
        let mut chars = self.rest().char_indices();
        while let Some((at, char)) = chars.next() {
            match char {
                '\'' => {
                    self.at += at + 1;
                    return Ok(ProcessTree::activity(&label));
                }
                '\\' => match chars.next() {
                    Some((_, escaped @ ('\\' | '\''))) => label.push(escaped),
                    _ => {
                        self.at += at + 1;
                        return Err(self.expected(r"`\` or `'`"));
                    }
                },
                char => label.push(char),
            }
        }
        self.at = self.text.len();
        Err(self.expected("`'`"))
    }

    fn plain(&mut self) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|char| !is_plain_char(char)).unwrap_or(rest.len());
        let label = rest[..end].trim_end_matches(' ');
        self.at += label.len();
        label
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn skip_blanks(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    fn take(&mut self, text: &str) -> bool {
        let found = self.rest().starts_with(text);
        if found {
            self.at += text.len();
        }
        found
    }

    fn expected(&self, wanted: &'static str) -> ProcessTreeParseError {
        let at = self.at;
        ProcessTreeParseError::Expected { wanted, at }
    }

    fn unfit(&self, error: ProcessTreeError) -> ProcessTreeParseError {
        let at = self.at;
        ProcessTreeParseError::Operands { error, at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let said = match text.parse::<ProcessTree>() {
            Ok(tree) => tree.to_string(),
            Err(error) => error.to_string(),
        };
        assert_eq!(said, expected);
    }

    // covers: MM-04
    #[test]
    fn operands_are_parted_by_a_blank_where_one_is_an_operator() {
        for text in [
            "->(a, X(+(X(τ,c), *(b,τ)), e), d)",
            "*(->(a,b), τ)",
            "+(a,b,c)",
            "τ",
            "draft review",
        ] {
            check(text, text);
        }
        check(" -> ( 'a' , tau )", "->(a,τ)");
    }

    // covers: MM-04
    #[test]
    fn labels_that_would_be_misread_are_quoted() {
        let printed = |label: &str| ProcessTree::activity(label).to_string();
        assert_eq!(printed("a,b"), "'a,b'");
        assert_eq!(printed("it's"), r"'it\'s'");
        assert_eq!(printed(r"c:\x"), r"'c:\\x'");
        assert_eq!(printed("τ"), "'τ'");
        assert_eq!(printed(""), "''");
        assert_eq!(printed(" a"), "' a'");
        assert_eq!(printed("X"), "X");
        check("X(X,'+')", "X(X,'+')");
    }

    // covers: MM-04
    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        check("", "a label, `τ` or an operator is expected at byte 0");
        check("->(a,", "a label, `τ` or an operator is expected at byte 5");
        check("->(a b", "`,` or `)` is expected at byte 6");
        check("a)", "the end is expected at byte 1");
        check("'a", "`'` is expected at byte 2");
        check(r"'a\n'", r"`\` or `'` is expected at byte 3");
        check("+()", "before byte 3: `+` needs an operand");
        check("*(a)", "before byte 4: a loop has two operands, not 1");
        let deep = "->(".repeat(MAX_DEPTH + 1);
        check(&deep, "before byte 771: the tree is deeper than 256");
        let deepest = format!("{}a{}", "X(".repeat(MAX_DEPTH), ")".repeat(MAX_DEPTH));
        check(&deepest, &deepest);
    }
}
