//! Load with a memory: clients that send marked events as SDKs do, and know what was acknowledged.
//!
//! Invariant: a marker is in `acknowledged` only after its 200 was read, and in `sent` before its first byte went out.

use crate::sink::Dice;
use axum::body::Body;
use http_body_util::BodyExt;
use hyper::Request;
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::watch;

/// One kept-alive connection.
pub(crate) struct Connection {
    sender: Option<SendRequest<Body>>,
    requests: u64,
}

impl Connection {
    pub(crate) async fn over(stream: TcpStream) -> Self {
        let sender = match hyper::client::conn::http1::handshake(TokioIo::new(stream)).await {
            Ok((sender, connection)) => {
                tokio::spawn(connection);
                Some(sender)
            }
            Err(_) => None,
        };
        Self {
            sender,
            requests: 0,
        }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Option<u16> {
        let request = Request::get(path)
            .header("host", "t.example.com")
            .body(Body::empty());
        self.send(request.unwrap()).await.map(|(status, ..)| status)
    }

    pub(crate) async fn post(
        &mut self,
        path: &str,
        body: &str,
    ) -> Option<(u16, Option<String>, Vec<u8>)> {
        let request = Request::post(path)
            .header("host", "t.example.com")
            .header("content-type", "application/json")
            .body(Body::from(body.to_owned()));
        self.send(request.unwrap()).await
    }

    /// Status, Retry-After and body; `None` where the connection broke.
    async fn send(&mut self, request: Request<Body>) -> Option<(u16, Option<String>, Vec<u8>)> {
        self.requests += 1;
        let sender = self.sender.as_mut()?;
        sender.ready().await.ok()?;
        let response = sender.send_request(request).await.ok()?;
        let status = response.status().as_u16();
        let retry_after = response
            .headers()
            .get("retry-after")
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned);
        let body = response
            .into_body()
            .collect()
            .await
            .ok()?
            .to_bytes()
            .to_vec();
        Some((status, retry_after, body))
    }
}

/// What the clients know.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// Events whose first byte may have gone out.
    pub(crate) sent: BTreeSet<String>,
    /// Events with a 200.
    pub(crate) acknowledged: BTreeSet<String>,
    /// Profile updates with a 200.
    pub(crate) updates: BTreeSet<String>,
    /// Requests answered with 503.
    pub(crate) unavailable: u64,
    /// Connections that were refused.
    pub(crate) refused: u64,
    /// Connections that broke before an answer.
    pub(crate) broken: u64,
    /// Of them, those that broke at their first request.
    pub(crate) broken_fresh: u64,
}

/// One client.
pub(crate) struct Client {
    pub(crate) address: SocketAddr,
    pub(crate) token: String,
    /// Prefix of its markers.
    pub(crate) lane: String,
    pub(crate) dice: Dice,
    pub(crate) memory: Arc<Mutex<Memory>>,
    /// Whether to give up some requests whose answer was lost, as a closed page does.
    pub(crate) gives_up: bool,
    /// Whether each request takes a new connection.
    pub(crate) reconnects: bool,
}

impl Client {
    /// Sends until stopped; what was begun is finished.
    pub(crate) async fn run(mut self, stop: watch::Receiver<bool>) {
        let (mut connection, mut next) = (None, 0u64);
        while !*stop.borrow() {
            let count = 1 + self.dice.below(12);
            let is_update = self.dice.below(10) == 0;
            let markers: Vec<String> = (next..next + count)
                .map(|serial| format!("{}{serial}", self.lane))
                .collect();
            next += count;
            let items: Vec<Value> = markers
                .iter()
                .map(|marker| {
                    if is_update {
                        self.update(marker)
                    } else {
                        self.event(marker)
                    }
                })
                .collect();
            let body = Value::from(items).to_string();
            if !is_update {
                self.memory
                    .lock()
                    .unwrap()
                    .sent
                    .extend(markers.iter().cloned());
            }
            let path = if is_update {
                "/engage?verbose=1"
            } else {
                "/track?verbose=1"
            };
            if self.deliver(&mut connection, path, &body).await {
                let mut memory = self.memory.lock().unwrap();
                match is_update {
                    true => memory.updates.extend(markers),
                    false => memory.acknowledged.extend(markers),
                }
            }
        }
    }

    /// Sends until there is a 200; `false` where it was given up.
    async fn deliver(
        &mut self,
        connection: &mut Option<Connection>,
        path: &str,
        body: &str,
    ) -> bool {
        loop {
            if self.reconnects {
                *connection = None;
            }
            if connection.is_none() {
                match TcpStream::connect(self.address).await {
                    Ok(stream) => *connection = Some(Connection::over(stream).await),
                    Err(error) => {
                        assert!(
                            matches!(
                                error.kind(),
                                ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset
                            ),
                            "{error}"
                        );
                        self.memory.lock().unwrap().refused += 1;
                        tokio::time::sleep(Duration::from_millis(5)).await;
                        continue;
                    }
                }
            }
            let is_fresh = connection
                .as_ref()
                .is_some_and(|connection| connection.requests == 0);
            let answer = match connection {
                Some(connection) => connection.post(path, body).await,
                None => None,
            };
            match answer {
                Some((200, _, answer)) => {
                    let answer: Value = serde_json::from_slice(&answer).unwrap();
                    assert_eq!(answer["status"], 1, "{answer}");
                    return true;
                }
                Some((503, retry_after, answer)) => {
                    assert!(retry_after.is_some(), "503 without Retry-After");
                    assert_ne!(answer, b"1");
                    self.memory.lock().unwrap().unavailable += 1;
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Some((status, _, answer)) => {
                    panic!("{status} {}", String::from_utf8_lossy(&answer))
                }
                None => {
                    *connection = None;
                    let mut memory = self.memory.lock().unwrap();
                    memory.broken += 1;
                    memory.broken_fresh += u64::from(is_fresh);
                    drop(memory);
                    // An update has no id: sent again it would be another one.
                    let is_update = path.starts_with("/engage");
                    if is_update || self.gives_up && self.dice.below(3) == 0 {
                        return false;
                    }
                }
            }
        }
    }

    /// An event of one of 60 people, before or after they signed in.
    fn event(&mut self, marker: &str) -> Value {
        let person = self.dice.below(60);
        let (user, device) = (
            format!("user-{person}@{}", self.lane),
            format!("device-{person}-{}", self.lane),
        );
        let mut properties = json!({ "token": self.token, "$insert_id": format!("insert-{marker}"), "marker": marker,
            "person": format!("p{person}{}", self.lane), "plan": "pro", "email": "ada@example.com" });
        match self.dice.below(3) {
            0 => properties["$user_id"] = json!(user),
            1 => properties["$device_id"] = json!(device),
            _ => {
                properties["$user_id"] = json!(user);
                properties["$device_id"] = json!(device);
            }
        }
        properties["distinct_id"] = match properties.get("$user_id") {
            Some(user) => user.clone(),
            None => json!(format!("$device:{device}")),
        };
        json!({ "event": "Called", "properties": properties })
    }

    fn update(&mut self, marker: &str) -> Value {
        let person = self.dice.below(60);
        json!({ "$token": self.token, "$distinct_id": format!("user-{person}@{}", self.lane),
            "$set": { "marker": marker, "plan": "pro" } })
    }
}
