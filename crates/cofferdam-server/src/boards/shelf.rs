//! Where everything that teams keep lies: two tables of `control.db`, one row a thing, one row for each of its versions.
//!
//! Invariant: a change names the version that it is a change of, and is refused where that is not the current one; all changes go
//! through one lock, so that what is checked before a change still holds when it is made.

use crate::error::ApiError;
use axum::http::StatusCode;
use cofferdam_access::{Act, Permit, ReadReport};
use cofferdam_model::{Clock, TimestampMs};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::sqlite::SqlitePool;
use sqlx::{Executor, Sqlite, Transaction};
use std::sync::Arc;
use tokio::sync::{Mutex, MutexGuard};

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS kept (
  id INTEGER PRIMARY KEY AUTOINCREMENT, sort TEXT NOT NULL, project TEXT NOT NULL, version INTEGER NOT NULL,
  created INTEGER NOT NULL, created_by TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS kept_by_sort ON kept (sort, project);
CREATE TABLE IF NOT EXISTS kept_versions (
  id INTEGER NOT NULL, version INTEGER NOT NULL, updated INTEGER NOT NULL, updated_by TEXT NOT NULL, content TEXT NOT NULL,
  PRIMARY KEY (id, version));
CREATE TABLE IF NOT EXISTS cohort_people (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, people BLOB NOT NULL);
";

/// Versions of one thing that are kept; the oldest ones go.
const VERSIONS_MAX: u32 = 100;

/// Something that teams keep.
pub(crate) trait Kept: Serialize + DeserializeOwned + Send + Sync + Unpin + 'static {
    /// What the table and audit leaves call it.
    const SORT: &'static str;
    /// What people call it.
    const NOUN: &'static str;
    /// Most of them in one project.
    const COUNT_MAX: usize;
    /// The act of changing one.
    type Write: Act;

    /// The project that it belongs to.
    fn project(&self) -> &str;

    /// The version that it is a change of.
    fn base(&self) -> Option<u32>;

    /// The kept things that it shows: path of the reference, sort, number.
    fn references(&self) -> Vec<(String, &'static str, u64)> {
        Vec::new()
    }
}

/// Something kept, with what the table knows of it.
#[derive(Clone, Debug)]
pub(crate) struct Stored<T> {
    pub(crate) id: u64,
    pub(crate) version: u32,
    pub(crate) created: String,
    pub(crate) created_by: String,
    pub(crate) updated: String,
    pub(crate) updated_by: String,
    pub(crate) content: T,
}

/// The things that the teams of an installation keep.
#[derive(Debug)]
pub struct Boards {
    pool: SqlitePool,
    clock: Arc<dyn Clock>,
    changes: Mutex<()>,
    watching: Mutex<()>,
}

type Row = (i64, u32, i64, String, i64, String, String);

/// Versions of kept things, as [`Row`], with the rest of the statement.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT kept.id, v.version, kept.created, kept.created_by, v.updated, v.updated_by, v.content ",
            "FROM kept JOIN kept_versions v ON v.id = kept.id ",
            $rest
        )
    };
}

impl Boards {
    /// Uses the pool of `control.db`, making the tables where they are absent.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub async fn open(pool: &SqlitePool, clock: Arc<dyn Clock>) -> Result<Self, sqlx::Error> {
        pool.execute(SCHEMA).await?;
        pool.execute(super::alert::SCHEMA).await?;
        pool.execute(super::digest::SCHEMA).await?;
        Ok(Self {
            pool: pool.clone(),
            clock,
            changes: Mutex::default(),
            watching: Mutex::default(),
        })
    }

    /// All of a sort, by number; of one project where it is named.
    pub(crate) async fn list<T: Kept>(
        &self,
        _permit: &Permit<ReadReport>,
        project: Option<&str>,
    ) -> Result<Vec<Stored<T>>, ApiError> {
        self.all(project).await
    }

    /// One of a sort.
    pub(crate) async fn one<T: Kept>(
        &self,
        _permit: &Permit<ReadReport>,
        id: u64,
    ) -> Result<Stored<T>, ApiError> {
        self.current(id).await
    }

    /// The versions of one, newest first.
    pub(crate) async fn history<T: Kept>(
        &self,
        _permit: &Permit<ReadReport>,
        id: u64,
    ) -> Result<Vec<Stored<T>>, ApiError> {
        let rows: Vec<Row> = sqlx::query_as(select!(
            "WHERE kept.sort = ? AND kept.id = ? ORDER BY v.version DESC"
        ))
        .bind(T::SORT)
        .bind(id.cast_signed())
        .fetch_all(&self.pool)
        .await?;
        if rows.is_empty() {
            return Err(absent::<T>(id));
        }
        // A version that this release cannot read any more is not shown; the current one is an error elsewhere.
        Ok(rows.into_iter().filter_map(|row| read(row).ok()).collect())
    }

    /// Keeps something new.
    pub(crate) async fn insert<T: Kept>(
        &self,
        permit: &Permit<T::Write>,
        content: T,
    ) -> Result<Stored<T>, ApiError> {
        let _one_at_a_time = self.changes.lock().await;
        self.check_references(&content).await?;
        let count: i64 =
            sqlx::query_scalar("SELECT count(*) FROM kept WHERE sort = ? AND project = ?")
                .bind(T::SORT)
                .bind(content.project())
                .fetch_one(&self.pool)
                .await?;
        if usize::try_from(count).unwrap_or(usize::MAX) >= T::COUNT_MAX {
            return Err(ApiError::new(
                StatusCode::CONFLICT,
                "full",
                format!("the project has {count} of them, and that is the limit; delete one"),
            ));
        }
        let (now, actor) = (self.clock.now(), permit.caller().actor());
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        let id: i64 = sqlx::query_scalar(
            "INSERT INTO kept (sort, project, version, created, created_by) VALUES (?, ?, 1, ?, ?) RETURNING id",
        )
        .bind(T::SORT)
        .bind(content.project())
        .bind(now.0)
        .bind(actor)
        .fetch_one(&mut *transaction)
        .await?;
        write_version(&mut transaction, id, 1, now, actor, &content).await?;
        transaction.commit().await?;
        self.current(id.cast_unsigned()).await
    }

    /// Puts a new version in the place of the one that it names.
    pub(crate) async fn replace<T: Kept>(
        &self,
        permit: &Permit<T::Write>,
        id: u64,
        content: T,
    ) -> Result<Stored<T>, ApiError> {
        let _one_at_a_time = self.changes.lock().await;
        let current: Stored<T> = self.current(id).await?;
        let Some(base) = content.base() else {
            let message = format!(
                "say which version you changed; it is at {}",
                current.version
            );
            return Err(ApiError::invalid("version", message));
        };
        if base != current.version {
            return Err(stale::<T>(id, current.version));
        }
        if content.project() != current.content.project() {
            return Err(ApiError::invalid("project", "it stays in its project"));
        }
        self.check_references(&content).await?;
        self.put(&current, &content, permit.caller().actor()).await
    }

    /// Makes an older version the current one again, as a new version after `base`.
    pub(crate) async fn restore<T: Kept>(
        &self,
        permit: &Permit<T::Write>,
        id: u64,
        version: u32,
        base: u32,
    ) -> Result<Stored<T>, ApiError> {
        let _one_at_a_time = self.changes.lock().await;
        let current: Stored<T> = self.current(id).await?;
        if base != current.version {
            return Err(stale::<T>(id, current.version));
        }
        let row: Option<Row> = sqlx::query_as(select!(
            "WHERE kept.sort = ? AND kept.id = ? AND v.version = ?"
        ))
        .bind(T::SORT)
        .bind(id.cast_signed())
        .bind(version)
        .fetch_optional(&self.pool)
        .await?;
        let Some(row) = row else {
            let message = format!("there is no version {version} of it any more");
            return Err(ApiError::invalid("restore", message));
        };
        let old: Stored<T> = read(row).map_err(|error| ApiError::internal(&error))?;
        self.check_references(&old.content).await?;
        self.put(&current, &old.content, permit.caller().actor())
            .await
    }

    /// Forgets one with its versions; what shows it must have been dealt with.
    pub(super) async fn remove(&self, id: u64) -> Result<(), ApiError> {
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        for forget in [
            "DELETE FROM kept_versions WHERE id = ?",
            "DELETE FROM kept WHERE id = ?",
        ] {
            sqlx::query(forget)
                .bind(id.cast_signed())
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    pub(super) fn pool(&self) -> &SqlitePool {
        &self.pool
    }

    /// Holds off all other evaluations: of two at a time both would find that an alert begins.
    pub(super) async fn watching(&self) -> MutexGuard<'_, ()> {
        self.watching.lock().await
    }

    /// Holds off all other changes.
    pub(super) async fn lock(&self) -> MutexGuard<'_, ()> {
        self.changes.lock().await
    }

    /// Writes the next version; call it under the lock.
    pub(super) async fn put<T: Kept>(
        &self,
        current: &Stored<T>,
        content: &T,
        actor: &str,
    ) -> Result<Stored<T>, ApiError> {
        let (id, version, now) = (
            current.id.cast_signed(),
            current.version.saturating_add(1),
            self.clock.now(),
        );
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        write_version(&mut transaction, id, version, now, actor, content).await?;
        sqlx::query("UPDATE kept SET version = ? WHERE id = ?")
            .bind(version)
            .bind(id)
            .execute(&mut *transaction)
            .await?;
        sqlx::query("DELETE FROM kept_versions WHERE id = ? AND version <= ?")
            .bind(id)
            .bind(i64::from(version) - i64::from(VERSIONS_MAX))
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        self.current(current.id).await
    }

    /// The current version of one.
    pub(super) async fn current<T: Kept>(&self, id: u64) -> Result<Stored<T>, ApiError> {
        let row: Option<Row> = sqlx::query_as(select!(
            "WHERE kept.sort = ? AND kept.id = ? AND v.version = kept.version"
        ))
        .bind(T::SORT)
        .bind(id.cast_signed())
        .fetch_optional(&self.pool)
        .await?;
        let row = row.ok_or_else(|| absent::<T>(id))?;
        read(row).map_err(|error| ApiError::internal(&error))
    }

    /// The current versions of all of a sort.
    pub(super) async fn all<T: Kept>(
        &self,
        project: Option<&str>,
    ) -> Result<Vec<Stored<T>>, ApiError> {
        let rows: Vec<Row> = sqlx::query_as(select!(
            "WHERE kept.sort = ?1 AND (?2 IS NULL OR kept.project = ?2) AND v.version = kept.version ORDER BY kept.id"
        ))
        .bind(T::SORT)
        .bind(project)
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(|row| read(row).map_err(|error| ApiError::internal(&error)))
            .collect()
    }

    /// What it shows must be there, in its project.
    async fn check_references<T: Kept>(&self, content: &T) -> Result<(), ApiError> {
        for (path, sort, id) in content.references() {
            let there: Option<i64> =
                sqlx::query_scalar("SELECT 1 FROM kept WHERE id = ? AND sort = ? AND project = ?")
                    .bind(id.cast_signed())
                    .bind(sort)
                    .bind(content.project())
                    .fetch_optional(&self.pool)
                    .await?;
            if there.is_none() {
                let message = format!("there is no {sort} {id} in this project");
                return Err(ApiError::invalid(&path, message));
            }
        }
        Ok(())
    }
}

async fn write_version<T: Kept>(
    transaction: &mut Transaction<'_, Sqlite>,
    id: i64,
    version: u32,
    now: TimestampMs,
    actor: &str,
    content: &T,
) -> Result<(), ApiError> {
    let content = serde_json::to_string(content).map_err(|error| ApiError::internal(&error))?;
    sqlx::query("INSERT INTO kept_versions VALUES (?, ?, ?, ?, ?)")
        .bind(id)
        .bind(version)
        .bind(now.0)
        .bind(actor)
        .bind(content)
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

fn read<T: Kept>(row: Row) -> Result<Stored<T>, serde_json::Error> {
    let (id, version, created, created_by, updated, updated_by, content) = row;
    Ok(Stored {
        id: id.cast_unsigned(),
        version,
        created: time_text(TimestampMs(created)),
        created_by,
        updated: time_text(TimestampMs(updated)),
        updated_by,
        content: serde_json::from_str(&content)?,
    })
}

fn absent<T: Kept>(id: u64) -> ApiError {
    ApiError::not_found(T::NOUN, &id.to_string(), &[])
}

fn stale<T: Kept>(id: u64, version: u32) -> ApiError {
    let message = format!(
        "{} {id} was changed meanwhile and is at version {version}; read it, then change that",
        T::NOUN
    );
    ApiError::new(StatusCode::CONFLICT, "stale", message)
}

/// An instant as text, in UTC.
pub(crate) fn time_text(time: TimestampMs) -> String {
    jiff::Timestamp::from_millisecond(time.0)
        .map(|time| time.to_string())
        .unwrap_or_default()
}
