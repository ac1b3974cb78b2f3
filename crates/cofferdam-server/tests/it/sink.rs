//! A vendor whose mood changes: it keeps every body that it was given, whatever it answers.
//!
//! The servers under test send to it over loopback; tests recount from what it kept.
//! Invariant: a body is kept before anything is answered, so `kept` is all that the vendor can have seen.

use crate::support::{NOW, PATIENCE};
use axum::body::{Body, Bytes};
use cofferdam_model::{Clock, Day, TimestampMs};
use http_body_util::BodyExt;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Error, Read};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;

/// What the vendor does with a request, after it has kept the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    /// Takes it.
    Good,
    /// Answers this status, with Retry-After in seconds where there is one.
    Status(u16, Option<u32>),
    /// Takes it and answers something else than it should.
    Garbage,
    /// Closes the connection without an answer.
    Reset,
    /// Does not answer until the mood changes, then closes the connection.
    Hang,
    /// Takes it as soon as the mood changes.
    Wait,
    /// Takes it after this many milliseconds.
    Slow(u64),
    /// Refuses every third event for good.
    Partial,
    /// Takes updates; 500 for events.
    EventsFail,
    /// 413 above so many items.
    Limit(usize),
    /// One of the others, by the dice.
    Flapping,
}

/// One request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) day: Day,
    pub(crate) path: String,
    /// The body as sent.
    pub(crate) body: Bytes,
    pub(crate) items: Vec<Value>,
}

/// A vendor on loopback.
#[derive(Clone, Debug)]
pub(crate) struct Sink {
    pub(crate) address: SocketAddr,
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    mood: watch::Sender<Mood>,
    kept: Mutex<Vec<Kept>>,
    markers: Mutex<BTreeMap<String, usize>>,
    count: watch::Sender<usize>,
    dice: Mutex<Dice>,
    clock: Arc<dyn Clock>,
}

/// A clock for sinks whose days do not matter.
#[derive(Debug)]
pub(crate) struct Noon;

impl Clock for Noon {
    fn now(&self) -> TimestampMs {
        TimestampMs(NOW)
    }
}

impl Sink {
    pub(crate) async fn start(mood: Mood, seed: u64, clock: Arc<dyn Clock>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let inner = Arc::new(Inner {
            mood: watch::Sender::new(mood),
            kept: Mutex::new(Vec::new()),
            markers: Mutex::new(BTreeMap::new()),
            count: watch::Sender::new(0),
            dice: Mutex::new(Dice::new(seed)),
            clock,
        });
        let serving = Arc::clone(&inner);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let inner = Arc::clone(&serving);
                let service =
                    hyper::service::service_fn(move |request| Arc::clone(&inner).take(request));
                let served = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service);
                tokio::spawn(served);
            }
        });
        Self { address, inner }
    }

    pub(crate) fn set(&self, mood: Mood) {
        self.inner.mood.send_replace(mood);
    }

    pub(crate) fn kept(&self) -> Vec<Kept> {
        self.inner.kept.lock().unwrap().clone()
    }

    /// How often each marker came.
    pub(crate) fn markers(&self) -> BTreeMap<String, usize> {
        self.inner.markers.lock().unwrap().clone()
    }

    /// Waits until all these markers have come at least once.
    pub(crate) async fn wait_for(&self, wanted: &BTreeSet<String>) {
        let mut count = self.inner.count.subscribe();
        let mut missing: Vec<&String> = wanted.iter().collect();
        loop {
            count.borrow_and_update();
            {
                let markers = self.inner.markers.lock().unwrap();
                missing.retain(|marker| !markers.contains_key(*marker));
            }
            if missing.is_empty() {
                return;
            }
            let arrived = tokio::time::timeout(PATIENCE, count.changed()).await;
            assert!(
                arrived.is_ok(),
                "nothing comes any more; {} missing, e.g. {:?}",
                missing.len(),
                missing.first()
            );
        }
    }

    /// Waits for this many requests.
    pub(crate) async fn wait_for_requests(&self, requests: usize) {
        let mut count = self.inner.count.subscribe();
        let came = count.wait_for(|count| *count >= requests);
        let came = tokio::time::timeout(PATIENCE, came).await;
        assert!(came.is_ok(), "{requests} requests never came");
    }

    /// Asserts that whatever came again came in the same bytes; returns how many requests were repeats. `changing` allows parts,
    /// and items that lost fields to a narrower contract, for good.
    pub(crate) fn assert_repeats_identical(&self, changing: bool) -> usize {
        let kept = self.inner.kept.lock().unwrap();
        let mut bodies: BTreeMap<&str, &Bytes> = BTreeMap::new();
        let mut items: BTreeMap<&str, &Value> = BTreeMap::new();
        let mut repeats = 0;
        for request in kept.iter() {
            let mut is_repeat = false;
            for item in &request.items {
                let marker = marker(item);
                if marker.is_empty() {
                    continue;
                }
                is_repeat |= bodies.contains_key(marker);
                let body = *bodies.entry(marker).or_insert(&request.body);
                assert!(
                    changing || *body == request.body,
                    "{marker} came again in another request"
                );
                let before = items.insert(marker, item).unwrap_or(item);
                assert!(
                    item == before || changing && is_narrower(before, item),
                    "{marker} came again changed: {before}, then {item}"
                );
            }
            repeats += usize::from(is_repeat);
        }
        repeats
    }
}

/// Whether everything in `later` was in `before`, with the same values.
fn is_narrower(before: &Value, later: &Value) -> bool {
    match (before, later) {
        (Value::Object(before), Value::Object(later)) => later.iter().all(|(key, value)| {
            before
                .get(key)
                .is_some_and(|before| is_narrower(before, value))
        }),
        _ => before == later,
    }
}

impl Inner {
    async fn take(
        self: Arc<Self>,
        request: Request<hyper::body::Incoming>,
    ) -> Result<Response<Body>, Error> {
        let path = request.uri().path().to_owned();
        let body = request
            .into_body()
            .collect()
            .await
            .map_err(Error::other)?
            .to_bytes();
        let items: Vec<Value> = serde_json::from_slice(&plain(&body)).map_err(Error::other)?;
        let mood = match *self.mood.borrow() {
            Mood::Flapping => self.dice.lock().unwrap().mood(),
            mood => mood,
        };
        let count = items.len();
        let came: Vec<String> = items.iter().map(|item| marker(item).to_owned()).collect();
        self.kept.lock().unwrap().push(Kept {
            day: self.clock.now().day(),
            path: path.clone(),
            body,
            items,
        });
        // Only now: whoever waits for a marker may turn the clock.
        for marker in came.into_iter().filter(|marker| !marker.is_empty()) {
            *self.markers.lock().unwrap().entry(marker).or_default() += 1;
        }
        self.count.send_modify(|count| *count += 1);
        match mood {
            Mood::Reset => return Err(Error::other("reset")),
            Mood::Hang => {
                let mut moods = self.mood.subscribe();
                let _ = moods.wait_for(|mood| *mood != Mood::Hang).await;
                return Err(Error::other("hung"));
            }
            Mood::Wait => {
                let mut moods = self.mood.subscribe();
                let _ = moods.wait_for(|mood| *mood != Mood::Wait).await;
            }
            Mood::Slow(wait) => tokio::time::sleep(Duration::from_millis(wait)).await,
            _ => {}
        }
        let accepted = || match path.as_str() {
            "/import" => json!({ "code": 200, "num_records_imported": count, "status": "OK" }),
            _ => json!({ "error": null, "status": 1 }),
        };
        let (status, retry_after, answer) = match mood {
            Mood::Status(status, retry_after) => (
                status,
                retry_after,
                json!({ "code": status, "error": "no" }).to_string(),
            ),
            Mood::EventsFail if path == "/import" => (500, None, String::new()),
            Mood::Garbage => (200, None, "<html>hello</html>".to_owned()),
            Mood::Limit(most) if count > most => (413, None, "too large".to_owned()),
            Mood::Partial if path == "/import" => (400, None, partial(count).to_string()),
            _ => (200, None, accepted().to_string()),
        };
        let mut response = Response::builder().status(status);
        if let Some(seconds) = retry_after {
            response = response.header("retry-after", seconds);
        }
        response.body(Body::from(answer)).map_err(Error::other)
    }
}

fn partial(count: usize) -> Value {
    let failed: Vec<Value> = (0..count)
        .step_by(3)
        .map(|index| json!({ "index": index, "insert_id": "x", "field": "properties", "message": "no" }))
        .collect();
    let taken = count - failed.len();
    json!({ "code": 400, "error": "some", "failed_records": failed, "num_records_imported": taken, "status": "Bad Request" })
}

fn plain(body: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    if body.starts_with(&[0x1f, 0x8b]) {
        flate2::bufread::GzDecoder::new(body)
            .read_to_end(&mut plain)
            .unwrap();
    } else {
        plain.extend_from_slice(body);
    }
    plain
}

/// An item's marker; empty where it has none.
pub(crate) fn marker(item: &Value) -> &str {
    ["/properties/marker", "/$set/marker"]
        .iter()
        .find_map(|place| item.pointer(place)?.as_str())
        .unwrap_or("")
}

/// Seeded randomness (splitmix64), so that a failing run can be repeated.
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The seed of this run: `COFFERDAM_SEED`, else the process id. Printed.
    pub(crate) fn seed(test: &str) -> u64 {
        let given = std::env::var("COFFERDAM_SEED")
            .ok()
            .and_then(|text| text.parse().ok());
        let seed = given.unwrap_or_else(|| u64::from(std::process::id()));
        println!("{test}: COFFERDAM_SEED={seed}");
        seed
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    fn mood(&mut self) -> Mood {
        match self.below(20) {
            0 | 1 => Mood::Status(500, None),
            2 => Mood::Status(503, Some(1)),
            3 => Mood::Status(429, Some(1)),
            4 | 5 => Mood::Reset,
            6 => Mood::Garbage,
            7 => Mood::Partial,
            8 | 9 => Mood::Slow(40),
            _ => Mood::Good,
        }
    }
}

/// Whether the full size runs (`cargo xtask prove`).
pub(crate) fn is_prove() -> bool {
    std::env::var_os("COFFERDAM_PROVE").is_some_and(|value| value == "1")
}
