//! HTTP answers of a peer, right and wrong.

use std::io::{self, BufReader, Read as _, Write as _};
use std::time::Duration;

use crate::http::{Message, read_message, reason};
use crate::wire::Line;

/// Promised for bodies that never come to an end.
const PROMISED_BYTES: usize = 10_000;

/// An HTTP answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Fields beside `Content-Length`, which is always right.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// How long it takes.
    pub delay: Duration,
}

impl Answer {
    /// An empty answer with a status.
    pub fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new(), delay: Duration::ZERO }
    }

    /// With one more field.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// With a body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// After a while.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// The head and the body as they are sent.
    pub(crate) fn bytes(&self, with_body: bool) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} {}\r\n", self.status, reason(self.status));
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("Content-Length: {}\r\n\r\n", self.body.len()));
        let mut bytes = head.into_bytes();
        if with_body {
            bytes.extend_from_slice(&self.body);
        }
        bytes
    }
}

/// Answers each request of a connection with what `reply` says.
fn converse(line: Line, reply: impl Fn(&Message) -> Answer) -> io::Result<()> {
    let mut reader = BufReader::new(line);
    loop {
        let request = match read_message(&mut reader) {
            Ok(Some(request)) => request,
            Ok(None) => break,
            // The TLS library has sent its alert.
            Err(error) if reader.get_ref().is_tls() && is_invalid(&error) => {
                reader.into_inner().wire().close();
                return Ok(());
            }
            // As web servers do, also when TLS is spoken to them.
            Err(error) if is_invalid(&error) => {
                reader.get_mut().write_all(&Answer::new(400).bytes(true))?;
                break;
            }
            Err(error) => return Err(error),
        };
        let answer = reply(&request);
        if stopped_within(reader.get_ref(), answer.delay) {
            return Ok(());
        }
        reader.get_mut().write_all(&answer.bytes(request.word(0) != "HEAD"))?;
        if !request.keeps_alive() {
            break;
        }
    }
    reader.into_inner().finish();
    Ok(())
}

fn is_invalid(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::InvalidData
}

/// Waits without sleeping through the end of the peer.
fn stopped_within(line: &Line, delay: Duration) -> bool {
    line.stop().within(delay)
}

pub(super) fn answer(line: Line, answer: &Answer) -> io::Result<()> {
    converse(line, |_| answer.clone())
}

pub(super) fn redirect(line: Line) -> io::Result<()> {
    converse(line, |request| Answer::new(302).header("Location", request.word(1)))
}

/// Waits for a request and sends the head of an answer with a body of so many bytes.
fn promise(line: &mut Line, length: u64) -> io::Result<()> {
    let mut reader = BufReader::new(&mut *line);
    read_message(&mut reader)?.ok_or(io::ErrorKind::UnexpectedEof)?;
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
    line.write_all(head.as_bytes())
}

/// Promises a body and sends a tenth of it.
pub(super) fn part_of_body(line: &mut Line) -> io::Result<()> {
    promise(line, PROMISED_BYTES as u64)?;
    line.write_all(&[b'.'; PROMISED_BYTES / 10])?;
    line.flush()
}

pub(super) fn drip(mut line: Line, pause: Duration) -> io::Result<()> {
    promise(&mut line, PROMISED_BYTES as u64 * 1000)?;
    while !stopped_within(&line, pause) {
        line.write_all(b".")?;
        line.flush()?;
    }
    Ok(())
}

pub(super) fn huge(mut line: Line, length: u64) -> io::Result<()> {
    promise(&mut line, length)?;
    io::copy(&mut io::repeat(b'.').take(length), &mut line)?;
    line.finish();
    Ok(())
}
