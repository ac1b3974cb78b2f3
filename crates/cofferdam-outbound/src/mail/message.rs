//! A mail as MIME.
//!
//! Invariant: the same mail has the same id whenever it is sent; whoever answers by a machine knows that a machine sent it.

use super::{Mail, MailError};
use lettre::address::Envelope;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart};
use lettre::{Address, Message};
use std::time::{Duration, UNIX_EPOCH};

/// Envelope and bytes of a mail.
pub(super) fn build(mail: &Mail, from: &Mailbox) -> Result<(Envelope, Vec<u8>), MailError> {
    let invalid = |part| MailError::Invalid { part };
    let to: Address = mail.to.parse().map_err(|_| invalid("recipient"))?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    if mail.id.is_empty() || !mail.id.chars().all(is_plain) {
        return Err(invalid("id"));
    }
    if mail.subject.chars().any(char::is_control) {
        return Err(invalid("subject"));
    }
    let made = u64::try_from(mail.made_ms).map_err(|_| invalid("date"))?;
    let builder = Message::builder()
        .from(from.clone())
        .to(Mailbox::new(None, to.clone()))
        .subject(&mail.subject)
        .date(UNIX_EPOCH + Duration::from_millis(made))
        .message_id(Some(format!("<{}@{}>", mail.id, from.email.domain())))
        .raw_header(HeaderValue::new(
            HeaderName::new_from_ascii_str("Auto-Submitted"),
            "auto-generated".to_owned(),
        ));
    let message = match &mail.html {
        Some(html) => builder.multipart(MultiPart::alternative_plain_html(
            mail.text.clone(),
            html.clone(),
        )),
        None => builder.singlepart(SinglePart::plain(mail.text.clone())),
    };
    let message = message.map_err(|_| invalid("content"))?;
    let envelope = Envelope::new(Some(from.email.clone()), vec![to]);
    let envelope = envelope.map_err(|_| invalid("recipient"))?;
    Ok((envelope, message.formatted()))
}
