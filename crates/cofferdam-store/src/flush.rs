//! The flush: the tail becomes one file per project and day, and the cursor moves, in one transaction.
//!
//! Order: write, sync and rename each file; sync the directories; one catalog transaction; then memory.
//! Invariant: a crash before the commit leaves only files that the next start sweeps, and the journal replays from the old cursor;
//! a crash after it leaves a store that has everything.

use crate::StoreError;
use crate::catalog::{Commit, EventFile, NewFile};
use crate::encode::encode;
use crate::files::Step;
use crate::profile::row_key;
use crate::schema::{ProjectSchema, id};
use crate::stats::ColumnStats;
use crate::store::{FlushReport, Inner, Store, Writer};
use crate::version::{DataFile, Log, TailRow, Version};
use crate::write::{Batches, write};
use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use cofferdam_model::{Day, ProjectName, TimestampMs};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// New files by project.
pub(crate) type NewFiles = BTreeMap<ProjectName, Vec<NewFile>>;

impl Store {
    pub(crate) async fn flush_locked(
        &self,
        writer: &mut Writer,
    ) -> Result<FlushReport, StoreError> {
        let inner = &self.inner;
        let current = inner.version();
        let profiles = writer.profiles.dirty()?;
        if current.log_len == 0 && profiles.is_empty() && current.next_seq == current.cursor {
            return Ok(FlushReport::default());
        }
        self.check_position(&current).await?;
        inner.step(Step::Begin)?;
        let files = {
            let (inner, version) = (Arc::clone(inner), Arc::clone(&current));
            tokio::task::spawn_blocking(move || cut(&inner, &version))
                .await
                .map_err(|_| StoreError::Task)??
        };
        inner.step(Step::FilesWritten)?;
        let mut commit = Commit::begin(&inner.catalog, inner.now_text()).await?;
        let mut version = (*current).clone();
        let mut report = FlushReport::default();
        for (project, view) in &mut version.projects {
            let new = files.get(project);
            if new.is_some() || view.schema.properties.iter().any(|known| known.unsaved) {
                commit.events_table(project, &view.schema).await?;
                saved(&mut view.schema);
            }
        }
        for (project, new) in files {
            let added = self.add_files(&mut commit, &current, &project, new).await?;
            for file in &added {
                report.files += 1;
                report.rows += file.rows;
                report.bytes += file.bytes;
            }
            version.replace(&project, added, &[]);
        }
        for (project, subject, state) in &profiles {
            let (kind, number) = row_key(*subject);
            commit
                .profile(project, kind, number, state.as_deref())
                .await?;
        }
        commit.cursor(current.next_seq).await?;
        inner.step(Step::BeforeCommit)?;
        version.snapshot = commit.finish().await?;
        inner.step(Step::Committed)?;
        writer.profiles.stored();
        version.cursor = current.next_seq;
        version.log = Arc::new(Log::default());
        version.log_len = 0;
        version.tail_since = None;
        inner.publish(version);
        Ok(report)
    }

    /// Refuses to go on where the catalog is not where memory thinks: a commit whose outcome was unknown did happen.
    async fn check_position(&self, version: &Version) -> Result<(), StoreError> {
        let position = self.inner.catalog.position().await?;
        if position == (version.cursor, version.snapshot) {
            Ok(())
        } else {
            Err(StoreError::damaged(
                "the catalog moved while its commit seemed to fail; open the store again",
            ))
        }
    }

    /// Names new files in a transaction; returns them for the next version.
    pub(crate) async fn add_files(
        &self,
        commit: &mut Commit,
        current: &Version,
        project: &ProjectName,
        new: Vec<NewFile>,
    ) -> Result<Vec<Arc<DataFile>>, StoreError> {
        let Some(view) = current.projects.get(project) else {
            return Ok(Vec::new());
        };
        let table = commit.events_table(project, &view.schema).await?;
        let dir = self.inner.events_dir(project);
        let mut added = Vec::new();
        for file in new {
            let id = commit.add_file(table, &file).await?;
            let events = file.events.unwrap_or_default();
            added.push(Arc::new(DataFile {
                id,
                path: dir.join(&file.relative),
                day: events.day,
                rows: file.rows,
                bytes: file.bytes,
                time_min: TimestampMs(events.time_min),
                time_max: TimestampMs(events.time_max),
                events: events.events,
                has_rest: events.has_rest,
                files: Arc::clone(&self.inner.options.files),
                ended: AtomicBool::new(false),
            }));
        }
        Ok(added)
    }
}

impl Inner {
    pub(crate) fn step(&self, step: Step) -> Result<(), StoreError> {
        let files = &self.options.files;
        files.step(step).map_err(StoreError::io(&self.options.dir))
    }

    /// Makes a project's directory durable.
    pub(crate) fn make_dir(&self, project: &ProjectName) -> Result<std::path::PathBuf, StoreError> {
        let dir = self.events_dir(project);
        std::fs::create_dir_all(&dir).map_err(StoreError::io(&dir))?;
        Ok(dir)
    }

    /// Syncs a project's directory and those above it.
    pub(crate) fn sync_dirs(&self, dir: &Path) -> Result<(), StoreError> {
        for dir in dir.ancestors().take(3) {
            let files = &self.options.files;
            files.sync_dir(dir).map_err(StoreError::io(dir))?;
        }
        Ok(())
    }
}

fn saved(schema: &mut Arc<ProjectSchema>) {
    if schema.properties.iter().any(|property| property.unsaved) {
        for property in &mut Arc::make_mut(schema).properties {
            property.unsaved = false;
        }
    }
}

/// Writes the tail's files. Blocking.
fn cut(inner: &Inner, version: &Version) -> Result<NewFiles, StoreError> {
    let mut days: BTreeMap<(ProjectName, Day), Vec<TailRow>> = BTreeMap::new();
    for row in version.tail(|_| true) {
        let day = (row.event.project.clone(), row.event.time.day());
        days.entry(day).or_default().push(row);
    }
    let mut files = NewFiles::new();
    for ((project, day), mut rows) in days {
        let Some(view) = version.projects.get(&project) else {
            continue;
        };
        rows.sort_unstable_by_key(TailRow::order);
        let batch = encode(&rows, &view.schema)?;
        let file = write_events(inner, &project, day, &mut std::iter::once(Ok(batch)))?;
        files.entry(project).or_default().push(file);
    }
    for project in files.keys() {
        inner.sync_dirs(&inner.events_dir(project))?;
    }
    Ok(files)
}

/// Writes an event file of one day; the batches are sorted. Blocking.
pub(crate) fn write_events(
    inner: &Inner,
    project: &ProjectName,
    day: Day,
    batches: Batches<'_>,
) -> Result<NewFile, StoreError> {
    let dir = inner.make_dir(project)?;
    let name = inner.names.next(&day.to_string());
    let files = &*inner.options.files;
    let mut events: BTreeSet<Arc<str>> = BTreeSet::new();
    let mut named = batches.inspect(|batch| {
        if let Ok(batch) = batch {
            note_events(batch, &mut events);
        }
    });
    let mut file = write(files, &dir, name, &mut named)?;
    let of = |id: i32| file.stats.iter().find(|column| column.id == id);
    let (time_min, time_max) = of(id::TIME)
        .and_then(ColumnStats::times)
        .ok_or_else(|| StoreError::damaged("a file without times"))?;
    let has_rest = of(id::REST).is_some();
    file.events = Some(EventFile {
        day,
        time_min,
        time_max,
        events: events.into_iter().collect(),
        has_rest,
    });
    Ok(file)
}

/// Adds the names of a batch's events.
fn note_events(batch: &RecordBatch, events: &mut BTreeSet<Arc<str>>) {
    let names = batch
        .column_by_name("event")
        .and_then(|column| column.as_string_opt::<i32>());
    for name in names.into_iter().flatten().flatten() {
        if !events.contains(name) {
            events.insert(Arc::from(name));
        }
    }
}
