//! Conditions on property values, and how a value reads as text.
//!
//! Invariant: a value means the same whether it lies in a column, in JSON beside the columns, or in the tail: numbers are compared
//! as numbers where both sides are, and otherwise as the text that the report shows.

use crate::{Filter, FilterOp, Operand};
use cofferdam_store::{Codes, ColumnData, Scalar};
use std::sync::Arc;

/// Whole doubles up to this size show without a fraction.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// A number as the report shows it.
pub(crate) fn number_text(number: f64) -> String {
    if number.fract() == 0.0 && number.abs() <= EXACT {
        format!("{number:.0}")
    } else {
        number.to_string()
    }
}

/// A value as the report shows it; `None` where it is not set.
pub(crate) fn text(scalar: &Scalar) -> Option<Arc<str>> {
    match scalar {
        Scalar::Null => None,
        Scalar::Bool(bool) => Some(Arc::from(if *bool { "true" } else { "false" })),
        Scalar::Int(number) => Some(Arc::from(number.to_string())),
        Scalar::Float(number) => Some(Arc::from(number_text(*number))),
        Scalar::Text(text) | Scalar::Json(text) => Some(Arc::clone(text)),
    }
}

/// A condition made ready: operands as text and number.
#[derive(Clone, Debug)]
pub(crate) struct Condition {
    op: FilterOp,
    texts: Vec<String>,
    number: Option<f64>,
}

impl Condition {
    pub(crate) fn new(filter: &Filter) -> Self {
        let mut texts = Vec::new();
        collect(&filter.value, &mut texts);
        if matches!(filter.op, FilterOp::Contains | FilterOp::NotContains) {
            for text in &mut texts {
                *text = text.to_lowercase();
            }
        }
        Self {
            op: filter.op,
            texts,
            number: number(&filter.value),
        }
    }

    /// Whether a value meets it.
    pub(crate) fn holds(&self, scalar: &Scalar) -> bool {
        match self.op {
            FilterOp::Equals => self.equals(scalar),
            FilterOp::NotEquals => !self.equals(scalar),
            FilterOp::Contains => self.contains(scalar),
            FilterOp::NotContains => !self.contains(scalar),
            FilterOp::Gt => self.compare(scalar, |value, bound| value > bound),
            FilterOp::Gte => self.compare(scalar, |value, bound| value >= bound),
            FilterOp::Lt => self.compare(scalar, |value, bound| value < bound),
            FilterOp::Lte => self.compare(scalar, |value, bound| value <= bound),
            FilterOp::IsSet => *scalar != Scalar::Null,
            FilterOp::IsNotSet => *scalar == Scalar::Null,
            FilterOp::IsTrue => *scalar == Scalar::Bool(true),
            FilterOp::IsFalse => *scalar == Scalar::Bool(false),
        }
    }

    fn equals(&self, scalar: &Scalar) -> bool {
        text(scalar).is_some_and(|text| self.texts.iter().any(|wanted| **wanted == *text))
    }

    fn contains(&self, scalar: &Scalar) -> bool {
        text(scalar).is_some_and(|text| {
            let text = text.to_lowercase();
            self.texts
                .iter()
                .any(|wanted| text.contains(wanted.as_str()))
        })
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "JSON numbers are doubles to every SDK"
    )]
    fn compare(&self, scalar: &Scalar, holds: fn(f64, f64) -> bool) -> bool {
        let value = match scalar {
            Scalar::Int(number) => *number as f64,
            Scalar::Float(number) => *number,
            _ => return false,
        };
        self.number.is_some_and(|bound| holds(value, bound))
    }

    /// Clears the rows of `keep` that do not meet it.
    pub(crate) fn narrow(&self, column: &ColumnData, keep: &mut [bool]) {
        if let ColumnData::Text(Codes { codes, names }) = column {
            let by_name: Vec<bool> = names
                .iter()
                .map(|name| self.holds(&Scalar::Text(Arc::clone(name))))
                .collect();
            let unset = self.holds(&Scalar::Null);
            for (keep, code) in keep.iter_mut().zip(codes) {
                *keep &= by_name.get(*code as usize).copied().unwrap_or(unset);
            }
        } else {
            for (row, keep) in keep.iter_mut().enumerate() {
                *keep = *keep && self.holds(&column.scalar(row));
            }
        }
    }
}

fn collect(operand: &Operand, texts: &mut Vec<String>) {
    match operand {
        Operand::Absent => {}
        Operand::Bool(bool) => texts.push(bool.to_string()),
        Operand::Int(number) => texts.push(number.to_string()),
        Operand::Float(number) => texts.push(number_text(*number)),
        Operand::Text(text) => texts.push(text.clone()),
        Operand::List(items) => {
            for item in items {
                collect(item, texts);
            }
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "JSON numbers are doubles to every SDK"
)]
fn number(operand: &Operand) -> Option<f64> {
    match operand {
        Operand::Int(number) => Some(*number as f64),
        Operand::Float(number) => Some(*number),
        _ => None,
    }
}
