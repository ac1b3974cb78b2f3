//! `/healthz`: the process answers. `/readyz`: intake can promise durability.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use cofferdam_journal::Journal;

/// The paths of the health routes.
pub const PATHS: [&str; 2] = ["/healthz", "/readyz"];

/// The health routes, for both listeners.
pub fn router(journal: Journal) -> Router {
    let [healthz, readyz] = PATHS;
    Router::new()
        .route(healthz, get(|| async { "ok\n" }))
        .route(readyz, get(ready))
        .with_state(journal)
}

async fn ready(State(journal): State<Journal>) -> (StatusCode, &'static str) {
    if journal.is_healthy() {
        (StatusCode::OK, "ready\n")
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "the journal cannot promise durability\n",
        )
    }
}
