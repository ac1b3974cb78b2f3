//! Whole rows: single events with everything that the store has of them.
//!
//! Query chooses the rows of a part by its hot columns; only those are put together from the other columns.
//! Invariant: a row comes as it was stored, but for types: what was one value stays one value; sealed values stay sealed.

use crate::StoreError;
use crate::parts::{Part, Rows};
use crate::read::Reader;
use crate::schema::{ProjectSchema, id};
use crate::version::{DataFile, TailRow};
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Float64Type, Int64Type, TimestampMillisecondType, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::DataType;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cofferdam_model::{Provenance, TimestampMs};
use serde_json::{Map, Value as Json};
use std::collections::HashMap;
use std::sync::Arc;

/// A stored event.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredRow {
    /// Its journal sequence number.
    pub seq: u64,
    /// The person as first seen; apply the merge map.
    pub person: u32,
    /// When it happened.
    pub time: TimestampMs,
    /// The event's name.
    pub event: Arc<str>,
    /// The organization's number.
    pub organization: Option<u32>,
    /// Whether it came with a server's secret.
    pub is_verified: bool,
    /// Keyed hash of what makes it one event: who sent it under which insert id.
    pub insert_key: u64,
    /// Property path without `properties.`, and its value, ascending by path.
    pub properties: Map<String, Json>,
    /// Property path, and the value's JSON sealed under the person's key with context `home:<path>`, ascending by path.
    pub sealed: Vec<(String, Vec<u8>)>,
}

impl Part {
    /// Rows by their positions, which ascend. Blocking.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn rows(&self, positions: &[u32]) -> Result<Vec<StoredRow>, StoreError> {
        match &self.rows {
            Rows::Tail(rows) => positions
                .iter()
                .filter_map(|position| rows.get(*position as usize))
                .map(of_tail)
                .collect(),
            Rows::File(file) => of_file(file, &self.schema, positions),
        }
    }

    /// The organizations of rows by their positions, which ascend; rows without one have none. Blocking.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn organizations(&self, positions: &[u32]) -> Result<Vec<u32>, StoreError> {
        match &self.rows {
            Rows::Tail(rows) => {
                let rows = positions.iter().filter_map(|at| rows.get(*at as usize));
                let numbers = rows.filter_map(|row| Some(row.event.organization?.0));
                Ok(numbers.collect())
            }
            Rows::File(file) => {
                let (_, batches) =
                    Reader::open(&file.path, false)?.rows(positions, Some(id::ORGANIZATION))?;
                let columns = batches.iter().flat_map(RecordBatch::columns);
                let numbers = columns.filter_map(|column| column.as_primitive_opt::<UInt32Type>());
                Ok(numbers.flatten().flatten().collect())
            }
        }
    }
}

fn of_tail(row: &TailRow) -> Result<StoredRow, StoreError> {
    let event = &row.event;
    let mut properties = Map::new();
    for (path, value) in &event.properties {
        let value = serde_json::to_value(value).map_err(|_| StoreError::damaged("a value"))?;
        put(&mut properties, path, value);
    }
    let mut sealed: Vec<(String, Vec<u8>)> = event
        .sealed
        .iter()
        .map(|(path, bytes)| (path.to_string(), bytes.clone()))
        .collect();
    sealed.sort_unstable_by(|one, other| one.0.cmp(&other.0));
    Ok(StoredRow {
        seq: row.seq,
        person: event.person.0,
        time: event.time,
        event: Arc::from(event.name.as_str()),
        organization: event.organization.map(|number| number.0),
        is_verified: event.provenance == Provenance::Verified,
        insert_key: event.insert_key,
        properties,
        sealed,
    })
}

/// The first value of a property counts, and one that is null is none, as in the files.
fn put(properties: &mut Map<String, Json>, path: &str, value: Json) {
    if value != Json::Null && !properties.contains_key(path) {
        properties.insert(path.to_owned(), value);
    }
}

fn of_file(
    file: &DataFile,
    schema: &ProjectSchema,
    positions: &[u32],
) -> Result<Vec<StoredRow>, StoreError> {
    let names: HashMap<i32, &Arc<str>> = schema
        .properties
        .iter()
        .filter_map(|property| Some((property.column.as_ref()?.0, &property.name)))
        .collect();
    let (ids, batches) = Reader::open(&file.path, false)?.rows(positions, None)?;
    let mut rows = Vec::with_capacity(positions.len());
    for batch in batches {
        let first = rows.len();
        let number = batch.num_rows();
        rows.resize_with(first + number, StoredRow::default);
        for (id, array) in ids.iter().zip(batch.columns()) {
            let rows = rows.get_mut(first..).unwrap_or_default();
            fill(rows, *id, array, &names)?;
        }
    }
    Ok(rows)
}

impl Default for StoredRow {
    fn default() -> Self {
        Self {
            seq: 0,
            person: 0,
            time: TimestampMs(0),
            event: Arc::from(""),
            organization: None,
            is_verified: false,
            insert_key: 0,
            properties: Map::new(),
            sealed: Vec::new(),
        }
    }
}

/// Puts a column's values into the rows.
fn fill(
    rows: &mut [StoredRow],
    column: i32,
    array: &ArrayRef,
    names: &HashMap<i32, &Arc<str>>,
) -> Result<(), StoreError> {
    let set = (0..array.len())
        .zip(rows)
        .filter(|(at, _)| !array.is_null(*at));
    match column {
        id::PERSON => set.for_each(|(at, row)| {
            row.person = array.as_primitive::<UInt32Type>().value(at);
        }),
        id::TIME => set.for_each(|(at, row)| {
            let time = array.as_primitive::<TimestampMillisecondType>().value(at);
            row.time = TimestampMs(time);
        }),
        id::SEQ => set.for_each(|(at, row)| {
            row.seq = array.as_primitive::<UInt64Type>().value(at);
        }),
        id::EVENT => set.for_each(|(at, row)| {
            row.event = Arc::from(array.as_string::<i32>().value(at));
        }),
        id::ORGANIZATION => set.for_each(|(at, row)| {
            row.organization = Some(array.as_primitive::<UInt32Type>().value(at));
        }),
        id::INSERT_KEY => set.for_each(|(at, row)| {
            row.insert_key = array.as_primitive::<UInt64Type>().value(at);
        }),
        id::POLICY => {}
        id::VERIFIED => set.for_each(|(at, row)| row.is_verified = array.as_boolean().value(at)),
        id::REST => {
            for (at, row) in set {
                for (path, value) in members(array, at)? {
                    put(&mut row.properties, &path, value);
                }
            }
        }
        id::SEALED => {
            for (at, row) in set {
                for (path, value) in members(array, at)? {
                    let bytes = value.as_str().and_then(|text| STANDARD.decode(text).ok());
                    let bytes = bytes.ok_or_else(|| StoreError::damaged("a sealed value"))?;
                    row.sealed.push((path, bytes));
                }
            }
        }
        property => {
            if let Some(name) = names.get(&property) {
                set.for_each(|(at, row)| put(&mut row.properties, name, value(array, at)));
            }
        }
    }
    Ok(())
}

fn members(array: &ArrayRef, at: usize) -> Result<Map<String, Json>, StoreError> {
    serde_json::from_str(array.as_string::<i32>().value(at))
        .map_err(|_| StoreError::damaged("properties that are no object"))
}

fn value(array: &ArrayRef, at: usize) -> Json {
    match array.data_type() {
        DataType::Boolean => Json::from(array.as_boolean().value(at)),
        DataType::Int64 => Json::from(array.as_primitive::<Int64Type>().value(at)),
        DataType::Float64 => Json::from(array.as_primitive::<Float64Type>().value(at)),
        DataType::Utf8 => Json::from(array.as_string::<i32>().value(at)),
        _ => Json::Null,
    }
}
