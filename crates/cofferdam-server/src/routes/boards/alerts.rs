//! Alerts: list, make, change, evaluate now, history, delete.

use super::{Deleted, OfProject, number, reading, sent_project, watching};
use crate::auth::Asking;
use crate::boards::{Alert, AlertDraft, AlertEntry, AlertStatus, ReportDraft, Stored, check_alert};
use crate::error::ApiError;
use crate::mails::MailStatus;
use crate::routes::api::{Answer, Shared, known_project};
use crate::routes::sent::{Body, Path, Query};
use crate::system::System;
use axum::Json;
use axum::extract::State;
use cofferdam_access::{Permit, ReadReport};
use serde::Serialize;
use utoipa::ToSchema;

const NOUN: &str = "alert";

/// Alerts.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Alerts {
    /// By number.
    alerts: Vec<Alert>,
}

/// What became of an alert.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AlertHistory {
    /// The changes of its state, newest first.
    entries: Vec<AlertEntry>,
    /// Its last mails, newest first.
    mails: Vec<MailStatus>,
}

/// The alerts, of one project or of all.
#[utoipa::path(get, path = "/api/v1/alerts", operation_id = "list_alerts",
    params(("project" = Option<String>, Query)), responses((status = 200, body = Alerts)))]
pub(crate) async fn list(
    State(system): Shared,
    asking: Asking,
    Query(of): Query<OfProject>,
) -> Answer<Alerts> {
    let permit = reading(&system, &asking, "alerts").await?;
    if let Some(project) = &of.project {
        known_project(&system, project)?;
    }
    let stored: Vec<Stored<AlertDraft>> =
        system.boards.list(&permit, of.project.as_deref()).await?;
    let mut alerts = Vec::with_capacity(stored.len());
    for alert in stored {
        alerts.push(with_status(&system, &permit, alert).await?);
    }
    Ok(Json(Alerts { alerts }))
}

/// Makes an alert.
#[utoipa::path(post, path = "/api/v1/alerts", operation_id = "make_alert", request_body = AlertDraft,
    responses((status = 200, body = Alert)))]
pub(crate) async fn create(
    State(system): Shared,
    asking: Asking,
    Body(draft): Body<AlertDraft>,
) -> Answer<Alert> {
    let (draft, permit) = checked(&system, &asking, draft).await?;
    let writing = watching(&system, &asking, "alerts").await?;
    let stored = system.boards.insert(&writing, draft).await?;
    Ok(Json(with_status(&system, &permit, stored).await?))
}

/// An alert.
#[utoipa::path(get, path = "/api/v1/alerts/{id}", operation_id = "alert", params(("id" = u64, Path)),
    responses((status = 200, body = Alert)))]
pub(crate) async fn show(State(system): Shared, asking: Asking, id: Path<String>) -> Answer<Alert> {
    let id = number(NOUN, &id)?;
    let permit = reading(&system, &asking, &format!("alert/{id}")).await?;
    let stored = system.boards.one(&permit, id).await?;
    Ok(Json(with_status(&system, &permit, stored).await?))
}

/// Changes an alert; `version` names the version that was changed.
#[utoipa::path(put, path = "/api/v1/alerts/{id}", operation_id = "change_alert", params(("id" = u64, Path)),
    request_body = AlertDraft, responses((status = 200, body = Alert)))]
pub(crate) async fn change(
    State(system): Shared,
    asking: Asking,
    id: Path<String>,
    Body(draft): Body<AlertDraft>,
) -> Answer<Alert> {
    let id = number(NOUN, &id)?;
    let (draft, permit) = checked(&system, &asking, draft).await?;
    let writing = watching(&system, &asking, &format!("alert/{id}")).await?;
    let stored = system.boards.replace(&writing, id, draft).await?;
    Ok(Json(with_status(&system, &permit, stored).await?))
}

/// Deletes an alert with its history, and the mails of it that wait.
#[utoipa::path(delete, path = "/api/v1/alerts/{id}", operation_id = "delete_alert", params(("id" = u64, Path)),
    responses((status = 200, body = Deleted)))]
pub(crate) async fn delete(
    State(system): Shared,
    asking: Asking,
    id: Path<String>,
) -> Answer<Deleted> {
    let id = number(NOUN, &id)?;
    let permit = watching(&system, &asking, &format!("alert/{id}")).await?;
    system.boards.delete_alert(&permit, id).await?;
    Ok(Json(Deleted { id }))
}

/// Evaluates an alert now. Where it begins or ends by that, the mails go out before the answer.
#[utoipa::path(post, path = "/api/v1/alerts/{id}/check", operation_id = "check_alert", params(("id" = u64, Path)),
    responses((status = 200, body = AlertStatus)))]
pub(crate) async fn check(
    State(system): Shared,
    asking: Asking,
    id: Path<String>,
) -> Answer<AlertStatus> {
    let id = number(NOUN, &id)?;
    let permit = reading(&system, &asking, &format!("alert/{id}/check")).await?;
    let status = check_alert(&system, asking.0, &permit, id).await?;
    system.deliver_mails(&asking.0).await?;
    Ok(Json(status))
}

/// How an alert was, and what became of its mails.
#[utoipa::path(get, path = "/api/v1/alerts/{id}/history", operation_id = "alert_history", params(("id" = u64, Path)),
    responses((status = 200, body = AlertHistory)))]
pub(crate) async fn history(
    State(system): Shared,
    asking: Asking,
    id: Path<String>,
) -> Answer<AlertHistory> {
    let id = number(NOUN, &id)?;
    let permit = reading(&system, &asking, &format!("alert/{id}/history")).await?;
    system.boards.one::<AlertDraft>(&permit, id).await?;
    Ok(Json(AlertHistory {
        entries: system.boards.alert_entries(&permit, id).await?,
        mails: system.mails.about(id).await?,
    }))
}

/// A draft that can be kept: its report is there and can be watched.
async fn checked(
    system: &System,
    asking: &Asking,
    draft: AlertDraft,
) -> Result<(AlertDraft, Permit<ReadReport>), ApiError> {
    sent_project(system, &draft.project)?;
    let draft = draft.checked(system.config().mail.as_ref())?;
    let report = draft.report;
    let permit = reading(system, asking, &format!("saved-report/{report}")).await?;
    let all: Vec<Stored<ReportDraft>> = system.boards.list(&permit, Some(&draft.project)).await?;
    // That it is there is checked again where the alert is kept.
    if let Some(found) = all.iter().find(|kept| kept.id == report) {
        draft.check_report(&found.content)?;
    }
    Ok((draft, permit))
}

async fn with_status(
    system: &System,
    permit: &Permit<ReadReport>,
    stored: Stored<AlertDraft>,
) -> Result<Alert, ApiError> {
    let status = system.boards.alert_status(permit, stored.id).await?;
    Ok(Alert::of(stored, status))
}
