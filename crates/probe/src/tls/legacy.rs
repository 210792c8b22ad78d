//! A hand-made ClientHello that offers what modern stacks no longer do (TLS 1.0 to 1.2, CBC and
//! RSA key exchange), and the reading of the first answer. It tells "wants an old version" from
//! "wants an old cipher". The handshake is never finished.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout_at};

use crate::connect::{Options, connect};

/// Bytes of the answer read at most: a ServerHello's fixed part is in the first hundred.
const ANSWER_MAX_BYTES: usize = 512;
/// Cipher suites offered: ECDHE and RSA with AES, 3DES and RC4, RSA and ECDSA.
const SUITES: [u16; 22] = [
    0xc02b, 0xc02f, 0xc02c, 0xc030, 0xc009, 0xc013, 0xc00a, 0xc014, 0xc023, 0xc027, 0x009c, 0x009d,
    0x003c, 0x003d, 0x002f, 0x0035, 0x0033, 0x0039, 0x0016, 0x000a, 0x0005, 0x0004,
];
const TLS_1_2: u16 = 0x0303;

/// What a server answers to the old ClientHello.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// A ServerHello: version and cipher suite chosen.
    Hello {
        /// Such as 0x0301 for TLS 1.0.
        version: u16,
        /// As registered with IANA.
        suite: u16,
    },
    /// An alert.
    Alert(u8),
    /// Anything else, or nothing.
    Unclear,
}

/// Asks on a connection of its own.
pub(super) async fn ask(remote: SocketAddr, name: Option<&str>, deadline: Instant) -> Reply {
    let Ok(hello) = client_hello(name) else { return Reply::Unclear };
    let Ok(mut connection) = connect(remote, &Options::default(), deadline).await else {
        return Reply::Unclear;
    };
    let exchange = async {
        connection.stream.write_all(&hello).await?;
        let mut answer = Vec::new();
        while answer.len() < ANSWER_MAX_BYTES && read_reply(&answer) == Reply::Unclear {
            let mut buffer = [0_u8; ANSWER_MAX_BYTES];
            match connection.stream.read(&mut buffer).await? {
                0 => break,
                length => answer.extend_from_slice(&buffer[..length]),
            }
        }
        std::io::Result::Ok(read_reply(&answer))
    };
    timeout_at(deadline, exchange).await.ok().and_then(Result::ok).unwrap_or(Reply::Unclear)
}

/// RFC 5246 §7.4.1.2, in a record with version 1.0 as every old client sends it.
fn client_hello(name: Option<&str>) -> Result<Vec<u8>, getrandom::Error> {
    let mut random = [0_u8; 32];
    getrandom::fill(&mut random)?;
    let mut body = TLS_1_2.to_be_bytes().to_vec();
    body.extend_from_slice(&random);
    body.push(0); // no session id
    with_length(&mut body, &SUITES.map(u16::to_be_bytes).concat());
    body.extend_from_slice(&[1, 0]); // no compression
    let mut extensions = Vec::new();
    if let Some(name) = name {
        let mut entry = vec![0]; // host_name, RFC 6066 §3
        with_length(&mut entry, name.as_bytes());
        let mut list = Vec::new();
        with_length(&mut list, &entry);
        extension(&mut extensions, 0, &list);
    }
    // supported_groups x25519, P-256, P-384, P-521; uncompressed points; signature_algorithms
    // with SHA-2 and SHA-1; secure renegotiation.
    extension(&mut extensions, 10, &[0, 8, 0, 29, 0, 23, 0, 24, 0, 25]);
    extension(&mut extensions, 11, &[1, 0]);
    extension(&mut extensions, 13, &[0, 12, 4, 1, 4, 3, 5, 1, 6, 1, 2, 1, 2, 3]);
    extension(&mut extensions, 0xff01, &[0]);
    with_length(&mut body, &extensions);
    let mut handshake = vec![1, 0];
    with_length(&mut handshake, &body);
    let mut record = vec![22, 3, 1];
    with_length(&mut record, &handshake);
    Ok(record)
}

fn extension(out: &mut Vec<u8>, kind: u16, content: &[u8]) {
    out.extend_from_slice(&kind.to_be_bytes());
    with_length(out, content);
}

/// A 16-bit length, then the content. Everything written here is far shorter than that.
fn with_length(out: &mut Vec<u8>, content: &[u8]) {
    let length = u16::try_from(content.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(content);
}

/// Reads the first record: alert (RFC 5246 §7.2) or ServerHello (§7.4.1.3).
fn read_reply(bytes: &[u8]) -> Reply {
    let word = |at: usize| bytes.get(at..at + 2).map(|two| u16::from_be_bytes([two[0], two[1]]));
    match bytes {
        [21, 3, _, _, _, _, alert, ..] => Reply::Alert(*alert),
        [22, 3, _, _, _, 2, ..] => {
            // record 5, handshake header 4, version 2, random 32, session id length 1
            let Some(version) = word(9) else { return Reply::Unclear };
            let Some(session) = bytes.get(43) else { return Reply::Unclear };
            match word(44 + usize::from(*session)) {
                Some(suite) => Reply::Hello { version, suite },
                None => Reply::Unclear,
            }
        }
        _ => Reply::Unclear,
    }
}

/// `TLS 1.0` and so on.
pub(super) fn version_name(version: u16) -> String {
    match version {
        0x0300 => "SSL 3.0".to_owned(),
        0x0301..=0x0304 => format!("TLS 1.{}", version - 0x0301),
        other => format!("version {other:#06x}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{Reply, client_hello, read_reply};

    #[test]
    fn the_lengths_inside_a_client_hello_add_up() {
        let hello = client_hello(Some("example.com")).unwrap();
        let word = |at: usize| usize::from(u16::from_be_bytes([hello[at], hello[at + 1]]));
        assert_eq!(word(3) + 5, hello.len());
        assert_eq!(word(7) + 9, hello.len());
        assert_eq!(hello[5], 1);
    }

    #[test]
    fn any_bytes_are_read_without_a_panic() {
        let mut hello = vec![22, 3, 1, 0, 60, 2, 0, 0, 56, 3, 2];
        hello.extend_from_slice(&[7; 32]);
        hello.extend_from_slice(&[0, 0, 0x35, 0]);
        for end in 0..hello.len() {
            let whole = end >= 46;
            assert_eq!(read_reply(&hello[..end]) != Reply::Unclear, whole, "{end}");
        }
        assert_eq!(read_reply(&hello), Reply::Hello { version: 0x0302, suite: 0x35 });
        assert_eq!(read_reply(&[21, 3, 1, 0, 2, 2, 40]), Reply::Alert(40));
        assert_eq!(read_reply(b"HTTP/1.1 400 Bad Request"), Reply::Unclear);
    }
}
