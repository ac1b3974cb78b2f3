//! A vendor on loopback: speaks just enough HTTP, keeps every byte, behaves as told.

use cofferdam_egress::Timer;
use std::io::Read;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What the vendor does with a request.
#[derive(Clone, Debug)]
pub(crate) enum Behaviour {
    /// Takes everything, or what fits the limit.
    Ok,
    /// Reads it and never answers.
    Hang,
    /// Reads it and resets.
    Reset,
    /// Reads the head and a little, then stops reading.
    Stall,
    /// Answers this status with this body and header.
    Answer(u16, &'static str, &'static str),
    /// 413 above so many items.
    Limit(usize),
    /// Refuses events whose marker is a multiple of this, in a report.
    Partial(i64),
    /// Refuses updates whose marker is this, as a whole.
    RefuseUpdate(i64),
    /// Takes it, then answers 500.
    FailAndKeep,
}

/// One request, as far as it came.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) path: String,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    pub(crate) is_whole: bool,
    /// Positions of the items that were taken.
    pub(crate) taken: Vec<usize>,
}

impl Received {
    /// The items of the body.
    pub(crate) fn items(&self) -> Vec<serde_json::Value> {
        let mut plain = Vec::new();
        if self.head.to_lowercase().contains("content-encoding: gzip") {
            flate2::read::GzDecoder::new(&self.body[..])
                .read_to_end(&mut plain)
                .unwrap();
        } else {
            plain.clone_from(&self.body);
        }
        serde_json::from_slice(&plain).unwrap()
    }
}

/// The marker that the tests put on each item.
pub(crate) fn marker(item: &serde_json::Value) -> i64 {
    let places = [
        "/properties/marker",
        "/$set/marker",
        "/$set_once/marker",
        "/$add/marker",
        "/$append/marker",
        "/$union/marker",
    ];
    places
        .iter()
        .find_map(|place| item.pointer(place)?.as_i64())
        .unwrap_or(-1)
}

type Probe = Arc<dyn Fn() + Send + Sync>;

#[derive(Debug)]
pub(crate) struct Vendor {
    pub(crate) url: String,
    behaviour: watch::Sender<Behaviour>,
    received: Arc<Mutex<Vec<Received>>>,
    bytes: Arc<std::sync::atomic::AtomicU64>,
    changed: watch::Receiver<u64>,
    /// Connections that the vendor has not seen the end of.
    open: watch::Receiver<u64>,
}

impl Vendor {
    /// Listens; `probe` runs when the first bytes of a request are there, before more is read.
    pub(crate) async fn start(probe: Option<Probe>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (behaviour, behaviours) = watch::channel(Behaviour::Ok);
        let received = Arc::new(Mutex::new(Vec::new()));
        let bytes = Arc::new(std::sync::atomic::AtomicU64::new(0));
        let (count, changed) = watch::channel(0u64);
        let count = Arc::new(count);
        let (opened, open) = watch::channel(0u64);
        let opened = Arc::new(opened);
        let state = (Arc::clone(&received), Arc::clone(&bytes));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let connection = Connection {
                    stream,
                    behaviour: behaviours.clone(),
                    received: Arc::clone(&state.0),
                    bytes: Arc::clone(&state.1),
                    count: Arc::clone(&count),
                    probe: probe.clone(),
                };
                opened.send_modify(|open| *open += 1);
                let opened = Arc::clone(&opened);
                tokio::spawn(async move {
                    connection.run().await;
                    opened.send_modify(|open| *open -= 1);
                });
            }
        });
        Self {
            url,
            behaviour,
            received,
            bytes,
            changed,
            open,
        }
    }

    pub(crate) fn behave(&self, behaviour: Behaviour) {
        self.behaviour.send_replace(behaviour);
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// Bytes read so far, of whole requests and of others.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(std::sync::atomic::Ordering::SeqCst)
    }

    /// Waits until every connection is over and read to its end.
    pub(crate) async fn closed(&self) {
        let mut open = self.open.clone();
        let closed = open.wait_for(|open| *open == 0);
        let closed = tokio::time::timeout(crate::bench::PATIENCE, closed).await;
        assert!(closed.is_ok(), "a connection stays open");
    }

    /// Markers of everything that was taken, in order, duplicates included.
    pub(crate) fn taken(&self) -> Vec<i64> {
        let received = self.received();
        received
            .iter()
            .flat_map(|request| {
                let items = if request.is_whole {
                    request.items()
                } else {
                    Vec::new()
                };
                request
                    .taken
                    .iter()
                    .map(move |index| marker(&items[*index]))
                    .collect::<Vec<_>>()
            })
            .collect()
    }

    /// Waits until at least so many requests have come.
    pub(crate) async fn requests(&self, count: u64) {
        let mut changed = self.changed.clone();
        tokio::time::timeout(
            crate::bench::PATIENCE,
            changed.wait_for(|now| *now >= count),
        )
        .await
        .expect("requests came")
        .unwrap();
    }
}

struct Connection {
    stream: TcpStream,
    behaviour: watch::Receiver<Behaviour>,
    received: Arc<Mutex<Vec<Received>>>,
    bytes: Arc<std::sync::atomic::AtomicU64>,
    count: Arc<watch::Sender<u64>>,
    probe: Option<Probe>,
}

impl Connection {
    async fn run(mut self) {
        let mut buffer = Vec::new();
        loop {
            let Some(request) = self.read(&mut buffer).await else {
                return;
            };
            if !self.handle(request).await {
                return;
            }
        }
    }

    /// One request; `None` at the end, or where the rest did not come.
    async fn read(&mut self, buffer: &mut Vec<u8>) -> Option<Received> {
        let mut is_first = true;
        loop {
            if let Some(end) = find(buffer, b"\r\n\r\n") {
                let head = String::from_utf8(buffer[..end].to_vec()).unwrap();
                let length: usize = head
                    .to_lowercase()
                    .lines()
                    .find_map(|line| line.strip_prefix("content-length: ").map(str::to_owned))
                    .unwrap()
                    .parse()
                    .unwrap();
                if buffer.len() >= end + 4 + length {
                    let body = buffer[end + 4..end + 4 + length].to_vec();
                    buffer.drain(..end + 4 + length);
                    let path = head.split(' ').nth(1).unwrap().to_owned();
                    return Some(Received {
                        path,
                        head,
                        body,
                        is_whole: true,
                        taken: Vec::new(),
                    });
                }
                if matches!(*self.behaviour.borrow(), Behaviour::Stall) {
                    self.keep(Received {
                        path: String::new(),
                        head,
                        body: Vec::new(),
                        is_whole: false,
                        taken: Vec::new(),
                    });
                    let _ = self
                        .behaviour
                        .clone()
                        .wait_for(|behaviour| !matches!(behaviour, Behaviour::Stall))
                        .await;
                }
            }
            let read = self.stream.read_buf(buffer).await.ok()?;
            if read == 0 {
                return None;
            }
            if is_first && let Some(probe) = &self.probe {
                probe();
            }
            is_first = false;
            self.bytes
                .fetch_add(read as u64, std::sync::atomic::Ordering::SeqCst);
        }
    }

    async fn handle(&mut self, mut request: Received) -> bool {
        let behaviour = self.behaviour.borrow().clone();
        let items = request.items();
        let all: Vec<usize> = (0..items.len()).collect();
        let is_import = request.path.starts_with("/import");
        let full = if is_import {
            format!(
                r#"{{"code":200,"num_records_imported":{},"status":"OK"}}"#,
                items.len()
            )
        } else {
            r#"{"status":1,"error":null}"#.to_owned()
        };
        let (status, body, header, taken) = match behaviour {
            Behaviour::Hang => {
                self.keep(request);
                let _ = self
                    .behaviour
                    .wait_for(|behaviour| !matches!(behaviour, Behaviour::Hang))
                    .await;
                return false;
            }
            Behaviour::Reset => {
                let _ = self.stream.set_zero_linger();
                self.keep(request);
                return false;
            }
            Behaviour::Answer(status, body, header) => {
                (status, body.to_owned(), header, Vec::new())
            }
            Behaviour::Limit(limit) if items.len() > limit => (413, String::new(), "", Vec::new()),
            Behaviour::FailAndKeep => (500, String::new(), "", all),
            Behaviour::Partial(modulus) if is_import => {
                let (failed, taken): (Vec<_>, Vec<_>) = all
                    .iter()
                    .partition(|index| marker(&items[**index]) % modulus == 0);
                let records: Vec<_> = failed.iter().map(|index| format!(r#"{{"index":{index},"insert_id":"x","field":"properties.time","message":"secret echo"}}"#)).collect();
                let status = if failed.is_empty() { 200 } else { 400 };
                (
                    status,
                    format!(
                        r#"{{"code":{status},"num_records_imported":{},"failed_records":[{}],"status":"OK"}}"#,
                        taken.len(),
                        records.join(",")
                    ),
                    "",
                    taken,
                )
            }
            Behaviour::RefuseUpdate(bad)
                if !is_import && items.iter().any(|item| marker(item) == bad) =>
            {
                (
                    200,
                    r#"{"status":0,"error":"secret echo"}"#.to_owned(),
                    "",
                    Vec::new(),
                )
            }
            _ => (200, full, "", all),
        };
        request.taken = taken;
        self.keep(request);
        let answer = format!(
            "HTTP/1.1 {status} X\r\n{header}content-length: {}\r\n\r\n{body}",
            body.len()
        );
        self.stream.write_all(answer.as_bytes()).await.is_ok()
    }

    fn keep(&self, request: Received) {
        self.received.lock().unwrap().push(request);
        self.count.send_modify(|count| *count += 1);
    }
}

fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes
        .windows(needle.len())
        .position(|window| window == needle)
}

/// A timer that moves the test's clock instead of waiting; it only lets the others run.
#[derive(Debug)]
pub(crate) struct Played(pub(crate) Arc<crate::bench::PlayedClock>);

impl Timer for Played {
    fn sleep(
        &self,
        duration: std::time::Duration,
    ) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async move {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            self.0.advance(duration);
        })
    }
}
