//! Rows of the tail to arrow columns: the layout of an event file.
//!
//! Flush hands over the rows of one project and day, sorted; the file writer takes the batch.
//! Invariant: a value lands in its property's own column or in `properties_rest`, never in both and never nowhere; sealed values
//! stay sealed (base64 text).

use crate::StoreError;
use crate::schema::{FIXED, Place, ProjectSchema, ducklake_type};
use crate::version::TailRow;
use arrow_array::builder::{BooleanBuilder, Float64Builder, Int64Builder, StringBuilder};
use arrow_array::{
    ArrayRef, BooleanArray, RecordBatch, StringArray, TimestampMillisecondArray, UInt32Array,
    UInt64Array,
};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cofferdam_model::{Provenance, Value};
use parquet::arrow::PARQUET_FIELD_ID_META_KEY;
use std::collections::HashMap;
use std::sync::Arc;

/// A property column being built; shorter than the batch until a value comes.
enum Builder {
    Bool(BooleanBuilder),
    Int(Int64Builder),
    Float(Float64Builder),
    Text(StringBuilder),
}

macro_rules! each {
    ($self:expr, $builder:ident => $body:expr) => {
        match $self {
            Self::Bool($builder) => $body,
            Self::Int($builder) => $body,
            Self::Float($builder) => $body,
            Self::Text($builder) => $body,
        }
    };
}

impl Builder {
    fn len(&self) -> usize {
        use arrow_array::builder::ArrayBuilder as _;
        each!(self, builder => builder.len())
    }

    fn fill(&mut self, len: usize) {
        let missing = len.saturating_sub(self.len());
        match self {
            Self::Bool(builder) => builder.append_nulls(missing),
            Self::Int(builder) => builder.append_nulls(missing),
            Self::Float(builder) => builder.append_nulls(missing),
            Self::Text(builder) => builder.append_nulls(missing),
        }
    }

    fn finish(mut self, len: usize) -> ArrayRef {
        self.fill(len);
        each!(&mut self, builder => Arc::new(builder.finish()))
    }
}

/// The arrow type of a column by its DuckLake type.
pub(crate) fn arrow_type(ducklake: &str) -> DataType {
    match ducklake {
        "uint32" => DataType::UInt32,
        "uint64" => DataType::UInt64,
        "int64" => DataType::Int64,
        "float64" => DataType::Float64,
        "boolean" => DataType::Boolean,
        "timestamp_ms" => DataType::Timestamp(TimeUnit::Millisecond, None),
        _ => DataType::Utf8,
    }
}

/// An arrow field that carries its DuckLake column id.
pub(crate) fn field(name: &str, kind: &str, id: i32) -> Field {
    Field::new(name, arrow_type(kind), true).with_metadata(HashMap::from([(
        PARQUET_FIELD_ID_META_KEY.to_owned(),
        id.to_string(),
    )]))
}

/// The rows, sorted already, as one batch with the columns that any of them has.
pub(crate) fn encode(rows: &[TailRow], schema: &ProjectSchema) -> Result<RecordBatch, StoreError> {
    let mut builders: Vec<Option<Builder>> = Vec::new();
    builders.resize_with(schema.properties.len(), || None);
    let mut rest = Vec::with_capacity(rows.len());
    let mut sealed = Vec::with_capacity(rows.len());
    for (row, tail) in rows.iter().enumerate() {
        let mut left: Vec<(&str, &Value<'static>)> = Vec::new();
        for (name, value) in &tail.event.properties {
            match schema.place(name, value) {
                Place::Nowhere => {}
                Place::Rest => left.push((name, value)),
                place => put(&mut builders, row, place),
            }
        }
        rest.push(json(left.iter().map(|(name, value)| (*name, *value)))?);
        sealed.push(json(
            tail.event
                .sealed
                .iter()
                .map(|(path, bytes)| (&**path, STANDARD.encode(bytes))),
        )?);
    }
    let mut columns = fixed(rows, rest, sealed);
    for (property, builder) in schema.properties.iter().zip(builders) {
        if let (Some((id, name)), Some(builder)) = (&property.column, builder) {
            columns.push((
                field(name, ducklake_type(property.kind), *id),
                builder.finish(rows.len()),
            ));
        }
    }
    used(columns)
}

fn put(builders: &mut [Option<Builder>], row: usize, place: Place<'_>) {
    let (position, new): (usize, fn() -> Builder) = match place {
        Place::Bool(position, _) => (position, || Builder::Bool(BooleanBuilder::new())),
        Place::Int(position, _) => (position, || Builder::Int(Int64Builder::new())),
        Place::Float(position, _) => (position, || Builder::Float(Float64Builder::new())),
        Place::Text(position, _) => (position, || Builder::Text(StringBuilder::new())),
        Place::Nowhere | Place::Rest => return,
    };
    let Some(slot) = builders.get_mut(position) else {
        return;
    };
    let builder = slot.get_or_insert_with(new);
    if builder.len() > row {
        return;
    }
    builder.fill(row);
    match (builder, place) {
        (Builder::Bool(builder), Place::Bool(_, bool)) => builder.append_value(bool),
        (Builder::Int(builder), Place::Int(_, number)) => builder.append_value(number),
        (Builder::Float(builder), Place::Float(_, number)) => builder.append_value(number),
        (Builder::Text(builder), Place::Text(_, text)) => builder.append_value(text),
        _ => {}
    }
}

fn fixed(
    rows: &[TailRow],
    rest: Vec<Option<String>>,
    sealed: Vec<Option<String>>,
) -> Vec<(Field, ArrayRef)> {
    let events = rows.iter().map(|row| &row.event);
    let arrays: [ArrayRef; 10] = [
        Arc::new(UInt32Array::from_iter_values(
            events.clone().map(|event| event.person.0),
        )),
        Arc::new(TimestampMillisecondArray::from_iter_values(
            events.clone().map(|event| event.time.0),
        )),
        Arc::new(UInt64Array::from_iter_values(
            rows.iter().map(|row| row.seq),
        )),
        Arc::new(StringArray::from_iter_values(
            events.clone().map(|event| &event.name),
        )),
        Arc::new(
            events
                .clone()
                .map(|event| event.organization.map(|organization| organization.0))
                .collect::<UInt32Array>(),
        ),
        Arc::new(UInt64Array::from_iter_values(
            events.clone().map(|event| event.insert_key),
        )),
        Arc::new(UInt32Array::from_iter_values(
            events.clone().map(|event| event.policy.0),
        )),
        Arc::new(BooleanArray::from_iter(
            events.map(|event| Some(event.provenance == Provenance::Verified)),
        )),
        Arc::new(StringArray::from_iter(rest)),
        Arc::new(StringArray::from_iter(sealed)),
    ];
    (1..)
        .zip(FIXED)
        .zip(arrays)
        .map(|((id, (name, kind)), array)| (field(name, kind, id), array))
        .collect()
}

/// A batch without the columns that have no value at all.
fn used(columns: Vec<(Field, ArrayRef)>) -> Result<RecordBatch, StoreError> {
    let used = |array: &ArrayRef| arrow_array::Array::null_count(array) < array.len();
    batch(
        columns
            .into_iter()
            .filter(|(_, array)| used(array))
            .collect(),
    )
}

/// A batch of columns.
pub(crate) fn batch(columns: Vec<(Field, ArrayRef)>) -> Result<RecordBatch, StoreError> {
    let (fields, arrays): (Vec<Field>, Vec<ArrayRef>) = columns.into_iter().unzip();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
        .map_err(|_| StoreError::damaged("a batch with columns of different length"))
}

/// The pairs as a JSON object; `None` where there are none.
pub(crate) fn json<'a, V: serde::Serialize>(
    pairs: impl ExactSizeIterator<Item = (&'a str, V)>,
) -> Result<Option<String>, StoreError> {
    if pairs.len() == 0 {
        return Ok(None);
    }
    let mut out = Vec::new();
    serde::Serializer::collect_map(&mut serde_json::Serializer::new(&mut out), pairs)
        .ok()
        .and_then(|()| String::from_utf8(out).ok())
        .map(Some)
        .ok_or_else(|| StoreError::damaged("a value that is no JSON"))
}
