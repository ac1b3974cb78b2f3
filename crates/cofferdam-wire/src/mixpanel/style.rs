//! How the sender wants its answer: read from query and form, even of a body that cannot be decoded.
//!
//! Invariant: `callback=` and `redirect=` are never honoured: no JSONP, no open redirect.

use super::endpoint::{Endpoint, Request};
use crate::form;

/// Which report `/import` owes its sender.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ImportReport {
    /// The short answer of the form SDKs: `1`, or JSON with `verbose`.
    #[default]
    Short,
    /// The JSON report; a partial success has status 400 and names the failed records.
    Strict,
    /// The JSON report with status 200, whatever failed (`strict=0`).
    Lenient,
}

/// How the sender wants its answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AnswerStyle {
    /// JSON instead of `1` (`verbose=1`).
    pub verbose: bool,
    /// A one-pixel image (`img=1`).
    pub image: bool,
    /// The report of `/import`.
    pub import_report: ImportReport,
}

impl AnswerStyle {
    /// Reads the style of a request that may not be decodable.
    #[must_use]
    pub fn of(endpoint: Endpoint, request: &Request<'_>) -> Self {
        let mut style = Self::default();
        let mut strict = true;
        let mut is_form = false;
        let query = request.query.unwrap_or_default().as_bytes();
        for (name, value) in form::pairs(query) {
            style.apply(name, value, &mut strict);
            is_form |= name == b"data";
        }
        if !looks_like_json(request.body) {
            for (name, value) in form::pairs(request.body) {
                style.apply(name, value, &mut strict);
                is_form |= name == b"data";
            }
        }
        if endpoint == Endpoint::Import && !is_form {
            style.import_report = if strict {
                ImportReport::Strict
            } else {
                ImportReport::Lenient
            };
        }
        style
    }

    /// Takes over one parameter.
    pub(super) fn apply(&mut self, name: &[u8], value: &[u8], strict: &mut bool) {
        match name {
            b"verbose" => self.verbose = is_on(value),
            b"img" => self.image = is_on(value),
            b"strict" => *strict = is_on(value),
            _ => {}
        }
    }
}

fn is_on(value: &[u8]) -> bool {
    matches!(value, b"1" | b"true" | b"True")
}

/// Whether the body begins like JSON, so that it cannot be a form.
pub(super) fn looks_like_json(body: &[u8]) -> bool {
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    matches!(body.trim_ascii_start().first(), Some(b'[' | b'{'))
}
