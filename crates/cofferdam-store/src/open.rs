//! Opening a store: the catalog, the version that it describes, and the sweep of what crashes left behind.
//!
//! Invariant: only files that no live catalog row names are removed, and only in the directories that the store writes to.

use crate::Set;
use crate::catalog::{Catalog, Commit};
use crate::schema::ProjectSchema;
use crate::stats::time_text;
use crate::store::Store;
use crate::version::{DataFile, Log, ProjectView, Version};
use crate::write::Names;
use crate::{StoreError, StoreOptions};
use cofferdam_model::{Day, ProjectName, TimestampMs};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Opens or creates a store.
pub(crate) async fn open(options: StoreOptions) -> Result<Store, StoreError> {
    std::fs::create_dir_all(&options.dir).map_err(StoreError::io(&options.dir))?;
    let data_path = format!("{}/", options.dir.display());
    let now = format!("{}+00", time_text(options.clock.now().0));
    let catalog = Catalog::open(&options.catalog, &data_path, &now, true).await?;
    let mut purge = Commit::begin(&catalog, now).await?;
    purge.purge().await?;
    purge.finish().await?;
    let (cursor, snapshot) = catalog.position().await?;
    let names = Names::default();
    let mut version = Version {
        snapshot,
        generation: 0,
        projects: projects(&catalog, &options).await?,
        log: Arc::new(Log::default()),
        log_len: 0,
        next_seq: cursor,
        cursor,
        tail_since: None,
    };
    let live = load_files(&catalog, &options, &mut version, &names).await?;
    sweep(&options, &live)?;
    let retention = catalog.retention().await?;
    let retention: BTreeMap<ProjectName, Day> = retention
        .into_iter()
        .map(|(project, day)| (project, Day(day)))
        .collect();
    Ok(Store::from_parts(
        options, catalog, names, version, retention,
    ))
}

async fn projects(
    catalog: &Catalog,
    options: &StoreOptions,
) -> Result<BTreeMap<ProjectName, ProjectView>, StoreError> {
    let mut projects = BTreeMap::new();
    for project in catalog.projects().await? {
        let mut schema =
            ProjectSchema::new(options.limits.columns_max, options.limits.properties_max);
        catalog.load_properties(&project, &mut schema).await?;
        projects.insert(
            project,
            ProjectView {
                schema: Arc::new(schema),
                days: Arc::default(),
            },
        );
    }
    Ok(projects)
}

async fn load_files(
    catalog: &Catalog,
    options: &StoreOptions,
    version: &mut Version,
    names: &Names,
) -> Result<Set<PathBuf>, StoreError> {
    let mut live = Set::default();
    let mut by_project: BTreeMap<ProjectName, Vec<Arc<DataFile>>> = BTreeMap::new();
    for row in catalog.files().await? {
        let path = options
            .dir
            .join(crate::catalog::directory(&row.project))
            .join("events")
            .join(&row.path);
        names.avoid(&row.path);
        live.insert(path.clone());
        if let Some(view) = version.projects.get_mut(&row.project) {
            let schema = Arc::make_mut(&mut view.schema);
            schema.events.extend(row.events.iter().cloned());
        }
        by_project
            .entry(row.project)
            .or_default()
            .push(Arc::new(DataFile {
                id: row.id,
                path,
                day: Day(row.day),
                rows: row.rows.unsigned_abs(),
                bytes: row.bytes.unsigned_abs(),
                time_min: TimestampMs(row.time_min),
                time_max: TimestampMs(row.time_max),
                events: row.events,
                has_rest: row.has_rest,
                files: Arc::clone(&options.files),
                ended: AtomicBool::new(false),
            }));
    }
    for (project, files) in by_project {
        version.replace(&project, files, &[]);
    }
    Ok(live)
}

/// Removes temporary files and Parquet files that the catalog does not name.
fn sweep(options: &StoreOptions, live: &Set<PathBuf>) -> Result<(), StoreError> {
    for project in entries(&options.dir)? {
        for file in entries(&project.join("events"))? {
            let ours = file
                .extension()
                .is_some_and(|extension| extension == "parquet" || extension == "tmp");
            if ours && !live.contains(&file) {
                options.files.remove(&file).map_err(StoreError::io(&file))?;
                tracing::info!(file = %file.display(), "removed a file that a crash left behind");
            }
        }
    }
    for file in live {
        if !file.try_exists().map_err(StoreError::io(file))? {
            return Err(StoreError::damaged(format!(
                "the file `{}` is missing",
                file.display()
            )));
        }
    }
    Ok(())
}

fn entries(dir: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let listing = match std::fs::read_dir(dir) {
        Ok(listing) => listing,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(StoreError::io(dir)(error)),
    };
    listing
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()
        .map_err(StoreError::io(dir))
}
