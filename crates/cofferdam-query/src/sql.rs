//! SQL over the event store: one statement that reads, by Apache `DataFusion`, over the tables that [`sql_schema`] lists.
//!
//! The server hands over the query and the current merge map; rows come from the store part by part. The session has these tables,
//! functions that only compute, and nothing else: no files, no network, no settings, no way to write (`docs/sql.md`).
//! Invariant: a query reads one version of the store and shows canonical persons; it ends with its row limit, time limit, memory
//! limit or asker, whichever comes first; what it refuses names no path of this machine.

mod cells;
mod events;
mod functions;
mod problem;
mod pruning;
mod schema;
mod session;
mod statement;
#[cfg(test)]
mod tests;

pub use schema::{SqlFunction, SqlFunctionKind, SqlSchema, SqlTable, SqlTableColumn, sql_schema};
pub use statement::sql_shape;

use crate::selection::invalid;
use crate::{Progress, QueryError};
use cells::Cells;
use cofferdam_access::{Permit, RunSql};
use cofferdam_model::{MergeMap, ProjectName};
use cofferdam_store::{Reader, Store};
use datafusion::dataframe::DataFrame;
use datafusion::error::DataFusionError;
use datafusion::execution::context::SQLOptions;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::Statement;
use futures::StreamExt;
use problem::Problems;
use serde::{Deserialize, Serialize};
use statement::Asked;
use std::sync::Arc;
use std::time::Duration;
use utoipa::ToSchema;

/// How often a running query looks whether its asker is still there.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A query.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SqlRequest {
    /// The project.
    #[schema(value_type = String)]
    pub project: ProjectName,
    /// One SELECT, WITH, VALUES, EXPLAIN, SHOW TABLES, SHOW COLUMNS or DESCRIBE.
    pub query: String,
    /// Most rows of the answer; default 10,000, at most 100,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// Milliseconds after which the query is given up; default 30,000, at most 300,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SqlAnswer {
    /// The columns, in order.
    pub columns: Vec<SqlColumn>,
    /// The rows; a cell is null, a boolean, a number or a text.
    #[schema(value_type = Vec<Vec<Option<SqlCell>>>)]
    pub rows: Vec<Vec<serde_json::Value>>,
    /// Whether there are more rows than the limit lets through.
    pub truncated: bool,
    /// The store's version that was read, `SNAPSHOT.TAIL`.
    pub snapshot: String,
}

/// A cell of an answer that is set, as JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum SqlCell {
    /// A boolean.
    Boolean(bool),
    /// A number.
    Number(f64),
    /// Everything else.
    Text(String),
}

/// A column of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SqlColumn {
    /// Its name.
    pub name: String,
    /// `boolean`, `integer`, `number`, `decimal`, `text`, `timestamp` (UTC unless it has an offset), `date`, `time`, `interval`,
    /// `null` or `other`.
    #[serde(rename = "type")]
    pub kind: String,
}

/// Limits on a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlLimits {
    /// Longest query, bytes.
    pub query_bytes_max: usize,
    /// Most rows of an answer where the request names no limit.
    pub rows_default: usize,
    /// Most rows of an answer.
    pub rows_max: usize,
    /// Most bytes of an answer's cells as JSON; the rest is cut, as rows beyond the limit are.
    pub answer_bytes_max: usize,
    /// Time limit where the request names none, milliseconds.
    pub timeout_ms_default: u64,
    /// Longest time limit, milliseconds.
    pub timeout_ms_max: u64,
    /// Memory for what sorts, groups and joins hold, bytes. Nothing is spilled to disk.
    pub memory_bytes_max: usize,
    /// Threads that compute, and as many that read files.
    pub threads: usize,
}

impl Default for SqlLimits {
    fn default() -> Self {
        Self {
            query_bytes_max: 64 << 10,
            rows_default: 10_000,
            rows_max: 100_000,
            answer_bytes_max: 64 << 20,
            timeout_ms_default: 30_000,
            timeout_ms_max: 300_000,
            memory_bytes_max: 512 << 20,
            threads: std::thread::available_parallelism().map_or(2, |cores| cores.get().min(4)),
        }
    }
}

/// Runs a query with the default limits. Blocking: call it on a blocking thread; `progress` tells how far it is, and ends it.
///
/// # Errors
/// [`QueryError::Sql`] for the query, [`QueryError::Invalid`] and [`QueryError::TooLarge`] for the rest of the request and its
/// limits, [`QueryError::Cancelled`], and [`QueryError::Store`] where the store cannot be read.
pub fn sql(
    permit: &Permit<RunSql>,
    store: &Store,
    merges: &Arc<MergeMap>,
    request: &SqlRequest,
    progress: &Arc<Progress>,
) -> Result<SqlAnswer, QueryError> {
    let _ = permit;
    run(
        &store.reader(),
        merges,
        request,
        &SqlLimits::default(),
        progress,
    )
}

fn run(
    reader: &Reader,
    merges: &Arc<MergeMap>,
    request: &SqlRequest,
    limits: &SqlLimits,
    progress: &Arc<Progress>,
) -> Result<SqlAnswer, QueryError> {
    let rows_max = request.limit.unwrap_or(limits.rows_default);
    if !(1..=limits.rows_max).contains(&rows_max) {
        let message = format!("an answer has from 1 to {} rows", limits.rows_max);
        return Err(invalid("limit", message));
    }
    let timeout_ms = request.timeout_ms.unwrap_or(limits.timeout_ms_default);
    if !(1..=limits.timeout_ms_max).contains(&timeout_ms) {
        let message = format!("a time limit is from 1 to {} ms", limits.timeout_ms_max);
        return Err(invalid("timeout_ms", message));
    }
    let schema = schema::of(reader, &request.project);
    let problems = Problems::new(&request.query, &schema, limits);
    let answer = match statement::parse(&request.query, limits, &problems)? {
        Asked::Tables => schema.list_tables(),
        Asked::Columns(table) => schema.list_columns(&table, &problems)?,
        Asked::Rows(statement) => {
            let session = session::open(reader, &request.project, merges, limits, progress);
            let session = session.map_err(|error| problems.of(&error))?;
            let computed = Computed {
                session,
                statement: *statement,
                rows_max,
                bytes_max: limits.answer_bytes_max,
            };
            let timeout = Duration::from_millis(timeout_ms);
            beside(computed, limits, &problems, timeout, progress)?
        }
    };
    Ok(SqlAnswer {
        snapshot: reader.id().to_string(),
        ..answer
    })
}

/// Computes on threads of its own, so that neither the server's other work nor the clock of the time limit waits for it.
fn beside(
    computed: Computed,
    limits: &SqlLimits,
    problems: &Problems<'_>,
    timeout: Duration,
    progress: &Arc<Progress>,
) -> Result<SqlAnswer, QueryError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(limits.threads)
        .thread_name("cofferdam-sql")
        .enable_time()
        .build()
        .map_err(|error| problems.of(&DataFusionError::IoError(error)))?;
    let task = runtime.spawn(computed.answer());
    let ended = runtime.block_on(async {
        tokio::select! {
            ended = task => Ended::Answered(ended),
            () = gone(progress) => Ended::Gone,
            () = tokio::time::sleep(timeout) => Ended::Late,
        }
    });
    // What still runs stops at its next batch, and nobody waits for it.
    runtime.shutdown_background();
    match ended {
        Ended::Answered(Ok(answer)) => answer.map_err(|error| problems.of(&error)),
        Ended::Answered(Err(died)) => {
            Err(problems.of(&DataFusionError::ExecutionJoin(Box::new(died))))
        }
        Ended::Gone => Err(QueryError::Cancelled),
        Ended::Late => Err(QueryError::TooLarge {
            path: "timeout_ms".to_owned(),
            message: format!(
                "the query took longer than {} ms; narrow its range of time or its events, or allow it more time",
                timeout.as_millis()
            ),
        }),
    }
}

/// How a query ended.
enum Ended {
    Answered(Result<Result<SqlAnswer, DataFusionError>, tokio::task::JoinError>),
    Gone,
    Late,
}

async fn gone(progress: &Progress) {
    let mut look = tokio::time::interval(LOOK_EVERY);
    while !progress.is_ended() {
        look.tick().await;
    }
}

/// A statement, and what bounds its answer.
struct Computed {
    session: SessionContext,
    statement: Statement,
    rows_max: usize,
    bytes_max: usize,
}

impl Computed {
    async fn answer(self) -> Result<SqlAnswer, DataFusionError> {
        let state = self.session.state();
        let plan = state.statement_to_plan(self.statement).await?;
        SQLOptions::new()
            .with_allow_ddl(false)
            .with_allow_dml(false)
            .with_allow_statements(false)
            .verify_plan(&plan)?;
        let explains = matches!(plan, LogicalPlan::Explain(_) | LogicalPlan::Analyze(_));
        let mut frame = DataFrame::new(state, plan);
        if !explains {
            frame = frame.limit(0, Some(self.rows_max.saturating_add(1)))?;
        }
        let columns = cells::columns(frame.schema());
        let mut stream = frame.execute_stream().await?;
        let mut cells = Cells::new(self.rows_max, self.bytes_max);
        while let Some(batch) = stream.next().await {
            if cells.add(&batch?)?.is_break() {
                break;
            }
        }
        Ok(SqlAnswer {
            columns,
            truncated: cells.truncated,
            rows: cells.rows,
            snapshot: String::new(),
        })
    }
}
