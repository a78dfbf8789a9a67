//! Process trees: sequence, choice, parallelism and loops, one inside the other.
//!
//! Invariant: every operator has an operand, a loop exactly two (what is done, and what leads back to it), and no tree is
//! deeper than [`MAX_DEPTH`]. A tree is always sound: whatever it begins it can end. This module does not know logs, nor how a
//! tree was found.

mod net;
#[cfg(test)]
mod properties;
mod text;

use std::cmp::Ordering;

pub use self::text::ProcessTreeParseError;

/// How many operators may stand inside one another (256).
pub const MAX_DEPTH: usize = 256;

/// How the operands of a node belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operator {
    /// One after the other: `->`.
    Sequence,
    /// One of them: `X`.
    Xor,
    /// All of them, in any order and interleaved: `+`.
    Parallel,
    /// The first, then any number of times the second and the first again: `*`.
    Loop,
}

impl Operator {
    /// All operators.
    pub const ALL: [Self; 4] = [Self::Sequence, Self::Xor, Self::Parallel, Self::Loop];

    /// The operator in the text of a tree.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sequence => "->",
            Self::Xor => "X",
            Self::Parallel => "+",
            Self::Loop => "*",
        }
    }

    /// Whether the order of the operands means nothing.
    pub fn is_commutative(self) -> bool {
        matches!(self, Self::Xor | Self::Parallel)
    }
}

/// Why operands make no tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProcessTreeError {
    /// An operator without operands.
    #[error("`{}` needs an operand", operator.as_str())]
    NoOperand {
        /// The operator.
        operator: Operator,
    },
    /// A loop is what is done and what leads back to it.
    #[error("a loop has two operands, not {operands}")]
    LoopOperands {
        /// How many there were.
        operands: usize,
    },
    /// Deeper than [`MAX_DEPTH`].
    #[error("the tree is deeper than {MAX_DEPTH}")]
    TooDeep,
}

/// A process tree. Its text is that of [`Display`](std::fmt::Display) and [`FromStr`](std::str::FromStr).
///
/// ```
/// use llmteam_orchestration::roles::mining::ProcessTree;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let tree: ProcessTree = "->(a, X(e, +(b,c)), d)".parse()?;
/// assert_eq!(tree.canonical().to_string(), "->(a, X(e, +(b,c)), d)");
/// assert_eq!(tree.to_petri_net().transitions().len(), 7);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ProcessTree {
    node: Node,
    depth: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Node {
    Silent,
    Activity(Box<str>),
    Operator(Operator, Vec<ProcessTree>),
}

impl ProcessTree {
    /// The tree that does nothing: `τ`.
    pub fn silent() -> Self {
        Self {
            node: Node::Silent,
            depth: 0,
        }
    }

    /// The tree of one activity.
    pub fn activity(label: &str) -> Self {
        Self {
            node: Node::Activity(label.into()),
            depth: 0,
        }
    }

    /// The tree of an operator.
    ///
    /// # Errors
    ///
    /// Too few operands, too many for a loop, or too deep a tree.
    pub fn operator(operator: Operator, operands: Vec<Self>) -> Result<Self, ProcessTreeError> {
        match (operator, operands.len()) {
            (Operator::Loop, 2) => {}
            (_, 0) => return Err(ProcessTreeError::NoOperand { operator }),
            (Operator::Loop, operands) => return Err(ProcessTreeError::LoopOperands { operands }),
            _ => {}
        }
        let tree = Self::joined(operator, operands);
        if tree.depth > MAX_DEPTH {
            return Err(ProcessTreeError::TooDeep);
        }
        Ok(tree)
    }

    /// As [`operator`](Self::operator), for who knows that the operands fit.
    pub(crate) fn joined(operator: Operator, operands: Vec<Self>) -> Self {
        let depth = operands.iter().map(|it| it.depth).max().unwrap_or(0) + 1;
        Self {
            node: Node::Operator(operator, operands),
            depth,
        }
    }

    /// The activity of a leaf.
    pub fn label(&self) -> Option<&str> {
        match &self.node {
            Node::Activity(label) => Some(label),
            Node::Silent | Node::Operator(..) => None,
        }
    }

    /// The operator at the top and its operands; `None` of a leaf.
    pub fn operands(&self) -> Option<(Operator, &[Self])> {
        match &self.node {
            Node::Operator(operator, operands) => Some((*operator, operands)),
            Node::Silent | Node::Activity(_) => None,
        }
    }

    /// Whether it is `τ`.
    pub fn is_silent(&self) -> bool {
        matches!(self.node, Node::Silent)
    }

    /// How many operators stand inside one another; 0 of a leaf.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// The same without operators of one operand, and with the operands of a sequence, choice or parallel node in place of a
    /// like node among its operands. Of several `τ` in a choice the first stays, of those in a sequence or parallel node none.
    pub fn flattened(&self) -> Self {
        let Some((operator, operands)) = self.operands() else {
            return self.clone();
        };
        let mut flat: Vec<Self> = Vec::with_capacity(operands.len());
        for operand in operands {
            let operand = operand.flattened();
            match operand.node {
                Node::Operator(inner, operands)
                    if inner == operator && operator != Operator::Loop =>
                {
                    flat.extend(operands);
                }
                _ => flat.push(operand),
            }
        }
        match operator {
            Operator::Sequence | Operator::Parallel => flat.retain(|it| !it.is_silent()),
            Operator::Xor => {
                let mut silent = false;
                flat.retain(|it| !it.is_silent() || !std::mem::replace(&mut silent, true));
            }
            Operator::Loop => {}
        }
        match (flat.pop(), flat.is_empty()) {
            (None, _) => Self::silent(),
            (Some(only), true) => only,
            (Some(last), false) => {
                flat.push(last);
                Self::joined(operator, flat)
            }
        }
    }

    /// The flattened tree with the operands of choices and parallel nodes in one order: two trees that differ only in that
    /// order have the same canonical tree.
    pub fn canonical(&self) -> Self {
        self.flattened().sorted()
    }

    fn sorted(mut self) -> Self {
        if let Node::Operator(operator, operands) = &mut self.node {
            *operands = std::mem::take(operands)
                .into_iter()
                .map(Self::sorted)
                .collect();
            if operator.is_commutative() {
                operands.sort();
            }
        }
        self
    }
}

impl PartialOrd for ProcessTree {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// `τ` first, then activities by name, then operators.
impl Ord for ProcessTree {
    fn cmp(&self, other: &Self) -> Ordering {
        self.node.cmp(&other.node)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(text: &str) -> String {
        text.parse::<ProcessTree>().unwrap().canonical().to_string()
    }

    // covers: MM-05
    #[test]
    fn the_order_of_choices_means_nothing() {
        assert_eq!(
            canonical("->(a, X(+(c,b), e), d)"),
            canonical("->(a, X(e, +(b,c)), d)")
        );
        assert_ne!(canonical("->(a,b)"), canonical("->(b,a)"));
        assert_ne!(canonical("*(a,b)"), canonical("*(b,a)"));
    }

    // covers: MM-05
    #[test]
    fn like_nodes_are_flattened_and_single_operands_stand_alone() {
        assert_eq!(canonical("->(a, ->(b, ->(c)), X(d))"), "->(a,b,c,d)");
        assert_eq!(canonical("X(τ, X(τ,a), X(τ))"), "X(τ,a)");
        assert_eq!(canonical("X(X(τ), X(τ,τ))"), "τ");
        assert_eq!(canonical("->(a, τ, +(τ,b), +(τ,τ))"), "->(a,b)");
        assert_eq!(canonical("->(τ,τ)"), "τ");
        assert_eq!(canonical("*(*(a,τ), τ)"), "*(*(a,τ), τ)");
        assert_eq!(canonical("+(b, +(c, X(a)))"), "+(a,b,c)");
    }

    #[test]
    fn operands_that_make_no_tree_are_refused() {
        let made = |operator, operands: usize| {
            ProcessTree::operator(operator, vec![ProcessTree::silent(); operands])
        };
        let refused = |operator, operands| made(operator, operands).unwrap_err().to_string();
        assert_eq!(refused(Operator::Xor, 0), "`X` needs an operand");
        assert_eq!(refused(Operator::Loop, 0), "`*` needs an operand");
        assert_eq!(refused(Operator::Loop, 3), "a loop has two operands, not 3");
        let mut tree = ProcessTree::activity("a");
        for _ in 0..MAX_DEPTH {
            tree = ProcessTree::operator(Operator::Sequence, vec![tree]).unwrap();
        }
        assert_eq!(tree.depth(), MAX_DEPTH);
        let deeper = ProcessTree::operator(Operator::Sequence, vec![tree]);
        assert_eq!(deeper, Err(ProcessTreeError::TooDeep));
    }
}
