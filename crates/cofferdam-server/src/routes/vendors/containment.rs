//! Stopping a vendor, and letting data flow again.
//!
//! Invariant: once a containment is answered, no event or profile byte leaves for the vendor, also where the answer is that it is
//! not durable.

use super::{DeliveryState, configured};
use crate::auth::Asking;
use crate::error::ApiError;
use crate::routes::api::{Answer, Shared};
use crate::routes::sent::{Body, Path};
use crate::system::System;
use axum::Json;
use axum::extract::State;
use cofferdam_access::Resume;
use cofferdam_model::{Refusal, VendorId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Why a vendor is contained.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct ContainRequest {
    /// Goes into the audit log, as a commitment.
    #[serde(default)]
    reason: String,
}

/// The vendor's state after the act.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Contained {
    state: DeliveryState,
    dropped_events: u64,
    at: i64,
}

/// Stops everything that goes to a vendor; once this answers, no event or profile byte leaves. The backlog is dropped.
#[utoipa::path(post, path = "/api/v1/vendors/{id}/contain", params(("id" = String, Path)), request_body = ContainRequest,
    responses((status = 200, body = Contained)))]
pub(crate) async fn contain(
    State(system): Shared,
    asking: Asking,
    Path(id): Path<String>,
    Body(request): Body<ContainRequest>,
) -> Answer<Contained> {
    configured(&system, &id).await?;
    let vendor = VendorId::from(id.as_str());
    let before = contained_count(&system, &vendor).await;
    system.contain(asking.0, &vendor, &request.reason).await?;
    // The counts begin anew where the worker was replaced meanwhile.
    let dropped_events = contained_count(&system, &vendor)
        .await
        .saturating_sub(before);
    Ok(Json(Contained {
        state: DeliveryState::Contained,
        dropped_events,
        at: system.clock.now().0,
    }))
}

async fn contained_count(system: &System, vendor: &VendorId) -> u64 {
    let statuses = system.egress.status().await;
    let status = statuses.iter().find(|status| status.vendor == *vendor);
    status
        .and_then(|status| status.totals.withheld.get(&Refusal::Contained).copied())
        .unwrap_or(0)
}

/// Lets data flow to a vendor again, starting with what happens from now on.
#[utoipa::path(post, path = "/api/v1/vendors/{id}/resume", params(("id" = String, Path)), responses((status = 200, body = Contained)))]
pub(crate) async fn resume(
    State(system): Shared,
    asking: Asking,
    Path(id): Path<String>,
) -> Answer<Contained> {
    configured(&system, &id).await?;
    // In the order in which they were asked for: one that is written down later would stop the vendor again.
    system.settle_containments().await?;
    let permit = system
        .access
        .permit::<Resume>(&asking.0, &format!("vendor/{id}"))
        .await?;
    system
        .egress
        .resume(&permit, &VendorId::from(id.as_str()))
        .await
        .map_err(|error| ApiError::internal(&error))?;
    Ok(Json(Contained {
        state: DeliveryState::Idle,
        dropped_events: 0,
        at: system.clock.now().0,
    }))
}
