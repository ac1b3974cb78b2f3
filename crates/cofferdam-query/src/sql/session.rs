//! The session of one query: its tables and functions, its bounds, and nothing else.
//!
//! Made anew for every query, so that none sees anything of another.
//! Invariant: there is no object store, file format, table factory, variable or temporary file in it; what it holds in memory is
//! counted and bounded.

use super::events::Events;
use super::{SqlLimits, functions};
use crate::Progress;
use cofferdam_model::{MergeMap, ProjectName, TimestampMs};
use cofferdam_store::Reader;
use datafusion::error::Result;
use datafusion::execution::SessionStateDefaults;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};
use std::sync::Arc;

/// The catalog's and the schema's name, as messages show them.
const CATALOG: &str = "cofferdam";
const SCHEMA: &str = "main";
/// Rows of a batch.
const BATCH_ROWS: usize = 8192;

/// A session over the tables of a project.
pub(super) fn open(
    reader: &Reader,
    project: &ProjectName,
    merges: &Arc<MergeMap>,
    limits: &SqlLimits,
    progress: &Arc<Progress>,
) -> Result<SessionContext> {
    let session = bare(limits)?;
    let ever = (TimestampMs(i64::MIN), TimestampMs(i64::MAX));
    let events = Events {
        table: Arc::new(reader.table(project)),
        parts: reader.parts(project, ever.0, ever.1),
        merges: Arc::clone(merges),
        progress: Arc::clone(progress),
        shares: limits.threads,
    };
    session.register_table("events", Arc::new(events))?;
    Ok(session)
}

/// A session without tables.
pub(super) fn bare(limits: &SqlLimits) -> Result<SessionContext> {
    let mut config = SessionConfig::new()
        .with_target_partitions(limits.threads)
        .with_batch_size(BATCH_ROWS)
        .with_default_catalog_and_schema(CATALOG, SCHEMA)
        .with_create_default_catalog_and_schema(true)
        .with_information_schema(false);
    config.options_mut().sql_parser.collect_spans = true;
    let disk = DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled);
    let runtime = RuntimeEnvBuilder::new()
        .with_disk_manager_builder(disk)
        .with_memory_pool(Arc::new(GreedyMemoryPool::new(limits.memory_bytes_max)))
        .build_arc()?;
    runtime.deregister_object_store(ObjectStoreUrl::local_filesystem().as_ref())?;
    let state = SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(runtime)
        .with_expr_planners(SessionStateDefaults::default_expr_planners())
        .with_scalar_functions(functions::scalar())
        .with_aggregate_functions(SessionStateDefaults::default_aggregate_functions())
        .with_window_functions(SessionStateDefaults::default_window_functions())
        .with_table_function_list(SessionStateDefaults::default_table_functions())
        .build();
    Ok(SessionContext::new_with_state(state))
}
