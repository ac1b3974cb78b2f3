//! The one place where errors become HTTP: status, stable code, public message. The internal chain is logged once, here.
//!
//! Invariant: a message names keys, paths and limits, never a payload value, token or address.

use crate::system::ContainError;
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use cofferdam_access::AccessError;
use cofferdam_query::QueryError;
use cofferdam_vault::VaultError;
use serde::Serialize;
use utoipa::ToSchema;

/// An API error as sent.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ErrorBody {
    /// Stable code.
    pub code: &'static str,
    /// What is wrong and what to do.
    pub message: String,
    /// JSON path of what is wrong, e.g. `events[0].event`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Where `path` is a text of several lines: the line, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// The column, in characters, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<u64>,
    /// What is allowed there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allowed: Vec<String>,
    /// Near names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub suggestions: Vec<String>,
}

/// The envelope of every error.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ErrorEnvelope {
    /// The error.
    pub error: ErrorBody,
}

/// An error on its way to the caller.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    body: Box<ErrorBody>,
}

impl ApiError {
    /// An error with status, code and message.
    #[must_use]
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        let body = Box::new(ErrorBody {
            code,
            message: message.into(),
            path: None,
            line: None,
            column: None,
            allowed: Vec::new(),
            suggestions: Vec::new(),
        });
        Self { status, body }
    }

    /// 404 for something that has a name.
    #[must_use]
    pub fn not_found(what: &str, name: &str, known: &[&str]) -> Self {
        let mut error = Self::new(
            StatusCode::NOT_FOUND,
            "not_found",
            format!("there is no {what} `{name}`"),
        );
        error.body.allowed = known.iter().map(|&name| name.to_owned()).collect();
        error
    }

    /// 422 for a request that makes no sense.
    #[must_use]
    pub fn invalid(path: &str, message: impl Into<String>) -> Self {
        let mut error = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_request", message);
        error.body.path = Some(path.to_owned());
        error
    }

    /// 422 for a text of the request, with the line and column where it goes wrong.
    #[must_use]
    pub fn invalid_text(path: &str, at: Option<(u64, u64)>, message: String) -> Self {
        let Some((line, column)) = at else {
            return Self::invalid(path, message);
        };
        let mut error = Self::invalid(path, format!("line {line}, column {column}: {message}"));
        error.body.line = Some(line);
        error.body.column = Some(column);
        error
    }

    /// 500; the chain of causes is logged and not sent.
    #[must_use]
    pub fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        let mut chain = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            chain.push_str(": ");
            chain.push_str(&cause.to_string());
            source = cause.source();
        }
        tracing::error!(error = chain, "a request failed");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "something broke; the server's log says what",
        )
    }

    /// What it says to whoever asked.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.body.message
    }

    /// With its path below another: `events[0]` below `request` is `request.events[0]`.
    #[must_use]
    pub fn below(mut self, parent: &str) -> Self {
        self.body.path = self.body.path.map(|path| format!("{parent}.{path}"));
        self
    }

    /// With its path in other words.
    #[must_use]
    pub fn renamed(mut self, words: impl FnOnce(&str) -> String) -> Self {
        self.body.path = self.body.path.map(|path| words(&path));
        self
    }

    /// With what is allowed.
    #[must_use]
    pub fn allowed(mut self, allowed: Vec<String>) -> Self {
        self.body.allowed = allowed;
        self
    }

    /// With near names.
    #[must_use]
    pub fn suggestions(mut self, suggestions: Vec<String>) -> Self {
        self.body.suggestions = suggestions;
        self
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let retry = self.status == StatusCode::SERVICE_UNAVAILABLE;
        let mut response = (self.status, Json(ErrorEnvelope { error: *self.body })).into_response();
        if retry {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response
    }
}

impl From<AccessError> for ApiError {
    fn from(error: AccessError) -> Self {
        match &error {
            AccessError::Denied {
                actor: "stranger", ..
            } => Self::new(
                StatusCode::UNAUTHORIZED,
                "sign_in",
                "sign in: send the token of data/admin.token as a bearer token",
            ),
            AccessError::Denied { .. } => {
                Self::new(StatusCode::FORBIDDEN, "denied", error.to_string())
            }
            _ => {
                let mut unrecorded = Self::internal(&error);
                unrecorded.status = StatusCode::SERVICE_UNAVAILABLE;
                unrecorded.body.code = "not_recorded";
                "the audit log cannot be written, and nothing is done or shown without a record; is the disk full? The server's log says why"
                    .clone_into(&mut unrecorded.body.message);
                unrecorded
            }
        }
    }
}

impl From<ContainError> for ApiError {
    fn from(error: ContainError) -> Self {
        match error {
            ContainError::Owed(vendor) => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "not_durable",
                format!(
                    "`{vendor}` is stopped: nothing goes to it any more. But that cannot be written down (is the disk full?), and a \
                     restart before it is would forget it. It is tried again every minute; free space, or repeat this"
                ),
            ),
            ContainError::Access(error) => error.into(),
            ContainError::Egress(error) => Self::internal(&error),
        }
    }
}

/// Errors of the crates below that carry nothing a caller could mend.
macro_rules! internal {
    ($($error:ty),*) => {$(
        impl From<$error> for ApiError {
            fn from(error: $error) -> Self {
                Self::internal(&error)
            }
        }
    )*};
}
internal!(
    cofferdam_store::StoreError,
    cofferdam_ledger::LedgerError,
    tokio::task::JoinError,
    sqlx::Error
);

impl From<VaultError> for ApiError {
    fn from(error: VaultError) -> Self {
        match &error {
            VaultError::NoSuchPerson => Self::new(
                StatusCode::NOT_FOUND,
                "not_found",
                "there is nobody with that number or id in this project",
            ),
            VaultError::Recipient { position } => {
                Self::invalid(&format!("recipients[{position}]"), error.to_string())
            }
            VaultError::SameMasterKey | VaultError::KeyRefused { .. } => {
                Self::invalid("new_key_file", error.to_string())
            }
            _ => Self::internal(&error),
        }
    }
}

impl From<QueryError> for ApiError {
    fn from(error: QueryError) -> Self {
        crate::routes::reports::query_error(error)
    }
}
