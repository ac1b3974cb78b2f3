//! Erasure: what could identify a person goes from every file, catalog row and memory; counts stay.
//!
//! Vault has destroyed the person's key before this, so that sealed values are unreadable already; here they go as well.
//! What stays of an erased person's events: number, time, seq, event name, organization, insert key (a keyed hash, needed for
//! deduplication), policy, provenance, booleans and numbers. What goes: `sealed`, `properties_rest`, every text property, the
//! profile. Policy keeps identifying values sealed, so that clear texts name nobody; they go because free text may err.
//! Invariant: on return no live file and no catalog row has those values; old files go with the last scan that holds them.

use crate::Set;
use crate::StoreError;
use crate::catalog::{Commit, NewFile};
use crate::compact::column_of;
use crate::encode::{batch, field};
use crate::flush::write_events;
use crate::read::{Reader, u32s};
use crate::schema::{ProjectSchema, id};
use crate::store::{Inner, Store};
use crate::version::{DataFile, Version};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch, StringArray};
use arrow_schema::DataType;
use cofferdam_access::{Erase, Permit};
use cofferdam_model::{PersonNumber, ProjectName};
use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};

/// What an erasure did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EraseReport {
    /// Files rewritten.
    pub files: u64,
    /// Events of the persons.
    pub events: u64,
}

/// A file and what replaces it.
type Rewritten = (ProjectName, Arc<DataFile>, NewFile, u64);

impl Store {
    /// Removes what could identify the persons; give all numbers of a person's cluster.
    ///
    /// # Errors
    /// Where files or catalog cannot be read or written; repeat it then.
    pub async fn erase(
        &self,
        permit: &Permit<Erase>,
        numbers: &[PersonNumber],
    ) -> Result<EraseReport, StoreError> {
        let _ = permit;
        self.erase_numbers(numbers).await
    }

    pub(crate) async fn erase_numbers(
        &self,
        numbers: &[PersonNumber],
    ) -> Result<EraseReport, StoreError> {
        let numbers: Arc<Set<u32>> = Arc::new(numbers.iter().map(|number| number.0).collect());
        let inner = &self.inner;
        let _rewriting = inner.rewriting.lock().await;
        let mut writer = inner.writer.lock().await;
        self.flush_locked(&mut writer).await?;
        let current = inner.version();
        let rewritten = {
            let (inner, version, numbers) = (
                Arc::clone(inner),
                Arc::clone(&current),
                Arc::clone(&numbers),
            );
            tokio::task::spawn_blocking(move || rewrite_all(&inner, &version, &numbers))
                .await
                .map_err(|_| StoreError::Task)??
        };
        let mut commit = Commit::begin(&inner.catalog, inner.now_text()).await?;
        let mut report = EraseReport::default();
        let mut version = (*current).clone();
        let mut old = Vec::new();
        for (project, file, new, events) in rewritten {
            report.files += 1;
            report.events += events;
            let added = self
                .add_files(&mut commit, &current, &project, vec![new])
                .await?;
            commit.end_file(file.id).await?;
            version.replace(&project, added, &[file.id]);
            old.push(file);
        }
        // Statistics of the old files may name what is erased: their rows go at once.
        commit.purge().await?;
        for project in current.projects.keys() {
            for number in numbers.iter() {
                commit.profile(project, 0, *number, None).await?;
            }
        }
        version.snapshot = commit.finish().await?;
        inner.publish(version);
        for file in old {
            file.ended.store(true, std::sync::atomic::Ordering::Release);
        }
        writer.profiles.forget(&numbers);
        inner
            .recent
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|recent| !numbers.contains(&recent.event.person.0));
        // The write-ahead log keeps old pages until it is reset.
        sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
            .execute(&inner.catalog.pool)
            .await
            .map_err(StoreError::catalog("emptying the write-ahead log"))?;
        Ok(report)
    }
}

fn rewrite_all(
    inner: &Inner,
    version: &Version,
    numbers: &Set<u32>,
) -> Result<Vec<Rewritten>, StoreError> {
    let mut rewritten = Vec::new();
    for (project, file) in version.files() {
        let mut events = 0;
        for arrays in Reader::open(&file.path, false)?.columns(&[id::PERSON])? {
            let persons = u32s(arrays?.first().and_then(Option::as_ref))?;
            let theirs = persons.iter().filter(|person| numbers.contains(*person));
            events += theirs.count() as u64;
        }
        if events > 0 {
            let new = rewrite(inner, version, project, file, numbers)?;
            rewritten.push((project.clone(), Arc::clone(file), new, events));
        }
    }
    for (project, ..) in &rewritten {
        inner.sync_dirs(&inner.events_dir(project))?;
    }
    Ok(rewritten)
}

fn rewrite(
    inner: &Inner,
    version: &Version,
    project: &ProjectName,
    file: &DataFile,
    numbers: &Set<u32>,
) -> Result<NewFile, StoreError> {
    let view = version
        .projects
        .get(project)
        .ok_or_else(|| StoreError::damaged("a file without project"))?;
    let (ids, batches) = Reader::open(&file.path, false)?.all()?;
    let mut cleaned = Vec::with_capacity(batches.len());
    for batch in batches {
        let person = ids
            .iter()
            .position(|own| *own == id::PERSON)
            .map(|at| batch.column(at));
        let persons = u32s(person)?;
        let columns = ids
            .iter()
            .zip(batch.columns())
            .map(|(id, array)| (*id, clean(*id, array, &persons, numbers)))
            .collect();
        cleaned.push(columns);
    }
    let batches = same_schema(&view.schema, cleaned)?;
    write_events(inner, project, file.day, &mut batches.into_iter().map(Ok))
}

/// Batches of one schema, without columns that no row of any batch has.
fn same_schema(
    schema: &ProjectSchema,
    batches: Vec<Vec<(i32, ArrayRef)>>,
) -> Result<Vec<RecordBatch>, StoreError> {
    let used: BTreeSet<i32> = batches
        .iter()
        .flatten()
        .filter(|(_, array)| array.null_count() < array.len())
        .map(|(id, _)| *id)
        .collect();
    batches
        .into_iter()
        .map(|columns| {
            let columns = columns
                .into_iter()
                .filter(|(id, _)| used.contains(id))
                .filter_map(|(id, array)| {
                    column_of(schema, id).map(|(name, kind)| (field(name, kind, id), array))
                })
                .collect();
            batch(columns)
        })
        .collect()
}

/// The column without the texts of the persons.
fn clean(column: i32, array: &ArrayRef, persons: &[u32], numbers: &Set<u32>) -> ArrayRef {
    if column == id::EVENT || *array.data_type() != DataType::Utf8 {
        return Arc::clone(array);
    }
    let texts = array.as_string::<i32>().iter().zip(persons);
    Arc::new(
        texts
            .map(|(text, person)| text.filter(|_| !numbers.contains(person)))
            .collect::<StringArray>(),
    )
}
