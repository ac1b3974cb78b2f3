//! Why a whole request could not be read.
//!
//! Made while decoding; the server turns it into an answer with [`crate::mixpanel::answer`] and counts its refusal.
//! Invariant: messages never contain anything that the sender sent.

use cofferdam_model::Refusal;

/// A request that yields no items at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The body is larger than the limit, as it arrived or after decompression.
    #[error("the body is larger than {limit_bytes} bytes")]
    TooLarge {
        /// The limit that was passed, bytes.
        limit_bytes: usize,
    },
    /// The batch has more items than the limit.
    #[error("the batch has more than {limit} items")]
    TooManyItems {
        /// The limit that was passed.
        limit: usize,
    },
    /// Neither body nor query carries data.
    #[error("there is no data in the body or the query")]
    NoData,
    /// The compressed body is broken.
    #[error("the compressed body cannot be unpacked")]
    Compression,
    /// A content encoding that is not supported.
    #[error("the content encoding is not supported")]
    ContentEncoding,
    /// The data is neither JSON nor base64 of JSON.
    #[error("the data is neither JSON nor base64")]
    Base64,
    /// The data is not JSON.
    #[error("the data is not JSON")]
    Json,
}

impl Malformed {
    /// The refusal that is counted for the request.
    #[must_use]
    pub fn refusal(self) -> Refusal {
        match self {
            Self::TooLarge { .. } => Refusal::TooLarge,
            Self::TooManyItems { .. } => Refusal::TooManyItems,
            Self::NoData
            | Self::Compression
            | Self::ContentEncoding
            | Self::Base64
            | Self::Json => Refusal::Malformed,
        }
    }
}
