//! One line of an access log: `{time, key, organization?, endpoint, method, status, latency_ms, bytes?}`, checked field by field.
//!
//! Invariant: what is refused is named by line, field and reason, never by its value; an endpoint is a template, without a query and
//! without anything that looks like an id.

use cofferdam_model::TimestampMs;
use serde_json::{Map, Value};

const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
const FIELDS: [&str; 8] = [
    "time",
    "key",
    "organization",
    "endpoint",
    "method",
    "status",
    "latency_ms",
    "bytes",
];
/// Longest key and organization, bytes.
const ID_BYTES_MAX: usize = 512;
/// Longest endpoint, bytes.
const ENDPOINT_BYTES_MAX: usize = 256;
/// Longest latency, milliseconds.
const LATENCY_MS_MAX: f64 = 86_400_000.0;
/// Most bytes of an answer.
const BYTES_MAX: u64 = 1 << 50;
/// How far a sender's clock may be ahead.
const AHEAD_MS: i64 = 5 * 60_000;
/// Segments of a path from this many letters on are ids where they hold a digit.
const ID_CHARS_MIN: usize = 16;
/// What stands for an id in a template.
const PLACEHOLDER: &str = "{id}";

/// A line that counts.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Line {
    pub(crate) time: TimestampMs,
    pub(crate) key: String,
    pub(crate) organization: Option<String>,
    /// Method and template.
    pub(crate) endpoint: String,
    pub(crate) status: u16,
    pub(crate) latency_ms: f64,
    pub(crate) bytes: u64,
}

/// Why a line does not count: field and reason.
pub(crate) type Refused = (Option<&'static str>, &'static str);

/// Reads a line; `since` is the first instant that is still kept.
pub(crate) fn read(text: &str, since: TimestampMs, now: TimestampMs) -> Result<Line, Refused> {
    let object: Map<String, Value> = serde_json::from_str(text).map_err(|_| (None, "not_json"))?;
    if object.keys().any(|name| !FIELDS.contains(&name.as_str())) {
        return Err((None, "unknown_field"));
    }
    let line = Line {
        time: time(&object)?,
        key: id(&object, "key")?.ok_or((Some("key"), "missing"))?,
        organization: id(&object, "organization")?,
        endpoint: endpoint(&object)?,
        status: whole(&object, "status", 599)?
            .and_then(|status| u16::try_from(status).ok())
            .ok_or((Some("status"), "missing"))?,
        latency_ms: latency(&object)?,
        bytes: whole(&object, "bytes", BYTES_MAX)?.unwrap_or(0),
    };
    if line.status < 100 {
        return Err((Some("status"), "invalid"));
    }
    if line.time < since {
        return Err((Some("time"), "too_old"));
    }
    if line.time.0 > now.0.saturating_add(AHEAD_MS) {
        return Err((Some("time"), "in_the_future"));
    }
    Ok(line)
}

fn value<'o>(object: &'o Map<String, Value>, name: &str) -> Option<&'o Value> {
    object.get(name).filter(|value| !value.is_null())
}

/// Milliseconds since 1970, or RFC 3339 with an offset.
fn time(object: &Map<String, Value>) -> Result<TimestampMs, Refused> {
    let invalid = (Some("time"), "invalid");
    match value(object, "time") {
        None => Err((Some("time"), "missing")),
        Some(Value::Number(number)) => number.as_i64().map(TimestampMs).ok_or(invalid),
        Some(Value::String(text)) => text
            .parse::<jiff::Timestamp>()
            .map(|at| TimestampMs(at.as_millisecond()))
            .map_err(|_| invalid),
        Some(_) => Err(invalid),
    }
}

fn id(object: &Map<String, Value>, name: &'static str) -> Result<Option<String>, Refused> {
    match value(object, name) {
        None => Ok(None),
        Some(Value::String(text)) if (1..=ID_BYTES_MAX).contains(&text.len()) => {
            Ok(Some(text.clone()))
        }
        Some(Value::Number(number)) => Ok(Some(number.to_string())),
        Some(_) => Err((Some(name), "invalid")),
    }
}

fn whole(
    object: &Map<String, Value>,
    name: &'static str,
    max: u64,
) -> Result<Option<u64>, Refused> {
    let number = value(object, name).map(|value| value.as_u64().filter(|number| *number <= max));
    match number {
        None => Ok(None),
        Some(None) => Err((Some(name), "invalid")),
        Some(number) => Ok(number),
    }
}

fn latency(object: &Map<String, Value>) -> Result<f64, Refused> {
    let name = Some("latency_ms");
    let value = value(object, "latency_ms").ok_or((name, "missing"))?;
    let allowed = |latency: &f64| (0.0..=LATENCY_MS_MAX).contains(latency);
    value.as_f64().filter(allowed).ok_or((name, "invalid"))
}

fn endpoint(object: &Map<String, Value>) -> Result<String, Refused> {
    let (of_method, of_path) = (Some("method"), Some("endpoint"));
    let method = value(object, "method").ok_or((of_method, "missing"))?;
    let method = method.as_str().unwrap_or_default().to_ascii_uppercase();
    if !METHODS.contains(&method.as_str()) {
        return Err((of_method, "invalid"));
    }
    let path = value(object, "endpoint").ok_or((of_path, "missing"))?;
    let path = path.as_str().unwrap_or_default();
    let plain =
        |letter: char| letter.is_ascii_graphic() && !matches!(letter, '?' | '#' | '"' | '\\');
    let fits = path.starts_with('/') && path.len() <= ENDPOINT_BYTES_MAX && path.chars().all(plain);
    if !fits {
        return Err((of_path, "invalid"));
    }
    let segments: Vec<&str> = path
        .split('/')
        .map(|segment| if is_id(segment) { PLACEHOLDER } else { segment })
        .collect();
    Ok(format!("{method} {}", segments.join("/")))
}

/// Whether a part of a path looks like an id, an address or anything else that is one thing's own.
fn is_id(segment: &str) -> bool {
    if segment.starts_with([':', '{', '<']) || segment == "*" {
        return false;
    }
    let has_digit = segment.contains(|letter: char| letter.is_ascii_digit());
    let is_number = has_digit
        && segment
            .chars()
            .all(|letter| letter.is_ascii_digit() || matches!(letter, '-' | '.'));
    is_number || segment.contains(['@', '%', '=']) || (has_digit && segment.len() >= ID_CHARS_MIN)
}

#[cfg(test)]
mod tests {
    use super::{Line, read};
    use cofferdam_model::TimestampMs;
    use serde_json::{Value, json};

    const NOW: TimestampMs = TimestampMs(1_780_315_200_000);
    const SINCE: TimestampMs = TimestampMs(1_780_000_000_000);

    fn line(changes: &[(&str, Value)]) -> String {
        let mut line = json!({ "time": NOW.0 - 1000, "key": "sk-live-1", "organization": "org-1", "endpoint": "/v1/models",
            "method": "get", "status": 200, "latency_ms": 12.5, "bytes": 100 });
        for (name, value) in changes {
            line[*name] = value.clone();
        }
        line.to_string()
    }

    #[test]
    fn a_line_is_read_field_by_field() {
        let read_line = read(
            &line(&[("time", json!("2026-06-01T13:59:59+02:00"))]),
            SINCE,
            NOW,
        );
        assert_eq!(
            read_line,
            Ok(Line {
                time: TimestampMs(NOW.0 - 1000),
                key: "sk-live-1".to_owned(),
                organization: Some("org-1".to_owned()),
                endpoint: "GET /v1/models".to_owned(),
                status: 200,
                latency_ms: 12.5,
                bytes: 100,
            })
        );
    }

    #[test]
    fn what_does_not_fit_is_named_by_field_and_reason() {
        for (name, value, reason) in [
            ("time", json!(null), "missing"),
            ("time", json!("yesterday"), "invalid"),
            ("time", json!(NOW.0 + 600_000), "in_the_future"),
            ("time", json!(5), "too_old"),
            ("key", json!(null), "missing"),
            ("key", json!(""), "invalid"),
            ("key", json!(["x"]), "invalid"),
            ("organization", json!(true), "invalid"),
            ("endpoint", json!("/v1/models?user=bob"), "invalid"),
            ("endpoint", json!("/v1/a b"), "invalid"),
            ("endpoint", json!("v1"), "invalid"),
            ("method", json!("BREW"), "invalid"),
            ("status", json!(99), "invalid"),
            ("status", json!(600), "invalid"),
            ("status", json!("200"), "invalid"),
            ("latency_ms", json!(-1), "invalid"),
            ("latency_ms", json!(null), "missing"),
            ("bytes", json!(1.5), "invalid"),
        ] {
            assert_eq!(
                read(&line(&[(name, value.clone())]), SINCE, NOW),
                Err((Some(name), reason)),
                "{name} {value}"
            );
        }
        assert_eq!(
            read(&line(&[("ip", json!("10.0.0.1"))]), SINCE, NOW),
            Err((None, "unknown_field"))
        );
        assert_eq!(read("{", SINCE, NOW), Err((None, "not_json")));
    }

    #[test]
    fn an_endpoint_becomes_a_template() {
        for (path, template) in [
            ("/v1/users/17/keys", "GET /v1/users/{id}/keys"),
            ("/v1/users/:id", "GET /v1/users/:id"),
            ("/v1/users/{user_id}", "GET /v1/users/{user_id}"),
            (
                "/files/7c9e6679-7425-40de-944b-e07fc1f90ae7",
                "GET /files/{id}",
            ),
            ("/mail/bob@example.org", "GET /mail/{id}"),
            ("/v1/chat/completions", "GET /v1/chat/completions"),
            ("/days/2026-06-01", "GET /days/{id}"),
            ("/", "GET /"),
        ] {
            let read = read(&line(&[("endpoint", json!(path))]), SINCE, NOW).unwrap();
            assert_eq!(read.endpoint, template);
        }
    }
}
