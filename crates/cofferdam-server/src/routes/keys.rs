//! The master key: rotation and backup.

use super::api::{Answer, Shared};
use super::sent::Body;
use crate::auth::Asking;
use crate::error::ApiError;
use crate::exports;
use anyhow::Context;
use axum::Json;
use axum::extract::State;
use cofferdam_access::ManageKeys;
use cofferdam_vault::MasterKey;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use utoipa::ToSchema;

/// Where the new master key is.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct RotateRequest {
    /// The file for the new key; made (0600) where it is absent: a name beside the master key in use, or, over the control
    /// socket, any absolute path outside the data directory.
    #[schema(value_type = String)]
    new_key_file: PathBuf,
}

/// What a rotation did.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Rotated {
    #[schema(value_type = String)]
    file: PathBuf,
}

/// Wraps every key by a new master key; nobody is renamed.
#[utoipa::path(post, path = "/api/v1/keys/rotate-master", request_body = RotateRequest, responses((status = 200, body = Rotated)))]
pub(super) async fn rotate_master(
    State(system): Shared,
    asking: Asking,
    Body(request): Body<RotateRequest>,
) -> Answer<Rotated> {
    let permit = system
        .access
        .permit::<ManageKeys>(&asking.0, "keys/master")
        .await?;
    let file = exports::key_file(asking.0, &system.config(), &request.new_key_file)?;
    let new = if file.try_exists().unwrap_or(false) {
        MasterKey::load(&file)?
    } else {
        MasterKey::create(&file, &*system.entropy)?
    };
    system.vault.rotate_master(&permit, new).await?;
    Ok(Json(Rotated { file }))
}

/// Who may open the backup.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct BackupRequest {
    /// age recipients (`age1…`).
    recipients: Vec<String>,
}

/// The encrypted master key.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Backup {
    /// An age file, ASCII-armored.
    age: String,
}

/// Encrypts the master key to age recipients.
#[utoipa::path(post, path = "/api/v1/keys/backup", request_body = BackupRequest, responses((status = 200, body = Backup)))]
pub(super) async fn backup(
    State(system): Shared,
    asking: Asking,
    Body(request): Body<BackupRequest>,
) -> Answer<Backup> {
    if request.recipients.is_empty() {
        return Err(ApiError::invalid(
            "recipients",
            "name at least one age recipient",
        ));
    }
    let permit = system
        .access
        .permit::<ManageKeys>(&asking.0, "keys/backup")
        .await?;
    let bytes = system.vault.backup(&permit, &request.recipients)?;
    let age = String::from_utf8(bytes)
        .context("not armored")
        .map_err(|error| ApiError::internal(error.as_ref()))?;
    Ok(Json(Backup { age }))
}
