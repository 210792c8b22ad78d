//! Servers that misbehave on request: threads of the test with real sockets on a lab host.
//!
//! Each does one thing wrong, at a known step, every time. Real servers are elsewhere.

use std::io;
use std::net::{Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustls::ServerConfig;
use socket2::{Domain, Protocol, Socket, Type};

use crate::ca::Identity;
use crate::fail::{OrFail as _, fail};
use crate::host::Host;
use crate::service::Service;
use crate::wire::{Line, Stop, Stopper};

mod backlog;
mod borrowed;
mod http;
mod proxy;
mod stream;
mod tls;
mod udp;

pub use http::Answer;
pub use proxy::Proxy;
pub(crate) use tls::server_config;
pub use tls::{OldTls, TlsVersion};

/// Connections that wait to be accepted, as most servers have it.
const BACKLOG: i32 = 128;

/// What a [`Peer`] does wrong (or right).
#[derive(Clone, Debug, PartialEq)]
pub enum Behaviour {
    /// Accepts, then RST without a word: at the client's first one, or after 0.3 s of its silence.
    Reset,
    /// Accepts, then FIN.
    Close,
    /// RST when the request (or ClientHello) has arrived.
    ResetAfterRequest,
    /// FIN when the request (or ClientHello) has arrived, without an answer.
    CloseAfterRequest,
    /// HTTP: RST when a tenth of the promised body is out.
    ResetMidBody,
    /// HTTP: FIN when a tenth of the promised body is out.
    CloseMidBody,
    /// Accepts and reads, never says anything.
    NeverAnswer,
    /// Never accepts: the kernel does, as long as the backlog has room.
    NeverAccept,
    /// Never accepts, and the backlog is full: SYNs are not answered.
    BacklogFull,
    /// A process stopped with SIGSTOP: the kernel accepts, nobody reads.
    Stopped,
    /// Says something at once, then only listens: another protocol, or garbage.
    Banner(Vec<u8>),
    /// Answers every request.
    Http(Answer),
    /// Redirects every request to itself.
    RedirectLoop,
    /// HTTP: the head at once, the body byte by byte with this pause, for ever.
    SlowDrip(Duration),
    /// HTTP: a body of so many bytes.
    HugeBody(u64),
    /// Answers the ClientHello with a fatal TLS alert.
    TlsAlert(u8),
    /// A TLS server that today's clients refuse (needs an [`Identity`]).
    OldTls(OldTls),
    /// A TLS server that wants a certificate from the client (needs an [`Identity`]).
    ClientCertificate(TlsVersion),
    /// UDP: sends everything back.
    UdpEcho,
    /// UDP: reads, never answers.
    UdpSilent,
    /// Answers "200" while it listens, and listens only now and then, at first it does.
    Flapping {
        /// How long it listens.
        up: Duration,
        /// How long it doesn't.
        down: Duration,
    },
    /// A forward proxy.
    Proxy(Proxy),
}

/// Where a [`Peer`] listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listen {
    /// On every address of both families; 0 for a free port.
    Everywhere(u16),
    /// On exactly this address (`[::]:80` is IPv6 only).
    Only(SocketAddr),
}

impl From<u16> for Listen {
    fn from(port: u16) -> Self {
        Self::Everywhere(port)
    }
}

impl From<SocketAddr> for Listen {
    fn from(address: SocketAddr) -> Self {
        Self::Only(address)
    }
}

impl Listen {
    fn address(self) -> SocketAddr {
        match self {
            Self::Everywhere(port) => (Ipv6Addr::UNSPECIFIED, port).into(),
            Self::Only(address) => address,
        }
    }

    /// A bound socket; to be called on the host.
    pub(crate) fn bind(self, kind: Type, protocol: Protocol) -> Socket {
        let address = self.address();
        let bind = || -> io::Result<Socket> {
            let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
            if address.is_ipv6() {
                socket.set_only_v6(matches!(self, Self::Only(_)))?;
            }
            if kind == Type::STREAM {
                // A peer that is started again must not wait for old connections (TIME_WAIT).
                socket.set_reuse_address(true)?;
            }
            socket.bind(&address.into())?;
            Ok(socket)
        };
        bind().or_fail(format_args!("cannot listen on {address}"))
    }

    pub(crate) fn listen(self, backlog: i32) -> TcpListener {
        let socket = self.bind(Type::STREAM, Protocol::TCP);
        socket.listen(backlog).or_fail("cannot listen");
        socket.into()
    }
}

/// A running server; it ends when this is dropped.
#[derive(Debug)]
pub struct Peer {
    port: u16,
    accepted: Arc<AtomicUsize>,
    /// Before the thread, which waits for it.
    stopper: Option<Stopper>,
    thread: Option<JoinHandle<()>>,
    /// For behaviours that are a real program's.
    service: Option<Service>,
}

impl Peer {
    /// Starts a server on a host; when this returns it listens.
    #[track_caller]
    pub fn start(host: &Host, listen: impl Into<Listen>, behaviour: Behaviour) -> Self {
        Self::launch(host, listen.into(), behaviour, None)
    }

    /// Starts a server behind TLS: the behaviour begins after the handshake.
    #[track_caller]
    pub fn start_tls(
        host: &Host,
        listen: impl Into<Listen>,
        behaviour: Behaviour,
        identity: &Identity,
    ) -> Self {
        Self::launch(host, listen.into(), behaviour, Some(identity))
    }

    fn launch(host: &Host, listen: Listen, what: Behaviour, identity: Option<&Identity>) -> Self {
        match (&what, identity) {
            (Behaviour::Stopped, None) => borrowed::stopped(host, listen),
            (Behaviour::OldTls(old), Some(identity)) => {
                borrowed::old_tls(host, listen, *old, identity)
            }
            (Behaviour::ClientCertificate(version), Some(identity)) => {
                borrowed::client_certificate(host, listen, *version, identity)
            }
            (Behaviour::OldTls(_) | Behaviour::ClientCertificate(_), None) => {
                fail(format_args!("{what:?} needs a certificate: use Peer::start_tls"))
            }
            (Behaviour::UdpEcho | Behaviour::UdpSilent, None) => udp::start(host, listen, &what),
            (Behaviour::NeverAccept | Behaviour::BacklogFull, None) => {
                backlog::start(host, listen, &what)
            }
            (Behaviour::Flapping { up, down }, None) => flap(host, listen, *up, *down),
            _ => Self::serve(host, listen, what, identity.map(tls::server_config)),
        }
    }

    /// A server that accepts and does the same with every connection.
    fn serve(host: &Host, listen: Listen, what: Behaviour, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = host.enter(|| listen.listen(BACKLOG));
        let port = port_of(&listener);
        let hall = Hall { what: Arc::new(what), tls, accepted: Arc::default() };
        let mut peer = Self::idle(port);
        peer.accepted = Arc::clone(&hall.accepted);
        peer.run(host, move |stop| hall.welcome(&listener, &stop, &stop, None))
    }

    /// A peer that does nothing yet.
    fn idle(port: u16) -> Self {
        Self { port, accepted: Arc::default(), stopper: None, thread: None, service: None }
    }

    /// Runs `work` on a thread of the host until the peer is dropped.
    fn run(mut self, host: &Host, work: impl FnOnce(Stop) + Send + 'static) -> Self {
        let stopper = Stopper::new();
        let stop = stopper.stop();
        let host = host.clone();
        self.thread = Some(thread::spawn(move || {
            host.move_thread_here();
            work(stop);
        }));
        self.stopper = Some(stopper);
        self
    }

    /// A peer that is a program of its own.
    fn of_service(port: u16, service: Service) -> Self {
        let mut peer = Self::idle(port);
        peer.service = Some(service);
        peer
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How many connections it has accepted (not counted for peers that never accept, for UDP and
    /// for those that are programs of their own).
    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        drop(self.stopper.take());
        if let Some(thread) = self.thread.take() {
            // Its panic has been printed; a second one here would abort the process.
            let _ = thread.join();
        }
        drop(self.service.take());
    }
}

/// Where connections come in.
struct Hall {
    what: Arc<Behaviour>,
    tls: Option<Arc<ServerConfig>>,
    accepted: Arc<AtomicUsize>,
}

impl Hall {
    /// Accepts until told to stop, or until `end`; connections stay until `leave`. The listener
    /// closes when the caller drops it.
    fn welcome(&self, listener: &TcpListener, stop: &Stop, leave: &Stop, end: Option<Instant>) {
        loop {
            let left = end.map(|end| end.saturating_duration_since(Instant::now()));
            let ready = match left {
                None => stop.or_readable(listener.as_fd()),
                Some(left) => stop.or_readable_within(listener.as_fd(), left),
            };
            if !ready {
                return;
            }
            // The client may have gone again meanwhile.
            if let Ok((tcp, _)) = listener.accept() {
                self.accepted.fetch_add(1, Ordering::Relaxed);
                self.attend(tcp, leave.clone());
            }
        }
    }

    /// Gives a connection a thread of its own, on the same host.
    fn attend(&self, tcp: TcpStream, stop: Stop) {
        let what = Arc::clone(&self.what);
        let config = self.tls.clone();
        thread::spawn(move || {
            let line = Line::new(tcp, stop, config);
            // A client may end a connection at any moment: that is not the lab's trouble.
            let _ = stream::behave(&what, line);
        });
    }
}

fn port_of(listener: &TcpListener) -> u16 {
    listener.local_addr().or_fail("a listener without an address").port()
}

/// Listens and answers for a while, then not, and so on.
fn flap(host: &Host, listen: Listen, up: Duration, down: Duration) -> Peer {
    let mut listener = Some(host.enter(|| listen.listen(BACKLOG)));
    let port = listener.as_ref().map_or(0, port_of);
    let listen = match listen {
        Listen::Everywhere(_) => Listen::Everywhere(port),
        Listen::Only(address) => Listen::Only(SocketAddr::new(address.ip(), port)),
    };
    // Whoever could keep a connection would miss that it comes and goes.
    let page = Answer::new(200).header("Connection", "close").body("up\n");
    let what = Arc::new(Behaviour::Http(page));
    let hall = Hall { what, tls: None, accepted: Arc::default() };
    let mut peer = Peer::idle(port);
    peer.accepted = Arc::clone(&hall.accepted);
    let work = move |stop: Stop| {
        while !stop.now() {
            let open = listener.take().unwrap_or_else(|| listen.listen(BACKLOG));
            // What it has accepted goes with it: a browser's spare connections would outlive it.
            let alive = Stopper::new();
            hall.welcome(&open, &stop, &alive.stop(), Some(Instant::now() + up));
            drop((open, alive));
            stop.within(down);
        }
    };
    peer.run(host, work)
}
