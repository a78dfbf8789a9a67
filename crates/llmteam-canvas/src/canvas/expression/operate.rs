//! Operators: equality, order, arithmetic, membership, indexing.
//!
//! Invariant: nothing wraps, nothing is truthy, and int and double compare by their exact values. What has no meaning
//! is a [`Fault`], never a guess.

use std::cmp::Ordering;

use serde_json::{Map, Value};

use super::budget::{Budget, fits};
use super::error::Fault;
use super::value::{List, Val};

/// `+ - * / %`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
}

/// `< <= > >=`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Arithmetic {
    pub(super) fn symbol(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Modulo => "%",
        }
    }

    pub(super) fn apply<'a>(
        self,
        left: &Val<'a>,
        right: &Val<'a>,
        budget: &mut Budget,
    ) -> Result<Val<'a>, Fault> {
        match (left, right) {
            (Val::Int(left), Val::Int(right)) => self.ints(*left, *right).map(Val::Int),
            (Val::Double(left), Val::Double(right)) => self.doubles(*left, *right).map(Val::Double),
            (Val::Int(left), Val::Double(right)) => {
                self.doubles(*left as f64, *right).map(Val::Double)
            }
            (Val::Double(left), Val::Int(right)) => {
                self.doubles(*left, *right as f64).map(Val::Double)
            }
            _ if self == Self::Add => concatenate(left, right, budget),
            _ => Err(no_overload(self.symbol(), left, right)),
        }
    }

    fn ints(self, left: i64, right: i64) -> Result<i64, Fault> {
        if right == 0 && matches!(self, Self::Divide | Self::Modulo) {
            return Err(Fault::value("division by zero"));
        }
        match self {
            Self::Add => left.checked_add(right),
            Self::Subtract => left.checked_sub(right),
            Self::Multiply => left.checked_mul(right),
            Self::Divide => left.checked_div(right),
            Self::Modulo => left.checked_rem(right),
        }
        .ok_or_else(|| Fault::value(format!("int overflow in `{}`", self.symbol())))
    }

    fn doubles(self, left: f64, right: f64) -> Result<f64, Fault> {
        match self {
            Self::Add => Ok(left + right),
            Self::Subtract => Ok(left - right),
            Self::Multiply => Ok(left * right),
            Self::Divide => Ok(left / right),
            Self::Modulo => Err(Fault::value("`%` needs two ints")),
        }
    }
}

impl Order {
    pub(super) fn apply(
        self,
        left: &Val<'_>,
        right: &Val<'_>,
        budget: &mut Budget,
    ) -> Result<bool, Fault> {
        let ordering = match (left, right) {
            (Val::Int(left), Val::Int(right)) => Some(left.cmp(right)),
            (Val::Double(left), Val::Double(right)) => left.partial_cmp(right),
            (Val::Int(left), Val::Double(right)) => compare_numbers(*left, *right),
            (Val::Double(left), Val::Int(right)) => {
                compare_numbers(*right, *left).map(Ordering::reverse)
            }
            (Val::Bool(left), Val::Bool(right)) => Some(left.cmp(right)),
            (Val::Bytes(left), Val::Bytes(right)) => {
                budget.bytes(left.len().min(right.len()))?;
                Some(left.cmp(right))
            }
            _ => match (left.as_str(), right.as_str()) {
                (Some(left), Some(right)) => {
                    budget.bytes(left.len().min(right.len()))?;
                    Some(left.cmp(right))
                }
                _ => return Err(no_overload(self.symbol(), left, right)),
            },
        };
        Ok(ordering.is_some_and(|it| match self {
            Self::Less => it.is_lt(),
            Self::LessOrEqual => it.is_le(),
            Self::Greater => it.is_gt(),
            Self::GreaterOrEqual => it.is_ge(),
        }))
    }

    fn symbol(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }
}

/// The exact order of an int and a double; none for NaN.
pub(super) fn compare_numbers(int: i64, double: f64) -> Option<Ordering> {
    const BEYOND: f64 = 9_223_372_036_854_775_808.0;
    if double.is_nan() {
        None
    } else if double >= BEYOND {
        Some(Ordering::Less)
    } else if double < -BEYOND {
        Some(Ordering::Greater)
    } else {
        // The whole part of a double in this range is an i64; the rest decides between equal whole parts.
        let whole = double.trunc();
        Some(int.cmp(&(whole as i64)).then(if double > whole {
            Ordering::Less
        } else if double < whole {
            Ordering::Greater
        } else {
            Ordering::Equal
        }))
    }
}

/// `==`: values of different types differ, except int and double.
pub(super) fn equal(left: &Val<'_>, right: &Val<'_>, budget: &mut Budget) -> Result<bool, Fault> {
    Ok(match (left, right) {
        (Val::Null, Val::Null) => true,
        (Val::Bool(left), Val::Bool(right)) => left == right,
        (Val::Int(left), Val::Int(right)) => left == right,
        (Val::Double(left), Val::Double(right)) => left == right,
        (Val::Int(int), Val::Double(double)) | (Val::Double(double), Val::Int(int)) => {
            compare_numbers(*int, *double).is_some_and(Ordering::is_eq)
        }
        (Val::Bytes(left), Val::Bytes(right)) => {
            budget.bytes(left.len().min(right.len()))?;
            left == right
        }
        (Val::Type(left), Val::Type(right)) => left == right,
        (Val::Object(left), Val::Object(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .map(|(key, value)| (key, Val::from_json(value)))
                    .try_fold(true, |so_far, (key, value)| {
                        same_entry(so_far, &value, right.get(key).map(Val::from_json), budget)
                    })?
        }
        (Val::Entries(entries), other @ (Val::Object(_) | Val::Entries(_)))
        | (other @ Val::Object(_), Val::Entries(entries)) => {
            other.len() == Some(entries.pairs().len())
                && entries
                    .pairs()
                    .iter()
                    .try_fold(true, |so_far, (key, value)| {
                        same_entry(so_far, value, entry(other, key), budget)
                    })?
        }
        _ if left.is_list() && right.is_list() => {
            left.len() == right.len() && same_items(left, right, budget)?
        }
        _ => match (left.as_str(), right.as_str()) {
            (Some(left), Some(right)) => {
                budget.bytes(left.len().min(right.len()))?;
                left == right
            }
            _ => false,
        },
    })
}

fn same_items(left: &Val<'_>, right: &Val<'_>, budget: &mut Budget) -> Result<bool, Fault> {
    for (left, right) in left
        .elements()
        .into_iter()
        .flatten()
        .zip(right.elements().into_iter().flatten())
    {
        budget.items(1)?;
        if !equal(&left, &right, budget)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn same_entry(
    so_far: bool,
    left: &Val<'_>,
    right: Option<Val<'_>>,
    budget: &mut Budget,
) -> Result<bool, Fault> {
    budget.items(1)?;
    match right {
        Some(right) if so_far => equal(left, &right, budget),
        _ => Ok(false),
    }
}

/// The value under a key of a map.
fn entry<'a>(map: &Val<'a>, key: &Val<'_>) -> Option<Val<'a>> {
    match map {
        Val::Object(it) => key.as_str().and_then(|key| it.get(key)).map(Val::from_json),
        Val::Entries(it) => it.get(key),
        _ => None,
    }
}

/// `item in container`.
pub(super) fn contains(
    item: &Val<'_>,
    container: &Val<'_>,
    budget: &mut Budget,
) -> Result<bool, Fault> {
    match container {
        Val::Entries(it) => budget
            .items(it.pairs().len())
            .map(|()| it.get(item).is_some()),
        Val::Object(_) => Ok(entry(container, item).is_some()),
        _ => {
            let items = container
                .elements()
                .ok_or_else(|| no_overload("in", item, container))?;
            for other in items {
                budget.items(1)?;
                if equal(item, &other, budget)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
    }
}

/// `container[key]`.
pub(super) fn index<'a>(
    container: &Val<'a>,
    key: &Val<'_>,
    budget: &mut Budget,
) -> Result<Val<'a>, Fault> {
    if container.is_list() {
        let position = match key {
            Val::Int(it) => usize::try_from(*it).ok(),
            Val::Double(it) if it.fract() == 0.0 && *it >= 0.0 && *it < 9e15 => Some(*it as usize),
            Val::Double(_) => None,
            _ => {
                return Err(Fault::value(format!(
                    "the index of a list cannot be {}",
                    key.type_name()
                )));
            }
        };
        return position
            .and_then(|at| container.item(at))
            .ok_or_else(|| Fault::value("list index out of range"));
    }
    if container.len().is_none() {
        return Err(Fault::value(format!(
            "{} cannot be indexed",
            container.type_name()
        )));
    }
    if let Val::Entries(it) = container {
        budget.items(it.pairs().len())?;
    }
    // The key may come from a value, so it is not shown.
    entry(container, key).ok_or_else(|| Fault::value("no such key"))
}

/// `-operand`.
pub(super) fn negate<'a>(operand: &Val<'a>) -> Result<Val<'a>, Fault> {
    match operand {
        Val::Int(it) => it
            .checked_neg()
            .map(Val::Int)
            .ok_or_else(|| Fault::value("int overflow in `-`")),
        Val::Double(it) => Ok(Val::Double(-it)),
        _ => Err(Fault::value(format!(
            "`-` cannot be applied to {}",
            operand.type_name()
        ))),
    }
}

fn concatenate<'a>(left: &Val<'a>, right: &Val<'a>, budget: &mut Budget) -> Result<Val<'a>, Fault> {
    if left.is_list() && right.is_list() {
        budget.items(left.len().unwrap_or_default() + right.len().unwrap_or_default())?;
        let mut list = List::default();
        for item in left
            .elements()
            .into_iter()
            .flatten()
            .chain(right.elements().into_iter().flatten())
        {
            list.push(item)?;
        }
        return Ok(list.into_val());
    }
    match (left, right, left.as_str(), right.as_str()) {
        (_, _, Some(left), Some(right)) => {
            fits(left.len() + right.len())?;
            budget.bytes(left.len() + right.len())?;
            Ok(Val::text([left, right].concat()))
        }
        (Val::Bytes(left), Val::Bytes(right), ..) => {
            fits(left.len() + right.len())?;
            budget.bytes(left.len() + right.len())?;
            Ok(Val::Bytes([&**left, &**right].concat().into()))
        }
        _ => Err(no_overload("+", left, right)),
    }
}

fn no_overload(operator: &str, left: &Val<'_>, right: &Val<'_>) -> Fault {
    Fault::value(format!(
        "`{operator}` cannot be applied to {} and {}",
        left.type_name(),
        right.type_name()
    ))
}

/// Whether a value counts as true when a condition is one key. Nothing else in the language asks this.
pub(super) fn is_truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(it) => *it,
        Value::Number(it) => it.as_f64() != Some(0.0),
        Value::String(it) => !it.is_empty(),
        Value::Array(it) => !it.is_empty(),
        Value::Object(it) => !Map::is_empty(it),
    }
}
