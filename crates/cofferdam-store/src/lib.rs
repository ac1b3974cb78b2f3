//! The event store: minimized events in, column batches out; DuckLake catalog in SQLite, Parquet files beside it.
//!
//! The server's consumer hands over what policy minimized for home, in journal order; query scans it; a snapshot is a DuckLake
//! that other engines open. Only this crate names arrow and parquet, and none of their types leaves it but the batches of `table`.
//! Invariant: files, schema, profiles and the journal cursor move in one catalog transaction, so that a crash loses nothing and
//! doubles nothing; a scan sees one version of files and tail (P2, P4, P7).

mod batch;
mod catalog;
mod compact;
mod encode;
mod erase;
mod error;
mod export;
mod files;
mod flush;
mod hot;
mod ingest;
mod keys;
mod open;
mod options;
mod parts;
mod profile;
mod read;
mod rows;
mod scan;
mod schema;
mod stats;
mod store;
mod table;
mod version;
mod write;

#[cfg(test)]
mod tests;

pub use batch::{Codes, Column, ColumnBatch, ColumnData, Scalar, ScanRequest};
pub use erase::EraseReport;
pub use error::StoreError;
pub use export::SnapshotReport;
pub use files::{FileSink, Files, LocalFiles, Step};
pub use hot::HotColumns;
pub use options::{StoreLimits, StoreOptions};
pub use parts::Part;
pub use profile::Profile;
pub use rows::StoredRow;
pub use store::{
    CatalogInfo, ColumnInfo, ColumnKind, FlushReport, IngestReport, Reader, RecentEvent, Store,
    VersionId,
};
pub use table::{Batches, EventTable, PartBounds, TableColumn};

/// A hash map with a fast seeded hash.
pub(crate) type Map<K, V> = hashbrown::HashMap<K, V, foldhash::fast::RandomState>;
/// A hash set with a fast seeded hash.
pub(crate) type Set<K> = hashbrown::HashSet<K, foldhash::fast::RandomState>;
