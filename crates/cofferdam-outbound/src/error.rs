//! Why a request has no answer, split by the one thing that the ledger must know: whether bytes may have left.

use thiserror::Error;

/// A request without a usable answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OutboundError {
    /// No byte of the request left this machine: it can be repeated without counting twice.
    #[error("nothing was sent")]
    NotSent(#[source] NotSent),
    /// The first byte may have left: whether the other side acted on it is not known.
    #[error("the outcome is unknown")]
    Unknown(#[source] Unknown),
}

impl OutboundError {
    /// Stable code for status and metrics; never holds anything that the other side sent.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotSent(why) => why.code(),
            Self::Unknown(why) => why.code(),
        }
    }

    /// Whether it is certain that nothing left this machine.
    #[must_use]
    pub fn is_not_sent(&self) -> bool {
        matches!(self, Self::NotSent(_))
    }
}

/// Why nothing left this machine.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NotSent {
    /// The host is not declared for the purpose.
    #[error("`{host}` is not declared for this purpose")]
    Undeclared {
        /// The host of the request.
        host: String,
    },
    /// Every address of the host is private, loopback, link-local, multicast or a metadata service's.
    #[error("`{host}` has no address that a declared service can have")]
    DeniedAddress {
        /// The host of the request.
        host: String,
    },
    /// Plain HTTP to anything but loopback.
    #[error("`{host}` is not on this machine, so TLS is required")]
    TlsRequired {
        /// The host of the request.
        host: String,
    },
    /// The purpose is cut.
    #[error("sending for this purpose is stopped")]
    Cut,
    /// The name does not resolve.
    #[error("the host's name does not resolve")]
    Dns,
    /// No address accepted a connection.
    #[error("no address of the host accepted the connection")]
    Connect,
    /// Connecting, or waiting to write the first byte, took too long.
    #[error("connecting took too long")]
    Timeout,
    /// The TLS handshake failed.
    #[error("the TLS handshake failed")]
    Tls,
    /// The connection closed before a byte of the request was written.
    #[error("the connection closed before the request was written")]
    Closed,
    /// The URL or a header cannot be sent.
    #[error("the request's {part} cannot be sent")]
    BadRequest {
        /// Which part: `url` or `header`.
        part: &'static str,
    },
}

impl NotSent {
    /// Stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Undeclared { .. } => "undeclared",
            Self::DeniedAddress { .. } => "denied_address",
            Self::TlsRequired { .. } => "tls_required",
            Self::Cut => "cut",
            Self::Dns => "dns",
            Self::Connect => "connect",
            Self::Timeout => "connect_timeout",
            Self::Tls => "tls",
            Self::Closed => "closed",
            Self::BadRequest { .. } => "bad_request",
        }
    }
}

/// Why the outcome of a request that may have left is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Unknown {
    /// No whole answer in time.
    #[error("no whole answer came in time")]
    Timeout,
    /// The connection broke before the whole answer was read.
    #[error("the connection broke before the whole answer came")]
    Broken,
    /// The answer is larger than the cap.
    #[error("the answer is larger than the limit")]
    AnswerTooLarge,
    /// The answer is a redirect, which is never followed.
    #[error("the answer is a redirect ({status})")]
    Redirect {
        /// The HTTP status.
        status: u16,
    },
    /// The purpose was cut while the request was on its way.
    #[error("sending for this purpose was stopped on the way")]
    Cut,
}

impl Unknown {
    /// Stable code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Broken => "broken",
            Self::AnswerTooLarge => "answer_too_large",
            Self::Redirect { .. } => "redirect",
            Self::Cut => "cut_in_flight",
        }
    }
}

impl From<NotSent> for OutboundError {
    fn from(why: NotSent) -> Self {
        Self::NotSent(why)
    }
}

impl From<Unknown> for OutboundError {
    fn from(why: Unknown) -> Self {
        Self::Unknown(why)
    }
}
