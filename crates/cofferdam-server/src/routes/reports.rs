//! Reports over groups of people.

use super::api::{Answer, Shared, known_project};
use super::sent::{Body, Path};
use crate::auth::Asking;
use crate::error::ApiError;
use crate::system::System;
use axum::Json;
use axum::extract::State;
use cofferdam_access::{Permit, ReadConfig, ReadReport};
use cofferdam_model::{MergeMap, ProjectName};
use cofferdam_query::{
    Flows, FlowsRequest, Funnel, FunnelRequest, QueryError, Retention, RetentionRequest,
    Segmentation, SegmentationRequest,
};
use cofferdam_store::{CatalogInfo, Store};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Trends: totals or distinct people by time and properties.
#[utoipa::path(post, path = "/api/v1/reports/segmentation", request_body = SegmentationRequest,
    responses((status = 200, body = Segmentation)))]
pub(crate) async fn segmentation(
    State(system): Shared,
    asking: Asking,
    Body(mut request): Body<SegmentationRequest>,
) -> Answer<Segmentation> {
    request.timezone = zone(&system, &request.project, request.timezone);
    let now = system.clock.now();
    report(&system, &asking, "reports/segmentation", move |asked| {
        cofferdam_query::segmentation(asked.permit, asked.store, asked.merges, &request, now)
    })
    .await
}

/// How many of those who began went on, how far, and how fast.
#[utoipa::path(post, path = "/api/v1/reports/funnel", request_body = FunnelRequest,
    responses((status = 200, body = Funnel)))]
pub(crate) async fn funnel(
    State(system): Shared,
    asking: Asking,
    Body(mut request): Body<FunnelRequest>,
) -> Answer<Funnel> {
    request.timezone = zone(&system, &request.project, request.timezone);
    let now = system.clock.now();
    report(&system, &asking, "reports/funnel", move |asked| {
        let (store, merges) = (asked.store, asked.merges);
        cofferdam_query::funnel(asked.permit, store, merges, &request, now, asked.cancelled)
    })
    .await
}

/// How many of those who were born came back, and after how long.
#[utoipa::path(post, path = "/api/v1/reports/retention", request_body = RetentionRequest,
    responses((status = 200, body = Retention)))]
pub(crate) async fn retention(
    State(system): Shared,
    asking: Asking,
    Body(mut request): Body<RetentionRequest>,
) -> Answer<Retention> {
    request.timezone = zone(&system, &request.project, request.timezone);
    let now = system.clock.now();
    report(&system, &asking, "reports/retention", move |asked| {
        let (store, merges) = (asked.store, asked.merges);
        cofferdam_query::retention(asked.permit, store, merges, &request, now, asked.cancelled)
    })
    .await
}

/// What people do before and after an event.
#[utoipa::path(post, path = "/api/v1/reports/flows", request_body = FlowsRequest,
    responses((status = 200, body = Flows)))]
pub(crate) async fn flows(
    State(system): Shared,
    asking: Asking,
    Body(mut request): Body<FlowsRequest>,
) -> Answer<Flows> {
    request.timezone = zone(&system, &request.project, request.timezone);
    report(&system, &asking, "reports/flows", move |asked| {
        let (store, merges) = (asked.store, asked.merges);
        cofferdam_query::flows(asked.permit, store, merges, &request, asked.cancelled)
    })
    .await
}

/// What a report is computed from.
struct Asked<'a> {
    permit: &'a Permit<ReadReport>,
    store: &'a Store,
    merges: &'a MergeMap,
    cancelled: &'a AtomicBool,
}

/// Takes the permit and computes beside the requests; whoever goes away before the answer ends it.
async fn report<T: Send + 'static>(
    system: &Arc<System>,
    asking: &Asking,
    name: &str,
    compute: impl FnOnce(Asked<'_>) -> Result<T, QueryError> + Send + 'static,
) -> Answer<T> {
    let permit = system.access.permit::<ReadReport>(&asking.0, name).await?;
    let (store, merges) = (Arc::clone(&system.store), system.vault.merge_map());
    let cancel = Cancel::default();
    let cancelled = Arc::clone(&cancel.0);
    let answer = tokio::task::spawn_blocking(move || {
        compute(Asked {
            permit: &permit,
            store: &store,
            merges: &merges,
            cancelled: &cancelled,
        })
    })
    .await??;
    Ok(Json(answer))
}

/// Ends a report whose asker has gone: the handler is dropped with its connection.
#[derive(Default)]
struct Cancel(Arc<AtomicBool>);

impl Drop for Cancel {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The time zone asked for, else the project's.
pub(crate) fn zone(
    system: &System,
    project: &ProjectName,
    asked: Option<String>,
) -> Option<String> {
    asked.or_else(|| {
        let config = system.config();
        let mut projects = config.projects.iter();
        let known = projects.find(|known| known.name == *project);
        known.map(|known| known.timezone.clone())
    })
}

/// Events and properties of a project, by name and type.
#[utoipa::path(get, path = "/api/v1/projects/{project}/schema", params(("project" = String, Path)),
    responses((status = 200, body = CatalogInfo)))]
pub(super) async fn schema(
    State(system): Shared,
    asking: Asking,
    Path(project): Path<String>,
) -> Answer<CatalogInfo> {
    let _permit = system
        .access
        .permit::<ReadConfig>(&asking.0, &format!("project/{project}/schema"))
        .await?;
    let project = known_project(&system, &project)?;
    Ok(Json(system.store.catalog(&project)))
}

/// A query's error as an API error.
pub(crate) fn query_error(error: QueryError) -> ApiError {
    match error {
        QueryError::Invalid {
            path,
            message,
            allowed,
            suggestions,
        } => ApiError::invalid(&path, message)
            .allowed(allowed)
            .suggestions(suggestions),
        QueryError::TooLarge { path, message } => ApiError::invalid(&path, message),
        QueryError::Cancelled => ApiError::internal(&error),
        QueryError::Store(source) => ApiError::internal(&source),
    }
}
