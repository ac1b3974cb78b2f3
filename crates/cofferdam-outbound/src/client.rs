//! The guarded client: declared hosts in, requests out, within limits.
//!
//! Invariant: every request passes the allow-list and the cut before anything is resolved or connected.

use crate::connect::Connector;
use crate::destination::{Origin, split};
use crate::exchange::Connection;
use crate::pool::Pool;
use crate::{Destination, NotSent, OutboundError, Purpose, Unknown};
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request};
use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// How names become addresses.
#[derive(Clone, Debug, Default)]
pub enum Resolution {
    /// The operating system's resolver.
    #[default]
    System,
    /// This table of host and address, and nothing else.
    Fixed(Arc<[(String, IpAddr)]>),
}

/// Limits of the client, with units.
#[derive(Clone, Debug)]
pub struct OutboundOptions {
    /// Whether declared hosts may be on this machine's loopback: tests and demos only.
    pub allow_loopback_vendors: bool,
    /// Longest time for name, TCP and TLS together.
    pub connect_timeout: Duration,
    /// Longest time for the whole request, connecting included.
    pub total_timeout: Duration,
    /// Largest answer body, bytes.
    pub answer_bytes_max: usize,
    /// Most idle connections per purpose and host.
    pub idle_max: usize,
    /// Longest time that an idle connection is kept: shorter than servers commonly keep theirs, so that a request
    /// rarely meets a closing one.
    pub idle_timeout: Duration,
    /// How names become addresses.
    pub resolution: Resolution,
    /// Certificate authorities in addition to the compiled-in ones, DER.
    pub extra_roots: Vec<Vec<u8>>,
}

impl Default for OutboundOptions {
    fn default() -> Self {
        Self {
            allow_loopback_vendors: false,
            connect_timeout: Duration::from_secs(10),
            total_timeout: Duration::from_secs(60),
            answer_bytes_max: 1024 * 1024,
            idle_max: 2,
            idle_timeout: Duration::from_secs(15),
            resolution: Resolution::System,
            extra_roots: Vec::new(),
        }
    }
}

/// The request's method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// `GET`
    Get,
    /// `POST`
    Post,
}

/// One request. Its debug form shows neither path, headers nor body.
#[derive(Clone)]
pub struct OutboundRequest {
    /// What it is for; the host must be declared for it.
    pub purpose: Purpose,
    /// The method.
    pub verb: Verb,
    /// Absolute URL.
    pub url: String,
    /// Headers besides host, length and user agent.
    pub headers: Vec<(&'static str, String)>,
    /// The body, sent as it is.
    pub body: Bytes,
    /// Whether an idle connection may be used. Not for what must not be repeated after an unknown outcome: an idle
    /// connection may be closing at the other end.
    pub reuse: bool,
    /// [`Outbound::generation`] of when the request was prepared: it is refused where the purpose was cut since, even if the
    /// cut has ended again.
    pub generation: Option<u64>,
}

impl std::fmt::Debug for OutboundRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OutboundRequest")
            .field("purpose", &self.purpose)
            .field("verb", &self.verb)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// A whole answer.
#[derive(Clone)]
pub struct OutboundResponse {
    /// HTTP status; never a redirect.
    pub status: u16,
    pub(crate) headers: HeaderMap,
    /// The body, within the cap.
    pub body: Bytes,
}

impl OutboundResponse {
    /// A header's value, where there is one and it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl std::fmt::Debug for OutboundResponse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OutboundResponse")
            .field("status", &self.status)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// The one guarded client.
#[derive(Debug)]
pub struct Outbound {
    connector: Connector,
    pool: Pool,
    declared: RwLock<Vec<Destination>>,
    options: OutboundOptions,
}

impl Outbound {
    /// A client that may talk to nobody yet.
    ///
    /// # Errors
    /// [`NotSent::Tls`] where an extra root is not a certificate.
    pub fn new(options: OutboundOptions) -> Result<Self, OutboundError> {
        Ok(Self {
            connector: Connector::new(&options)?,
            pool: Pool::new(options.idle_max, options.idle_timeout),
            declared: RwLock::default(),
            options,
        })
    }

    /// Replaces the allow-list. Cuts stay as they are.
    pub fn declare(&self, destinations: Vec<Destination>) {
        *self
            .declared
            .write()
            .unwrap_or_else(PoisonError::into_inner) = destinations;
    }

    /// Stops all sending for a purpose: closes every connection with what is still unsent, and refuses new requests.
    /// Once this returns no further byte leaves for it, until [`Outbound::restore`]. Not durable: the caller's state is.
    pub fn cut(&self, purpose: &Purpose) {
        self.pool.cut(purpose);
    }

    /// Ends a cut.
    pub fn restore(&self, purpose: &Purpose) {
        self.pool.restore(purpose);
    }

    /// How often the purpose was cut since the start.
    #[must_use]
    pub fn generation(&self, purpose: &Purpose) -> u64 {
        self.pool.generation(purpose)
    }

    /// Whether the purpose is cut.
    #[must_use]
    pub fn is_cut(&self, purpose: &Purpose) -> bool {
        self.pool.is_cut(purpose)
    }

    /// Sends a request and reads the whole answer. Any status but a redirect is an answer.
    ///
    /// # Errors
    /// [`OutboundError::NotSent`] where certainly nothing left this machine, else [`OutboundError::Unknown`].
    pub async fn send(&self, request: OutboundRequest) -> Result<OutboundResponse, OutboundError> {
        let (origin, path) = split(&request.url)?;
        if !self.is_declared(&request.purpose, &origin) {
            return Err(NotSent::Undeclared { host: origin.host }.into());
        }
        let deadline = Instant::now() + self.options.total_timeout;
        let http = build(&request, &origin, &path)?;
        if request.reuse
            && let Some(connection) =
                self.pool
                    .take(&request.purpose, request.generation, &origin)?
        {
            let result = self
                .exchange(
                    connection,
                    &request.purpose,
                    &origin,
                    http.clone(),
                    deadline,
                )
                .await;
            match result {
                // The other side had closed it: nothing left, so a fresh connection is no repetition.
                Err(OutboundError::NotSent(NotSent::Closed)) => {}
                result => return result,
            }
        }
        let connection = self.connect(&request, &origin, deadline).await?;
        self.exchange(connection, &request.purpose, &origin, http, deadline)
            .await
    }

    fn is_declared(&self, purpose: &Purpose, origin: &Origin) -> bool {
        let declared = self.declared.read().unwrap_or_else(PoisonError::into_inner);
        declared
            .iter()
            .any(|destination| destination.purpose == *purpose && origin.is(destination))
    }

    async fn connect(
        &self,
        request: &OutboundRequest,
        origin: &Origin,
        deadline: Instant,
    ) -> Result<Connection, NotSent> {
        if self.pool.is_cut(&request.purpose) {
            return Err(NotSent::Cut);
        }
        let deadline = deadline.min(Instant::now() + self.options.connect_timeout);
        let connected = timeout_at(deadline, self.connector.connect(origin)).await;
        let (gate, stream) = connected.unwrap_or(Err(NotSent::Timeout))?;
        self.pool
            .register(&request.purpose, request.generation, &gate)?;
        Connection::start(gate, stream).await
    }

    async fn exchange(
        &self,
        connection: Connection,
        purpose: &Purpose,
        origin: &Origin,
        http: Request<Full<Bytes>>,
        deadline: Instant,
    ) -> Result<OutboundResponse, OutboundError> {
        let (result, connection) = connection
            .exchange(http, self.options.answer_bytes_max, deadline)
            .await;
        if let Some(connection) = connection {
            self.pool.put(purpose, origin, connection);
        }
        result.map_err(|error| match error {
            OutboundError::Unknown(Unknown::Broken) if self.pool.is_cut(purpose) => {
                Unknown::Cut.into()
            }
            OutboundError::NotSent(_) if self.pool.is_cut(purpose) => NotSent::Cut.into(),
            error => error,
        })
    }
}

fn build(
    request: &OutboundRequest,
    origin: &Origin,
    path: &str,
) -> Result<Request<Full<Bytes>>, NotSent> {
    let bad = |part| move |_| NotSent::BadRequest { part };
    let method = match request.verb {
        Verb::Get => Method::GET,
        Verb::Post => Method::POST,
    };
    let mut headers = HeaderMap::new();
    let host = HeaderValue::from_str(&origin.authority())
        .map_err(|_| NotSent::BadRequest { part: "url" })?;
    headers.insert(header::HOST, host);
    headers.insert(header::USER_AGENT, HeaderValue::from_static("cofferdam"));
    for (name, value) in &request.headers {
        let name = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| NotSent::BadRequest { part: "header" })?;
        let mut value =
            HeaderValue::from_str(value).map_err(|_| NotSent::BadRequest { part: "header" })?;
        value.set_sensitive(name == header::AUTHORIZATION);
        headers.insert(name, value);
    }
    let mut http = Request::builder()
        .method(method)
        .uri(path)
        .body(Full::new(request.body.clone()))
        .map_err(bad("url"))?;
    *http.headers_mut() = headers;
    Ok(http)
}
