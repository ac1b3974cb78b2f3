//! Journal batches to Parquet and catalog, compaction, retention, erasure.
