//! The load: prepared requests over persistent connections, each sent as soon as the connection is free.
//!
//! Invariant: a request that is not answered with 200 and `"status":1` ends the measurement.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;
use std::time::Instant;

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
        let at = (self.answers_ms.len() as f64 * share) as usize;
        self.answers_ms.get(at).copied().unwrap_or(0.0)
    }
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

/// Sends all of them over the case's connections.
pub(crate) fn send(case: &Case, server: SocketAddr, requests: Vec<Vec<u8>>) -> Sent {
    let queue = Mutex::new(requests.into_iter());
    let answers = Mutex::new(Vec::new());
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..case.connections {
            std::thread::Builder::new()
                .stack_size(64 * 1024)
                .spawn_scoped(scope, || {
                    let mut stream = TcpStream::connect(server).unwrap();
                    stream.set_nodelay(true).unwrap();
                    let mut own = Vec::new();
                    loop {
                        let next = queue.lock().unwrap().next();
                        let Some(request) = next else { break };
                        let start = Instant::now();
                        stream.write_all(&request).unwrap();
                        read_answer(&mut stream);
                        own.push(start.elapsed().as_secs_f64() * 1000.0);
                    }
                    answers.lock().unwrap().extend(own);
                })
                .unwrap();
        }
    });
    let seconds = start.elapsed().as_secs_f64();
    let mut answers_ms = answers.into_inner().unwrap();
    answers_ms.sort_by(f64::total_cmp);
    Sent {
        seconds,
        answers_ms,
    }
}

fn read_answer(stream: &mut TcpStream) {
    let mut buffer = [0; 4096];
    let mut length = 0;
    loop {
        let read = stream.read(buffer.get_mut(length..).unwrap()).unwrap();
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
