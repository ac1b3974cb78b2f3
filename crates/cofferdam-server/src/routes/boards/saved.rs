//! Saved reports: list, save, change, history, delete.

use super::{Deleted, Deletion, OfProject, Restore, number, reading, sent_project, writing};
use crate::auth::Asking;
use crate::boards::{ReportDraft, ReportVersion, SavedReport};
use crate::routes::api::{Answer, Shared, known_project};
use crate::routes::sent::{Body, Path, Query};
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

const NOUN: &str = "saved report";

/// Saved reports.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SavedReports {
    /// By number.
    reports: Vec<SavedReport>,
}

/// The versions of a saved report.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReportHistory {
    /// The newest first; at most the last 100.
    versions: Vec<ReportVersion>,
}

/// The saved reports, of one project or of all.
#[utoipa::path(get, path = "/api/v1/saved-reports", operation_id = "list_saved_reports",
    params(("project" = Option<String>, Query)), responses((status = 200, body = SavedReports)))]
pub(crate) async fn list(
    State(system): Shared,
    asking: Asking,
    Query(of): Query<OfProject>,
) -> Answer<SavedReports> {
    let permit = reading(&system, &asking, "saved-reports").await?;
    if let Some(project) = &of.project {
        known_project(&system, project)?;
    }
    let reports = system.boards.list(&permit, of.project.as_deref()).await?;
    let reports = reports.into_iter().map(SavedReport::from).collect();
    Ok(Json(SavedReports { reports }))
}

/// Saves a report.
#[utoipa::path(post, path = "/api/v1/saved-reports", operation_id = "save_report", request_body = ReportDraft,
    responses((status = 200, body = SavedReport)))]
pub(crate) async fn create(
    State(system): Shared,
    asking: Asking,
    Body(draft): Body<ReportDraft>,
) -> Answer<SavedReport> {
    sent_project(&system, &draft.project)?;
    let draft = draft.checked()?;
    let permit = writing(&system, &asking, "saved-reports").await?;
    Ok(Json(system.boards.insert(&permit, draft).await?.into()))
}

/// A saved report.
#[utoipa::path(get, path = "/api/v1/saved-reports/{id}", operation_id = "saved_report", params(("id" = u64, Path)),
    responses((status = 200, body = SavedReport)))]
pub(crate) async fn show(
    State(system): Shared,
    asking: Asking,
    id: Path<String>,
) -> Answer<SavedReport> {
    let id = number(NOUN, &id)?;
    let permit = reading(&system, &asking, &format!("saved-report/{id}")).await?;
    let report = system.boards.one::<ReportDraft>(&permit, id).await?;
    Ok(Json(report.into()))
}

/// Changes a saved report; `version` names the version that was changed.
#[utoipa::path(put, path = "/api/v1/saved-reports/{id}", operation_id = "change_saved_report", params(("id" = u64, Path)),
    request_body = ReportDraft, responses((status = 200, body = SavedReport)))]
pub(crate) async fn change(
    State(system): Shared,
    asking: Asking,
    id: Path<String>,
    Body(draft): Body<ReportDraft>,
) -> Answer<SavedReport> {
    let id = number(NOUN, &id)?;
    sent_project(&system, &draft.project)?;
    let draft = draft.checked()?;
    let permit = writing(&system, &asking, &format!("saved-report/{id}")).await?;
    Ok(Json(
        system.boards.replace(&permit, id, draft).await?.into(),
    ))
}

/// Deletes a saved report with its history. Where a dashboard or an alert uses it that is refused; with `force` it goes from there
/// too.
#[utoipa::path(delete, path = "/api/v1/saved-reports/{id}", operation_id = "delete_saved_report",
    params(("id" = u64, Path), ("force" = Option<bool>, Query)), responses((status = 200, body = Deleted)))]
pub(crate) async fn delete(
    State(system): Shared,
    asking: Asking,
    id: Path<String>,
    Query(deletion): Query<Deletion>,
) -> Answer<Deleted> {
    let id = number(NOUN, &id)?;
    let permit = writing(&system, &asking, &format!("saved-report/{id}")).await?;
    system
        .boards
        .delete_report(&permit, id, deletion.force)
        .await?;
    Ok(Json(Deleted { id }))
}

/// The versions of a saved report.
#[utoipa::path(get, path = "/api/v1/saved-reports/{id}/history", operation_id = "saved_report_history",
    params(("id" = u64, Path)), responses((status = 200, body = ReportHistory)))]
pub(crate) async fn history(
    State(system): Shared,
    asking: Asking,
    id: Path<String>,
) -> Answer<ReportHistory> {
    let id = number(NOUN, &id)?;
    let permit = reading(&system, &asking, &format!("saved-report/{id}/history")).await?;
    let versions = system.boards.history(&permit, id).await?;
    let versions = versions.into_iter().map(ReportVersion::from);
    Ok(Json(ReportHistory {
        versions: versions.collect(),
    }))
}

/// Makes an older version of a saved report the current one again, as a new version.
#[utoipa::path(post, path = "/api/v1/saved-reports/{id}/restore", operation_id = "restore_saved_report",
    params(("id" = u64, Path)), request_body = Restore, responses((status = 200, body = SavedReport)))]
pub(crate) async fn restore(
    State(system): Shared,
    asking: Asking,
    id: Path<String>,
    Body(wanted): Body<Restore>,
) -> Answer<SavedReport> {
    let id = number(NOUN, &id)?;
    let permit = writing(&system, &asking, &format!("saved-report/{id}")).await?;
    let (version, base) = (wanted.restore, wanted.version);
    let restored = system
        .boards
        .restore::<ReportDraft>(&permit, id, version, base);
    Ok(Json(restored.await?.into()))
}
