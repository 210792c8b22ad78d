//! How wrong is this machine's clock? Only of interest when a certificate's dates don't fit; the
//! reference is the `Date` header of whoever answers (RFC 9110 §6.6.1).

use std::net::SocketAddr;
use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout_at;
use whydown_core::failure::Failure;
use whydown_core::observation::Observation;

use super::Look;
use crate::connect::{Options, connect};
use crate::observe::USER_AGENT;
use crate::tls;

/// Patience with the answer.
const PATIENCE: Duration = Duration::from_millis(1_500);
/// Bytes of the head read at most.
const HEAD_MAX_BYTES: usize = 4_096;

/// Seconds that our clock is ahead of the reference.
pub(super) async fn ahead(look: &Look<'_>, observations: &[Observation]) -> Option<i64> {
    let newest = observations.last()?;
    let known = newest.attempts.iter().find_map(|attempt| {
        let date = attempt.http.as_ref()?.headers.get("date")?;
        let answered = newest.at.checked_add(attempt.offset + attempt.elapsed).ok()?;
        Some(answered.as_second() - parse(date)?.as_second())
    });
    if known.is_some() {
        return known;
    }
    let dated = |failure| matches!(failure, Failure::TlsExpired | Failure::TlsNotYetValid);
    let mut attempts = newest.attempts.iter();
    let attempt = attempts.find(|attempt| attempt.failure.is_some_and(dated))?;
    let remote = SocketAddr::new(attempt.ip, attempt.port);
    let date = parse(&ask(look, remote).await?)?;
    Some(Timestamp::now().as_second() - date.as_second())
}

fn parse(text: &str) -> Option<Timestamp> {
    DateTimeParser::new().parse_timestamp(text).ok()
}

/// Asks the server itself, over the very connection whose certificate is doubted: nothing secret
/// is said on it.
async fn ask(look: &Look<'_>, remote: SocketAddr) -> Option<String> {
    let deadline = look.within(PATIENCE);
    let connection = connect(remote, &Options::default(), deadline).await.ok()?;
    let host = &look.monitor.target.host;
    let peer = tls::Peer {
        host,
        remote: None,
        alpn: &["http/1.1"],
        trust: &look.check.trust,
        hello: tls::Hello::Usual,
    };
    let mut stream = tls::handshake(connection, &peer, deadline).await.stream?;
    let request = format!(
        "HEAD / HTTP/1.1\r\nHost: {}\r\nUser-Agent: {USER_AGENT}\r\nConnection: close\r\n\r\n",
        host.in_url()
    );
    let exchange = async {
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut head = Vec::new();
        let mut buffer = [0; 1_024];
        while head.len() < HEAD_MAX_BYTES && !head.windows(4).any(|w| w == b"\r\n\r\n") {
            match stream.read(&mut buffer).await {
                Ok(0) | Err(_) => break,
                Ok(length) => head.extend_from_slice(&buffer[..length]),
            }
        }
        let text = String::from_utf8_lossy(&head).into_owned();
        text.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("date").then(|| value.trim().to_owned())
        })
    };
    timeout_at(deadline, exchange).await.ok().flatten()
}
