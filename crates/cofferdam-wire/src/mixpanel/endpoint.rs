//! The request as the server hands it over, and which endpoint it is for.
//!
//! Invariant: a path means the same with and without trailing slash and `/mixpanel` prefix.

use std::fmt;

/// The HTTP methods that matter here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// GET: single events of server SDKs, images, flags, settings, scripts.
    Get,
    /// POST: everything else that carries data.
    Post,
    /// OPTIONS: a browser asks before it sends.
    Options,
    /// HEAD: a probe.
    Head,
    /// Any other.
    Other,
}

impl From<&str> for Method {
    fn from(name: &str) -> Self {
        match name {
            "GET" => Self::Get,
            "POST" => Self::Post,
            "OPTIONS" => Self::Options,
            "HEAD" => Self::Head,
            _ => Self::Other,
        }
    }
}

/// One HTTP request, undecoded. Its debug output shows sizes only.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The method.
    pub method: Method,
    /// The path without query, as sent.
    pub path: &'a str,
    /// The query without `?`, as sent.
    pub query: Option<&'a str>,
    /// `Content-Type`.
    pub content_type: Option<&'a str>,
    /// `Content-Encoding`.
    pub content_encoding: Option<&'a str>,
    /// `Authorization`.
    pub authorization: Option<&'a str>,
    /// The body, as sent.
    pub body: &'a [u8],
}

impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("query_bytes", &self.query.map(str::len))
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// What a path asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// `/track`: events.
    Track,
    /// `/engage`: profile updates.
    Engage,
    /// `/groups`: group updates.
    Groups,
    /// `/import`: events of any age from servers.
    Import,
    /// `/record`: session recordings, which are accepted and thrown away.
    Record,
    /// `/flags`: feature flags for a person; there are none.
    Flags,
    /// `/flags/definitions`: feature flags for local evaluation; there are none.
    FlagDefinitions,
    /// `/flags/{id}/first-time-events`: accepted and thrown away.
    FirstTimeEvents,
    /// `/settings`: remote settings; there are none.
    Settings,
    /// `/decide`: what old SDKs ask at start; nothing is on.
    Decide,
    /// `/lib.min.js` and `/libs/*.js`: an inert script.
    Script,
}

impl Endpoint {
    /// Whether requests carry events or updates that are kept.
    #[must_use]
    pub fn takes_items(self) -> bool {
        matches!(
            self,
            Self::Track | Self::Engage | Self::Groups | Self::Import
        )
    }
}

/// The endpoint that a path names; `None` where it is none of this dialect's.
#[must_use]
pub fn endpoint(path: &str) -> Option<Endpoint> {
    let path = match path.strip_prefix("/mixpanel") {
        Some(rest) if rest.starts_with('/') => rest,
        _ => path,
    };
    let name = path.strip_prefix('/')?.trim_end_matches('/');
    Some(match name {
        "track" => Endpoint::Track,
        "engage" => Endpoint::Engage,
        "groups" => Endpoint::Groups,
        "import" => Endpoint::Import,
        "record" => Endpoint::Record,
        "flags" => Endpoint::Flags,
        "flags/definitions" => Endpoint::FlagDefinitions,
        "settings" => Endpoint::Settings,
        "decide" => Endpoint::Decide,
        "lib.min.js" | "lib.js" => Endpoint::Script,
        _ => return nested(name),
    })
}

fn nested(name: &str) -> Option<Endpoint> {
    let (first, rest) = name.split_once('/')?;
    match first {
        "libs" if rest.ends_with(".js") && !rest.contains('/') => Some(Endpoint::Script),
        "flags" => {
            let id = rest.strip_suffix("/first-time-events")?;
            (!id.is_empty() && !id.contains('/')).then_some(Endpoint::FirstTimeEvents)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_paths() {
        let table = [
            ("/track", Some(Endpoint::Track)),
            ("/track/", Some(Endpoint::Track)),
            ("/mixpanel/track/", Some(Endpoint::Track)),
            ("/engage/", Some(Endpoint::Engage)),
            ("/groups", Some(Endpoint::Groups)),
            ("/import", Some(Endpoint::Import)),
            ("/record/", Some(Endpoint::Record)),
            ("/flags/", Some(Endpoint::Flags)),
            ("/flags/definitions", Some(Endpoint::FlagDefinitions)),
            (
                "/flags/17/first-time-events",
                Some(Endpoint::FirstTimeEvents),
            ),
            ("/settings/", Some(Endpoint::Settings)),
            ("/decide", Some(Endpoint::Decide)),
            ("/lib.min.js", Some(Endpoint::Script)),
            ("/libs/mixpanel-2-latest.min.js", Some(Endpoint::Script)),
            ("/mixpanel/lib.min.js", Some(Endpoint::Script)),
            ("/mixpanel", None),
            ("/mixpaneltrack", None),
            ("/Track", None),
            ("/flags//first-time-events", None),
            ("/flags/a/b/first-time-events", None),
            ("/libs/../x.js", None),
            ("/", None),
            ("", None),
            ("/api/v1/vendors", None),
        ];
        for (path, expected) in table {
            assert_eq!(endpoint(path), expected, "{path}");
        }
    }
}
