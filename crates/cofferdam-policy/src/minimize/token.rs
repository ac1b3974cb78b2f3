//! Tokens in the shapes that the dialect asks for.
//!
//! Used for every value that goes to a vendor as `token`. The shape depends on the value alone, so that one id has one token
//! wherever it stands. Invariant: a token is never an id that vendors refuse, and never fits another vendor's.

use crate::address::{name_ids, split_url};
use crate::rules::FieldKind;
use crate::values::{push_hex, scalar_text, uuid_text};
use cofferdam_model::{
    DEVICE_PREFIX, IdKind, Pseudonyms, Refusal, TokenDomain, Value, is_nobody, is_uuid,
};
use std::borrow::Cow;

/// A value as a vendor's token.
pub(super) fn of_value(
    pseudonyms: &dyn Pseudonyms,
    domain: &TokenDomain,
    kind: FieldKind,
    value: &Value<'_>,
) -> Result<String, Refusal> {
    let text = scalar_text(value).ok_or(Refusal::FormNotApplicable)?;
    match kind {
        FieldKind::Id(IdKind::Person | IdKind::Device) => person(pseudonyms, domain, &text),
        FieldKind::Id(IdKind::Event) => Ok(event(pseudonyms, domain, &text)),
        FieldKind::Id(_) if is_nobody(&text) => Err(Refusal::RefusedId),
        FieldKind::Id(kind) => Ok(hex(&pseudonyms.token(domain, kind, &text))),
        _ => Ok(hex(&pseudonyms.token(
            domain,
            IdKind::Other,
            &normal(&text),
        ))),
    }
}

/// A person's or device's id: `$device:` stays, what looked like a UUID looks like one again, all else is 32 hex digits.
pub(super) fn person(
    pseudonyms: &dyn Pseudonyms,
    domain: &TokenDomain,
    id: &str,
) -> Result<String, Refusal> {
    let (prefix, bare) = match id.strip_prefix(DEVICE_PREFIX) {
        Some(bare) => (DEVICE_PREFIX, bare),
        None => ("", id),
    };
    if is_nobody(bare) {
        return Err(Refusal::RefusedId);
    }
    let token = pseudonyms.token(domain, IdKind::Person, bare);
    if is_uuid(bare.as_bytes()) {
        return Ok(uuid_v4(&token, prefix));
    }
    let mut text = String::with_capacity(prefix.len() + 32);
    text.push_str(prefix);
    push_hex(&mut text, half(&token));
    Ok(text)
}

/// A URL or a part of one, the ids in its path or its fragment's route as tokens: what two vendors were sent cannot be joined by them.
pub(super) fn in_url(
    pseudonyms: &dyn Pseudonyms,
    domain: &TokenDomain,
    value: Value<'_>,
) -> Value<'static> {
    let Value::Text(text) = &value else {
        return value.into_owned();
    };
    let path = split_url(text).map_or("", |parts| parts.path);
    let mut name = |id: &str| hex(&pseudonyms.token(domain, IdKind::Other, id));
    let Cow::Owned(named) = name_ids(path, &mut name) else {
        return value.into_owned();
    };
    // The path is a part of the text: where it begins is the distance of the two.
    let start = path.as_ptr().addr().saturating_sub(text.as_ptr().addr());
    let before = text.get(..start).unwrap_or("");
    let after = text.get(start + path.len()..).unwrap_or("");
    Value::Text([before, &named, after].concat().into())
}

/// The ways in which a vendor may know a person's id with that token: which one it is depends on how the id was written, and
/// after an erasure nobody knows.
#[must_use]
pub fn spellings(token: &[u8; 32], is_device: bool) -> [String; 2] {
    let prefix = if is_device { DEVICE_PREFIX } else { "" };
    [[prefix, &hex(token)].concat(), uuid_v4(token, prefix)]
}

/// An event's id: 32 hex digits, within what vendors accept (36 of letters, digits and `-`).
pub(super) fn event(pseudonyms: &dyn Pseudonyms, domain: &TokenDomain, id: &str) -> String {
    hex(&pseudonyms.token(domain, IdKind::Event, id))
}

/// The same address in another spelling gets the same token: trimmed, and what follows an `@` in lower case.
fn normal(text: &str) -> Cow<'_, str> {
    let trimmed = text.trim();
    match trimmed.rsplit_once('@') {
        Some((local, domain)) if domain.bytes().any(|byte| byte.is_ascii_uppercase()) => {
            Cow::Owned([local, "@", &domain.to_ascii_lowercase()].concat())
        }
        _ => Cow::Borrowed(trimmed),
    }
}

fn half(token: &[u8; 32]) -> &[u8] {
    token.first_chunk::<16>().map_or(token, |half| half)
}

fn hex(token: &[u8; 32]) -> String {
    let mut text = String::with_capacity(32);
    push_hex(&mut text, half(token));
    text
}

/// Version 4, variant 1, the rest from the token.
fn uuid_v4(token: &[u8; 32], prefix: &str) -> String {
    let mut bytes = *token.first_chunk::<16>().unwrap_or(&[0; 16]);
    if let Some(byte) = bytes.get_mut(6) {
        *byte = *byte & 0x0F | 0x40;
    }
    if let Some(byte) = bytes.get_mut(8) {
        *byte = *byte & 0x3F | 0x80;
    }
    uuid_text(&bytes, prefix)
}
