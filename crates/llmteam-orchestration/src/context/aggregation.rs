//! How the values of several contexts become one.
//!
//! Invariant: an aggregate is a function of the values it is made of; none of them counts twice and no earlier
//! aggregate counts at all. Over admitted values it always exists, is finite, and is itself admitted.
//! This module does not know whose values they are.

use std::{cmp::Ordering, fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};

use super::error::{FaultKind, shown};

/// The known statuses, from best to worst.
pub const STATUS_ORDER: [&str; 5] = ["idle", "running", "completed", "error", "failed"];

/// How the values of several contexts become one. Written as its wire string.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum AggregationRule {
    /// `sum`: their sum. Whole numbers stay whole as long as 64 bits hold them.
    Sum,
    /// `avg`: their arithmetic mean.
    Avg,
    /// `max`: the greatest.
    Max,
    /// `min`: the least.
    Min,
    /// `worst`: the last of them in [`STATUS_ORDER`].
    Worst,
    /// `last`: the one that came last, of any type.
    #[default]
    Last,
}

/// A value and when it came, counted within one context.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) value: Value,
    pub(super) turn: u64,
}

impl Entry {
    pub(super) fn at_turn(&self) -> AtTurn<'_> {
        (&self.value, self.turn)
    }
}

/// A value and when it came, borrowed.
pub(super) type AtTurn<'a> = (&'a Value, u64);

impl AggregationRule {
    /// All rules.
    pub const ALL: [Self; 6] = [
        Self::Sum,
        Self::Avg,
        Self::Max,
        Self::Min,
        Self::Worst,
        Self::Last,
    ];

    /// The wire string.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Avg => "avg",
            Self::Max => "max",
            Self::Min => "min",
            Self::Worst => "worst",
            Self::Last => "last",
        }
    }

    /// Whether the rule can take `value`.
    pub(super) fn admit(self, value: &Value) -> Result<(), FaultKind> {
        match self {
            Self::Last => Ok(()),
            Self::Worst => match value.as_str() {
                None => Err(FaultKind::NotAStatus {
                    found: kind_of(value),
                }),
                Some(text) if rank(text).is_none() => {
                    let status = shown(text);
                    Err(FaultKind::UnknownStatus { status })
                }
                Some(_) => Ok(()),
            },
            Self::Sum | Self::Avg | Self::Max | Self::Min => match Numeric::of(value) {
                Some(_) => Ok(()),
                None => Err(FaultKind::NotANumber {
                    found: kind_of(value),
                }),
            },
        }
    }

    /// The aggregate of admitted values; `None` if there are none.
    pub(super) fn aggregate<'a>(
        self,
        values: impl Iterator<Item = AtTurn<'a>> + Clone,
    ) -> Option<Value> {
        let numbers = values.clone().filter_map(|(value, _)| Numeric::of(value));
        match self {
            Self::Sum => sum(&numbers.collect::<Vec<_>>()),
            Self::Avg => mean(&numbers.collect::<Vec<_>>()).and_then(float),
            Self::Max => numbers.max_by(Numeric::order)?.value(),
            Self::Min => numbers.min_by(Numeric::order)?.value(),
            Self::Worst => values
                .max_by_key(|(value, _)| value.as_str().and_then(rank))
                .map(|(value, _)| value.clone()),
            Self::Last => values
                .max_by_key(|(_, turn)| *turn)
                .map(|(value, _)| value.clone()),
        }
    }
}

/// A text that names no rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no aggregation rule; write `sum`, `avg`, `max`, `min`, `worst` or `last`")]
pub struct UnknownRule(String);

impl FromStr for AggregationRule {
    type Err = UnknownRule;

    fn from_str(text: &str) -> Result<Self, UnknownRule> {
        let named = Self::ALL.into_iter().find(|rule| rule.as_str() == text);
        named.ok_or_else(|| UnknownRule(shown(text)))
    }
}

impl fmt::Display for AggregationRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A JSON number: whole ones exactly, others as they are.
#[derive(Clone, Copy)]
enum Numeric {
    Whole(i128),
    Real(f64),
}

impl Numeric {
    fn of(value: &Value) -> Option<Self> {
        let number = value.as_number()?;
        let whole = number.as_i64().map(i128::from);
        let whole = whole.or_else(|| number.as_u64().map(i128::from));
        // Adding zero turns -0.0, which sorts below 0.0, into 0.0.
        let real = || {
            number
                .as_f64()
                .filter(|it| it.is_finite())
                .map(|it| Self::Real(it + 0.0))
        };
        whole.map(Self::Whole).or_else(real)
    }

    fn value(self) -> Option<Value> {
        match self {
            Self::Whole(whole) => whole_number(whole),
            Self::Real(real) => float(real),
        }
    }

    fn real(self) -> f64 {
        match self {
            Self::Whole(whole) => whole as f64,
            Self::Real(real) => real,
        }
    }

    /// The exact order. Converting whole numbers to floats would make neighbours above 2^53 equal.
    fn order(&self, other: &Self) -> Ordering {
        match (*self, *other) {
            (Self::Whole(one), Self::Whole(other)) => one.cmp(&other),
            (Self::Real(one), Self::Real(other)) => one.total_cmp(&other),
            (Self::Whole(whole), Self::Real(real)) => against(whole, real),
            (Self::Real(real), Self::Whole(whole)) => against(whole, real).reverse(),
        }
    }
}

fn against(whole: i128, real: f64) -> Ordering {
    // Whole numbers of JSON are within 65 bits; the cast saturates beyond 127.
    whole
        .cmp(&(real.trunc() as i128))
        .then_with(|| 0.0_f64.total_cmp(&(real.fract() + 0.0)))
}

fn sum(numbers: &[Numeric]) -> Option<Value> {
    if numbers.is_empty() {
        return None;
    }
    let whole = numbers.iter().try_fold(0_i128, |sum, number| match number {
        Numeric::Whole(whole) => sum.checked_add(*whole),
        Numeric::Real(_) => None,
    });
    match whole {
        Some(whole) => whole_number(whole),
        None => float(total(numbers)),
    }
}

fn mean(numbers: &[Numeric]) -> Option<f64> {
    let count = numbers.len() as f64;
    let plain = numbers.iter().map(|it| it.real()).sum::<f64>() / count;
    match numbers {
        [] => None,
        _ if plain.is_finite() => Some(plain),
        // The sum is beyond what a float holds; its parts are not.
        _ => Some(bounded(numbers.iter().map(|it| it.real() / count).sum())),
    }
}

/// The sum as a float; beyond the range of floats, its end.
fn total(numbers: &[Numeric]) -> f64 {
    let plain: f64 = numbers.iter().map(|it| it.real()).sum();
    if plain.is_finite() {
        return plain;
    }
    bounded(mean(numbers).unwrap_or(0.0) * numbers.len() as f64)
}

fn bounded(real: f64) -> f64 {
    real.clamp(f64::MIN, f64::MAX)
}

fn float(real: f64) -> Option<Value> {
    Number::from_f64(real).map(Value::Number)
}

fn whole_number(whole: i128) -> Option<Value> {
    let fitting = i64::try_from(whole).map(Value::from);
    let fitting = fitting.or_else(|_| u64::try_from(whole).map(Value::from));
    fitting.ok().or_else(|| float(whole as f64))
}

fn rank(status: &str) -> Option<usize> {
    STATUS_ORDER.iter().position(|it| *it == status)
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn of(rule: AggregationRule, values: &[Value]) -> Option<Value> {
        rule.aggregate(values.iter().zip(0..))
    }

    #[test]
    fn a_rule_is_its_wire_string_and_no_other_text_is_one() {
        // covers: C7
        for rule in AggregationRule::ALL {
            assert_eq!(rule.as_str().parse(), Ok(rule));
            assert_eq!(serde_json::to_value(rule).unwrap(), rule.as_str());
        }
        for text in ["average", "Sum", "", "median"] {
            assert!(text.parse::<AggregationRule>().is_err(), "{text:?}");
            assert!(serde_json::from_value::<AggregationRule>(json!(text)).is_err());
        }
    }

    #[test]
    fn each_rule_over_a_few_values() {
        use AggregationRule as R;
        let numbers = [json!(3), json!(1), json!(5.5)];
        assert_eq!(of(R::Sum, &numbers), Some(json!(9.5)));
        assert_eq!(of(R::Sum, &[json!(3), json!(5)]), Some(json!(8)));
        assert_eq!(of(R::Avg, &[json!(1), json!(2)]), Some(json!(1.5)));
        assert_eq!(of(R::Max, &numbers), Some(json!(5.5)));
        assert_eq!(of(R::Min, &numbers), Some(json!(1)));
        let statuses = [json!("running"), json!("error"), json!("idle")];
        assert_eq!(of(R::Worst, &statuses), Some(json!("error")));
        assert_eq!(of(R::Last, &statuses), Some(json!("idle")));
        for rule in R::ALL {
            assert_eq!(of(rule, &[]), None);
        }
    }

    #[test]
    fn idle_is_a_status_like_the_others_and_an_unknown_one_is_refused() {
        // covers: C4
        let worst = AggregationRule::Worst;
        assert_eq!(of(worst, &[json!("idle")]), Some(json!("idle")));
        for pair in STATUS_ORDER.windows(2) {
            let both = [json!(pair[1]), json!(pair[0])];
            assert_eq!(of(worst, &both), Some(json!(pair[1])));
        }
        let paused = FaultKind::UnknownStatus {
            status: "paused".to_owned(),
        };
        assert_eq!(worst.admit(&json!("paused")), Err(paused));
        let found = "a number";
        assert_eq!(worst.admit(&json!(3)), Err(FaultKind::NotAStatus { found }));
    }

    #[test]
    fn what_is_no_number_is_refused_where_one_is_needed() {
        // covers: C8
        let found = |value| match AggregationRule::Avg.admit(&value) {
            Err(FaultKind::NotANumber { found }) => found,
            other => panic!("{other:?}"),
        };
        assert_eq!(found(json!("3")), "a string");
        assert_eq!(found(json!(true)), "a boolean");
        assert_eq!(found(json!(f64::NAN)), "null");
        assert_eq!(found(json!(f64::INFINITY)), "null");
        assert_eq!(found(json!([1])), "an array");
    }

    #[test]
    fn large_numbers_neither_overflow_nor_blur() {
        use AggregationRule as R;
        let big = [json!(u64::MAX), json!(u64::MAX)];
        assert_eq!(of(R::Sum, &big), Some(json!(u64::MAX as f64 * 2.0)));
        assert_eq!(
            of(R::Sum, &[json!(u64::MAX), json!(-1)]),
            Some(json!(u64::MAX - 1))
        );
        let neighbours = [
            json!(9_007_199_254_740_993_u64),
            json!(9_007_199_254_740_992.0),
        ];
        assert_eq!(of(R::Max, &neighbours), Some(neighbours[0].clone()));
        assert_eq!(of(R::Min, &[json!(-3), json!(-3.5)]), Some(json!(-3.5)));
        let floats = [json!(f64::MAX), json!(f64::MAX), json!(f64::MIN)];
        assert_eq!(of(R::Avg, &floats[..2]), Some(json!(f64::MAX)));
        assert_eq!(of(R::Sum, &floats[..2]), Some(json!(f64::MAX)));
    }

    fn number() -> impl Strategy<Value = Value> {
        prop_oneof![
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            (-1_000..1_000_i64).prop_map(|it| json!(it as f64 / 8.0)),
        ]
        .prop_filter("JSON has no NaN", Value::is_number)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]

        #[test]
        fn over_admitted_values_there_is_always_an_admitted_aggregate(
            values in prop::collection::vec(number(), 1..6), rule in 0..4_usize,
        ) {
            let rule = AggregationRule::ALL[rule];
            let aggregate = of(rule, &values).unwrap();
            prop_assert!(rule.admit(&aggregate).is_ok(), "{rule} of {values:?} is {aggregate}");
            // One value stays what it is, but for the type.
            let single = of(rule, &values[..1]).unwrap();
            prop_assert_eq!(single.as_f64(), values[0].as_f64().map(|it| it + 0.0));
        }

        #[test]
        fn extremes_are_among_the_values_and_bound_them(values in prop::collection::vec(number(), 1..6)) {
            let numeric = |value: &Value| Numeric::of(value).unwrap();
            let max = of(AggregationRule::Max, &values).unwrap();
            let min = of(AggregationRule::Min, &values).unwrap();
            for value in &values {
                prop_assert!(numeric(value).order(&numeric(&max)).is_le());
                prop_assert!(numeric(&min).order(&numeric(value)).is_le());
            }
            let is_one = |it: &Value| values.iter().any(|value| numeric(value).order(&numeric(it)).is_eq());
            prop_assert!(is_one(&max) && is_one(&min));
        }
    }
}
