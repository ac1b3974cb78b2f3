//! `POST /api/v1/usage` on the intake: access-log lines of the platform's own servers.
//!
//! Sent with the project's import secret, never from a browser: there is no CORS here.
//! Invariant: 200 means that what was accepted is durable; no answer and no log repeats anything of a line.

use super::{BODY_TIMEOUT, Intake, Unread, text};
use crate::error::ApiError;
use crate::usage::UsageAnswer;
use crate::usage::table::{UsageError, kept_since};
use axum::Json;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cofferdam_model::{ProjectName, Provenance};
use hyper::body::Incoming;

/// The route.
pub(super) const PATH: &str = "/api/v1/usage";
/// The sender's name of a batch, by which it is known when it is sent again.
const BATCH_ID: HeaderName = HeaderName::from_static("x-batch-id");
/// Longest name of a batch, bytes.
const BATCH_ID_BYTES_MAX: usize = 200;

/// Answers one request.
pub(super) async fn answer(intake: &Intake, parts: &Parts, body: Incoming) -> Response {
    match take(intake, parts, body).await {
        Ok(answer) => {
            let status = if answer.accepted == 0 && answer.refused > 0 {
                StatusCode::UNPROCESSABLE_ENTITY
            } else {
                StatusCode::OK
            };
            (status, Json(answer)).into_response()
        }
        Err(error) => error.into_response(),
    }
}

async fn take(intake: &Intake, parts: &Parts, body: Incoming) -> Result<UsageAnswer, ApiError> {
    if parts.method != Method::POST {
        let message = "send lines with POST";
        return Err(ApiError::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            message,
        ));
    }
    let project = project(intake, &parts.headers)?;
    if parts.headers.contains_key(header::CONTENT_ENCODING) {
        let message = "send the lines as they are, without content-encoding";
        return Err(ApiError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "encoded",
            message,
        ));
    }
    let limit = intake.pipeline.limits.body_bytes_max;
    let body = match tokio::time::timeout(BODY_TIMEOUT, intake.bodies.read(body, limit)).await {
        Ok(Ok(body)) => body,
        Ok(Err(Unread::TooLarge)) => {
            let message = format!("a batch has at most {limit} bytes");
            return Err(ApiError::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "too_large",
                message,
            ));
        }
        Ok(Err(Unread::Full)) => return Err(unavailable("other requests hold all memory")),
        Err(_) => {
            let message = "the body did not come in time";
            return Err(ApiError::new(
                StatusCode::REQUEST_TIMEOUT,
                "timeout",
                message,
            ));
        }
    };
    let id = text(&parts.headers, &BATCH_ID);
    if id.is_some_and(|id| id.is_empty() || id.len() > BATCH_ID_BYTES_MAX) {
        let message = format!("x-batch-id has from 1 to {BATCH_ID_BYTES_MAX} bytes");
        return Err(ApiError::invalid("x-batch-id", message));
    }
    let system = &intake.system;
    let now = system.clock.now();
    let since = kept_since(now, system.config().store.usage_retention_days);
    let taken = system
        .usage
        .take(&system.vault, &project, (id, &body.bytes), since, now)
        .await;
    taken.map_err(|error| match error {
        UsageError::OtherBatch => {
            ApiError::new(StatusCode::CONFLICT, "other_batch", error.to_string())
        }
        UsageError::TooManyLines => ApiError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_many_lines",
            error.to_string(),
        ),
        UsageError::Database(ref cause) => {
            tracing::error!(error = %cause, "a batch of usage could not be written");
            unavailable("the lines cannot be written now; send them again")
        }
    })
}

fn unavailable(message: &str) -> ApiError {
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message)
}

/// The project whose import secret was sent.
fn project(intake: &Intake, headers: &HeaderMap) -> Result<ProjectName, ApiError> {
    let secret = text(headers, &header::AUTHORIZATION).and_then(secret);
    let projects = intake.pipeline.projects();
    let shown = projects.shown(secret.as_deref());
    match projects.standing(None, shown) {
        Some((project, Provenance::Verified)) => Ok(project.name.clone()),
        _ => Err(ApiError::new(
            StatusCode::UNAUTHORIZED,
            "no_secret",
            "send the project's import secret: `Authorization: Basic` with it as the user, or `Bearer`",
        )),
    }
}

/// The secret of `Basic secret:` or `Bearer secret`.
fn secret(header: &str) -> Option<String> {
    let (scheme, rest) = header.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(rest.trim().to_owned());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(rest.trim()).ok()?).ok()?;
    let user = decoded.split_once(':').map(|(user, _)| user.to_owned());
    Some(user.unwrap_or(decoded))
}
