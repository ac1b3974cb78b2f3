//! The audit log's last leaves.

use super::api::{Answer, Shared};
use super::sent::Query;
use crate::auth::Asking;
use crate::error::ApiError;
use axum::Json;
use axum::extract::State;
use cofferdam_access::ReadAudit;
use cofferdam_audit::Leaf;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Most leaves of one answer.
const LEAVES_MAX: usize = 1_000;

#[derive(Debug, Deserialize)]
pub(super) struct TailQuery {
    limit: Option<usize>,
}

/// The last leaves, oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Leaves {
    leaves: Vec<Leaf>,
}

/// The last management acts on record.
#[utoipa::path(get, path = "/api/v1/audit", params(("limit" = Option<usize>, Query, description = "1 to 1000; default 100")),
    responses((status = 200, body = Leaves)))]
pub(super) async fn tail(
    State(system): Shared,
    asking: Asking,
    Query(query): Query<TailQuery>,
) -> Answer<Leaves> {
    let _permit = system
        .access
        .permit::<ReadAudit>(&asking.0, "audit")
        .await?;
    let limit = query.limit.unwrap_or(100).min(LEAVES_MAX);
    let leaves = system
        .access
        .audit()
        .tail(limit)
        .map_err(|error| ApiError::internal(&error))?;
    Ok(Json(Leaves { leaves }))
}
