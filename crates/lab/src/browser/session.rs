//! WebDriver's HTTP (W3C WebDriver §6): one request per connection, JSON both ways.

use std::fmt;
use std::io::{self, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};

use super::text;
use crate::fail::{OrFail as _, fail};
use crate::host::Host;
use crate::http::{Message, read_message};

/// Longer than any page may take (the driver itself says when that is over), and sooner than a
/// test is ended.
const ANSWER_DEADLINE: Duration = Duration::from_secs(150);
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Session {
    host: Host,
    port: u16,
    id: String,
}

/// An error of WebDriver.
#[derive(Debug)]
pub(super) struct DriverError {
    /// `no such element`, `timeout`, `unknown error`…
    pub(super) kind: String,
    message: String,
}

impl DriverError {
    /// The network error that the browser's page shows, `net::ERR_…`.
    pub(super) fn net_error(&self) -> Option<String> {
        let (_, rest) = self.message.split_once("net::")?;
        let name = rest.split(|c: char| !c.is_ascii_uppercase() && c != '_' && !c.is_ascii_digit());
        Some(format!("net::{}", name.into_iter().next()?))
    }
}

impl fmt::Display for DriverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.message)
    }
}

impl Session {
    /// Starts the browser.
    #[track_caller]
    pub(super) fn begin(host: &Host, port: u16, capabilities: &Value) -> Self {
        let mut session = Self { host: host.clone(), port, id: String::new() };
        let started = session.ask("POST", "/session", Some(capabilities));
        let started = started.or_fail("cannot start the browser");
        session.id = text(&started["sessionId"]);
        session
    }

    /// Ends the browser; errors don't matter, its processes are killed anyway.
    pub(super) fn end(&self) {
        let _ = self.ask("DELETE", &format!("/session/{}", self.id), None);
    }

    #[track_caller]
    pub(super) fn get(&self, path: &str) -> Value {
        let answer = self.ask("GET", &format!("/session/{}{path}", self.id), None);
        answer.or_fail(format_args!("the browser's {path}"))
    }

    #[track_caller]
    pub(super) fn post(&self, path: &str, body: &Value) -> Value {
        match self.try_post(path, body) {
            Ok(value) => value,
            Err(error) => fail(format_args!("the browser's {path} with {body}: {error}")),
        }
    }

    pub(super) fn try_post(&self, path: &str, body: &Value) -> Result<Value, DriverError> {
        self.ask("POST", &format!("/session/{}{path}", self.id), Some(body))
    }

    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, DriverError> {
        let answer = self.exchange(method, path, body);
        let answer = answer.map_err(|error| DriverError {
            kind: "no answer of chromedriver".into(),
            message: error.to_string(),
        })?;
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or(json!({}));
        let value = body["value"].clone();
        if answer.word(1) == "200" {
            return Ok(value);
        }
        Err(DriverError { kind: text(&value["error"]), message: text(&value["message"]) })
    }

    fn exchange(&self, method: &str, path: &str, body: Option<&Value>) -> io::Result<Message> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let connect = || TcpStream::connect_timeout(&address, CONNECT_DEADLINE);
        let mut tcp = self.host.enter(connect)?;
        tcp.set_read_timeout(Some(ANSWER_DEADLINE))?;
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        tcp.write_all(request.as_bytes())?;
        let answer = read_message(&mut BufReader::new(tcp))?;
        answer.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}
