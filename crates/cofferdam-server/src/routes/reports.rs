//! Reports over groups of people.

use super::api::{Answer, Shared, known_project};
use super::sent::{Body, Path};
use crate::auth::Asking;
use crate::error::ApiError;
use axum::Json;
use axum::extract::State;
use cofferdam_access::{ReadConfig, ReadReport};
use cofferdam_query::{QueryError, Segmentation, SegmentationRequest};
use cofferdam_store::CatalogInfo;

/// Trends: totals or distinct people by time and properties.
#[utoipa::path(post, path = "/api/v1/reports/segmentation", request_body = SegmentationRequest,
    responses((status = 200, body = Segmentation)))]
pub(super) async fn segmentation(
    State(system): Shared,
    asking: Asking,
    Body(mut request): Body<SegmentationRequest>,
) -> Answer<Segmentation> {
    let permit = system
        .access
        .permit::<ReadReport>(&asking.0, "reports/segmentation")
        .await?;
    if request.timezone.is_none() {
        let config = system.config();
        let project = config
            .projects
            .iter()
            .find(|project| project.name == request.project);
        request.timezone = project.map(|project| project.timezone.clone());
    }
    let merges = system.vault.merge_map();
    let now = system.clock.now();
    let store = std::sync::Arc::clone(&system.store);
    let answer = tokio::task::spawn_blocking(move || {
        cofferdam_query::segmentation(&permit, &store, &merges, &request, now)
    })
    .await??;
    Ok(Json(answer))
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
        QueryError::Store(source) => ApiError::internal(&source),
    }
}
