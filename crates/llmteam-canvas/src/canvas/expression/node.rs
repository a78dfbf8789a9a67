//! The tree of a compiled expression.
//!
//! Invariant: a tree is at most [`MAX_DEPTH`] deep; every local variable is a place on the stack of the macros around
//! it; literals and literal patterns are ready to use. The tree knows nothing about evaluation.

use super::functions::Function;
use super::operate::{Arithmetic, Order};
use super::pattern::Pattern;

/// How deep a tree may be, so that walking it never exhausts a stack.
pub(super) const MAX_DEPTH: usize = 128;

#[derive(Clone, Debug)]
pub(super) enum Node {
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(Box<str>),
    Bytes(Box<[u8]>),
    /// A name of the surroundings.
    Name(Box<str>),
    /// The variable of a macro, counted from the outermost one.
    Local(usize),
    Field(Box<Node>, Box<str>),
    /// `has(operand.field)`
    Has(Box<Node>, Box<str>),
    Index(Box<[Node; 2]>),
    In(Box<[Node; 2]>),
    Not(Box<Node>),
    Negate(Box<Node>),
    /// `&&` for `false`, `||` for `true`: the value that decides by itself.
    Logic(bool, Box<[Node; 2]>),
    Choose(Box<[Node; 3]>),
    /// `==`, or `!=` when the flag is false.
    Equal(bool, Box<[Node; 2]>),
    Order(Order, Box<[Node; 2]>),
    Arithmetic(Arithmetic, Box<[Node; 2]>),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
    Macro(Box<Macro>),
    Call(Function, Vec<Node>),
    /// `matches` with a literal pattern.
    Matches(Box<Node>, Pattern),
}

/// `range.kind(variable, body)`.
#[derive(Clone, Debug)]
pub(super) struct Macro {
    pub(super) kind: MacroKind,
    pub(super) range: Node,
    /// The middle argument of `map(variable, condition, body)`.
    pub(super) condition: Option<Node>,
    pub(super) body: Node,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MacroKind {
    All,
    Exists,
    ExistsOne,
    Map,
    Filter,
}

impl MacroKind {
    pub(super) fn find(name: &str) -> Option<Self> {
        match name {
            "all" => Some(Self::All),
            "exists" => Some(Self::Exists),
            "exists_one" | "existsOne" => Some(Self::ExistsOne),
            "map" => Some(Self::Map),
            "filter" => Some(Self::Filter),
            _ => None,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Exists => "exists",
            Self::ExistsOne => "exists_one",
            Self::Map => "map",
            Self::Filter => "filter",
        }
    }
}
