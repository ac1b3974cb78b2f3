//! A TCP socket that counts what it writes and can be closed from outside, at once.
//!
//! Connect makes it, hyper (through TLS or not) drives it, the client keeps a [`Gate`] to it.
//! Invariant: once [`Gate::cut`] returns, no byte leaves through this socket: the descriptor is closed with what the kernel
//! had not sent yet (zero linger).

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

#[derive(Debug)]
struct Shared {
    stream: Option<TcpStream>,
    written_bytes: u64,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// The handle that closes a socket and knows how much it has written.
#[derive(Clone, Debug)]
pub(crate) struct Gate(Arc<Mutex<Shared>>);

/// A gate that does not keep its socket open.
#[derive(Clone, Debug)]
pub(crate) struct WeakGate(Weak<Mutex<Shared>>);

/// The socket's side that hyper or TLS drives. Dropping it closes the connection.
#[derive(Debug)]
pub(crate) struct Socket(Gate);

impl Gate {
    /// Takes over a connected stream.
    pub(crate) fn new(stream: TcpStream) -> (Self, Socket) {
        let shared = Shared {
            stream: Some(stream),
            written_bytes: 0,
            reader: None,
            writer: None,
        };
        let gate = Self(Arc::new(Mutex::new(shared)));
        (gate.clone(), Socket(gate))
    }

    /// Bytes handed to the kernel so far, TLS records included.
    pub(crate) fn written_bytes(&self) -> u64 {
        self.lock().written_bytes
    }

    /// Closes the socket now and throws away what the kernel holds unsent.
    pub(crate) fn cut(&self) {
        let wakers = {
            let mut shared = self.lock();
            if let Some(stream) = shared.stream.take() {
                // Where it fails the socket is not connected any more, and nothing is unsent.
                let _ = stream.set_zero_linger();
            }
            [shared.reader.take(), shared.writer.take()]
        };
        for waker in wakers.into_iter().flatten() {
            waker.wake();
        }
    }

    pub(crate) fn downgrade(&self) -> WeakGate {
        WeakGate(Arc::downgrade(&self.0))
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl WeakGate {
    pub(crate) fn upgrade(&self) -> Option<Gate> {
        self.0.upgrade().map(Gate)
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.0.strong_count() == 0
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        drop(self.0.lock().stream.take());
    }
}

fn cut() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "cut")
}

fn remember(slot: &mut Option<Waker>, context: &Context<'_>) {
    if !slot
        .as_ref()
        .is_some_and(|waker| waker.will_wake(context.waker()))
    {
        *slot = Some(context.waker().clone());
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut shared = self.0.lock();
        remember(&mut shared.reader, context);
        match &mut shared.stream {
            Some(stream) => Pin::new(stream).poll_read(context, buffer),
            None => Poll::Ready(Err(cut())),
        }
    }
}

impl Socket {
    /// Runs one non-blocking write under the lock, so that a cut is either before it or after it.
    fn write(
        &self,
        context: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut TcpStream>, &mut Context<'_>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let mut shared = self.0.lock();
        remember(&mut shared.writer, context);
        let Some(stream) = &mut shared.stream else {
            return Poll::Ready(Err(cut()));
        };
        let result = write(Pin::new(stream), context);
        if let Poll::Ready(Ok(count)) = result {
            shared.written_bytes += count as u64;
        }
        result
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.write(context, |stream, context| stream.poll_write(context, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.write(context, |stream, context| {
            stream.poll_write_vectored(context, slices)
        })
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0.lock().stream {
            Some(stream) => Pin::new(stream).poll_flush(context),
            None => Poll::Ready(Err(cut())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0.lock().stream {
            Some(stream) => Pin::new(stream).poll_shutdown(context),
            None => Poll::Ready(Ok(())),
        }
    }
}
