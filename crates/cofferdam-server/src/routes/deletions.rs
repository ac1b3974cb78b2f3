//! Deletion requests to vendors: what to ask them, and what they have confirmed.

use super::api::{Answer, Shared};
use super::sent::Body;
use crate::auth::Asking;
use crate::error::ApiError;
use crate::system::System;
use axum::Json;
use axum::extract::State;
use cofferdam_access::{Erase, ReadPeople};
use cofferdam_egress::DeletionQueue;
use cofferdam_vault::{DeletionRequest, DeletionState};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// Everything that vendors have not confirmed yet.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Deletions {
    deletions: Vec<Deletion>,
}

/// One id to be deleted at one vendor.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Deletion {
    /// Of the request.
    id: i64,
    vendor: String,
    region: String,
    /// The person's number, as in the ledger.
    person: u32,
    /// The ids that the vendor may know the person by: one of them is right. Ask for both.
    distinct_ids: [String; 2],
    /// Milliseconds since 1970.
    asked_at: i64,
    /// `requested` or `acknowledged`.
    state: &'static str,
}

fn queue(system: &System) -> DeletionQueue {
    DeletionQueue::new(
        Arc::clone(&system.vault),
        Arc::clone(&system.ledger),
        Arc::clone(&system.clock),
    )
}

/// What vendors are to delete and have not confirmed, oldest first.
#[utoipa::path(get, path = "/api/v1/deletions", responses((status = 200, body = Deletions)))]
pub(super) async fn list(State(system): Shared, asking: Asking) -> Answer<Deletions> {
    let _permit = system
        .access
        .permit::<ReadPeople>(&asking.0, "deletions")
        .await?;
    let pending = queue(&system)
        .all_pending()
        .await
        .map_err(|error| ApiError::internal(&error))?;
    let deletions = pending.iter().map(describe).collect();
    Ok(Json(Deletions { deletions }))
}

fn describe(request: &DeletionRequest) -> Deletion {
    Deletion {
        id: request.id,
        vendor: request.vendor.to_string(),
        region: request.region.to_string(),
        person: request.number.0,
        distinct_ids: cofferdam_policy::spellings(&request.token, request.device),
        asked_at: request.asked_at,
        state: state_name(request.state),
    }
}

/// A state as it is said.
pub(super) fn state_name(state: DeletionState) -> &'static str {
    match state {
        DeletionState::Requested => "requested",
        DeletionState::Acknowledged => "acknowledged",
        DeletionState::Done => "done",
    }
}

/// How far a vendor got.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct Settle {
    /// Ids of requests.
    ids: Vec<i64>,
    /// `acknowledged`, or `done`: the vendor has confirmed that it holds nothing under these ids any more.
    state: String,
}

/// What was recorded.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Settled {
    /// Requests that were moved on.
    settled: usize,
    /// Requests that are not done after it, in all.
    open: usize,
}

/// Records what a vendor said. With the last id of a person done, *held* no longer counts what was sent before the request, and
/// with the last vendor done, the contact that was kept for notices is destroyed.
#[utoipa::path(post, path = "/api/v1/deletions", request_body = Settle, responses((status = 200, body = Settled)))]
pub(super) async fn settle(
    State(system): Shared,
    asking: Asking,
    Body(request): Body<Settle>,
) -> Answer<Settled> {
    let state = match request.state.as_str() {
        "acknowledged" => DeletionState::Acknowledged,
        "done" => DeletionState::Done,
        _ => {
            let allowed = ["acknowledged", "done"].map(str::to_owned).to_vec();
            return Err(ApiError::invalid("state", "unknown state").allowed(allowed));
        }
    };
    let ids = request.ids.iter().map(ToString::to_string);
    let ids = ids.collect::<Vec<_>>().join(" ");
    let details = [
        ("requests", ids.as_str()),
        ("state", request.state.as_str()),
    ];
    let _permit = system
        .access
        .permit_with::<Erase>(&asking.0, "deletions", None, &details)
        .await?;
    let queue = queue(&system);
    let failed = |error: cofferdam_egress::EgressError| ApiError::internal(&error);
    let pending = queue.all_pending().await.map_err(failed)?;
    let mut chosen = Vec::with_capacity(request.ids.len());
    for id in &request.ids {
        let found = pending.iter().find(|pending| pending.id == *id);
        chosen.push(found.ok_or_else(|| {
            ApiError::not_found("deletion request that is open", &id.to_string(), &[])
        })?);
    }
    for deletion in &chosen {
        queue.advance(deletion, state).await.map_err(failed)?;
    }
    let open = queue.all_pending().await.map_err(failed)?.len();
    Ok(Json(Settled {
        settled: chosen.len(),
        open,
    }))
}
