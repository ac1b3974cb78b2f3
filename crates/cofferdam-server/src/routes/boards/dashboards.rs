//! Dashboards: list, make, change, history, delete.

use super::{Deleted, Deletion, OfProject, Restore, number, reading, sent_project, writing};
use crate::auth::Asking;
use crate::boards::{Dashboard, DashboardDraft, DashboardVersion};
use crate::routes::api::{Answer, Shared, known_project};
use crate::routes::sent::{Body, Path, Query};
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

const NOUN: &str = "dashboard";

/// Dashboards.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Dashboards {
    /// By number.
    dashboards: Vec<Dashboard>,
}

/// The versions of a dashboard.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DashboardHistory {
    /// The newest first; at most the last 100.
    versions: Vec<DashboardVersion>,
}

/// The dashboards, of one project or of all.
#[utoipa::path(get, path = "/api/v1/dashboards", operation_id = "list_dashboards",
    params(("project" = Option<String>, Query)), responses((status = 200, body = Dashboards)))]
pub(crate) async fn list(
    State(system): Shared,
    asking: Asking,
    Query(of): Query<OfProject>,
) -> Answer<Dashboards> {
    let permit = reading(&system, &asking, "dashboards").await?;
    if let Some(project) = &of.project {
        known_project(&system, project)?;
    }
    let dashboards = system.boards.list(&permit, of.project.as_deref()).await?;
    let dashboards = dashboards.into_iter().map(Dashboard::from).collect();
    Ok(Json(Dashboards { dashboards }))
}

/// Makes a dashboard.
#[utoipa::path(post, path = "/api/v1/dashboards", operation_id = "make_dashboard", request_body = DashboardDraft,
    responses((status = 200, body = Dashboard)))]
pub(crate) async fn create(
    State(system): Shared,
    asking: Asking,
    Body(draft): Body<DashboardDraft>,
) -> Answer<Dashboard> {
    sent_project(&system, &draft.project)?;
    let draft = draft.checked()?;
    let permit = writing(&system, &asking, "dashboards").await?;
    Ok(Json(system.boards.insert(&permit, draft).await?.into()))
}

/// A dashboard.
#[utoipa::path(get, path = "/api/v1/dashboards/{id}", operation_id = "dashboard", params(("id" = u64, Path)),
    responses((status = 200, body = Dashboard)))]
pub(crate) async fn show(
    State(system): Shared,
    asking: Asking,
    id: Path<String>,
) -> Answer<Dashboard> {
    let id = number(NOUN, &id)?;
    let permit = reading(&system, &asking, &format!("dashboard/{id}")).await?;
    let dashboard = system.boards.one::<DashboardDraft>(&permit, id).await?;
    Ok(Json(dashboard.into()))
}

/// Changes a dashboard; `version` names the version that was changed.
#[utoipa::path(put, path = "/api/v1/dashboards/{id}", operation_id = "change_dashboard", params(("id" = u64, Path)),
    request_body = DashboardDraft, responses((status = 200, body = Dashboard)))]
pub(crate) async fn change(
    State(system): Shared,
    asking: Asking,
    id: Path<String>,
    Body(draft): Body<DashboardDraft>,
) -> Answer<Dashboard> {
    let id = number(NOUN, &id)?;
    sent_project(&system, &draft.project)?;
    let draft = draft.checked()?;
    let permit = writing(&system, &asking, &format!("dashboard/{id}")).await?;
    Ok(Json(
        system.boards.replace(&permit, id, draft).await?.into(),
    ))
}

/// Deletes a dashboard with its history; the reports on it stay. Where a digest sends it that is refused; with `force` the digest
/// goes too.
#[utoipa::path(delete, path = "/api/v1/dashboards/{id}", operation_id = "delete_dashboard",
    params(("id" = u64, Path), ("force" = Option<bool>, Query)), responses((status = 200, body = Deleted)))]
pub(crate) async fn delete(
    State(system): Shared,
    asking: Asking,
    id: Path<String>,
    Query(deletion): Query<Deletion>,
) -> Answer<Deleted> {
    let id = number(NOUN, &id)?;
    let permit = writing(&system, &asking, &format!("dashboard/{id}")).await?;
    let deleted = system.boards.delete_dashboard(&permit, id, deletion.force);
    deleted.await?;
    Ok(Json(Deleted { id }))
}

/// The versions of a dashboard.
#[utoipa::path(get, path = "/api/v1/dashboards/{id}/history", operation_id = "dashboard_history", params(("id" = u64, Path)),
    responses((status = 200, body = DashboardHistory)))]
pub(crate) async fn history(
    State(system): Shared,
    asking: Asking,
    id: Path<String>,
) -> Answer<DashboardHistory> {
    let id = number(NOUN, &id)?;
    let permit = reading(&system, &asking, &format!("dashboard/{id}/history")).await?;
    let versions = system.boards.history(&permit, id).await?;
    let versions = versions.into_iter().map(DashboardVersion::from);
    Ok(Json(DashboardHistory {
        versions: versions.collect(),
    }))
}

/// Makes an older version of a dashboard the current one again, as a new version.
#[utoipa::path(post, path = "/api/v1/dashboards/{id}/restore", operation_id = "restore_dashboard", params(("id" = u64, Path)),
    request_body = Restore, responses((status = 200, body = Dashboard)))]
pub(crate) async fn restore(
    State(system): Shared,
    asking: Asking,
    id: Path<String>,
    Body(wanted): Body<Restore>,
) -> Answer<Dashboard> {
    let id = number(NOUN, &id)?;
    let permit = writing(&system, &asking, &format!("dashboard/{id}")).await?;
    let (version, base) = (wanted.restore, wanted.version);
    let restored = system
        .boards
        .restore::<DashboardDraft>(&permit, id, version, base);
    Ok(Json(restored.await?.into()))
}
