//! What a profile operation makes of a value: once, for home's profiles and for what a vendor was told.
//!
//! Mixpanel's meaning (developer reference, `/engage`). Invariant: pure; an operation that does not apply leaves the value.

use crate::{Operation, Value};

impl Operation {
    /// The value after the operation; `None` where there is none then.
    #[must_use]
    pub fn applied(
        self,
        old: Option<Value<'static>>,
        operand: Value<'static>,
    ) -> Option<Value<'static>> {
        match self {
            Self::Set => Some(operand),
            Self::SetOnce => Some(old.unwrap_or(operand)),
            Self::Unset | Self::Delete => None,
            Self::Add => {
                let before = old.unwrap_or(Value::Int(0));
                Some(sum(&before, &operand).unwrap_or(before))
            }
            Self::Append => {
                let mut list = list(old);
                list.push(operand);
                Some(Value::List(list))
            }
            Self::Union => {
                let mut list = list(old);
                let new = match operand {
                    Value::List(items) => items,
                    item => vec![item],
                };
                for item in new {
                    if !list.contains(&item) {
                        list.push(item);
                    }
                }
                Some(Value::List(list))
            }
            Self::Remove => match old {
                Some(Value::List(mut items)) => {
                    if let Some(at) = items.iter().position(|item| *item == operand) {
                        items.remove(at);
                    }
                    Some(Value::List(items))
                }
                other => other,
            },
        }
    }

    /// Whether doing it twice differs from doing it once.
    #[must_use]
    pub fn doubles(self) -> bool {
        matches!(self, Self::Add | Self::Append | Self::Union | Self::Remove)
    }
}

/// The list that a value is; what is no list becomes its first element.
fn list(old: Option<Value<'static>>) -> Vec<Value<'static>> {
    match old {
        Some(Value::List(items)) => items,
        None | Some(Value::Null) => Vec::new(),
        Some(single) => vec![single],
    }
}

/// The sum of two numbers, exact for integers; `None` where either is no number, or the sum is none.
fn sum(one: &Value<'_>, other: &Value<'_>) -> Option<Value<'static>> {
    if let (Value::Int(one), Value::Int(other)) = (one, other)
        && let Some(sum) = one.checked_add(*other)
    {
        return Some(Value::Int(sum));
    }
    let sum = one.as_f64()? + other.as_f64()?;
    sum.is_finite().then_some(Value::Float(sum))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &'static str) -> Value<'static> {
        Value::Text(text.into())
    }

    fn texts(items: &[&'static str]) -> Option<Value<'static>> {
        Some(Value::List(items.iter().copied().map(text).collect()))
    }

    #[test]
    fn each_operation_makes_of_a_value_what_the_vendor_makes_of_it() {
        let one = || Some(Value::Int(1));
        let cases = [
            (Operation::Set, one(), text("x"), Some(text("x"))),
            (Operation::SetOnce, one(), text("x"), one()),
            (Operation::SetOnce, None, text("x"), Some(text("x"))),
            (Operation::Unset, one(), Value::Null, None),
            (Operation::Add, None, Value::Int(2), Some(Value::Int(2))),
            (Operation::Add, one(), Value::Int(-3), Some(Value::Int(-2))),
            (
                Operation::Add,
                one(),
                Value::Float(0.5),
                Some(Value::Float(1.5)),
            ),
            (
                Operation::Add,
                Some(text("a")),
                Value::Int(2),
                Some(text("a")),
            ),
            (Operation::Append, None, text("a"), texts(&["a"])),
            (
                Operation::Append,
                Some(text("a")),
                text("a"),
                texts(&["a", "a"]),
            ),
            (
                Operation::Append,
                Some(Value::Null),
                text("a"),
                texts(&["a"]),
            ),
            (
                Operation::Remove,
                texts(&["a", "b", "a"]),
                text("a"),
                texts(&["b", "a"]),
            ),
            (Operation::Remove, one(), Value::Int(1), one()),
        ];
        for (operation, old, operand, wanted) in cases {
            let what = format!("{operation:?} {old:?} {operand:?}");
            assert_eq!(operation.applied(old, operand), wanted, "{what}");
        }
        let union = Operation::Union.applied(texts(&["a"]), texts(&["b", "a", "b"]).unwrap());
        assert_eq!(union, texts(&["a", "b"]));
        assert_eq!(Operation::Union.applied(None, text("a")), texts(&["a"]));
    }

    #[test]
    fn a_sum_beyond_64_bits_is_a_float_and_never_wraps() {
        let most = Some(Value::Int(i64::MAX));
        let sum = Operation::Add.applied(most, Value::Int(1)).unwrap();
        assert_eq!(sum, Value::Float(9_223_372_036_854_775_808.0));
    }

    #[test]
    fn doing_twice_differs_only_for_those_that_say_so() {
        for operation in [
            Operation::Set,
            Operation::SetOnce,
            Operation::Unset,
            Operation::Delete,
        ] {
            assert!(!operation.doubles());
        }
        for operation in [
            Operation::Add,
            Operation::Append,
            Operation::Union,
            Operation::Remove,
        ] {
            assert!(operation.doubles());
        }
    }
}
