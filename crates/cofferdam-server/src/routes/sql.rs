//! SQL over a project's events: rows of single people, so it has an act of its own.
//!
//! Invariant: the leaf is durable before the query runs, and holds no value of it: the hash of the query without values, and a
//! salted commitment to its text.

use super::api::{Answer, Shared, known_project};
use super::reports::Named;
use super::sent::{Body, Query};
use crate::auth::Asking;
use crate::boards::csv;
use crate::error::ApiError;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use cofferdam_access::{ReadConfig, RunSql};
use cofferdam_query::{SqlAnswer, SqlRequest, SqlSchema};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use utoipa::ToSchema;

/// Queries that run at a time; each may take its whole limit of memory.
static ROOM: Semaphore = Semaphore::const_new(2);
/// How long a query waits for another one to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// Longest that a query is among the running reports; its own time limit is shorter.
const LISTED_MAX: Duration = Duration::from_secs(600);

/// The rows, and how long they took.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SqlAnswered {
    #[serde(flatten)]
    answer: SqlAnswer,
    /// Milliseconds.
    elapsed_ms: i64,
}

/// Runs one SQL statement that reads; as JSON, or with `accept: text/csv` as CSV.
#[utoipa::path(post, path = "/api/v1/sql", request_body = SqlRequest,
    responses((status = 200, content((SqlAnswered = "application/json"), (String = "text/csv")))))]
pub(super) async fn sql(
    State(system): Shared,
    asking: Asking,
    Named(name): Named,
    headers: HeaderMap,
    Body(request): Body<SqlRequest>,
) -> Result<Response, ApiError> {
    let project = known_project(&system, request.project.as_str())?;
    let shape = Sha256::digest(cofferdam_query::sql_shape(&request.query)).into();
    let resource = format!("project/{project}/sql");
    let details = [("query", request.query.as_str())];
    let permit = system
        .access
        .permit_with::<RunSql>(&asking.0, &resource, Some(shape), &details)
        .await?;
    let reports = &system.reports.running;
    let running = reports.begin("sql", &project, name, LISTED_MAX)?;
    let room = tokio::time::timeout(PATIENCE, ROOM.acquire()).await;
    let Ok(Ok(room)) = room else {
        return Err(ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "busy",
            "other queries are running; try again when they have ended",
        ));
    };
    let begun = system.clock.now();
    let (store, merges) = (Arc::clone(&system.store), system.vault.merge_map());
    let progress = running.progress();
    let answer = tokio::task::spawn_blocking(move || {
        // Held until the query has really ended, also where nobody waits for it any more.
        let _room = room;
        cofferdam_query::sql(&permit, &store, &merges, &request, &progress)
    })
    .await??;
    drop(running);
    let elapsed_ms = system.clock.now().0.saturating_sub(begun.0);
    Ok(if wants_csv(&headers) {
        let names = answer.columns.iter().map(|column| column.name.as_str());
        let text = csv::rows(names, &answer.rows);
        let truncated = if answer.truncated { "true" } else { "false" };
        let headers = [
            (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
            (header::HeaderName::from_static("x-truncated"), truncated),
        ];
        (headers, text).into_response()
    } else {
        Json(SqlAnswered { answer, elapsed_ms }).into_response()
    })
}

/// Of which project.
#[derive(Debug, Deserialize)]
pub(super) struct Of {
    project: String,
}

/// The tables, columns and functions that a query may name.
#[utoipa::path(get, path = "/api/v1/sql/schema", operation_id = "sql_schema", params(("project" = String, Query)),
    responses((status = 200, body = SqlSchema)))]
pub(super) async fn schema(
    State(system): Shared,
    asking: Asking,
    Query(of): Query<Of>,
) -> Answer<SqlSchema> {
    let project = known_project(&system, &of.project)?;
    let _permit = system
        .access
        .permit::<ReadConfig>(&asking.0, &format!("project/{project}/sql/schema"))
        .await?;
    Ok(Json(cofferdam_query::sql_schema(&system.store, &project)))
}

fn wants_csv(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT);
    accept
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("text/csv"))
}
