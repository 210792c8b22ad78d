//! Requests over the link: JSON in, JSON out, over one connection that is kept while it works.

use std::io::Write as _;
use std::time::Duration;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::SendRequest;
use hyper::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderValue, USER_AGENT};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use super::{LinkError, Server};

/// How long one request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// A stream without a word for so long is dead.
const SILENCE_MAX: Duration = Duration::from_secs(10);
/// Bytes of an answer read at most.
const ANSWER_MAX_BYTES: usize = 1 << 20;
/// Bytes of one line of a stream at most.
const LINE_MAX_BYTES: usize = 16 << 20;
/// Smaller bodies are not worth packing.
const PACK_MIN_BYTES: usize = 1_024;

/// Talks to one server, with a key or without.
#[derive(Debug)]
pub struct Client {
    server: Server,
    key: Option<HeaderValue>,
    kept: Mutex<Option<Connection>>,
}

#[derive(Debug)]
struct Connection {
    sender: SendRequest<Full<Bytes>>,
    driver: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// What the server says when it says no: to a probe for good, to others why (RFC 9457).
#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct No {
    link: Option<String>,
    detail: Option<String>,
}

impl Client {
    /// Speaks to `server` with `key`.
    #[must_use]
    pub fn new(server: Server, key: Option<&str>) -> Self {
        let key = key.and_then(|key| HeaderValue::try_from(format!("Bearer {key}")).ok());
        let key = key.map(|mut key| {
            key.set_sensitive(true);
            key
        });
        Self { server, key, kept: Mutex::default() }
    }

    /// Posts a value and reads the answer.
    ///
    /// # Errors
    /// `Refused` when the server says no for good, `Passing` for everything else.
    pub async fn post<T: Serialize, R: DeserializeOwned>(
        &self,
        path: &str,
        value: &T,
    ) -> Result<R, LinkError> {
        let body = serde_json::to_vec(value).map_err(|error| bad(&error))?;
        self.post_json(path, body).await
    }

    /// The same with a body that is JSON already.
    ///
    /// # Errors
    /// As [`post`](Self::post).
    pub async fn post_json<R: DeserializeOwned>(
        &self,
        path: &str,
        body: Vec<u8>,
    ) -> Result<R, LinkError> {
        let packed = body.len() >= PACK_MIN_BYTES;
        let body = if packed { pack(&body)? } else { body };
        let mut request = self.request(Method::POST, path, body)?;
        let json = HeaderValue::from_static("application/json");
        request.headers_mut().insert(CONTENT_TYPE, json);
        if packed {
            // RFC 9110 §8.4.1.2: the zlib format.
            request.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("deflate"));
        }
        self.answer(request).await
    }

    /// Gets a value.
    ///
    /// # Errors
    /// As [`post`](Self::post).
    pub async fn get<R: DeserializeOwned>(&self, path: &str) -> Result<R, LinkError> {
        self.answer(self.request(Method::GET, path, Vec::new())?).await
    }

    /// Posts a value and reads an answer that goes on, line by line.
    ///
    /// # Errors
    /// As [`post`](Self::post).
    pub async fn stream<T: Serialize>(&self, path: &str, value: &T) -> Result<Lines, LinkError> {
        let body = serde_json::to_vec(value).map_err(|error| bad(&error))?;
        let mut request = self.request(Method::POST, path, body)?;
        let json = HeaderValue::from_static("application/json");
        request.headers_mut().insert(CONTENT_TYPE, json);
        let mut connection = self.open().await?;
        let sent = tokio::time::timeout(REQUEST_TIMEOUT, connection.sender.send_request(request));
        let answer = sent.await.map_err(|_| self.silent())?.map_err(|error| bad(&error))?;
        if !answer.status().is_success() {
            return Err(refusal(answer).await);
        }
        let body = answer.into_body();
        Ok(Lines { body, buffer: Vec::new(), searched: 0, _connection: connection })
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<Request<Full<Bytes>>, LinkError> {
        let agent = concat!("whydown/", env!("CARGO_PKG_VERSION"));
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, self.server.authority())
            .header(USER_AGENT, agent)
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| bad(&error))?;
        if let Some(key) = &self.key {
            request.headers_mut().insert(AUTHORIZATION, key.clone());
        }
        Ok(request)
    }

    async fn open(&self) -> Result<Connection, LinkError> {
        let stream = self.server.connect().await?;
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
        let (sender, driver) = handshake.map_err(|error| bad(&error))?;
        // How the connection ends shows in its requests.
        let driver = tokio::spawn(async move { drop(driver.await) });
        Ok(Connection { sender, driver })
    }

    async fn answer<R: DeserializeOwned>(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<R, LinkError> {
        let talk = async {
            let mut kept = self.kept.lock().await;
            let mut old = kept.take();
            let usable = match &mut old {
                Some(old) => old.sender.ready().await.is_ok(),
                None => false,
            };
            let mut connection = match old.filter(|_| usable) {
                Some(old) => old,
                None => self.open().await?,
            };
            let answer =
                connection.sender.send_request(request).await.map_err(|error| bad(&error))?;
            if !answer.status().is_success() {
                return Err(refusal(answer).await);
            }
            let body = Limited::new(answer.into_body(), ANSWER_MAX_BYTES).collect().await;
            let body = body.map_err(|error| bad(&error))?.to_bytes();
            *kept = Some(connection);
            serde_json::from_slice(&body).map_err(|error| bad(&error))
        };
        tokio::time::timeout(REQUEST_TIMEOUT, talk).await.map_err(|_| self.silent())?
    }

    fn silent(&self) -> LinkError {
        LinkError::Passing(format!("{} does not answer", self.server.authority()))
    }
}

fn bad(error: &dyn std::fmt::Display) -> LinkError {
    LinkError::Passing(error.to_string())
}

/// An answer that is none. Only the server itself says no for good; what stands between us and it
/// may say so for other reasons.
async fn refusal(answer: Response<Incoming>) -> LinkError {
    let status = answer.status();
    let body = Limited::new(answer.into_body(), ANSWER_MAX_BYTES).collect().await;
    let body = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let no = serde_json::from_slice::<No>(&body).unwrap_or_default();
    match (no.link.filter(|_| status.is_client_error()), no.detail) {
        (Some(why), _) => LinkError::Refused(why),
        (None, Some(why)) => LinkError::Passing(format!("the server answers {status}: {why}")),
        (None, None) => LinkError::Passing(format!("the server answers {status}")),
    }
}

fn pack(body: &[u8]) -> Result<Vec<u8>, LinkError> {
    let mut encoder = ZlibEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    encoder.write_all(body).map_err(|error| bad(&error))?;
    encoder.finish().map_err(|error| bad(&error))
}

/// A long answer, one JSON value a line.
#[derive(Debug)]
pub struct Lines {
    body: Incoming,
    buffer: Vec<u8>,
    searched: usize,
    _connection: Connection,
}

impl Lines {
    /// The next value. Dropping the future loses nothing.
    ///
    /// # Errors
    /// `Passing`: the stream has ended, is silent, or says what can't be read.
    pub async fn next<T: DeserializeOwned>(&mut self) -> Result<T, LinkError> {
        loop {
            if let Some(end) = self.buffer[self.searched..].iter().position(|b| *b == b'\n') {
                let rest = self.buffer.split_off(self.searched + end + 1);
                let line = std::mem::replace(&mut self.buffer, rest);
                self.searched = 0;
                return serde_json::from_slice(&line).map_err(|error| bad(&error));
            }
            self.searched = self.buffer.len();
            if self.buffer.len() > LINE_MAX_BYTES {
                return Err(LinkError::Passing("the server's line has no end".to_owned()));
            }
            let frame = tokio::time::timeout(SILENCE_MAX, self.body.frame()).await;
            let frame =
                frame.map_err(|_| LinkError::Passing("the server fell silent".to_owned()))?;
            let ended = || LinkError::Passing("the server has ended the stream".to_owned());
            let frame = frame.ok_or_else(ended)?.map_err(|error| bad(&error))?;
            if let Ok(data) = frame.into_data() {
                self.buffer.extend_from_slice(&data);
            }
        }
    }
}
