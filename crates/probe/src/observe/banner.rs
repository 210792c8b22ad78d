//! Services that are recognised by their first words: ssh, smtp, imap, pop3, ftp, mysql,
//! postgres, redis, minecraft. Only the first step of each protocol is spoken; nobody logs in,
//! and where the protocol has a goodbye it is said.

use std::net::IpAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout, timeout_at};
use whydown_core::failure::Failure;
use whydown_core::observation::{Attempt, Step};
use whydown_core::target::{Host, Scheme};

use super::open::{Opened, Way, open, tls_failure};
use super::{Check, socket_failure};
use crate::redact;

/// Bytes of a greeting read at most.
const GREETING_MAX_BYTES: usize = 4_096;
/// How long a goodbye may take to leave.
const GOODBYE_WAIT: Duration = Duration::from_millis(100);

/// What was made of the bytes so far.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// More is needed.
    Unfinished,
    /// This is the protocol.
    Expected,
    /// This is not, or it says no.
    Unexpected(&'static str),
}

/// Connects, hears the greeting, leaves.
pub(super) async fn attempt(check: &Check<'_>, ip: IpAddr) -> Attempt {
    let mut attempt = check.attempt(ip);
    let target = &check.monitor.target;
    let way = Way { target, remote: check.remote(ip), alpn: &[] };
    let Some(mut opened) = open(check, &way, &mut attempt).await else { return attempt };
    attempt.step = Step::FirstByte;
    let begin = Instant::now();
    let heard = timeout_at(check.deadline, listen(&mut opened, check)).await;
    let seen = opened.seen();
    attempt.timing.first_byte = seen.first_at.map(|at| at.duration_since(begin));
    if !seen.sample.is_empty() {
        attempt.banner = Some(redact::banner(&seen.sample));
    }
    let (failure, detail) = match heard {
        Ok((Verdict::Expected, bytes)) => {
            check.judge_text(&mut attempt, &bytes);
            goodbye(target.scheme, &mut opened).await;
            return attempt;
        }
        Ok((Verdict::Unexpected(why), _)) => (Failure::BannerUnexpected, why.to_owned()),
        Ok((Verdict::Unfinished, _)) => {
            let facts = attempt.tls.get_or_insert_default();
            let by_tls = tls_failure(&opened.record, opened.asked, facts);
            let (failure, detail) = ending(&opened);
            (by_tls.unwrap_or(failure), detail)
        }
        Err(_) => {
            let words = if seen.sample.is_empty() { "nothing" } else { "not enough" };
            let waited = check.monitor.timeout.as_millis();
            (Failure::BannerUnexpected, format!("it said {words} within {waited} ms"))
        }
    };
    if !target.scheme.is_tls() {
        attempt.tls = None;
    }
    attempt.errno = seen.error.and_then(|error| error.errno);
    attempt.failure = Some(failure);
    attempt.detail = Some(detail);
    attempt
}

/// How a stream ended before its greeting was complete.
fn ending(opened: &Opened) -> (Failure, String) {
    let seen = opened.seen();
    match &seen.error {
        Some(error) if error.is_reset() => (Failure::TcpReset, "it reset the connection".into()),
        Some(error) => (socket_failure(error), redact::printable(&error.text, 200)),
        None if seen.sample.is_empty() => {
            (Failure::BannerUnexpected, "it closed the connection without a word".to_owned())
        }
        None => (Failure::BannerUnexpected, "it closed the connection in mid-greeting".to_owned()),
    }
}

async fn listen(opened: &mut Opened, check: &Check<'_>) -> (Verdict, Vec<u8>) {
    let scheme = check.monitor.target.scheme;
    let first = opening(scheme, &check.monitor.target.host, check.monitor.target.port);
    let mut bytes = Vec::new();
    if !first.is_empty() && opened.stream.write_all(&first).await.is_err() {
        return (Verdict::Unfinished, bytes);
    }
    let mut buffer = [0_u8; 1_024];
    loop {
        match opened.stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return (Verdict::Unfinished, bytes),
            Ok(length) => bytes.extend_from_slice(&buffer[..length]),
        }
        match judge(scheme, &bytes) {
            Verdict::Unfinished if bytes.len() >= GREETING_MAX_BYTES => {
                return (Verdict::Unexpected("its greeting does not end"), bytes);
            }
            Verdict::Unfinished => {}
            verdict => return (verdict, bytes),
        }
    }
}

/// What the client says first, in protocols where it does.
pub(crate) fn opening(scheme: Scheme, host: &Host, port: u16) -> Vec<u8> {
    match scheme {
        // SSLRequest, PostgreSQL documentation "Message Formats": length 8, code 80877103.
        Scheme::Postgres => vec![0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f],
        Scheme::Redis => b"PING\r\n".to_vec(),
        Scheme::Minecraft => minecraft_status(host, port),
        _ => Vec::new(),
    }
}

/// Handshake with next state "status", then a status request:
/// <https://minecraft.wiki/w/Java_Edition_protocol/Server_List_Ping>.
fn minecraft_status(host: &Host, port: u16) -> Vec<u8> {
    /// Longest host sent: its length then fits one septet.
    const HOST_MAX_BYTES: usize = 127;
    let host = host.to_string();
    let host = &host.as_bytes()[..host.len().min(HOST_MAX_BYTES)];
    let mut packet = vec![0x00, 0xff, 0xff, 0xff, 0xff, 0x0f]; // protocol version -1: any
    packet.push(u8::try_from(host.len()).unwrap_or(0));
    packet.extend_from_slice(host);
    packet.extend_from_slice(&port.to_be_bytes());
    packet.push(1);
    let mut out = vec![u8::try_from(packet.len()).unwrap_or(0x7f)];
    if packet.len() > 0x7f {
        // A length of two septets; packets are never longer than that here.
        let length = packet.len();
        out = vec![
            u8::try_from(length & 0x7f).unwrap_or(0) | 0x80,
            u8::try_from(length >> 7).unwrap_or(0),
        ];
    }
    out.extend_from_slice(&packet);
    out.extend_from_slice(&[1, 0]);
    out
}

/// Is this the greeting of a scheme's protocol?
pub(crate) fn is_greeting(scheme: Scheme, bytes: &[u8]) -> bool {
    judge(scheme, bytes) == Verdict::Expected
}

fn judge(scheme: Scheme, bytes: &[u8]) -> Verdict {
    match scheme {
        Scheme::Ssh => ssh(bytes),
        Scheme::Smtp | Scheme::Smtps => line(bytes, &[b"220"], "not a 220 greeting"),
        Scheme::Ftp => line(bytes, &[b"220", b"120"], "not a 220 greeting"),
        Scheme::Imap | Scheme::Imaps => {
            line(bytes, &[b"* OK", b"* PREAUTH"], "not an IMAP greeting")
        }
        Scheme::Pop3 | Scheme::Pop3s => line(bytes, &[b"+OK"], "not a POP3 greeting"),
        Scheme::Redis => {
            // An error "log in first" is Redis all the same; refusing everybody is not service.
            line(bytes, &[b"+PONG", b"-NOAUTH", b"-NOPERM"], "no PONG in answer to PING")
        }
        Scheme::Postgres => match bytes.first() {
            None => Verdict::Unfinished,
            Some(b'S' | b'N') => Verdict::Expected,
            Some(_) => Verdict::Unexpected("neither S nor N in answer to SSLRequest"),
        },
        Scheme::Mysql => mysql(bytes),
        Scheme::Minecraft => minecraft(bytes),
        _ => Verdict::Expected,
    }
}

/// The first complete line must begin with one of these.
fn line(bytes: &[u8], wanted: &[&[u8]], why: &'static str) -> Verdict {
    let possible = wanted.iter().any(|word| {
        let length = word.len().min(bytes.len());
        word[..length].eq_ignore_ascii_case(&bytes[..length])
    });
    match (possible, bytes.contains(&b'\n')) {
        (false, _) => Verdict::Unexpected(why),
        (true, false) => Verdict::Unfinished,
        (true, true) => Verdict::Expected,
    }
}

/// Other lines may come before the identification string (RFC 4253 §4.2).
fn ssh(bytes: &[u8]) -> Verdict {
    let complete = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
    let mut lines = bytes[..complete].split(|b| *b == b'\n');
    if lines.any(|line| line.starts_with(b"SSH-")) {
        return Verdict::Expected;
    }
    let tail = &bytes[complete..];
    let may_be = tail.len() < 4 || tail.starts_with(b"SSH-");
    let text = bytes.iter().all(|b| !b.is_ascii_control() || matches!(b, b'\r' | b'\n' | b'\t'));
    let http = bytes.starts_with(b"HTTP/");
    match (text && !http, may_be) {
        (false, _) => Verdict::Unexpected("not an SSH identification string"),
        (true, _) => Verdict::Unfinished,
    }
}

/// Length 3 bytes, sequence number, then protocol version 10 or an error packet.
fn mysql(bytes: &[u8]) -> Verdict {
    match bytes {
        [_, _, _, _, 9 | 10, ..] => Verdict::Expected,
        [_, _, _, _, 0xff, ..] => Verdict::Unexpected("MySQL refuses this client"),
        [_, _, _, _, _, ..] => Verdict::Unexpected("not a MySQL greeting"),
        _ => Verdict::Unfinished,
    }
}

/// Packet length, packet id 0, string length, JSON.
fn minecraft(bytes: &[u8]) -> Verdict {
    let Some((length, rest)) = varint(bytes) else {
        return match bytes.len() {
            0..5 => Verdict::Unfinished,
            _ => Verdict::Unexpected("not a Minecraft status"),
        };
    };
    let begins = rest.first().is_none_or(|id| *id == 0);
    let plausible = (3..=4 << 20).contains(&length);
    match varint(rest.get(1..).unwrap_or_default()) {
        _ if !begins || !plausible => Verdict::Unexpected("not a Minecraft status"),
        Some((_, [b'{', ..])) => Verdict::Expected,
        Some((_, [_, ..])) => Verdict::Unexpected("not a Minecraft status"),
        _ => Verdict::Unfinished,
    }
}

fn varint(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let mut value = 0_u32;
    for (i, byte) in bytes.iter().take(5).enumerate() {
        value |= u32::from(byte & 0x7f).checked_shl(7 * u32::try_from(i).ok()?)?;
        if byte & 0x80 == 0 {
            return Some((value, &bytes[i + 1..]));
        }
    }
    None
}

/// Leaves as the protocol wants it, so that the service's log stays quiet.
async fn goodbye(scheme: Scheme, opened: &mut Opened) {
    let words: &[u8] = match scheme {
        Scheme::Ssh => b"SSH-2.0-whydown\r\n",
        Scheme::Smtp | Scheme::Smtps | Scheme::Pop3 | Scheme::Pop3s | Scheme::Ftp => b"QUIT\r\n",
        Scheme::Imap | Scheme::Imaps => b"a LOGOUT\r\n",
        Scheme::Redis => b"QUIT\r\n",
        _ => b"",
    };
    let leave = async {
        opened.stream.write_all(words).await?;
        opened.stream.shutdown().await
    };
    // Nobody is harmed when the goodbye is not heard.
    let _ = timeout(GOODBYE_WAIT, leave).await;
}

#[cfg(test)]
mod tests {
    use super::{Verdict, judge};
    use whydown_core::target::Scheme;

    #[test]
    fn greetings_are_told_from_other_services() {
        for (scheme, bytes) in [
            (Scheme::Ssh, &b"SSH-2.0-OpenSSH_9.2\r\n"[..]),
            (Scheme::Ssh, b"Welcome\r\nSSH-1.99-x\n"),
            (Scheme::Smtp, b"220 mail ESMTP\r\n"),
            (Scheme::Smtp, b"220-mail\r\n"),
            (Scheme::Imap, b"* OK ready\r\n"),
            (Scheme::Pop3s, b"+OK\r\n"),
            (Scheme::Redis, b"-NOAUTH Authentication required.\r\n"),
            (Scheme::Postgres, b"N"),
            (Scheme::Mysql, &[74, 0, 0, 0, 10, b'8']),
            (Scheme::Minecraft, b"\x10\x00\x0e{\"description\""),
        ] {
            assert_eq!(judge(scheme, bytes), Verdict::Expected, "{scheme} {bytes:?}");
        }
        for (scheme, bytes) in [
            (Scheme::Ssh, &b"HTTP/1.1 400 Bad Request\r\n"[..]),
            (Scheme::Smtp, b"554 no service\r\n"),
            (Scheme::Smtp, b"SSH-2.0-x\r\n"),
            (Scheme::Imap, b"* BYE\r\n"),
            (Scheme::Redis, b"-DENIED Redis is running in protected mode\r\n"),
            (Scheme::Postgres, b"E"),
            (Scheme::Mysql, &[74, 0, 0, 0, 0xff, 0x15]),
            (Scheme::Minecraft, b"HTTP/1.1 400"),
        ] {
            assert!(matches!(judge(scheme, bytes), Verdict::Unexpected(_)), "{scheme} {bytes:?}");
        }
        for (scheme, bytes) in [
            (Scheme::Ssh, &b"SS"[..]),
            (Scheme::Smtp, b"220 mail"),
            (Scheme::Imap, b"* "),
            (Scheme::Mysql, &[74, 0]),
        ] {
            assert_eq!(judge(scheme, bytes), Verdict::Unfinished, "{scheme} {bytes:?}");
        }
    }

    #[test]
    fn no_bytes_make_the_judges_panic() {
        let mut bytes = Vec::new();
        let mut state = 7_u32;
        for _ in 0..300 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            bytes.push(state.to_be_bytes()[0]);
            for scheme in Scheme::ALL {
                let _ = judge(scheme, &bytes);
                let _ = judge(scheme, &vec![0xff; bytes.len()]);
            }
        }
    }
}
