//! The bodies of requests under way, bounded together: anybody may open connections and send, long before a token is looked at.
//!
//! Invariant: what all bodies hold beyond a small allowance each stays below one limit; whoever would pass it is told to come
//! again, and small requests go on.

use axum::body::Bytes;
use http_body_util::BodyExt;
use hyper::body::Body;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Most bytes of all bodies beyond their allowances.
const BYTES_MAX: usize = 256 * 1024 * 1024;
/// A body of this many bytes is never turned away for the sake of others.
const ALLOWANCE_BYTES: usize = 32 * 1024;

/// What the bodies under way hold. Cheap to share.
#[derive(Clone, Debug)]
pub struct Bodies {
    held: Arc<AtomicUsize>,
    bytes_max: usize,
    allowance_bytes: usize,
}

impl Default for Bodies {
    fn default() -> Self {
        Self {
            held: Arc::default(),
            bytes_max: BYTES_MAX,
            allowance_bytes: ALLOWANCE_BYTES,
        }
    }
}

/// Why a body was not read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unread {
    /// It is larger than one may be, or broke off.
    TooLarge,
    /// The others hold all there is.
    Full,
}

/// A body, and its part of what all hold.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) bytes: Bytes,
    _part: Part,
}

/// Given back when it is dropped.
#[derive(Debug)]
struct Part {
    held: Arc<AtomicUsize>,
    bytes: usize,
}

impl Drop for Part {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.held.fetch_sub(self.bytes, Ordering::Relaxed);
        }
    }
}

impl Bodies {
    /// Reads a body of at most `limit` bytes.
    pub(super) async fn read<B: Body<Data = Bytes>>(
        &self,
        body: B,
        limit: usize,
    ) -> Result<Held, Unread> {
        let mut body = pin!(body);
        let mut part = Part {
            held: Arc::clone(&self.held),
            bytes: 0,
        };
        let mut first = Bytes::new();
        let mut read = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| Unread::TooLarge)?;
            let Ok(data) = frame.into_data() else {
                continue;
            };
            let length = first.len() + read.len() + data.len();
            if length > limit {
                return Err(Unread::TooLarge);
            }
            self.take(&mut part, length)?;
            if first.is_empty() && read.is_empty() {
                // Most bodies come at once, and are not copied.
                first = data;
                continue;
            }
            if read.is_empty() {
                let announced = usize::try_from(body.size_hint().lower()).unwrap_or(limit);
                read.reserve_exact(length.saturating_add(announced).min(limit));
                read.extend_from_slice(&first);
                first = Bytes::new();
            }
            read.extend_from_slice(&data);
        }
        let bytes = if read.is_empty() {
            first
        } else {
            Bytes::from(read)
        };
        Ok(Held { bytes, _part: part })
    }

    /// Counts a body's bytes so far.
    fn take(&self, part: &mut Part, length: usize) -> Result<(), Unread> {
        let more = length
            .saturating_sub(self.allowance_bytes)
            .saturating_sub(part.bytes);
        if more == 0 {
            return Ok(());
        }
        let before = self.held.fetch_add(more, Ordering::Relaxed);
        part.bytes += more;
        if before + more > self.bytes_max {
            return Err(Unread::Full);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Bodies, Unread};
    use axum::body::Bytes;
    use hyper::body::{Body, Frame};
    use std::collections::VecDeque;
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    /// A body of pieces.
    struct Pieces(VecDeque<usize>);

    impl Body for Pieces {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            let piece = self.0.pop_front();
            Poll::Ready(piece.map(|length| Ok(Frame::data(Bytes::from(vec![b'x'; length])))))
        }
    }

    fn pieces(lengths: &[usize]) -> Pieces {
        Pieces(lengths.iter().copied().collect())
    }

    #[tokio::test]
    async fn bodies_share_one_limit_and_small_ones_go_on() {
        let bodies = Bodies {
            bytes_max: 100,
            allowance_bytes: 10,
            ..Bodies::default()
        };
        let read = |lengths: &[usize]| {
            let (bodies, body) = (bodies.clone(), pieces(lengths));
            async move { bodies.read(body, 1_000).await }
        };
        let first = read(&[60, 30]).await.unwrap();
        assert_eq!(first.bytes.len(), 90);
        let second = read(&[10, 20]).await.unwrap();
        assert_eq!(read(&[5, 5, 5]).await.unwrap_err(), Unread::Full);
        assert_eq!(read(&[4, 6]).await.unwrap().bytes.len(), 10);
        drop(second);
        assert_eq!(read(&[30]).await.unwrap().bytes.len(), 30);
        drop(first);
        assert_eq!(read(&[50, 50, 10]).await.unwrap().bytes.len(), 110);
        assert_eq!(read(&[110, 1]).await.unwrap_err(), Unread::Full);
        // Whoever was turned away, or ended, holds nothing.
        assert_eq!(bodies.held.load(super::Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn one_body_has_its_own_limit() {
        let bodies = Bodies::default();
        let read = |lengths: &[usize]| bodies.read(pieces(lengths), 20);
        assert_eq!(read(&[20]).await.unwrap().bytes.len(), 20);
        assert_eq!(read(&[0, 10, 0, 10]).await.unwrap().bytes.len(), 20);
        assert_eq!(read(&[21]).await.unwrap_err(), Unread::TooLarge);
        assert_eq!(read(&[10, 11]).await.unwrap_err(), Unread::TooLarge);
        assert!(read(&[]).await.unwrap().bytes.is_empty());
    }
}
