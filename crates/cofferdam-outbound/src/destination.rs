//! Declared hosts: what the configuration says that this installation talks to, and what for.
//!
//! The server declares them when it loads its configuration; the client compares every request with them.
//! Invariant: a destination names one purpose; being declared for control says nothing about events.

use crate::NotSent;
use cofferdam_model::VendorId;
use std::fmt;

/// What a host is talked to for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// Events and profiles to a vendor: what containment stops.
    VendorEvents(VendorId),
    /// Deletion requests and key revocation at a vendor: goes on during containment.
    VendorControl(VendorId),
    /// Web hooks of alerts.
    Hook,
    /// The identity provider of sign-in.
    IdentityProvider,
    /// The witness of the audit log.
    Witness,
    /// The object store.
    ObjectStore,
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::VendorEvents(vendor) => write!(f, "events of vendor `{vendor}`"),
            Self::VendorControl(vendor) => write!(f, "control of vendor `{vendor}`"),
            Self::Hook => f.write_str("hooks"),
            Self::IdentityProvider => f.write_str("identity provider"),
            Self::Witness => f.write_str("witness"),
            Self::ObjectStore => f.write_str("object store"),
        }
    }
}

/// How a host is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    /// Plain HTTP: to loopback only.
    Http,
    /// HTTP over TLS.
    Https,
}

/// A declared host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Destination {
    /// What for.
    pub purpose: Purpose,
    /// How.
    pub scheme: Scheme,
    /// Host name or address, lower case, IPv6 in brackets, as in a URL.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl Destination {
    /// The destination that a URL names; its path and query do not matter.
    ///
    /// # Errors
    /// [`NotSent::BadRequest`] where it is not an absolute http(s) URL with a host and without user info.
    pub fn parse(purpose: Purpose, url: &str) -> Result<Self, NotSent> {
        let (origin, _) = split(url)?;
        Ok(Self {
            purpose,
            scheme: origin.scheme,
            host: origin.host,
            port: origin.port,
        })
    }
}

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Origin {
    pub(crate) scheme: Scheme,
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Origin {
    /// The `Host` header: the port only where it is not the scheme's own.
    pub(crate) fn authority(&self) -> String {
        match (self.scheme, self.port) {
            (Scheme::Http, 80) | (Scheme::Https, 443) => self.host.clone(),
            _ => format!("{}:{}", self.host, self.port),
        }
    }

    pub(crate) fn is(&self, destination: &Destination) -> bool {
        self.scheme == destination.scheme
            && self.host == destination.host
            && self.port == destination.port
    }
}

/// Origin, and path with query, of an absolute URL.
pub(crate) fn split(text: &str) -> Result<(Origin, String), NotSent> {
    let bad = NotSent::BadRequest { part: "url" };
    let url = url::Url::parse(text).map_err(|_| bad.clone())?;
    let scheme = match url.scheme() {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        _ => return Err(bad),
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err(bad);
    }
    let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
        return Err(bad);
    };
    // A trailing dot names the same host; without this it would be another entry, another TLS name.
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    if host.is_empty() {
        return Err(bad);
    }
    let path = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    Ok((Origin { scheme, host, port }, path))
}

#[cfg(test)]
mod tests {
    use super::{Destination, Purpose, Scheme, split};

    #[test]
    fn a_destination_is_scheme_host_and_port() {
        let parsed = Destination::parse(Purpose::Hook, "https://API.example.com./x?y").unwrap();
        assert_eq!(
            (parsed.scheme, parsed.host.as_str(), parsed.port),
            (Scheme::Https, "api.example.com", 443)
        );
        for bad in [
            "ftp://example.com",
            "example.com",
            "https://user@example.com/",
            "https://",
            "data:,x",
            "https://./",
        ] {
            assert!(Destination::parse(Purpose::Hook, bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn path_and_query_are_kept_and_the_fragment_is_not() {
        let (origin, path) = split("http://127.0.0.1:8080/import?strict=1#x").unwrap();
        assert_eq!(
            (origin.authority().as_str(), path.as_str()),
            ("127.0.0.1:8080", "/import?strict=1")
        );
    }
}
