//! How a verb reaches the admin API: over the control socket of a running server, or in this process on the directory.
//!
//! Invariant: both ways end in the same router, so a verb behaves the same whether or not a server runs.

use crate::system::System;
use axum::Router;
use axum::body::{Body, Bytes};
use http_body_util::BodyExt;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tower::ServiceExt;

/// A way to the admin API as `local-operator`.
#[derive(Debug)]
pub enum AdminApi {
    /// The control socket of a running server.
    Socket(PathBuf),
    /// The router itself, on a directory that this process holds.
    Local {
        /// The router.
        router: Router,
        /// The system behind it.
        system: Arc<System>,
    },
}

/// An API answer.
#[derive(Debug)]
pub struct ApiAnswer {
    /// HTTP status.
    pub status: StatusCode,
    /// The body; null where it is no JSON.
    pub body: serde_json::Value,
}

impl AdminApi {
    /// Calls one route.
    ///
    /// # Errors
    /// Where the socket cannot be reached or the answer cannot be read.
    pub async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<serde_json::Value>,
    ) -> anyhow::Result<ApiAnswer> {
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        self.send(method, path, "application/json", body.into())
            .await
    }

    /// As [`AdminApi::call`], with a body of any type.
    ///
    /// # Errors
    /// As [`AdminApi::call`].
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        content_type: &'static str,
        body: Bytes,
    ) -> anyhow::Result<ApiAnswer> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "control.sock")
            .header("content-type", content_type)
            .body(Body::from(body))?;
        match self {
            Self::Local { router, .. } => {
                let response = router.clone().oneshot(request).await?;
                let (parts, body) = response.into_parts();
                answer(parts.status, body).await
            }
            Self::Socket(path) => over_socket(path, request).await,
        }
    }
}

/// A word as it stands in an address: whatever is typed names one vendor or day, and nothing else of the API.
pub(crate) fn escaped(word: &str) -> String {
    let mut text = String::with_capacity(word.len());
    for byte in word.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => text.push(byte.into()),
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

async fn over_socket(path: &Path, request: Request<Body>) -> anyhow::Result<ApiAnswer> {
    let stream = tokio::net::UnixStream::connect(path).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let driver = tokio::spawn(connection);
    let response = sender.send_request(request).await?;
    let (parts, body) = response.into_parts();
    let answer = answer(parts.status, body).await;
    drop(sender);
    driver.abort();
    answer
}

async fn answer<B>(status: StatusCode, body: B) -> anyhow::Result<ApiAnswer>
where
    B: hyper::body::Body,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let bytes = body.collect().await?.to_bytes();
    Ok(ApiAnswer {
        status,
        body: serde_json::from_slice(&bytes).unwrap_or(serde_json::Value::Null),
    })
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn a_word_stays_one_word_of_an_address() {
        assert_eq!(escaped("mix-panel_2.eu"), "mix-panel_2.eu");
        assert_eq!(escaped("a/b?c#d&e=%41 f"), "a%2Fb%3Fc%23d%26e%3D%2541%20f");
        assert_eq!(escaped("ü"), "%C3%BC");
    }
}
