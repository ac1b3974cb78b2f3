//! From a declared host to a connected socket: resolve, refuse what it may not be, pin, connect, TLS.
//!
//! The address is checked after resolution and that very address is connected to, so that a name that changes its answer
//! between check and use gains nothing.
//! Invariant: whatever fails here, no byte of a request has left.

use crate::address;
use crate::destination::{Origin, Scheme};
use crate::socket::{Gate, Socket};
use crate::{NotSent, OutboundOptions, Resolution};
use rustls_pki_types::{CertificateDer, ServerName};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Anything that hyper can drive.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// Makes connections under the options' rules.
#[derive(Clone)]
pub(crate) struct Connector {
    tls: TlsConnector,
    loopback_allowed: bool,
    resolution: Resolution,
}

impl Connector {
    /// # Errors
    /// [`NotSent::Tls`] where an extra root is no certificate, or the provider lacks the protocol versions.
    pub(crate) fn new(options: &OutboundOptions) -> Result<Self, NotSent> {
        let mut roots = rustls::RootCertStore {
            roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
        };
        for der in &options.extra_roots {
            roots
                .add(CertificateDer::from(der.clone()))
                .map_err(|_| NotSent::Tls)?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|_| NotSent::Tls)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            tls: TlsConnector::from(Arc::new(config)),
            loopback_allowed: options.allow_loopback_vendors,
            resolution: options.resolution.clone(),
        })
    }

    /// Connects to one allowed address of the origin.
    pub(crate) async fn connect(
        &self,
        origin: &Origin,
    ) -> Result<(Gate, Box<dyn Duplex>), NotSent> {
        let addresses = self.resolve(origin).await?;
        let mut refused = NotSent::Connect;
        for address in addresses {
            if origin.scheme == Scheme::Http && !address::is_loopback(address.ip()) {
                refused = NotSent::TlsRequired {
                    host: origin.host.clone(),
                };
                continue;
            }
            let Ok(stream) = TcpStream::connect(address).await else {
                continue;
            };
            // Requests are written whole; waiting for more to write only adds delay.
            let _ = stream.set_nodelay(true);
            let (gate, socket) = Gate::new(stream);
            return match origin.scheme {
                Scheme::Http => Ok((gate, Box::new(socket))),
                Scheme::Https => self.handshake(origin, socket).await.map(|tls| (gate, tls)),
            };
        }
        Err(refused)
    }

    async fn resolve(&self, origin: &Origin) -> Result<Vec<SocketAddr>, NotSent> {
        let literal = origin
            .host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .parse::<IpAddr>();
        let all: Vec<IpAddr> = match (literal, &self.resolution) {
            (Ok(address), _) => vec![address],
            (Err(_), Resolution::System) => {
                let found = tokio::net::lookup_host((origin.host.as_str(), origin.port)).await;
                found
                    .map_err(|_| NotSent::Dns)?
                    .map(|address| address.ip())
                    .collect()
            }
            (Err(_), Resolution::Fixed(table)) => table
                .iter()
                .filter(|(host, _)| *host == origin.host)
                .map(|(_, address)| *address)
                .collect(),
        };
        if all.is_empty() {
            return Err(NotSent::Dns);
        }
        let allowed: Vec<SocketAddr> = all
            .into_iter()
            .filter(|address| address::is_allowed(*address, self.loopback_allowed))
            .map(|address| SocketAddr::new(address, origin.port))
            .collect();
        if allowed.is_empty() {
            return Err(NotSent::DeniedAddress {
                host: origin.host.clone(),
            });
        }
        Ok(allowed)
    }

    async fn handshake(&self, origin: &Origin, socket: Socket) -> Result<Box<dyn Duplex>, NotSent> {
        let host = origin
            .host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        let name = ServerName::try_from(host).map_err(|_| NotSent::Tls)?;
        let stream = self
            .tls
            .connect(name, socket)
            .await
            .map_err(|_| NotSent::Tls)?;
        Ok(Box::new(stream))
    }
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connector")
            .field("loopback_allowed", &self.loopback_allowed)
            .finish_non_exhaustive()
    }
}
