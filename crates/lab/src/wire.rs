//! Connections of the lab's own servers: blocking reads that end when the server is dropped.

use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::fail::OrFail as _;

/// The end that stops: dropping it wakes everything that waits with a [`Stop`].
#[derive(Debug)]
pub(crate) struct Stopper {
    /// Never written to; its closing is the signal.
    _bell: PipeWriter,
    stop: Stop,
}

/// The end that is told to stop.
#[derive(Clone, Debug)]
pub(crate) struct Stop(Arc<PipeReader>);

impl Stopper {
    pub(crate) fn new() -> Self {
        let (reader, writer) = io::pipe().or_fail("cannot make a pipe");
        Self { _bell: writer, stop: Stop(Arc::new(reader)) }
    }

    pub(crate) fn stop(&self) -> Stop {
        self.stop.clone()
    }
}

impl Stop {
    /// Waits for some time; true when told to stop meanwhile.
    pub(crate) fn within(&self, time: Duration) -> bool {
        let mut fds = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, timeout(time)).is_ok_and(|ready| ready > 0)
    }

    /// Whether told to stop.
    pub(crate) fn now(&self) -> bool {
        self.within(Duration::ZERO)
    }

    /// Waits until `fd` can be read (true) or told to stop (false).
    pub(crate) fn or_readable(&self, fd: BorrowedFd<'_>) -> bool {
        let mut fds =
            [PollFd::new(self.0.as_fd(), PollFlags::POLLIN), PollFd::new(fd, PollFlags::POLLIN)];
        let polled = poll(&mut fds, PollTimeout::NONE);
        polled.is_ok() && !fds[0].any().unwrap_or(true)
    }

    /// Waits until `fd` can be read (true); false after `time` or when told to stop.
    pub(crate) fn or_readable_within(&self, fd: BorrowedFd<'_>, time: Duration) -> bool {
        let mut fds =
            [PollFd::new(self.0.as_fd(), PollFlags::POLLIN), PollFd::new(fd, PollFlags::POLLIN)];
        let polled = poll(&mut fds, timeout(time));
        polled.is_ok() && !fds[0].any().unwrap_or(true) && fds[1].any().unwrap_or(false)
    }
}

fn timeout(time: Duration) -> PollTimeout {
    PollTimeout::try_from(time).unwrap_or(PollTimeout::MAX)
}

/// A connection whose reads end with an error when its server is dropped.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) tcp: TcpStream,
    pub(crate) stop: Stop,
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.stop.or_readable(self.tcp.as_fd()) {
            self.tcp.read(buffer)
        } else {
            Err(io::ErrorKind::ConnectionAborted.into())
        }
    }
}

impl Write for Wire {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        // A client that doesn't read must not keep this thread for ever.
        if self.stop.now() {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        self.tcp.write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Wire {
    /// A connection that was just accepted.
    pub(crate) fn new(tcp: TcpStream, stop: Stop) -> Self {
        // The write timeout only makes a blocked write look at `stop` again.
        let _ = tcp.set_write_timeout(Some(Duration::from_secs(30)));
        let _ = tcp.set_nodelay(true);
        Self { tcp, stop }
    }

    /// Ends the connection with a RST: "discard what is unsent" (socket(7), SO_LINGER 0).
    pub(crate) fn reset(self) {
        let socket = socket2::SockRef::from(&self.tcp);
        let _ = socket.set_linger(Some(Duration::ZERO));
    }

    /// Ends the connection with a FIN, and never with a RST: what the client still sends is read.
    pub(crate) fn close(mut self) {
        let _ = self.tcp.shutdown(Shutdown::Write);
        self.read_to_end();
    }

    /// Reads and forgets until the client closes.
    pub(crate) fn read_to_end(&mut self) {
        let mut buffer = [0; 16 * 1024];
        while self.read(&mut buffer).is_ok_and(|length| length > 0) {}
    }

    /// Waits until the client's kernel has acknowledged everything: a RST would overtake the rest.
    pub(crate) fn wait_acknowledged(&self) {
        while unsent_bytes(&self.tcp) > 0 && !self.stop.within(Duration::from_millis(1)) {}
    }
}

mod ioctl {
    //! SIOCOUTQ of linux/sockios.h (tcp(7)): bytes that are not acknowledged yet.
    nix::ioctl_read_bad!(outq, nix::libc::TIOCOUTQ, nix::libc::c_int);
}

fn unsent_bytes(tcp: &TcpStream) -> libc::c_int {
    let mut bytes = 0;
    #[expect(unsafe_code, reason = "nix has no safe SIOCOUTQ; it writes one int")]
    let asked = unsafe { ioctl::outq(tcp.as_raw_fd(), &raw mut bytes) };
    if asked.is_ok() { bytes } else { 0 }
}

/// A connection, plain or behind TLS.
pub(crate) enum Line {
    Plain(Wire),
    Tls(Box<StreamOwned<ServerConnection, Wire>>),
}

impl Read for Line {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(wire) => wire.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Line {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(wire) => wire.write(buffer),
            Self::Tls(stream) => stream.write(buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(wire) => wire.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}

impl Line {
    /// A connection that was just accepted; the TLS handshake comes with the first read or write.
    pub(crate) fn new(tcp: TcpStream, stop: Stop, tls: Option<Arc<ServerConfig>>) -> Self {
        let wire = Wire::new(tcp, stop);
        match tls {
            None => Self::Plain(wire),
            Some(config) => {
                let session = ServerConnection::new(config).or_fail("a TLS session");
                Self::Tls(Box::new(StreamOwned::new(session, wire)))
            }
        }
    }

    pub(crate) fn is_tls(&self) -> bool {
        matches!(self, Self::Tls(_))
    }

    /// What tells it to stop.
    pub(crate) fn stop(&self) -> &Stop {
        match self {
            Self::Plain(wire) => &wire.stop,
            Self::Tls(stream) => &stream.sock.stop,
        }
    }

    /// The connection itself, without a TLS goodbye.
    pub(crate) fn wire(self) -> Wire {
        match self {
            Self::Plain(wire) => wire,
            Self::Tls(stream) => stream.sock,
        }
    }

    /// A polite end.
    pub(crate) fn finish(mut self) {
        if let Self::Tls(stream) = &mut self {
            stream.conn.send_close_notify();
            let _ = stream.flush();
        }
        self.wire().close();
    }
}
