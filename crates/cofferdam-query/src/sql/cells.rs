//! An answer's batches as rows of JSON cells.
//!
//! Invariant: no more rows and bytes are kept than the limits say, and what is cut is told.

use super::SqlColumn;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float64Type, Int64Type, UInt64Type};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::common::DFSchema;
use datafusion::error::DataFusionError;
use serde_json::Value as Json;
use std::ops::ControlFlow;

/// Bytes that a cell counts beside its text.
const CELL_BYTES: usize = 8;

/// The rows so far.
#[derive(Debug)]
pub(super) struct Cells {
    pub(super) rows: Vec<Vec<Json>>,
    pub(super) truncated: bool,
    rows_max: usize,
    bytes_left: usize,
}

/// The columns of an answer.
pub(super) fn columns(schema: &DFSchema) -> Vec<SqlColumn> {
    let fields = schema.fields().iter();
    fields
        .map(|field| SqlColumn {
            name: field.name().clone(),
            kind: kind(field.data_type()).to_owned(),
        })
        .collect()
}

/// A type in the words of answers.
pub(super) fn kind(data_type: &DataType) -> &'static str {
    match data_type {
        DataType::Null => "null",
        DataType::Boolean => "boolean",
        _ if data_type.is_integer() => "integer",
        _ if data_type.is_floating() => "number",
        _ if data_type.is_decimal() => "decimal",
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "text",
        DataType::Dictionary(_, value) => kind(value),
        DataType::Timestamp(..) => "timestamp",
        DataType::Date32 | DataType::Date64 => "date",
        DataType::Time32(_) | DataType::Time64(_) => "time",
        DataType::Interval(_) | DataType::Duration(_) => "interval",
        _ => "other",
    }
}

impl Cells {
    pub(super) fn new(rows_max: usize, bytes_max: usize) -> Self {
        Self {
            rows: Vec::new(),
            truncated: false,
            rows_max,
            bytes_left: bytes_max,
        }
    }

    /// Adds a batch; breaks where there is no room for more.
    pub(super) fn add(&mut self, batch: &RecordBatch) -> Result<ControlFlow<()>, DataFusionError> {
        let mut columns = Vec::with_capacity(batch.num_columns());
        for column in batch.columns() {
            columns.push(values(column)?.into_iter());
        }
        for _ in 0..batch.num_rows() {
            let row: Vec<Json> = columns
                .iter_mut()
                .map(|column| column.next().unwrap_or(Json::Null))
                .collect();
            let bytes: usize = row.iter().map(bytes).sum();
            if self.rows.len() >= self.rows_max || bytes > self.bytes_left {
                self.truncated = true;
                return Ok(ControlFlow::Break(()));
            }
            self.bytes_left -= bytes;
            self.rows.push(row);
        }
        Ok(ControlFlow::Continue(()))
    }
}

fn bytes(cell: &Json) -> usize {
    CELL_BYTES + cell.as_str().map_or(0, str::len)
}

/// The cells of a column.
fn values(array: &ArrayRef) -> Result<Vec<Json>, DataFusionError> {
    let data_type = array.data_type();
    Ok(match data_type {
        DataType::Null => vec![Json::Null; array.len()],
        DataType::Boolean => array.as_boolean().iter().map(Json::from).collect(),
        DataType::UInt64 => {
            let numbers = array.as_primitive::<UInt64Type>().iter();
            numbers.map(Json::from).collect()
        }
        _ if data_type.is_integer() => {
            let wide = cast(array, &DataType::Int64)?;
            let numbers = wide.as_primitive::<Int64Type>().iter();
            numbers.map(Json::from).collect()
        }
        _ if data_type.is_floating() => {
            let wide = cast(array, &DataType::Float64)?;
            let numbers = wide.as_primitive::<Float64Type>().iter();
            numbers.map(number).collect()
        }
        DataType::Utf8View => array.as_string_view().iter().map(Json::from).collect(),
        _ => texts(array)?,
    })
}

/// JSON has no infinity; those go as texts.
fn number(number: Option<f64>) -> Json {
    match number {
        None => Json::Null,
        Some(number) => serde_json::Number::from_f64(number)
            .map_or_else(|| Json::String(number.to_string()), Json::Number),
    }
}

fn texts(array: &ArrayRef) -> Result<Vec<Json>, DataFusionError> {
    let options = FormatOptions::default();
    let formatter = ArrayFormatter::try_new(array.as_ref(), &options)?;
    Ok((0..array.len())
        .map(|row| {
            if array.is_null(row) {
                Json::Null
            } else {
                Json::String(formatter.value(row).to_string())
            }
        })
        .collect())
}
