//! Reading an event file: which columns it has, decoding them to plain columns.
//!
//! Files come from a version; batches go to the scan, to key loading, and to the rewriting of compaction and erasure.
//! Invariant: columns are found by DuckLake id, never by name or position.

use crate::StoreError;
use crate::batch::{Codes, ColumnData, Scalar};
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Float64Type, Int32Type, Int64Type, TimestampMillisecondType, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
    ParquetRecordBatchReaderBuilder, RowSelection,
};
use std::fs::File;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// Rows of a batch.
const BATCH_ROWS: usize = 1 << 16;

/// An open file.
pub(crate) struct Reader {
    file: File,
    path: std::path::PathBuf,
    metadata: ArrowReaderMetadata,
    ids: Vec<i32>,
}

impl Reader {
    /// Opens a file; with `coded`, text columns come as dictionaries.
    pub(crate) fn open(path: &Path, coded: bool) -> Result<Self, StoreError> {
        let dictionary = || DataType::Dictionary(DataType::Int32.into(), DataType::Utf8.into());
        Self::open_with(path, coded.then(dictionary))
    }

    /// Opens a file; text columns come as views.
    pub(crate) fn open_views(path: &Path) -> Result<Self, StoreError> {
        Self::open_with(path, Some(DataType::Utf8View))
    }

    fn open_with(path: &Path, texts: Option<DataType>) -> Result<Self, StoreError> {
        let file = File::open(path).map_err(StoreError::io(path))?;
        let mut metadata = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new())
            .map_err(StoreError::parquet(path))?;
        if let Some(texts) = texts {
            let fields: Vec<Field> = metadata
                .schema()
                .fields()
                .iter()
                .map(|field| match field.data_type() {
                    DataType::Utf8 => field.as_ref().clone().with_data_type(texts.clone()),
                    _ => field.as_ref().clone(),
                })
                .collect();
            let options = ArrowReaderOptions::new().with_schema(Arc::new(Schema::new(fields)));
            metadata = ArrowReaderMetadata::try_new(Arc::clone(metadata.metadata()), options)
                .map_err(StoreError::parquet(path))?;
        }
        let ids = metadata
            .parquet_schema()
            .columns()
            .iter()
            .map(|column| column.self_type().get_basic_info())
            .map(|info| if info.has_id() { info.id() } else { 0 })
            .collect();
        Ok(Self {
            file,
            path: path.to_path_buf(),
            metadata,
            ids,
        })
    }

    /// Batches of the columns wanted. Each yields the arrays in the order asked; `None` where the file has no such column.
    pub(crate) fn columns(
        self,
        wanted: &[i32],
    ) -> Result<impl Iterator<Item = Result<Vec<Option<ArrayRef>>, StoreError>>, StoreError> {
        let batches = self.sized(wanted, BATCH_ROWS)?;
        Ok(batches.map(|batch| batch.map(|(_, arrays)| arrays)))
    }

    /// As [`Reader::columns`], in batches of at most `rows`, each with its number of rows.
    #[expect(clippy::type_complexity, reason = "the type of an iterator")]
    pub(crate) fn sized(
        self,
        wanted: &[i32],
        rows: usize,
    ) -> Result<
        impl Iterator<Item = Result<(usize, Vec<Option<ArrayRef>>), StoreError>> + use<>,
        StoreError,
    > {
        let leaves: Vec<usize> = (0..self.ids.len())
            .filter(|&leaf| self.ids.get(leaf).is_some_and(|id| wanted.contains(id)))
            .collect();
        let positions: Vec<Option<usize>> = wanted
            .iter()
            .map(|id| {
                leaves
                    .iter()
                    .position(|&leaf| self.ids.get(leaf) == Some(id))
            })
            .collect();
        let path = self.path.clone();
        let batches = self.batches(&leaves, rows)?;
        Ok(batches.map(move |batch| {
            let batch = batch.map_err(|error| StoreError::Parquet {
                path: path.clone(),
                source: error.into(),
            })?;
            let arrays = positions
                .iter()
                .map(|position| position.map(|position| Arc::clone(batch.column(position))))
                .collect();
            Ok((batch.num_rows(), arrays))
        }))
    }

    /// All columns, with their ids.
    pub(crate) fn all(self) -> Result<(Vec<i32>, Vec<RecordBatch>), StoreError> {
        let leaves: Vec<usize> = (0..self.ids.len()).collect();
        let (ids, path) = (self.ids.clone(), self.path.clone());
        let batches = self
            .batches(&leaves, BATCH_ROWS)?
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| StoreError::Parquet {
                path,
                source: error.into(),
            })?;
        Ok((ids, batches))
    }

    /// All columns of the rows at these positions, which ascend, or the one wanted; with the columns' ids.
    pub(crate) fn rows(
        self,
        positions: &[u32],
        only: Option<i32>,
    ) -> Result<(Vec<i32>, Vec<RecordBatch>), StoreError> {
        let is_wanted = |id: &i32| only.is_none_or(|only| only == *id);
        let leaves = (0..).zip(&self.ids).filter(|(_, id)| is_wanted(id));
        let leaves = leaves.map(|(leaf, _)| leaf);
        let mask = ProjectionMask::leaves(self.metadata.parquet_schema(), leaves);
        let ids = self.ids.iter().copied().filter(is_wanted).collect();
        let total =
            usize::try_from(self.metadata.metadata().file_metadata().num_rows()).unwrap_or(0);
        let mut ranges: Vec<Range<usize>> = Vec::new();
        for position in positions {
            let position = *position as usize;
            match ranges.last_mut() {
                Some(last) if last.end == position => last.end += 1,
                _ => ranges.push(position..position + 1),
            }
        }
        let selection = RowSelection::from_consecutive_ranges(ranges.into_iter(), total);
        let path = self.path;
        let batches = ParquetRecordBatchReaderBuilder::new_with_metadata(self.file, self.metadata)
            .with_projection(mask)
            .with_row_selection(selection)
            .with_batch_size(positions.len().clamp(1, BATCH_ROWS))
            .build()
            .map_err(StoreError::parquet(&path))?
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| StoreError::Parquet {
                path,
                source: error.into(),
            })?;
        Ok((ids, batches))
    }

    fn batches(
        self,
        leaves: &[usize],
        rows: usize,
    ) -> Result<ParquetRecordBatchReader, StoreError> {
        let mask = ProjectionMask::leaves(self.metadata.parquet_schema(), leaves.iter().copied());
        ParquetRecordBatchReaderBuilder::new_with_metadata(self.file, self.metadata)
            .with_projection(mask)
            .with_batch_size(rows)
            .build()
            .map_err(StoreError::parquet(&self.path))
    }
}

/// A column of `u32` that has no null.
pub(crate) fn u32s(array: Option<&ArrayRef>) -> Result<Vec<u32>, StoreError> {
    array
        .and_then(|array| array.as_primitive_opt::<UInt32Type>())
        .map(|array| array.values().to_vec())
        .ok_or_else(|| StoreError::damaged("a file without persons"))
}

/// A column of `u64` that has no null.
pub(crate) fn u64s(array: Option<&ArrayRef>) -> Result<Vec<u64>, StoreError> {
    array
        .and_then(|array| array.as_primitive_opt::<UInt64Type>())
        .map(|array| array.values().to_vec())
        .ok_or_else(|| StoreError::damaged("a file without keys"))
}

/// A column of times that has no null.
pub(crate) fn times(array: Option<&ArrayRef>) -> Result<Vec<i64>, StoreError> {
    array
        .and_then(|array| array.as_primitive_opt::<TimestampMillisecondType>())
        .map(|array| array.values().to_vec())
        .ok_or_else(|| StoreError::damaged("a file without times"))
}

/// A column of texts, coded.
pub(crate) fn codes(array: &ArrayRef) -> Option<Codes> {
    let dictionary = array.as_dictionary_opt::<Int32Type>()?;
    let names = dictionary.values().as_string_opt::<i32>()?;
    Some(Codes {
        names: names
            .iter()
            .map(|name| Arc::from(name.unwrap_or("")))
            .collect(),
        codes: dictionary
            .keys()
            .iter()
            .map(|key| key.map_or(Codes::NULL, |key| u32::try_from(key).unwrap_or(Codes::NULL)))
            .collect(),
    })
}

/// Any column; absent where it is `None` or of a type that no property has.
pub(crate) fn data(array: Option<&ArrayRef>, rows: usize) -> ColumnData {
    let Some(array) = array else {
        return ColumnData::Absent(rows);
    };
    match array.data_type() {
        DataType::Boolean => ColumnData::Bool(array.as_boolean().iter().collect()),
        DataType::Int64 => ColumnData::Int(array.as_primitive::<Int64Type>().iter().collect()),
        DataType::Float64 => {
            ColumnData::Float(array.as_primitive::<Float64Type>().iter().collect())
        }
        DataType::UInt32 => ColumnData::Int(
            array
                .as_primitive::<UInt32Type>()
                .iter()
                .map(|number| number.map(i64::from))
                .collect(),
        ),
        DataType::UInt64 => ColumnData::Int(
            array
                .as_primitive::<UInt64Type>()
                .iter()
                .map(|number| number.map(u64::cast_signed))
                .collect(),
        ),
        DataType::Dictionary(..) => codes(array).map_or(ColumnData::Absent(rows), ColumnData::Text),
        _ => ColumnData::Absent(rows),
    }
}

/// Puts the values of `properties_rest` over a column: what clashed, overflowed or is nested.
pub(crate) fn overlay(column: ColumnData, rest: &ArrayRef, property: &str) -> ColumnData {
    let Some(codes) = codes(rest) else {
        return column;
    };
    let parsed: Vec<Scalar> = codes
        .names
        .iter()
        .map(|text| {
            serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text)
                .ok()
                .and_then(|mut object| object.remove(property))
                .map_or(Scalar::Null, |value| Scalar::from_json(&value))
        })
        .collect();
    if parsed.iter().all(|value| *value == Scalar::Null) {
        return column;
    }
    let rows = codes.codes.len();
    let mixed = (0..rows)
        .map(|row| {
            codes
                .codes
                .get(row)
                .and_then(|&code| parsed.get(code as usize))
                .filter(|value| **value != Scalar::Null)
                .cloned()
                .unwrap_or_else(|| column.scalar(row))
        })
        .collect();
    ColumnData::Mixed(mixed)
}
