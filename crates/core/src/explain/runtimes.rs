//! What programming languages throw: Node, Python, Go, Java, .NET, PHP, Ruby, Rust, Perl.

use super::pattern::{Pattern, TEMPORARY, UNRESOLVED, says};
use crate::cause::Cause as C;
use crate::failure::Failure as F;

const RESETS: &[F] = &[F::TcpReset, F::TlsReset];
const TIMEOUTS: &[F] = &[F::HttpTimedOut, F::TlsTimedOut];
const UNTRUSTED: &[F] = &[F::TlsSelfSigned, F::TlsIncompleteChain];

pub(super) const PATTERNS: &[Pattern] = &[
    // Node
    says("connect econnrefused", F::TcpRefused).by("node"),
    says("connect etimedout", F::TcpTimedOut).by("node"),
    says("connect ehostunreach", F::TcpHostUnreachable).by("node"),
    says("connect enetunreach", F::TcpNetworkUnreachable).by("node"),
    says("read econnreset", F::HttpReset).by("node").also(RESETS),
    says("socket hang up", F::HttpEmptyReply).by("node").also(&[F::HttpReset]),
    says("other side closed", F::HttpEmptyReply)
        .by("node")
        .also(&[F::HttpClosedEarly, F::TlsClientCertificateRequired]),
    says("und_err_socket", F::HttpEmptyReply)
        .by("node")
        .also(&[F::HttpClosedEarly, F::TlsClientCertificateRequired]),
    says("und_err_connect_timeout", F::TcpTimedOut).by("node").also(&[F::TlsTimedOut]),
    says("connect timeout error", F::TcpTimedOut).by("node").also(&[F::TlsTimedOut]),
    says("und_err_headers_timeout", F::HttpTimedOut).by("node"),
    says("und_err_body_timeout", F::HttpTimedOut).by("node"),
    says("headers timeout error", F::HttpTimedOut).by("node"),
    says("getaddrinfo enotfound", F::DnsNotFound).by("node").also(UNRESOLVED),
    says("enotfound", F::DnsNotFound).by("node").also(UNRESOLVED),
    says("getaddrinfo eai_again", F::DnsTimedOut).by("node").also(TEMPORARY),
    says("hpe_invalid_constant", F::HttpNotHttp).by("node"),
    says("parse error: expected http/", F::HttpNotHttp).by("node"),
    says("response does not match the http/1.1 protocol", F::HttpNotHttp).by("node"),
    says("redirect count exceeded", F::HttpTooManyRedirects).by("node"),
    says("maximum number of redirects exceeded", F::HttpTooManyRedirects).by("node"),
    says(
        "client network socket disconnected before secure tls connection was established",
        F::TlsClosed,
    )
    .by("node")
    .also(&[F::TlsReset]),
    says("cert_has_expired", F::TlsExpired).by("node"),
    says("cert_not_yet_valid", F::TlsNotYetValid).by("node"),
    says("depth_zero_self_signed_cert", F::TlsSelfSigned).by("node"),
    says("self_signed_cert_in_chain", F::TlsUnknownIssuer).by("node"),
    says("unable_to_verify_leaf_signature", F::TlsIncompleteChain)
        .by("node")
        .also(&[F::TlsUnknownIssuer]),
    says("unable_to_get_issuer_cert_locally", F::TlsIncompleteChain).by("node"),
    says("err_tls_cert_altname_invalid", F::TlsWrongName).by("node"),
    says("does not match certificate's altnames", F::TlsWrongName).by("node"),
    says("err_ssl_wrong_version_number", F::TlsNotTls).by("node"),
    says("err_ssl_tlsv1_alert_protocol_version", F::TlsProtocolVersion).by("node"),
    says("err_ssl_sslv3_alert_handshake_failure", F::TlsNoCommonCipher)
        .by("node")
        .also(&[F::TlsClientCertificateRequired]),
    says("err_ssl_tlsv1_unrecognized_name", F::TlsAlert).by("node"),
    says("err_ssl_tlsv1_alert_internal_error", F::TlsAlert).by("node"),
    says("request failed with status code", F::HttpStatus).by("node"),
    says("timeout of", F::HttpTimedOut).with("ms exceeded").by("node").also(&[F::TcpTimedOut]),
    // Python
    says("connectionrefusederror", F::TcpRefused).by("python"),
    says("connectionreseterror", F::TcpReset).by("python").also(&[F::HttpReset, F::TlsReset]),
    says("connectionabortederror", F::TcpReset).by("python").also(&[F::HttpReset]),
    says("remotedisconnected", F::HttpEmptyReply).also(&[F::HttpReset]).by("python"),
    says("remote end closed connection without response", F::HttpEmptyReply).by("python"),
    says("badstatusline", F::HttpNotHttp).by("python"),
    says("incompleteread", F::HttpClosedEarly).by("python"),
    says("failed to establish a new connection", F::TcpRefused)
        .by("python")
        .vague()
        .also(&[F::TcpTimedOut, F::DnsNotFound]),
    says("connecttimeouterror", F::TcpTimedOut).by("python"),
    says("requests.exceptions.connecttimeout", F::TcpTimedOut).by("python"),
    says("httpx.connecttimeout", F::TcpTimedOut).by("python").also(&[F::TlsTimedOut]),
    says("httpx.readtimeout", F::HttpTimedOut).by("python"),
    says("readtimeouterror", F::HttpTimedOut).by("python"),
    says("requests.exceptions.readtimeout", F::HttpTimedOut).by("python"),
    says("read timed out.", F::HttpTimedOut).by("python"),
    says("nameresolutionerror", F::DnsNotFound).by("python").also(UNRESOLVED),
    says("socket.gaierror", F::DnsNotFound).by("python").vague().also(UNRESOLVED),
    says("gaierror(-2", F::DnsNotFound).by("python"),
    says("gaierror(-3", F::DnsTimedOut).by("python"),
    says("gaierror(-5", F::DnsNoAddress).by("python"),
    says("[errno -2] name or service not known", F::DnsNotFound).by("python"),
    says("[errno -3] temporary failure in name resolution", F::DnsTimedOut)
        .by("python")
        .also(TEMPORARY),
    says("tunnel connection failed: 407", F::ProxyAuthRequired).by("python"),
    says("tunnel connection failed", F::ProxyTunnelFailed).by("python"),
    says("proxyerror", F::ProxyRefused)
        .by("python")
        .vague()
        .also(&[F::ProxyTunnelFailed, F::ProxyUnresolved]),
    says("cannot connect to proxy", F::ProxyRefused)
        .by("python")
        .exact()
        .also(&[F::ProxyTunnelFailed, F::ProxyTimedOut]),
    says("unexpected_eof_while_reading", F::TlsClosed).by("python"),
    says("eof occurred in violation of protocol", F::TlsClosed).by("python").also(&[F::TlsReset]),
    says("sslzeroreturnerror", F::TlsClosed).by("python"),
    says("clientconnectorerror", F::TcpRefused).by("python").vague(),
    says("toomanyredirects", F::HttpTooManyRedirects).by("python"),
    says("would lead to an infinite loop", F::HttpTooManyRedirects).by("python").exact(),
    says("urllib.error.httperror: http error", F::HttpStatus).by("python"),
    says("timeouterror", F::TcpTimedOut).by("python").whole().also(TIMEOUTS),
    // Go
    says("eof", F::HttpEmptyReply).by("go").whole().also(&[F::TlsClosed, F::ProxyClosed]),
    says("proxyconnect tcp", F::ProxyTimedOut).with("connection timed out").by("go").exact(),
    says("proxyconnect tcp", F::ProxyUnreachable).with("no route to host").by("go").exact(),
    says("proxyconnect tcp", F::ProxyUnreachable).with("network is unreachable").by("go").exact(),
    says("connect: connection refused", F::TcpRefused),
    says("proxyconnect tcp", F::ProxyRefused).with("connection refused").by("go").exact(),
    says("proxyconnect tcp", F::ProxyTimedOut).with("i/o timeout").by("go").exact(),
    says("proxyconnect tcp", F::ProxyUnresolved).with("no such host").by("go").exact(),
    says("proxyconnect tcp", F::ProxyTunnelFailed).by("go").also(&[F::ProxyRefused]),
    says("no such host", F::DnsNotFound).with("lookup").by("go").also(&[F::DnsNoAddress]),
    says("server misbehaving", F::DnsServerFailure).with("lookup").by("go").also(&[F::DnsRefused]),
    says("i/o timeout", F::DnsTimedOut).with("lookup").by("go"),
    says("i/o timeout", F::DnsTimedOut).with("dial tcp: lookup").by("go"),
    says("i/o timeout", F::TcpTimedOut).with("dial tcp").by("go"),
    says("i/o timeout", F::HttpTimedOut).with("read tcp").by("go"),
    says("tls handshake timeout", F::TlsTimedOut),
    says("client.timeout exceeded while awaiting headers", F::HttpTimedOut)
        .by("go")
        .also(&[F::TcpTimedOut]),
    says("client.timeout or context cancellation while reading body", F::HttpTimedOut).by("go"),
    says("context deadline exceeded", F::HttpTimedOut)
        .by("go")
        .vague()
        .also(&[F::TcpTimedOut, F::DnsTimedOut]),
    says("read: connection reset by peer", F::HttpReset).with("read tcp").by("go").also(RESETS),
    says("unexpected eof", F::HttpClosedEarly).by("go").vague(),
    says(": eof", F::HttpEmptyReply).with("get \"http").by("go").also(&[F::TlsClosed]),
    says(": eof", F::HttpEmptyReply).with("post \"http").by("go").also(&[F::TlsClosed]),
    says("malformed http response", F::HttpNotHttp).by("go"),
    says("malformed http status code", F::HttpNotHttp).by("go"),
    says("server gave http response to https client", F::TlsNotTls).by("go"),
    says("first record does not look like a tls handshake", F::TlsNotTls).by("go"),
    says("certificate has expired or is not yet valid", F::TlsExpired)
        .by("go")
        .also(&[F::TlsNotYetValid]),
    says("certificate signed by unknown authority", F::TlsUnknownIssuer).by("go").also(UNTRUSTED),
    says("x509: certificate is valid for", F::TlsWrongName).by("go"),
    says("x509: certificate is not valid for any names", F::TlsWrongName).by("go"),
    says("x509: cannot validate certificate for", F::TlsWrongName).by("go"),
    says("remote error: tls: handshake failure", F::TlsNoCommonCipher).by("go"),
    says("remote error: tls: protocol version not supported", F::TlsProtocolVersion).by("go"),
    says("tls: server selected unsupported protocol version", F::TlsProtocolVersion).by("go"),
    says("remote error: tls: internal error", F::TlsAlert).by("go"),
    says("remote error: tls: unrecognized name", F::TlsAlert).by("go"),
    says("remote error: tls: certificate required", F::TlsClientCertificateRequired).by("go"),
    says("remote error: tls: bad certificate", F::TlsClientCertificateRequired).by("go"),
    says("stopped after 10 redirects", F::HttpTooManyRedirects).by("go"),
    // Java
    says("java.net.connectexception", F::TcpRefused).by("java").vague().also(&[F::TcpTimedOut]),
    says("java.net.connectexception: connection timed out", F::TcpTimedOut).by("java"),
    says("java.net.sockettimeoutexception: connect timed out", F::TcpTimedOut).by("java"),
    says("java.net.sockettimeoutexception: connection timed out", F::TcpTimedOut).by("java"),
    says("java.net.sockettimeoutexception: read timed out", F::HttpTimedOut).by("java"),
    says("java.net.sockettimeoutexception", F::HttpTimedOut)
        .by("java")
        .vague()
        .also(&[F::TcpTimedOut]),
    says("java.net.noroutetohostexception", F::TcpHostUnreachable).by("java"),
    says("java.net.unknownhostexception", F::DnsNotFound).by("java").also(UNRESOLVED),
    says("java.net.socketexception: connection reset", F::TcpReset)
        .by("java")
        .also(&[F::HttpReset, F::TlsReset]),
    says("java.net.socketexception: unexpected end of file from server", F::HttpEmptyReply)
        .by("java"),
    says("failed to respond", F::HttpEmptyReply).with("nohttpresponseexception").by("java"),
    says("header parser received no bytes", F::HttpEmptyReply).by("java").also(&[F::HttpReset]),
    says("premature end of content-length delimited message body", F::HttpClosedEarly).by("java"),
    says("premature eof", F::HttpClosedEarly).by("java"),
    says("invalid http response", F::HttpNotHttp).by("java"),
    says("invalid status line", F::HttpNotHttp).by("java"),
    says("pkix path building failed", F::TlsUnknownIssuer).by("java").also(UNTRUSTED),
    says("pkix path validation failed", F::TlsExpired)
        .by("java")
        .also(&[F::TlsUnknownIssuer, F::TlsNotYetValid]),
    says("unable to find valid certification path", F::TlsUnknownIssuer).by("java").also(UNTRUSTED),
    says("no subject alternative", F::TlsWrongName).with("found").by("java"),
    says("received fatal alert: handshake_failure", F::TlsNoCommonCipher)
        .by("java")
        .also(&[F::TlsClientCertificateRequired]),
    says("received fatal alert: protocol_version", F::TlsProtocolVersion).by("java"),
    says("received fatal alert: unrecognized_name", F::TlsAlert).by("java"),
    says("received fatal alert: internal_error", F::TlsAlert).by("java"),
    says("received fatal alert: certificate_required", F::TlsClientCertificateRequired).by("java"),
    says("received fatal alert: bad_certificate", F::TlsClientCertificateRequired).by("java"),
    says("unsupported or unrecognized ssl message", F::TlsNotTls).by("java"),
    says("unrecognized ssl message, plaintext connection", F::TlsNotTls).by("java"),
    says("remote host terminated the handshake", F::TlsClosed).by("java").also(&[F::TlsReset]),
    says("remote host closed connection during handshake", F::TlsClosed).by("java"),
    says("server returned http response code:", F::HttpStatus).by("java"),
    says("server redirected too many times", F::HttpTooManyRedirects).by("java"),
    says("unable to tunnel through proxy", F::ProxyTunnelFailed).by("java"),
    says("unable to tunnel through proxy", F::ProxyAuthRequired).with("407").by("java"),
    says("refused. check that the hostname and port are correct", F::TcpRefused).by("java"),
    says("redisconnectionexception: unable to connect to", F::TcpRefused)
        .by("java")
        .vague()
        .also(&[F::TcpTimedOut]),
    says("doesn't match any of the subject alternative names", F::TlsWrongName).by("java"),
    // .NET
    says("the response ended prematurely", F::HttpEmptyReply)
        .by("dotnet")
        .also(&[F::HttpClosedEarly]),
    says("the remote certificate is invalid", F::TlsUnknownIssuer).by("dotnet").also(&[
        F::TlsExpired,
        F::TlsNotYetValid,
        F::TlsSelfSigned,
        F::TlsIncompleteChain,
        F::TlsWrongName,
    ]),
    says("remotecertificatenamemismatch", F::TlsWrongName).by("dotnet").exact(),
    says("cannot determine the frame size or a corrupted frame was received", F::TlsNotTls)
        .by("dotnet"),
    says(
        "could not establish trust relationship for the ssl/tls secure channel",
        F::TlsUnknownIssuer,
    )
    .by("dotnet")
    .also(&[F::TlsExpired, F::TlsWrongName]),
    says("could not create ssl/tls secure channel", F::TlsAlert)
        .by("dotnet")
        .also(&[F::TlsProtocolVersion, F::TlsNoCommonCipher]),
    says("unable to connect to the remote server", F::TcpRefused)
        .by("dotnet")
        .vague()
        .also(&[F::TcpTimedOut, F::TcpHostUnreachable]),
    says("the underlying connection was closed", F::HttpEmptyReply)
        .by("dotnet")
        .vague()
        .also(&[F::HttpReset]),
    says("(500) internal server error", F::HttpStatus).by("dotnet").because(&[C::AppError]),
    says("(502) bad gateway", F::HttpStatus).by("dotnet").because(&[C::UpstreamDead]),
    says("(503) server unavailable", F::HttpStatus)
        .by("dotnet")
        .because(&[C::UpstreamDead, C::ServiceOverloaded]),
    says("(504) gateway timeout", F::HttpStatus).by("dotnet").because(&[C::UpstreamDead]),
    says("httpclient.timeout of", F::HttpTimedOut).by("dotnet").also(&[F::TcpTimedOut]),
    says("response status code does not indicate success", F::HttpStatus).by("dotnet"),
    says(
        "a network-related or instance-specific error occurred while establishing a connection \
        to sql server",
        F::TcpRefused,
    )
    .by("dotnet")
    .vague()
    .also(&[F::TcpTimedOut, F::DnsNotFound]),
    // PHP, Ruby, Rust, Perl
    says("stream_socket_client(): unable to connect to", F::TcpRefused)
        .by("php")
        .vague()
        .also(&[F::TcpTimedOut]),
    says("fsockopen(): unable to connect to", F::TcpRefused)
        .by("php")
        .vague()
        .also(&[F::TcpTimedOut]),
    says("php_network_getaddresses", F::DnsNotFound).by("php").also(UNRESOLVED),
    says("php_network_getaddresses", F::DnsTimedOut)
        .with("temporary failure in name resolution")
        .by("php")
        .also(TEMPORARY),
    says("failed to enable crypto", F::TlsAlert).by("php").vague().also(UNTRUSTED),
    says("errno::econnrefused", F::TcpRefused).by("ruby"),
    says("errno::etimedout", F::TcpTimedOut).by("ruby"),
    says("errno::econnreset", F::TcpReset).by("ruby").also(&[F::HttpReset]),
    says("net::opentimeout", F::TcpTimedOut).by("ruby"),
    says("net::readtimeout", F::HttpTimedOut).by("ruby"),
    says("end of file reached", F::HttpEmptyReply).with("eoferror").by("ruby"),
    says("failed to open tcp connection to", F::TcpRefused)
        .by("ruby")
        .vague()
        .also(&[F::TcpTimedOut, F::DnsNotFound]),
    says("failed to open tcp connection to", F::DnsNotFound).with("getaddrinfo").by("ruby"),
    says("tcp connect error", F::TcpRefused).by("rust").vague().also(&[F::TcpTimedOut]),
    says("failed to lookup address information", F::DnsNotFound).by("rust").also(UNRESOLVED),
    says("failed to lookup address information", F::DnsTimedOut)
        .with("temporary failure in name resolution")
        .by("rust")
        .also(TEMPORARY),
    says("kind: connectionrefused", F::TcpRefused).by("rust"),
    says("invalid peer certificate: expired", F::TlsExpired).by("rust"),
    says("invalid peer certificate: unknownissuer", F::TlsUnknownIssuer).by("rust").also(UNTRUSTED),
    says("invalid peer certificate: notvalidforname", F::TlsWrongName).by("rust"),
    says("connection closed before message completed", F::HttpEmptyReply)
        .by("rust")
        .also(&[F::HttpClosedEarly]),
    says("invalidcontenttype", F::TlsNotTls).with("corrupt message").by("rust"),
    says("can't connect to", F::TcpRefused)
        .with("lwp")
        .by("perl")
        .vague()
        .because(&[C::ServiceNotListening]),
];
