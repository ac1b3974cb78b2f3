//! The API board: what the platform's API was asked, how often it failed, and how long it took.

use super::api::{Answer, Shared, known_project};
use super::sent::Body;
use crate::auth::Asking;
use crate::usage::{UsageReport, UsageReportRequest};
use axum::Json;
use axum::extract::State;
use cofferdam_access::ReadReport;

/// Requests, errors and latency percentiles of the platform's own API over time, by key, organization and endpoint.
#[utoipa::path(post, path = "/api/v1/usage/report", request_body = UsageReportRequest,
    operation_id = "usage_report", responses((status = 200, body = UsageReport)))]
pub(super) async fn report(
    State(system): Shared,
    asking: Asking,
    Body(request): Body<UsageReportRequest>,
) -> Answer<UsageReport> {
    let project = known_project(&system, &request.project)?;
    let permit = system
        .access
        .permit::<ReadReport>(&asking.0, &format!("project/{project}/usage"))
        .await?;
    let now = system.clock.now();
    let report = system.usage.report(&permit, &system.vault, &request, now);
    Ok(Json(report.await?))
}
