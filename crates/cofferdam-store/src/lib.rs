//! The event store: minimized events in, column batches out; DuckLake catalog in SQLite, Parquet files beside it.
//!
//! The server's consumer hands over what policy minimized for home, in journal order; query scans it; a snapshot is a DuckLake
//! that other engines open. Only this crate names arrow and parquet, and none of their types leaves it.
//! Invariant: files, schema, profiles and the journal cursor move in one catalog transaction, so that a crash loses nothing and
//! doubles nothing; a scan sees one version of files and tail (P2, P4, P7).

mod batch;
mod error;
mod files;
mod options;
mod store;

pub use batch::{Codes, Column, ColumnBatch, ColumnData, Scalar, ScanRequest};
pub use error::StoreError;
pub use files::{FileSink, Files, LocalFiles, Step};
pub use options::{StoreLimits, StoreOptions};
pub use store::{
    CatalogInfo, ColumnInfo, ColumnKind, FlushReport, IngestReport, RecentEvent, Store, Subject,
    VersionId,
};
