//! The demo's vendors: loopback servers that speak Mixpanel's protocol and count what they are given.
//!
//! Invariant: they keep counts only, and listen on loopback only.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use std::io::Read;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Most bytes of a body that are unpacked.
const BODY_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// One fake vendor.
#[derive(Debug)]
pub struct Sink {
    /// Where it listens.
    pub address: SocketAddr,
    state: Arc<SinkState>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct SinkState {
    down: AtomicBool,
    requests: AtomicU64,
    bytes: AtomicU64,
}

impl Sink {
    /// Starts a fake vendor on a free loopback port.
    ///
    /// # Errors
    /// Where no port can be had.
    pub async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let state = Arc::new(SinkState::default());
        let router = Router::new()
            .route("/import", post(import))
            .route("/engage", post(update))
            .route("/groups", post(update))
            .with_state(Arc::clone(&state));
        let task = tokio::spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self {
            address,
            state,
            task,
        })
    }

    /// Takes the vendor down or up again; while down it answers 503.
    pub fn set_down(&self, down: bool) {
        self.state.down.store(down, Ordering::SeqCst);
    }

    /// Requests received while up.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.state.requests.load(Ordering::SeqCst)
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn import(State(state): State<Arc<SinkState>>, body: Bytes) -> Response {
    take(&state, &body).unwrap_or_else(|| match records(&body) {
        Some(records) => {
            let answer =
                format!(r#"{{"code":200,"num_records_imported":{records},"status":"OK"}}"#);
            ([(header::CONTENT_TYPE, "application/json")], answer).into_response()
        }
        None => StatusCode::BAD_REQUEST.into_response(),
    })
}

/// How many records an import body holds.
fn records(body: &Bytes) -> Option<usize> {
    let mut text = Vec::new();
    match body.get(..2) {
        Some([0x1f, 0x8b]) => {
            flate2::bufread::GzDecoder::new(&body[..])
                .take(BODY_BYTES_MAX)
                .read_to_end(&mut text)
                .ok()?;
        }
        _ => text.extend_from_slice(body),
    }
    serde_json::from_slice::<Vec<serde::de::IgnoredAny>>(&text)
        .ok()
        .map(|records| records.len())
}

async fn update(State(state): State<Arc<SinkState>>, body: Bytes) -> Response {
    take(&state, &body).unwrap_or_else(|| {
        (
            [(header::CONTENT_TYPE, "application/json")],
            r#"{"error":null,"status":1}"#,
        )
            .into_response()
    })
}

fn take(state: &SinkState, body: &Bytes) -> Option<Response> {
    if state.down.load(Ordering::SeqCst) {
        return Some(StatusCode::SERVICE_UNAVAILABLE.into_response());
    }
    state.requests.fetch_add(1, Ordering::SeqCst);
    state.bytes.fetch_add(body.len() as u64, Ordering::SeqCst);
    None
}
