//! Counts that the operator sees: refusals, withheld fields, events a day. Kept in `control.db`.
//!
//! Counted in memory by intake and the projector, written with the projector's cursor in one transaction, so that what is
//! counted from the journal (accepted, stored, withheld) is exact over restarts; counts of refused requests and of copies may lose
//! the last seconds before a crash.
//! Invariant: a count never holds a value, only names of projects, categories, recipients, reasons and field paths.

use cofferdam_model::{Category, Day, Refusal};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Executor, Row};
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// What is counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Count {
    /// Field values withheld from a recipient: recipient, category, why.
    Withheld(Arc<str>, Category, Refusal),
    /// Events and updates refused, by project (empty where unknown) and why.
    Refused(Arc<str>, Refusal),
    /// Events and updates accepted on a UTC day, copies included.
    Accepted(Day),
    /// Events stored, by UTC day of acceptance.
    Stored(Day),
    /// Oddities of the wire that were mended: name of the note.
    Note(Arc<str>),
}

#[derive(Debug, Default)]
struct State {
    totals: HashMap<Count, u64>,
    dirty: HashMap<Count, u64>,
}

/// The counters of an installation.
#[derive(Debug)]
pub struct Counters {
    pool: SqlitePool,
    state: Mutex<State>,
    cursor: std::sync::atomic::AtomicU64,
}

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS counts (
  kind TEXT NOT NULL, a TEXT NOT NULL, b TEXT NOT NULL, c TEXT NOT NULL, d TEXT NOT NULL, count INTEGER NOT NULL,
  PRIMARY KEY (kind, a, b, c, d)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS cursor (id INTEGER PRIMARY KEY CHECK (id = 1), next_seq INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS fields (
  project TEXT NOT NULL, path TEXT NOT NULL, first_day INTEGER NOT NULL, types TEXT NOT NULL, count INTEGER NOT NULL,
  PRIMARY KEY (project, path)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS vendors (vendor TEXT PRIMARY KEY, day INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS configured (
  vendor TEXT PRIMARY KEY, name TEXT NOT NULL, is_routed INTEGER NOT NULL, is_present INTEGER NOT NULL,
  last_day INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS parts (part TEXT PRIMARY KEY, identity TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS running (id INTEGER PRIMARY KEY CHECK (id = 1), last_day INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS imports (
  fingerprint TEXT NOT NULL, project TEXT NOT NULL, format TEXT NOT NULL, vendor TEXT NOT NULL, lines INTEGER NOT NULL,
  is_done INTEGER NOT NULL, report TEXT NOT NULL, PRIMARY KEY (fingerprint, project, format, vendor)) WITHOUT ROWID;
";

impl Counters {
    /// Opens `control.db`, making it where it is absent.
    ///
    /// # Errors
    /// Where it cannot be opened or read.
    pub async fn open(path: &Path) -> Result<Self, sqlx::Error> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full);
        let pool = SqlitePoolOptions::new()
            .max_connections(2)
            .connect_with(options)
            .await?;
        pool.execute(SCHEMA).await?;
        let mut state = State::default();
        for row in sqlx::query("SELECT kind, a, b, c, d, count FROM counts")
            .fetch_all(&pool)
            .await?
        {
            let parts: [String; 5] = [
                row.try_get(0)?,
                row.try_get(1)?,
                row.try_get(2)?,
                row.try_get(3)?,
                row.try_get(4)?,
            ];
            let count: i64 = row.try_get(5)?;
            if let Some(key) = Count::from_parts(&parts) {
                state.totals.insert(key, count.cast_unsigned());
            }
        }
        let cursor: Option<i64> = sqlx::query_scalar("SELECT next_seq FROM cursor")
            .fetch_optional(&pool)
            .await?;
        let cursor = cursor.unwrap_or(0).cast_unsigned();
        Ok(Self {
            pool,
            state: Mutex::new(state),
            cursor: cursor.into(),
        })
    }

    /// Closes the database; nothing can be counted any more.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// The pool of `control.db`, for the other small tables in it.
    #[must_use]
    pub fn pool(&self) -> &SqlitePool {
        &self.pool
    }

    /// The next journal sequence number that is not counted yet, as last written.
    #[must_use]
    pub fn cursor(&self) -> u64 {
        self.cursor.load(std::sync::atomic::Ordering::SeqCst)
    }

    /// Counts.
    pub fn add(&self, count: Count, amount: u64) {
        self.add_all([(count, amount)]);
    }

    /// Counts many under one lock.
    pub fn add_all(&self, counts: impl IntoIterator<Item = (Count, u64)>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for (count, amount) in counts {
            *state.totals.entry(count.clone()).or_default() += amount;
            *state.dirty.entry(count).or_default() += amount;
        }
    }

    /// Every count, in a stable order.
    #[must_use]
    pub fn totals(&self) -> Vec<(Count, u64)> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut totals: Vec<_> = state
            .totals
            .iter()
            .map(|(key, count)| (key.clone(), *count))
            .collect();
        totals.sort();
        totals
    }

    /// Writes what was counted since the last write, with the cursor up to which the journal is counted.
    ///
    /// # Errors
    /// Where it cannot be written; then it is kept for the next write.
    pub async fn write(&self, next_seq: u64) -> Result<(), sqlx::Error> {
        let dirty = std::mem::take(
            &mut self
                .state
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .dirty,
        );
        let written = self.write_rows(&dirty, next_seq).await;
        if written.is_err() {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            for (key, count) in dirty {
                *state.dirty.entry(key).or_default() += count;
            }
        } else {
            self.cursor
                .store(next_seq, std::sync::atomic::Ordering::SeqCst);
        }
        written
    }

    async fn write_rows(
        &self,
        dirty: &HashMap<Count, u64>,
        next_seq: u64,
    ) -> Result<(), sqlx::Error> {
        let mut transaction = self.pool.begin().await?;
        for (key, count) in dirty {
            let [kind, a, b, c, d] = key.parts();
            sqlx::query(
                "INSERT INTO counts VALUES (?, ?, ?, ?, ?, ?)
                 ON CONFLICT DO UPDATE SET count = count + excluded.count",
            )
            .bind(kind)
            .bind(a)
            .bind(b)
            .bind(c)
            .bind(d)
            .bind(count.cast_signed())
            .execute(&mut *transaction)
            .await?;
        }
        sqlx::query("INSERT INTO cursor VALUES (1, ?) ON CONFLICT DO UPDATE SET next_seq = excluded.next_seq")
            .bind(next_seq.cast_signed())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await
    }
}

impl Count {
    fn parts(&self) -> [String; 5] {
        let text = |text: &str| text.to_owned();
        match self {
            Self::Withheld(recipient, category, refusal) => [
                text("withheld"),
                text(recipient),
                text(category.key()),
                text(refusal.code()),
                text(""),
            ],
            Self::Refused(project, refusal) => [
                text("refused"),
                text(project),
                text(refusal.code()),
                text(""),
                text(""),
            ],
            Self::Accepted(day) => [
                text("accepted"),
                day.to_string(),
                text(""),
                text(""),
                text(""),
            ],
            Self::Stored(day) => [
                text("stored"),
                day.to_string(),
                text(""),
                text(""),
                text(""),
            ],
            Self::Note(name) => [text("note"), text(name), text(""), text(""), text("")],
        }
    }

    fn from_parts([kind, a, b, c, _]: &[String; 5]) -> Option<Self> {
        let refusal = |code: &str| {
            Refusal::ALL
                .iter()
                .copied()
                .find(|refusal| refusal.code() == code)
        };
        let name = |text: &String| Arc::from(text.as_str());
        Some(match kind.as_str() {
            "withheld" => Self::Withheld(name(a), Category::parse(b)?, refusal(c)?),
            "refused" => Self::Refused(name(a), refusal(b)?),
            "accepted" => Self::Accepted(Day::parse(a)?),
            "stored" => Self::Stored(Day::parse(a)?),
            "note" => Self::Note(name(a)),
            _ => return None,
        })
    }
}
