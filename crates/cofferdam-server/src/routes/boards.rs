//! What teams keep: saved reports, dashboards, annotations, cohorts, alerts, digests, and running them.
//!
//! Invariant: running what is kept goes through the handlers of the reports themselves, with their permits, folding and limits.

pub(crate) mod alerts;
pub(crate) mod annotations;
pub(crate) mod cohorts;
pub(crate) mod dashboards;
pub(crate) mod digests;
pub(crate) mod run;
pub(crate) mod saved;

use super::sent::Path;
use crate::auth::Asking;
use crate::error::ApiError;
use crate::system::System;
use cofferdam_access::{Permit, ReadReport, WriteAlert, WriteReport};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Which are listed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OfProject {
    project: Option<String>,
}

/// Which older version becomes the current one again.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Restore {
    /// The older version.
    restore: u32,
    /// The current one, as it was seen.
    version: u32,
}

/// How a thing is deleted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Deletion {
    /// Whether it also goes from what shows it.
    #[serde(default)]
    force: bool,
}

/// It is gone.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Deleted {
    /// What was deleted.
    id: u64,
}

/// The number in a route's path.
fn number(noun: &str, Path(name): &Path<String>) -> Result<u64, ApiError> {
    name.parse()
        .map_err(|_| ApiError::not_found(noun, name, &[]))
}

/// The project of a body: one that there is.
fn sent_project(system: &System, name: &str) -> Result<(), ApiError> {
    let config = system.config();
    let known = config
        .projects
        .iter()
        .map(|project| project.name.to_string());
    let known: Vec<String> = known.collect();
    if known.iter().any(|known| known == name) {
        return Ok(());
    }
    Err(ApiError::invalid("project", format!("there is no project `{name}`")).allowed(known))
}

async fn reading(
    system: &System,
    asking: &Asking,
    resource: &str,
) -> Result<Permit<ReadReport>, ApiError> {
    Ok(system.access.permit(&asking.0, resource).await?)
}

async fn watching(
    system: &System,
    asking: &Asking,
    resource: &str,
) -> Result<Permit<WriteAlert>, ApiError> {
    Ok(system.access.permit(&asking.0, resource).await?)
}

async fn writing(
    system: &System,
    asking: &Asking,
    resource: &str,
) -> Result<Permit<WriteReport>, ApiError> {
    Ok(system.access.permit(&asking.0, resource).await?)
}
