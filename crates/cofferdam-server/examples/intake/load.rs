//! The load: prepared requests over persistent connections, each due at its time, whether or not earlier ones were answered.
//!
//! One thread sends for all connections, so that what it takes from the server's cores is little and the same in every case.
//! Invariant: a request that is not answered with 200 and `"status":1` ends the measurement; an answer time runs from when the
//! request was due, so a server that stalls cannot hide behind requests that were never sent.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::{JoinSet, LocalSet};

/// What is measured.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) body: fn(usize, usize, &str) -> Vec<u8>,
    pub(crate) content_type: &'static str,
    /// Events a request.
    pub(crate) batch: usize,
    pub(crate) connections: usize,
    /// Least events per server core second.
    pub(crate) bar: f64,
}

/// What became of it.
pub(crate) struct Sent {
    pub(crate) seconds: f64,
    answers_ms: Vec<f64>,
}

impl Sent {
    /// Answer time that this share of the requests stayed below, milliseconds.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        quantile(&self.answers_ms, share)
    }
}

/// The value that this share of the sorted values stays below.
pub(crate) fn quantile(sorted: &[f64], share: f64) -> f64 {
    let at = (sorted.len() as f64 * share) as usize;
    sorted.get(at).copied().unwrap_or(0.0)
}

/// Whole requests, headers included.
pub(crate) fn prepare(case: &Case, first: usize, events: usize, token: &str) -> Vec<Vec<u8>> {
    (first..first + events)
        .step_by(case.batch)
        .map(|at| {
            let body = (case.body)(at, case.batch.min(first + events - at), token);
            let mut request = format!(
                "POST /track/?verbose=1&ip=1&_=1795314865003 HTTP/1.1\r\nhost: t.example.com\r\ncontent-type: {}\r\n\
                 content-length: {}\r\norigin: https://platform.example.com\r\nreferer: https://platform.example.com/\r\n\
                 accept: */*\r\naccept-encoding: gzip, deflate, br\r\naccept-language: en-US,en;q=0.9\r\n\
                 user-agent: Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
                 Chrome/156.0.0.0 Safari/537.36\r\nsec-fetch-mode: cors\r\nsec-fetch-site: cross-site\r\n\r\n",
                case.content_type,
                body.len()
            )
            .into_bytes();
            request.extend(body);
            request
        })
        .collect()
}

/// Sends all of them over the case's connections, `rate` requests a second; infinite: all are due at once.
pub(crate) fn send(case: &Case, server: SocketAddr, requests: Vec<Vec<u8>>, rate: f64) -> Sent {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (requests, next) = (Rc::new(requests), Rc::new(Cell::new(0)));
    let start = Instant::now();
    let answers = LocalSet::new().block_on(&runtime, async {
        let mut connections = JoinSet::new();
        for _ in 0..case.connections {
            let (requests, next) = (Rc::clone(&requests), Rc::clone(&next));
            connections.spawn_local(connection(server, requests, next, rate, start));
        }
        connections.join_all().await
    });
    let mut answers_ms = answers.concat();
    answers_ms.sort_by(f64::total_cmp);
    Sent {
        seconds: start.elapsed().as_secs_f64(),
        answers_ms,
    }
}

/// One connection: takes the next request, waits until it is due, sends it, reads the answer.
async fn connection(
    server: SocketAddr,
    requests: Rc<Vec<Vec<u8>>>,
    next: Rc<Cell<usize>>,
    rate: f64,
    start: Instant,
) -> Vec<f64> {
    let mut stream = TcpStream::connect(server).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut answers_ms = Vec::new();
    while let Some(request) = requests.get(next.get()) {
        let mut due = start + Duration::from_secs_f64(next.get() as f64 / rate);
        next.set(next.get() + 1);
        if due > Instant::now() {
            tokio::time::sleep_until(due.into()).await;
            // The timer's own lateness is not the server's.
            due = Instant::now();
        }
        stream.write_all(request).await.unwrap();
        read_answer(&mut stream).await;
        answers_ms.push(due.elapsed().as_secs_f64() * 1000.0);
    }
    answers_ms
}

async fn read_answer(stream: &mut TcpStream) {
    let mut buffer = [0; 4096];
    let mut length = 0;
    loop {
        let read = stream
            .read(buffer.get_mut(length..).unwrap())
            .await
            .unwrap();
        assert!(read > 0, "the server closed a connection");
        length += read;
        let text = std::str::from_utf8(buffer.get(..length).unwrap()).unwrap();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let wanted: usize = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok())
            .unwrap();
        if body.len() >= wanted {
            let kept = head.starts_with("HTTP/1.1 200") && body.contains("\"status\":1");
            assert!(kept, "not accepted: {text}");
            return;
        }
    }
}
