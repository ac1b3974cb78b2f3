//! Intake: the vendors' own paths. Reads a request, lets the pipeline take it, answers as the SDK expects.
//!
//! Invariant: every answer carries CORS headers, whatever happened; targets, bodies and ids never reach a log; cookies are
//! dropped before anything is read.

use crate::counters::Count;
use crate::pipeline::{Pipeline, Sender, Unavailable};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use cofferdam_policy::Signals;
use cofferdam_wire::Malformed;
use cofferdam_wire::mixpanel::{self, AnswerStyle, Credentials, Endpoint, Outcome, Preflight};
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// When a sender that passed its limit may come again, seconds: the limits' window.
const RETRY_AFTER_LIMIT_S: u32 = 60;

/// What the intake routes work with.
#[derive(Clone, Debug)]
pub struct Intake {
    /// The way of an event.
    pub pipeline: Arc<Pipeline>,
    /// Networks whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Arc<Vec<IpNet>>,
}

/// The intake router.
pub fn router(intake: Intake) -> Router {
    Router::new().fallback(take).with_state(intake)
}

async fn take(State(intake): State<Intake>, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let origin = text(&parts.headers, &header::ORIGIN).map(str::to_owned);
    let mut response = match mixpanel::endpoint(parts.uri.path()) {
        None => StatusCode::NOT_FOUND.into_response(),
        Some(_) if parts.method == Method::OPTIONS => StatusCode::NO_CONTENT.into_response(),
        Some(endpoint) => answer_endpoint(&intake, endpoint, &parts, body).await,
    };
    let request_headers = parts
        .headers
        .get("access-control-request-headers")
        .and_then(|value| value.to_str().ok());
    let preflight = (parts.method == Method::OPTIONS).then_some(Preflight { request_headers });
    for (name, value) in mixpanel::cors_headers(origin.as_deref(), true, preflight) {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

async fn answer_endpoint(
    intake: &Intake,
    endpoint: Endpoint,
    parts: &axum::http::request::Parts,
    body: Body,
) -> Response {
    let limit = intake.pipeline.limits.body_bytes_max;
    // A body without a declared length that passes the limit is too large as well; one that breaks off has nobody to answer to.
    let (body, too_large) = match axum::body::to_bytes(body, limit).await {
        Ok(body) => (body, false),
        Err(_) => (Bytes::new(), true),
    };
    let request = mixpanel::Request {
        method: method(&parts.method),
        path: parts.uri.path(),
        query: parts.uri.query(),
        content_type: text(&parts.headers, &header::CONTENT_TYPE),
        content_encoding: text(&parts.headers, &header::CONTENT_ENCODING),
        authorization: text(&parts.headers, &header::AUTHORIZATION),
        body: &body,
    };
    let style = AnswerStyle::of(endpoint, &request);
    if too_large {
        return malformed(
            intake,
            endpoint,
            &style,
            Malformed::TooLarge { limit_bytes: limit },
        );
    }
    if !endpoint.takes_items() {
        return respond(mixpanel::answer(
            &style,
            endpoint,
            &Outcome::Kept {
                items: 0,
                rejected: &[],
            },
        ));
    }
    let decoded = match mixpanel::decode(endpoint, &request, &intake.pipeline.limits) {
        Ok(decoded) => decoded,
        Err(problem) => return malformed(intake, endpoint, &style, problem),
    };
    let style = decoded.style();
    let batch = match decoded.parse(&intake.pipeline.limits) {
        Ok(batch) => batch,
        Err(problem) => return malformed(intake, endpoint, &style, problem),
    };
    let credential = match decoded.credentials() {
        Credentials::None => None,
        Credentials::Basic { user, .. } => Some(user.as_str()),
        Credentials::Bearer(text) | Credentials::ApiKey(text) => Some(text.as_str()),
    };
    let sender = sender(intake, parts, credential.or(decoded.token()));
    match intake.pipeline.accept(batch, &sender).await {
        // What was kept of the request is recognized when the SDK sends it again.
        Ok(accepted) if accepted.is_limited() => {
            let outcome = Outcome::RateLimited {
                retry_after_s: RETRY_AFTER_LIMIT_S,
            };
            respond(mixpanel::answer(&style, endpoint, &outcome))
        }
        Ok(accepted) => {
            let outcome = Outcome::Kept {
                items: accepted.accepted,
                rejected: &accepted.rejected,
            };
            respond(mixpanel::answer(&style, endpoint, &outcome))
        }
        Err(Unavailable { retry_after_s }) => respond(mixpanel::answer(
            &style,
            endpoint,
            &Outcome::Unavailable { retry_after_s },
        )),
    }
}

fn sender<'a>(
    intake: &Intake,
    parts: &'a axum::http::request::Parts,
    credential: Option<&'a str>,
) -> Sender<'a> {
    let headers = &parts.headers;
    let flag = |name: &str| {
        headers
            .get(name)
            .is_some_and(|value| value.as_bytes() == b"1")
    };
    let origin = text(headers, &header::ORIGIN);
    let is_page = origin.is_some() || headers.contains_key("sec-fetch-mode");
    Sender {
        address: address(intake, parts),
        origin,
        user_agent: text(headers, &header::USER_AGENT),
        signals: Signals {
            gpc: flag("sec-gpc"),
            dnt: flag("dnt"),
            opted_in: false,
            opted_out: false,
        },
        credential,
        is_person: is_page,
    }
}

/// The sender's address: the connection's, or the last one in `X-Forwarded-For` that no trusted proxy added.
fn address(intake: &Intake, parts: &axum::http::request::Parts) -> Option<IpAddr> {
    let peer = parts
        .extensions
        .get::<ConnectInfo<SocketAddr>>()
        .map(|ConnectInfo(address)| address.ip().to_canonical())?;
    let trusted = |address: &IpAddr| {
        intake
            .trusted_proxies
            .iter()
            .any(|network| network.contains(address))
    };
    if !trusted(&peer) {
        return Some(peer);
    }
    let forwarded = parts
        .headers
        .get_all("x-forwarded-for")
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

fn malformed(
    intake: &Intake,
    endpoint: Endpoint,
    style: &AnswerStyle,
    problem: Malformed,
) -> Response {
    intake
        .pipeline
        .counters
        .add(Count::Refused(Arc::from(""), problem.refusal()), 1);
    respond(mixpanel::answer(
        style,
        endpoint,
        &Outcome::Malformed(problem),
    ))
}

fn respond(answer: mixpanel::Answer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, answer.body.into_owned()).into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(answer.content_type),
    );
    for (name, value) in answer.headers {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    response
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
