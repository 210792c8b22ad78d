//! The first steps of every TCP check: connect, and shake hands where the scheme wants TLS.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};

use tokio::io::{AsyncRead, AsyncWrite};
use whydown_core::failure::Failure;
use whydown_core::observation::{Attempt, Step, TlsFacts};
use whydown_core::target::Target;

use super::Check;
use crate::connect::{Connection, Options, connect, facts_of};
use crate::tap::{Record, Seen, Tap};
use crate::tls;

/// A byte stream, encrypted or not.
pub(crate) trait Bytes: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Bytes for S {}

/// A connection on which the target's own protocol can begin.
pub(crate) struct Opened {
    /// Watched above TLS.
    pub(crate) stream: Tap<Box<dyn Bytes>>,
    /// What is seen on it.
    pub(crate) record: Record,
    /// What is seen below TLS, where there is TLS.
    pub(crate) below: Option<Record>,
    /// Application protocol agreed on.
    pub(crate) alpn: Option<String>,
    /// The server asked for a client certificate.
    pub(crate) asked: bool,
    /// The socket, for the kernel's account of it.
    pub(crate) socket: Option<OwnedFd>,
}

/// Where a connection goes and what is spoken first on it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way<'a> {
    /// Whom we talk to in the end.
    pub(crate) target: &'a Target,
    /// Where we connect.
    pub(crate) remote: SocketAddr,
    /// Application protocols offered.
    pub(crate) alpn: &'a [&'a str],
}

/// Connects and shakes hands, writing down every step. `None`: it failed, and the attempt says
/// how.
pub(crate) async fn open(
    check: &Check<'_>,
    way: &Way<'_>,
    attempt: &mut Attempt,
) -> Option<Opened> {
    let connection = tcp(check, way, attempt).await?;
    secure(check, way, connection, attempt).await
}

/// Connects.
pub(crate) async fn tcp(
    check: &Check<'_>,
    way: &Way<'_>,
    attempt: &mut Attempt,
) -> Option<Connection> {
    attempt.step = Step::Connect;
    let options = Options { max_segment: check.max_segment, ..Options::default() };
    match connect(way.remote, &options, check.deadline).await {
        Ok(connection) => {
            attempt.local = connection.local;
            attempt.timing.connect = Some(connection.elapsed);
            attempt.tcp = facts_of(&connection.stream);
            Some(connection)
        }
        Err(not) => {
            not.record(attempt);
            None
        }
    }
}

/// Shakes hands, where the scheme wants it.
pub(crate) async fn secure(
    check: &Check<'_>,
    way: &Way<'_>,
    connection: Connection,
    attempt: &mut Attempt,
) -> Option<Opened> {
    let socket = connection.stream.as_fd().try_clone_to_owned().ok();
    if !way.target.scheme.is_tls() {
        let stream = Box::new(connection.stream) as Box<dyn Bytes>;
        let (stream, record) =
            if connection.reset { Tap::after_reset(stream) } else { Tap::new(stream) };
        return Some(Opened { stream, record, below: None, alpn: None, asked: false, socket });
    }
    attempt.step = Step::TlsHandshake;
    let peer = tls::Peer {
        host: &way.target.host,
        remote: Some(way.remote).filter(|_| attempt.timing.tunnel.is_none()),
        alpn: way.alpn,
        trust: &check.settings.trust,
        hello: tls::Hello::Usual,
    };
    let shaken = tls::handshake(connection, &peer, check.deadline).await;
    let (alpn, asked) = (shaken.facts.alpn.clone(), shaken.facts.client_certificate_requested);
    attempt.timing.tls = shaken.stream.is_some().then_some(shaken.elapsed);
    attempt.failure = shaken.failure;
    attempt.errno = shaken.errno;
    attempt.detail = shaken.detail;
    attempt.banner = shaken.sample;
    attempt.tls = Some(shaken.facts);
    match shaken.stream {
        Some(stream) if attempt.failure.is_none() => {
            let (stream, record) = Tap::new(Box::new(stream) as Box<dyn Bytes>);
            Some(Opened { stream, record, below: Some(shaken.record), alpn, asked, socket })
        }
        _ => {
            attempt.tcp = socket.as_ref().and_then(facts_of).or(attempt.tcp);
            None
        }
    }
}

/// Looks a moment for a refusal after the handshake, for `tls://` targets. Other protocols meet
/// it at their first read.
pub(crate) async fn tls_only(check: &Check<'_>, ip: IpAddr) -> Attempt {
    let target = &check.monitor.target;
    let mut attempt = check.attempt(ip);
    let way = Way { target, remote: check.remote(ip), alpn: &[] };
    let Some(connection) = tcp(check, &way, &mut attempt).await else { return attempt };
    attempt.step = Step::TlsHandshake;
    let peer = tls::Peer {
        host: &target.host,
        remote: Some(way.remote),
        alpn: &[],
        trust: &check.settings.trust,
        hello: tls::Hello::Usual,
    };
    let mut shaken = tls::handshake(connection, &peer, check.deadline).await;
    let asked = shaken.facts.client_certificate_requested;
    if let Some(stream) = shaken.stream.as_mut().filter(|_| asked && shaken.failure.is_none())
        && let Some((failure, alert)) = tls::refusal(stream, check.deadline).await
    {
        shaken.failure = Some(failure);
        shaken.facts.alert = Some(alert);
    }
    attempt.timing.tls = shaken.stream.is_some().then_some(shaken.elapsed);
    attempt.failure = shaken.failure;
    attempt.errno = shaken.errno;
    attempt.detail = shaken.detail;
    attempt.banner = shaken.sample;
    attempt.tls = Some(shaken.facts);
    attempt
}

impl Opened {
    /// All that was seen on the stream.
    pub(crate) fn seen(&self) -> Seen {
        self.record.seen().with_below(self.below.as_ref())
    }
}

/// What the failure of an already encrypted stream means, when TLS itself says so.
pub(crate) fn tls_failure(record: &Record, asked: bool, facts: &mut TlsFacts) -> Option<Failure> {
    let error = record.seen().error?;
    error.tls.as_ref()?;
    let (failure, alert) = tls::failure_of(&error, asked);
    facts.alert = alert;
    Some(failure)
}
