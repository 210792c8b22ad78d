//! A webhook receiver: records every request and answers as it is told, also while running.

use std::collections::VecDeque;
use std::io::{self, BufReader, Write as _};
use std::os::fd::AsFd as _;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use crate::ca::Identity;
use crate::fail::OrFail as _;
use crate::host::Host;
use crate::http::{Headers, Message, read_message};
use crate::peer::{Answer, Listen, server_config};
use crate::until;
use crate::wire::{Line, Stopper};

/// What a [`Receiver`] does with a request, after having recorded it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Answers, if need be after a delay ([`Answer::delay`]).
    Answer(Answer),
    /// Never answers.
    Hang,
    /// Answers 200, and never ends its body.
    Unfinished,
    /// RST.
    Reset,
    /// FIN.
    Close,
}

impl Reply {
    /// An empty answer with a status.
    pub fn status(status: u16) -> Self {
        Self::Answer(Answer::new(status))
    }
}

/// A request that has arrived.
#[derive(Clone, Debug)]
pub struct Request {
    /// When its last byte had been read.
    pub at: Instant,
    /// The same by the wall clock.
    pub time: SystemTime,
    /// `POST` and so on.
    pub method: String,
    /// The path with its query.
    pub path: String,
    /// The header fields.
    pub headers: Headers,
    /// The body, as it was sent (but not chunked).
    pub body: Vec<u8>,
    /// What was done with it.
    pub reply: Reply,
}

impl Request {
    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).or_fail("the body is not JSON")
    }
}

#[derive(Debug)]
struct Desk {
    /// In turn, round and round; never empty.
    replies: Mutex<VecDeque<Reply>>,
    requests: Mutex<Vec<Request>>,
}

/// A running receiver; it ends when this is dropped.
#[derive(Debug)]
pub struct Receiver {
    desk: Arc<Desk>,
    origin: String,
    port: u16,
    stopper: Option<Stopper>,
    thread: Option<JoinHandle<()>>,
}

impl Receiver {
    /// Starts one that answers 200; port 0 for a free one.
    #[track_caller]
    pub fn start(host: &Host, port: u16) -> Self {
        Self::launch(host, port, None)
    }

    /// The same behind TLS.
    #[track_caller]
    pub fn start_tls(host: &Host, port: u16, identity: &Identity) -> Self {
        Self::launch(host, port, Some(identity))
    }

    #[track_caller]
    fn launch(host: &Host, port: u16, identity: Option<&Identity>) -> Self {
        let listener = host.enter(|| Listen::Everywhere(port).listen(128));
        let port = listener.local_addr().or_fail("a listener without an address").port();
        let desk = Arc::new(Desk {
            replies: Mutex::new(one(Reply::status(200))),
            requests: Mutex::default(),
        });
        let stopper = Stopper::new();
        let (stop, shared) = (stopper.stop(), Arc::clone(&desk));
        let tls = identity.map(server_config);
        let thread = thread::spawn(move || {
            while stop.or_readable(listener.as_fd()) {
                let Ok((tcp, _)) = listener.accept() else {
                    continue;
                };
                let (stop, desk, tls) = (stop.clone(), Arc::clone(&shared), tls.clone());
                thread::spawn(move || {
                    let line = Line::new(tcp, stop, tls);
                    // A client may end a connection at any moment.
                    let _ = desk.attend(line);
                });
            }
        });
        let scheme = if identity.is_some() { "https" } else { "http" };
        let origin = format!("{scheme}://{}:{port}", host.v4());
        Self { desk, origin, port, stopper: Some(stopper), thread: Some(thread) }
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A URL of it, by its host's IPv4 address.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    /// Changes what it does with requests that arrive from now on.
    pub fn set_reply(&self, reply: Reply) {
        *locked(&self.desk.replies) = one(reply);
    }

    /// Answers requests from now on in turn: a list, round and round.
    #[track_caller]
    pub fn set_replies(&self, replies: Vec<Reply>) {
        assert!(!replies.is_empty(), "a receiver needs something to do");
        *locked(&self.desk.replies) = replies.into();
    }

    /// Everything that has arrived so far.
    pub fn requests(&self) -> Vec<Request> {
        locked(&self.desk.requests).clone()
    }

    /// Waits until at least `count` requests have arrived, and returns all.
    #[track_caller]
    pub fn wait_for(&self, count: usize, deadline: Duration) -> Vec<Request> {
        until(deadline, format_args!("{count} requests at {}", self.origin), || {
            let requests = self.requests();
            (requests.len() >= count).then_some(requests)
        })
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        drop(self.stopper.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn one(reply: Reply) -> VecDeque<Reply> {
    VecDeque::from([reply])
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().or_fail("a lab thread panicked")
}

impl Desk {
    /// One connection, to its end.
    fn attend(&self, line: Line) -> io::Result<()> {
        let mut reader = BufReader::new(line);
        while let Some(message) = read_message(&mut reader)? {
            let goes_on = message.keeps_alive();
            let with_body = message.word(0) != "HEAD";
            let reply = {
                let mut replies = locked(&self.replies);
                replies.rotate_left(1);
                replies.back().cloned().or_fail("a receiver without replies")
            };
            self.record(message, reply.clone());
            match reply {
                Reply::Answer(answer) => {
                    if reader.get_ref().stop().within(answer.delay) {
                        return Ok(());
                    }
                    reader.get_mut().write_all(&answer.bytes(with_body))?;
                    reader.get_mut().flush()?;
                }
                Reply::Unfinished => {
                    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello";
                    reader.get_mut().write_all(head)?;
                    reader.get_mut().flush()?;
                    reader.into_inner().wire().read_to_end();
                    return Ok(());
                }
                Reply::Hang => {
                    let mut wire = reader.into_inner().wire();
                    wire.read_to_end();
                    return Ok(());
                }
                Reply::Reset => {
                    reader.into_inner().wire().reset();
                    return Ok(());
                }
                Reply::Close => {
                    reader.into_inner().wire().close();
                    return Ok(());
                }
            }
            if !goes_on {
                break;
            }
        }
        reader.into_inner().finish();
        Ok(())
    }

    fn record(&self, message: Message, reply: Reply) {
        let request = Request {
            at: Instant::now(),
            time: SystemTime::now(),
            method: message.word(0).into(),
            path: message.word(1).into(),
            headers: message.headers,
            body: message.body,
            reply,
        };
        locked(&self.requests).push(request);
    }
}
