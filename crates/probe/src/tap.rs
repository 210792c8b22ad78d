//! A stream that remembers what happened on it: the first bytes, how many there were, when the
//! first came, and how it ended. Libraries on top often say only "error".
//!
//! A write that fails because the other side is gone counts as done here: what that side said
//! before (an alert, an early answer) still waits to be read, and says more than "broken pipe".

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// First bytes kept.
pub(crate) const SAMPLE_MAX_BYTES: usize = 512;

/// What was seen on a stream so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// The first bytes received.
    pub(crate) sample: Vec<u8>,
    /// Bytes received.
    pub(crate) received_bytes: u64,
    /// When the first byte came.
    pub(crate) first_at: Option<Instant>,
    /// The other side closed its half.
    pub(crate) ended: bool,
    /// The first error, as error number, kind and text.
    pub(crate) error: Option<StreamError>,
}

/// An error of a stream, as far as a diagnosis needs it.
#[derive(Clone, Debug)]
pub(crate) struct StreamError {
    pub(crate) kind: io::ErrorKind,
    pub(crate) errno: Option<i32>,
    /// The TLS library's own error, when the stream is TLS.
    pub(crate) tls: Option<rustls::Error>,
    pub(crate) text: String,
}

impl StreamError {
    pub(crate) fn new(error: &io::Error) -> Self {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        Self {
            kind: error.kind(),
            errno: error.raw_os_error(),
            tls: inner.cloned(),
            text: error.to_string(),
        }
    }

    /// Did the other side (or something on the way) send a RST?
    pub(crate) fn is_reset(&self) -> bool {
        matches!(self.kind, io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted)
    }

    /// Also a RST after a FIN, which tcp(7) reports as EPIPE.
    fn is_gone(&self) -> bool {
        self.is_reset() || self.kind == io::ErrorKind::BrokenPipe
    }
}

impl Seen {
    /// Completes what was seen above TLS with what was seen below: a RST there is only an end
    /// here.
    pub(crate) fn with_below(mut self, below: Option<&Record>) -> Self {
        let reset = below.and_then(|record| record.seen().error).filter(StreamError::is_reset);
        if self.error.as_ref().is_none_or(|error| error.tls.is_none()) {
            self.error = reset.or(self.error);
        }
        self
    }
}

/// Shared with the [`Tap`]; outlives it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Record(Arc<Mutex<Seen>>);

impl Record {
    pub(crate) fn seen(&self) -> Seen {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn with(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// The stream.
#[derive(Debug)]
pub(crate) struct Tap<S> {
    inner: S,
    record: Record,
}

impl<S> Tap<S> {
    pub(crate) fn new(inner: S) -> (Self, Record) {
        let record = Record::default();
        (Self { inner, record: record.clone() }, record)
    }

    /// A stream of which the kernel has already told that it was reset.
    pub(crate) fn after_reset(inner: S) -> (Self, Record) {
        let (tap, record) = Self::new(inner);
        let error = io::Error::from_raw_os_error(libc::ECONNRESET);
        record.with(|seen| note(seen, &error));
        (tap, record)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Tap<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let had_room = buffer.remaining() > 0;
        let result = ready!(Pin::new(&mut self.inner).poll_read(context, buffer));
        let fresh = &buffer.filled()[before..];
        self.record.with(|seen| match &result {
            Ok(()) if fresh.is_empty() => seen.ended |= had_room,
            Ok(()) => {
                let room = SAMPLE_MAX_BYTES.saturating_sub(seen.sample.len());
                seen.sample.extend_from_slice(&fresh[..fresh.len().min(room)]);
                seen.received_bytes += fresh.len() as u64;
                seen.first_at.get_or_insert_with(Instant::now);
            }
            Err(error) => note(seen, error),
        });
        Poll::Ready(result)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Tap<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = ready!(Pin::new(&mut self.inner).poll_write(context, bytes));
        let Err(error) = &result else { return Poll::Ready(result) };
        self.record.with(|seen| note(seen, error));
        match StreamError::new(error).is_gone() {
            true => Poll::Ready(Ok(bytes.len())),
            false => Poll::Ready(result),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = ready!(Pin::new(&mut self.inner).poll_flush(context));
        if let Err(error) = &result {
            self.record.with(|seen| note(seen, error));
        }
        Poll::Ready(result)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

/// Keeps the first error, but a RST or an alert outweighs a broken pipe seen before it.
fn note(seen: &mut Seen, error: &io::Error) {
    let weak = seen.error.as_ref().is_none_or(|known| known.kind == io::ErrorKind::BrokenPipe);
    if weak {
        seen.error = Some(StreamError::new(error));
    }
}
