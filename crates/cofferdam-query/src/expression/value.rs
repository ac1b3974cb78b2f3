//! Values of expressions, and what operators do to them.
//!
//! Invariant: every operator is total: operands that do not fit give undefined, and a number is always finite.

use super::{Binary, Unary};
use crate::filter::number_text;
use cofferdam_store::Scalar;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use std::sync::Arc;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// Not set, or the result of what does not fit.
    Undefined,
    Bool(bool),
    Number(f64),
    Text(Arc<str>),
    /// Milliseconds since 1970.
    Time(i64),
    List(Arc<[Value]>),
    /// As JSON text.
    Object(Arc<str>),
}

/// Numbers below this are seconds since 1970 to `datetime`, others milliseconds.
const SECONDS_MAX: f64 = 1e11;

impl Value {
    /// A property's value.
    #[expect(
        clippy::cast_precision_loss,
        reason = "JSON numbers are doubles to every SDK"
    )]
    pub(crate) fn of(scalar: &Scalar) -> Self {
        match scalar {
            Scalar::Null => Self::Undefined,
            Scalar::Bool(bool) => Self::Bool(*bool),
            Scalar::Int(number) => Self::Number(*number as f64),
            Scalar::Float(number) => Self::number(*number),
            Scalar::Text(text) => Self::Text(Arc::clone(text)),
            Scalar::Json(json) => serde_json::from_str(json)
                .map_or_else(|_| Self::Text(Arc::clone(json)), |json| Self::json(&json)),
        }
    }

    fn json(json: &serde_json::Value) -> Self {
        match json {
            serde_json::Value::Array(items) => Self::List(items.iter().map(Self::json).collect()),
            serde_json::Value::Object(_) => Self::Object(Arc::from(json.to_string())),
            plain => Self::of(&Scalar::from_json(plain)),
        }
    }

    /// A number, without a negative zero; undefined where it is not finite.
    pub(crate) fn number(number: f64) -> Self {
        if number.is_finite() {
            Self::Number(number + 0.0)
        } else {
            Self::Undefined
        }
    }

    /// Whether a condition with this value holds.
    pub(crate) fn is_true(&self) -> bool {
        *self == Self::Bool(true)
    }

    /// As a report shows it; `None` where it is undefined.
    pub(crate) fn text(&self) -> Option<Arc<str>> {
        match self {
            Self::Undefined => None,
            Self::Bool(bool) => Some(Arc::from(if *bool { "true" } else { "false" })),
            Self::Number(number) => Some(Arc::from(number_text(*number))),
            Self::Text(text) | Self::Object(text) => Some(Arc::clone(text)),
            Self::Time(time) => Timestamp::from_millisecond(*time)
                .ok()
                .map(|time| Arc::from(time.strftime("%Y-%m-%dT%H:%M:%S").to_string())),
            Self::List(_) => Some(Arc::from(self.to_json().to_string())),
        }
    }

    fn to_json(&self) -> serde_json::Value {
        match self {
            Self::List(items) => items.iter().map(Self::to_json).collect(),
            Self::Bool(bool) => (*bool).into(),
            Self::Number(number) => serde_json::from_str(&number_text(*number)).unwrap_or_default(),
            Self::Object(json) => serde_json::from_str(json).unwrap_or_default(),
            other => other.text().as_deref().into(),
        }
    }

    pub(super) fn unary(self, operator: Unary) -> Self {
        match (operator, self) {
            (Unary::Not, Self::Bool(bool)) => Self::Bool(!bool),
            (Unary::Not, Self::Undefined) => Self::Bool(true),
            (Unary::Negate, Self::Number(number)) => Self::number(-number),
            (Unary::Floor, Self::Number(number)) => Self::number(number.floor()),
            (Unary::Round, Self::Number(number)) => Self::number(number.round()),
            (Unary::Ceil, Self::Number(number)) => Self::number(number.ceil()),
            (Unary::Boolean, value) => Self::Bool(value.truth()),
            (Unary::Number, value) => value.to_number(),
            (Unary::String, value) => value.text().map_or(Self::Undefined, Self::Text),
            (Unary::Datetime, value) => value.to_time(),
            (Unary::Defined, value) => Self::Bool(value != Self::Undefined),
            _ => Self::Undefined,
        }
    }

    fn truth(&self) -> bool {
        match self {
            Self::Undefined => false,
            Self::Bool(bool) => *bool,
            Self::Number(number) => *number != 0.0,
            Self::Text(text) => !text.is_empty() && !text.eq_ignore_ascii_case("false"),
            Self::List(items) => !items.is_empty(),
            Self::Time(_) | Self::Object(_) => true,
        }
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "times are whole milliseconds far below 2^53"
    )]
    fn to_number(&self) -> Self {
        match self {
            Self::Bool(bool) => Self::Number(f64::from(u8::from(*bool))),
            Self::Number(number) => Self::Number(*number),
            Self::Time(time) => Self::number(*time as f64 / 1000.0),
            Self::Text(text) => {
                let text = text.trim();
                let decimal = |sign: char| sign.is_ascii_digit() || "+-.eE".contains(sign);
                match text.parse() {
                    Ok(number) if text.chars().all(decimal) => Self::number(number),
                    _ => Self::Undefined,
                }
            }
            Self::Undefined | Self::List(_) | Self::Object(_) => Self::Undefined,
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "a cast of floats saturates, and what is out of range is undefined"
    )]
    fn to_time(&self) -> Self {
        let time = match self {
            Self::Time(time) => Some(*time),
            Self::Number(number) if number.abs() < SECONDS_MAX => Some((number * 1000.0) as i64),
            Self::Number(number) => Some(*number as i64),
            Self::Text(text) => text
                .parse::<Timestamp>()
                .or_else(|_| {
                    let local = text.parse::<DateTime>()?;
                    Ok::<_, jiff::Error>(local.to_zoned(TimeZone::UTC)?.timestamp())
                })
                .ok()
                .map(Timestamp::as_millisecond),
            Self::Undefined | Self::Bool(_) | Self::List(_) | Self::Object(_) => None,
        };
        time.filter(|time| Timestamp::from_millisecond(*time).is_ok())
            .map_or(Self::Undefined, Self::Time)
    }

    pub(super) fn binary(&self, operator: Binary, other: &Self) -> Self {
        match operator {
            Binary::Equal => Self::Bool(self == other),
            Binary::NotEqual => Self::Bool(self != other),
            Binary::And => self.logic(other, |one, other| one && other),
            Binary::Or => self.logic(other, |one, other| one || other),
            Binary::In => self.is_in(other),
            Binary::Less => self.compare(other, std::cmp::Ordering::is_lt),
            Binary::LessOrEqual => self.compare(other, std::cmp::Ordering::is_le),
            Binary::Greater => self.compare(other, std::cmp::Ordering::is_gt),
            Binary::GreaterOrEqual => self.compare(other, std::cmp::Ordering::is_ge),
            Binary::Add
            | Binary::Subtract
            | Binary::Multiply
            | Binary::Divide
            | Binary::Remainder => self.arithmetic(operator, other),
        }
    }

    fn logic(&self, other: &Self, join: fn(bool, bool) -> bool) -> Self {
        let operand = |value: &Self| match value {
            Self::Undefined => Some(false),
            Self::Bool(bool) => Some(*bool),
            _ => None,
        };
        match (operand(self), operand(other)) {
            (Some(one), Some(other)) => Self::Bool(join(one, other)),
            _ => Self::Undefined,
        }
    }

    fn is_in(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Undefined, Self::List(_)) => Self::Bool(false),
            (value, Self::List(items)) => Self::Bool(items.contains(value)),
            (Self::Text(part), Self::Text(whole)) => Self::Bool(whole.contains(&**part)),
            _ => Self::Undefined,
        }
    }

    fn compare(&self, other: &Self, holds: fn(std::cmp::Ordering) -> bool) -> Self {
        let order = match (self, other) {
            (Self::Number(one), Self::Number(other)) => one.partial_cmp(other),
            (Self::Text(one), Self::Text(other)) => Some(one.cmp(other)),
            (Self::Time(one), Self::Time(other)) => Some(one.cmp(other)),
            _ => None,
        };
        order.map_or(Self::Undefined, |order| Self::Bool(holds(order)))
    }

    fn arithmetic(&self, operator: Binary, other: &Self) -> Self {
        match (self, other) {
            (Self::Number(one), Self::Number(other)) => Self::number(match operator {
                Binary::Add => one + other,
                Binary::Subtract => one - other,
                Binary::Multiply => one * other,
                Binary::Divide => one / other,
                _ => one % other,
            }),
            (Self::Text(one), Self::Text(other)) if operator == Binary::Add => {
                let joined: String = [&**one, &**other].concat();
                Self::Text(Arc::from(joined))
            }
            _ => Self::Undefined,
        }
    }
}
