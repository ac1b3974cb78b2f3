//! One catalog transaction: a DuckLake snapshot with its files and columns, together with the cursor and profile states.
//!
//! Invariant: nothing is visible before [`Commit::finish`]; dropping a commit rolls everything back.

mod tables;

use super::Catalog;
use crate::StoreError;
use crate::stats::ColumnStats;
use cofferdam_model::{Day, ProjectName};
use sqlx::sqlite::Sqlite;
use sqlx::{Row, Transaction};
use std::sync::Arc;

/// A file that is in place and synced, about to be named by the catalog.
#[derive(Clone, Debug, Default)]
pub(crate) struct NewFile {
    /// Path below the table's directory.
    pub(crate) relative: String,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    pub(crate) footer_bytes: u64,
    pub(crate) stats: Vec<ColumnStats>,
    /// Of event files.
    pub(crate) events: Option<EventFile>,
}

/// What we keep of an event file beside DuckLake's tables.
#[derive(Clone, Debug, Default)]
pub(crate) struct EventFile {
    pub(crate) day: Day,
    pub(crate) time_min: i64,
    pub(crate) time_max: i64,
    /// Ascending.
    pub(crate) events: Vec<Arc<str>>,
    pub(crate) has_rest: bool,
}

/// An open catalog transaction.
#[derive(Debug)]
pub(crate) struct Commit {
    tx: Transaction<'static, Sqlite>,
    snapshot: i64,
    schema_version: i64,
    next_catalog_id: i64,
    next_file_id: i64,
    changes: Vec<String>,
    altered: Vec<i64>,
    touched: Vec<i64>,
    now: String,
}

fn doing() -> impl FnOnce(sqlx::Error) -> StoreError {
    StoreError::catalog("committing")
}

macro_rules! run {
    ($tx:expr, $sql:literal $(, $value:expr)*) => {
        sqlx::query($sql)$(.bind($value))*.execute(&mut *$tx).await.map_err(doing())?
    };
}

use run;

impl Commit {
    pub(crate) async fn begin(catalog: &Catalog, now: String) -> Result<Self, StoreError> {
        let mut tx = catalog
            .pool
            .begin_with("BEGIN IMMEDIATE")
            .await
            .map_err(doing())?;
        let last = sqlx::query(
            "SELECT snapshot_id, schema_version, next_catalog_id, next_file_id FROM ducklake_snapshot ORDER BY 1 DESC LIMIT 1",
        )
        .fetch_one(&mut *tx)
        .await
        .map_err(doing())?;
        Ok(Self {
            tx,
            snapshot: last.get::<i64, _>(0) + 1,
            schema_version: last.get(1),
            next_catalog_id: last.get(2),
            next_file_id: last.get(3),
            changes: Vec::new(),
            altered: Vec::new(),
            touched: Vec::new(),
            now,
        })
    }

    /// Names a file; returns its id.
    pub(crate) async fn add_file(&mut self, table: i64, file: &NewFile) -> Result<i64, StoreError> {
        let id = self.next_file_id;
        self.next_file_id += 1;
        let partition: Option<(i64,)> =
            sqlx::query_as("SELECT partition_id FROM ducklake_partition_info WHERE table_id = ?")
                .bind(table)
                .fetch_optional(&mut *self.tx)
                .await
                .map_err(doing())?;
        run!(
            self.tx,
            "INSERT INTO ducklake_data_file SELECT ?, ?, ?, NULL, NULL, ?, 1, 'parquet', ?, ?, ?, next_row_id, ?, NULL, NULL, NULL FROM ducklake_table_stats WHERE table_id = ?",
            id,
            table,
            self.snapshot,
            &file.relative,
            file.rows.cast_signed(),
            file.bytes.cast_signed(),
            file.footer_bytes.cast_signed(),
            partition.map(|(partition,)| partition),
            table
        );
        run!(
            self.tx,
            "UPDATE ducklake_table_stats SET next_row_id = next_row_id + ? WHERE table_id = ?",
            file.rows.cast_signed(),
            table
        );
        self.add_stats(table, id, &file.stats).await?;
        if let Some(events) = &file.events {
            self.add_event_file(table, id, events).await?;
        }
        self.touch(table, "inserted_into_table");
        Ok(id)
    }

    async fn add_stats(
        &mut self,
        table: i64,
        file: i64,
        stats: &[ColumnStats],
    ) -> Result<(), StoreError> {
        for column in stats {
            run!(
                self.tx,
                "INSERT INTO ducklake_file_column_stats VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)",
                file,
                table,
                i64::from(column.id),
                column.bytes.cast_signed(),
                column.values.cast_signed(),
                column.nulls.cast_signed(),
                column.min_text(),
                column.max_text(),
                column.is_float.then_some(0i64)
            );
        }
        Ok(())
    }

    async fn add_event_file(
        &mut self,
        table: i64,
        file: i64,
        events: &EventFile,
    ) -> Result<(), StoreError> {
        let names: Vec<&str> = events.events.iter().map(|name| &**name).collect();
        let names = serde_json::to_string(&names)
            .map_err(|_| StoreError::damaged("a file's list of events"))?;
        run!(
            self.tx,
            "INSERT INTO cofferdam_file VALUES (?, ?, ?, ?, ?, ?)",
            file,
            events.day.0,
            events.time_min,
            events.time_max,
            names,
            events.has_rest
        );
        let (year, month, day) = events.day.civil();
        for (index, part) in (0i64..).zip([i64::from(year), i64::from(month), i64::from(day)]) {
            run!(
                self.tx,
                "INSERT INTO ducklake_file_partition_value VALUES (?, ?, ?, ?)",
                file,
                table,
                index,
                part.to_string()
            );
        }
        Ok(())
    }

    /// Ends a file: later snapshots do not have it.
    pub(crate) async fn end_file(&mut self, file: i64) -> Result<(), StoreError> {
        run!(
            self.tx,
            "UPDATE ducklake_data_file SET end_snapshot = ? WHERE data_file_id = ?",
            self.snapshot,
            file
        );
        let (table,): (i64,) =
            sqlx::query_as("SELECT table_id FROM ducklake_data_file WHERE data_file_id = ?")
                .bind(file)
                .fetch_one(&mut *self.tx)
                .await
                .map_err(doing())?;
        self.touch(table, "deleted_from_table");
        Ok(())
    }

    /// Forgets the rows of ended files: all, or one.
    pub(crate) async fn purge(&mut self) -> Result<(), StoreError> {
        for table in [
            "DELETE FROM ducklake_file_column_stats WHERE data_file_id IN (SELECT data_file_id FROM ducklake_data_file WHERE end_snapshot IS NOT NULL)",
            "DELETE FROM ducklake_file_partition_value WHERE data_file_id IN (SELECT data_file_id FROM ducklake_data_file WHERE end_snapshot IS NOT NULL)",
            "DELETE FROM cofferdam_file WHERE data_file_id IN (SELECT data_file_id FROM ducklake_data_file WHERE end_snapshot IS NOT NULL)",
            "DELETE FROM ducklake_data_file WHERE end_snapshot IS NOT NULL",
        ] {
            sqlx::query(table)
                .execute(&mut *self.tx)
                .await
                .map_err(doing())?;
        }
        Ok(())
    }

    pub(crate) async fn cursor(&mut self, next_seq: u64) -> Result<(), StoreError> {
        run!(
            self.tx,
            "UPDATE cofferdam_cursor SET next_seq = ?",
            next_seq.cast_signed()
        );
        Ok(())
    }

    /// Writes a profile's state; `None` deletes it.
    pub(crate) async fn profile(
        &mut self,
        project: &ProjectName,
        kind: i64,
        number: u32,
        state: Option<&str>,
    ) -> Result<(), StoreError> {
        match state {
            Some(state) => run!(
                self.tx,
                "INSERT OR REPLACE INTO cofferdam_profile VALUES (?, ?, ?, ?)",
                project.as_str(),
                kind,
                number,
                state
            ),
            None => run!(
                self.tx,
                "DELETE FROM cofferdam_profile WHERE project = ? AND kind = ? AND number = ?",
                project.as_str(),
                kind,
                number
            ),
        };
        Ok(())
    }

    /// Remembers the first day still kept.
    pub(crate) async fn retain(
        &mut self,
        project: &ProjectName,
        before: Day,
    ) -> Result<(), StoreError> {
        run!(
            self.tx,
            "INSERT OR REPLACE INTO cofferdam_retention VALUES (?, ?)",
            project.as_str(),
            before.0
        );
        Ok(())
    }

    /// Commits; returns the newest snapshot.
    pub(crate) async fn finish(mut self) -> Result<u64, StoreError> {
        for table in std::mem::take(&mut self.touched) {
            run!(
                self.tx,
                "UPDATE ducklake_table_stats SET (record_count, file_size_bytes) = (SELECT coalesce(sum(record_count), 0), coalesce(sum(file_size_bytes), 0) FROM ducklake_data_file f WHERE f.table_id = ? AND end_snapshot IS NULL) WHERE table_id = ?",
                table,
                table
            );
        }
        let mut newest = self.snapshot - 1;
        if !self.changes.is_empty() {
            if !self.altered.is_empty() {
                self.schema_version += 1;
            }
            for table in &self.altered {
                run!(
                    self.tx,
                    "INSERT INTO ducklake_schema_versions VALUES (?, ?, ?)",
                    self.snapshot,
                    self.schema_version,
                    *table
                );
            }
            run!(
                self.tx,
                "INSERT INTO ducklake_snapshot VALUES (?, ?, ?, ?, ?)",
                self.snapshot,
                &self.now,
                self.schema_version,
                self.next_catalog_id,
                self.next_file_id
            );
            run!(
                self.tx,
                "INSERT INTO ducklake_snapshot_changes VALUES (?, ?, 'cofferdam', NULL, NULL)",
                self.snapshot,
                self.changes.join(",")
            );
            newest = self.snapshot;
        }
        self.tx.commit().await.map_err(doing())?;
        Ok(newest.cast_unsigned())
    }

    fn catalog_id(&mut self) -> i64 {
        let id = self.next_catalog_id;
        self.next_catalog_id += 1;
        id
    }

    fn touch(&mut self, table: i64, change: &str) {
        if !self.touched.contains(&table) {
            self.touched.push(table);
        }
        let change = format!("{change}:{table}");
        if !self.changes.contains(&change) {
            self.changes.push(change);
        }
    }
}

/// A project's directory below the data path: its name where that is harmless, else escaped.
pub(crate) fn directory(project: &ProjectName) -> String {
    let mut name = String::new();
    for byte in project.as_str().bytes() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => name.push(char::from(byte)),
            _ => name.push_str(&format!("%{byte:02x}")),
        }
    }
    name
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A fixed id in the shape that the format asks for; unique within the catalog.
fn uuid(id: i64) -> String {
    format!("00000000-0000-4000-8000-{id:012x}")
}
