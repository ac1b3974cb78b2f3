//! Who is asking: the bearer token on the admin listener, the local operator on the control socket, a script with its secret.
//!
//! Invariant: a caller is made here and nowhere else in the server; what it may do, access decides.

use crate::error::ApiError;
use crate::system::System;
use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cofferdam_access::Caller;
use cofferdam_model::ProjectName;
use std::convert::Infallible;
use std::sync::Arc;

/// The caller of a request.
#[derive(Clone, Copy, Debug)]
pub struct Asking(pub Caller);

/// Middleware of the admin listener: the bearer token says who asks. Without the right one, nothing of the request is looked at:
/// neither a body's errors nor the names of what exists are for strangers.
pub async fn by_token(
    State(system): State<Arc<System>>,
    mut request: Request,
    next: Next,
) -> Response {
    let bearer = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "));
    let caller = system.access.authenticate(bearer);
    if caller == Caller::Stranger {
        let route = request.extensions().get::<MatchedPath>();
        let resource = route.map_or_else(|| "*".to_owned(), |route| plain(route.as_str()));
        return ApiError::from(system.access.turn_away(&resource).await).into_response();
    }
    request.extensions_mut().insert(Asking(caller));
    next.run(request).await
}

/// Who a script is, and which project its secret is of.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    pub(crate) asking: Asking,
    /// `None` for the administrator, who may ask about every project.
    pub(crate) project: Option<ProjectName>,
}

/// A script's caller: by a project's query secret or the administrator's token, as Basic user or password, or as bearer.
///
/// # Errors
/// 401 for strangers, recorded.
pub(crate) async fn by_basic(system: &System, headers: &HeaderMap) -> Result<Script, ApiError> {
    let value = headers.get(header::AUTHORIZATION);
    let shown = value.and_then(|value| value.to_str().ok());
    for secret in shown.map(secrets).unwrap_or_default() {
        if let Some(project) = system.pipeline.projects().by_query_secret(&secret) {
            return Ok(Script {
                asking: Asking(Caller::Script),
                project: Some(project.name.clone()),
            });
        }
        let caller = system.access.authenticate(Some(&secret));
        if caller != Caller::Stranger {
            return Ok(Script {
                asking: Asking(caller),
                project: None,
            });
        }
    }
    Err(system.access.turn_away("mixpanel").await.into())
}

/// What may be the secret: `Basic secret:`, as a project's API secret is shown, or `Basic user:secret`, as a service account's is.
fn secrets(shown: &str) -> Vec<String> {
    if let Some(bearer) = shown.strip_prefix("Bearer ") {
        return vec![bearer.trim().to_owned()];
    }
    let basic = shown.strip_prefix("Basic ").map(str::trim);
    let plain = basic
        .and_then(|basic| STANDARD.decode(basic).ok())
        .and_then(|plain| String::from_utf8(plain).ok());
    let parts = plain.as_deref().map(|plain| plain.split_once(':'));
    match parts.flatten() {
        Some((user, "")) => vec![user.to_owned()],
        Some((_, password)) => vec![password.to_owned()],
        None => Vec::new(),
    }
}

/// A route as an audit leaf names it: `/api/v1/vendors/{id}` is `vendors/*`.
fn plain(route: &str) -> String {
    let parts = route.trim_start_matches("/api/v1/").split('/');
    let plain: Vec<&str> = parts
        .map(|part| if part.starts_with('{') { "*" } else { part })
        .collect();
    plain.join("/")
}

/// Middleware of the control socket: only the directory's owner can open it.
pub async fn by_socket(mut request: Request, next: Next) -> Response {
    request
        .extensions_mut()
        .insert(Asking(Caller::LocalOperator));
    next.run(request).await
}

impl<S: Send + Sync> FromRequestParts<S> for Asking {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        Ok(parts
            .extensions
            .get::<Self>()
            .copied()
            .unwrap_or(Self(Caller::Stranger)))
    }
}
