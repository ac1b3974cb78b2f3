//! Store: make everything visible, copy it out for other engines.

use super::api::{Answer, Shared};
use super::sent::Body;
use crate::auth::Asking;
use crate::error::ApiError;
use crate::exports;
use axum::Json;
use axum::extract::State;
use cofferdam_access::{Export, WriteConfig};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use utoipa::ToSchema;

/// What a flush reached.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Flushed {
    /// Everything before this journal sequence number is visible.
    next_seq: u64,
}

/// Makes all acknowledged events visible to reports and snapshots.
#[utoipa::path(post, path = "/api/v1/store/flush", responses((status = 200, body = Flushed)))]
pub(super) async fn flush(State(system): Shared, asking: Asking) -> Answer<Flushed> {
    let _permit = system
        .access
        .permit::<WriteConfig>(&asking.0, "store/flush")
        .await?;
    let next_seq = system
        .flush()
        .await
        .map_err(|error| ApiError::internal(&error))?;
    Ok(Json(Flushed { next_seq }))
}

/// Where to copy to.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct SnapshotRequest {
    /// A directory that is absent or empty: a name below the data directory's `exports`, or, over the control socket, any
    /// absolute path outside the data directory.
    #[schema(value_type = String)]
    dir: PathBuf,
}

/// What was copied.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Snapshot {
    #[schema(value_type = String)]
    dir: PathBuf,
    /// Attach this in DuckDB: `ATTACH 'ducklake:sqlite:<catalog>'`.
    #[schema(value_type = String)]
    catalog: PathBuf,
    files: u64,
    events: u64,
}

/// Writes a consistent read-only copy of the event store that DuckDB opens.
#[utoipa::path(post, path = "/api/v1/snapshot", request_body = SnapshotRequest, responses((status = 200, body = Snapshot)))]
pub(super) async fn snapshot(
    State(system): Shared,
    asking: Asking,
    Body(request): Body<SnapshotRequest>,
) -> Answer<Snapshot> {
    let permit = system
        .access
        .permit::<Export>(&asking.0, "store/snapshot")
        .await?;
    let dir = exports::directory(asking.0, &system.config(), &request.dir)?;
    system
        .flush()
        .await
        .map_err(|error| ApiError::internal(&error))?;
    let report = system
        .store
        .snapshot(&permit, &dir, &system.vault.merge_map())
        .await?;
    Ok(Json(Snapshot {
        dir,
        catalog: report.catalog,
        files: report.files,
        events: report.rows,
    }))
}
