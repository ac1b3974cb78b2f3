//! The routers of the two listeners and the control socket, layers in order.
//!
//! Invariant: intake and admin never share a router; admin never answers CORS; every admin route but health, static files
//! and the API's own description needs a permit.

use crate::routes::intake::{self, Intake};
use crate::routes::{api, health, mixpanel};
use crate::system::System;
use crate::{auth, web};
use axum::Router;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::Response;
use hyper::Request;
use hyper::body::Incoming;
use std::net::SocketAddr;
use std::sync::Arc;
use tower::ServiceExt;
use tower_http::set_header::SetResponseHeaderLayer;

/// What the outside sees: the health routes, and everything else straight to the intake. No router and no layer stands before
/// it, because an event that comes alone costs little more than its request.
#[derive(Clone, Debug)]
pub struct Outside {
    intake: Intake,
    health: Router,
}

impl Outside {
    /// Answers one request of a peer.
    pub async fn answer(self, request: Request<Incoming>, peer: SocketAddr) -> Response {
        if health::PATHS.contains(&request.uri().path()) {
            return routed(self.health, request).await;
        }
        intake::answer(&self.intake, request, peer).await
    }
}

/// The intake listener's side of the server.
pub fn intake(system: &Arc<System>) -> Outside {
    Outside {
        intake: Intake {
            pipeline: Arc::clone(&system.pipeline),
            trusted_proxies: Arc::new(system.config().server.trusted_proxies.clone()),
            system: Arc::clone(system),
            bodies: intake::Bodies::default(),
        },
        health: health::router(system.journal.clone()),
    }
}

/// A router's answer.
pub async fn routed(router: Router, request: Request<Incoming>) -> Response {
    router
        .oneshot(request)
        .await
        .unwrap_or_else(|never| match never {})
}

/// Web app and API, for bearers of the token.
pub fn admin(system: &Arc<System>) -> Router {
    let api = api::router(system).layer(axum::middleware::from_fn_with_state(
        Arc::clone(system),
        auth::by_token,
    ));
    secured(
        health::router(system.journal.clone())
            .merge(api::description())
            .merge(api)
            .merge(mixpanel::router(system))
            .fallback_service(web::router()),
    )
}

/// The API, for the local operator.
pub fn control(system: &Arc<System>) -> Router {
    api::router(system)
        .layer(axum::middleware::from_fn(auth::by_socket))
        .merge(api::description())
}

fn secured(router: Router) -> Router {
    let policy = format!(
        "default-src 'none'; script-src 'self'{}; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
         font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        web::script_hashes()
    );
    let policy =
        HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"));
    let router = router.layer(SetResponseHeaderLayer::if_not_present(
        header::CONTENT_SECURITY_POLICY,
        policy,
    ));
    let fixed: [(HeaderName, &'static str); 4] = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
    ];
    fixed.into_iter().fold(router, |router, (name, value)| {
        router.layer(SetResponseHeaderLayer::if_not_present(
            name,
            HeaderValue::from_static(value),
        ))
    })
}
