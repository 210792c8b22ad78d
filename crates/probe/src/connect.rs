//! The one place that makes TCP connections. A failed connect keeps what the kernel knows about
//! it: error number, the ICMP packet and its sender, retransmissions (std and tokio drop the
//! socket, and with it all of that). Nothing is retried here.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;
use std::time::Duration;

use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use whydown_core::failure::Failure;
use whydown_core::observation::{Attempt, IcmpError, Step, TcpFacts};

use crate::socket::{Queued, queue_errors, set_min_ttl, take_icmp, tcp_facts};

/// What a connect does differently from any client's. All unset is what every client does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// TTL (hop limit) of our packets: how far the SYN may travel.
    pub ttl: Option<u8>,
    /// Ignore answers that arrive with a smaller TTL (`IP_MINTTL`).
    pub min_ttl: Option<u8>,
    /// Largest segment that we accept and send (`TCP_MAXSEG`).
    pub max_segment: Option<u16>,
    /// Type of service / traffic class of our packets.
    pub tos: Option<u8>,
    /// Our own address.
    pub source: Option<IpAddr>,
}

/// An established connection.
#[derive(Debug)]
pub struct Connection {
    /// The connection.
    pub stream: TcpStream,
    /// Our own end.
    pub local: Option<SocketAddr>,
    /// From the first SYN to the SYN-ACK.
    pub elapsed: Duration,
    /// It was accepted and reset before we could say a word. The kernel tells that only once, so
    /// reading the stream shows a plain end.
    pub reset: bool,
}

/// A connect that failed, and everything that is known about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotConnected {
    /// What the client's system call said.
    pub failure: Failure,
    /// `Socket` or `Connect`.
    pub step: Step,
    /// The error number; `None` when our own deadline passed.
    pub errno: Option<i32>,
    /// The ICMP error that ended it. None together with ECONNREFUSED: a RST.
    pub icmp: Option<IcmpError>,
    /// Retransmissions and round trip time.
    pub tcp: Option<TcpFacts>,
    /// Our own end, once known.
    pub local: Option<SocketAddr>,
    /// How long it took.
    pub elapsed: Duration,
    /// The system call itself said no: routing or resources of this machine, no packet left.
    pub at_once: bool,
}

impl NotConnected {
    /// Writes what is known into an attempt.
    pub fn record(&self, attempt: &mut Attempt) {
        attempt.step = self.step;
        attempt.failure = Some(self.failure);
        attempt.errno = self.errno;
        attempt.icmp = self.icmp;
        attempt.tcp = self.tcp;
        attempt.local = self.local;
    }
}

/// Connects to `remote`, with a socket of its own.
///
/// # Errors
/// Everything but an established connection. Not kept as an `io::Error`: what failed is data.
pub async fn connect(
    remote: SocketAddr,
    options: &Options,
    deadline: Instant,
) -> Result<Connection, NotConnected> {
    let begin = Instant::now();
    let socket = match open(remote, options) {
        Ok(socket) => socket,
        Err(error) => return Err(failed(&error, Step::Socket, begin, true)),
    };
    match socket.connect(&SockAddr::from(remote)) {
        Ok(()) => {}
        Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {}
        Err(error) => {
            let mut failed = failed(&error, Step::Connect, begin, true);
            failed.icmp = take_icmp(&socket).map(|queued| queued.icmp);
            failed.local = local_of(&socket);
            return Err(failed);
        }
    }
    let stream = match TcpStream::from_std(std::net::TcpStream::from(socket)) {
        Ok(stream) => stream,
        Err(error) => return Err(failed(&error, Step::Socket, begin, true)),
    };
    match timeout_at(deadline, established(&stream)).await {
        Ok(Ok(())) => {
            // On an established connection the option would turn a passing ICMP error into a
            // hard one.
            let _ = queue_errors(&stream, remote.is_ipv4(), false);
            let local = stream.local_addr().ok();
            Ok(Connection { local, elapsed: begin.elapsed(), stream, reset: false })
        }
        // A RST in answer to a SYN is ECONNREFUSED (tcp(7)), so this one came after the SYN-ACK.
        Ok(Err((error, _))) if error.raw_os_error() == Some(libc::ECONNRESET) => {
            let local = stream.local_addr().ok();
            Ok(Connection { local, elapsed: begin.elapsed(), stream, reset: true })
        }
        Ok(Err((error, icmp))) => {
            let failed = failed(&error, Step::Connect, begin, false);
            Err(NotConnected { icmp, ..with_facts(&failed, &stream) })
        }
        Err(_) => {
            let error = io::Error::from_raw_os_error(libc::ETIMEDOUT);
            let failed = failed(&error, Step::Connect, begin, false);
            let icmp = take_icmp(&stream).map(|queued| queued.icmp);
            Err(NotConnected { icmp, errno: None, ..with_facts(&failed, &stream) })
        }
    }
}

fn open(remote: SocketAddr, options: &Options) -> io::Result<Socket> {
    let v4 = remote.is_ipv4();
    let kind = Type::STREAM.nonblocking().cloexec();
    let socket = Socket::new(Domain::for_address(remote), kind, Some(Protocol::TCP))?;
    queue_errors(&socket, v4, true)?;
    socket.set_tcp_nodelay(true)?;
    if let Some(ttl) = options.ttl {
        if v4 {
            socket.set_ttl_v4(u32::from(ttl))?;
        } else {
            socket.set_unicast_hops_v6(u32::from(ttl))?;
        }
    }
    if let Some(ttl) = options.min_ttl {
        set_min_ttl(&socket, v4, ttl)?;
    }
    if let Some(bytes) = options.max_segment {
        socket.set_tcp_mss(u32::from(bytes))?;
    }
    if let Some(tos) = options.tos {
        if v4 {
            socket.set_tos_v4(u32::from(tos))?;
        } else {
            socket.set_tclass_v6(u32::from(tos))?;
        }
    }
    if let Some(source) = options.source {
        socket.bind(&SockAddr::from(SocketAddr::new(source, 0)))?;
    }
    Ok(socket)
}

/// Waits until the connect has ended. `SO_ERROR` is read before the error queue: the other way
/// round a failed socket looks fine.
async fn established(stream: &TcpStream) -> Result<(), (io::Error, Option<IcmpError>)> {
    let mut seen: Option<Queued> = None;
    loop {
        let ready = stream.ready(Interest::WRITABLE | Interest::ERROR).await;
        let error = match ready {
            Ok(_) => stream.take_error().unwrap_or_else(Some),
            Err(error) => Some(error),
        };
        seen = take_icmp(stream).or(seen);
        if let Some(error) = error {
            return Err((error, seen.map(|queued| queued.icmp)));
        }
        if stream.peer_addr().is_ok() {
            return Ok(());
        }
        if let Some(queued) = seen {
            // The kernel kept only a soft error (the answer came while connect() still held the
            // socket) and would try again: the answer is known all the same.
            let error = io::Error::from_raw_os_error(queued.errno);
            return Err((error, Some(queued.icmp)));
        }
        // Woken for nothing: forget the readiness and wait for the next event.
        let again = || -> io::Result<()> { Err(io::ErrorKind::WouldBlock.into()) };
        let _ = stream.try_io(Interest::WRITABLE, again);
        let _ = stream.try_io(Interest::ERROR, again);
    }
}

fn with_facts(failed: &NotConnected, stream: &TcpStream) -> NotConnected {
    NotConnected { tcp: tcp_facts(stream), local: stream.local_addr().ok(), ..failed.clone() }
}

fn local_of(socket: &Socket) -> Option<SocketAddr> {
    socket.local_addr().ok()?.as_socket().filter(|a| a.port() != 0)
}

fn failed(error: &io::Error, step: Step, begin: Instant, at_once: bool) -> NotConnected {
    NotConnected {
        failure: failure_of(error),
        step,
        errno: error.raw_os_error(),
        icmp: None,
        tcp: None,
        local: None,
        elapsed: begin.elapsed(),
        at_once,
    }
}

/// What a system call's error means to a TCP client (DESIGN §3).
#[must_use]
pub fn failure_of(error: &io::Error) -> Failure {
    match error.raw_os_error() {
        Some(errno) => failure_of_errno(errno),
        None if error.kind() == io::ErrorKind::TimedOut => Failure::TcpTimedOut,
        None => Failure::SelfInternal,
    }
}

/// The same for a bare error number.
#[must_use]
pub fn failure_of_errno(errno: i32) -> Failure {
    match errno {
        libc::ECONNREFUSED => Failure::TcpRefused,
        libc::ETIMEDOUT => Failure::TcpTimedOut,
        libc::ECONNRESET | libc::ECONNABORTED | libc::EPIPE => Failure::TcpReset,
        libc::EHOSTUNREACH | libc::EHOSTDOWN => Failure::TcpHostUnreachable,
        // EINVAL is what a local blackhole route says (fib_props, net/ipv4/fib_semantics.c);
        // EAFNOSUPPORT is a kernel without that family.
        libc::ENETUNREACH | libc::ENETDOWN | libc::ENONET | libc::EINVAL | libc::EAFNOSUPPORT => {
            Failure::TcpNetworkUnreachable
        }
        libc::EPERM | libc::EACCES => Failure::TcpNotPermitted,
        libc::ENOPROTOOPT => Failure::TcpProtocolUnreachable,
        // EAGAIN from connect(2): no free local ports.
        libc::EADDRNOTAVAIL | libc::EADDRINUSE | libc::EAGAIN => Failure::TcpNoLocalAddress,
        libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM => Failure::SelfResources,
        _ => Failure::SelfInternal,
    }
}

/// Retransmissions and round trip time of a connection so far.
#[must_use]
pub fn facts_of(stream: &impl AsRawFd) -> Option<TcpFacts> {
    tcp_facts(stream)
}
