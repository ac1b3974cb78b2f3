//! A request's bytes to JSON text: where the data is, and which wrappings to undo.
//!
//! Bytes come from the server, the text stays in [`Decoded`], from which the parsed items borrow.
//! Invariant: at most one copy per layer, each within the limits; the raw target and the credentials appear in no debug output.

use super::endpoint::{Endpoint, Request};
use super::style::{AnswerStyle, ImportReport, looks_like_json};
use super::{events, updates};
use crate::batch::{Batch, Rejected};
use crate::error::Malformed;
use crate::json::{self, Caps};
use crate::notes::Notes;
use crate::{form, layers, utf8};
use cofferdam_model::Limits;
use std::borrow::Cow;
use std::fmt;

/// Levels from an item down to its properties' values: the item and its `properties` or `$set`.
const PAYLOAD_DEPTH: usize = 2;

/// What the sender showed for itself. Debug output hides it.
#[derive(Clone, PartialEq, Eq, Default)]
pub enum Credentials {
    /// Nothing.
    #[default]
    None,
    /// `Authorization: Basic`: a project secret or token as user with an empty password, or a service account.
    Basic {
        /// The user name.
        user: String,
        /// The password, often empty.
        password: String,
    },
    /// `Authorization: Bearer`.
    Bearer(String),
    /// The `api_key` parameter of old SDKs.
    ApiKey(String),
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Basic { .. } => "Basic(…)",
            Self::Bearer(_) => "Bearer(…)",
            Self::ApiKey(_) => "ApiKey(…)",
        })
    }
}

impl Credentials {
    fn of_header(header: &str) -> Self {
        let (scheme, rest) = header.trim().split_once(' ').unwrap_or((header, ""));
        let rest = rest.trim();
        if scheme.eq_ignore_ascii_case("bearer") && !rest.is_empty() {
            return Self::Bearer(rest.to_owned());
        }
        if !scheme.eq_ignore_ascii_case("basic") {
            return Self::None;
        }
        let mut unused = Notes::default();
        let Ok(decoded) = layers::base64_decode(rest.as_bytes().to_vec(), &mut unused) else {
            return Self::None;
        };
        let text = utf8::to_text(decoded, &mut unused);
        let (user, password) = text.split_once(':').unwrap_or((&text, ""));
        Self::Basic {
            user: user.to_owned(),
            password: password.to_owned(),
        }
    }
}

/// A decoded request: JSON text, style and credentials. Debug output shows sizes only.
pub struct Decoded {
    endpoint: Endpoint,
    text: String,
    style: AnswerStyle,
    token: Option<String>,
    credentials: Credentials,
    notes: Notes,
}

impl fmt::Debug for Decoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoded")
            .field("endpoint", &self.endpoint)
            .field("text_bytes", &self.text.len())
            .field("style", &self.style)
            .finish_non_exhaustive()
    }
}

/// Undoes the wrappings of a request for this endpoint. Bodies of endpoints that keep nothing are not looked at.
///
/// # Errors
/// When there is no data, a layer is broken, or a limit is passed.
pub fn decode(
    endpoint: Endpoint,
    request: &Request<'_>,
    limits: &Limits,
) -> Result<Decoded, Malformed> {
    if request.body.len() > limits.body_bytes_max {
        return Err(Malformed::TooLarge {
            limit_bytes: limits.body_bytes_max,
        });
    }
    let mut decoded = Decoded {
        endpoint,
        text: String::new(),
        style: AnswerStyle::default(),
        token: None,
        credentials: request
            .authorization
            .map(Credentials::of_header)
            .unwrap_or_default(),
        notes: Notes::default(),
    };
    let mut parameters = Parameters::default();
    let query = request.query.unwrap_or_default().as_bytes();
    decoded.read_parameters(query, &mut parameters);
    if endpoint.takes_items() {
        let body = unpack(request, limits, &mut decoded.notes)?;
        let bytes = decoded.find_data(&body, parameters, limits)?;
        decoded.text = utf8::to_text(bytes, &mut decoded.notes);
    }
    Ok(decoded)
}

/// What query and form say, beside what is kept in [`Decoded`].
#[derive(Default)]
struct Parameters<'a> {
    data: Option<&'a [u8]>,
    not_strict: bool,
}

fn unpack<'a>(
    request: &Request<'a>,
    limits: &Limits,
    notes: &mut Notes,
) -> Result<Cow<'a, [u8]>, Malformed> {
    let body = layers::gunzip(Cow::Borrowed(request.body), limits.decoded_bytes_max, notes)?;
    let encoding = request.content_encoding.unwrap_or_default().trim();
    if notes.gzip_layers > 0 || body.is_empty() || encoding.is_empty() {
        return Ok(body);
    }
    if encoding.eq_ignore_ascii_case("deflate") {
        return layers::undeflate(&body, limits.decoded_bytes_max).map(Cow::Owned);
    }
    let readable = encoding.eq_ignore_ascii_case("identity")
        || encoding.eq_ignore_ascii_case("gzip")
        || encoding.eq_ignore_ascii_case("x-gzip");
    if readable {
        Ok(body)
    } else {
        Err(Malformed::ContentEncoding)
    }
}

impl Decoded {
    fn read_parameters<'a>(&mut self, text: &'a [u8], parameters: &mut Parameters<'a>) {
        let mut strict = !parameters.not_strict;
        for (name, value) in form::pairs(text) {
            match name {
                b"data" if !value.is_empty() => parameters.data = Some(value),
                b"token" if !value.is_empty() => self.token = Some(form::short_text(value)),
                b"api_key" if self.credentials == Credentials::None => {
                    self.credentials = Credentials::ApiKey(form::short_text(value));
                }
                _ => self.style.apply(name, value, &mut strict),
            }
        }
        parameters.not_strict = !strict;
    }

    /// The JSON bytes, from the body or else the query.
    fn find_data(
        &mut self,
        body: &[u8],
        mut parameters: Parameters<'_>,
        limits: &Limits,
    ) -> Result<Vec<u8>, Malformed> {
        if looks_like_json(body) {
            self.report(parameters.not_strict);
            return within(body.to_vec(), limits);
        }
        let query_data = parameters.data.take();
        let mut in_body = Parameters {
            data: None,
            not_strict: parameters.not_strict,
        };
        if form::has_field(body, b"data") {
            self.read_parameters(body, &mut in_body);
        } else if query_data.is_none() {
            self.report(parameters.not_strict);
            in_body.data = (!body.trim_ascii().is_empty()).then(|| body.trim_ascii());
        }
        let data = in_body.data.or(query_data).ok_or(Malformed::NoData)?;
        self.unwrap_value(data, limits)
    }

    fn report(&mut self, not_strict: bool) {
        if self.endpoint == Endpoint::Import {
            self.style.import_report = if not_strict {
                ImportReport::Lenient
            } else {
                ImportReport::Strict
            };
        }
    }

    /// A `data` value: JSON or base64, told apart by its first character, and gzip below either.
    fn unwrap_value(&mut self, value: &[u8], limits: &Limits) -> Result<Vec<u8>, Malformed> {
        let limit_bytes = limits.decoded_bytes_max;
        if begins_json(value) {
            return within(layers::percent_decode(value, true), limits);
        }
        let plain = layers::percent_decode(value, false);
        let unpacked = layers::gunzip(Cow::Owned(plain), limit_bytes, &mut self.notes)?;
        if looks_like_json(&unpacked) {
            return Ok(unpacked.into_owned());
        }
        let bytes = layers::base64_decode(unpacked.into_owned(), &mut self.notes)?;
        let bytes = layers::gunzip(Cow::Owned(bytes), limit_bytes, &mut self.notes)?;
        within(bytes.into_owned(), limits)
    }

    /// The items and rejections of the request.
    ///
    /// # Errors
    /// When the text is not JSON at all, or has more items than the limit.
    pub fn parse(&self, limits: &Limits) -> Result<Batch<'_>, Malformed> {
        let mut notes = self.notes;
        if !self.endpoint.takes_items() {
            return Ok(Batch {
                notes,
                ..Batch::default()
            });
        }
        let caps = Caps::new(limits, PAYLOAD_DEPTH, super::ids::is_id_key);
        let values = json::parse(&self.text, &caps, &mut notes)?;
        let mut batch = Batch {
            items: Vec::with_capacity(values.len()),
            rejected: Vec::new(),
            notes,
        };
        for (index, value) in (0_u32..).zip(values) {
            let read = value.map_err(|refused| Rejected {
                index,
                refusal: refused.refusal,
                field: "",
                message: refused.message,
            });
            let kept = read.and_then(|value| match self.endpoint {
                Endpoint::Engage => updates::person(index, value, limits, &mut batch),
                Endpoint::Groups => updates::group(index, value, limits, &mut batch),
                _ => events::event(index, value, limits, &mut batch),
            });
            if let Err(rejected) = kept {
                batch.rejected.push(rejected);
            }
        }
        Ok(batch)
    }

    /// The token of the request as a whole: the `token` parameter, else the Basic user (which may be a secret or a service
    /// account instead; the caller knows its projects). Items carry their own.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        match (&self.token, &self.credentials) {
            (Some(token), _) => Some(token),
            (None, Credentials::Basic { user, .. }) if !user.is_empty() => Some(user),
            _ => None,
        }
    }

    /// What the sender showed for itself.
    #[must_use]
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// How the sender wants its answer.
    #[must_use]
    pub fn style(&self) -> AnswerStyle {
        self.style
    }

    /// The endpoint that was decoded for.
    #[must_use]
    pub fn endpoint(&self) -> Endpoint {
        self.endpoint
    }
}

fn within(bytes: Vec<u8>, limits: &Limits) -> Result<Vec<u8>, Malformed> {
    if bytes.len() > limits.decoded_bytes_max {
        Err(Malformed::TooLarge {
            limit_bytes: limits.decoded_bytes_max,
        })
    } else {
        Ok(bytes)
    }
}

/// Whether a form value begins with a bracket, plain or percent-encoded, after encoded or plain space.
fn begins_json(mut value: &[u8]) -> bool {
    loop {
        value = match value {
            [b'[' | b'{', ..] | [b'%', b'5', b'B' | b'b', ..] | [b'%', b'7', b'B' | b'b', ..] => {
                return true;
            }
            [b' ' | b'\t' | b'\r' | b'\n' | b'+', rest @ ..] => rest,
            [b'%', b'2', b'0', rest @ ..] => rest,
            [b'%', b'0', b'9' | b'A' | b'a' | b'D' | b'd', rest @ ..] => rest,
            _ => return false,
        };
    }
}

#[cfg(test)]
mod tests;
