//! Go, Java, .NET and PHP. Java 17 measured (`HttpURLConnection`, `Socket`); Go from its
//! standard library's sources, .NET and PHP from theirs and from public reports.

use super::case::{Case, errno};
use super::systems;
use crate::failure::Failure as F;
use crate::target::Scheme;

/// Go's `net` and `net/http`.
pub(super) fn go(case: &Case<'_>) -> Option<String> {
    if case.target.scheme == Scheme::Icmp {
        return None;
    }
    let (host, at) = (case.host(), case.ip_port());
    let wrong_name = || {
        format!(
            "tls: failed to verify certificate: x509: certificate is not valid for any names, but \
                wanted to match {host}"
        )
    };
    Some(match case.failure {
        F::DnsNotFound | F::DnsNoAddress => format!("dial tcp: lookup {host}: no such host"),
        F::DnsServerFailure | F::DnsRefused => {
            format!("dial tcp: lookup {host}: server misbehaving")
        }
        F::DnsTimedOut => format!("dial tcp: lookup {host}: i/o timeout"),
        F::DnsUnreachable => {
            format!("dial tcp: lookup {host}: Temporary failure in name resolution")
        }
        F::TcpTimedOut if case.http() => format!("dial tcp {at}: i/o timeout"),
        F::TcpReset | F::TlsReset | F::HttpReset => {
            format!("read tcp {at}: read: connection reset by peer")
        }
        F::ProxyRefused | F::ProxyUnreachable | F::ProxyTimedOut => {
            format!("proxyconnect tcp: dial tcp {at}: connect: {}", lower(case.strerror()?))
        }
        F::ProxyUnresolved => "proxyconnect tcp: dial tcp: lookup PROXY: no such host".to_owned(),
        F::ProxyClosed | F::TlsClosed | F::HttpEmptyReply => "EOF".to_owned(),
        F::ProxyAuthRequired => "Proxy Authentication Required".to_owned(),
        F::TlsExpired | F::TlsNotYetValid => {
            "tls: failed to verify certificate: x509: certificate has expired or is not yet valid"
                .to_owned()
        }
        F::TlsSelfSigned | F::TlsUnknownIssuer | F::TlsIncompleteChain => {
            "tls: failed to verify certificate: x509: certificate signed by unknown authority"
                .to_owned()
        }
        F::TlsWrongName => wrong_name(),
        F::TlsProtocolVersion => "remote error: tls: protocol version not supported".to_owned(),
        F::TlsNoCommonCipher => "remote error: tls: handshake failure".to_owned(),
        F::TlsClientCertificateRequired => "remote error: tls: certificate required".to_owned(),
        F::TlsAlert => format!("remote error: tls: {}", go_alert(case.alert())),
        F::TlsNotTls if case.http() => "http: server gave HTTP response to HTTPS client".to_owned(),
        F::TlsNotTls => "tls: first record does not look like a TLS handshake".to_owned(),
        F::TlsTimedOut => "net/http: TLS handshake timeout".to_owned(),
        F::HttpClosedEarly => "unexpected EOF".to_owned(),
        F::HttpNotHttp => {
            "net/http: HTTP/1.x transport connection broken: malformed HTTP response".to_owned()
        }
        F::HttpTooManyRedirects => "stopped after 10 redirects".to_owned(),
        F::UdpRefused => format!("read udp {at}: read: connection refused"),
        _ => format!("dial tcp {at}: connect: {}", lower(case.strerror()?)),
    })
}

fn lower(text: &str) -> String {
    text.to_ascii_lowercase()
}

fn go_alert(alert: Option<u8>) -> &'static str {
    match alert {
        Some(40) => "handshake failure",
        Some(42) => "bad certificate",
        Some(48) => "unknown certificate authority",
        Some(70) => "protocol version not supported",
        Some(112) => "unrecognized name",
        Some(116) => "certificate required",
        _ => "internal error",
    }
}

/// Java's exception.
pub(super) fn java(case: &Case<'_>) -> Option<String> {
    if case.target.scheme == Scheme::Icmp {
        return None;
    }
    if case.gai_strerror().is_some() {
        return Some(format!("java.net.UnknownHostException: {}", case.host()));
    }
    let handshake = |why: &str| format!("javax.net.ssl.SSLHandshakeException: {why}");
    Some(match case.failure {
        F::TcpReset | F::HttpReset | F::TlsReset => "java.net.SocketException: Connection \
            reset"
            .to_owned(),
        F::TlsExpired | F::TlsNotYetValid => handshake(
            "PKIX path validation failed: \
            java.security.cert.CertPathValidatorException: validity check failed",
        ),
        F::TlsSelfSigned | F::TlsUnknownIssuer | F::TlsIncompleteChain => handshake(
            "PKIX path building failed: \
                sun.security.provider.certpath.SunCertPathBuilderException: unable to find valid \
                certification path to requested target",
        ),
        F::TlsWrongName => handshake(&format!(
            "No subject alternative DNS name matching {} \
            found.",
            case.host()
        )),
        F::TlsProtocolVersion => handshake("Received fatal alert: protocol_version"),
        F::TlsNoCommonCipher => handshake("Received fatal alert: handshake_failure"),
        F::TlsClientCertificateRequired => handshake("Received fatal alert: certificate_required"),
        F::TlsAlert => handshake(&format!("Received fatal alert: {}", java_alert(case.alert()))),
        F::TlsNotTls => "javax.net.ssl.SSLException: Unsupported or unrecognized SSL \
            message"
            .to_owned(),
        F::TlsClosed => handshake("Remote host terminated the handshake"),
        F::HttpEmptyReply => "java.net.SocketException: Unexpected end of file from \
            server"
            .to_owned(),
        F::HttpClosedEarly => "java.io.IOException: Premature EOF".to_owned(),
        F::HttpNotHttp => "java.io.IOException: Invalid Http response".to_owned(),
        F::HttpStatus => format!(
            "java.io.IOException: Server returned HTTP response code: {} for \
            URL: {}",
            case.status()?,
            case.target
        ),
        F::HttpTooManyRedirects => "java.net.ProtocolException: Server redirected too many  times \
            (20)"
            .to_owned(),
        F::ProxyAuthRequired if case.target.scheme == Scheme::Https => "java.io.IOException: \
            Unable to tunnel through proxy. Proxy returns \"HTTP/1.1 407 Proxy Authentication \
            Required\""
            .to_owned(),
        _ => java_connect(case.errno()?, case.strerror()?),
    })
}

fn java_connect(number: i32, why: &str) -> String {
    let class = match number {
        errno::ECONNREFUSED | errno::ETIMEDOUT => "ConnectException",
        errno::EHOSTUNREACH => "NoRouteToHostException",
        errno::EACCES | errno::EPERM | errno::EADDRNOTAVAIL => "BindException",
        _ => "SocketException",
    };
    format!("java.net.{class}: {why}")
}

fn java_alert(alert: Option<u8>) -> &'static str {
    match alert {
        Some(40) => "handshake_failure",
        Some(42) => "bad_certificate",
        Some(48) => "unknown_ca",
        Some(70) => "protocol_version",
        Some(112) => "unrecognized_name",
        Some(116) => "certificate_required",
        _ => "internal_error",
    }
}

/// .NET on Windows: the socket exception inside `HttpRequestException`.
pub(super) fn dotnet(case: &Case<'_>) -> Option<String> {
    if case.target.scheme == Scheme::Icmp {
        return None;
    }
    if case.failure.stage() == crate::failure::Stage::Server && is_certificate(case.failure) {
        return Some(
            "System.Security.Authentication.AuthenticationException: The remote \
            certificate is invalid"
                .to_owned(),
        );
    }
    match case.failure {
        F::TlsNotTls => Some(
            "System.Security.Authentication.AuthenticationException: Cannot \
            determine the frame size or a corrupted frame was received."
                .to_owned(),
        ),
        F::HttpEmptyReply => Some(
            "System.Net.Http.HttpIOException: The response ended \
            prematurely. (ResponseEnded)"
                .to_owned(),
        ),
        F::HttpClosedEarly => Some(
            "System.Net.Http.HttpIOException: The response ended \
            prematurely, with at least 1 additional bytes expected. (ResponseEnded)"
                .to_owned(),
        ),
        _ => systems::winsock(case).map(|(number, _, text)| {
            format!(
                "System.Net.Sockets.SocketException ({number}): \
                {text}"
            )
        }),
    }
}

fn is_certificate(failure: F) -> bool {
    matches!(
        failure,
        F::TlsExpired
            | F::TlsNotYetValid
            | F::TlsSelfSigned
            | F::TlsUnknownIssuer
            | F::TlsIncompleteChain
            | F::TlsWrongName
    )
}

/// PHP's streams.
pub(super) fn php(case: &Case<'_>) -> Option<String> {
    if matches!(case.target.scheme, Scheme::Icmp | Scheme::Udp) {
        return None;
    }
    let why = match case.gai_strerror() {
        Some(why) => {
            format!("php_network_getaddresses: getaddrinfo for {} failed: {why}", case.host())
        }
        None => case.strerror()?.to_owned(),
    };
    if case.http() {
        return Some(format!("file_get_contents({}): Failed to open stream: {why}", case.target));
    }
    let at = format!("{}:{}", case.target.host.in_url(), case.port());
    Some(format!("stream_socket_client(): Unable to connect to tcp://{at} ({why})"))
}
