//! Just enough of HTTP/1.1 (RFC 9112) for the lab's servers and its browser's remote control.

use std::io::{self, BufRead, BufReader, Read};

/// Longer heads and bodies are mistakes of a test.
const HEAD_BYTES_MAX: u64 = 64 * 1024;
const BODY_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Header fields in order, names as they were sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(pub Vec<(String, String)>);

impl Headers {
    /// The first field of a name, whatever its case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// All fields of a name, whatever its case.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .filter(move |(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

/// A request or a response: the first line, its fields and the body.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) first_line: String,
    pub(crate) headers: Headers,
    pub(crate) body: Vec<u8>,
}

impl Message {
    /// The word at a place of the first line: method, path, version, or version, status, reason.
    pub(crate) fn word(&self, place: usize) -> &str {
        self.first_line.split(' ').nth(place).unwrap_or_default()
    }

    /// Whether the client wants to go on with this connection.
    pub(crate) fn keeps_alive(&self) -> bool {
        let connection = self.headers.get("connection").unwrap_or_default();
        self.word(2) == "HTTP/1.1" && !connection.eq_ignore_ascii_case("close")
    }
}

/// Reads one message; `None` when the other side closed before it began.
pub(crate) fn read_message(from: &mut BufReader<impl Read>) -> io::Result<Option<Message>> {
    match from.fill_buf()?.first() {
        None => return Ok(None),
        Some(byte) if byte.is_ascii_graphic() => {}
        // Not a text protocol at all: a TLS ClientHello has no end of line to wait for.
        Some(_) => return Err(io::ErrorKind::InvalidData.into()),
    }
    let mut head = from.take(HEAD_BYTES_MAX);
    let mut first_line = String::new();
    head.read_line(&mut first_line)?;
    let mut headers = Headers::default();
    loop {
        let mut line = String::new();
        if head.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').ok_or(io::ErrorKind::InvalidData)?;
        headers.0.push((name.trim().into(), value.trim().into()));
    }
    let body = read_body(from, &headers)?;
    Ok(Some(Message { first_line: first_line.trim_end().into(), headers, body }))
}

fn read_body(from: &mut BufReader<impl Read>, headers: &Headers) -> io::Result<Vec<u8>> {
    let chunked = headers.get("transfer-encoding").is_some_and(|how| how.contains("chunked"));
    if chunked {
        return read_chunks(from);
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    read_exactly(from, length)
}

fn read_chunks(from: &mut BufReader<impl Read>) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        from.by_ref().take(HEAD_BYTES_MAX).read_line(&mut line)?;
        let size = line.trim().split(';').next().unwrap_or_default();
        let size = u64::from_str_radix(size, 16).map_err(|_| io::ErrorKind::InvalidData)?;
        body.extend(read_exactly(from, size)?);
        from.by_ref().take(HEAD_BYTES_MAX).read_line(&mut String::new())?;
        if size == 0 {
            return Ok(body);
        }
    }
}

fn read_exactly(from: &mut BufReader<impl Read>, length: u64) -> io::Result<Vec<u8>> {
    if length > BODY_BYTES_MAX {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let mut body = Vec::new();
    if from.take(length).read_to_end(&mut body)? as u64 == length {
        Ok(body)
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

/// The usual words for a status; what is not here gets an empty reason, which is allowed.
pub(crate) fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        407 => "Proxy Authentication Required",
        410 => "Gone",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "",
    }
}
