//! A forward proxy (RFC 9110 §9.3.6 CONNECT, RFC 9112 §3.2.2 absolute form), working and not.

use std::io::{self, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpStream, ToSocketAddrs as _};
use std::thread;
use std::time::Duration;

use super::Answer;
use crate::http::{Message, read_message};
use crate::wire::{Line, Wire};

/// How long a proxy tries each address of an origin.
const ORIGIN_TIMEOUT: Duration = Duration::from_secs(5);

/// What a forward proxy does with every request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proxy {
    /// Passes it on; 502 when the origin can't be reached.
    Works,
    /// Answers by itself: 407, 502, 403…
    Answers(u16),
    /// Closes the connection without a word.
    Closes,
    /// Reads, never answers.
    Silent,
}

pub(super) fn serve(mut line: Line, how: &Proxy) -> io::Result<()> {
    if *how == Proxy::Silent {
        while line.read(&mut [0; 4096])? > 0 {}
        return Ok(());
    }
    let mut reader = BufReader::new(line);
    let request = read_message(&mut reader)?.ok_or(io::ErrorKind::UnexpectedEof)?;
    let line = reader.into_inner();
    match how {
        Proxy::Works => pass_on(line, &request),
        Proxy::Answers(status) => say(line, *status),
        Proxy::Closes | Proxy::Silent => {
            line.wire().close();
            Ok(())
        }
    }
}

fn say(mut line: Line, status: u16) -> io::Result<()> {
    let mut answer = Answer::new(status).header("Connection", "close").body("proxy says no\n");
    if status == 407 {
        answer = answer.header("Proxy-Authenticate", "Basic realm=\"lab\"");
    }
    line.write_all(&answer.bytes(true))?;
    line.finish();
    Ok(())
}

fn pass_on(line: Line, request: &Message) -> io::Result<()> {
    let is_tunnel = request.word(0) == "CONNECT";
    let target = request.word(1);
    let (authority, path) = if is_tunnel {
        (target, "")
    } else {
        let rest = target.strip_prefix("http://").unwrap_or(target);
        rest.split_once('/').unwrap_or((rest, ""))
    };
    let Some(mut origin) = dial(authority) else {
        return say(line, 502);
    };
    let mut client = line;
    if is_tunnel {
        client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
    } else {
        let mut head = format!("{} /{path} HTTP/1.1\r\nConnection: close\r\n", request.word(0));
        for (name, value) in &request.headers.0 {
            if !name.to_ascii_lowercase().contains("connection") {
                head.push_str(&format!("{name}: {value}\r\n"));
            }
        }
        head.push_str("\r\n");
        origin.write_all(head.as_bytes())?;
        origin.write_all(&request.body)?;
    }
    let client = client.wire();
    let stop = client.stop.clone();
    join(client, Wire::new(origin, stop))
}

/// Connects to the first address that answers, port 80 by default.
fn dial(authority: &str) -> Option<TcpStream> {
    let with_port = format!("{authority}:80");
    let addresses = authority.to_socket_addrs().or_else(|_| with_port.to_socket_addrs()).ok()?;
    addresses
        .into_iter()
        .find_map(|address| TcpStream::connect_timeout(&address, ORIGIN_TIMEOUT).ok())
}

/// Copies both ways until both are at their end.
fn join(client: Wire, origin: Wire) -> io::Result<()> {
    let again = |wire: &Wire| -> io::Result<Wire> {
        Ok(Wire { tcp: wire.tcp.try_clone()?, stop: wire.stop.clone() })
    };
    let (client_in, origin_out) = (again(&client)?, again(&origin)?);
    let upwards = thread::spawn(move || copy(client_in, origin_out));
    copy(origin, client);
    let _ = upwards.join();
    Ok(())
}

fn copy(mut from: Wire, mut to: Wire) {
    let _ = io::copy(&mut from, &mut to);
    let _ = to.tcp.shutdown(Shutdown::Write);
}
