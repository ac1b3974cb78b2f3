//! Compaction and retention: small files of a day become one; old days go.
//!
//! Called by the server's jobs; scans that began before keep the old files until they end.
//! Invariant: rewriting changes no row; new files are in place before one transaction adds them and ends the old ones.

use crate::StoreError;
use crate::catalog::{Commit, NewFile};
use crate::encode::{arrow_type, batch, field};
use crate::flush::write_events;
use crate::read::{Reader, times, u32s, u64s};
use crate::schema::{FIXED, ProjectSchema, ducklake_type, id};
use crate::store::{FlushReport, Inner, Store};
use crate::version::{DataFile, Version};
use arrow_array::{Array, ArrayRef, RecordBatch, new_null_array};
use arrow_schema::Field;
use arrow_select::interleave::interleave;
use cofferdam_model::{Day, ProjectName};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Rows gathered at once while merging.
const CHUNK_ROWS: usize = 1 << 16;

/// A row's place while merging: person, time, seq, batch, row.
type Place = (u32, i64, u64, usize, usize);

impl Store {
    /// Merges small files by day.
    ///
    /// # Errors
    /// Where files or catalog cannot be read or written; nothing has changed then.
    pub async fn compact(&self) -> Result<FlushReport, StoreError> {
        let _rewriting = self.inner.rewriting.lock().await;
        let today = self.inner.options.clock.now().day();
        let mut report = FlushReport::default();
        for (project, day) in all_days(&self.inner.version()) {
            while let Some(group) = self.next_group(&project, day, today) {
                let new = {
                    let (inner, project) = (Arc::clone(&self.inner), project.clone());
                    let (version, group) = (inner.version(), group.clone());
                    tokio::task::spawn_blocking(move || {
                        merge(&inner, &version, &project, day, &group)
                    })
                    .await
                    .map_err(|_| StoreError::Task)??
                };
                report.files += 1;
                report.rows += new.rows;
                report.bytes += new.bytes;
                self.swap(&project, vec![new], &group).await?;
            }
        }
        Ok(report)
    }

    /// The small files of a day that are worth merging: of similar size while the day is young, all of them later.
    fn next_group(
        &self,
        project: &ProjectName,
        day: Day,
        today: Day,
    ) -> Option<Vec<Arc<DataFile>>> {
        let limits = &self.inner.options.limits;
        let max = limits.file_events_max as u64;
        let version = self.inner.version();
        let mut small: Vec<Arc<DataFile>> = version
            .projects
            .get(project)?
            .days
            .get(&day)?
            .iter()
            .filter(|file| file.rows < max / 2)
            .cloned()
            .collect();
        small.sort_by_key(|file| file.rows);
        let young = day.0 >= today.0 - 1;
        let (mut group, mut rows) = (Vec::new(), 0);
        for file in small {
            let alike = !young || group.len() < limits.compact_files_min || file.rows <= rows;
            if rows + file.rows > max || !alike {
                break;
            }
            rows += file.rows;
            group.push(file);
        }
        let enough = if young { limits.compact_files_min } else { 2 };
        (group.len() >= enough.max(2)).then_some(group)
    }

    /// Adds new files and ends old ones, in catalog and memory.
    pub(crate) async fn swap(
        &self,
        project: &ProjectName,
        new: Vec<NewFile>,
        old: &[Arc<DataFile>],
    ) -> Result<(), StoreError> {
        let _writer = self.inner.writer.lock().await;
        let current = self.inner.version();
        let mut commit = Commit::begin(&self.inner.catalog, self.inner.now_text()).await?;
        // Rows of files that went before; their content may name values that are gone.
        commit.purge().await?;
        let added = self.add_files(&mut commit, &current, project, new).await?;
        for file in old {
            commit.end_file(file.id).await?;
        }
        let snapshot = commit.finish().await?;
        self.replaced(&current, snapshot, project, added, old);
        Ok(())
    }

    /// Publishes a version after files were exchanged; the old ones go with the last scan that holds them.
    pub(crate) fn replaced(
        &self,
        current: &Version,
        snapshot: u64,
        project: &ProjectName,
        added: Vec<Arc<DataFile>>,
        old: &[Arc<DataFile>],
    ) {
        let mut version = current.clone();
        version.snapshot = snapshot;
        let ids: Vec<i64> = old.iter().map(|file| file.id).collect();
        version.replace(project, added, &ids);
        self.inner.publish(version);
        for file in old {
            file.ended.store(true, Ordering::Release);
        }
    }

    /// Drops every event of a day before `before` and refuses such events from now on. Returns the files dropped.
    ///
    /// # Errors
    /// Where the catalog cannot be written.
    pub async fn retain(&self, project: &ProjectName, before: Day) -> Result<u64, StoreError> {
        let _rewriting = self.inner.rewriting.lock().await;
        let mut writer = self.inner.writer.lock().await;
        self.flush_locked(&mut writer).await?;
        let current = self.inner.version();
        let before = writer
            .retention
            .get(project)
            .map_or(before, |known| before.max(*known));
        let old: Vec<Arc<DataFile>> = current
            .projects
            .get(project)
            .into_iter()
            .flat_map(|view| view.days.range(..before).flat_map(|(_, files)| files))
            .cloned()
            .collect();
        let mut commit = Commit::begin(&self.inner.catalog, self.inner.now_text()).await?;
        commit.purge().await?;
        commit.retain(project, before).await?;
        for file in &old {
            commit.end_file(file.id).await?;
        }
        let snapshot = commit.finish().await?;
        writer.retention.insert(project.clone(), before);
        writer.keys.retain(project, before);
        self.replaced(&current, snapshot, project, Vec::new(), &old);
        Ok(old.len() as u64)
    }
}

fn all_days(version: &Version) -> BTreeSet<(ProjectName, Day)> {
    version
        .projects
        .iter()
        .flat_map(|(project, view)| view.days.keys().map(|day| (project.clone(), *day)))
        .collect()
}

/// The name and DuckLake type of a column by its id.
pub(crate) fn column_of(schema: &ProjectSchema, id: i32) -> Option<(&str, &'static str)> {
    let fixed = usize::try_from(id - 1).ok().and_then(|at| FIXED.get(at));
    if let Some((name, kind)) = fixed {
        return Some((name, kind));
    }
    schema.properties.iter().find_map(|property| {
        let (own, name) = property.column.as_ref()?;
        (*own == id).then(|| (&**name, ducklake_type(property.kind)))
    })
}

/// Merges the files of a day into one. Blocking.
fn merge(
    inner: &Inner,
    version: &Version,
    project: &ProjectName,
    day: Day,
    group: &[Arc<DataFile>],
) -> Result<NewFile, StoreError> {
    let schema = version
        .projects
        .get(project)
        .map(|view| Arc::clone(&view.schema))
        .ok_or_else(|| StoreError::damaged("a file without project"))?;
    let mut parts: Vec<(Vec<i32>, RecordBatch)> = Vec::new();
    for file in group {
        let (ids, batches) = Reader::open(&file.path, false)?.all()?;
        parts.extend(batches.into_iter().map(|batch| (ids.clone(), batch)));
    }
    let places = places(&parts)?;
    let mut columns: Vec<(Field, Vec<ArrayRef>)> = Vec::new();
    for id in used(&parts) {
        let (name, kind) = column_of(&schema, id)
            .ok_or_else(|| StoreError::damaged("a column that the catalog does not know"))?;
        let arrays = parts
            .iter()
            .map(|(ids, batch)| match ids.iter().position(|own| *own == id) {
                Some(position) => Arc::clone(batch.column(position)),
                None => new_null_array(&arrow_type(kind), batch.num_rows()),
            })
            .collect();
        columns.push((field(name, kind, id), arrays));
    }
    drop(parts);
    // One chunk at a time: what was merged is written before the next is.
    let mut merged = places.chunks(CHUNK_ROWS).map(|chunk| {
        let indices: Vec<(usize, usize)> = chunk.iter().map(|place| (place.3, place.4)).collect();
        let merged = columns.iter().map(|(field, arrays)| {
            let arrays: Vec<&dyn Array> = arrays.iter().map(AsRef::as_ref).collect();
            interleave(&arrays, &indices)
                .map(|array| (field.clone(), array))
                .map_err(|_| StoreError::damaged("files whose columns differ in type"))
        });
        batch(merged.collect::<Result<_, _>>()?)
    });
    let file = write_events(inner, project, day, &mut merged)?;
    inner.sync_dirs(&inner.events_dir(project))?;
    Ok(file)
}

/// Ids of the columns in which some row has something.
fn used(parts: &[(Vec<i32>, RecordBatch)]) -> BTreeSet<i32> {
    let columns = parts
        .iter()
        .flat_map(|(ids, batch)| ids.iter().zip(batch.columns()));
    columns
        .filter(|(_, array)| array.null_count() < array.len())
        .map(|(id, _)| *id)
        .collect()
}

fn places(parts: &[(Vec<i32>, RecordBatch)]) -> Result<Vec<Place>, StoreError> {
    let mut places = Vec::new();
    for (number, (ids, batch)) in parts.iter().enumerate() {
        let column = |id: i32| {
            ids.iter()
                .position(|own| *own == id)
                .map(|position| batch.column(position))
        };
        let person = u32s(column(id::PERSON))?;
        let time = times(column(id::TIME))?;
        let seq = u64s(column(id::SEQ))?;
        for (row, ((person, time), seq)) in person.into_iter().zip(time).zip(seq).enumerate() {
            places.push((person, time, seq, number, row));
        }
    }
    places.sort_unstable();
    Ok(places)
}
