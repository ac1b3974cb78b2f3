//! CORS headers, as data: the server adds them to every answer of the intake, errors included.
//!
//! The browser SDK sends with credentials, so the exact origin is echoed; an answer without these headers makes it drop the
//! whole batch.
//! Invariant: nothing is echoed that is not a plain origin or header name, so no header can be split.

use std::borrow::Cow;

/// What a browser asks before it sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Preflight<'a> {
    /// `Access-Control-Request-Headers`, as sent.
    pub request_headers: Option<&'a str>,
}

/// Longest list of requested headers that is answered, bytes.
const REQUEST_HEADERS_BYTES_MAX: usize = 1024;
/// Longest origin that is echoed, bytes.
const ORIGIN_BYTES_MAX: usize = 512;
/// How long a browser may remember a preflight, seconds (Chromium's own maximum).
const MAX_AGE_S: &str = "7200";
/// How many headers an answer gets at most.
const HEADERS_MAX: usize = 6;

/// The headers for an answer to this `Origin`. `allowed` is the project's (or server's) decision about it; `preflight` is given for
/// OPTIONS.
#[must_use]
pub fn cors_headers<'o>(
    origin: Option<&'o str>,
    allowed: bool,
    preflight: Option<Preflight<'_>>,
) -> Vec<(&'static str, Cow<'o, str>)> {
    let mut headers = Vec::with_capacity(HEADERS_MAX);
    headers.push(("vary", Cow::Borrowed("Origin")));
    let Some(origin) = origin.filter(|origin| allowed && is_origin(origin)) else {
        return headers;
    };
    headers.push(("access-control-allow-origin", Cow::Borrowed(origin)));
    headers.push(("access-control-allow-credentials", Cow::Borrowed("true")));
    let Some(preflight) = preflight else {
        headers.push((
            "access-control-expose-headers",
            Cow::Borrowed("Retry-After"),
        ));
        return headers;
    };
    headers.push((
        "access-control-allow-methods",
        Cow::Borrowed("GET, POST, OPTIONS"),
    ));
    let names = preflight.request_headers.map(requested).unwrap_or_default();
    if !names.is_empty() {
        headers.push(("access-control-allow-headers", Cow::Owned(names)));
    }
    headers.push(("access-control-max-age", Cow::Borrowed(MAX_AGE_S)));
    headers
}

fn is_origin(origin: &str) -> bool {
    !origin.is_empty()
        && origin.len() <= ORIGIN_BYTES_MAX
        && origin
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b',')
}

/// The requested header names that are names; page monitoring adds its own, and none of them is read here.
fn requested(list: &str) -> String {
    if list.len() > REQUEST_HEADERS_BYTES_MAX {
        return String::new();
    }
    let names: Vec<&str> = list
        .split(',')
        .map(str::trim)
        .filter(|name| is_header_name(name))
        .collect();
    names.join(", ")
}

fn is_header_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get<'a>(headers: &'a [(&str, Cow<'_, str>)], name: &str) -> Option<&'a str> {
        headers
            .iter()
            .find(|(found, _)| *found == name)
            .map(|(_, value)| value.as_ref())
    }

    #[test]
    fn the_exact_origin_is_echoed_with_credentials() {
        let headers = cors_headers(Some("https://app.example.com"), true, None);
        assert_eq!(
            get(&headers, "access-control-allow-origin"),
            Some("https://app.example.com")
        );
        assert_eq!(
            get(&headers, "access-control-allow-credentials"),
            Some("true")
        );
        assert_eq!(
            get(&headers, "access-control-expose-headers"),
            Some("Retry-After")
        );
        assert_eq!(get(&headers, "vary"), Some("Origin"));
        assert_eq!(get(&headers, "access-control-max-age"), None);
    }

    #[test]
    fn a_preflight_gets_the_headers_it_asked_for() {
        let preflight = Preflight {
            request_headers: Some("authorization,traceparent, x-my-header,content-type"),
        };
        let headers = cors_headers(Some("null"), true, Some(preflight));
        assert_eq!(
            get(&headers, "access-control-allow-headers"),
            Some("authorization, traceparent, x-my-header, content-type")
        );
        assert_eq!(
            get(&headers, "access-control-allow-methods"),
            Some("GET, POST, OPTIONS")
        );
        assert_eq!(get(&headers, "access-control-max-age"), Some("7200"));
    }

    #[test]
    fn what_is_not_allowed_or_not_an_origin_is_not_echoed() {
        for (origin, allowed) in [
            (None, true),
            (Some("https://evil.example.com"), false),
            (Some("https://a.example.com\r\nset-cookie: x"), true),
            (Some("https://a.example.com,https://b.example.com"), true),
            (Some(""), true),
        ] {
            assert_eq!(
                cors_headers(origin, allowed, None),
                [("vary", Cow::Borrowed("Origin"))]
            );
        }
        let split = Preflight {
            request_headers: Some("x-a\r\nset-cookie: b, ok"),
        };
        let headers = cors_headers(Some("https://a.example.com"), true, Some(split));
        assert_eq!(get(&headers, "access-control-allow-headers"), Some("ok"));
    }
}
