//! Blast radius: who and what is exposed at a vendor.

use super::api::{Answer, Shared};
use super::sent::{Path, Query};
use super::vendors::Known;
use crate::auth::Asking;
use crate::config::{VendorConfig, VendorKind};
use crate::error::ApiError;
use crate::system::{PastVendor, System};
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use cofferdam_access::{Export, ReadRadius};
use cofferdam_ledger::{Basis, Coverage, Radius, RadiusRequest, Routing};
use cofferdam_model::{Category, Day, VendorId};
use serde::{Deserialize, Serialize};
use std::time::Instant;
use utoipa::ToSchema;

/// Window and basis.
#[derive(Debug, Deserialize)]
pub(super) struct RadiusQuery {
    since: Option<String>,
    until: Option<String>,
    basis: Option<String>,
}

/// A blast radius with the time that it took.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TimedRadius {
    #[serde(flatten)]
    radius: Radius,
    /// Whether the vendor is configured at present; of one that is not, the ledger still tells.
    configured: bool,
    /// Microseconds that the ledger took.
    elapsed_us: u64,
}

/// The blast radius of a vendor. Days outside coverage are gaps, not errors.
#[utoipa::path(get, path = "/api/v1/vendors/{id}/radius",
    params(("id" = String, Path), ("since" = Option<String>, Query, description = "first UTC day; default: the first of coverage, or on record"),
        ("until" = Option<String>, Query, description = "last UTC day; default: today, or the last on record"),
        ("basis" = Option<String>, Query, description = "sent (default) or held")),
    responses((status = 200, body = TimedRadius)))]
pub(super) async fn radius(
    State(system): Shared,
    asking: Asking,
    Path(id): Path<String>,
    Query(query): Query<RadiusQuery>,
) -> Answer<TimedRadius> {
    let Question {
        request,
        coverage,
        configured,
    } = prepare(&system, &id, &query).await?;
    let permit = system
        .access
        .permit::<ReadRadius>(&asking.0, &format!("vendor/{id}/radius"))
        .await?;
    let (ledger, merges) = (
        std::sync::Arc::clone(&system.ledger),
        system.vault.merge_map(),
    );
    let timed = tokio::task::spawn_blocking(move || {
        let started = Instant::now();
        let radius = ledger.radius(&permit, &request, &merges, &coverage)?;
        let elapsed_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        Ok::<_, cofferdam_ledger::LedgerError>(TimedRadius {
            radius,
            configured,
            elapsed_us,
        })
    })
    .await??;
    Ok(Json(timed))
}

/// The people of a blast radius, one JSON object a line: number, whether delivered, fields.
#[utoipa::path(get, path = "/api/v1/vendors/{id}/radius/people",
    params(("id" = String, Path), ("since" = Option<String>, Query), ("until" = Option<String>, Query), ("basis" = Option<String>, Query)),
    responses((status = 200, description = "NDJSON", content_type = "application/x-ndjson")))]
pub(super) async fn people(
    State(system): Shared,
    asking: Asking,
    Path(id): Path<String>,
    Query(query): Query<RadiusQuery>,
) -> Result<Response, ApiError> {
    let Question { request, .. } = prepare(&system, &id, &query).await?;
    let permit = system
        .access
        .permit::<Export>(&asking.0, &format!("vendor/{id}/radius/people"))
        .await?;
    let (ledger, merges) = (
        std::sync::Arc::clone(&system.ledger),
        system.vault.merge_map(),
    );
    let lines = tokio::task::spawn_blocking(move || {
        let mut lines = Vec::new();
        for person in ledger.radius_people(&permit, &request, &merges)? {
            serde_json::to_writer(&mut lines, &person).map_err(std::io::Error::from)?;
            lines.push(b'\n');
        }
        Ok::<_, anyhow::Error>(lines)
    })
    .await?
    .map_err(|error| ApiError::internal(error.as_ref()))?;
    Ok((
        [(header::CONTENT_TYPE, "application/x-ndjson")],
        Body::from(lines),
    )
        .into_response())
}

/// What the ledger is asked, and what is known beside it.
struct Question {
    request: RadiusRequest,
    coverage: Coverage,
    configured: bool,
}

async fn prepare(system: &System, id: &str, query: &RadiusQuery) -> Result<Question, ApiError> {
    let vendor = super::vendors::known(system, id).await?;
    let day = |name: &str, text: &Option<String>| match text.as_deref() {
        None | Some("") => Ok(None),
        Some(text) => Day::parse(text).map(Some).ok_or_else(|| {
            ApiError::invalid(name, format!("`{text}` is not a day; write YYYY-MM-DD"))
        }),
    };
    let today = system.clock.now().day();
    let id = VendorId::from(id);
    let coverage = match &vendor {
        Known::Configured(vendor) => {
            let first = system.vendor_since(&id).await?;
            coverage(vendor, first, today)
        }
        Known::Past(past) => past_coverage(past),
    };
    let (since, until) = (day("since", &query.since)?, day("until", &query.until)?);
    if let (Some(since), Some(until)) = (since, until)
        && until < since
    {
        return Err(ApiError::invalid("until", "until lies before since"));
    }
    let ledger = std::sync::Arc::clone(&system.ledger);
    let of = id.clone();
    let recorded = tokio::task::spawn_blocking(move || ledger.days(&of)).await??;
    let since_all = coverage.complete_from.unwrap_or(Day(0));
    let all = whole(recorded, since_all, today);
    let since = since.unwrap_or_else(|| all.0.min(until.unwrap_or(all.0)));
    let until = until.unwrap_or(all.1.max(since));
    let basis = match query.basis.as_deref() {
        None | Some("" | "sent") => Basis::Sent,
        Some("held") => Basis::Held,
        Some(_) => {
            let allowed = vec!["sent".to_owned(), "held".to_owned()];
            return Err(ApiError::invalid("basis", "unknown basis").allowed(allowed));
        }
    };
    let contract = match &vendor {
        Known::Configured(vendor) => Some(&vendor.contract),
        Known::Past(_) => None,
    };
    let retention = contract.and_then(|contract| contract.retention_days);
    let is_verified = contract.is_some_and(|contract| contract.retention_verified);
    let request = RadiusRequest {
        vendor: id,
        since,
        until,
        basis,
        retention_verified_days: retention.filter(|_| is_verified),
        retention_claimed_days: retention,
        known: Category::all()
            .filter(|category| category.key().starts_with("user.") || category.key() == "secret")
            .collect(),
    };
    Ok(Question {
        request,
        coverage,
        configured: matches!(vendor, Known::Configured(_)),
    })
}

/// All days by default: from the first of coverage to today, and further where exposures lie before or after: the clock may have been
/// wrong when they were filed, and nothing that went may be missing for that.
fn whole(recorded: Option<(Day, Day)>, since: Day, today: Day) -> (Day, Day) {
    let (first, last) = recorded.unwrap_or((since, since));
    let since = first.min(since);
    (since, last.max(today).max(since))
}

/// Of a vendor whose file is gone: what passed here while it was there. What it got since, nobody here can say.
fn past_coverage(past: &PastVendor) -> Coverage {
    Coverage {
        routing: match (past.is_routed, past.first) {
            (false, _) => Routing::None,
            (true, None) => Routing::Partial,
            (true, Some(_)) => Routing::Routed,
        },
        complete_from: past.first,
        complete_through: past.last,
        nothing_before: false,
        gaps: Vec::new(),
    }
}

/// What the ledger can know of a vendor: everything since it was declared here, if its traffic passes here.
fn coverage(vendor: &VendorConfig, first: Day, today: Day) -> Coverage {
    let routing = if vendor.kind == VendorKind::External {
        Routing::None
    } else {
        Routing::Routed
    };
    Coverage {
        routing,
        complete_from: Some(first),
        complete_through: Some(today),
        nothing_before: vendor.contract.nothing_sent_before,
        gaps: Vec::new(),
    }
}
