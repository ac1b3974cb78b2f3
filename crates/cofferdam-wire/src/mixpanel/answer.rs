//! The exact answers that Mixpanel's SDKs accept.
//!
//! The server states what became of the request; the bytes, type, status and headers come from here. CORS headers are the
//! server's to add, on all of them ([`super::cors_headers`]).
//! Invariant: a body of `1` (or `"status":1`) is only ever given with status 200 after a durable append; the statuses follow the
//! SDKs' retry tables (other 4xx make them drop the batch, 413 halves it, 429 and 5xx repeat it).

use super::endpoint::Endpoint;
use super::style::{AnswerStyle, ImportReport};
use crate::batch::Rejected;
use crate::error::Malformed;
use cofferdam_model::Refusal;
use serde::Serialize;
use std::borrow::Cow;

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome<'a> {
    /// What could be kept is durable. Items that policy drops on purpose and duplicates count as kept: the sender did nothing wrong.
    Kept {
        /// Items that were read and are durable, or need not be.
        items: u32,
        /// Items that were not kept, by index.
        rejected: &'a [Rejected],
    },
    /// The request could not be read.
    Malformed(Malformed),
    /// No project has this token, or the credentials are wrong.
    Unauthorized,
    /// The page's origin is not one of the project's.
    OriginNotAllowed,
    /// The method is not one of the endpoint's.
    MethodNotAllowed,
    /// Too much for now, try again.
    RateLimited {
        /// When, seconds.
        retry_after_s: u32,
    },
    /// Durability cannot be promised, try again.
    Unavailable {
        /// When, seconds.
        retry_after_s: u32,
    },
}

/// An HTTP answer, without CORS headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// `Content-Type`.
    pub content_type: &'static str,
    /// Further headers, lower-case names.
    pub headers: Vec<(&'static str, Cow<'static, str>)>,
    /// The body.
    pub body: Cow<'static, [u8]>,
}

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";
const SCRIPT: &[u8] = b"/* Cofferdam serves no remote script: bundle the SDK with the page. */\n";
/// A transparent GIF of one pixel.
const PIXEL: &[u8] = &[
    0x47, 0x49, 0x46, 0x38, 0x39, 0x61, 1, 0, 1, 0, 0x80, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0x21,
    0xF9, 4, 1, 0, 0, 0, 0, 0x2C, 0, 0, 0, 0, 1, 0, 1, 0, 0, 2, 2, 0x44, 1, 0, 0x3B,
];

/// The answer of an endpoint.
#[must_use]
pub fn answer(style: &AnswerStyle, endpoint: Endpoint, outcome: &Outcome<'_>) -> Answer {
    let (status, error) = status_and_error(outcome);
    let mut headers = vec![("cache-control", Cow::Borrowed("no-store"))];
    if let Outcome::RateLimited { retry_after_s } | Outcome::Unavailable { retry_after_s } = outcome
    {
        headers.push(("retry-after", Cow::Owned(retry_after_s.to_string())));
    }
    if *outcome == Outcome::MethodNotAllowed {
        headers.push(("allow", Cow::Borrowed("GET, POST, OPTIONS")));
    }
    let (status, content_type, body) = match endpoint {
        Endpoint::Script => {
            headers.push(("x-content-type-options", Cow::Borrowed("nosniff")));
            (
                status,
                "text/javascript; charset=utf-8",
                Cow::Borrowed(if error.is_none() { SCRIPT } else { b"" }),
            )
        }
        _ if style.image => (status, "image/gif", Cow::Borrowed(PIXEL)),
        Endpoint::Import if style.import_report != ImportReport::Short => {
            report(style, status, outcome)
        }
        Endpoint::Track | Endpoint::Engage | Endpoint::Groups | Endpoint::Import => {
            short(*style, status, error)
        }
        _ => (
            status,
            JSON,
            Cow::Borrowed(knowing(endpoint, error.is_none())),
        ),
    };
    Answer {
        status,
        content_type,
        headers,
        body,
    }
}

/// The status, and the error where the answer is not a success.
fn status_and_error(outcome: &Outcome<'_>) -> (u16, Option<&'static str>) {
    match outcome {
        Outcome::Kept { items: 0, rejected } => {
            let fault = rejected.iter().find(|rejected| is_senders_fault(rejected));
            (200, fault.map(|rejected| rejected.message))
        }
        Outcome::Kept { .. } => (200, None),
        Outcome::Malformed(Malformed::TooLarge { .. } | Malformed::TooManyItems { .. }) => {
            (413, Some("request too large"))
        }
        Outcome::Malformed(_) => (400, Some("request could not be read")),
        Outcome::Unauthorized => (401, Some("invalid token or credentials")),
        Outcome::OriginNotAllowed => (403, Some("origin not allowed")),
        Outcome::MethodNotAllowed => (405, Some("method not allowed")),
        Outcome::RateLimited { .. } => (429, Some("rate limited")),
        Outcome::Unavailable { .. } => (503, Some("temporarily unavailable")),
    }
}

/// Whether an SDK should hear of a refusal: an event about nobody, or about somebody forgotten, is counted and left out, and an
/// application that sends one as it always did must not be made to raise.
fn is_senders_fault(rejected: &Rejected) -> bool {
    !matches!(
        rejected.refusal,
        Refusal::RefusedId | Refusal::Forgotten | Refusal::Ignored | Refusal::Duplicate
    )
}

/// `1` and `0`, or with `verbose` the JSON that the Python SDK compares.
fn short(
    style: AnswerStyle,
    status: u16,
    error: Option<&'static str>,
) -> (u16, &'static str, Cow<'static, [u8]>) {
    #[derive(Serialize)]
    struct Short {
        status: u8,
        error: Option<&'static str>,
    }
    let body = match (style.verbose, error) {
        (false, None) => return (status, TEXT, Cow::Borrowed(b"1")),
        (false, Some(_)) => return (status, TEXT, Cow::Borrowed(b"0")),
        (true, error) => Short {
            status: u8::from(error.is_none()),
            error,
        },
    };
    (status, JSON, to_body(&body))
}

/// The report of `/import`: a partial success has status 400, and what it does not list is in.
fn report(
    style: &AnswerStyle,
    status: u16,
    outcome: &Outcome<'_>,
) -> (u16, &'static str, Cow<'static, [u8]>) {
    #[derive(Serialize)]
    struct Report<'a> {
        code: u16,
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        failed_records: Option<Vec<Failed<'a>>>,
        num_records_imported: u32,
        status: &'a str,
    }
    #[derive(Serialize)]
    struct Failed<'a> {
        index: u32,
        field: &'a str,
        message: &'a str,
    }
    let (items, rejected) = match outcome {
        Outcome::Kept { items, rejected } => (*items, *rejected),
        _ => (0, [].as_slice()),
    };
    let failed: Vec<_> = rejected
        .iter()
        .map(|rejected| Failed {
            index: rejected.index,
            field: rejected.field,
            message: rejected.message,
        })
        .collect();
    let (_, error) = status_and_error(outcome);
    let strict = style.import_report == ImportReport::Strict;
    let (code, error) = match (status, failed.is_empty()) {
        (200, false) if strict => (
            400,
            Some("some data points in the request failed validation"),
        ),
        (200, _) => (200, None),
        _ => (status, error),
    };
    let text = match code {
        200 => "OK",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        405 => "Method Not Allowed",
        413 => "Payload Too Large",
        429 => "Too Many Requests",
        _ => "Service Unavailable",
    };
    let body = Report {
        code,
        error,
        failed_records: (strict && !failed.is_empty()).then_some(failed),
        num_records_imported: items,
        status: text,
    };
    (code, JSON, to_body(&body))
}

fn to_body(value: &impl Serialize) -> Cow<'static, [u8]> {
    Cow::Owned(serde_json::to_vec(value).unwrap_or_else(|_| b"{}".to_vec()))
}

/// What the endpoints that keep nothing say: no flags, no recording, no remote settings.
fn knowing(endpoint: Endpoint, success: bool) -> &'static [u8] {
    match endpoint {
        _ if !success => br#"{"error":"request refused","status":"error"}"#,
        Endpoint::Flags => br#"{"flags":{},"pending_first_time_events":[]}"#,
        Endpoint::FlagDefinitions => br#"{"flags":[]}"#,
        Endpoint::Settings => br#"{"recording":{"is_enabled":false},"sdk_config":{"config":{}}}"#,
        Endpoint::Decide => br#"{"automatic_events":false,"config":{"enable_collect_everything":false},"event_bindings":[],"notifications":[],"surveys":[],"variants":[]}"#,
        Endpoint::Record => br#"{"code":200,"status":"OK"}"#,
        _ => b"{}",
    }
}

#[cfg(test)]
mod tests;
