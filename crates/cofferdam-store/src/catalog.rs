//! The catalog database: opening it, making its tables, loading what a store needs in memory.
//!
//! The DuckLake 1.0 tables are read by other engines from snapshots; the `cofferdam_*` tables are ours and lie beside them so
//! that files, columns, profiles and the journal cursor move in one transaction.
//! Invariant: an opened catalog has the format of this version, or nothing was touched.

mod commit;
mod ddl;

pub(crate) use commit::{Commit, EventFile, NewFile, directory};

use crate::StoreError;
use crate::schema::{ProjectSchema, Property};
use crate::store::ColumnKind;
use cofferdam_model::ProjectName;
use sqlx::Row;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use std::path::Path;
use std::sync::Arc;

/// Format of the `cofferdam_*` tables.
const FORMAT: i64 = 1;

/// The catalog database.
#[derive(Clone, Debug)]
pub(crate) struct Catalog {
    pub(crate) pool: SqlitePool,
}

/// Property, kind, column id, column name, whether some values are in the rest.
type PropertyRow = (String, i64, Option<i64>, Option<String>, bool);

/// A live data file as the catalog has it.
#[derive(Debug)]
pub(crate) struct FileRow {
    pub(crate) id: i64,
    pub(crate) project: ProjectName,
    pub(crate) path: String,
    pub(crate) rows: i64,
    pub(crate) bytes: i64,
    pub(crate) day: i32,
    pub(crate) time_min: i64,
    pub(crate) time_max: i64,
    pub(crate) events: Vec<Arc<str>>,
    pub(crate) has_rest: bool,
}

impl Catalog {
    /// Opens or creates the database; `data_path` is written into a new one.
    pub(crate) async fn open(
        path: &Path,
        data_path: &str,
        now: &str,
        live: bool,
    ) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(live)
            .journal_mode(if live {
                SqliteJournalMode::Wal
            } else {
                SqliteJournalMode::Delete
            })
            .synchronous(SqliteSynchronous::Full)
            .pragma("secure_delete", "ON");
        let pool = SqlitePoolOptions::new()
            .max_connections(if live { 4 } else { 1 })
            .connect_with(options)
            .await
            .map_err(StoreError::catalog("opening it"))?;
        let catalog = Self { pool };
        catalog.prepare(data_path, now).await?;
        Ok(catalog)
    }

    async fn prepare(&self, data_path: &str, now: &str) -> Result<(), StoreError> {
        let doing = || StoreError::catalog("making its tables");
        let known: Option<(i64,)> = sqlx::query_as(
            "SELECT count(*) FROM sqlite_master WHERE name = 'cofferdam_store' AND type = 'table'",
        )
        .fetch_optional(&self.pool)
        .await
        .map_err(doing())?;
        if known.is_some_and(|(count,)| count > 0) {
            let (found,): (i64,) = sqlx::query_as("SELECT format FROM cofferdam_store")
                .fetch_one(&self.pool)
                .await
                .map_err(doing())?;
            if found > FORMAT {
                return Err(StoreError::NewerFormat {
                    found,
                    known: FORMAT,
                });
            }
            return Ok(());
        }
        let mut tx = self.pool.begin().await.map_err(doing())?;
        for table in ddl::DUCKLAKE.iter().chain(ddl::OURS) {
            sqlx::query(*table)
                .execute(&mut *tx)
                .await
                .map_err(doing())?;
        }
        sqlx::query("INSERT INTO cofferdam_store VALUES (?)")
            .bind(FORMAT)
            .execute(&mut *tx)
            .await
            .map_err(doing())?;
        for (key, value) in [
            ("version", "1.0"),
            ("created_by", "Cofferdam"),
            ("data_path", data_path),
            ("encrypted", "false"),
        ] {
            sqlx::query("INSERT INTO ducklake_metadata VALUES (?, ?, NULL, NULL)")
                .bind(key)
                .bind(value)
                .execute(&mut *tx)
                .await
                .map_err(doing())?;
        }
        sqlx::query("INSERT INTO ducklake_snapshot VALUES (0, ?, 0, 1, 0)")
            .bind(now)
            .execute(&mut *tx)
            .await
            .map_err(doing())?;
        for first in ddl::FIRST_ROWS {
            sqlx::query(*first)
                .execute(&mut *tx)
                .await
                .map_err(doing())?;
        }
        tx.commit().await.map_err(doing())
    }

    /// The durable cursor and the newest snapshot.
    pub(crate) async fn position(&self) -> Result<(u64, u64), StoreError> {
        let row = sqlx::query(
            "SELECT (SELECT next_seq FROM cofferdam_cursor), (SELECT max(snapshot_id) FROM ducklake_snapshot)",
        )
        .fetch_one(&self.pool)
        .await
        .map_err(StoreError::catalog("reading the cursor"))?;
        Ok((
            row.get::<i64, _>(0).cast_unsigned(),
            row.get::<i64, _>(1).cast_unsigned(),
        ))
    }

    /// The projects that have tables.
    pub(crate) async fn projects(&self) -> Result<Vec<ProjectName>, StoreError> {
        let rows: Vec<(String,)> = sqlx::query_as(
            "SELECT schema_name FROM ducklake_schema WHERE schema_id > 0 AND end_snapshot IS NULL",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(StoreError::catalog("reading the projects"))?;
        Ok(rows
            .into_iter()
            .map(|(name,)| ProjectName::from(name.as_str()))
            .collect())
    }

    /// Fills a project's schema with the properties known.
    pub(crate) async fn load_properties(
        &self,
        project: &ProjectName,
        schema: &mut ProjectSchema,
    ) -> Result<(), StoreError> {
        let rows: Vec<PropertyRow> = sqlx::query_as(
            "SELECT property, kind, column_id, column_name, in_rest FROM cofferdam_property WHERE project = ? ORDER BY position",
        )
        .bind(project.as_str())
        .fetch_all(&self.pool)
        .await
        .map_err(StoreError::catalog("reading the columns"))?;
        for (name, kind, column_id, column_name, in_rest) in rows {
            let column = match (column_id.and_then(|id| i32::try_from(id).ok()), column_name) {
                (Some(id), Some(name)) => Some((id, Arc::from(name))),
                _ => None,
            };
            schema.restore(Property {
                name: Arc::from(name),
                kind: kind_of(kind)?,
                column,
                in_rest,
                unsaved: false,
            });
        }
        Ok(())
    }

    /// All live files.
    pub(crate) async fn files(&self) -> Result<Vec<FileRow>, StoreError> {
        let doing = || StoreError::catalog("reading the files");
        let rows = sqlx::query(
            "SELECT f.data_file_id, s.schema_name, f.path, f.record_count, f.file_size_bytes, c.day, c.time_min, c.time_max, c.events, c.has_rest
             FROM ducklake_data_file f JOIN ducklake_table t USING (table_id) JOIN ducklake_schema s USING (schema_id)
             JOIN cofferdam_file c USING (data_file_id) WHERE f.end_snapshot IS NULL AND t.table_name = 'events' ORDER BY 1",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(doing())?;
        rows.into_iter()
            .map(|row| {
                let events: Vec<String> = serde_json::from_str(row.try_get(8).map_err(doing())?)
                    .map_err(|_| StoreError::damaged("a file's list of events"))?;
                Ok(FileRow {
                    id: row.try_get(0).map_err(doing())?,
                    project: ProjectName::from(row.try_get::<&str, _>(1).map_err(doing())?),
                    path: row.try_get(2).map_err(doing())?,
                    rows: row.try_get(3).map_err(doing())?,
                    bytes: row.try_get(4).map_err(doing())?,
                    day: row.try_get(5).map_err(doing())?,
                    time_min: row.try_get(6).map_err(doing())?,
                    time_max: row.try_get(7).map_err(doing())?,
                    events: events.into_iter().map(Arc::from).collect(),
                    has_rest: row.try_get(9).map_err(doing())?,
                })
            })
            .collect()
    }

    /// First day still kept, per project.
    pub(crate) async fn retention(&self) -> Result<Vec<(ProjectName, i32)>, StoreError> {
        let rows: Vec<(String, i32)> =
            sqlx::query_as("SELECT project, before_day FROM cofferdam_retention")
                .fetch_all(&self.pool)
                .await
                .map_err(StoreError::catalog("reading the retention"))?;
        Ok(rows
            .into_iter()
            .map(|(project, day)| (ProjectName::from(project.as_str()), day))
            .collect())
    }

    /// A profile's stored state.
    pub(crate) async fn profile(
        &self,
        project: &ProjectName,
        kind: i64,
        number: u32,
    ) -> Result<Option<String>, StoreError> {
        let row: Option<(String,)> = sqlx::query_as(
            "SELECT state FROM cofferdam_profile WHERE project = ? AND kind = ? AND number = ?",
        )
        .bind(project.as_str())
        .bind(kind)
        .bind(number)
        .fetch_optional(&self.pool)
        .await
        .map_err(StoreError::catalog("reading a profile"))?;
        Ok(row.map(|(state,)| state))
    }

    /// Stored states of persons, by number from `from` on.
    pub(crate) async fn profiles(
        &self,
        project: &ProjectName,
        from: i64,
        limit: usize,
    ) -> Result<Vec<(u32, String)>, StoreError> {
        sqlx::query_as(
            "SELECT number, state FROM cofferdam_profile WHERE project = ? AND kind = 0 AND number >= ? ORDER BY number LIMIT ?",
        )
        .bind(project.as_str())
        .bind(from)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(&self.pool)
        .await
        .map_err(StoreError::catalog("reading profiles"))
    }
}

pub(crate) fn kind_code(kind: ColumnKind) -> i64 {
    match kind {
        ColumnKind::Boolean => 0,
        ColumnKind::Integer => 1,
        ColumnKind::Number => 2,
        ColumnKind::Text => 3,
        ColumnKind::Json => 4,
    }
}

fn kind_of(code: i64) -> Result<ColumnKind, StoreError> {
    [
        ColumnKind::Boolean,
        ColumnKind::Integer,
        ColumnKind::Number,
        ColumnKind::Text,
        ColumnKind::Json,
    ]
    .into_iter()
    .find(|kind| kind_code(*kind) == code)
    .ok_or_else(|| StoreError::damaged("a property's type"))
}
