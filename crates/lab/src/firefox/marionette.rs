//! Marionette's protocol: `length:JSON` over TCP, one command at a time
//! (firefox-source-docs.mozilla.org/testing/marionette/Protocol.html).

use std::fmt;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Mutex;
use std::time::Duration;

use serde_json::{Value, json};

use crate::fail::{OrFail as _, fail};
use crate::host::Host;

/// Longer than any page may take, and sooner than a test is ended.
const ANSWER_DEADLINE: Duration = Duration::from_secs(150);
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);
/// Dialogs that one page may open after another.
const DIALOGS_MAX: usize = 5;
/// Digits of a message's length.
const LENGTH_DIGITS_MAX: usize = 9;

/// A session with a running Firefox.
#[derive(Debug)]
pub(super) struct Marionette {
    line: Mutex<Line>,
    /// Such as `153.7.0`.
    pub(super) version: String,
}

#[derive(Debug)]
struct Line {
    tcp: TcpStream,
    last_id: u32,
}

/// What Marionette says when a command fails.
#[derive(Debug)]
pub(super) struct MarionetteError {
    /// `timeout`, `unknown error`, `insecure certificate`…
    pub(super) kind: String,
    message: String,
}

impl MarionetteError {
    /// Was there a dialog in the way, which is dismissed now?
    pub(super) fn is_dialog(&self) -> bool {
        self.kind == "unexpected alert open"
    }

    /// Has a navigation ended on an error page?
    pub(super) fn is_page(&self) -> bool {
        self.kind == "insecure certificate" || self.message.starts_with("Reached error page")
    }
}

impl fmt::Display for MarionetteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.message)
    }
}

impl Marionette {
    /// Connects and opens a session; dialogs are dismissed.
    #[track_caller]
    pub(super) fn begin(host: &Host, port: u16) -> Self {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let tcp = host.enter(|| TcpStream::connect_timeout(&address, CONNECT_DEADLINE));
        let tcp = tcp.or_fail("cannot connect to Firefox");
        tcp.set_read_timeout(Some(ANSWER_DEADLINE)).or_fail("cannot set a timeout");
        let mut line = Line { tcp, last_id: 0 };
        line.receive().or_fail("Firefox does not greet");
        let mut marionette = Self { line: Mutex::new(line), version: String::new() };
        let capabilities =
            json!({"capabilities": {"alwaysMatch": {"unhandledPromptBehavior": "dismiss"}}});
        let session = marionette.must("WebDriver:NewSession", &capabilities);
        let version = session["capabilities"]["browserVersion"].as_str();
        version.or_fail("Firefox does not tell its version").clone_into(&mut marionette.version);
        marionette
    }

    /// Sends a command that has to succeed; again while it only meets a dialog of the page before,
    /// which is dismissed by that.
    #[track_caller]
    pub(super) fn must(&self, command: &str, parameters: &Value) -> Value {
        let met_dialog = |result: &Result<Value, MarionetteError>| {
            result.as_ref().is_err_and(MarionetteError::is_dialog)
        };
        let mut result = self.ask(command, parameters);
        for _ in 0..DIALOGS_MAX {
            if !met_dialog(&result) {
                break;
            }
            result = self.ask(command, parameters);
        }
        match result {
            Ok(value) => value,
            Err(error) => fail(format_args!("Firefox's {command} with {parameters}: {error}")),
        }
    }

    /// Sends a command and waits for its result.
    pub(super) fn ask(&self, command: &str, parameters: &Value) -> Result<Value, MarionetteError> {
        let mut line = self.line.lock().or_fail("a lab thread panicked");
        let answer = line.exchange(command, parameters).map_err(|error| MarionetteError {
            kind: "no answer of Firefox".into(),
            message: error.to_string(),
        })?;
        // [1, id, error, result]
        let error = &answer[2];
        if error.is_null() {
            return Ok(answer[3].clone());
        }
        let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
        Err(MarionetteError { kind: text("error"), message: text("message") })
    }
}

impl Line {
    fn exchange(&mut self, command: &str, parameters: &Value) -> io::Result<Value> {
        self.last_id += 1;
        let message = json!([0, self.last_id, command, parameters]).to_string();
        self.tcp.write_all(format!("{}:{message}", message.len()).as_bytes())?;
        loop {
            let answer = self.receive()?;
            if answer[1] == self.last_id {
                return Ok(answer);
            }
        }
    }

    fn receive(&mut self) -> io::Result<Value> {
        let mut digits = String::new();
        loop {
            let mut byte = [0];
            self.tcp.read_exact(&mut byte)?;
            match byte[0] {
                b':' => break,
                digit if digit.is_ascii_digit() && digits.len() < LENGTH_DIGITS_MAX => {
                    digits.push(digit.into());
                }
                _ => return Err(io::ErrorKind::InvalidData.into()),
            }
        }
        let length = digits.parse().map_err(|_| io::ErrorKind::InvalidData)?;
        let mut message = vec![0; length];
        self.tcp.read_exact(&mut message)?;
        serde_json::from_slice(&message).map_err(|_| io::ErrorKind::InvalidData.into())
    }
}
