//! What a scan asks for and what it yields: plain columns, no arrow types.
//!
//! Made from files and tail by the scan, eaten by query's kernels.
//! Invariant: all columns of a batch have the same length; codes index `names`, or are [`Codes::NULL`].

use cofferdam_model::{Day, TimestampMs, Value};
use std::sync::Arc;

/// A column beside person, time and event, which every batch has.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Column {
    /// A property by its path without `properties.`; one that nobody sent reads as not set.
    Property(Arc<str>),
    /// The organization's number.
    Organization,
    /// The journal sequence number.
    Seq,
}

/// What to scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanRequest {
    /// First instant.
    pub from: TimestampMs,
    /// First instant after the range.
    pub to: TimestampMs,
    /// Columns wanted, beside person, time and event; batches have them in this order.
    pub columns: Vec<Column>,
    /// Only these events; `None` for all.
    pub events: Option<Vec<Arc<str>>>,
}

/// Dictionary-coded text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Codes {
    /// Per row an index into `names`, or [`Codes::NULL`].
    pub codes: Vec<u32>,
    /// The texts; may hold texts that no row of the batch has.
    pub names: Vec<Arc<str>>,
}

impl Codes {
    /// The code of "not set".
    pub const NULL: u32 = u32::MAX;

    /// The text of a row.
    #[must_use]
    pub fn text(&self, row: usize) -> Option<&Arc<str>> {
        self.codes
            .get(row)
            .and_then(|&code| self.names.get(code as usize))
    }
}

/// One value of a column whose rows have several types.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar {
    /// Not set, or JSON `null`.
    Null,
    /// A boolean.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// Text.
    Text(Arc<str>),
    /// A list or an object, as JSON text.
    Json(Arc<str>),
}

/// The values of one column.
#[derive(Clone, Debug, PartialEq)]
pub enum ColumnData {
    /// No row has a value; the number of rows.
    Absent(usize),
    /// Booleans.
    Bool(Vec<Option<bool>>),
    /// Integers.
    Int(Vec<Option<i64>>),
    /// Numbers.
    Float(Vec<Option<f64>>),
    /// Texts.
    Text(Codes),
    /// Rows of different types, or lists and objects.
    Mixed(Vec<Scalar>),
}

/// Some rows of one UTC day, sorted by (person, time, seq) within the batch.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnBatch {
    /// The UTC day.
    pub day: Day,
    /// The person as first seen; apply the merge map.
    pub person: Vec<u32>,
    /// When it happened, milliseconds since 1970.
    pub time: Vec<i64>,
    /// The event's name, never null.
    pub event: Codes,
    /// The columns asked for, in the request's order.
    pub columns: Vec<ColumnData>,
}

impl ColumnBatch {
    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.person.len()
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.person.is_empty()
    }
}

impl Scalar {
    /// The scalar of a JSON value.
    #[must_use]
    pub fn from_json(value: &serde_json::Value) -> Self {
        match value {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(bool) => Self::Bool(*bool),
            serde_json::Value::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(number), _) => Self::Int(number),
                (None, Some(number)) => Self::Float(number),
                (None, None) => Self::Null,
            },
            serde_json::Value::String(text) => Self::Text(Arc::from(text.as_str())),
            nested => Self::Json(Arc::from(nested.to_string())),
        }
    }

    /// The scalar of a property's value.
    #[must_use]
    pub fn from_value(value: &Value<'_>) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(bool) => Self::Bool(*bool),
            Value::Int(number) => Self::Int(*number),
            Value::Float(number) => Self::Float(*number),
            Value::Text(text) => Self::Text(Arc::from(&**text)),
            nested => Self::Json(Arc::from(serde_json::to_string(nested).unwrap_or_default())),
        }
    }
}

impl ColumnData {
    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Absent(rows) => *rows,
            Self::Bool(values) => values.len(),
            Self::Int(values) => values.len(),
            Self::Float(values) => values.len(),
            Self::Text(codes) => codes.codes.len(),
            Self::Mixed(values) => values.len(),
        }
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of a row; null beyond the end.
    #[must_use]
    pub fn scalar(&self, row: usize) -> Scalar {
        match self {
            Self::Absent(_) => None,
            Self::Bool(values) => values.get(row).copied().flatten().map(Scalar::Bool),
            Self::Int(values) => values.get(row).copied().flatten().map(Scalar::Int),
            Self::Float(values) => values.get(row).copied().flatten().map(Scalar::Float),
            Self::Text(codes) => codes.text(row).map(|text| Scalar::Text(Arc::clone(text))),
            Self::Mixed(values) => values.get(row).cloned(),
        }
        .unwrap_or(Scalar::Null)
    }

    pub(crate) fn take(&mut self, keep: &[bool]) {
        match self {
            Self::Absent(rows) => *rows = keep.iter().filter(|keep| **keep).count(),
            Self::Bool(values) => pick(values, keep),
            Self::Int(values) => pick(values, keep),
            Self::Float(values) => pick(values, keep),
            Self::Text(codes) => pick(&mut codes.codes, keep),
            Self::Mixed(values) => pick(values, keep),
        }
    }
}

pub(crate) fn pick<T>(values: &mut Vec<T>, keep: &[bool]) {
    let mut keep = keep.iter();
    values.retain(|_| keep.next().copied().unwrap_or(false));
}
