//! One HTTP/1.1 request over a fresh connection, with TLS where the address says so, and limits
//! on everything. No redirects: a webhook that moved is an error that somebody should see. What
//! was answered is kept without the secrets that a receiver may echo.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::header::{
    AUTHORIZATION, CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER,
};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;

use super::hidden::Hidden;
use super::{DeliveryError, quote};

/// How long one address may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);
/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 4;
/// How long the rest of an answer is waited for once its head has come.
const REST_TIMEOUT: Duration = Duration::from_secs(1);
/// Bytes of an answer that are read.
const ANSWER_MAX_BYTES: usize = 16 << 10;

/// Sends requests.
pub(super) struct Client {
    tls: OnceLock<Arc<rustls::ClientConfig>>,
    authorities: Arc<Vec<CertificateDer<'static>>>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Client")
    }
}

/// What is sent.
#[derive(Clone)]
pub(crate) struct Call {
    method: Method,
    url: url::Url,
    headers: Vec<(HeaderName, String)>,
    body: Vec<u8>,
}

impl Call {
    pub(crate) fn new(method: Method, url: url::Url) -> Self {
        Self { method, url, headers: Vec::new(), body: Vec::new() }
    }

    pub(crate) fn post(url: url::Url) -> Self {
        Self::new(Method::POST, url)
    }

    pub(crate) fn header(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn authorization(self, scheme: &str, value: &str) -> Self {
        self.header(AUTHORIZATION, format!("{scheme} {value}"))
    }

    pub(crate) fn basic(self, user: &str, password: &str) -> Self {
        let pair = BASE64_STANDARD.encode(format!("{user}:{password}"));
        self.authorization("Basic", &pair)
    }

    pub(crate) fn body(mut self, kind: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self.header(CONTENT_TYPE, kind)
    }

    pub(crate) fn json(self, value: &serde_json::Value) -> Self {
        self.body("application/json", value.to_string())
    }

    pub(crate) fn form(self, fields: &[(&str, &str)]) -> Self {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        let body = form.extend_pairs(fields).finish();
        self.body("application/x-www-form-urlencoded", body)
    }
}

impl Client {
    /// Reads the system's certificate authorities when first needed, and trusts `authorities`
    /// besides.
    pub(super) fn new(authorities: Arc<Vec<CertificateDer<'static>>>) -> Self {
        Self { tls: OnceLock::new(), authorities }
    }

    /// Sends and reads the answer, whatever it says; `hidden` is starred out in it.
    pub(super) async fn send(&self, call: &Call, hidden: &Hidden) -> Result<Answer, DeliveryError> {
        let host = call.url.host_str().unwrap_or_default().to_owned();
        let port = call.url.port_or_known_default().unwrap_or(443);
        let at = format!("{host}:{port}");
        let request = request(call, &at)?;
        let stream = connect(host.trim_matches(['[', ']']), port, &at).await?;
        let mut answer = if call.url.scheme() == "https" {
            let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned())
                .map_err(|_| DeliveryError::lasting(format!("{at}: not a name for TLS")))?;
            let stream = TlsConnector::from(self.tls()?).connect(name, stream).await;
            let tls = |error| DeliveryError::passing(format!("TLS with {at} failed: {error}"));
            exchange(stream.map_err(tls)?, request, &at).await?
        } else {
            exchange(stream, request, &at).await?
        };
        answer.text = hidden.starred(&answer.text);
        Ok(answer)
    }

    fn tls(&self) -> Result<Arc<rustls::ClientConfig>, DeliveryError> {
        if let Some(config) = self.tls.get() {
            return Ok(Arc::clone(config));
        }
        let mut roots = rustls::RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        roots.add_parsable_certificates(self.authorities.iter().cloned());
        if roots.is_empty() {
            return Err(DeliveryError::passing(
                "no certificate authorities found on this machine; install ca-certificates",
            ));
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| DeliveryError::passing(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Arc::clone(self.tls.get_or_init(|| Arc::new(config))))
    }
}

fn request(call: &Call, at: &str) -> Result<Request<Full<Bytes>>, DeliveryError> {
    let bad = |what: &str| DeliveryError::lasting(format!("{at}: {what} cannot be sent"));
    let path = &call.url[url::Position::BeforePath..url::Position::AfterQuery];
    let host = &call.url[url::Position::BeforeHost..url::Position::AfterPort];
    let mut request = Request::new(Full::new(Bytes::from(call.body.clone())));
    request.method_mut().clone_from(&call.method);
    *request.uri_mut() = path.parse().map_err(|_| bad("the address"))?;
    let headers: &mut HeaderMap = request.headers_mut();
    headers.insert(hyper::header::HOST, HeaderValue::from_str(host).map_err(|_| bad("the host"))?);
    let agent = concat!("whydown/", env!("CARGO_PKG_VERSION"));
    headers.insert(hyper::header::USER_AGENT, HeaderValue::from_static(agent));
    for (name, value) in &call.headers {
        let value = HeaderValue::from_str(value).map_err(|_| bad(name.as_str()))?;
        headers.insert(name.clone(), value);
    }
    Ok(request)
}

async fn connect(host: &str, port: u16, at: &str) -> Result<TcpStream, DeliveryError> {
    let found = tokio::net::lookup_host((host, port)).await;
    let failed = |error| DeliveryError::passing(format!("{host} does not resolve: {error}"));
    let addresses: Vec<SocketAddr> = found.map_err(failed)?.take(ADDRESSES_MAX).collect();
    let mut last = DeliveryError::passing(format!("{host} has no address"));
    for address in addresses {
        let connecting = async {
            let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
            socket?.connect(address).await
        };
        match tokio::time::timeout(CONNECT_TIMEOUT, connecting).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => {
                last = DeliveryError::passing(format!("cannot connect to {at}: {error}"));
            }
            Err(_) => {
                let limit = CONNECT_TIMEOUT.as_secs();
                last = DeliveryError::passing(format!("{at} accepts no connection for {limit} s"));
            }
        }
    }
    Err(last)
}

/// An answer's head and the beginning of its body.
pub(crate) struct Answer {
    at: String,
    pub(crate) status: StatusCode,
    after: Option<Duration>,
    /// The body, secrets starred out.
    pub(crate) text: String,
}

impl Answer {
    /// The body as JSON; `Null` when it is none.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    /// Another wait than the header's.
    pub(crate) fn wait(&mut self, seconds: Option<f64>) {
        let wait = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        self.after = wait.or(self.after);
    }

    /// Any 2xx is success; otherwise the receiver's own words.
    pub(crate) fn judge(&self) -> Result<(), DeliveryError> {
        if self.status.is_success() { Ok(()) } else { Err(self.error(&self.text, "")) }
    }

    /// May another attempt work, by the status alone?
    pub(crate) fn passes(&self) -> bool {
        self.status.is_server_error()
            || matches!(self.status.as_u16(), 408 | 409 | 423 | 425 | 429)
            || self.status.is_informational()
    }

    /// An error with what the receiver said and what to do about it.
    pub(crate) fn error(&self, words: &str, advice: &str) -> DeliveryError {
        let words = quote(words);
        let words = if words.is_empty() { words } else { format!(": {words}") };
        let advice = if advice.is_empty() { String::new() } else { format!("; {advice}") };
        let message = format!("{} answered {}{words}{advice}", self.at, self.status);
        DeliveryError { retry: self.passes(), after: self.after, message }
    }

    /// The same, where the receiver's words decide whether another attempt makes sense.
    pub(crate) fn error_that(&self, passes: bool, words: &str, advice: &str) -> DeliveryError {
        DeliveryError { retry: passes, ..self.error(words, advice) }
    }
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
    at: &str,
) -> Result<Answer, DeliveryError> {
    let failed = |error: hyper::Error| {
        let why = std::error::Error::source(&error).map_or_else(String::new, |e| format!(": {e}"));
        DeliveryError::passing(format!("{at} did not answer: {error}{why}"))
    };
    let io = TokioIo::new(stream);
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(io).await.map_err(failed)?;
    let mut connection = std::pin::pin!(connection);
    let talk = async {
        let answer = sender.send_request(request).await.map_err(failed)?;
        let (head, body) = answer.into_parts();
        // An answer that is cut off, too long or never ends was an answer all the same: who has
        // said yes is not told again.
        let rest = Limited::new(body, ANSWER_MAX_BYTES).collect();
        let text = match tokio::time::timeout(REST_TIMEOUT, rest).await {
            Ok(Ok(text)) => text.to_bytes(),
            Ok(Err(_)) | Err(_) => Bytes::new(),
        };
        Ok(Answer {
            at: at.to_owned(),
            status: head.status,
            after: retry_after(&head.headers),
            text: String::from_utf8_lossy(&text).into_owned(),
        })
    };
    let mut talk = std::pin::pin!(talk);
    tokio::select! {
        answer = &mut talk => answer,
        ended = &mut connection => match ended {
            Ok(()) => talk.await,
            Err(error) => Err(failed(error)),
        },
    }
}

/// RFC 9110 §10.2.3: seconds, or a date, which is compared with the answer's own.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    let date = headers.get(DATE)?.to_str().ok()?;
    let now = jiff::fmt::rfc2822::parse(date).ok()?.timestamp();
    Duration::try_from(until.duration_since(now)).ok()
}
