//! Checks through a forward proxy: `CONNECT` for TLS and plain TCP, the whole URL for HTTP. The
//! proxy resolves the target's name, so only one attempt is made, and its address is the proxy's.

use std::net::SocketAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use whydown_core::failure::Failure;
use whydown_core::observation::{Attempt, HttpFacts, Observation, State, Step};
use whydown_core::target::{Host, Scheme, Target};
use whydown_host::proxy::{self, Proxy};

use super::http::{Hop, request};
use super::open::{Way, secure, tcp};
use super::redirects::judge;
use super::{Check, ProxyChoice, blank, resolve};
use crate::connect::Connection;
use crate::redact;

/// Bytes of the proxy's answer to `CONNECT` read at most.
const HEAD_MAX_BYTES: usize = 16 << 10;

/// The proxy that this check goes through.
pub(super) fn chosen(check: &Check<'_>) -> Option<Proxy> {
    let target = &check.monitor.target;
    let usable = matches!(target.scheme, Scheme::Http | Scheme::Https | Scheme::Tcp | Scheme::Tls);
    match &check.settings.proxy {
        ProxyChoice::Use(proxy) if usable => Some(proxy.clone()),
        ProxyChoice::Environment => proxy::from_environment(target).map(|(proxy, _)| proxy),
        ProxyChoice::Use(_) | ProxyChoice::None => None,
    }
}

/// Makes the check.
pub(super) async fn observe(check: &Check<'_>, proxy: &Proxy) -> Observation {
    let shown = Some(proxy.authority());
    let host = match proxy.host.parse() {
        Ok(ip) => Host::Ip(ip),
        Err(_) => Host::Name(proxy.host.to_ascii_lowercase()),
    };
    let (lookup, addresses) = resolve(&host, check.deadline).await;
    let failed = lookup.as_ref().is_some_and(|lookup| lookup.failure.is_some());
    let Some(first) = addresses.first().copied().filter(|_| !failed) else {
        let failure = Some(Failure::ProxyUnresolved);
        return Observation { state: State::Down, failure, proxy: shown, ..blank() };
    };
    let mut last = None;
    for ip in addresses.into_iter().take(super::ADDRESSES_MAX) {
        let begin = Instant::now();
        let mut attempt = Attempt::new(ip, proxy.port, check.begin.elapsed());
        through(check, proxy, &mut attempt).await;
        attempt.elapsed = begin.elapsed();
        let connected = attempt.connected();
        last = Some(attempt);
        if connected {
            break;
        }
    }
    let attempt = last.unwrap_or_else(|| check.attempt(first));
    let attempts = vec![attempt];
    let (state, failure) = Observation::judge(&attempts);
    Observation { state, failure, proxy: shown, attempts, ..blank() }
}

async fn through(check: &Check<'_>, proxy: &Proxy, attempt: &mut Attempt) {
    let remote = SocketAddr::new(attempt.ip, proxy.port);
    if proxy.scheme != "http" {
        attempt.failure = Some(Failure::ProxyUnreachable);
        attempt.detail = Some(format!("{}:// proxies are not supported", proxy.scheme));
        return;
    }
    let target = &check.monitor.target;
    let way = Way { target, remote, alpn: &["h2", "http/1.1"] };
    let Some(connection) = tcp(check, &way, attempt).await else {
        attempt.failure = attempt.failure.map(failure_of_connect);
        return;
    };
    let mut hop = Hop::first(check);
    let connection = if target.scheme == Scheme::Http {
        hop.through_proxy = Some(authorization(proxy));
        connection
    } else {
        match tunnel(check, proxy, connection, attempt).await {
            Some(connection) => connection,
            None => return,
        }
    };
    if target.scheme == Scheme::Tcp {
        check.judge_text(attempt, &[]);
        return;
    }
    let Some(opened) = secure(check, &way, connection, attempt).await else { return };
    if target.scheme == Scheme::Tls {
        check.judge_text(attempt, &[]);
        return;
    }
    match request(check, &hop, opened, attempt).await {
        Some(answer) if answer.status == 407 => {
            attempt.failure = Some(Failure::ProxyAuthRequired);
            attempt.step = Step::Head;
        }
        Some(answer) => judge(check, &answer, attempt),
        // Behind a plain proxy there is no telling who fell silent; the proxy is whom we see.
        None if target.scheme == Scheme::Http => {
            attempt.failure = attempt.failure.map(|failure| match failure {
                Failure::HttpEmptyReply | Failure::HttpReset => Failure::ProxyClosed,
                Failure::HttpTimedOut => Failure::ProxyTimedOut,
                other => other,
            });
        }
        None => {}
    }
}

fn failure_of_connect(failure: Failure) -> Failure {
    match failure {
        Failure::TcpRefused => Failure::ProxyRefused,
        Failure::TcpTimedOut => Failure::ProxyTimedOut,
        own if own.is_own_fault() => own,
        _ => Failure::ProxyUnreachable,
    }
}

fn authorization(proxy: &Proxy) -> Option<String> {
    proxy.credentials.as_ref().map(|text| format!("Basic {}", STANDARD.encode(text)))
}

fn destination(target: &Target) -> String {
    format!("{}:{}", target.host.in_url(), target.port)
}

/// Asks for a tunnel (RFC 9110 §9.3.6).
async fn tunnel(
    check: &Check<'_>,
    proxy: &Proxy,
    mut connection: Connection,
    attempt: &mut Attempt,
) -> Option<Connection> {
    attempt.step = Step::ProxyTunnel;
    let begin = Instant::now();
    let place = destination(&check.monitor.target);
    let mut message = format!("CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n");
    message.push_str(&format!("User-Agent: {}\r\n", super::USER_AGENT));
    if let Some(value) = authorization(proxy) {
        message.push_str(&format!("Proxy-Authorization: {value}\r\n"));
    }
    message.push_str("\r\n");
    let exchange = async {
        connection.stream.write_all(message.as_bytes()).await?;
        read_head(&mut connection.stream).await
    };
    let (failure, detail) = match timeout_at(check.deadline, exchange).await {
        Err(_) => (Failure::ProxyTimedOut, "no answer to CONNECT".to_owned()),
        Ok(Err(error)) => {
            attempt.errno = error.raw_os_error();
            (Failure::ProxyClosed, error.to_string())
        }
        Ok(Ok(head)) => match status_of(&head) {
            None if head.is_empty() => {
                (Failure::ProxyClosed, "closed in answer to CONNECT".to_owned())
            }
            None => (Failure::ProxyTunnelFailed, format!("answers {:?}", redact::banner(&head))),
            Some(200..=299) => {
                attempt.timing.tunnel = Some(begin.elapsed());
                return Some(connection);
            }
            Some(status) => {
                attempt.http = Some(HttpFacts { status, ..HttpFacts::default() });
                let failure = match status {
                    407 => Failure::ProxyAuthRequired,
                    _ => Failure::ProxyTunnelFailed,
                };
                (failure, format!("answers {status} to CONNECT"))
            }
        },
    };
    attempt.failure = Some(failure);
    attempt.detail = Some(redact::printable(&detail, 200));
    None
}

/// Reads up to the empty line, byte by byte: what follows belongs to the tunnel.
pub(crate) async fn read_head(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::new();
    let mut byte = [0_u8; 1];
    while head.len() < HEAD_MAX_BYTES && !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).await? == 0 {
            break;
        }
        head.push(byte[0]);
    }
    Ok(head)
}

pub(crate) fn status_of(head: &[u8]) -> Option<u16> {
    let line = head.split(|b| *b == b'\n').next()?;
    let mut words = std::str::from_utf8(line).ok()?.split_ascii_whitespace();
    words.next().filter(|word| word.starts_with("HTTP/1."))?;
    words.next()?.parse().ok()
}
