//! The walk over a compiled tree.
//!
//! Invariant: every node and every macro iteration is paid for before it runs; an evaluation reads the names it is
//! given and nothing else, so the same names give the same result.

use super::budget::Budget;
use super::error::Fault;
use super::functions::{text_of, type_named};
use super::names::{Names, resolve};
use super::node::{Macro, MacroKind, Node};
use super::operate::{contains, equal, index, negate};
use super::value::{Entries, List, Val};

/// Evaluates a tree over names.
pub(super) fn evaluate<'a>(node: &'a Node, names: &'a dyn Names) -> Result<Val<'a>, Fault> {
    Walk {
        names,
        budget: Budget::new(),
        locals: Vec::new(),
    }
    .value(node)
}

struct Walk<'a> {
    names: &'a dyn Names,
    budget: Budget,
    /// The values of the macro variables around the current node, outermost first.
    locals: Vec<Val<'a>>,
}

impl<'a> Walk<'a> {
    fn value(&mut self, node: &'a Node) -> Result<Val<'a>, Fault> {
        self.budget.step()?;
        match node {
            Node::Null => Ok(Val::Null),
            Node::Bool(it) => Ok(Val::Bool(*it)),
            Node::Int(it) => Ok(Val::Int(*it)),
            Node::Double(it) => Ok(Val::Double(*it)),
            Node::Text(it) => Ok(Val::Str(it)),
            Node::Bytes(it) => Ok(Val::Bytes((&**it).into())),
            Node::Name(it) => self.name(it),
            Node::Local(place) => Ok(self.locals[*place].clone()),
            Node::Field(operand, name) => self.field(operand, name),
            Node::Has(operand, name) => self.has(operand, name),
            Node::Not(operand) => self.bool(operand, "!").map(|it| Val::Bool(!it)),
            Node::Negate(operand) => negate(&self.value(operand)?),
            Node::Logic(decisive, operands) => self.logic(*decisive, operands).map(Val::Bool),
            Node::Choose(operands) => self.choose(operands),
            Node::Equal(_, operands)
            | Node::Order(_, operands)
            | Node::Arithmetic(_, operands)
            | Node::In(operands)
            | Node::Index(operands) => self.binary(node, operands),
            Node::List(items) => self.list(items),
            Node::Map(entries) => self.map(entries),
            Node::Macro(it) => self.macro_call(it),
            Node::Call(function, arguments) => {
                let arguments = arguments
                    .iter()
                    .map(|it| self.value(it))
                    .collect::<Result<Vec<_>, _>>()?;
                function.call(&arguments, &mut self.budget)
            }
            Node::Matches(text, pattern) => {
                let text = self.value(text)?;
                let found = pattern.occurs_in(text_of(&text, "matches")?, &mut self.budget)?;
                Ok(Val::Bool(found))
            }
        }
    }

    fn name(&self, name: &str) -> Result<Val<'a>, Fault> {
        match resolve(self.names, name) {
            Some(value) => Ok(Val::from_json(value)),
            None => type_named(name)
                .map(Val::Type)
                .ok_or_else(|| undefined(name)),
        }
    }

    fn field(&mut self, operand: &'a Node, name: &str) -> Result<Val<'a>, Fault> {
        let operand = self.value(operand)?;
        match operand.field(name) {
            Some(field) => field.ok_or_else(|| Fault::value(format!("no such key: `{name}`"))),
            None => Err(Fault::value(format!(
                "{} has no field `{name}`",
                operand.type_name()
            ))),
        }
    }

    fn has(&mut self, operand: &'a Node, name: &str) -> Result<Val<'a>, Fault> {
        let operand = self.value(operand)?;
        match operand.field(name) {
            Some(field) => Ok(Val::Bool(field.is_some())),
            None => Err(Fault::value(format!(
                "{} has no fields",
                operand.type_name()
            ))),
        }
    }

    /// `&&` and `||`: the decisive value wins from either side, over any fault of a value on the other.
    fn logic(&mut self, decisive: bool, [left, right]: &'a [Node; 2]) -> Result<bool, Fault> {
        let operator = if decisive { "||" } else { "&&" };
        let left = match self.bool(left, operator) {
            Ok(it) if it == decisive => return Ok(decisive),
            Err(limit @ Fault::Limit(_)) => return Err(limit),
            other => other,
        };
        match self.bool(right, operator) {
            Ok(it) if it == decisive => Ok(decisive),
            Err(limit @ Fault::Limit(_)) => Err(limit),
            right => left.and(right),
        }
    }

    fn choose(&mut self, [condition, yes, no]: &'a [Node; 3]) -> Result<Val<'a>, Fault> {
        if self.bool(condition, "? :")? {
            self.value(yes)
        } else {
            self.value(no)
        }
    }

    fn binary(&mut self, node: &Node, [left, right]: &'a [Node; 2]) -> Result<Val<'a>, Fault> {
        let (left, right) = (self.value(left)?, self.value(right)?);
        let budget = &mut self.budget;
        match node {
            Node::Equal(expected, _) => {
                equal(&left, &right, budget).map(|it| Val::Bool(it == *expected))
            }
            Node::Order(order, _) => order.apply(&left, &right, budget).map(Val::Bool),
            Node::Arithmetic(operator, _) => operator.apply(&left, &right, budget),
            Node::In(_) => contains(&left, &right, budget).map(Val::Bool),
            _ => index(&left, &right, budget),
        }
    }

    fn list(&mut self, items: &'a [Node]) -> Result<Val<'a>, Fault> {
        let mut list = List::default();
        for item in items {
            list.push(self.value(item)?)?;
        }
        Ok(list.into_val())
    }

    fn map(&mut self, entries: &'a [(Node, Node)]) -> Result<Val<'a>, Fault> {
        let mut map = Entries::default();
        for (key, value) in entries {
            let (key, value) = (self.value(key)?, self.value(value)?);
            map.insert(key, value, &mut self.budget)?;
        }
        Ok(map.into_val())
    }

    fn macro_call(&mut self, it: &'a Macro) -> Result<Val<'a>, Fault> {
        let range = self.value(&it.range)?;
        let elements = range.elements().ok_or_else(|| {
            Fault::value(format!(
                "`{}` needs list or map and not {}",
                it.kind.name(),
                range.type_name()
            ))
        })?;
        match it.kind {
            MacroKind::All => self.any_or_all(it, elements, false),
            MacroKind::Exists => self.any_or_all(it, elements, true),
            MacroKind::ExistsOne => self.exists_one(it, elements),
            MacroKind::Map | MacroKind::Filter => self.collect(it, elements),
        }
    }

    /// `exists` for the decisive value true, `all` for false; faults give way to it as in `||` and `&&`.
    fn any_or_all(
        &mut self,
        it: &'a Macro,
        elements: impl Iterator<Item = Val<'a>>,
        decisive: bool,
    ) -> Result<Val<'a>, Fault> {
        let mut outcome = Ok(!decisive);
        for element in elements {
            match self.with(element, |walk| walk.bool(&it.body, it.kind.name())) {
                Ok(found) if found == decisive => return Ok(Val::Bool(decisive)),
                Err(limit @ Fault::Limit(_)) => return Err(limit),
                other => outcome = outcome.and(other),
            }
        }
        outcome.map(Val::Bool)
    }

    fn exists_one(
        &mut self,
        it: &'a Macro,
        elements: impl Iterator<Item = Val<'a>>,
    ) -> Result<Val<'a>, Fault> {
        let mut count = 0_usize;
        for element in elements {
            count += usize::from(self.with(element, |walk| walk.bool(&it.body, "exists_one"))?);
        }
        Ok(Val::Bool(count == 1))
    }

    fn collect(
        &mut self,
        it: &'a Macro,
        elements: impl Iterator<Item = Val<'a>>,
    ) -> Result<Val<'a>, Fault> {
        let mut list = List::default();
        for element in elements {
            let kept = match (it.kind, &it.condition) {
                (MacroKind::Filter, _) => {
                    let original = element.clone();
                    self.with(element, |walk| walk.bool(&it.body, "filter"))?
                        .then_some(original)
                }
                (_, Some(condition)) => self.with(element, |walk| {
                    if walk.bool(condition, "map")? {
                        walk.value(&it.body).map(Some)
                    } else {
                        Ok(None)
                    }
                })?,
                (_, None) => Some(self.with(element, |walk| walk.value(&it.body))?),
            };
            kept.map(|item| list.push(item)).transpose()?;
        }
        Ok(list.into_val())
    }

    /// One iteration of a macro, its variable bound to `element`.
    fn with<T>(
        &mut self,
        element: Val<'a>,
        run: impl FnOnce(&mut Self) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        self.budget.step()?;
        self.locals.push(element);
        let outcome = run(self);
        self.locals.pop();
        outcome
    }

    fn bool(&mut self, node: &'a Node, asker: &str) -> Result<bool, Fault> {
        match self.value(node)? {
            Val::Bool(it) => Ok(it),
            other => Err(Fault::value(format!(
                "`{asker}` needs bool and not {}",
                other.type_name()
            ))),
        }
    }
}

pub(super) fn undefined(name: &str) -> Fault {
    Fault::value(format!("undefined name `{name}`"))
}
