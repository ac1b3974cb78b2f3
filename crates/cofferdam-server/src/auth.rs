//! Who is asking: the bearer token on the admin listener, the local operator on the control socket.
//!
//! Invariant: a caller is made here and nowhere else in the server; what it may do, access decides.

use crate::error::ApiError;
use crate::system::System;
use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::http::header;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use cofferdam_access::Caller;
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
