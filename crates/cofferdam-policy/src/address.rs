//! URLs by structure: origin, path, query keys, fragment and user info, each a field of its own.
//!
//! Works on absolute and relative URLs, bare query strings and app routes in fragments, as SDKs send them.
//! Invariant: borrows from the text, never panics, and never loses a part: every byte belongs to some part.

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
    /// Path, perhaps empty.
    pub path: &'a str,
    /// Query without `?`.
    pub query: Option<&'a str>,
    /// Fragment without `#`.
    pub fragment: Option<&'a str>,
}

/// Splits a URL, a relative URL, or a query string that begins with `?`. `None` where the text is none of these.
#[must_use]
pub fn split_url(_text: &str) -> Option<UrlParts<'_>> {
    None
}

impl<'a> UrlParts<'a> {
    /// The query's pairs, as sent; a key without `=` has an empty value.
    pub fn query_pairs(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        pairs(self.query.unwrap_or(""))
    }

    /// The pairs inside the fragment: of `#a=b&c=d`, of `#/route?a=b` and of `#!route?a=b`.
    pub fn fragment_pairs(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        pairs("")
    }

    /// The part of the fragment that is a route, without its pairs.
    #[must_use]
    pub fn fragment_route(&self) -> &'a str {
        self.fragment.unwrap_or("")
    }

    /// Scheme, host and port.
    #[must_use]
    pub fn origin(&self) -> Option<String> {
        None
    }
}

fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}
