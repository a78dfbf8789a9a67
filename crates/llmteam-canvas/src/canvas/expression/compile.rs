//! From text to tree: the `cel` crate parses, this module lowers.
//!
//! Invariant: a text that compiles uses only what the language has (known functions called the right way, bounded
//! depth, valid patterns), so that most mistakes show before a run. Macros are not expanded by the parser: they stay
//! the calls they are written as and become nodes of their own.

use std::panic;
use std::sync::LazyLock;

use cel::Env;
use cel::common::ast::{EntryExpr, Expr, IdedEntryExpr, IdedExpr, LiteralValue, operators};
use cel::parser::ParseErrors;

use super::budget::too_long;
use super::functions::Function;
use super::node::{MAX_DEPTH, Macro, MacroKind, Node};
use super::operate::{Arithmetic, Order};
use super::pattern::Pattern;

/// How deep brackets, calls and `? :` may be nested.
const MAX_NESTING: u16 = 32;
/// How many literal patterns a text may hold: compiling one takes time.
const MAX_PATTERNS: usize = 10;

/// An environment without macros and without optional values: their syntax is refused.
static LANGUAGE: LazyLock<Env> = LazyLock::new(|| Env::default().with_optional_support(false));

/// Compiles a text, or says why it is no expression.
pub(super) fn compile(text: &str) -> Result<Node, String> {
    if let Some(reason) = too_long(text) {
        return Err(reason);
    }
    Lowering::default().lower(parse(text)?)
}

fn parse(text: &str) -> Result<IdedExpr, String> {
    // The parser stops at the first error: the tree of a half understood text is never walked. Should the generated
    // parser still panic on a text, that text is invalid and nothing else is harmed.
    let parsed = panic::catch_unwind(|| {
        LANGUAGE
            .parser()
            .error_recovery_limit(0)
            .max_recursion_depth(MAX_NESTING)
            .parse(text)
    });
    match parsed {
        Ok(Ok(expression)) => Ok(expression),
        Ok(Err(errors)) => Err(first_reason(&errors)),
        Err(_) => Err("the parser cannot read it".to_owned()),
    }
}

fn first_reason(errors: &ParseErrors) -> String {
    let Some(error) = errors.errors.first() else {
        return "syntax error".to_owned();
    };
    if error.msg.contains("Recursion limit") {
        return format!("nested deeper than {MAX_NESTING} levels");
    }
    let message = error.msg.trim_start_matches("Syntax error: ");
    format!("syntax error at {}:{}: {message}", error.pos.0, error.pos.1)
}

#[derive(Default)]
struct Lowering {
    /// The variables of the macros around the current place, outermost first.
    variables: Vec<String>,
    depth: usize,
    patterns: usize,
}

impl Lowering {
    fn lower(&mut self, expression: IdedExpr) -> Result<Node, String> {
        if self.depth == MAX_DEPTH {
            return Err(format!("deeper than {MAX_DEPTH} operators"));
        }
        self.depth += 1;
        let node = match expression.expr {
            Expr::Literal(it) => Ok(literal(it)),
            Expr::Ident(it) => Ok(self.name(&it)),
            Expr::Select(it) => Ok(Node::Field(self.boxed(*it.operand)?, it.field.into())),
            Expr::List(it) => self.all(it.elements).map(Node::List),
            Expr::Map(it) => it
                .entries
                .into_iter()
                .map(|entry| self.entry(entry))
                .collect::<Result<_, _>>()
                .map(Node::Map),
            Expr::Call(it) => match it.target {
                None => self.call(&it.func_name, it.args),
                Some(target) => self.method(&it.func_name, *target, it.args),
            },
            Expr::Struct(it) => Err(format!(
                "`{}` is no type: messages are not available",
                it.type_name
            )),
            Expr::Comprehension(_) | Expr::Unspecified => Err("syntax error".to_owned()),
        };
        self.depth -= 1;
        node
    }

    /// A leading dot means the surroundings even inside a macro.
    fn name(&self, name: &str) -> Node {
        match name.strip_prefix('.') {
            Some(name) => Node::Name(name.into()),
            None => match self.variables.iter().rposition(|variable| variable == name) {
                Some(place) => Node::Local(place),
                None => Node::Name(name.into()),
            },
        }
    }

    fn call(&mut self, name: &str, arguments: Vec<IdedExpr>) -> Result<Node, String> {
        let order = match name {
            operators::LESS => Some(Order::Less),
            operators::LESS_EQUALS => Some(Order::LessOrEqual),
            operators::GREATER => Some(Order::Greater),
            operators::GREATER_EQUALS => Some(Order::GreaterOrEqual),
            _ => None,
        };
        let arithmetic = match name {
            operators::ADD => Some(Arithmetic::Add),
            operators::SUBSTRACT => Some(Arithmetic::Subtract),
            operators::MULTIPLY => Some(Arithmetic::Multiply),
            operators::DIVIDE => Some(Arithmetic::Divide),
            operators::MODULO => Some(Arithmetic::Modulo),
            _ => None,
        };
        match (name, order, arithmetic) {
            (_, Some(order), _) => Ok(Node::Order(order, self.operands(arguments)?)),
            (_, _, Some(arithmetic)) => Ok(Node::Arithmetic(arithmetic, self.operands(arguments)?)),
            (operators::LOGICAL_AND, ..) => Ok(Node::Logic(false, self.operands(arguments)?)),
            (operators::LOGICAL_OR, ..) => Ok(Node::Logic(true, self.operands(arguments)?)),
            (operators::EQUALS, ..) => Ok(Node::Equal(true, self.operands(arguments)?)),
            (operators::NOT_EQUALS, ..) => Ok(Node::Equal(false, self.operands(arguments)?)),
            (operators::IN, ..) => Ok(Node::In(self.operands(arguments)?)),
            (operators::INDEX, ..) => Ok(Node::Index(self.operands(arguments)?)),
            (operators::CONDITIONAL, ..) => Ok(Node::Choose(self.operands(arguments)?)),
            (operators::LOGICAL_NOT, ..) => self.operand(arguments).map(Node::Not),
            (operators::NEGATE, ..) => self.operand(arguments).map(Node::Negate),
            ("has", ..) => self.has(arguments),
            _ => {
                let function =
                    Function::find(name.trim_start_matches('.'), false, arguments.len())?;
                self.function(function, arguments)
            }
        }
    }

    fn method(
        &mut self,
        name: &str,
        target: IdedExpr,
        arguments: Vec<IdedExpr>,
    ) -> Result<Node, String> {
        if let Some(kind) = MacroKind::find(name) {
            return self.expand(kind, target, arguments);
        }
        let function = Function::find(name, true, arguments.len() + 1)?;
        self.function(function, [vec![target], arguments].concat())
    }

    fn function(&mut self, function: Function, arguments: Vec<IdedExpr>) -> Result<Node, String> {
        let mut arguments = self.all(arguments)?;
        if function == Function::Matches
            && let [_, Node::Text(pattern)] = &arguments[..]
        {
            self.patterns += 1;
            if self.patterns > MAX_PATTERNS {
                return Err(format!("more than {MAX_PATTERNS} patterns"));
            }
            let pattern = Pattern::compile(pattern)?;
            return Ok(Node::Matches(Box::new(arguments.swap_remove(0)), pattern));
        }
        Ok(Node::Call(function, arguments))
    }

    fn has(&mut self, arguments: Vec<IdedExpr>) -> Result<Node, String> {
        match <[IdedExpr; 1]>::try_from(arguments) {
            Ok(
                [
                    IdedExpr {
                        expr: Expr::Select(it),
                        ..
                    },
                ],
            ) => Ok(Node::Has(self.boxed(*it.operand)?, it.field.into())),
            _ => Err("`has` takes one field, as in `has(value.field)`".to_owned()),
        }
    }

    fn expand(
        &mut self,
        kind: MacroKind,
        range: IdedExpr,
        mut arguments: Vec<IdedExpr>,
    ) -> Result<Node, String> {
        let misused = || {
            format!(
                "`{0}` is called as `list.{0}(variable, expression)`",
                kind.name()
            )
        };
        let body = arguments.pop().ok_or_else(misused)?;
        let condition = if kind == MacroKind::Map && arguments.len() == 2 {
            arguments.pop()
        } else {
            None
        };
        let variable = match <[IdedExpr; 1]>::try_from(arguments) {
            Ok(
                [
                    IdedExpr {
                        expr: Expr::Ident(name),
                        ..
                    },
                ],
            ) if !name.starts_with('.') => name,
            _ => return Err(misused()),
        };
        let range = self.lower(range)?;
        self.variables.push(variable);
        let condition = condition.map(|it| self.lower(it)).transpose()?;
        let body = self.lower(body)?;
        self.variables.pop();
        Ok(Node::Macro(Box::new(Macro {
            kind,
            range,
            condition,
            body,
        })))
    }

    fn entry(&mut self, entry: IdedEntryExpr) -> Result<(Node, Node), String> {
        match entry.expr {
            EntryExpr::MapEntry(it) => Ok((self.lower(it.key)?, self.lower(it.value)?)),
            EntryExpr::StructField(_) => Err("syntax error".to_owned()),
        }
    }

    fn operands<const N: usize>(
        &mut self,
        arguments: Vec<IdedExpr>,
    ) -> Result<Box<[Node; N]>, String> {
        self.all(arguments)?
            .try_into()
            .map(Box::new)
            .map_err(|_| "syntax error".to_owned())
    }

    fn operand(&mut self, arguments: Vec<IdedExpr>) -> Result<Box<Node>, String> {
        let [node] = *self.operands::<1>(arguments)?;
        Ok(Box::new(node))
    }

    fn boxed(&mut self, expression: IdedExpr) -> Result<Box<Node>, String> {
        self.lower(expression).map(Box::new)
    }

    fn all(&mut self, expressions: Vec<IdedExpr>) -> Result<Vec<Node>, String> {
        expressions.into_iter().map(|it| self.lower(it)).collect()
    }
}

/// Unsigned literals are int where they fit and double above, like the integers of JSON.
fn literal(value: LiteralValue) -> Node {
    match value {
        LiteralValue::Null => Node::Null,
        LiteralValue::Boolean(it) => Node::Bool(it.into_inner()),
        LiteralValue::Int(it) => Node::Int(it.into_inner()),
        LiteralValue::UInt(it) => {
            let it = it.into_inner();
            i64::try_from(it).map_or(Node::Double(it as f64), Node::Int)
        }
        LiteralValue::Double(it) => Node::Double(it.into_inner()),
        LiteralValue::String(it) => Node::Text(it.into_inner().into()),
        LiteralValue::Bytes(it) => Node::Bytes(it.into_inner().into()),
    }
}
