//! What a request sends, read so that every mistake in it is answered as the API's own error.
//!
//! Invariant: an answer names the place and what is expected there, never the value that was sent.

use crate::config::problem::in_plain_words;
use crate::error::ApiError;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

/// The JSON body of a request.
#[derive(Debug)]
pub(crate) struct Body<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        // A page of somebody else can send forms and plain text here without being asked first, and no JSON.
        if !is_json(request.headers()) {
            return Err(ApiError::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "not_json",
                "send JSON, with content-type: application/json",
            ));
        }
        let body = Bytes::from_request(request, state)
            .await
            .map_err(|rejection| {
                ApiError::new(
                    rejection.status(),
                    "unreadable_body",
                    "the body is too large, or was cut off",
                )
            })?;
        let mut reader = serde_json::Deserializer::from_slice(&body);
        let read = serde_path_to_error::deserialize(&mut reader)
            .map_err(|error| unfit(&error.path().to_string(), error.inner()))?;
        reader.end().map_err(|error| unfit(".", &error))?;
        Ok(Self(read))
    }
}

/// A value within a body, read as its own type; errors have their path below `path`.
///
/// # Errors
/// [`ApiError`] where it does not fit.
pub(crate) fn value<T: DeserializeOwned>(
    value: &serde_json::Value,
    path: &str,
) -> Result<T, ApiError> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let within = error.path().to_string();
        let message = expected(&error.inner().to_string());
        if within == "." {
            ApiError::invalid(path, message)
        } else {
            ApiError::invalid(&format!("{path}.{within}"), message)
        }
    })
}

/// What stands after the question mark.
#[derive(Debug)]
pub(crate) struct Query<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match axum::extract::Query::from_request_parts(parts, state).await {
            Ok(axum::extract::Query(read)) => Ok(Self(read)),
            Err(rejection) => {
                let text = rejection.body_text();
                let text = text
                    .trim_start_matches("Failed to deserialize query string")
                    .trim_start_matches(": ");
                let (path, message) = text.split_once(": ").unwrap_or(("query", text));
                Err(ApiError::invalid(path, expected(message)))
            }
        }
    }
}

/// What a route's path names.
#[derive(Debug)]
pub(crate) struct Path<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match axum::extract::Path::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(read)) => Ok(Self(read)),
            Err(rejection) => Err(ApiError::new(
                rejection.status(),
                "invalid_request",
                "a name in the path is not percent-encoded UTF-8",
            )),
        }
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE);
    value
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

fn unfit(path: &str, error: &serde_json::Error) -> ApiError {
    let (line, column) = (error.line(), error.column());
    match error.classify() {
        Category::Data => {
            let text = error.to_string();
            let end = format!(" at line {line} column {column}");
            let message = text.strip_suffix(&end).unwrap_or(&text);
            let path = if path == "." { "body" } else { path };
            ApiError::invalid(path, expected(message))
        }
        Category::Io | Category::Syntax | Category::Eof => ApiError::new(
            StatusCode::BAD_REQUEST,
            "invalid_json",
            format!("the body is not JSON: see line {line}, column {column}"),
        ),
    }
}

/// serde's complaint without the value that it is about.
fn expected(message: &str) -> String {
    let names_value = ["invalid type: ", "invalid value: ", "unknown variant "]
        .iter()
        .any(|start| message.starts_with(start));
    let wanted = message.rsplit_once(", expected ").map(|(_, wanted)| wanted);
    match wanted.filter(|_| names_value) {
        Some(wanted) if wanted.starts_with("struct ") => "expected an object".to_owned(),
        Some(wanted) => in_plain_words(&format!("expected {wanted}")),
        None => message.to_owned(),
    }
}
