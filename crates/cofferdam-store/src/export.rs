//! The snapshot: a read-only DuckLake copy that other engines open.
//!
//! The tail is flushed, the catalog copied, the event files linked (or copied across devices), and persons, profiles and
//! organizations are written as tables of their own. It is an export: it takes a permit.
//! Invariant: the copy is one version; nothing in it points back into the live store.

use crate::StoreError;
use crate::catalog::{Catalog, Commit, directory};
use crate::encode::{batch, field};
use crate::files::LocalFiles;
use crate::profile::{ProfileState, parse};
use crate::read::{Reader, u32s};
use crate::schema::id;
use crate::stats::time_text;
use crate::store::{Store, VersionId};
use crate::version::Version;
use crate::write::write;
use arrow_array::{ArrayRef, StringArray, UInt32Array};
use cofferdam_access::{Export, Permit};
use cofferdam_model::{MergeMap, PersonNumber, ProjectName};
use sqlx::Row;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const PERSONS: [(&str, &str); 2] = [("person", "uint32"), ("canonical", "uint32")];
const PROFILES: [(&str, &str); 3] = [
    ("person", "uint32"),
    ("properties", "varchar"),
    ("sealed", "varchar"),
];
const ORGANIZATIONS: [(&str, &str); 3] = [
    ("organization", "uint32"),
    ("properties", "varchar"),
    ("sealed", "varchar"),
];

/// What a snapshot holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotReport {
    /// The version copied.
    pub version: VersionId,
    /// The DuckLake catalog: `ATTACH 'ducklake:sqlite:<this>'`.
    pub catalog: PathBuf,
    /// Event files.
    pub files: u64,
    /// Events.
    pub rows: u64,
}

impl Store {
    /// Copies everything acknowledged and ingested so far into `dir`, which must be empty or absent: `catalog.db` and `store/`.
    ///
    /// # Errors
    /// Where `dir` is in use or files or catalog cannot be read or written.
    pub async fn snapshot(
        &self,
        permit: &Permit<Export>,
        dir: &Path,
        merges: &MergeMap,
    ) -> Result<SnapshotReport, StoreError> {
        let _ = permit;
        self.snapshot_to(dir, merges).await
    }

    pub(crate) async fn snapshot_to(
        &self,
        dir: &Path,
        merges: &MergeMap,
    ) -> Result<SnapshotReport, StoreError> {
        std::fs::create_dir_all(dir).map_err(StoreError::io(dir))?;
        let dir = std::path::absolute(dir).map_err(StoreError::io(dir))?;
        let mut entries = std::fs::read_dir(&dir).map_err(StoreError::io(&dir))?;
        if entries.next().is_some() {
            return Err(StoreError::NotEmpty { path: dir });
        }
        let target = dir.join("catalog.db");
        let version = self.copy_catalog(&target).await?;
        let data = dir.join("store");
        self.copy_files(&version, &data).await?;
        let now = self.inner.now_text();
        let copy = Catalog::open(&target, "", &now, false).await?;
        let profiles = clean(&copy, &data).await?;
        let tables = {
            let (version, merges, data) = (Arc::clone(&version), merges.clone(), data.clone());
            tokio::task::spawn_blocking(move || tables(&version, &merges, &data, &profiles))
                .await
                .map_err(|_| StoreError::Task)??
        };
        let mut commit = Commit::begin(
            &copy,
            format!("{}+00", time_text(self.inner.options.clock.now().0)),
        )
        .await?;
        for table in tables {
            let id = commit
                .create_table(&table.project, table.name, table.columns)
                .await?;
            if let Some(file) = &table.file {
                commit.add_file(id, file).await?;
            }
        }
        commit.finish().await?;
        copy.pool.close().await;
        Ok(SnapshotReport {
            version: VersionId {
                snapshot: version.snapshot,
                tail: version.generation,
            },
            catalog: target,
            files: version.files().count() as u64,
            rows: version.files().map(|(_, file)| file.rows).sum(),
        })
    }

    /// Flushes and copies the catalog; the version returned keeps the files alive.
    async fn copy_catalog(&self, target: &Path) -> Result<Arc<Version>, StoreError> {
        let mut writer = self.inner.writer.lock().await;
        self.flush_locked(&mut writer).await?;
        let text = target
            .to_str()
            .ok_or_else(|| StoreError::damaged("a snapshot path that is not UTF-8"))?;
        sqlx::query("VACUUM INTO ?")
            .bind(text)
            .execute(&self.inner.catalog.pool)
            .await
            .map_err(StoreError::catalog("copying it"))?;
        Ok(self.inner.version())
    }

    async fn copy_files(&self, version: &Arc<Version>, data: &Path) -> Result<(), StoreError> {
        let (version, data) = (Arc::clone(version), data.to_path_buf());
        tokio::task::spawn_blocking(move || {
            for (project, file) in version.files() {
                let dir = data.join(directory(project)).join("events");
                std::fs::create_dir_all(&dir).map_err(StoreError::io(&dir))?;
                let target = dir.join(file.path.file_name().unwrap_or_default());
                if std::fs::hard_link(&file.path, &target).is_err() {
                    std::fs::copy(&file.path, &target).map_err(StoreError::io(&target))?;
                }
            }
            Ok(())
        })
        .await
        .map_err(|_| StoreError::Task)?
    }
}

/// A stored profile: project, kind, number, state.
type ProfileRow = (ProjectName, i64, u32, ProfileState);

/// Takes out of the copy what is not for other engines; returns the profiles that were in it.
async fn clean(copy: &Catalog, data: &Path) -> Result<Vec<ProfileRow>, StoreError> {
    let doing = || StoreError::catalog("cleaning the copy");
    let rows =
        sqlx::query("SELECT project, kind, number, state FROM cofferdam_profile ORDER BY 1, 2, 3")
            .fetch_all(&copy.pool)
            .await
            .map_err(doing())?;
    let mut profiles = Vec::with_capacity(rows.len());
    for row in rows {
        profiles.push((
            ProjectName::from(row.try_get::<&str, _>(0).map_err(doing())?),
            row.try_get(1).map_err(doing())?,
            row.try_get(2).map_err(doing())?,
            parse(Some(row.try_get(3).map_err(doing())?))?,
        ));
    }
    let mut purge = Commit::begin(copy, String::new()).await?;
    purge.purge().await?;
    purge.finish().await?;
    for table in [
        "DROP TABLE cofferdam_profile",
        "DROP TABLE cofferdam_cursor",
        "DROP TABLE cofferdam_retention",
    ] {
        sqlx::query(table)
            .execute(&copy.pool)
            .await
            .map_err(doing())?;
    }
    sqlx::query("UPDATE ducklake_metadata SET value = ? WHERE key = 'data_path'")
        .bind(format!("{}/", data.display()))
        .execute(&copy.pool)
        .await
        .map_err(doing())?;
    Ok(profiles)
}

/// A table of the copy.
struct Table {
    project: ProjectName,
    name: &'static str,
    columns: &'static [(&'static str, &'static str)],
    file: Option<crate::catalog::NewFile>,
}

/// Writes persons, profiles and organizations of every project. Blocking.
fn tables(
    version: &Version,
    merges: &MergeMap,
    data: &Path,
    profiles: &[ProfileRow],
) -> Result<Vec<Table>, StoreError> {
    let mut tables = Vec::new();
    for (project, view) in &version.projects {
        let mut persons: BTreeSet<u32> = BTreeSet::new();
        for file in view.days.values().flatten() {
            for arrays in Reader::open(&file.path, false)?.columns(&[id::PERSON])? {
                let mut seen = u32s(arrays?.first().and_then(Option::as_ref))?;
                seen.dedup();
                persons.extend(seen);
            }
        }
        let of = |kind: i64| {
            profiles
                .iter()
                .filter(move |row| row.0 == *project && row.1 == kind)
        };
        persons.extend(of(0).map(|row| row.2));
        let canonical = |person: &u32| merges.canonical(PersonNumber(*person)).0;
        let people: Vec<ArrayRef> = vec![
            Arc::new(UInt32Array::from_iter_values(persons.iter().copied())),
            Arc::new(UInt32Array::from_iter_values(persons.iter().map(canonical))),
        ];
        tables.push(table(data, project, "persons", &PERSONS, people)?);
        for (kind, name, columns) in [
            (0, "profiles", &PROFILES),
            (1, "organizations", &ORGANIZATIONS),
        ] {
            let rows: Vec<&ProfileRow> = of(kind).collect();
            tables.push(table(data, project, name, columns, states(&rows))?);
        }
    }
    Ok(tables)
}

fn states(rows: &[&ProfileRow]) -> Vec<ArrayRef> {
    let json = |members: &serde_json::Map<String, serde_json::Value>| {
        (!members.is_empty()).then(|| serde_json::to_string(members).unwrap_or_default())
    };
    vec![
        Arc::new(UInt32Array::from_iter_values(rows.iter().map(|row| row.2))),
        Arc::new(
            rows.iter()
                .map(|row| json(&row.3.values))
                .collect::<StringArray>(),
        ),
        Arc::new(
            rows.iter()
                .map(|row| json(&row.3.sealed))
                .collect::<StringArray>(),
        ),
    ]
}

fn table(
    data: &Path,
    project: &ProjectName,
    name: &'static str,
    columns: &'static [(&'static str, &'static str)],
    arrays: Vec<ArrayRef>,
) -> Result<Table, StoreError> {
    let rows = arrays.first().map_or(0, |array| array.len());
    let file = if rows == 0 {
        None
    } else {
        let dir = data.join(directory(project)).join(name);
        std::fs::create_dir_all(&dir).map_err(StoreError::io(&dir))?;
        let fields = (1..)
            .zip(columns)
            .map(|(id, (name, kind))| field(name, kind, id));
        let batch = batch(fields.zip(arrays).collect())?;
        Some(write(
            &LocalFiles,
            &dir,
            format!("{name}.parquet"),
            &mut std::iter::once(Ok(batch)),
        )?)
    };
    Ok(Table {
        project: project.clone(),
        name,
        columns,
        file,
    })
}
