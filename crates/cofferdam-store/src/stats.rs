//! Column statistics of a file, as the catalog keeps them.
//!
//! Computed from the very arrays that are written; DuckLake stores bounds as text.
//! Invariant: a bound is exact or absent, and columns that may hold free text of persons (`properties_rest`, `sealed`) have none.

use crate::schema::id;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Float64Type, Int64Type, TimestampMillisecondType, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use cofferdam_model::{MS_PER_DAY, TimestampMs};

/// Longest text kept as a bound, bytes.
const BOUND_BYTES_MAX: usize = 64;

/// A bound.
#[derive(Clone, Debug, PartialEq)]
enum Bound {
    Int(i128),
    Time(i64),
    Float(f64),
    Text(String),
}

impl Bound {
    fn less(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Int(one), Self::Int(other)) => one < other,
            (Self::Time(one), Self::Time(other)) => one < other,
            (Self::Float(one), Self::Float(other)) => one < other,
            (Self::Text(one), Self::Text(other)) => one < other,
            _ => false,
        }
    }

    fn text(&self) -> Option<String> {
        match self {
            Self::Int(number) => Some(number.to_string()),
            Self::Float(number) => Some(number.to_string()),
            Self::Time(time) => Some(time_text(*time)),
            Self::Text(text) => (text.len() <= BOUND_BYTES_MAX).then(|| text.clone()),
        }
    }
}

/// Statistics of one column of one file.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ColumnStats {
    pub(crate) id: i32,
    /// Compressed size.
    pub(crate) bytes: u64,
    /// Rows with a value.
    pub(crate) values: u64,
    pub(crate) nulls: u64,
    pub(crate) is_float: bool,
    bounds: Option<(Bound, Bound)>,
}

impl ColumnStats {
    pub(crate) fn new(id: i32) -> Self {
        Self {
            id,
            ..Self::default()
        }
    }

    /// Adds the rows of an array.
    pub(crate) fn add(&mut self, array: &ArrayRef) {
        let nulls = array.logical_null_count() as u64;
        self.nulls += nulls;
        self.values += array.len() as u64 - nulls;
        if self.id == id::REST || self.id == id::SEALED {
            return;
        }
        match array.data_type() {
            DataType::UInt32 => self.numbers::<UInt32Type>(array, |n| Bound::Int(n.into())),
            DataType::UInt64 => self.numbers::<UInt64Type>(array, |n| Bound::Int(n.into())),
            DataType::Int64 => self.numbers::<Int64Type>(array, |n| Bound::Int(n.into())),
            DataType::Timestamp(..) => {
                self.numbers::<TimestampMillisecondType>(array, Bound::Time);
            }
            DataType::Float64 => {
                self.is_float = true;
                self.numbers::<Float64Type>(array, Bound::Float);
            }
            DataType::Boolean => {
                for value in array.as_boolean().iter().flatten() {
                    self.widen(Bound::Int(value.into()));
                }
            }
            DataType::Utf8 => {
                let mut texts = array.as_string::<i32>().iter().flatten();
                if let Some(first) = texts.next() {
                    let (low, high) = texts.fold((first, first), |(low, high), text| {
                        (low.min(text), high.max(text))
                    });
                    self.widen(Bound::Text(low.to_owned()));
                    self.widen(Bound::Text(high.to_owned()));
                }
            }
            _ => {}
        }
    }

    fn numbers<T: ArrowPrimitiveType>(
        &mut self,
        array: &ArrayRef,
        bound: impl Fn(T::Native) -> Bound,
    ) where
        T::Native: PartialOrd,
    {
        let mut values = array.as_primitive::<T>().iter().flatten();
        if let Some(first) = values.next() {
            let (mut low, mut high) = (first, first);
            for value in values {
                if value < low {
                    low = value;
                }
                if value > high {
                    high = value;
                }
            }
            self.widen(bound(low));
            self.widen(bound(high));
        }
    }

    fn widen(&mut self, bound: Bound) {
        match &mut self.bounds {
            None => self.bounds = Some((bound.clone(), bound)),
            Some((low, high)) => {
                if bound.less(low) {
                    *low = bound;
                } else if high.less(&bound) {
                    *high = bound;
                }
            }
        }
    }

    pub(crate) fn min_text(&self) -> Option<String> {
        self.bounds.as_ref().and_then(|(low, _)| low.text())
    }

    pub(crate) fn max_text(&self) -> Option<String> {
        self.bounds.as_ref().and_then(|(_, high)| high.text())
    }

    /// First and last instant, of a time column.
    pub(crate) fn times(&self) -> Option<(i64, i64)> {
        match &self.bounds {
            Some((Bound::Time(low), Bound::Time(high))) => Some((*low, *high)),
            _ => None,
        }
    }
}

/// A UTC time as `YYYY-MM-DD HH:MM:SS[.mmm]`.
pub(crate) fn time_text(time: i64) -> String {
    let day = TimestampMs(time).day();
    let rest = time.rem_euclid(MS_PER_DAY);
    let (seconds, ms) = (rest / 1000, rest % 1000);
    let mut text = format!(
        "{day} {:02}:{:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    );
    if ms > 0 {
        text.push_str(&format!(".{ms:03}"));
    }
    text
}
