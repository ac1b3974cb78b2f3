//! Gaps that operators declare: days for which the ledger cannot know what went to a vendor.

use super::api::{Answer, Shared};
use super::sent::Body;
use crate::auth::Asking;
use crate::error::ApiError;
use axum::Json;
use axum::extract::State;
use cofferdam_access::WriteConfig;
use cofferdam_ledger::Gap;
use cofferdam_model::{Day, VendorId};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// Days that are unknown, inclusive.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct GapRequest {
    /// The vendor; absent: every one.
    vendor: Option<String>,
    /// First UTC day.
    since: String,
    /// Last UTC day.
    until: String,
    /// Shown with the gap wherever it matters.
    reason: String,
}

/// The gap that is now on record.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct GapRecorded {
    #[schema(required)]
    vendor: Option<String>,
    since: String,
    until: String,
    reason: String,
}

/// Declares days for which it is not known what a vendor got, such as those since the copy that was restored. It is never taken
/// back: over it nothing is called not exposed. So it holds no day after today.
#[utoipa::path(post, path = "/api/v1/gaps", request_body = GapRequest, responses((status = 200, body = GapRecorded)))]
pub(super) async fn declare(
    State(system): Shared,
    asking: Asking,
    Body(request): Body<GapRequest>,
) -> Answer<GapRecorded> {
    let day = |name: &str, text: &str| {
        Day::parse(text).ok_or_else(|| {
            ApiError::invalid(name, format!("`{text}` is not a day; write YYYY-MM-DD"))
        })
    };
    let gap = Gap {
        since: day("since", &request.since)?,
        until: day("until", &request.until)?,
        reason: request.reason.trim().to_owned(),
    };
    if gap.until < gap.since {
        return Err(ApiError::invalid("until", "until lies before since"));
    }
    let today = system.clock.now().day();
    if today < gap.until {
        let message =
            format!("today is {today}: a gap cannot be taken back, so it ends there at the latest");
        return Err(ApiError::invalid("until", message));
    }
    if gap.reason.is_empty() || gap.reason.len() > 255 {
        return Err(ApiError::invalid(
            "reason",
            "say in a few words why the days are unknown",
        ));
    }
    if let Some(vendor) = &request.vendor {
        super::vendors::known(&system, vendor).await?;
    }
    let resource = request.vendor.as_ref().map_or_else(
        || "vendors/gap".to_owned(),
        |vendor| format!("vendor/{vendor}/gap"),
    );
    let days = format!("{} to {}", gap.since, gap.until);
    let details = [("days", days.as_str()), ("reason", gap.reason.as_str())];
    let _permit = system
        .access
        .permit_with::<WriteConfig>(&asking.0, &resource, None, &details)
        .await?;
    let answer = GapRecorded {
        since: gap.since.to_string(),
        until: gap.until.to_string(),
        reason: gap.reason.clone(),
        vendor: request.vendor.clone(),
    };
    let (ledger, vendor) = (
        Arc::clone(&system.ledger),
        request.vendor.as_deref().map(VendorId::from),
    );
    tokio::task::spawn_blocking(move || ledger.gap(vendor.as_ref(), &gap)).await??;
    Ok(Json(answer))
}
