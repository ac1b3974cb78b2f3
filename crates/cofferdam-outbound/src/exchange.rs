//! One request and its answer on one connection.
//!
//! Invariant: the error says "nothing left" exactly where the socket has written no byte since the request was handed over;
//! a request that is given up takes its connection with it.

use crate::connect::Duplex;
use crate::socket::Gate;
use crate::{NotSent, OutboundError, OutboundResponse, Unknown};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, timeout_at};

/// An HTTP/1 connection that hyper drives in its own task.
#[derive(Debug)]
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    gate: Gate,
}

/// Closes the socket when a request is given up half-way, also where its future is dropped.
struct UntilDone {
    gate: Gate,
    done: bool,
}

impl Drop for UntilDone {
    fn drop(&mut self) {
        if !self.done {
            self.gate.cut();
        }
    }
}

enum Failure {
    Timeout,
    Broken,
    TooLarge,
}

impl Connection {
    /// Starts HTTP/1 on a connected stream.
    pub(crate) async fn start(gate: Gate, stream: Box<dyn Duplex>) -> Result<Self, NotSent> {
        let started = http1::Builder::new()
            .max_headers(100)
            .handshake(TokioIo::new(stream))
            .await;
        let (sender, connection) = started.map_err(|_| NotSent::Connect)?;
        tokio::spawn(async move {
            // How it ends is seen by whoever waits for an answer.
            let _ = connection.await;
        });
        Ok(Self { sender, gate })
    }

    pub(crate) fn is_open(&self) -> bool {
        !self.sender.is_closed()
    }

    /// Sends the request and reads the whole answer. Returns the connection where it can be used again.
    pub(crate) async fn exchange(
        mut self,
        request: Request<Full<Bytes>>,
        answer_bytes_max: usize,
        deadline: Instant,
    ) -> (Result<OutboundResponse, OutboundError>, Option<Self>) {
        let mut guard = UntilDone {
            gate: self.gate.clone(),
            done: false,
        };
        let before = self.gate.written_bytes();
        let result = timeout_at(deadline, self.run(request, answer_bytes_max))
            .await
            .unwrap_or(Err(Failure::Timeout));
        match result {
            Ok(response) if (300..400).contains(&response.status) => (
                Err(Unknown::Redirect {
                    status: response.status,
                }
                .into()),
                None,
            ),
            Ok(response) => {
                guard.done = true;
                (Ok(response), Some(self))
            }
            // Cut first: after it the count can no longer grow.
            Err(failure) => {
                self.gate.cut();
                let has_written = self.gate.written_bytes() > before;
                (Err(classify(&failure, has_written)), None)
            }
        }
    }

    async fn run(
        &mut self,
        request: Request<Full<Bytes>>,
        answer_bytes_max: usize,
    ) -> Result<OutboundResponse, Failure> {
        self.sender.ready().await.map_err(|_| Failure::Broken)?;
        let response = self
            .sender
            .send_request(request)
            .await
            .map_err(|_| Failure::Broken)?;
        let (head, body) = Response::into_parts(response);
        let body = Limited::new(body, answer_bytes_max)
            .collect()
            .await
            .map_err(|error| {
                if error.is::<LengthLimitError>() {
                    Failure::TooLarge
                } else {
                    Failure::Broken
                }
            })?;
        Ok(OutboundResponse {
            status: head.status.as_u16(),
            headers: head.headers,
            body: body.to_bytes(),
        })
    }
}

fn classify(failure: &Failure, has_written: bool) -> OutboundError {
    match (failure, has_written) {
        (Failure::Timeout, false) => NotSent::Timeout.into(),
        (Failure::Broken | Failure::TooLarge, false) => NotSent::Closed.into(),
        (Failure::Timeout, true) => Unknown::Timeout.into(),
        (Failure::Broken, true) => Unknown::Broken.into(),
        (Failure::TooLarge, true) => Unknown::AnswerTooLarge.into(),
    }
}
