//! `usage.db`: cells by minute and hour, the names that they use, and the batches that were counted.
//!
//! A cell is of a project, a minute or hour, a key, an organization and an endpoint. Names of keys and organizations are keyed hashes.
//! Invariant: a batch's cells and its id are one transaction, synced before the answer; folding minutes into hours changes no sum.

use super::cell::Cell;
use super::line::{self, Line};
use super::{LINE_BYTES_MAX, LINES_MAX, REFUSED_LISTED_MAX, RefusedLine, UsageAnswer};
use cofferdam_model::{ProjectName, TimestampMs};
use cofferdam_vault::Vault;
use sha2::{Digest, Sha256};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{Connection, Executor};
use std::collections::HashMap;
use std::path::Path;
use thiserror::Error;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS names (
  id INTEGER PRIMARY KEY, project TEXT NOT NULL, kind INTEGER NOT NULL, name TEXT NOT NULL, UNIQUE (project, kind, name));
CREATE TABLE IF NOT EXISTS cells (
  project TEXT NOT NULL, start INTEGER NOT NULL, seconds INTEGER NOT NULL, key INTEGER NOT NULL, organization INTEGER NOT NULL,
  endpoint INTEGER NOT NULL, cell BLOB NOT NULL,
  PRIMARY KEY (project, start, seconds, key, organization, endpoint)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS batches (
  project TEXT NOT NULL, id BLOB NOT NULL, body BLOB NOT NULL, at INTEGER NOT NULL, answer TEXT NOT NULL,
  PRIMARY KEY (project, id)) WITHOUT ROWID;
";

/// Seconds of the two lengths of a cell.
pub(crate) const MINUTE: i64 = 60;
pub(crate) const HOUR: i64 = 3600;
/// Milliseconds for which minutes are kept as such.
pub(crate) const MINUTES_KEPT_MS: i64 = 2 * 86_400_000;
/// Milliseconds for which a batch is known again.
const BATCH_KNOWN_MS: i64 = 7 * 86_400_000;
/// Cells that one round of folding takes.
const FOLDED_MAX: i64 = 20_000;
/// Endpoints of a project that have a name; further ones are counted as [`OTHER`].
const ENDPOINTS_MAX: i64 = 2_000;
/// The endpoint of what is beyond.
const OTHER: &str = "$other";

/// What a name names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum NameKind {
    Key = 0,
    Organization = 1,
    Endpoint = 2,
}

/// Why a batch was not counted.
#[derive(Debug, Error)]
pub enum UsageError {
    /// The same id came with other lines.
    #[error("a batch of that id came before, with other lines")]
    OtherBatch,
    /// There are more lines than one batch may have.
    #[error("a batch has at most {LINES_MAX} lines")]
    TooManyLines,
    /// The database failed.
    #[error("usage.db failed")]
    Database(#[from] sqlx::Error),
}

/// The platform's usage.
#[derive(Debug)]
pub struct Usage {
    pub(super) pool: SqlitePool,
}

/// Start, key, organization, endpoint.
type Place = (i64, i64, i64, i64);

impl Usage {
    /// Opens `usage.db`, making it where it is absent.
    ///
    /// # Errors
    /// Where it cannot be opened.
    pub async fn open(path: &Path) -> Result<Self, sqlx::Error> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full);
        let pool = SqlitePoolOptions::new().max_connections(2);
        let pool = pool.connect_with(options).await?;
        pool.execute(SCHEMA).await?;
        Ok(Self { pool })
    }

    /// Closes the database.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// Counts a batch of lines, once: `id` is the sender's name of it, where it gave one. On return it is durable.
    ///
    /// # Errors
    /// [`UsageError`]; nothing of the batch is counted then.
    pub async fn take(
        &self,
        vault: &Vault,
        project: &ProjectName,
        batch: (Option<&str>, &[u8]),
        since: TimestampMs,
        now: TimestampMs,
    ) -> Result<UsageAnswer, UsageError> {
        let (id, body) = batch;
        let (lines, answer) = read(body, since, now)?;
        let mut connection = self.pool.acquire().await?;
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        if let Some(id) = id {
            let (id, body) = (hash(id.as_bytes()), hash(body));
            let known: Option<(Vec<u8>, String)> =
                sqlx::query_as("SELECT body, answer FROM batches WHERE project = ? AND id = ?")
                    .bind(project.as_str())
                    .bind(&id)
                    .fetch_optional(&mut *transaction)
                    .await?;
            if let Some((other, answer)) = known {
                if other != body {
                    return Err(UsageError::OtherBatch);
                }
                let answer: UsageAnswer = serde_json::from_str(&answer).unwrap_or_default();
                return Ok(UsageAnswer {
                    duplicate: true,
                    ..answer
                });
            }
            sqlx::query("INSERT INTO batches VALUES (?, ?, ?, ?, ?)")
                .bind(project.as_str())
                .bind(id)
                .bind(body)
                .bind(now.0)
                .bind(serde_json::to_string(&answer).unwrap_or_default())
                .execute(&mut *transaction)
                .await?;
        }
        let mut names = Names::new(project, vault);
        let mut cells: HashMap<Place, Cell> = HashMap::new();
        for line in &lines {
            let place = names.place(&mut transaction, line).await?;
            let cell = cells.entry(place).or_default();
            cell.count(line.status, line.latency_ms, line.bytes);
        }
        for (place, cell) in &cells {
            add(&mut transaction, project, MINUTE, *place, cell).await?;
        }
        transaction.commit().await?;
        Ok(answer)
    }

    /// Folds minutes that are old into hours, and forgets what is older than `keep_days` (0 = never).
    ///
    /// # Errors
    /// Where the database fails; what was done stays.
    pub async fn keep_house(&self, now: TimestampMs, keep_days: u64) -> Result<(), sqlx::Error> {
        while self.fold(now).await? > 0 {}
        sqlx::query("DELETE FROM batches WHERE at < ?")
            .bind(now.0 - BATCH_KNOWN_MS)
            .execute(&self.pool)
            .await?;
        if keep_days > 0 {
            sqlx::query("DELETE FROM cells WHERE start < ?")
                .bind(kept_since(now, keep_days).0 / 1000)
                .execute(&self.pool)
                .await?;
        }
        Ok(())
    }

    /// One round of folding; how many minutes went.
    async fn fold(&self, now: TimestampMs) -> Result<usize, sqlx::Error> {
        let mut connection = self.pool.acquire().await?;
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        let old: Vec<(String, i64, i64, i64, i64, Vec<u8>)> = sqlx::query_as(
            "SELECT project, start, key, organization, endpoint, cell FROM cells WHERE seconds = ? AND start < ? LIMIT ?",
        )
        .bind(MINUTE)
        .bind((now.0 - MINUTES_KEPT_MS) / 1000 / HOUR * HOUR)
        .bind(FOLDED_MAX)
        .fetch_all(&mut *transaction)
        .await?;
        let mut hours: HashMap<(ProjectName, Place), Cell> = HashMap::new();
        for (project, start, key, organization, endpoint, cell) in &old {
            let place = (start / HOUR * HOUR, *key, *organization, *endpoint);
            let hour = hours.entry((ProjectName::from(project.as_str()), place));
            hour.or_default().add(&decoded(cell)?);
            sqlx::query("DELETE FROM cells WHERE project = ? AND start = ? AND seconds = ? AND key = ? AND organization = ? AND endpoint = ?")
                .bind(project)
                .bind(start)
                .bind(MINUTE)
                .bind(key)
                .bind(organization)
                .bind(endpoint)
                .execute(&mut *transaction)
                .await?;
        }
        for ((project, place), cell) in &hours {
            add(&mut transaction, project, HOUR, *place, cell).await?;
        }
        transaction.commit().await?;
        Ok(old.len())
    }
}

/// The first instant that is kept.
pub(crate) fn kept_since(now: TimestampMs, keep_days: u64) -> TimestampMs {
    if keep_days == 0 {
        return TimestampMs(0);
    }
    let days = i64::try_from(keep_days).unwrap_or(i64::MAX);
    TimestampMs(now.0.saturating_sub(days.saturating_mul(86_400_000)).max(0))
}

pub(super) fn decoded(cell: &[u8]) -> Result<Cell, sqlx::Error> {
    Cell::decode(cell).ok_or_else(|| sqlx::Error::Decode("a cell that is none".into()))
}

/// The lines that count, and what is said of the others.
fn read(
    body: &[u8],
    since: TimestampMs,
    now: TimestampMs,
) -> Result<(Vec<Line>, UsageAnswer), UsageError> {
    let (mut lines, mut answer) = (Vec::new(), UsageAnswer::default());
    let texts = body.split(|byte| *byte == b'\n');
    for (number, text) in (1..).zip(texts) {
        let text = text.trim_ascii();
        if text.is_empty() {
            continue;
        }
        if answer.accepted + answer.refused >= LINES_MAX as u64 {
            return Err(UsageError::TooManyLines);
        }
        let read = match std::str::from_utf8(text) {
            _ if text.len() > LINE_BYTES_MAX => Err((None, "too_long")),
            Ok(text) => line::read(text, since, now),
            Err(_) => Err((None, "not_json")),
        };
        match read {
            Ok(line) => {
                answer.accepted += 1;
                lines.push(line);
            }
            Err((field, reason)) => {
                answer.refused += 1;
                if answer.lines.len() < REFUSED_LISTED_MAX {
                    answer.lines.push(RefusedLine {
                        line: number,
                        field: field.map(str::to_owned),
                        reason: reason.to_owned(),
                    });
                }
            }
        }
    }
    Ok((lines, answer))
}

fn hash(bytes: &[u8]) -> Vec<u8> {
    Sha256::digest(bytes).to_vec()
}

/// The names of a batch, by number; 0 is no name.
struct Names<'v> {
    project: &'v ProjectName,
    vault: &'v Vault,
    known: HashMap<(NameKind, String), i64>,
}

impl<'v> Names<'v> {
    fn new(project: &'v ProjectName, vault: &'v Vault) -> Self {
        Self {
            project,
            vault,
            known: HashMap::new(),
        }
    }

    async fn place(
        &mut self,
        connection: &mut SqliteConnection,
        line: &Line,
    ) -> Result<Place, sqlx::Error> {
        let key = self.number(connection, NameKind::Key, &line.key).await?;
        let organization = match &line.organization {
            None => 0,
            Some(id) => self.number(connection, NameKind::Organization, id).await?,
        };
        let endpoint = self.number(connection, NameKind::Endpoint, &line.endpoint);
        let start = line.time.0.div_euclid(MINUTE * 1000) * MINUTE;
        Ok((start, key, organization, endpoint.await?))
    }

    async fn number(
        &mut self,
        connection: &mut SqliteConnection,
        kind: NameKind,
        text: &str,
    ) -> Result<i64, sqlx::Error> {
        if let Some(number) = self.known.get(&(kind, text.to_owned())) {
            return Ok(*number);
        }
        let name = shown(self.vault, self.project, kind, text);
        let number = match find(connection, self.project, kind, &name).await? {
            Some(number) => number,
            None => self.new_number(connection, kind, name).await?,
        };
        self.known.insert((kind, text.to_owned()), number);
        Ok(number)
    }

    async fn new_number(
        &self,
        connection: &mut SqliteConnection,
        kind: NameKind,
        mut name: String,
    ) -> Result<i64, sqlx::Error> {
        if kind == NameKind::Endpoint {
            let count: i64 =
                sqlx::query_scalar("SELECT count(*) FROM names WHERE project = ? AND kind = ?")
                    .bind(self.project.as_str())
                    .bind(kind as i64)
                    .fetch_one(&mut *connection)
                    .await?;
            if count >= ENDPOINTS_MAX {
                OTHER.clone_into(&mut name);
                if let Some(number) = find(connection, self.project, kind, OTHER).await? {
                    return Ok(number);
                }
            }
        }
        sqlx::query_scalar("INSERT INTO names (project, kind, name) VALUES (?, ?, ?) RETURNING id")
            .bind(self.project.as_str())
            .bind(kind as i64)
            .bind(name)
            .fetch_one(connection)
            .await
    }
}

/// A name as it is kept and shown: of keys and organizations a keyed hash.
pub(super) fn shown(vault: &Vault, project: &ProjectName, kind: NameKind, text: &str) -> String {
    match kind {
        NameKind::Key => hex::encode(vault.usage_token(project, "key", text)),
        NameKind::Organization => hex::encode(vault.usage_token(project, "organization", text)),
        NameKind::Endpoint => text.to_owned(),
    }
}

/// The number of a name.
pub(super) async fn find(
    connection: &mut SqliteConnection,
    project: &ProjectName,
    kind: NameKind,
    name: &str,
) -> Result<Option<i64>, sqlx::Error> {
    sqlx::query_scalar("SELECT id FROM names WHERE project = ? AND kind = ? AND name = ?")
        .bind(project.as_str())
        .bind(kind as i64)
        .bind(name)
        .fetch_optional(connection)
        .await
}

/// Adds to a cell, which need not be there.
async fn add(
    connection: &mut SqliteConnection,
    project: &ProjectName,
    seconds: i64,
    (start, key, organization, endpoint): Place,
    cell: &Cell,
) -> Result<(), sqlx::Error> {
    let held: Option<Vec<u8>> = sqlx::query_scalar(
        "SELECT cell FROM cells WHERE project = ? AND start = ? AND seconds = ? AND key = ? AND organization = ? AND endpoint = ?",
    )
    .bind(project.as_str())
    .bind(start)
    .bind(seconds)
    .bind(key)
    .bind(organization)
    .bind(endpoint)
    .fetch_optional(&mut *connection)
    .await?;
    let mut all = cell.clone();
    if let Some(held) = held {
        all.add(&decoded(&held)?);
    }
    sqlx::query("INSERT OR REPLACE INTO cells VALUES (?, ?, ?, ?, ?, ?, ?)")
        .bind(project.as_str())
        .bind(start)
        .bind(seconds)
        .bind(key)
        .bind(organization)
        .bind(endpoint)
        .bind(all.encode())
        .execute(connection)
        .await?;
    Ok(())
}
