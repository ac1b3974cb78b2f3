//! The store itself.

use crate::{ColumnBatch, ScanRequest, StoreError, StoreOptions};
use cofferdam_model::{Day, OrganizationNumber, PersonNumber, ProjectName, TimestampMs, Value};
use cofferdam_policy::{Home, HomeEvent, Minimized};
use std::ops::ControlFlow;
use std::sync::Arc;

/// One consistent state of files and tail. Displays as `SNAPSHOT.TAIL`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VersionId {
    /// The catalog's snapshot.
    pub snapshot: u64,
    /// Generation of the tail, ascending within one process.
    pub tail: u64,
}

/// Whose profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A person's; one number as first seen, merges are the caller's business.
    Person(PersonNumber),
    /// An organization's.
    Organization(OrganizationNumber),
}

/// The type of a property's own column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ColumnKind {
    /// Booleans.
    Boolean,
    /// Integers.
    Integer,
    /// Numbers.
    Number,
    /// Texts.
    Text,
    /// Anything; kept as JSON beside the columns.
    Json,
}

/// A property as the catalog knows it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ColumnInfo {
    /// The property's path without `properties.`.
    pub property: Arc<str>,
    /// The type first seen.
    pub kind: ColumnKind,
    /// Whether some values are of another type.
    pub mixed: bool,
}

/// What a project's store holds, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct CatalogInfo {
    /// The properties, in the order first seen.
    pub properties: Vec<ColumnInfo>,
    /// The event names, ascending.
    pub events: Vec<Arc<str>>,
    /// Rows in files and tail.
    pub rows: u64,
    /// First and last UTC day with a row.
    pub days: Option<(Day, Day)>,
}

/// An event of the live feed: as stored, with what was withheld and why.
#[derive(Clone, Debug, PartialEq)]
pub struct RecentEvent {
    /// Its journal sequence number.
    pub seq: u64,
    /// The event.
    pub event: Arc<HomeEvent>,
}

/// What an ingest did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IngestReport {
    /// Events added to the tail.
    pub events: u64,
    /// Profile and group updates applied.
    pub updates: u64,
    /// Events dropped because they are already stored.
    pub duplicates: u64,
    /// Events dropped because their day is past retention.
    pub expired: u64,
}

/// What a flush did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlushReport {
    /// Files written.
    pub files: u64,
    /// Rows in them.
    pub rows: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// The event store. Cheap to clone; all clones are one store.
#[derive(Clone, Debug)]
pub struct Store {}

impl Store {
    /// Opens the store, creating what is absent and sweeping files that no transaction names.
    ///
    /// # Errors
    /// Where catalog or directory cannot be opened, or are of a newer format.
    pub async fn open(options: StoreOptions) -> Result<Self, StoreError> {
        let _ = options;
        Err(StoreError::Task)
    }

    /// Sequence number from which the journal must be replayed: everything before it is in files.
    #[must_use]
    pub fn cursor(&self) -> u64 {
        0
    }

    /// Sequence number up to which everything is visible, in files or in the tail.
    #[must_use]
    pub fn next_seq(&self) -> u64 {
        0
    }

    /// Takes what policy minimized for home, in journal order; visible to scans on return. Items below [`Store::next_seq`] are
    /// skipped (replay); duplicates within project and UTC day of event time are dropped.
    ///
    /// # Errors
    /// Where a day's stored keys or a profile cannot be read; then nothing of the call is taken and it can be repeated.
    pub async fn ingest(
        &self,
        items: Vec<(u64, Minimized<Home>)>,
        next_seq: u64,
    ) -> Result<IngestReport, StoreError> {
        let _ = (items, next_seq);
        Err(StoreError::Task)
    }

    /// Whether the tail is large or old enough to be cut.
    #[must_use]
    pub fn flush_due(&self, now: TimestampMs) -> bool {
        let _ = now;
        false
    }

    /// Cuts the tail into files and moves the cursor, in one transaction.
    ///
    /// # Errors
    /// Where files or catalog cannot be written; the tail stays and a later flush repeats it.
    pub async fn flush(&self) -> Result<FlushReport, StoreError> {
        Err(StoreError::Task)
    }

    /// Merges small files by day.
    ///
    /// # Errors
    /// Where files or catalog cannot be read or written; nothing has changed then.
    pub async fn compact(&self) -> Result<FlushReport, StoreError> {
        Err(StoreError::Task)
    }

    /// Drops every event of a day before `before` and refuses such events from now on. Returns the files dropped.
    ///
    /// # Errors
    /// Where the catalog cannot be written.
    pub async fn retain(&self, project: &ProjectName, before: Day) -> Result<u64, StoreError> {
        let _ = (project, before);
        Err(StoreError::Task)
    }

    /// Yields the rows asked for, day by day ascending, of one version. Blocking: call it on a blocking thread.
    ///
    /// # Errors
    /// Where a file cannot be read.
    pub fn scan(
        &self,
        project: &ProjectName,
        request: &ScanRequest,
        batch: &mut dyn FnMut(ColumnBatch) -> ControlFlow<()>,
    ) -> Result<VersionId, StoreError> {
        let _ = (project, request, batch);
        Err(StoreError::Task)
    }

    /// Properties and events by name, for the web app and for checking requests.
    #[must_use]
    pub fn catalog(&self, project: &ProjectName) -> CatalogInfo {
        let _ = project;
        CatalogInfo::default()
    }

    /// The last `n` events ingested, newest first.
    #[must_use]
    pub fn recent(&self, n: usize) -> Vec<RecentEvent> {
        let _ = n;
        Vec::new()
    }

    /// The current value of a profile property that is kept in clear; `None` where it is unknown or sealed.
    ///
    /// # Errors
    /// Where the catalog cannot be read.
    pub async fn current_value(
        &self,
        project: &ProjectName,
        subject: Subject,
        path: &str,
    ) -> Result<Option<Value<'static>>, StoreError> {
        let _ = (project, subject, path);
        Err(StoreError::Task)
    }
}
