//! The admin API: every route in one table, with its description for OpenAPI.
//!
//! Invariant: handlers extract, take a permit, call one domain function and map; without the permit they do not compile.

use super::{
    audit, boards, deletions, explain, fields, gaps, imports, keys, live, metrics, overview,
    people, radius, reports, sql, status, store, usage, vendors,
};
use crate::error::ApiError;
use crate::system::System;
use axum::http::StatusCode;
use axum::{Json, Router};
use cofferdam_model::ProjectName;
use std::sync::Arc;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// What handlers work with.
pub type Shared = axum::extract::State<Arc<System>>;
/// What handlers answer.
pub type Answer<T> = Result<Json<T>, ApiError>;

#[derive(OpenApi)]
#[openapi(info(
    title = "Cofferdam admin API",
    description = "Everything the web app and the command line do. Send the token of data/admin.token as a bearer token. \
                   Errors are {error:{code, message, path, allowed, suggestions}}.",
    version = "1"
))]
struct Description;

/// All routes, and the description of them.
pub fn routes() -> OpenApiRouter<Arc<System>> {
    OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(status::status))
        .routes(routes!(overview::overview))
        .routes(routes!(live::live))
        .routes(routes!(fields::list, fields::set, fields::unset))
        .routes(routes!(vendors::list))
        .routes(routes!(vendors::show))
        .routes(routes!(vendors::containment::contain))
        .routes(routes!(vendors::containment::resume))
        .routes(routes!(gaps::declare))
        .routes(routes!(deletions::list, deletions::settle))
        .routes(routes!(radius::radius))
        .routes(routes!(radius::people))
        .routes(routes!(reports::segmentation))
        .routes(routes!(reports::funnel))
        .routes(routes!(reports::retention))
        .routes(routes!(reports::flows))
        .routes(routes!(reports::people))
        .routes(routes!(reports::running))
        .routes(routes!(reports::end))
        .routes(routes!(reports::schema))
        .routes(routes!(boards::saved::list, boards::saved::create))
        .routes(routes!(
            boards::saved::show,
            boards::saved::change,
            boards::saved::delete
        ))
        .routes(routes!(boards::saved::history))
        .routes(routes!(boards::saved::restore))
        .routes(routes!(boards::run::saved))
        .routes(routes!(boards::run::export))
        .routes(routes!(
            boards::dashboards::list,
            boards::dashboards::create
        ))
        .routes(routes!(
            boards::dashboards::show,
            boards::dashboards::change,
            boards::dashboards::delete
        ))
        .routes(routes!(boards::dashboards::history))
        .routes(routes!(boards::dashboards::restore))
        .routes(routes!(boards::run::tile))
        .routes(routes!(boards::cohorts::list, boards::cohorts::create))
        .routes(routes!(
            boards::cohorts::show,
            boards::cohorts::change,
            boards::cohorts::delete
        ))
        .routes(routes!(boards::cohorts::trial))
        .routes(routes!(boards::cohorts::people))
        .routes(routes!(boards::cohorts::freeze))
        .routes(routes!(boards::cohorts::thaw))
        .routes(routes!(boards::alerts::list, boards::alerts::create))
        .routes(routes!(
            boards::alerts::show,
            boards::alerts::change,
            boards::alerts::delete
        ))
        .routes(routes!(boards::alerts::check))
        .routes(routes!(boards::alerts::history))
        .routes(routes!(boards::digests::list, boards::digests::create))
        .routes(routes!(
            boards::digests::show,
            boards::digests::change,
            boards::digests::delete
        ))
        .routes(routes!(boards::digests::send))
        .routes(routes!(boards::digests::mails))
        .routes(routes!(
            boards::annotations::list,
            boards::annotations::create
        ))
        .routes(routes!(
            boards::annotations::change,
            boards::annotations::delete
        ))
        .routes(routes!(sql::sql))
        .routes(routes!(sql::schema))
        .routes(routes!(usage::report))
        .routes(routes!(explain::explain))
        .routes(routes!(people::erase))
        .routes(routes!(people::pages::list))
        .routes(routes!(people::pages::person))
        .routes(routes!(people::pages::timeline))
        .routes(routes!(people::pages::organization))
        .routes(routes!(people::consent))
        .routes(routes!(store::flush))
        .routes(routes!(store::snapshot))
        .routes(routes!(imports::begin))
        .routes(routes!(imports::lines))
        .routes(routes!(imports::end))
        .routes(routes!(keys::rotate_master))
        .routes(routes!(keys::backup))
        .routes(routes!(audit::tail))
}

/// The API's description of itself, for anybody.
pub fn description() -> Router {
    let description = Arc::new(routes().into_openapi());
    Router::new().route(
        "/api/v1/openapi.json",
        axum::routing::get(move || {
            let description = Arc::clone(&description);
            async move { Json((*description).clone()) }
        }),
    )
}

/// The API's router; who asks is decided by a layer around it.
pub fn router(system: &Arc<System>) -> Router {
    let (router, _) = routes().split_for_parts();
    router
        .route("/metrics", axum::routing::get(metrics::metrics))
        .route("/api/{*rest}", axum::routing::any(no_such_route))
        .method_not_allowed_fallback(no_such_method)
        .with_state(Arc::clone(system))
}

/// The project of that name, or a 404 with those that there are.
pub(super) fn known_project(system: &System, name: &str) -> Result<ProjectName, ApiError> {
    let config = system.config();
    let known: Vec<&str> = config
        .projects
        .iter()
        .map(|project| project.name.as_str())
        .collect();
    if known.contains(&name) {
        Ok(ProjectName::from(name))
    } else {
        Err(ApiError::not_found("project", name, &known))
    }
}

async fn no_such_route(uri: axum::http::Uri) -> ApiError {
    ApiError::new(
        StatusCode::NOT_FOUND,
        "not_found",
        format!("there is no route {}; see /api/v1/openapi.json", uri.path()),
    )
}

async fn no_such_method(method: axum::http::Method, uri: axum::http::Uri) -> ApiError {
    ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        format!(
            "{} does not take {method}; see /api/v1/openapi.json",
            uri.path()
        ),
    )
}
