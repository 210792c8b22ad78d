//! One connection to the server: TCP, through a forward proxy where the environment names one,
//! TLS with a pinned certificate or the system's authorities.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use url::Url;
use whydown_host::proxy::{self, Proxy};

use super::LinkError;
use crate::connect::{Options, connect};
use crate::observe::proxy::{read_head, status_of};
use crate::tls::{Trust, provider};

/// How long a connection may take until it can be used.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long one address may take to accept a connection.
const ADDRESS_TIMEOUT: Duration = Duration::from_secs(4);
/// Addresses of the server's name that are tried.
const ADDRESSES_MAX: usize = 4;

/// The SHA-256 of a server's certificate: whoever has the key to this very one is the server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Pin([u8; 32]);

impl Pin {
    /// Of a certificate.
    #[must_use]
    pub fn of(certificate: &[u8]) -> Self {
        Self(Sha256::digest(certificate).into())
    }

    /// From its text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok().map(Self)
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pin({self})")
    }
}

/// Where the server is, and how it is recognised.
#[derive(Clone)]
pub struct Server {
    pub(super) url: Url,
    tls: Option<Arc<ClientConfig>>,
    proxy: Option<Proxy>,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Server({})", self.url)
    }
}

/// What can carry HTTP.
pub(super) trait Carrier: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Carrier for T {}

impl Server {
    /// A server at `https://…` or `http://…`; with a pin only that certificate is believed,
    /// without one those that this machine's authorities vouch for.
    ///
    /// # Errors
    /// `Unusable`: not such an address.
    pub fn new(text: &str, pin: Option<Pin>) -> Result<Self, LinkError> {
        let bad = |why: &str| {
            LinkError::Unusable(format!(
                "{text:?} is no address of a server ({why}); write https://host:8088"
            ))
        };
        let url = Url::parse(text).map_err(|error| bad(&error.to_string()))?;
        let tls = match url.scheme() {
            "https" => Some(config(pin).map_err(|error| bad(&error.to_string()))?),
            "http" => None,
            _ => return Err(bad("neither https nor http")),
        };
        if !url.has_host() || url.query().is_some() || !matches!(url.path(), "" | "/") {
            return Err(bad("it has more or less than a host and a port"));
        }
        let target = text.trim_end_matches('/').parse().ok();
        let proxy = target.and_then(|target| proxy::from_environment(&target));
        Ok(Self { url, tls, proxy: proxy.map(|(proxy, _)| proxy) })
    }

    /// Do others on the way see what is said?
    #[must_use]
    pub fn is_exposed(&self) -> bool {
        let loopback = match self.url.host() {
            Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
            Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
            Some(url::Host::Domain(name)) => name == "localhost",
            None => false,
        };
        self.tls.is_none() && !loopback
    }

    fn place(&self) -> (String, u16) {
        let host = self.url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        (host, self.url.port_or_known_default().unwrap_or(443))
    }

    /// `host:port` as it stands in the address.
    pub(super) fn authority(&self) -> &str {
        &self.url[url::Position::BeforeHost..url::Position::AfterPort]
    }

    /// Opens a connection.
    pub(super) async fn connect(&self) -> Result<Box<dyn Carrier>, LinkError> {
        match tokio::time::timeout(CONNECT_TIMEOUT, self.open()).await {
            Ok(opened) => opened,
            Err(_) => Err(passing(format!("{} does not answer", self.authority()))),
        }
    }

    async fn open(&self) -> Result<Box<dyn Carrier>, LinkError> {
        let (host, port) = self.place();
        let stream = match &self.proxy {
            Some(proxy) => through(proxy, self.authority(), port).await?,
            None => tcp(&host, port).await?,
        };
        // Small messages, each of which somebody waits for.
        let _ = stream.set_nodelay(true);
        let Some(config) = &self.tls else { return Ok(Box::new(stream)) };
        let name = ServerName::try_from(host)
            .map_err(|_| LinkError::Unusable(format!("{} is no name for TLS", self.authority())))?;
        let secured = TlsConnector::from(Arc::clone(config)).connect(name, stream).await;
        let failed = |error| passing(format!("TLS with {} failed: {error}", self.authority()));
        Ok(Box::new(secured.map_err(failed)?))
    }
}

fn passing(text: String) -> LinkError {
    LinkError::Passing(text)
}

async fn tcp(host: &str, port: u16) -> Result<TcpStream, LinkError> {
    let failed = |error| passing(format!("{host} does not resolve: {error}"));
    let found = tokio::net::lookup_host((host, port)).await.map_err(failed)?;
    let mut last = passing(format!("{host} has no address"));
    for remote in found.take(ADDRESSES_MAX) {
        match connect(remote, &Options::default(), Instant::now() + ADDRESS_TIMEOUT).await {
            Ok(connection) => return Ok(connection.stream),
            Err(not) => {
                last = passing(format!("cannot connect to {remote}: {}", not.failure.code()));
            }
        }
    }
    Err(last)
}

/// A tunnel through a forward proxy (RFC 9110 §9.3.6).
async fn through(proxy: &Proxy, authority: &str, port: u16) -> Result<TcpStream, LinkError> {
    let via = proxy.authority();
    let mut stream = tcp(&proxy.host, proxy.port).await?;
    let bare = authority.rsplit_once(':').is_some_and(|(_, end)| end.parse::<u16>().is_ok());
    let place = if bare { authority.to_owned() } else { format!("{authority}:{port}") };
    let mut message = format!("CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n");
    if let Some(credentials) = &proxy.credentials {
        let value = STANDARD.encode(credentials);
        message.push_str(&format!("Proxy-Authorization: Basic {value}\r\n"));
    }
    message.push_str("\r\n");
    let talk = async {
        stream.write_all(message.as_bytes()).await?;
        read_head(&mut stream).await
    };
    let head = talk.await.map_err(|error| passing(format!("the proxy {via} failed: {error}")))?;
    match status_of(&head) {
        Some(200..=299) => Ok(stream),
        Some(status) => Err(passing(format!("the proxy {via} answers {status} to CONNECT"))),
        None => Err(passing(format!("the proxy {via} does not speak HTTP"))),
    }
}

fn config(pin: Option<Pin>) -> Result<Arc<ClientConfig>, rustls::Error> {
    let provider = provider();
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?;
    let mut config = match pin {
        Some(pin) => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Pinned { pin, provider }))
            .with_no_client_auth(),
        None => builder.with_root_certificates(Trust::native().shared()).with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Believes one certificate, whatever name it bears and however old it is: the token that carried
/// the pin came from the server's administrator.
#[derive(Debug)]
struct Pinned {
    pin: Pin,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if Pin::of(end_entity) == self.pin {
            return Ok(ServerCertVerified::assertion());
        }
        Err(rustls::Error::General(
            "this is not the certificate that the token was made for: another server, or \
             somebody in between"
                .to_owned(),
        ))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
