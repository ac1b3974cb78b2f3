//! The table `events` of a project for an SQL engine: its columns, and the rows of a part as arrow batches.
//!
//! For query, which puts DataFusion above it; the one place where arrow leaves this crate. Columns are those of a snapshot without
//! what is for the store alone (keys, policies, sealed values).
//! Invariant: a batch has exactly the columns asked for, in that order and of the table's types; sealed values are never read.

use crate::StoreError;
use crate::encode::{arrow_type, encode};
use crate::parts::{Part, Rows};
use crate::read::Reader as FileReader;
use crate::schema::{FIXED, ProjectSchema, ducklake_type, id};
use crate::store::ColumnKind;
use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions, StringViewArray, new_null_array};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::PARQUET_FIELD_ID_META_KEY;
use std::sync::Arc;

/// Columns of an event file that are the store's own business.
const HIDDEN: [i32; 3] = [id::INSERT_KEY, id::POLICY, id::SEALED];

/// A column of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableColumn {
    /// Its name in SQL: the property's, unless another column has that already.
    pub name: Arc<str>,
    /// The property that it holds, by its path without `properties.`; `None` for what every event has.
    pub property: Option<Arc<str>>,
    id: i32,
    data_type: DataType,
}

/// The columns of a project's events, of one version of the store.
#[derive(Clone, Debug)]
pub struct EventTable {
    /// The columns, in their order: the fixed ones, then properties in the order first seen.
    pub columns: Vec<TableColumn>,
    /// The same as an arrow schema.
    pub schema: SchemaRef,
}

/// What is known of a part without reading it.
#[derive(Clone, Copy, Debug)]
pub struct PartBounds<'a> {
    /// The first and the last time of a row, milliseconds since 1970.
    pub time: (i64, i64),
    /// The events that it has, ascending; `None` where that is not known.
    pub events: Option<&'a [Arc<str>]>,
    /// Number of rows.
    pub rows: u64,
}

/// Batches of rows, read when it is their turn. Blocking.
pub type Batches = Box<dyn Iterator<Item = Result<RecordBatch, StoreError>> + Send>;

impl EventTable {
    pub(crate) fn of(schema: &ProjectSchema) -> Self {
        let fixed =
            (1..)
                .zip(FIXED)
                .filter(|(id, _)| !HIDDEN.contains(id))
                .map(|(id, (name, kind))| TableColumn {
                    name: Arc::from(name),
                    property: None,
                    id,
                    data_type: table_type(kind),
                });
        let own = schema.properties.iter().filter_map(|property| {
            let (id, name) = property.column.as_ref()?;
            Some(TableColumn {
                name: Arc::clone(name),
                property: Some(Arc::clone(&property.name)),
                id: *id,
                data_type: table_type(ducklake_type(property.kind)),
            })
        });
        let columns: Vec<TableColumn> = fixed.chain(own).collect();
        let fields: Vec<Field> = columns.iter().map(TableColumn::field).collect();
        Self {
            columns,
            schema: Arc::new(Schema::new(fields)),
        }
    }
}

impl TableColumn {
    /// The type in the store's words.
    #[must_use]
    pub fn kind(&self) -> ColumnKind {
        match self.data_type {
            DataType::Boolean => ColumnKind::Boolean,
            DataType::Float64 => ColumnKind::Number,
            DataType::Utf8View => ColumnKind::Text,
            _ => ColumnKind::Integer,
        }
    }

    fn field(&self) -> Field {
        let is_set = [id::PERSON, id::TIME, id::SEQ, id::EVENT, id::VERIFIED].contains(&self.id);
        Field::new(&*self.name, self.data_type.clone(), !is_set)
    }
}

/// Texts are views: files hand them over without a copy for each row.
fn table_type(ducklake: &str) -> DataType {
    match arrow_type(ducklake) {
        DataType::Utf8 => DataType::Utf8View,
        other => other,
    }
}

impl Part {
    /// What can be told without reading.
    #[must_use]
    pub fn bounds(&self) -> PartBounds<'_> {
        match &self.rows {
            Rows::File(file) => PartBounds {
                time: (file.time_min.0, file.time_max.0),
                events: Some(&file.events),
                rows: file.rows,
            },
            Rows::Tail(rows) => {
                let day = self.day();
                PartBounds {
                    time: (day.start().0, day.start().0 + 86_399_999),
                    events: None,
                    rows: rows.len() as u64,
                }
            }
        }
    }

    /// The rows as batches of at most `rows` with these columns of the table, by position. Blocking.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn batches(
        &self,
        table: &EventTable,
        columns: &[usize],
        rows: usize,
    ) -> Result<Batches, StoreError> {
        let wanted: Vec<TableColumn> = columns
            .iter()
            .filter_map(|&position| table.columns.get(position).cloned())
            .collect();
        let fields: Vec<Field> = wanted.iter().map(TableColumn::field).collect();
        let wanted = Wanted {
            schema: Arc::new(Schema::new(fields)),
            columns: wanted,
        };
        match &self.rows {
            Rows::File(file) => {
                let ids: Vec<i32> = wanted.columns.iter().map(|column| column.id).collect();
                let batches = FileReader::open_views(&file.path)?.sized(&ids, rows)?;
                Ok(Box::new(batches.map(move |batch| {
                    let (len, arrays) = batch?;
                    wanted.batch(arrays, len)
                })))
            }
            Rows::Tail(tail) => {
                let (tail, schema) = (Arc::clone(tail), Arc::clone(&self.schema));
                let starts = (0..tail.len()).step_by(rows.max(1));
                Ok(Box::new(starts.map(move |start| {
                    let end = start.saturating_add(rows).min(tail.len());
                    let encoded = encode(tail.get(start..end).unwrap_or_default(), &schema)?;
                    let arrays = wanted
                        .columns
                        .iter()
                        .map(|column| by_id(&encoded, column.id))
                        .collect();
                    wanted.batch(arrays, end - start)
                })))
            }
        }
    }
}

/// The columns of a scan.
struct Wanted {
    columns: Vec<TableColumn>,
    schema: SchemaRef,
}

impl Wanted {
    /// A batch of what a file has; what it has not is not set.
    fn batch(&self, arrays: Vec<Option<ArrayRef>>, rows: usize) -> Result<RecordBatch, StoreError> {
        let arrays = arrays
            .into_iter()
            .zip(&self.columns)
            .map(|(array, column)| match array {
                None => new_null_array(&column.data_type, rows),
                Some(array) => view(array),
            })
            .collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)
            .map_err(|_| StoreError::damaged("a file whose columns are not of the catalog's types"))
    }
}

/// Texts as views.
fn view(array: ArrayRef) -> ArrayRef {
    match array.as_string_opt::<i32>() {
        Some(texts) => Arc::new(StringViewArray::from(texts)),
        None => array,
    }
}

/// The column with a DuckLake id.
fn by_id(batch: &RecordBatch, id: i32) -> Option<ArrayRef> {
    let id = id.to_string();
    let position = batch
        .schema_ref()
        .fields()
        .iter()
        .position(|field| field.metadata().get(PARQUET_FIELD_ID_META_KEY) == Some(&id))?;
    batch.columns().get(position).map(Arc::clone)
}
