//! What is spoken behind a port? Tried on connections of their own: listening, asking for a page,
//! greeting as TLS.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout_at;
use whydown_core::evidence::Spoken;
use whydown_core::target::{Host, Scheme};

use super::Look;
use crate::connect::{Options, connect};
use crate::observe::USER_AGENT;
use crate::observe::banner::{is_greeting, opening};
use crate::observe::open::Bytes;
use crate::tls::Hello;
use crate::{redact, tls};

/// Patience with a service that speaks first.
const LISTEN: Duration = Duration::from_millis(700);
/// Patience with an answer.
const ANSWER: Duration = Duration::from_millis(1_500);
/// Bytes of an answer looked at.
const SAMPLE_MAX_BYTES: usize = 1_024;
/// Protocols known by what the server says first.
const GREETERS: [Scheme; 6] =
    [Scheme::Ssh, Scheme::Imap, Scheme::Pop3, Scheme::Mysql, Scheme::Ftp, Scheme::Smtp];
/// Protocols known by the answer to their client's first words.
const ASKED_FIRST: [Scheme; 2] = [Scheme::Redis, Scheme::Postgres];

/// The protocol behind a port, when it is another one than the target's.
pub(super) async fn identify(look: &Look<'_>, remote: SocketAddr) -> Option<Spoken> {
    let own = look.monitor.target.scheme;
    let (greeting, page, tls) = tokio::join!(
        listen(look, remote),
        ask_for_page(look, remote),
        speaks_tls(look, remote, Hello::Usual)
    );
    let greeting = greeting.filter(|bytes| !bytes.is_empty());
    let spoken = |scheme, sample: &[u8]| Some(Spoken { scheme, sample: redact::banner(sample) });
    if let Some(bytes) = greeting {
        return match greeter(&bytes) {
            Some(scheme) if scheme == own => None,
            scheme => spoken(scheme, &bytes),
        };
    }
    if tls && !own.is_tls() {
        let scheme = if own.is_http() { Scheme::Https } else { Scheme::Tls };
        return spoken(Some(scheme), b"");
    }
    match page {
        Some(bytes) if bytes.starts_with(b"HTTP/") && own != Scheme::Http && !tls => {
            spoken(Some(Scheme::Http), &bytes)
        }
        Some(bytes) if bytes.is_empty() && !tls => {
            asked_first(look, remote).await.and_then(|(scheme, sample)| spoken(scheme, &sample))
        }
        _ => None,
    }
}

/// Databases that say nothing by themselves, and hang up on HTTP.
async fn asked_first(look: &Look<'_>, remote: SocketAddr) -> Option<(Option<Scheme>, Vec<u8>)> {
    let target = &look.monitor.target;
    let asked = ASKED_FIRST.into_iter().filter(|scheme| *scheme != target.scheme);
    let answers = asked.map(|scheme| async move {
        let first = opening(scheme, &target.host, remote.port());
        let answer = converse(look, remote, &first, LISTEN).await?;
        // PostgreSQL's is a single letter, which others may begin with.
        let whole = scheme != Scheme::Postgres || answer.len() == 1;
        (whole && is_greeting(scheme, &answer)).then_some((Some(scheme), answer))
    });
    join_all(answers).await.into_iter().flatten().next()
}

/// FTP and SMTP greet alike; most FTP servers say so, and port 21 does.
fn greeter(bytes: &[u8]) -> Option<Scheme> {
    let found = GREETERS.into_iter().find(|scheme| is_greeting(*scheme, bytes))?;
    let text = String::from_utf8_lossy(bytes).to_ascii_lowercase();
    match found {
        Scheme::Ftp if !text.contains("ftp") => Some(Scheme::Smtp),
        other => Some(other),
    }
}

/// Does a neighbouring port speak the target's protocol? `None` where that can't be told.
pub(super) async fn same_service(look: &Look<'_>, remote: SocketAddr) -> Option<bool> {
    let target = &look.monitor.target;
    match target.scheme {
        Scheme::Http => {
            let answer = ask_for_page(look, remote).await;
            Some(answer.is_some_and(|bytes| bytes.starts_with(b"HTTP/") && !wants_tls(&bytes)))
        }
        Scheme::Https | Scheme::Tls => Some(speaks_tls(look, remote, Hello::Usual).await),
        Scheme::Tcp | Scheme::Udp | Scheme::Dns | Scheme::Icmp => None,
        Scheme::Smtps | Scheme::Imaps | Scheme::Pop3s => None,
        scheme => {
            let first = opening(scheme, &target.host, remote.port());
            let answer = converse(look, remote, &first, ANSWER).await;
            Some(answer.is_some_and(|bytes| is_greeting(scheme, &bytes)))
        }
    }
}

fn wants_tls(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer);
    text.contains("HTTPS") || text.contains("SSL-enabled") || text.contains("requires TLS")
}

async fn listen(look: &Look<'_>, remote: SocketAddr) -> Option<Vec<u8>> {
    converse(look, remote, b"", LISTEN).await
}

async fn ask_for_page(look: &Look<'_>, remote: SocketAddr) -> Option<Vec<u8>> {
    let host = look.monitor.target.host.in_url();
    let request = format!(
        "GET / HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {USER_AGENT}\r\nConnection: close\r\n\r\n"
    );
    converse(look, remote, request.as_bytes(), ANSWER).await
}

/// Says something and hears the first bytes of the answer. `None`: no connection.
async fn converse(
    look: &Look<'_>,
    remote: SocketAddr,
    words: &[u8],
    wait: Duration,
) -> Option<Vec<u8>> {
    let deadline = look.within(wait);
    let mut connection = connect(remote, &Options::default(), deadline).await.ok()?;
    let mut answer = vec![0; SAMPLE_MAX_BYTES];
    let stream: &mut dyn Bytes = &mut connection.stream;
    let exchange = async {
        if !words.is_empty() {
            stream.write_all(words).await?;
        }
        stream.read(&mut answer).await
    };
    let length = match timeout_at(deadline, exchange).await {
        Ok(Ok(length)) => length,
        _ => 0,
    };
    answer.truncate(length);
    Some(answer)
}

/// Is a ClientHello answered with a handshake or an alert?
pub(super) async fn speaks_tls(look: &Look<'_>, remote: SocketAddr, hello: Hello) -> bool {
    let deadline = look.within(ANSWER);
    let Ok(connection) = connect(remote, &Options::default(), deadline).await else {
        return false;
    };
    let host: &Host = &look.monitor.target.host;
    let peer = tls::Peer { host, remote: None, alpn: &[], trust: &look.check.trust, hello };
    let shaken = tls::handshake(connection, &peer, deadline).await;
    shaken.stream.is_some() || shaken.facts.alert.is_some() || !shaken.facts.chain.is_empty()
}
