//! The store's face: what callers see, and the parts that its jobs share.
//!
//! Invariant: one writer at a time changes the state; readers hold a version and never wait for the writer.

use crate::catalog::{Catalog, directory};
use crate::hot::HotCache;
use crate::keys::Keys;
use crate::profile::Profiles;
use crate::schema::ProjectSchema;
use crate::stats::time_text;
use crate::version::Version;
use crate::write::Names;
use crate::{ColumnBatch, EventTable, Part, ScanRequest, StoreError, StoreOptions};
use cofferdam_model::{Day, OrganizationNumber, PersonNumber, ProjectName, TimestampMs};
use cofferdam_policy::{Home, HomeEvent, Minimized};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// One consistent state of files and tail. Displays as `SNAPSHOT.TAIL`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VersionId {
    /// The catalog's snapshot.
    pub snapshot: u64,
    /// Generation of the tail, ascending within one process.
    pub tail: u64,
}

impl fmt::Display for VersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.snapshot, self.tail)
    }
}

/// Whose profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Subject {
    /// A person's; one number as first seen, merges are the caller's business.
    Person(PersonNumber),
    /// An organization's.
    Organization(OrganizationNumber),
}

/// The type of a property's own column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, utoipa::ToSchema)]
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
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct ColumnInfo {
    /// The property's path without `properties.`.
    #[schema(value_type = String)]
    pub property: Arc<str>,
    /// The type first seen.
    pub kind: ColumnKind,
    /// Whether some values are of another type.
    pub mixed: bool,
}

/// What a project's store holds, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct CatalogInfo {
    /// The properties, in the order first seen.
    pub properties: Vec<ColumnInfo>,
    /// The event names, ascending.
    #[schema(value_type = Vec<String>)]
    pub events: Vec<Arc<str>>,
    /// Rows in files and tail.
    pub rows: u64,
    /// First and last UTC day with a row.
    #[schema(value_type = Option<(String, String)>, required)]
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
pub struct Store {
    pub(crate) inner: Arc<Inner>,
}

/// What only one task at a time may change.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) keys: Keys,
    pub(crate) profiles: Profiles,
    pub(crate) retention: BTreeMap<ProjectName, Day>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) options: StoreOptions,
    pub(crate) catalog: Catalog,
    pub(crate) names: Names,
    version: RwLock<Arc<Version>>,
    /// Held while files are rewritten; taken before `writer`.
    pub(crate) rewriting: tokio::sync::Mutex<()>,
    pub(crate) writer: tokio::sync::Mutex<Writer>,
    pub(crate) recent: Mutex<VecDeque<RecentEvent>>,
    pub(crate) hot: Arc<HotCache>,
}

impl Inner {
    pub(crate) fn version(&self) -> Arc<Version> {
        Arc::clone(&self.version.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn publish(&self, mut version: Version) {
        version.generation += 1;
        *self.version.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(version);
    }

    /// Directory of a project's event files.
    pub(crate) fn events_dir(&self, project: &ProjectName) -> PathBuf {
        self.options.dir.join(directory(project)).join("events")
    }

    /// Now, as DuckLake writes it.
    pub(crate) fn now_text(&self) -> String {
        format!("{}+00", time_text(self.options.clock.now().0))
    }
}

impl Store {
    /// Opens the store, creating what is absent and sweeping files that no transaction names.
    ///
    /// # Errors
    /// Where catalog or directory cannot be opened, or are of a newer format.
    pub async fn open(options: StoreOptions) -> Result<Self, StoreError> {
        crate::open::open(options).await
    }

    pub(crate) fn from_parts(
        options: StoreOptions,
        catalog: Catalog,
        names: Names,
        version: Version,
        retention: BTreeMap<ProjectName, Day>,
    ) -> Self {
        let keys = Keys::new(options.limits.keys_max);
        let hot = Arc::new(HotCache::new(options.limits.hot_bytes_max));
        Self {
            inner: Arc::new(Inner {
                options,
                catalog,
                names,
                version: RwLock::new(Arc::new(version)),
                rewriting: tokio::sync::Mutex::default(),
                writer: tokio::sync::Mutex::new(Writer {
                    keys,
                    profiles: Profiles::default(),
                    retention,
                }),
                recent: Mutex::default(),
                hot,
            }),
        }
    }

    /// Sequence number from which the journal must be replayed: everything before it is in files.
    #[must_use]
    pub fn cursor(&self) -> u64 {
        self.inner.version().cursor
    }

    /// Sequence number up to which everything is visible, in files or in the tail.
    #[must_use]
    pub fn next_seq(&self) -> u64 {
        self.inner.version().next_seq
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
        let items = items
            .into_iter()
            .map(|(seq, item)| (seq, item.into_item()))
            .collect();
        self.ingest_items(items, next_seq).await
    }

    /// Whether the tail is large or old enough to be cut.
    #[must_use]
    pub fn flush_due(&self, now: TimestampMs) -> bool {
        let version = self.inner.version();
        let limits = &self.inner.options.limits;
        version.log_len >= limits.tail_events_max
            || version
                .tail_since
                .is_some_and(|since| now.0 - since.0 >= limits.tail_ms_max)
    }

    /// Cuts the tail into files and moves the cursor, in one transaction.
    ///
    /// # Errors
    /// Where files or catalog cannot be written; the tail stays and a later flush repeats it.
    pub async fn flush(&self) -> Result<FlushReport, StoreError> {
        let mut writer = self.inner.writer.lock().await;
        self.flush_locked(&mut writer).await
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
        self.reader().scan(project, request, batch)
    }

    /// The current version, for several scans that must agree.
    #[must_use]
    pub fn reader(&self) -> Reader {
        Reader {
            version: self.inner.version(),
            hot: Arc::clone(&self.inner.hot),
        }
    }

    /// Closes the catalog's database; nothing can be read or written any more.
    pub async fn close(&self) {
        self.inner.catalog.pool.close().await;
    }

    /// Properties and events by name, for the web app and for checking requests.
    #[must_use]
    pub fn catalog(&self, project: &ProjectName) -> CatalogInfo {
        self.reader().catalog(project)
    }

    /// The last `n` events ingested, newest first.
    #[must_use]
    pub fn recent(&self, n: usize) -> Vec<RecentEvent> {
        let recent = self
            .inner
            .recent
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        recent.iter().rev().take(n).cloned().collect()
    }
}

/// One version of the store. While it lives, the files that it names stay.
#[derive(Clone, Debug)]
pub struct Reader {
    version: Arc<Version>,
    hot: Arc<HotCache>,
}

impl Reader {
    /// Which version this is.
    #[must_use]
    pub fn id(&self) -> VersionId {
        VersionId {
            snapshot: self.version.snapshot,
            tail: self.version.generation,
        }
    }

    /// As [`Store::scan`].
    ///
    /// # Errors
    /// Where a file cannot be read.
    pub fn scan(
        &self,
        project: &ProjectName,
        request: &ScanRequest,
        batch: &mut dyn FnMut(ColumnBatch) -> ControlFlow<()>,
    ) -> Result<VersionId, StoreError> {
        crate::scan::scan(&self.version, project, request, batch)?;
        Ok(self.id())
    }

    /// The files and the tail of a project that have rows in `[from, to)`, day by day ascending.
    #[must_use]
    pub fn parts(&self, project: &ProjectName, from: TimestampMs, to: TimestampMs) -> Vec<Part> {
        crate::parts::parts(&self.version, &self.hot, project, from, to)
    }

    /// The columns of the table `events`; of a project without events only those that every event has.
    #[must_use]
    pub fn table(&self, project: &ProjectName) -> EventTable {
        let empty = &ProjectSchema::new(0, 0);
        let view = self.version.projects.get(project);
        EventTable::of(view.map_or(empty, |view| &view.schema))
    }

    /// As [`Store::catalog`].
    #[must_use]
    pub fn catalog(&self, project: &ProjectName) -> CatalogInfo {
        let Some(view) = self.version.projects.get(project) else {
            return CatalogInfo::default();
        };
        let tail = self.version.tail(|row| row.event.project == *project);
        let stored: u64 = view.days.values().flatten().map(|file| file.rows).sum();
        CatalogInfo {
            properties: view
                .schema
                .properties
                .iter()
                .map(|property| ColumnInfo {
                    property: Arc::clone(&property.name),
                    kind: property.kind,
                    mixed: property.in_rest && property.column.is_some(),
                })
                .collect(),
            events: view.schema.events.iter().cloned().collect(),
            rows: stored + tail.len() as u64,
            days: crate::scan::days(&self.version, project),
        }
    }
}
