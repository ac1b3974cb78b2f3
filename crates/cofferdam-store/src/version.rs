//! One consistent state: the files of every project and day, their schema, and a length of the tail.
//!
//! The writer publishes a new version after every ingest and commit; a scan holds one for as long as it runs.
//! Invariant: a version never changes; a file that the catalog has ended is removed when the last version that names it goes.

use crate::files::Files;
use crate::schema::ProjectSchema;
use cofferdam_model::{Day, ProjectName, TimestampMs};
use cofferdam_policy::HomeEvent;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// A Parquet file of events of one UTC day.
#[derive(Debug)]
pub(crate) struct DataFile {
    pub(crate) id: i64,
    pub(crate) path: PathBuf,
    pub(crate) day: Day,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    pub(crate) time_min: TimestampMs,
    pub(crate) time_max: TimestampMs,
    pub(crate) events: Vec<Arc<str>>,
    pub(crate) has_rest: bool,
    pub(crate) files: Arc<dyn Files>,
    pub(crate) ended: AtomicBool,
}

impl DataFile {
    /// Whether any of the events asked for is in it.
    pub(crate) fn has_any(&self, events: Option<&[Arc<str>]>) -> bool {
        events.is_none_or(|events| {
            events
                .iter()
                .any(|event| self.events.binary_search(event).is_ok())
        })
    }
}

impl Drop for DataFile {
    fn drop(&mut self) {
        if self.ended.load(Ordering::Acquire) {
            // An error leaves an orphan, which the next start sweeps.
            let _ = self.files.remove(&self.path);
        }
    }
}

/// An event of the tail.
#[derive(Clone, Debug)]
pub(crate) struct TailRow {
    pub(crate) seq: u64,
    pub(crate) event: Arc<HomeEvent>,
}

impl TailRow {
    pub(crate) fn order(&self) -> (u32, i64, u64) {
        (self.event.person.0, self.event.time.0, self.seq)
    }
}

/// Events that are not in files yet, in journal order. Only grows.
#[derive(Debug, Default)]
pub(crate) struct Log {
    rows: RwLock<Vec<TailRow>>,
}

impl Log {
    pub(crate) fn extend(&self, rows: Vec<TailRow>) -> usize {
        let mut held = self.rows.write().unwrap_or_else(PoisonError::into_inner);
        held.extend(rows);
        held.len()
    }

    /// The first `len` rows that `keep` wants.
    pub(crate) fn select(&self, len: usize, keep: impl Fn(&TailRow) -> bool) -> Vec<TailRow> {
        let held = self.rows.read().unwrap_or_else(PoisonError::into_inner);
        held.iter()
            .take(len)
            .filter(|row| keep(row))
            .cloned()
            .collect()
    }
}

/// A project's files and columns.
#[derive(Clone, Debug)]
pub(crate) struct ProjectView {
    pub(crate) schema: Arc<ProjectSchema>,
    pub(crate) days: Arc<BTreeMap<Day, Vec<Arc<DataFile>>>>,
}

/// One consistent state.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    pub(crate) snapshot: u64,
    pub(crate) generation: u64,
    pub(crate) projects: BTreeMap<ProjectName, ProjectView>,
    pub(crate) log: Arc<Log>,
    pub(crate) log_len: usize,
    pub(crate) next_seq: u64,
    pub(crate) cursor: u64,
    /// When the tail's oldest event came.
    pub(crate) tail_since: Option<TimestampMs>,
}

impl Version {
    pub(crate) fn tail(&self, keep: impl Fn(&TailRow) -> bool) -> Vec<TailRow> {
        self.log.select(self.log_len, keep)
    }

    pub(crate) fn files(&self) -> impl Iterator<Item = (&ProjectName, &Arc<DataFile>)> {
        self.projects
            .iter()
            .flat_map(|(name, view)| view.days.values().flatten().map(move |file| (name, file)))
    }

    /// Puts files in and takes files out, by id.
    pub(crate) fn replace(
        &mut self,
        project: &ProjectName,
        added: Vec<Arc<DataFile>>,
        ended: &[i64],
    ) {
        let Some(view) = self.projects.get_mut(project) else {
            return;
        };
        let mut days = (*view.days).clone();
        if !ended.is_empty() {
            for files in days.values_mut() {
                files.retain(|file| !ended.contains(&file.id));
            }
            days.retain(|_, files| !files.is_empty());
        }
        for file in added {
            days.entry(file.day).or_default().push(file);
        }
        view.days = Arc::new(days);
    }
}
