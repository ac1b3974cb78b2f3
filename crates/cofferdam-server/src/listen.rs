//! Listening: TCP (plain or TLS), the control socket, sockets handed over by systemd; limits on slow and oversized requests.
//!
//! A socket that systemd hands over outlives this process, so an upgrade refuses no connection.
//! Invariant: a connection has a header time-out and a header size limit; on stop, requests under way are finished.

use crate::http;
use anyhow::Context as _;
use axum::Router;
use axum::response::Response;
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

/// A client gets this long to send a request's headers.
pub const HEADERS_TIMEOUT: Duration = Duration::from_secs(20);
/// Most bytes of a request's headers, and so of a GET with data.
const HEADERS_BYTES_MAX: usize = 64 * 1024;
/// A connection that was accepted just before the server stops gets this long to send its first request.
const FIRST_REQUEST_TIMEOUT: Duration = Duration::from_secs(1);
/// Most connections of one listener.
const CONNECTIONS_MAX: usize = 10_000;
/// Wait after a connection could not be accepted.
const ACCEPT_RETRY: Duration = Duration::from_millis(20);
/// Requests under way get this long when the server stops.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(20);

/// Binds a TCP address, or takes over the socket that systemd passed under that index.
///
/// # Errors
/// Where neither can be had.
pub async fn tcp(
    address: SocketAddr,
    passed: Option<std::net::TcpListener>,
) -> anyhow::Result<TcpListener> {
    if let Some(listener) = passed {
        listener.set_nonblocking(true)?;
        return Ok(TcpListener::from_std(listener)?);
    }
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}"))
}

/// The TCP sockets that systemd passed, in the order of the unit file: intake, then admin.
#[must_use]
pub fn passed_sockets() -> Vec<std::net::TcpListener> {
    let mut passed = listenfd::ListenFd::from_env();
    (0..passed.len())
        .filter_map(|index| passed.take_tcp_listener(index).ok().flatten())
        .collect()
}

/// Serves on TCP until `stop`; `handler` answers the requests.
pub fn serve_tcp<H, F>(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    handler: H,
    stop: watch::Receiver<bool>,
) -> JoinHandle<()>
where
    H: Fn(Request<Incoming>, SocketAddr) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response> + Send + 'static,
{
    let served = move |(stream, peer): (TcpStream, SocketAddr), stop| {
        let _ = stream.set_nodelay(true);
        let (handler, tls) = (handler.clone(), tls.clone());
        let handler = move |request| handler(request, peer);
        async move {
            match tls {
                None => connection(stream, handler, stop).await,
                Some(tls) => {
                    let handshake = tokio::time::timeout(HEADERS_TIMEOUT, tls.accept(stream)).await;
                    if let Ok(Ok(stream)) = handshake {
                        connection(stream, handler, stop).await;
                    }
                }
            }
        }
    };
    tokio::spawn(serve(move |cx| listener.poll_accept(cx), served, stop))
}

/// Serves a router on a Unix socket of mode 0600 until `stop`.
///
/// # Errors
/// Where the socket cannot be made.
pub fn serve_unix(
    path: &Path,
    router: Router,
    stop: watch::Receiver<bool>,
) -> anyhow::Result<JoinHandle<()>> {
    use std::os::unix::fs::PermissionsExt;
    // A socket file without a process behind it is what a killed server leaves; the lock is ours.
    let _ = std::fs::remove_file(path);
    let listener =
        UnixListener::bind(path).with_context(|| format!("cannot listen on {}", path.display()))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    let path = path.to_owned();
    let served = move |(stream, _), stop| {
        let router = router.clone();
        let handler = move |request| http::routed(router.clone(), request);
        connection::<UnixStream, _, _>(stream, handler, stop)
    };
    Ok(tokio::spawn(async move {
        serve(move |cx| listener.poll_accept(cx), served, stop).await;
        let _ = std::fs::remove_file(path);
    }))
}

/// Accepts until `stop`, has each connection served, then lets the requests under way finish. What `accept` owns is closed first.
async fn serve<S, F>(
    mut accept: impl FnMut(&mut Context<'_>) -> Poll<io::Result<S>>,
    served: impl Fn(S, watch::Receiver<bool>) -> F,
    mut stop: watch::Receiver<bool>,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = poll_fn(&mut accept) => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        while connections.try_join_next().is_some() {}
        let Ok(stream) = accepted else {
            // Out of descriptors or a reset before accept: go on soon, without spinning.
            tokio::time::sleep(ACCEPT_RETRY).await;
            continue;
        };
        // The newest is turned away: those that are served have descriptors for files and vendors left.
        if connections.len() < CONNECTIONS_MAX {
            connections.spawn(served(stream, stop.clone()));
        }
    }
    drop(accept);
    drain(connections).await;
}

async fn drain(mut connections: JoinSet<()>) {
    let all = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(DRAIN_TIMEOUT, all).await.is_err() {
        tracing::warn!("some connections did not end in time");
    }
}

async fn connection<T, H, F>(stream: T, handler: H, mut stop: watch::Receiver<bool>)
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: Fn(Request<Incoming>) -> F + Send,
    F: Future<Output = Response> + Send,
{
    let (first, mut first_seen) = watch::channel(false);
    let has_begun = AtomicBool::new(false);
    let service = service_fn(|request| {
        if !has_begun.swap(true, Ordering::Relaxed) {
            first.send_replace(true);
        }
        let answer = handler(request);
        async { Ok::<_, Infallible>(answer.await) }
    });
    let mut http1 = hyper::server::conn::http1::Builder::new();
    http1
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_TIMEOUT)
        .max_buf_size(HEADERS_BYTES_MAX)
        .keep_alive(true);
    let served = http1.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(served);
    let ended = tokio::select! {
        _ = served.as_mut() => true,
        _ = stop.wait_for(|stop| *stop) => false,
    };
    if !ended {
        // The HTTP layer would close a connection that has not sent anything yet; whoever was accepted gets an answer.
        let first = first_seen.wait_for(|seen| *seen);
        tokio::select! {
            _ = served.as_mut() => return,
            _ = tokio::time::timeout(FIRST_REQUEST_TIMEOUT, first) => {}
        }
        served.as_mut().graceful_shutdown();
        let _ = served.await;
    }
}

/// Reads certificate chain and key for TLS.
///
/// # Errors
/// Where a file cannot be read or they do not fit.
pub fn tls(certificate: &Path, key: &Path) -> anyhow::Result<TlsAcceptor> {
    use rustls_pki_types::pem::PemObject;
    use rustls_pki_types::{CertificateDer, PrivateKeyDer};
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| format!("{} is no PEM certificate chain", certificate.display()))?;
    let key = PrivateKeyDer::from_pem_file(key)
        .with_context(|| format!("{} is no PEM private key", key.display()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .context("certificate and key do not fit")?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
