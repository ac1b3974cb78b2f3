//! The one way out for mail: one configured relay, one recipient a mail, limits, and an outcome that can be acted on.
//!
//! The server makes mails of alerts and digests; here they become MIME and go to the relay over SMTP. Invariant (P10): nothing is
//! connected to but the relay of the options, by an address that the rules of the HTTP client allow a name to have, or that the
//! options themselves spell out; a password never leaves without TLS, but to this machine.

mod message;
mod session;
#[cfg(test)]
mod tests;

use crate::address;
use crate::{NotSent, Resolution};
use lettre::message::Mailbox;
use lettre::transport::smtp::client::{Certificate, CertificateStore, TlsParameters};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

/// How the relay is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailTls {
    /// TLS from the first byte, as on port 465.
    Tls,
    /// TLS after STARTTLS, as on port 587; without it nothing is sent.
    Starttls,
    /// No TLS.
    None,
}

/// Who the relay knows us as. Its debug form shows nothing.
#[derive(Clone)]
pub struct MailCredentials {
    /// The user.
    pub username: String,
    /// The password.
    pub password: String,
}

impl std::fmt::Debug for MailCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MailCredentials")
    }
}

/// The relay, and limits with units.
#[derive(Clone, Debug)]
pub struct MailOptions {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// How it is spoken to.
    pub tls: MailTls,
    /// Who it knows us as.
    pub credentials: Option<MailCredentials>,
    /// The sender: an address, or a name and an address.
    pub from: String,
    /// Longest time for connecting, and for each answer of the relay.
    pub step_timeout: Duration,
    /// Longest time for a mail; what is not sent then is of unknown outcome.
    pub total_timeout: Duration,
    /// Largest mail, bytes.
    pub message_bytes_max: usize,
    /// Whether a name may stand for this machine's loopback: tests and demos only. An address that is written out may.
    pub allow_loopback: bool,
    /// How names become addresses.
    pub resolution: Resolution,
    /// Certificate authorities in addition to the compiled-in ones, DER.
    pub extra_roots: Vec<Vec<u8>>,
}

impl MailOptions {
    /// A relay with the default limits.
    #[must_use]
    pub fn new(host: &str, port: u16, tls: MailTls, from: &str) -> Self {
        Self {
            host: host.to_owned(),
            port,
            tls,
            credentials: None,
            from: from.to_owned(),
            step_timeout: Duration::from_secs(20),
            total_timeout: Duration::from_secs(60),
            message_bytes_max: 2 * 1024 * 1024,
            allow_loopback: false,
            resolution: Resolution::System,
            extra_roots: Vec::new(),
        }
    }
}

/// A mail to one recipient. Its debug form shows neither whom it is for nor what it says.
#[derive(Clone)]
pub struct Mail {
    /// Names this mail for ever: sent again, it is the same to whoever gets it. Letters, digits, `-` and `.`.
    pub id: String,
    /// When it was made, milliseconds since 1970.
    pub made_ms: i64,
    /// The recipient's address.
    pub to: String,
    /// One line.
    pub subject: String,
    /// As plain text.
    pub text: String,
    /// As HTML too.
    pub html: Option<String>,
}

impl std::fmt::Debug for Mail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mail")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// Why a mail was not sent, split by what may be done about it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MailError {
    /// It cannot be sent as it is; trying again is of no use.
    #[error("the mail's {part} cannot be sent")]
    Invalid {
        /// Which part.
        part: &'static str,
    },
    /// The relay was not reached, or left before the mail: it can be sent again.
    #[error("the mail relay was not reached")]
    NotSent(#[source] NotSent),
    /// The relay said no.
    #[error("the mail relay refused with {code}")]
    Refused {
        /// The SMTP code.
        code: u16,
        /// Whether trying again is of no use (a code of 500 and above).
        is_permanent: bool,
    },
    /// The whole mail was given to the relay, and no answer came: it may have been sent.
    #[error("the mail relay did not say whether it took the mail")]
    Unknown,
}

impl MailError {
    /// Stable code for status and history.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Invalid { .. } => "invalid",
            Self::NotSent(why) => why.code(),
            Self::Refused {
                is_permanent: true, ..
            } => "refused",
            Self::Refused { .. } => "refused_for_now",
            Self::Unknown => "unknown",
        }
    }

    /// Whether it was certainly not sent, and another attempt may help.
    #[must_use]
    pub fn can_be_repeated(&self) -> bool {
        match self {
            Self::NotSent(_) => true,
            Self::Refused { is_permanent, .. } => !is_permanent,
            Self::Invalid { .. } | Self::Unknown => false,
        }
    }
}

/// Sends mails through the relay.
#[derive(Clone, Debug)]
pub struct Mailer(Arc<Relay>);

struct Relay {
    options: MailOptions,
    from: Mailbox,
    tls: Option<TlsParameters>,
}

impl std::fmt::Debug for Relay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Relay")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl Mailer {
    /// A way to the relay; nothing is connected yet.
    ///
    /// # Errors
    /// [`MailError::Invalid`] where the sender is no address or TLS cannot be had.
    pub fn new(options: MailOptions) -> Result<Self, MailError> {
        let from = options.from.parse();
        let from = from.map_err(|_| MailError::Invalid { part: "sender" })?;
        let tls = match options.tls {
            MailTls::None => None,
            MailTls::Tls | MailTls::Starttls => Some(tls(&options)?),
        };
        Ok(Self(Arc::new(Relay { options, from, tls })))
    }

    /// Sends a mail and waits for the relay's word.
    ///
    /// # Errors
    /// [`MailError`], which says whether it may be tried again.
    pub async fn send(&self, mail: &Mail) -> Result<(), MailError> {
        let relay = Arc::clone(&self.0);
        let (envelope, bytes) = message::build(mail, &relay.from)?;
        if bytes.len() > relay.options.message_bytes_max {
            return Err(MailError::Invalid { part: "size" });
        }
        let addresses = relay.addresses().await.map_err(MailError::NotSent)?;
        let total = relay.options.total_timeout;
        let sending = tokio::task::spawn_blocking(move || {
            session::send(&relay, &addresses, &envelope, &bytes)
        });
        match tokio::time::timeout(total, sending).await {
            Ok(Ok(sent)) => sent,
            // The thread goes on to its own end: whether the mail left is not known.
            Ok(Err(_)) | Err(_) => Err(MailError::Unknown),
        }
    }
}

/// Whether this is an address that a mail can go to.
#[must_use]
pub fn is_mail_address(text: &str) -> bool {
    text.parse::<lettre::Address>().is_ok()
}

/// Whether this is a sender: an address, or a name and an address.
#[must_use]
pub fn is_mail_sender(text: &str) -> bool {
    text.parse::<Mailbox>().is_ok()
}

fn tls(options: &MailOptions) -> Result<TlsParameters, MailError> {
    let invalid = |_| MailError::Invalid {
        part: "certificate",
    };
    let mut builder = TlsParameters::builder(options.host.clone())
        .certificate_store(CertificateStore::WebpkiRoots);
    for der in &options.extra_roots {
        builder =
            builder.add_root_certificate(Certificate::from_der(der.clone()).map_err(invalid)?);
    }
    builder.build_rustls().map_err(invalid)
}

impl Relay {
    /// The addresses that may be connected to. One that the configuration spells out is meant; a name must not lead into the house.
    async fn addresses(&self) -> Result<Vec<SocketAddr>, NotSent> {
        let host = self.options.host.as_str();
        let port = self.options.port;
        if let Ok(address) = host.parse::<IpAddr>() {
            return if address::is_declarable(address) {
                Ok(vec![SocketAddr::new(address, port)])
            } else {
                Err(NotSent::DeniedAddress {
                    host: host.to_owned(),
                })
            };
        }
        let found: Vec<IpAddr> = match &self.options.resolution {
            Resolution::System => tokio::net::lookup_host((host, port))
                .await
                .map_err(|_| NotSent::Dns)?
                .map(|address| address.ip())
                .collect(),
            Resolution::Fixed(table) => {
                let found = table.iter().filter(|(name, _)| name == host);
                found.map(|(_, address)| *address).collect()
            }
        };
        if found.is_empty() {
            return Err(NotSent::Dns);
        }
        let loopback = self.options.allow_loopback || host == "localhost";
        let allowed: Vec<SocketAddr> = found
            .into_iter()
            .filter(|address| address::is_allowed(*address, loopback))
            .map(|address| SocketAddr::new(address, port))
            .collect();
        if allowed.is_empty() {
            return Err(NotSent::DeniedAddress {
                host: host.to_owned(),
            });
        }
        Ok(allowed)
    }
}
