//! Mixpanel's Query and Export API, for the scripts that ask it today.
//!
//! Same paths, parameters and answers as Mixpanel's; every figure is computed by the report's own handler, so that a script's report
//! is permitted, recorded and right like any other. A script shows a project's query secret, or the administrator's token.
//! Invariant: nothing is answered to strangers. Whoever comes with the query secret gets events and profiles without names: people
//! are numbers, what home keeps sealed stays sealed.

mod asked;
mod cohorts;
mod engage;
mod events;
mod export;
mod funnels;
mod names;
mod retention;
mod segmentation;
mod trend;

use crate::system::System;
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::sync::Arc;

/// Largest answer to an error, bytes.
const ERROR_BYTES_MAX: usize = 64 * 1024;

type Route = MethodRouter<Arc<System>>;

/// The routes. Who asks, each finds out for itself: the secret names the project.
pub(crate) fn router(system: &Arc<System>) -> Router {
    let both = |path: &str| [format!("/api/query{path}"), format!("/api/2.0{path}")];
    let routes: [(&str, Route); 16] = [
        ("/segmentation", get(segmentation::segmentation)),
        ("/segmentation/numeric", get(segmentation::numeric)),
        ("/segmentation/sum", get(segmentation::sum)),
        ("/segmentation/average", get(segmentation::average)),
        ("/events", get(events::events)),
        ("/events/top", get(events::top)),
        ("/events/names", get(events::names)),
        ("/events/properties", get(events::properties)),
        ("/events/properties/top", get(events::properties_top)),
        ("/events/properties/values", get(events::properties_values)),
        ("/engage", get(engage::engage).post(engage::engage)),
        ("/cohorts/list", get(cohorts::list).post(cohorts::list)),
        ("/retention", get(retention::retention)),
        ("/funnels", get(funnels::funnels)),
        ("/funnels/list", get(funnels::list)),
        ("/export", get(export::export)),
    ];
    let mut router = Router::new();
    for (path, route) in routes {
        for path in both(path) {
            router = router.route(&path, route.clone());
        }
    }
    router
        .layer(axum::Extension(Arc::new(engage::Sessions::default())))
        .layer(axum::middleware::from_fn(in_their_words))
        .with_state(Arc::clone(system))
}

/// Errors as Mixpanel words them.
async fn in_their_words(request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let response = next.run(request).await;
    if response.status().is_success() {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    if parts.status == StatusCode::UNPROCESSABLE_ENTITY {
        parts.status = StatusCode::BAD_REQUEST;
    }
    let body = http_body_util::Limited::new(body, ERROR_BYTES_MAX);
    let bytes = match body.collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(_) => bytes::Bytes::new(),
    };
    let told: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    let told =
        json!({ "error": worded(told.get("error").unwrap_or(&Value::Null)), "request": path });
    parts.headers.remove(header::CONTENT_LENGTH);
    let json = header::HeaderValue::from_static("application/json");
    parts.headers.insert(header::CONTENT_TYPE, json);
    if parts.status == StatusCode::UNAUTHORIZED {
        let basic = header::HeaderValue::from_static("Basic");
        parts.headers.insert(header::WWW_AUTHENTICATE, basic);
    }
    (parts, Body::from(told.to_string())).into_response()
}

/// One sentence of our error's parts.
fn worded(error: &Value) -> String {
    let text = |key: &str| {
        let text = error.get(key).and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    };
    let mut words = text("message");
    if words.is_empty() {
        "the request could not be answered".clone_into(&mut words);
    }
    let path = text("path");
    if !path.is_empty() {
        words = format!("{path}: {words}");
    }
    for (key, before) in [("suggestions", "; did you mean"), ("allowed", "; allowed:")] {
        let names: Vec<&str> = error
            .get(key)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        if !names.is_empty() {
            words = format!("{words}{before} {}", names.join(", "));
        }
    }
    words
}
