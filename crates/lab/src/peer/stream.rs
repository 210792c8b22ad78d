//! What a peer does with one TCP connection.

use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::time::Duration;

use super::{Behaviour, http, proxy};
use crate::wire::Line;

/// The longest request that a peer waits for before it misbehaves.
const REQUEST_BYTES_MAX: usize = 64 * 1024;

/// By then a client that doesn't speak first knows that it is connected.
const SETTLED: Duration = Duration::from_millis(300);

/// Does it, to the end of the connection.
pub(super) fn behave(what: &Behaviour, mut line: Line) -> io::Result<()> {
    match what {
        Behaviour::Reset => {
            // Earlier, a busy client would see the RST before it has seen its connection, and call
            // it a failure to connect.
            let wire = line.wire();
            wire.stop.or_readable_within(wire.tcp.as_fd(), SETTLED);
            wire.reset();
        }
        Behaviour::Close => line.wire().close(),
        Behaviour::ResetAfterRequest => {
            read_request(&mut line)?;
            line.wire().reset();
        }
        Behaviour::CloseAfterRequest => {
            read_request(&mut line)?;
            line.wire().close();
        }
        Behaviour::TlsAlert(description) => {
            read_request(&mut line)?;
            // RFC 8446 §6: record type 21, version, length 2, level 2 (fatal), description.
            line.write_all(&[21, 3, 3, 0, 2, 2, *description])?;
            line.wire().close();
        }
        Behaviour::NeverAnswer => while line.read(&mut [0; 4096])? > 0 {},
        Behaviour::Banner(text) => {
            line.write_all(text)?;
            while line.read(&mut [0; 4096])? > 0 {}
        }
        Behaviour::ResetMidBody => {
            http::part_of_body(&mut line)?;
            let wire = line.wire();
            wire.wait_acknowledged();
            wire.reset();
        }
        Behaviour::CloseMidBody => {
            http::part_of_body(&mut line)?;
            line.wire().close();
        }
        Behaviour::Http(answer) => http::answer(line, answer)?,
        Behaviour::RedirectLoop => http::redirect(line)?,
        Behaviour::SlowDrip(pause) => http::drip(line, *pause)?,
        Behaviour::HugeBody(length) => http::huge(line, *length)?,
        Behaviour::Proxy(how) => proxy::serve(line, how)?,
        Behaviour::NeverAccept
        | Behaviour::BacklogFull
        | Behaviour::Stopped
        | Behaviour::OldTls(_)
        | Behaviour::ClientCertificate(_)
        | Behaviour::UdpEcho
        | Behaviour::UdpSilent
        | Behaviour::Flapping { .. } => {}
    }
    Ok(())
}

/// Reads a whole request: an HTTP head, a TLS record, or whatever comes first.
fn read_request(line: &mut Line) -> io::Result<()> {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    while !is_complete(&request) {
        let length = line.read(&mut buffer)?;
        if length == 0 || request.len() > REQUEST_BYTES_MAX {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        request.extend_from_slice(&buffer[..length]);
    }
    Ok(())
}

fn is_complete(request: &[u8]) -> bool {
    match request {
        [] => false,
        // A TLS handshake record: type, two bytes of version, two of length.
        [22, ..] => match request {
            [_, _, _, high, low, rest @ ..] => {
                rest.len() >= usize::from(u16::from_be_bytes([*high, *low]))
            }
            _ => false,
        },
        // An HTTP method.
        [b'A'..=b'Z', ..] if request.contains(&b'/') => {
            request.windows(4).any(|end| end == b"\r\n\r\n")
        }
        _ => true,
    }
}
