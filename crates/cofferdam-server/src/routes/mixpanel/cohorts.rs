//! `/cohorts/list`: the project's cohorts, and how many people each has now.
//!
//! Invariant: members are found as for the cohort's own route; a cohort of another project is none.

use super::asked::Asked;
use crate::boards::{CohortDraft, Stored};
use crate::error::ApiError;
use crate::routes::api::Answer;
use crate::routes::boards::cohorts;
use axum::Json;
use axum::http::StatusCode;
use cofferdam_access::{Permit, ReadReport};
use serde_json::{Value, json};

/// The cohorts.
pub(super) async fn list(asked: Asked) -> Answer<Value> {
    let mut listed = Vec::new();
    for stored in kept(&asked).await? {
        let people = members(&asked, stored.id).await?;
        let draft = stored.content;
        listed.push(json!({ "id": stored.id, "name": draft.name, "description": draft.description, "count": people.len(),
            "created": stored.created, "is_visible": 1, "project_id": asked.project }));
    }
    Ok(Json(json!(listed)))
}

/// Canonical numbers of the members of the cohort that `filter_by_cohort` names, ascending.
pub(super) async fn filter(asked: &Asked, text: &str) -> Result<Vec<u32>, ApiError> {
    let path = "filter_by_cohort";
    let read: Option<Value> = serde_json::from_str(text).ok();
    let id = read.and_then(|filter| filter.get("id")?.as_u64());
    let id = id.ok_or_else(|| ApiError::invalid(path, "give {\"id\": NUMBER}"))?;
    let kept = kept(asked).await?;
    if !kept.iter().any(|stored| stored.id == id) {
        let message = "there is no cohort of that number; see /api/query/cohorts/list";
        return Err(ApiError::new(StatusCode::NOT_FOUND, "not_found", message));
    }
    members(asked, id).await
}

async fn kept(asked: &Asked) -> Result<Vec<Stored<CohortDraft>>, ApiError> {
    let permit = permit(asked, &format!("project/{}/cohorts", asked.project)).await?;
    let project = Some(asked.project.as_str());
    asked.system.boards.list(&permit, project).await
}

async fn members(asked: &Asked, id: u64) -> Result<Vec<u32>, ApiError> {
    let permit = permit(asked, &format!("cohort/{id}")).await?;
    cohorts::of(&asked.system, permit, id, None).await
}

async fn permit(asked: &Asked, about: &str) -> Result<Permit<ReadReport>, ApiError> {
    Ok(asked.system.access.permit(&asked.asking.0, about).await?)
}
