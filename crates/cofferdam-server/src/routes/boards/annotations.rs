//! Annotations: list by time, make, change, delete.

use super::{Deleted, number, reading, sent_project, writing};
use crate::auth::Asking;
use crate::boards::{Annotation, AnnotationDraft, Stored};
use crate::error::ApiError;
use crate::routes::api::{Answer, Shared, known_project};
use crate::routes::sent::{Body, Path, Query};
use axum::Json;
use axum::extract::State;
use cofferdam_model::TimestampMs;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

const NOUN: &str = "annotation";

/// Which annotations are listed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Range {
    project: String,
    from: Option<String>,
    to: Option<String>,
}

/// Annotations.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Annotations {
    /// By time.
    annotations: Vec<Annotation>,
}

/// The annotations of a project, from `from` until before `to`; both are times with an offset.
#[utoipa::path(get, path = "/api/v1/annotations", operation_id = "list_annotations",
    params(("project" = String, Query), ("from" = Option<String>, Query), ("to" = Option<String>, Query)),
    responses((status = 200, body = Annotations)))]
pub(crate) async fn list(
    State(system): Shared,
    asking: Asking,
    Query(range): Query<Range>,
) -> Answer<Annotations> {
    let from = instant("from", range.from.as_deref())?.unwrap_or(TimestampMs(i64::MIN));
    let to = instant("to", range.to.as_deref())?.unwrap_or(TimestampMs(i64::MAX));
    let permit = reading(&system, &asking, "annotations").await?;
    known_project(&system, &range.project)?;
    let stored: Vec<Stored<AnnotationDraft>> =
        system.boards.list(&permit, Some(&range.project)).await?;
    let mut annotations: Vec<_> = stored
        .into_iter()
        .filter_map(|stored| Some((stored.content.at()?, stored)))
        .filter(|(at, _)| (from..to).contains(at))
        .collect();
    annotations.sort_by_key(|(at, stored)| (*at, stored.id));
    let annotations = annotations.into_iter().map(|(_, stored)| stored.into());
    Ok(Json(Annotations {
        annotations: annotations.collect(),
    }))
}

/// Makes an annotation.
#[utoipa::path(post, path = "/api/v1/annotations", operation_id = "annotate", request_body = AnnotationDraft,
    responses((status = 200, body = Annotation)))]
pub(crate) async fn create(
    State(system): Shared,
    asking: Asking,
    Body(draft): Body<AnnotationDraft>,
) -> Answer<Annotation> {
    sent_project(&system, &draft.project)?;
    let draft = draft.checked()?;
    let permit = writing(&system, &asking, "annotations").await?;
    Ok(Json(system.boards.insert(&permit, draft).await?.into()))
}

/// Changes an annotation; `version` names the version that was changed.
#[utoipa::path(put, path = "/api/v1/annotations/{id}", operation_id = "change_annotation", params(("id" = u64, Path)),
    request_body = AnnotationDraft, responses((status = 200, body = Annotation)))]
pub(crate) async fn change(
    State(system): Shared,
    asking: Asking,
    id: Path<String>,
    Body(draft): Body<AnnotationDraft>,
) -> Answer<Annotation> {
    let id = number(NOUN, &id)?;
    sent_project(&system, &draft.project)?;
    let draft = draft.checked()?;
    let permit = writing(&system, &asking, &format!("annotation/{id}")).await?;
    Ok(Json(
        system.boards.replace(&permit, id, draft).await?.into(),
    ))
}

/// Deletes an annotation.
#[utoipa::path(delete, path = "/api/v1/annotations/{id}", operation_id = "delete_annotation", params(("id" = u64, Path)),
    responses((status = 200, body = Deleted)))]
pub(crate) async fn delete(
    State(system): Shared,
    asking: Asking,
    id: Path<String>,
) -> Answer<Deleted> {
    let id = number(NOUN, &id)?;
    let permit = writing(&system, &asking, &format!("annotation/{id}")).await?;
    system.boards.delete_annotation(&permit, id).await?;
    Ok(Json(Deleted { id }))
}

fn instant(path: &str, text: Option<&str>) -> Result<Option<TimestampMs>, ApiError> {
    let parse = |text: &str| {
        let time: jiff::Timestamp = text.parse().map_err(|_| {
            ApiError::invalid(
                path,
                "expected a time with an offset, as 2026-06-01T12:00:00Z",
            )
        })?;
        Ok(TimestampMs(time.as_millisecond()))
    };
    text.map(parse).transpose()
}
