//! Intake: the vendors' own paths. Reads a request, lets the pipeline take it, answers as the SDK expects.
//!
//! Invariant: every answer to an SDK carries CORS headers, whatever happened; targets, bodies and ids never reach a log; cookies are
//! dropped before anything is read.

mod bodies;
mod usage;

use crate::counters::Count;
use crate::pipeline::{Pipeline, Sender, Unavailable};
use crate::system::System;
use axum::body::{Body, Bytes};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bodies::Unread;
use cofferdam_policy::Signals;
use cofferdam_wire::Malformed;
use cofferdam_wire::mixpanel::{self, AnswerStyle, Credentials, Endpoint, Outcome, Preflight};
use hyper::body::Incoming;
use ipnet::IpNet;
use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// When a sender that passed its limit may come again, seconds: the limits' window.
const RETRY_AFTER_LIMIT_S: u32 = 60;
/// A sender gets this long for a request's body.
const BODY_TIMEOUT: Duration = Duration::from_secs(60);

/// When a sender may come again that others left no memory for, seconds.
const RETRY_AFTER_FULL_S: u32 = 5;

pub use bodies::Bodies;

const SEC_GPC: HeaderName = HeaderName::from_static("sec-gpc");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// What the intake works with.
#[derive(Clone, Debug)]
pub struct Intake {
    /// The way of an event.
    pub pipeline: Arc<Pipeline>,
    /// Networks whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Arc<Vec<IpNet>>,
    /// What the lines of access logs need beside it.
    pub system: Arc<System>,
    /// The bodies under way.
    pub bodies: Bodies,
}

/// Answers one request of a peer.
pub async fn answer(intake: &Intake, request: Request<Incoming>, peer: SocketAddr) -> Response {
    let (parts, body) = request.into_parts();
    if parts.uri.path() == usage::PATH {
        return usage::answer(intake, &parts, body).await;
    }
    let mut response = match mixpanel::endpoint(parts.uri.path()) {
        None => StatusCode::NOT_FOUND.into_response(),
        Some(_) if parts.method == Method::OPTIONS => StatusCode::NO_CONTENT.into_response(),
        Some(endpoint) => answer_endpoint(intake, endpoint, &parts, body, peer).await,
    };
    let preflight = (parts.method == Method::OPTIONS).then(|| Preflight {
        request_headers: text(&parts.headers, &header::ACCESS_CONTROL_REQUEST_HEADERS),
    });
    let origin = text(&parts.headers, &header::ORIGIN);
    add_headers(
        response.headers_mut(),
        mixpanel::cors_headers(origin, true, preflight),
    );
    response
}

async fn answer_endpoint(
    intake: &Intake,
    endpoint: Endpoint,
    parts: &Parts,
    body: Incoming,
    peer: SocketAddr,
) -> Response {
    let limit = intake.pipeline.limits.body_bytes_max;
    let read = intake.bodies.read(body, limit);
    // A body without a declared length that passes the limit is too large as well; one that breaks off has nobody to answer to.
    let (held, unread) = match tokio::time::timeout(BODY_TIMEOUT, read).await {
        Ok(Ok(held)) => (Some(held), None),
        Ok(Err(unread)) => (None, Some(unread)),
        Err(_) => return StatusCode::REQUEST_TIMEOUT.into_response(),
    };
    let body: &[u8] = held.as_ref().map_or(&[], |held| held.bytes.as_ref());
    let request = mixpanel::Request {
        method: method(&parts.method),
        path: parts.uri.path(),
        query: parts.uri.query(),
        content_type: text(&parts.headers, &header::CONTENT_TYPE),
        content_encoding: text(&parts.headers, &header::CONTENT_ENCODING),
        authorization: text(&parts.headers, &header::AUTHORIZATION),
        body,
    };
    let respond_as_asked = |outcome: &Outcome<'_>| {
        let style = AnswerStyle::of(endpoint, &request);
        respond(mixpanel::answer(&style, endpoint, outcome))
    };
    let malformed = |problem: Malformed| {
        let count = Count::Refused(Arc::from(""), problem.refusal());
        intake.pipeline.counters.add(count, 1);
        respond_as_asked(&Outcome::Malformed(problem))
    };
    match unread {
        Some(Unread::TooLarge) => return malformed(Malformed::TooLarge { limit_bytes: limit }),
        Some(Unread::Full) => {
            return respond_as_asked(&Outcome::Unavailable {
                retry_after_s: RETRY_AFTER_FULL_S,
            });
        }
        None => {}
    }
    if !endpoint.takes_items() {
        return respond_as_asked(&Outcome::Kept {
            items: 0,
            rejected: &[],
        });
    }
    let decoded = match mixpanel::decode(endpoint, &request, &intake.pipeline.limits) {
        Ok(decoded) => decoded,
        Err(problem) => return malformed(problem),
    };
    let batch = match decoded.parse(&intake.pipeline.limits) {
        Ok(batch) => batch,
        Err(problem) => return malformed(problem),
    };
    let credential = match decoded.credentials() {
        Credentials::None => None,
        Credentials::Basic { user, .. } => Some(user.as_str()),
        Credentials::Bearer(text) | Credentials::ApiKey(text) => Some(text.as_str()),
    };
    let sender = sender(intake, parts, peer, credential.or(decoded.token()));
    let accepted = intake.pipeline.accept(batch, &sender).await;
    let outcome = match &accepted {
        // What was kept of the request is recognized when the SDK sends it again.
        Ok(accepted) if accepted.is_limited() => Outcome::RateLimited {
            retry_after_s: RETRY_AFTER_LIMIT_S,
        },
        Ok(accepted) => Outcome::Kept {
            items: accepted.accepted,
            rejected: &accepted.rejected,
        },
        Err(Unavailable { retry_after_s }) => Outcome::Unavailable {
            retry_after_s: *retry_after_s,
        },
    };
    respond(mixpanel::answer(&decoded.style(), endpoint, &outcome))
}

fn sender<'a>(
    intake: &Intake,
    parts: &'a Parts,
    peer: SocketAddr,
    credential: Option<&'a str>,
) -> Sender<'a> {
    let headers = &parts.headers;
    let flag = |name: &HeaderName| {
        headers
            .get(name)
            .is_some_and(|value| value.as_bytes() == b"1")
    };
    let origin = text(headers, &header::ORIGIN);
    let is_page = origin.is_some() || headers.contains_key(&SEC_FETCH_MODE);
    Sender {
        address: address(intake, headers, peer),
        origin,
        user_agent: text(headers, &header::USER_AGENT),
        signals: Signals {
            gpc: flag(&SEC_GPC),
            dnt: flag(&header::DNT),
            opted_in: false,
            opted_out: false,
        },
        credential,
        is_person: is_page,
        import: None,
    }
}

/// The sender's address: the connection's, or the last one in `X-Forwarded-For` that no trusted proxy added; `None` where a trusted
/// proxy names something unreadable.
fn address(intake: &Intake, headers: &HeaderMap, peer: SocketAddr) -> Option<IpAddr> {
    let peer = peer.ip().to_canonical();
    let trusted = |address: &IpAddr| {
        intake
            .trusted_proxies
            .iter()
            .any(|network| network.contains(address))
    };
    if !trusted(&peer) {
        return Some(peer);
    }
    let forwarded = headers
        .get_all(&X_FORWARDED_FOR)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let chain: Vec<&str> = forwarded.flat_map(|value| value.split(',')).collect();
    for part in chain.iter().rev() {
        // What stands before something unreadable was not written by a proxy that we know to have been last: nobody knows.
        let address = address_of(part.trim())?;
        if !trusted(&address) {
            return Some(address);
        }
    }
    Some(peer)
}

/// An address, with or without a port.
fn address_of(text: &str) -> Option<IpAddr> {
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let with_port = || Some(text.parse::<SocketAddr>().ok()?.ip());
    let address = bare.unwrap_or(text).parse().ok().or_else(with_port)?;
    Some(IpAddr::to_canonical(&address))
}

fn respond(answer: mixpanel::Answer) -> Response {
    let body = match answer.body {
        Cow::Borrowed(body) => Bytes::from_static(body),
        Cow::Owned(body) => Bytes::from(body),
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() =
        StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(answer.content_type),
    );
    add_headers(headers, answer.headers);
    response
}

fn add_headers(headers: &mut HeaderMap, added: Vec<(&'static str, Cow<'_, str>)>) {
    for (name, value) in added {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
}

fn method(method: &Method) -> mixpanel::Method {
    match *method {
        Method::GET => mixpanel::Method::Get,
        Method::POST => mixpanel::Method::Post,
        Method::OPTIONS => mixpanel::Method::Options,
        Method::HEAD => mixpanel::Method::Head,
        _ => mixpanel::Method::Other,
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
