//! Vendors that keep every byte they are sent: request line, headers, body as it came and unzipped.

use crate::support::PATIENCE;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use http_body_util::BodyExt;
use std::io::Read;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::sync::watch;

#[derive(Clone)]
pub(super) struct Sink {
    pub(super) address: SocketAddr,
    bytes: Arc<Mutex<Vec<u8>>>,
    arrived: watch::Sender<u64>,
    is_down: bool,
}

impl Sink {
    /// A vendor that takes everything, or (`is_down`) fails every request after having read it.
    pub(super) async fn start(is_down: bool) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sink = Self {
            address: listener.local_addr().unwrap(),
            bytes: Arc::default(),
            arrived: watch::Sender::new(0),
            is_down,
        };
        let router = Router::new().fallback(take).with_state(sink.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        sink
    }

    /// Everything so far.
    pub(super) fn bytes(&self) -> Vec<u8> {
        self.bytes.lock().unwrap().clone()
    }

    /// Waits until all of these texts have arrived.
    pub(super) async fn wait_for(&self, texts: &[&str]) {
        let mut arrived = self.arrived.subscribe();
        loop {
            {
                let bytes = self.bytes.lock().unwrap();
                let text = String::from_utf8_lossy(&bytes);
                if texts.iter().all(|wanted| text.contains(wanted)) {
                    return;
                }
            }
            let came = tokio::time::timeout(PATIENCE, arrived.changed()).await;
            assert!(came.is_ok(), "{texts:?} have not all come");
        }
    }
}

async fn take(State(sink): State<Sink>, request: axum::extract::Request) -> (StatusCode, String) {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let mut text = Vec::new();
    if body.starts_with(&[0x1f, 0x8b]) {
        flate2::bufread::GzDecoder::new(&body[..])
            .read_to_end(&mut text)
            .unwrap();
    } else {
        text = body.to_vec();
    }
    let mut all = format!("{} {}\n{:?}\n", parts.method, parts.uri, parts.headers).into_bytes();
    all.extend_from_slice(&text);
    all.push(b'\n');
    sink.bytes.lock().unwrap().extend_from_slice(&all);
    sink.arrived.send_modify(|count| *count += 1);
    if sink.is_down {
        return (StatusCode::INTERNAL_SERVER_ERROR, String::new());
    }
    if parts.uri.path().starts_with("/import") {
        let count =
            serde_json::from_slice::<Vec<serde_json::Value>>(&text).map_or(0, |items| items.len());
        return (
            StatusCode::OK,
            format!(r#"{{"code":200,"num_records_imported":{count},"status":"OK"}}"#),
        );
    }
    (StatusCode::OK, r#"{"error":null,"status":1}"#.to_owned())
}
