//! Writing one Parquet file: temporary name, sync, rename; its statistics.
//!
//! Batches come from flush (the tail), compaction and erasure (older files) and snapshots (profiles); the result goes into the
//! catalog transaction.
//! Invariant: on return the file is whole and durable under its final name; its directory is synced by the caller, once for all.

use crate::StoreError;
use crate::catalog::NewFile;
use crate::files::{FileSink, Files};
use crate::schema::{FIXED, id};
use crate::stats::ColumnStats;
use arrow_array::RecordBatch;
use parquet::arrow::arrow_writer::{ArrowWriter, ArrowWriterOptions};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use std::io::{Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Zstandard's level.
const LEVEL: i32 = 3;
/// Zstandard's level for seq.
const SEQ_LEVEL: i32 = 9;
/// Rows of a row group.
const ROW_GROUP_ROWS: usize = 1 << 18;

/// Counts the bytes that pass.
struct Counted(Box<dyn FileSink>, u64);

impl std::io::Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.0.write(bytes)?;
        self.1 += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

/// Gives out file names that no live file has.
#[derive(Debug, Default)]
pub(crate) struct Names(AtomicU64);

impl Names {
    /// Never gives out again what `path` has used.
    pub(crate) fn avoid(&self, path: &str) {
        let used = path
            .strip_suffix(".parquet")
            .and_then(|stem| stem.rsplit('-').next())
            .and_then(|number| u64::from_str_radix(number, 16).ok());
        if let Some(used) = used {
            self.0.fetch_max(used + 1, Ordering::AcqRel);
        }
    }

    /// A name that starts with `stem`.
    pub(crate) fn next(&self, stem: &str) -> String {
        format!("{stem}-{:x}.parquet", self.0.fetch_add(1, Ordering::AcqRel))
    }
}

/// Batches of one schema, each made when it is its turn.
pub(crate) type Batches<'a> = &'a mut dyn Iterator<Item = Result<RecordBatch, StoreError>>;

/// Writes a file of batches that share a schema with DuckLake ids; `relative` names it within `dir`. Blocking.
pub(crate) fn write(
    files: &dyn Files,
    dir: &Path,
    relative: String,
    batches: Batches<'_>,
) -> Result<NewFile, StoreError> {
    let target = dir.join(&relative);
    let temporary = dir.join(format!("{relative}.tmp"));
    let first = batches
        .next()
        .ok_or_else(|| StoreError::damaged("a file without rows"))??;
    let mut stats: Vec<ColumnStats> = Vec::new();
    for field in first.schema_ref().fields() {
        let id = field
            .metadata()
            .get(parquet::arrow::PARQUET_FIELD_ID_META_KEY)
            .and_then(|id| id.parse().ok())
            .ok_or_else(|| StoreError::damaged("a column without id"))?;
        stats.push(ColumnStats::new(id));
    }
    let sink = files
        .create(&temporary)
        .map_err(StoreError::io(&temporary))?;
    let mut rows = 0;
    let mut count = |batch: &RecordBatch| {
        rows += batch.num_rows() as u64;
        for (column, array) in stats.iter_mut().zip(batch.columns()) {
            column.add(array);
        }
    };
    let (bytes, sizes) = encode(sink, &temporary, first, batches, &mut count)?;
    for (column, bytes) in stats.iter_mut().zip(sizes) {
        column.bytes = bytes;
    }
    files
        .rename(&temporary, &target)
        .map_err(StoreError::io(&target))?;
    Ok(NewFile {
        relative,
        rows,
        bytes,
        footer_bytes: footer_bytes(&target)?,
        stats,
        events: None,
    })
}

/// Returns the file's bytes, and those of each column.
fn encode(
    sink: Box<dyn FileSink>,
    path: &Path,
    first: RecordBatch,
    rest: Batches<'_>,
    count: &mut dyn FnMut(&RecordBatch),
) -> Result<(u64, Vec<u64>), StoreError> {
    let failed = || StoreError::parquet(path);
    let options = ArrowWriterOptions::new()
        .with_properties(properties(&first))
        .with_skip_arrow_metadata(true);
    let mut sizes = vec![0; first.num_columns()];
    let mut writer = ArrowWriter::try_new_with_options(Counted(sink, 0), first.schema(), options)
        .map_err(failed())?;
    for batch in std::iter::once(Ok(first)).chain(rest) {
        let batch = batch?;
        count(&batch);
        writer.write(&batch).map_err(failed())?;
    }
    let metadata = writer.finish().map_err(failed())?;
    let counted = writer.inner_mut();
    std::io::Write::flush(counted).map_err(StoreError::io(path))?;
    counted.0.sync().map_err(StoreError::io(path))?;
    for group in metadata.row_groups() {
        for (size, column) in sizes.iter_mut().zip(group.columns()) {
            *size += column.compressed_size().unsigned_abs();
        }
    }
    Ok((counted.1, sizes))
}

/// What files are made of.
///
/// person, time: delta; a person's rows stand together, so LZ4 takes another third off the former and nothing off the latter.
/// event: dictionary, uncompressed. insert key: plain and uncompressed, it is random. The rest: dictionary and zstd.
/// seq: plain and zstd, which leaves the two or three low bytes that differ; delta takes a bit more, as neighbors are in no order.
/// (Splitting it by byte would take .1 B an event less, but DuckDB 1.5 reads that encoding for floats only.)
fn properties(batch: &RecordBatch) -> WriterProperties {
    let mut builder = WriterProperties::builder()
        .set_created_by("Cofferdam".to_owned())
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_compression(zstd(LEVEL))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_write_page_header_statistics(false)
        .set_data_page_row_count_limit(ROW_GROUP_ROWS)
        .set_offset_index_disabled(true);
    let name = |id: i32| {
        let position = usize::try_from(id - 1).unwrap_or(usize::MAX);
        let name = FIXED.get(position).map_or("", |(name, _)| name);
        ColumnPath::from(name)
    };
    if batch.schema_ref().column_with_name("event").is_none() {
        return builder.build();
    }
    for (id, compression) in [
        (id::PERSON, Compression::LZ4_RAW),
        (id::TIME, Compression::UNCOMPRESSED),
    ] {
        builder = builder
            .set_column_dictionary_enabled(name(id), false)
            .set_column_encoding(name(id), Encoding::DELTA_BINARY_PACKED)
            .set_column_compression(name(id), compression);
    }
    for (id, compression) in [
        (id::SEQ, zstd(SEQ_LEVEL)),
        (id::INSERT_KEY, Compression::UNCOMPRESSED),
    ] {
        builder = builder
            .set_column_dictionary_enabled(name(id), false)
            .set_column_encoding(name(id), Encoding::PLAIN)
            .set_column_compression(name(id), compression);
    }
    builder = builder.set_column_compression(name(id::EVENT), Compression::UNCOMPRESSED);
    for id in [id::REST, id::SEALED] {
        builder = builder
            .set_column_dictionary_enabled(name(id), false)
            .set_column_statistics_enabled(name(id), EnabledStatistics::None);
    }
    builder.build()
}

fn zstd(level: i32) -> Compression {
    ZstdLevel::try_new(level).map_or(Compression::UNCOMPRESSED, Compression::ZSTD)
}

/// Length of the footer, from the file's last 8 bytes.
fn footer_bytes(path: &PathBuf) -> Result<u64, StoreError> {
    let mut tail = [0u8; 4];
    let mut file = std::fs::File::open(path).map_err(StoreError::io(path))?;
    file.seek(SeekFrom::End(-8))
        .and_then(|_| std::io::Read::read_exact(&mut file, &mut tail))
        .map_err(StoreError::io(path))?;
    Ok(u64::from(u32::from_le_bytes(tail)))
}
