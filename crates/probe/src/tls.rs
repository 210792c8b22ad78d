//! TLS handshakes: rustls stays behind this module. A handshake is finished even when the
//! certificate is bad, so that the chain can be shown; the caller must not send anything on a
//! connection whose `failure` is set.

mod chain;
mod legacy;
mod recorder;
mod trust;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, PeerIncompatible};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use whydown_core::failure::Failure;
use whydown_core::observation::TlsFacts;
use whydown_core::target::Host;

pub use trust::Trust;
pub(crate) use trust::provider;

use crate::connect::Connection;
use crate::redact;
use crate::tap::{Record, StreamError, Tap};
use recorder::{NoClientCertificate, Recorder};

const ALERT_HANDSHAKE_FAILURE: u8 = 40;
const ALERT_NO_CERTIFICATE: u8 = 41;
const ALERT_BAD_CERTIFICATE: u8 = 42;
const ALERT_PROTOCOL_VERSION: u8 = 70;
const ALERT_INSUFFICIENT_SECURITY: u8 = 71;
const ALERT_CERTIFICATE_REQUIRED: u8 = 116;
/// How long we listen, after a handshake, for the refusal of a missing client certificate.
const REFUSAL_WAIT: Duration = Duration::from_millis(500);

/// An encrypted stream over a watched TCP connection.
pub(crate) type Stream = TlsStream<Tap<TcpStream>>;

/// A handshake that has ended, well or not.
pub(crate) struct Shaken {
    /// The stream; `None` when the handshake itself failed.
    pub(crate) stream: Option<Stream>,
    /// Handshake failure, or the decisive defect of the certificate.
    pub(crate) failure: Option<Failure>,
    /// What was seen.
    pub(crate) facts: TlsFacts,
    /// In words, where a code is not enough.
    pub(crate) detail: Option<String>,
    /// What the port said instead of TLS.
    pub(crate) sample: Option<String>,
    /// The system call's error number.
    pub(crate) errno: Option<i32>,
    /// How long it took.
    pub(crate) elapsed: Duration,
    /// What was seen below TLS.
    pub(crate) record: Record,
}

/// Whom we expect behind a connection, and how to judge.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer<'a> {
    /// The name that the certificate must be for, sent as SNI when it is a name.
    pub(crate) host: &'a Host,
    /// Where we are connected; `None` behind a proxy. For a second look at old servers.
    pub(crate) remote: Option<SocketAddr>,
    /// Application protocols offered, in order.
    pub(crate) alpn: &'a [&'a str],
    /// Trusted authorities.
    pub(crate) trust: &'a Trust,
    /// How it begins.
    pub(crate) hello: Hello,
}

/// How large our first message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hello {
    /// With a post-quantum key, as browsers send it: more than one packet.
    Usual,
    /// Without: one packet.
    Small,
}

/// Makes a handshake.
pub(crate) async fn handshake(
    connection: Connection,
    peer: &Peer<'_>,
    deadline: Instant,
) -> Shaken {
    let begin = Instant::now();
    let recorder = Arc::new(Recorder::default());
    let prepared = server_name(peer.host).and_then(|name| Ok((name, config(peer, &recorder)?)));
    let (name, config) = match prepared {
        Ok(prepared) => prepared,
        Err(detail) => return Shaken::own_fault(detail),
    };
    let (tapped, record) = match connection.reset {
        true => Tap::after_reset(connection.stream),
        false => Tap::new(connection.stream),
    };
    let connecting = TlsConnector::from(Arc::new(config)).connect(name.clone(), tapped);
    let mut shaken = match timeout_at(deadline, connecting).await {
        Ok(Ok(stream)) => succeeded(stream, &name, peer, &recorder),
        Ok(Err(error)) => {
            let asked = recorder.presented().asked;
            let mut shaken = failed(&StreamError::new(&error), &record, asked);
            look_again(&mut shaken, peer, deadline).await;
            shaken
        }
        Err(_) => silent(&record),
    };
    if shaken.stream.is_none() {
        let presented = recorder.presented();
        shaken.facts.client_certificate_requested = presented.asked;
        shaken.facts.chain =
            chain::judge(&presented.chain, &name, peer.trust, Timestamp::now()).chain;
    }
    shaken.elapsed = begin.elapsed();
    shaken.record = record;
    shaken
}

impl Shaken {
    fn with(failure: Failure, facts: TlsFacts) -> Self {
        Self {
            stream: None,
            failure: Some(failure),
            facts,
            detail: None,
            sample: None,
            errno: None,
            elapsed: Duration::ZERO,
            record: Record::default(),
        }
    }

    fn own_fault(detail: String) -> Self {
        Self { detail: Some(detail), ..Self::with(Failure::SelfInternal, TlsFacts::default()) }
    }
}

fn server_name(host: &Host) -> Result<ServerName<'static>, String> {
    match host {
        Host::Ip(ip) => Ok(ServerName::IpAddress((*ip).into())),
        Host::Name(name) => ServerName::try_from(name.clone())
            .map_err(|_| format!("{name:?} cannot be sent as a server name (SNI)")),
    }
}

fn config(peer: &Peer<'_>, recorder: &Arc<Recorder>) -> Result<ClientConfig, String> {
    let provider = match peer.hello {
        Hello::Usual => trust::provider(),
        Hello::Small => trust::provider_without_post_quantum(),
    };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(recorder.clone())
        .with_client_cert_resolver(Arc::new(NoClientCertificate(recorder.clone())));
    config.alpn_protocols = peer.alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    Ok(config)
}

fn succeeded(
    stream: Stream,
    name: &ServerName<'_>,
    peer: &Peer<'_>,
    recorder: &Recorder,
) -> Shaken {
    let connection = stream.get_ref().1;
    let version = connection.protocol_version().and_then(|version| version.as_str());
    let suite = connection.negotiated_cipher_suite();
    let alpn = connection.alpn_protocol();
    let presented = recorder.presented();
    let judged = chain::judge(&presented.chain, name, peer.trust, Timestamp::now());
    let facts = TlsFacts {
        version: version.map(|name| name.replace('_', ".")),
        cipher: suite.and_then(|suite| suite.suite().as_str()).map(str::to_owned),
        alpn: alpn.map(|name| redact::printable(&String::from_utf8_lossy(name), 32)),
        alert: None,
        client_certificate_requested: presented.asked,
        chain: judged.chain,
        defects: judged.defects.clone(),
    };
    Shaken {
        stream: Some(stream),
        failure: judged.defects.first().copied(),
        facts,
        detail: judged.detail,
        sample: None,
        errno: None,
        elapsed: Duration::ZERO,
        record: Record::default(),
    }
}

/// What a failed handshake means. `asked`: the server had asked for a client certificate.
fn failed(error: &StreamError, record: &Record, asked: bool) -> Shaken {
    let seen = record.seen();
    let mut shaken = match foreign(&seen.sample) {
        Some(sample) => {
            let with = Shaken::with(Failure::TlsNotTls, TlsFacts::default());
            Shaken { sample: Some(sample), ..with }
        }
        None => {
            let (failure, alert) = match (failure_of(error, asked), &seen.error) {
                ((Failure::TlsClosed, alert), Some(error)) if error.is_reset() => {
                    (Failure::TlsReset, alert)
                }
                (other, _) => other,
            };
            Shaken::with(failure, TlsFacts { alert, ..TlsFacts::default() })
        }
    };
    shaken.errno = error.errno;
    shaken.detail = Some(redact::printable(&error.text, 200));
    shaken
}

fn silent(record: &Record) -> Shaken {
    match foreign(&record.seen().sample) {
        Some(sample) => {
            Shaken { sample: Some(sample), ..Shaken::with(Failure::TlsNotTls, TlsFacts::default()) }
        }
        None => Shaken::with(Failure::TlsTimedOut, TlsFacts::default()),
    }
}

/// The failure that a stream's error means while or after shaking hands, and the alert in it.
pub(crate) fn failure_of(error: &StreamError, asked: bool) -> (Failure, Option<u8>) {
    match &error.tls {
        Some(rustls::Error::AlertReceived(description)) => {
            let alert = u8::from(*description);
            (failure_of_alert(alert, asked), Some(alert))
        }
        Some(rustls::Error::PeerIncompatible(why)) => (failure_of_incompatible(why), None),
        Some(_) => (Failure::TlsAlert, None),
        None if error.is_reset() => (Failure::TlsReset, None),
        None => (Failure::TlsClosed, None),
    }
}

/// RFC 8446 §6.2. Before TLS 1.3 a missing client certificate is "handshake failure" too.
fn failure_of_alert(alert: u8, asked: bool) -> Failure {
    match alert {
        ALERT_CERTIFICATE_REQUIRED => Failure::TlsClientCertificateRequired,
        ALERT_HANDSHAKE_FAILURE | ALERT_NO_CERTIFICATE | ALERT_BAD_CERTIFICATE if asked => {
            Failure::TlsClientCertificateRequired
        }
        ALERT_HANDSHAKE_FAILURE | ALERT_INSUFFICIENT_SECURITY => Failure::TlsNoCommonCipher,
        ALERT_PROTOCOL_VERSION => Failure::TlsProtocolVersion,
        _ => Failure::TlsAlert,
    }
}

fn failure_of_incompatible(why: &PeerIncompatible) -> Failure {
    match why {
        PeerIncompatible::ServerDoesNotSupportTls12Or13
        | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
        | PeerIncompatible::SupportedVersionsExtensionRequired => Failure::TlsProtocolVersion,
        _ => Failure::TlsNoCommonCipher,
    }
}

/// The beginning of what a port said, when that cannot be a TLS record (RFC 8446 §5.1: type 20
/// to 24, major version 3).
fn foreign(sample: &[u8]) -> Option<String> {
    let record = match sample {
        [] => true,
        [kind] => (20..=24).contains(kind),
        [kind, major, ..] => (20..=24).contains(kind) && *major == 3,
    };
    (!record).then(|| redact::banner(sample))
}

/// Servers of another age all fail alike with us: asks with an old ClientHello what they want.
async fn look_again(shaken: &mut Shaken, peer: &Peer<'_>, deadline: Instant) {
    let unsure =
        matches!(shaken.failure, Some(Failure::TlsProtocolVersion | Failure::TlsNoCommonCipher));
    let Some(remote) = peer.remote.filter(|_| unsure) else { return };
    match legacy::ask(remote, peer.host.name(), deadline).await {
        legacy::Reply::Hello { version, suite } => {
            let name = legacy::version_name(version);
            let old = version < 0x0303;
            shaken.failure =
                Some(if old { Failure::TlsProtocolVersion } else { Failure::TlsNoCommonCipher });
            shaken.detail = Some(format!("the server chooses {name}, cipher suite {suite:#06x}"));
        }
        legacy::Reply::Alert(_) | legacy::Reply::Unclear => {}
    }
}

/// TLS 1.3 refuses a missing client certificate after the handshake: listens a moment for that,
/// when one was asked for. Nothing else is read.
pub(crate) async fn refusal(stream: &mut Stream, deadline: Instant) -> Option<(Failure, u8)> {
    let mut buffer = [0_u8; 1];
    let until = deadline.min(Instant::now() + REFUSAL_WAIT);
    match timeout_at(until, stream.read(&mut buffer)).await {
        Ok(Err(error)) => match failure_of(&StreamError::new(&error), true) {
            (failure, Some(alert)) => Some((failure, alert)),
            (_, None) => None,
        },
        _ => None,
    }
}
