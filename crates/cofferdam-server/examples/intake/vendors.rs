//! Vendors of the measurement: they take every import and count its records, in the sending process.
//!
//! Invariant: nothing of them runs in the measured server.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::routing::post;
use std::io::Read;
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex};

/// How many records came, and who waits for them.
type Received = Arc<(Mutex<usize>, Condvar)>;

/// A listening vendor.
pub(crate) struct Vendor {
    pub(crate) address: SocketAddr,
    received: Received,
}

impl Vendor {
    /// Waits until so many records have come.
    pub(crate) fn wait_for(&self, records: usize) {
        let (count, changed) = &*self.received;
        let _all = changed
            .wait_while(count.lock().unwrap(), |count| *count < records)
            .unwrap();
    }
}

/// Starts a vendor on a thread of its own, which ends with the process.
pub(crate) fn start() -> Vendor {
    let received = Received::default();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new()
        .route("/import", post(import))
        .layer(DefaultBodyLimit::disable())
        .with_state(Arc::clone(&received));
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            axum::serve(listener, router).await.unwrap();
        });
    });
    Vendor { address, received }
}

async fn import(
    State(received): State<Received>,
    body: Bytes,
) -> ([(&'static str, &'static str); 1], String) {
    let mut text = Vec::new();
    if body.starts_with(&[0x1F, 0x8B]) {
        let mut unpacked = flate2::bufread::GzDecoder::new(&*body);
        unpacked.read_to_end(&mut text).unwrap();
    } else {
        text.extend_from_slice(&body);
    }
    let records: Vec<serde::de::IgnoredAny> = serde_json::from_slice(&text).unwrap();
    let (count, changed) = &*received;
    *count.lock().unwrap() += records.len();
    changed.notify_all();
    let answer = format!(
        r#"{{"code":200,"num_records_imported":{},"status":"OK"}}"#,
        records.len()
    );
    ([("content-type", "application/json")], answer)
}
