//! Digests: list, make, change, send now, what became of the mails, delete.

use super::{Deleted, OfProject, number, reading, sent_project, watching};
use crate::auth::Asking;
use crate::boards::{Digest, DigestDraft, Stored, send_digest};
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

const NOUN: &str = "digest";

/// Digests.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Digests {
    /// By number.
    digests: Vec<Digest>,
}

/// What became of a digest's mails.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DigestMails {
    /// The last ones, newest first.
    mails: Vec<MailStatus>,
}

/// The digests, of one project or of all.
#[utoipa::path(get, path = "/api/v1/digests", operation_id = "list_digests",
    params(("project" = Option<String>, Query)), responses((status = 200, body = Digests)))]
pub(crate) async fn list(
    State(system): Shared,
    asking: Asking,
    Query(of): Query<OfProject>,
) -> Answer<Digests> {
    let permit = reading(&system, &asking, "digests").await?;
    if let Some(project) = &of.project {
        known_project(&system, project)?;
    }
    let stored: Vec<Stored<DigestDraft>> =
        system.boards.list(&permit, of.project.as_deref()).await?;
    let mut digests = Vec::with_capacity(stored.len());
    for digest in stored {
        digests.push(with_times(&system, &permit, digest).await?);
    }
    Ok(Json(Digests { digests }))
}

/// Makes a digest.
#[utoipa::path(post, path = "/api/v1/digests", operation_id = "make_digest", request_body = DigestDraft,
    responses((status = 200, body = Digest)))]
pub(crate) async fn create(
    State(system): Shared,
    asking: Asking,
    Body(draft): Body<DigestDraft>,
) -> Answer<Digest> {
    sent_project(&system, &draft.project)?;
    let draft = draft.checked(system.config().mail.as_ref())?;
    let permit = reading(&system, &asking, "digests").await?;
    let writing = watching(&system, &asking, "digests").await?;
    let stored = system.boards.insert(&writing, draft).await?;
    Ok(Json(with_times(&system, &permit, stored).await?))
}

/// A digest.
#[utoipa::path(get, path = "/api/v1/digests/{id}", operation_id = "digest", params(("id" = u64, Path)),
    responses((status = 200, body = Digest)))]
pub(crate) async fn show(
    State(system): Shared,
    asking: Asking,
    id: Path<String>,
) -> Answer<Digest> {
    let id = number(NOUN, &id)?;
    let permit = reading(&system, &asking, &format!("digest/{id}")).await?;
    let stored = system.boards.one(&permit, id).await?;
    Ok(Json(with_times(&system, &permit, stored).await?))
}

/// Changes a digest; `version` names the version that was changed.
#[utoipa::path(put, path = "/api/v1/digests/{id}", operation_id = "change_digest", params(("id" = u64, Path)),
    request_body = DigestDraft, responses((status = 200, body = Digest)))]
pub(crate) async fn change(
    State(system): Shared,
    asking: Asking,
    id: Path<String>,
    Body(draft): Body<DigestDraft>,
) -> Answer<Digest> {
    let id = number(NOUN, &id)?;
    sent_project(&system, &draft.project)?;
    let draft = draft.checked(system.config().mail.as_ref())?;
    let permit = reading(&system, &asking, &format!("digest/{id}")).await?;
    let writing = watching(&system, &asking, &format!("digest/{id}")).await?;
    let stored = system.boards.replace(&writing, id, draft).await?;
    Ok(Json(with_times(&system, &permit, stored).await?))
}

/// Deletes a digest, and the mails of it that wait.
#[utoipa::path(delete, path = "/api/v1/digests/{id}", operation_id = "delete_digest", params(("id" = u64, Path)),
    responses((status = 200, body = Deleted)))]
pub(crate) async fn delete(
    State(system): Shared,
    asking: Asking,
    id: Path<String>,
) -> Answer<Deleted> {
    let id = number(NOUN, &id)?;
    let permit = watching(&system, &asking, &format!("digest/{id}")).await?;
    system.boards.delete_digest(&permit, id).await?;
    Ok(Json(Deleted { id }))
}

/// Sends a digest now, besides its schedule; the mails go out before the answer.
#[utoipa::path(post, path = "/api/v1/digests/{id}/send", operation_id = "send_digest", params(("id" = u64, Path)),
    responses((status = 200, body = DigestMails)))]
pub(crate) async fn send(
    State(system): Shared,
    asking: Asking,
    id: Path<String>,
) -> Answer<DigestMails> {
    let id = number(NOUN, &id)?;
    let permit = reading(&system, &asking, &format!("digest/{id}/send")).await?;
    send_digest(&system, asking.0, &permit, id).await?;
    system.deliver_mails(&asking.0).await?;
    let mails = system.mails.about(id).await?;
    Ok(Json(DigestMails { mails }))
}

/// What became of a digest's mails.
#[utoipa::path(get, path = "/api/v1/digests/{id}/mails", operation_id = "digest_mails", params(("id" = u64, Path)),
    responses((status = 200, body = DigestMails)))]
pub(crate) async fn mails(
    State(system): Shared,
    asking: Asking,
    id: Path<String>,
) -> Answer<DigestMails> {
    let id = number(NOUN, &id)?;
    let permit = reading(&system, &asking, &format!("digest/{id}/mails")).await?;
    system.boards.one::<DigestDraft>(&permit, id).await?;
    let mails = system.mails.about(id).await?;
    Ok(Json(DigestMails { mails }))
}

async fn with_times(
    system: &System,
    permit: &Permit<ReadReport>,
    stored: Stored<DigestDraft>,
) -> Result<Digest, ApiError> {
    let times = system.boards.digest_times(permit, stored.id).await?;
    Ok(Digest::of(stored, times))
}
