//! Imports: begin, hand over lines, end. One permit and one audit leaf a run.
//!
//! Invariant: whoever hands over lines is whom the run was permitted to.

use super::api::{Answer, Shared, known_project};
use super::sent::{Body, Path, Query};
use crate::auth::Asking;
use crate::error::ApiError;
use crate::imports::{ImportError, ImportReport, Job};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use cofferdam_access::Import;
use cofferdam_model::VendorId;
use cofferdam_wire::Rejected;
use cofferdam_wire::export::{ExportFormat, LINE_BYTES_MAX};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Largest stretch, bytes: lines of some megabytes, and the longest one that passed them.
const STRETCH_BYTES_MAX: usize = 2 * LINE_BYTES_MAX;
/// Most lines of a stretch.
const STRETCH_LINES_MAX: usize = 10_000;

const FORMATS: [(ExportFormat, &str); 3] = [
    (ExportFormat::MixpanelEvents, "mixpanel_events"),
    (ExportFormat::MixpanelPeople, "mixpanel_people"),
    (ExportFormat::PosthogEvents, "posthog_events"),
];

/// What is to be imported.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct ImportRequest {
    project: String,
    /// `mixpanel_events`, `mixpanel_people` or `posthog_events`.
    format: String,
    /// SHA-256 of the whole input, or of its beginning where it can be read only once; 64 hex digits.
    fingerprint: String,
    /// Whether the fingerprint is of the whole input: then the run goes on where an earlier one ended.
    #[serde(default)]
    resumable: bool,
    /// The vendor that had all of this in clear: the ledger learns it.
    as_sent_to: Option<String>,
}

/// A run.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Begun {
    /// Its id; it is forgotten when the server stops.
    run: String,
    /// Lines that are done with: go on behind them.
    lines: u64,
    /// Whether an earlier run came to the end.
    is_done: bool,
    report: ImportReport,
}

/// Begins an import, or goes on with one. Recorded in the audit log; nothing of it is sent to any vendor.
#[utoipa::path(post, path = "/api/v1/imports", request_body = ImportRequest, responses((status = 200, body = Begun)))]
pub(super) async fn begin(
    State(system): Shared,
    asking: Asking,
    Body(request): Body<ImportRequest>,
) -> Answer<Begun> {
    let project = known_project(&system, &request.project)?;
    let format = FORMATS.iter().find(|(_, name)| *name == request.format);
    let format = format.ok_or_else(|| {
        let allowed = FORMATS.map(|(_, name)| name.to_owned());
        ApiError::invalid("format", "unknown format").allowed(allowed.into())
    })?;
    let mut hash = [0; 32];
    hex::decode_to_slice(&request.fingerprint, &mut hash)
        .map_err(|_| ApiError::invalid("fingerprint", "a fingerprint is 64 hex digits"))?;
    let as_sent_to = match &request.as_sent_to {
        None => None,
        Some(id) => {
            super::vendors::known(&system, id).await?;
            Some(VendorId::from(id.as_str()))
        }
    };
    let resource = format!("project/{project}/import");
    let vendor = as_sent_to.as_ref().map_or("", |vendor| vendor.as_str());
    let details = [("format", format.1), ("as_sent_to", vendor)];
    let permit = system
        .access
        .permit_with::<Import>(&asking.0, &resource, Some(hash), &details)
        .await?;
    let job = Job {
        project,
        format: *format,
        fingerprint: hex::encode(hash),
        as_sent_to,
        resumable: request.resumable,
    };
    let (run, progress) = system.begin_import(permit, job).await?;
    Ok(Json(Begun {
        run,
        lines: progress.lines,
        is_done: progress.is_done,
        report: progress.report,
    }))
}

/// Where a stretch begins.
#[derive(Debug, Deserialize)]
pub(super) struct Place {
    from: u64,
}

/// What of a stretch was not kept.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Taken {
    rejected: Vec<RejectedLine>,
}

/// A line, or an item of it, that was not kept; never what it says.
#[derive(Debug, Serialize, ToSchema)]
struct RejectedLine {
    /// Line of the stretch, from 0.
    line: u32,
    /// Stable code.
    code: &'static str,
    /// What is wrong, without any value.
    message: &'static str,
    /// The place, e.g. `properties.time`; empty for the whole line.
    path: &'static str,
}

/// Takes the lines that begin at line `from` of the input (from 0), as NDJSON. They are durable when this answers, and done with
/// when the next lines or the end are sent.
#[utoipa::path(post, path = "/api/v1/imports/{run}/lines", params(("run" = String, Path), ("from" = u64, Query)),
    request_body(content = String, content_type = "application/x-ndjson"), responses((status = 200, body = Taken)))]
pub(super) async fn lines(
    State(system): Shared,
    asking: Asking,
    Path(run): Path<String>,
    Query(Place { from }): Query<Place>,
    headers: HeaderMap,
    body: axum::body::Body,
) -> Answer<Taken> {
    let content_type = headers.get(header::CONTENT_TYPE);
    if content_type.is_none_or(|value| value != "application/x-ndjson") {
        return Err(ApiError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "not_ndjson",
            "send lines of JSON, with content-type: application/x-ndjson",
        ));
    }
    let bytes = axum::body::to_bytes(body, STRETCH_BYTES_MAX).await;
    let bytes = bytes.map_err(|_| {
        ApiError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "unreadable_body",
            format!("the body is larger than {STRETCH_BYTES_MAX} bytes, or was cut off"),
        )
    })?;
    let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
    if lines > STRETCH_LINES_MAX {
        let message = format!("at most {STRETCH_LINES_MAX} lines at a time");
        return Err(ApiError::invalid("body", message));
    }
    system.imports.check(&run, asking.0).await?;
    // What takes the processor is done beside the requests, not among them.
    let runtime = tokio::runtime::Handle::current();
    let taking = move || runtime.block_on(system.import_lines(&run, from, bytes.into()));
    let rejected = tokio::task::spawn_blocking(taking).await??;
    Ok(Json(Taken {
        rejected: rejected.iter().map(RejectedLine::of).collect(),
    }))
}

impl RejectedLine {
    fn of(rejected: &Rejected) -> Self {
        Self {
            line: rejected.index,
            code: rejected.refusal.code(),
            message: rejected.message,
            path: rejected.field,
        }
    }
}

/// How long the input was.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct EndRequest {
    /// Lines of the whole input.
    lines: u64,
}

/// Ends an import: what became of all of it.
#[utoipa::path(post, path = "/api/v1/imports/{run}/end", params(("run" = String, Path)), request_body = EndRequest,
    responses((status = 200, body = ImportReport)))]
pub(super) async fn end(
    State(system): Shared,
    asking: Asking,
    Path(run): Path<String>,
    Body(request): Body<EndRequest>,
) -> Answer<ImportReport> {
    system.imports.check(&run, asking.0).await?;
    Ok(Json(system.end_import(&run, request.lines).await?))
}

impl From<ImportError> for ApiError {
    fn from(error: ImportError) -> Self {
        let status = match &error {
            ImportError::NoSuchRun => (StatusCode::CONFLICT, "no_such_run"),
            ImportError::NotNext { .. } => (StatusCode::CONFLICT, "not_the_next_line"),
            ImportError::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
            ImportError::Ledger(_)
            | ImportError::Policies(_)
            | ImportError::Database(_)
            | ImportError::Task(_) => return Self::internal(&error),
        };
        Self::new(status.0, status.1, error.to_string())
    }
}
