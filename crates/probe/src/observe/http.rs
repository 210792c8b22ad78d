//! One HTTP request over one fresh connection, with every phase timed, and what its failure
//! means. HTTP/2 when both sides agree on it (ALPN), HTTP/1.1 otherwise. Redirects are the
//! business of `redirects`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::{http1, http2};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, Version};
use hyper_util::rt::TokioIo;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use whydown_core::failure::Failure;
use whydown_core::observation::{Attempt, HttpFacts, Step};
use whydown_core::target::Target;

use super::open::{Opened, Way, open, tls_failure};
use super::{Check, USER_AGENT};
use crate::connect::facts_of;
use crate::redact;
use crate::tap::Seen;

/// Bytes of one answer's head at most.
const HEAD_MAX_BYTES: usize = 64 << 10;
/// Headers that tell who answered. Nothing else is kept.
const KEPT_HEADERS: [&str; 24] = [
    "age",
    "alt-svc",
    "cf-cache-status",
    "cf-ray",
    "content-type",
    "date",
    "fly-request-id",
    "location",
    "proxy-status",
    "retry-after",
    "server",
    "via",
    "x-amz-cf-id",
    "x-amz-cf-pop",
    "x-azure-ref",
    "x-backend-server",
    "x-cache",
    "x-envoy-upstream-service-time",
    "x-nf-request-id",
    "x-powered-by",
    "x-served-by",
    "x-sucuri-id",
    "x-varnish",
    "x-vercel-id",
];
/// Characters of one kept header value.
const HEADER_MAX_CHARS: usize = 200;
/// What web servers write when plain HTTP comes to their TLS port: nginx, Apache, Go and Caddy,
/// Tomcat, IIS behind http.sys, lighttpd.
const SPOKEN_TO_TLS: [&str; 5] = [
    "The plain HTTP request was sent to HTTPS port",
    "speaking plain HTTP to an SSL-enabled server port",
    "Client sent an HTTP request to an HTTPS server",
    "This combination of host and port requires TLS",
    "This web server is running in SSL mode",
];

/// One request to be made.
#[derive(Clone, Debug)]
pub(super) struct Hop {
    /// Whom it is for.
    pub(super) target: Target,
    /// Method, changed by some redirects.
    pub(super) method: String,
    /// The monitor's own headers, left out once another origin is asked.
    pub(super) headers: BTreeMap<String, String>,
    /// Body.
    pub(super) body: Option<String>,
    /// URLs visited so far, the first left out.
    pub(super) redirects: Vec<String>,
    /// A forward proxy wants the whole URL in the request line, and perhaps credentials.
    pub(super) through_proxy: Option<Option<String>>,
}

impl Hop {
    /// The first request of a monitor.
    pub(super) fn first(check: &Check<'_>) -> Self {
        let request = &check.monitor.request;
        Self {
            target: check.monitor.target.clone(),
            method: request.method.clone(),
            headers: request.headers.clone(),
            body: request.body.clone(),
            redirects: Vec::new(),
            through_proxy: None,
        }
    }
}

/// An answer, complete or cut at the body limit.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    pub(super) cut: bool,
}

/// Makes one request to one address. The attempt's own `failure` speaks of the exchange; whether
/// the answer is the one wanted is not judged here.
pub(super) async fn exchange(
    check: &Check<'_>,
    hop: &Hop,
    remote: SocketAddr,
    attempt: &mut Attempt,
) -> Option<Answer> {
    let way = Way { target: &hop.target, remote, alpn: &["h2", "http/1.1"] };
    let opened = open(check, &way, attempt).await?;
    request(check, hop, opened, attempt).await
}

/// Makes one request on a connection that is ready for it.
pub(super) async fn request(
    check: &Check<'_>,
    hop: &Hop,
    opened: Opened,
    attempt: &mut Attempt,
) -> Option<Answer> {
    let Opened { stream, record, below, alpn, asked, socket } = opened;
    let version = if alpn.as_deref() == Some("h2") { Version::HTTP_2 } else { Version::HTTP_11 };
    attempt.step = Step::Send;
    let message = match message(hop, version) {
        Ok(message) => message,
        Err(why) => {
            attempt.failure = Some(Failure::SelfInternal);
            attempt.detail = Some(why);
            return None;
        }
    };
    let progress = Progress::default();
    let limit = check.monitor.request.body_max_bytes;
    let io = TokioIo::new(stream);
    let begin = Instant::now();
    let spoken = async {
        if version == Version::HTTP_2 {
            speak_2(io, message, limit, &progress).await
        } else {
            speak_1(io, message, limit, &progress).await
        }
    };
    let result = timeout_at(check.deadline, spoken).await;
    let end = Instant::now();
    let seen = record.seen().with_below(below.as_ref());
    let reached = progress.take();
    attempt.tcp = socket.as_ref().and_then(facts_of).or(attempt.tcp);
    note_progress(attempt, &reached, &seen, (begin, end));
    let (failure, detail) = match result {
        Ok(Ok(body)) => return Some(answered(hop, reached, body, attempt)),
        Ok(Err(Broken(why))) => {
            let facts = attempt.tls.as_mut();
            let by_tls = facts.and_then(|facts| tls_failure(&record, asked, facts));
            let http = failure_of(&seen, reached.head.is_some(), version);
            (by_tls.unwrap_or(http), why)
        }
        Err(_) => {
            if let Some(facts) = attempt.http.as_mut() {
                facts.still_coming = reached.still_coming(end);
            }
            (silence(&seen, version), "no complete answer in time".to_owned())
        }
    };
    attempt.failure = Some(failure);
    attempt.errno = seen.error.as_ref().and_then(|error| error.errno);
    attempt.detail = Some(redact::printable(&why_of(&seen, &detail), 200));
    if failure == Failure::HttpNotHttp || failure == Failure::HttpSpokenToTls {
        attempt.banner = Some(redact::banner(&seen.sample));
    }
    None
}

fn why_of(seen: &Seen, detail: &str) -> String {
    match &seen.error {
        Some(error) => error.text.clone(),
        None => detail.to_owned(),
    }
}

/// How far an exchange has come, also when it is cut off by its deadline.
#[derive(Debug, Default)]
struct Progress(Mutex<Reached>);

#[derive(Debug, Default)]
struct Reached {
    sent: bool,
    head: Option<Head>,
    head_at: Option<Instant>,
    body_bytes: u64,
    body_at: Option<Instant>,
}

impl Reached {
    /// Has the body come in the second half of the time since the head as well?
    fn still_coming(&self, end: Instant) -> bool {
        let since = |at: Instant| end.saturating_duration_since(at);
        self.head_at.zip(self.body_at).is_some_and(|(head, body)| since(body) * 2 < since(head))
    }
}

#[derive(Debug)]
struct Head {
    status: u16,
    version: Version,
    headers: HeaderMap,
}

impl Progress {
    fn with(&self, change: impl FnOnce(&mut Reached)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn take(&self) -> Reached {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn arrived(&self, response: &Response<Incoming>) {
        let head = Head {
            status: response.status().as_u16(),
            version: response.version(),
            headers: response.headers().clone(),
        };
        self.with(|reached| {
            reached.head = Some(head);
            reached.head_at = Some(Instant::now());
        });
    }
}

/// The library's words for why an exchange broke; what they mean is read from the stream.
struct Broken(String);

impl From<hyper::Error> for Broken {
    fn from(error: hyper::Error) -> Self {
        let mut text = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(inner) = source {
            text = format!("{text}: {inner}");
            source = inner.source();
        }
        Self(text)
    }
}

/// A body, and whether it was cut.
type Body = (Vec<u8>, bool);

async fn speak_1(
    io: TokioIo<impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static>,
    message: Request<Full<Bytes>>,
    limit: u64,
    progress: &Progress,
) -> Result<Body, Broken> {
    let mut builder = http1::Builder::new();
    builder.max_buf_size(HEAD_MAX_BYTES);
    let (mut sender, connection) = builder.handshake(io).await?;
    let exchange = async {
        let sent = sender.send_request(message);
        progress.with(|reached| reached.sent = true);
        let response = sent.await?;
        progress.arrived(&response);
        read_body(response.into_body(), limit, progress).await
    };
    alongside(connection, exchange).await
}

async fn speak_2(
    io: TokioIo<impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static>,
    message: Request<Full<Bytes>>,
    limit: u64,
    progress: &Progress,
) -> Result<Body, Broken> {
    let inside = Inside::default();
    let mut builder = http2::Builder::new(inside);
    builder.max_header_list_size(u32::try_from(HEAD_MAX_BYTES).unwrap_or(u32::MAX));
    let (mut sender, connection) = builder.handshake(io).await?;
    let exchange = async {
        let sent = sender.send_request(message);
        progress.with(|reached| reached.sent = true);
        let response = sent.await?;
        progress.arrived(&response);
        read_body(response.into_body(), limit, progress).await
    };
    alongside(connection, exchange).await
}

/// Runs the connection's own work while the exchange goes on, without a task of its own.
async fn alongside(
    connection: impl Future<Output = hyper::Result<()>>,
    exchange: impl Future<Output = Result<Body, Broken>>,
) -> Result<Body, Broken> {
    let mut connection = pin!(connection);
    let mut exchange = pin!(exchange);
    let ended = tokio::select! {
        result = &mut exchange => return result,
        ended = &mut connection => ended,
    };
    // What the connection says is nearer to the cause than "canceled".
    match (exchange.await, ended) {
        (Err(_), Err(error)) => Err(error.into()),
        (result, _) => result,
    }
}

/// Runs what the HTTP/2 library wants to run; it all ends with the exchange.
#[derive(Clone, Debug, Default)]
struct Inside(Arc<Mutex<JoinSet<()>>>);

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Inside {
    fn execute(&self, future: F) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).spawn(future);
    }
}

async fn read_body(mut body: Incoming, limit: u64, progress: &Progress) -> Result<Body, Broken> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(chunk) = frame?.into_data() else { continue };
        progress.with(|reached| {
            reached.body_bytes += chunk.len() as u64;
            reached.body_at = Some(Instant::now());
        });
        let room = limit.saturating_sub(bytes.len());
        bytes.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if chunk.len() > room {
            return Ok((bytes, true));
        }
    }
    Ok((bytes, false))
}

fn message(hop: &Hop, version: Version) -> Result<Request<Full<Bytes>>, String> {
    let authority = authority(&hop.target);
    let absolute = format!("{}://{authority}{}", hop.target.scheme, hop.target.path);
    let whole = version == Version::HTTP_2 || hop.through_proxy.is_some();
    let uri = if whole { &absolute } else { &hop.target.path };
    let method = Method::from_bytes(hop.method.as_bytes()).map_err(|error| error.to_string())?;
    let body = Full::new(Bytes::from(hop.body.clone().unwrap_or_default()));
    let mut message = Request::builder()
        .method(method)
        .uri(uri.as_str())
        .version(version)
        .body(body)
        .map_err(|error| error.to_string())?;
    let headers = message.headers_mut();
    if version != Version::HTTP_2 {
        let host = HeaderValue::from_str(&authority).map_err(|error| error.to_string())?;
        headers.insert(hyper::header::HOST, host);
        headers.insert(hyper::header::CONNECTION, HeaderValue::from_static("close"));
    }
    headers.insert(hyper::header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
    headers.insert(hyper::header::ACCEPT, HeaderValue::from_static("*/*"));
    if let Some(Some(credentials)) = &hop.through_proxy {
        let value = HeaderValue::from_str(credentials).map_err(|error| error.to_string())?;
        headers.insert(hyper::header::PROXY_AUTHORIZATION, value);
    }
    for (name, value) in &hop.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|error| error.to_string())?;
        let value = HeaderValue::from_str(value).map_err(|error| error.to_string())?;
        if version == Version::HTTP_2 && name == hyper::header::HOST {
            continue;
        }
        headers.insert(name, value);
    }
    Ok(message)
}

/// `host` or `host:port`, the scheme's own port left out (RFC 9110 §7.2).
fn authority(target: &Target) -> String {
    match target.scheme.default_port() == Some(target.port) {
        true => target.host.in_url(),
        false => format!("{}:{}", target.host.in_url(), target.port),
    }
}

fn note_progress(attempt: &mut Attempt, reached: &Reached, seen: &Seen, times: (Instant, Instant)) {
    let (begin, end) = times;
    let first = match attempt.tls.as_ref().and_then(|tls| tls.alpn.as_deref()) {
        // The first bytes of HTTP/2 are settings, not an answer.
        Some("h2") => reached.head_at,
        _ => seen.first_at,
    };
    attempt.timing.first_byte = first.map(|at| at.saturating_duration_since(begin));
    attempt.timing.body = reached.head_at.and(first).map(|at| end.saturating_duration_since(at));
    attempt.step = match (&reached.head, first) {
        (Some(_), _) => Step::Body,
        (None, Some(_)) => Step::Head,
        (None, None) if reached.sent => Step::FirstByte,
        (None, None) => Step::Send,
    };
    if let Some(head) = &reached.head {
        attempt.http = Some(facts(head, reached.body_bytes));
    }
}

fn facts(head: &Head, body_bytes: u64) -> HttpFacts {
    let version = match head.version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2",
        _ => "HTTP/1.1",
    };
    let kept = KEPT_HEADERS.iter().filter_map(|name| {
        let value = String::from_utf8_lossy(head.headers.get(*name)?.as_bytes()).into_owned();
        let value = match *name {
            "location" => redact::url(&value),
            _ => redact::mask(&redact::printable(&value, HEADER_MAX_CHARS)),
        };
        Some(((*name).to_owned(), value))
    });
    let length = head.headers.get(hyper::header::CONTENT_LENGTH);
    HttpFacts {
        status: head.status,
        version: version.to_owned(),
        headers: kept.collect(),
        body_bytes,
        still_coming: false,
        content_length: length.and_then(|value| value.to_str().ok()?.parse().ok()),
        excerpt: None,
        redirects: Vec::new(),
    }
}

fn answered(hop: &Hop, reached: Reached, body: Body, attempt: &mut Attempt) -> Answer {
    let (body, cut) = body;
    let (status, headers) = match reached.head {
        Some(head) => (head.status, head.headers),
        None => (0, HeaderMap::new()),
    };
    attempt.step = Step::Done;
    if let Some(facts) = attempt.http.as_mut() {
        facts.redirects.clone_from(&hop.redirects);
        if status >= 400 {
            facts.excerpt = Some(redact::excerpt(&body)).filter(|text| !text.is_empty());
        }
    }
    let tls_wanted = status == 400 && !hop.target.scheme.is_tls();
    let text = String::from_utf8_lossy(&body);
    if tls_wanted && SPOKEN_TO_TLS.iter().any(|words| text.contains(words)) {
        attempt.failure = Some(Failure::HttpSpokenToTls);
        attempt.detail = Some("the server says that this port wants TLS".to_owned());
        attempt.step = Step::Head;
    }
    Answer { status, headers, body, cut }
}

/// What it means that an exchange broke, read from what was seen on the stream.
fn failure_of(seen: &Seen, headed: bool, version: Version) -> Failure {
    let reset = seen.error.as_ref().is_some_and(crate::tap::StreamError::is_reset);
    if headed {
        return if reset { Failure::HttpReset } else { Failure::HttpClosedEarly };
    }
    if version != Version::HTTP_2 {
        if is_tls_record(&seen.sample) {
            return Failure::HttpSpokenToTls;
        }
        if !may_be_http(&seen.sample) {
            return Failure::HttpNotHttp;
        }
    }
    let truncated =
        seen.error.as_ref().is_some_and(|e| e.kind == std::io::ErrorKind::UnexpectedEof);
    if reset {
        Failure::HttpReset
    } else if seen.ended || truncated {
        match seen.received_bytes {
            0 => Failure::HttpEmptyReply,
            // Settings are no answer.
            _ if version == Version::HTTP_2 => Failure::HttpEmptyReply,
            _ => Failure::HttpClosedEarly,
        }
    } else if let Some(error) = &seen.error {
        match super::socket_failure(error) {
            Failure::TcpTimedOut => Failure::HttpTimedOut,
            Failure::SelfResources => Failure::SelfResources,
            _ => Failure::HttpReset,
        }
    } else if seen.received_bytes > 0 {
        // It spoke, and the library could make nothing of it.
        Failure::HttpNotHttp
    } else {
        Failure::HttpEmptyReply
    }
}

/// What silence until the deadline means.
fn silence(seen: &Seen, version: Version) -> Failure {
    if version != Version::HTTP_2 && is_tls_record(&seen.sample) {
        Failure::HttpSpokenToTls
    } else if version != Version::HTTP_2 && !may_be_http(&seen.sample) {
        Failure::HttpNotHttp
    } else {
        Failure::HttpTimedOut
    }
}

/// An alert or handshake record (RFC 8446 §5.1).
fn is_tls_record(sample: &[u8]) -> bool {
    matches!(sample, [21 | 22, 3, ..])
}

/// Can this be the beginning of a status line? Nothing yet can be anything.
fn may_be_http(sample: &[u8]) -> bool {
    const BEGINNING: &[u8] = b"HTTP/";
    let start = sample.iter().position(|b| !matches!(b, b'\r' | b'\n')).unwrap_or(sample.len());
    let sample = &sample[start..];
    let length = sample.len().min(BEGINNING.len());
    sample[..length] == BEGINNING[..length]
}
