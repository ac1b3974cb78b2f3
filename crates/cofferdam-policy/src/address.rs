//! URLs by structure: origin, path, query keys, fragment and user info, each a field of its own.
//!
//! Works on absolute and relative URLs, bare domains, query strings and app routes in fragments, as SDKs send them.
//! Invariant: borrows from the text, never panics, and never loses a part: every byte belongs to some part.

mod path;

pub use path::{CleanPath, Ids, clean_path, name_ids};

/// The parts of a URL. Every part is as it was sent, percent-encoding included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UrlParts<'a> {
    /// Scheme without `:`, e.g. `https`.
    pub scheme: Option<&'a str>,
    /// User info without `@`.
    pub user_info: Option<&'a str>,
    /// Host, IPv6 in brackets.
    pub host: Option<&'a str>,
    /// Port, if written.
    pub port: Option<&'a str>,
    /// Path, perhaps empty; of `mailto:` and other schemes without a host, all that follows the scheme.
    pub path: &'a str,
    /// Query without `?`.
    pub query: Option<&'a str>,
    /// Fragment without `#`.
    pub fragment: Option<&'a str>,
}

/// Schemes without an authority that pages and apps send.
const OPAQUE: &[&str] = &[
    "mailto",
    "tel",
    "sms",
    "data",
    "javascript",
    "blob",
    "about",
    "urn",
    "magnet",
    "geo",
    "bitcoin",
    "skype",
    "facetime",
];

/// Splits a URL, a relative URL or path, a bare domain, a query string that begins with `?` or a fragment that begins with `#`.
/// `None` where the text is none of these.
#[must_use]
pub fn split_url(text: &str) -> Option<UrlParts<'_>> {
    let text = text.trim();
    let mut parts = UrlParts::default();
    // A scheme begins with a letter.
    let scheme = match text.as_bytes() {
        [b'/' | b'?' | b'#', ..] => None,
        _ => scheme(text),
    };
    let rest = if let Some((scheme, rest)) = scheme {
        parts.scheme = Some(scheme);
        match rest.strip_prefix("//") {
            Some(rest) => authority(rest, &mut parts),
            None => rest,
        }
    } else if let Some(rest) = text.strip_prefix("//") {
        authority(rest, &mut parts)
    } else if text.starts_with(['/', '?', '#']) {
        text
    } else if is_domain(text) {
        authority(text, &mut parts)
    } else if is_relative(text) {
        text
    } else {
        return None;
    };
    let tail = split_after_base(rest);
    Some(UrlParts {
        scheme: parts.scheme,
        user_info: parts.user_info,
        host: parts.host,
        port: parts.port,
        ..tail
    })
}

/// The path, query and fragment of what follows the authority.
pub(crate) fn split_after_base(text: &str) -> UrlParts<'_> {
    let (rest, fragment) = cut(text, b'#');
    let (path, query) = cut(rest, b'?');
    UrlParts {
        path,
        query,
        fragment,
        ..UrlParts::default()
    }
}

impl<'a> UrlParts<'a> {
    /// The query's pairs, as sent; a key without `=` has an empty value.
    pub fn query_pairs(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        pairs(self.query.unwrap_or(""))
    }

    /// The pairs inside the fragment: of `#a=b&c=d`, of `#/route?a=b` and of `#!route?a=b`.
    pub fn fragment_pairs(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        pairs(self.split_fragment().1)
    }

    /// The part of the fragment that is a route or an anchor, without its pairs.
    #[must_use]
    pub fn fragment_route(&self) -> &'a str {
        self.split_fragment().0
    }

    /// Scheme, host and port: `https://example.com:8443`; without a scheme the host alone. `None` without a host, and where
    /// something else stands in the port's place.
    #[must_use]
    pub fn origin(&self) -> Option<String> {
        let host = self
            .host
            .filter(|host| !host.is_empty() && self.has_port())?;
        let mut origin = String::with_capacity(host.len() + 16);
        if let Some(scheme) = self.scheme {
            origin.push_str(&scheme.to_ascii_lowercase());
            origin.push_str("://");
        }
        origin.push_str(&host.to_ascii_lowercase());
        if let Some(port) = self.port.filter(|port| !port.is_empty()) {
            origin.push(':');
            origin.push_str(port);
        }
        Some(origin)
    }

    /// Whether what stands in the port's place is a port, or nothing.
    #[must_use]
    pub fn has_port(&self) -> bool {
        let port = self.port.unwrap_or("");
        port.is_empty()
            || port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok()
    }

    /// The registrable domain of the host, e.g. `example.co.uk`.
    #[must_use]
    pub fn registrable_domain(&self) -> Option<&'a str> {
        psl::domain_str(self.host?)
    }

    fn split_fragment(&self) -> (&'a str, &'a str) {
        let fragment = self.fragment.unwrap_or("");
        match fragment.split_once('?') {
            Some(split) => split,
            None if fragment.contains('=') => {
                // `#/route&a=b` is rare, `#a=b` is what sign-in pages use.
                match fragment.split_once('&') {
                    Some((route, pairs)) if !route.contains('=') => (route, pairs),
                    _ => ("", fragment),
                }
            }
            None => (fragment, ""),
        }
    }
}

/// Cuts at the first of an ASCII sign.
fn cut(text: &str, sign: u8) -> (&str, Option<&str>) {
    let at = memchr::memchr(sign, text.as_bytes());
    match at.and_then(|at| Some((text.get(..at)?, text.get(at + 1..)?))) {
        Some((before, after)) => (before, Some(after)),
        None => (text, None),
    }
}

/// Where an ASCII sign of this kind stands first, else the end.
fn end(text: &str, is_sign: impl Fn(u8) -> bool) -> usize {
    text.bytes().position(is_sign).unwrap_or(text.len())
}

/// A scheme and what follows its colon.
fn scheme(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = cut(text, b':');
    let rest = rest?;
    let mut bytes = scheme.bytes();
    let named = bytes
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic())
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
    let known = rest.starts_with("//")
        || OPAQUE
            .iter()
            .any(|opaque| scheme.eq_ignore_ascii_case(opaque));
    (named && known).then_some((scheme, rest))
}

/// Reads user info, host and port; what follows is returned.
fn authority<'a>(text: &'a str, parts: &mut UrlParts<'a>) -> &'a str {
    // A backslash ends the authority too, as in browsers.
    let end = end(text, |byte| matches!(byte, b'/' | b'?' | b'#' | b'\\'));
    let (authority, rest) = text.split_at_checked(end).unwrap_or((text, ""));
    if !authority
        .bytes()
        .any(|byte| matches!(byte, b'@' | b':' | b']'))
    {
        parts.host = Some(authority);
        return rest;
    }
    let host = match authority.rsplit_once('@') {
        Some((info, host)) => {
            parts.user_info = Some(info);
            host
        }
        None => authority,
    };
    let port_at = match host.rfind(']') {
        Some(bracket) => host
            .get(bracket..)
            .and_then(|tail| tail.find(':'))
            .map(|colon| bracket + colon),
        None => host.rfind(':'),
    };
    match port_at.and_then(|at| host.split_at_checked(at)) {
        Some((name, port)) => {
            parts.host = Some(name);
            parts.port = port.strip_prefix(':');
        }
        None => parts.host = Some(host),
    }
    rest
}

/// `example.com`, `example.com/path`, `localhost:3000`, `10.0.0.1`: a host with a known suffix, a port or an address.
fn is_domain(text: &str) -> bool {
    let end = end(text, |byte| matches!(byte, b'/' | b'?' | b'#'));
    let authority = text.get(..end).unwrap_or("");
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    let named = !host.is_empty()
        && host.len() <= 253
        && host.bytes().all(|byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_') || byte >= 0x80
        });
    let ported =
        port.is_some_and(|port| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()));
    if !named || port.is_some() && !ported {
        return false;
    }
    host == "localhost"
        || host.parse::<std::net::Ipv4Addr>().is_ok()
        || host.contains('.')
            && psl::suffix(host.as_bytes()).is_some_and(|suffix| suffix.is_known())
            && psl::domain(host.as_bytes()).is_some()
}

/// `settings/billing?tab=1`: no space, and a slash or a query.
fn is_relative(text: &str) -> bool {
    !text.contains(char::is_whitespace)
        && (text.contains('/') || text.contains('?') && text.contains('='))
        && !text.starts_with(['{', '[', '<', '"'])
}

fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

#[cfg(test)]
mod tests;
