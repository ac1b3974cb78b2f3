//! One SMTP session: connect, TLS, sign in, hand the mail over.
//!
//! Blocking, with a limit on each step. Invariant: an error before the last line of the mail was written means that the mail was
//! not sent; only after it the outcome can be unknown.

use super::{MailError, MailTls, Relay};
use crate::NotSent;
use lettre::address::Envelope;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::SmtpConnection;
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use std::net::SocketAddr;

/// Sends through the first of the addresses that lets us in.
pub(super) fn send(
    relay: &Relay,
    addresses: &[SocketAddr],
    envelope: &Envelope,
    bytes: &[u8],
) -> Result<(), MailError> {
    let hello = ClientId::Domain(relay.from.email.domain().to_owned());
    let mut failed = MailError::NotSent(NotSent::Connect);
    for address in addresses {
        match open(relay, *address, &hello) {
            Ok(mut connection) => {
                let handed = hand_over(relay, &mut connection, envelope, bytes);
                // Whatever the relay says to this, the mail's outcome stands.
                let _ = connection.quit();
                return handed;
            }
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

fn open(relay: &Relay, address: SocketAddr, hello: &ClientId) -> Result<SmtpConnection, MailError> {
    let wrapper = match relay.options.tls {
        MailTls::Tls => relay.tls.as_ref(),
        MailTls::Starttls | MailTls::None => None,
    };
    let timeout = Some(relay.options.step_timeout);
    let mut connection = SmtpConnection::connect(address, timeout, hello, wrapper, None)
        .map_err(|error| before(&error, NotSent::Connect))?;
    if let (MailTls::Starttls, Some(tls)) = (relay.options.tls, &relay.tls) {
        // Whoever stands between can take the offer away; then nothing is sent.
        if !connection.can_starttls() {
            connection.abort();
            return Err(MailError::NotSent(NotSent::TlsRequired {
                host: relay.options.host.clone(),
            }));
        }
        connection
            .starttls(tls, hello)
            .map_err(|error| before(&error, NotSent::Tls))?;
    }
    Ok(connection)
}

fn hand_over(
    relay: &Relay,
    connection: &mut SmtpConnection,
    envelope: &Envelope,
    bytes: &[u8],
) -> Result<(), MailError> {
    let closed = |error: Error| before(&error, NotSent::Closed);
    if let Some(credentials) = &relay.options.credentials {
        let credentials =
            Credentials::new(credentials.username.clone(), credentials.password.clone());
        connection
            .auth(&[Mechanism::Plain, Mechanism::Login], &credentials)
            .map_err(closed)?;
    }
    let mut parameters = Vec::new();
    if !bytes.is_ascii()
        && connection
            .server_info()
            .supports_feature(Extension::EightBitMime)
    {
        parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
    }
    connection
        .command(Mail::new(envelope.from().cloned(), parameters))
        .map_err(closed)?;
    for to in envelope.to() {
        connection
            .command(Rcpt::new(to.clone(), Vec::new()))
            .map_err(closed)?;
    }
    connection.command(Data).map_err(closed)?;
    match connection.message(bytes) {
        Ok(_) => Ok(()),
        Err(error) => Err(refusal(&error).unwrap_or(MailError::Unknown)),
    }
}

/// The error of a step before the mail itself.
fn before(error: &Error, otherwise: NotSent) -> MailError {
    let why = if error.is_tls() {
        NotSent::Tls
    } else if error.is_timeout() {
        NotSent::Timeout
    } else {
        otherwise
    };
    refusal(error).unwrap_or(MailError::NotSent(why))
}

/// What the relay answered, if it answered.
fn refusal(error: &Error) -> Option<MailError> {
    let code = error.status()?;
    Some(MailError::Refused {
        code: u16::from(code),
        is_permanent: error.is_permanent(),
    })
}
