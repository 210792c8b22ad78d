//! What programs print: curl, wget, OpenSSL and GnuTLS, nc, ncat, telnet, ssh, database clients,
//! git, Docker, package managers. `data/error_texts.toml` says which were measured.

use super::pattern::{Pattern, TEMPORARY, UNRESOLVED, blames, says};
use crate::cause::Cause as C;
use crate::failure::Failure as F;

const CURL: &str = "curl";
const CONNECTS: &[F] = &[
    F::TcpHostUnreachable,
    F::TcpNetworkUnreachable,
    F::TcpNotPermitted,
    F::TcpProtocolUnreachable,
    F::TcpNoLocalAddress,
    F::ProxyRefused,
    F::ProxyUnreachable,
];
const TIMEOUTS: &[F] = &[F::TlsTimedOut, F::HttpTimedOut, F::ProxyTimedOut];
const HANDSHAKES: &[F] = &[
    F::TlsNotTls,
    F::TlsClosed,
    F::TlsReset,
    F::TlsNoCommonCipher,
    F::TlsProtocolVersion,
    F::TlsAlert,
];

/// curl and TLS libraries.
pub(super) const TRANSFER: &[Pattern] = &[
    says("curl: (5)", F::ProxyUnresolved).by(CURL),
    says("could not resolve proxy", F::ProxyUnresolved).by(CURL),
    says("couldn't resolve proxy", F::ProxyUnresolved).by(CURL),
    says("curl: (6)", F::DnsNotFound).by(CURL).also(UNRESOLVED),
    says("could not resolve host", F::DnsNotFound).also(UNRESOLVED),
    says("couldn't resolve host", F::DnsNotFound).also(UNRESOLVED),
    says("resolving timed out", F::DnsTimedOut).by(CURL),
    says("curl: (7)", F::TcpRefused).by(CURL).vague().also(CONNECTS),
    says("couldn't connect to server", F::TcpRefused).vague().also(CONNECTS),
    says("could not connect to server", F::TcpRefused)
        .vague()
        .also(&[F::TcpTimedOut, F::TcpHostUnreachable]),
    says("curl error 7", F::TcpRefused).by("php").vague().also(CONNECTS),
    says("curle_couldnt_connect", F::TcpRefused).by(CURL).vague().also(CONNECTS),
    says("curle_couldnt_resolve_host", F::DnsNotFound).by(CURL),
    says("curle_operation_timedout", F::TcpTimedOut).by(CURL).vague().also(TIMEOUTS),
    says("curl: (28)", F::TcpTimedOut).by(CURL).vague().also(TIMEOUTS),
    says("curl: (28)", F::TcpTimedOut)
        .with("couldn't connect to server")
        .by(CURL)
        .also(&[F::ProxyTimedOut]),
    says("curl error 28", F::TcpTimedOut).by("php").vague().also(TIMEOUTS),
    says("curl error 6", F::DnsNotFound).by("php"),
    says("curl error 35", F::TlsAlert).by("php").vague().also(HANDSHAKES),
    says("curl error 52", F::HttpEmptyReply).by("php"),
    says("curl error 56", F::HttpReset).by("php"),
    says("curl error 60", F::TlsUnknownIssuer)
        .by("php")
        .vague()
        .also(&[F::TlsExpired, F::TlsSelfSigned]),
    says("operation timed out after", F::HttpTimedOut).with("bytes received").by(CURL),
    says("operation timed out after", F::HttpTimedOut).with("bytes remaining").by(CURL),
    says("connection timed out after", F::TcpTimedOut).with("milliseconds").by(CURL),
    says("connection timeout after", F::TcpTimedOut).by(CURL),
    says("ssl connection timeout", F::TlsTimedOut).by(CURL),
    says("empty reply from server", F::HttpEmptyReply).by(CURL),
    says("recv failure: connection reset by peer", F::HttpReset).by(CURL).also(&[F::TcpReset]),
    says("curl: (35) recv failure: connection reset by peer", F::TlsReset).by(CURL),
    says("ssl_connect: connection reset by peer", F::TlsReset).by(CURL),
    says("ssl_connect: ssl_error_syscall", F::TlsClosed).by(CURL).also(&[F::TlsReset]),
    says("unexpected eof while reading", F::TlsClosed),
    says("transfer closed with", F::HttpClosedEarly).with("remaining").by(CURL),
    says("curl: (18)", F::HttpClosedEarly).by(CURL),
    says("received http/0.9 when not allowed", F::HttpNotHttp).by(CURL),
    says("http/2 stream", F::HttpClosedEarly).with("was not closed cleanly").by(CURL),
    says("http/2 framing layer", F::HttpClosedEarly).by(CURL),
    says("maximum (50) redirects followed", F::HttpTooManyRedirects).by(CURL),
    says("curl: (47)", F::HttpTooManyRedirects).by(CURL),
    says("the requested url returned error:", F::HttpStatus).by(CURL),
    says("connect tunnel failed, response 407", F::ProxyAuthRequired).by(CURL),
    says("connect tunnel failed", F::ProxyTunnelFailed).by(CURL),
    says("from proxy after connect", F::ProxyTunnelFailed).by(CURL),
    says("received http code 407 from proxy after connect", F::ProxyAuthRequired).by(CURL),
    says("proxy connect aborted", F::ProxyClosed).by(CURL),
    says("curl: (60)", F::TlsUnknownIssuer).by(CURL).vague().also(&[
        F::TlsExpired,
        F::TlsSelfSigned,
        F::TlsWrongName,
    ]),
    says("curl: (35)", F::TlsAlert).by(CURL).vague().also(HANDSHAKES),
    says("curl: (56)", F::HttpReset).by(CURL).vague(),
    says("no alternative certificate subject name matches", F::TlsWrongName).by(CURL),
    says("does not match target host name", F::TlsWrongName).by(CURL),
    // OpenSSL, GnuTLS, SChannel
    says("certificate has expired", F::TlsExpired).also(&[F::TlsNotYetValid]),
    says("certificate_verify_failed", F::TlsUnknownIssuer).vague().also(&[
        F::TlsExpired,
        F::TlsSelfSigned,
        F::TlsIncompleteChain,
    ]),
    says("certificate verify failed", F::TlsUnknownIssuer).vague().also(&[
        F::TlsExpired,
        F::TlsSelfSigned,
        F::TlsIncompleteChain,
    ]),
    says("certificate is not yet valid", F::TlsNotYetValid),
    says("self-signed certificate", F::TlsSelfSigned),
    says("self signed certificate", F::TlsSelfSigned),
    says("self-signed certificate in certificate chain", F::TlsUnknownIssuer),
    says("self signed certificate in certificate chain", F::TlsUnknownIssuer),
    says("unable to get local issuer certificate", F::TlsIncompleteChain)
        .also(&[F::TlsUnknownIssuer]),
    says("unable to verify the first certificate", F::TlsIncompleteChain)
        .also(&[F::TlsUnknownIssuer]),
    says("hostname mismatch", F::TlsWrongName).with("certificate"),
    says("wrong version number", F::TlsNotTls),
    says("wrong_version_number", F::TlsNotTls),
    says("packet length too long", F::TlsNotTls).with("ssl"),
    says("http request", F::HttpSpokenToTls).with("ssl routines"),
    says("unknown protocol", F::TlsNotTls).with("ssl routines"),
    says("alert handshake failure", F::TlsNoCommonCipher).also(&[F::TlsClientCertificateRequired]),
    says("alert_handshake_failure", F::TlsNoCommonCipher).also(&[F::TlsClientCertificateRequired]),
    says("no shared cipher", F::TlsNoCommonCipher),
    says("legacy sigalg disallowed or unsupported", F::TlsProtocolVersion),
    says("alert protocol version", F::TlsProtocolVersion),
    says("unsupported protocol", F::TlsProtocolVersion).with("ssl"),
    says("unrecognized name", F::TlsAlert),
    says("unrecognized_name", F::TlsAlert),
    says("alert internal error", F::TlsAlert),
    says("alert_internal_error", F::TlsAlert),
    says("alert certificate required", F::TlsClientCertificateRequired),
    says("alert_certificate_required", F::TlsClientCertificateRequired),
    says("alert bad certificate", F::TlsClientCertificateRequired),
    says("no required ssl certificate was sent", F::TlsClientCertificateRequired).by("nginx"),
    says("tlsv1_alert_internal_error", F::TlsAlert),
    says("sslv3_alert_handshake_failure", F::TlsNoCommonCipher)
        .also(&[F::TlsClientCertificateRequired]),
    says("tlsv13_alert_certificate_required", F::TlsClientCertificateRequired),
    says("err_ssl_tlsv13_alert_certificate_required", F::TlsClientCertificateRequired).by("node"),
    says("legacy_sigalg_disallowed_or_unsupported", F::TlsProtocolVersion),
    says("tlsv1_alert_protocol_version", F::TlsProtocolVersion),
    says("tlsv1_unrecognized_name", F::TlsAlert),
    says("ssl handshake failed", F::TlsAlert).at_end().vague().also(HANDSHAKES),
    says("tls: handshake failure", F::TlsNoCommonCipher),
    says("certificate expired", F::TlsExpired).at_end(),
    says("ssl_error_syscall, errno 104", F::TlsReset),
    says("failed to receive handshake", F::TlsClosed).with("schannel").also(&[F::TlsReset]),
    says("dh key too small", F::TlsNoCommonCipher),
    says("an unexpected tls packet was received", F::TlsNotTls),
    says("the tls connection was non-properly terminated", F::TlsClosed),
    says("error in the pull function", F::TlsReset),
    says("gnutls_handshake() failed", F::TlsAlert).vague().also(HANDSHAKES),
    says("sec_e_untrusted_root", F::TlsUnknownIssuer),
    says("sec_e_wrong_principal", F::TlsWrongName),
    says("sec_e_cert_expired", F::TlsExpired),
    says("sec_e_illegal_message", F::TlsAlert),
    says("sec_e_invalid_token", F::TlsNotTls),
    says("the plain http request was sent to https port", F::HttpSpokenToTls).by("nginx").exact(),
    says("client sent an http request to an https server", F::HttpSpokenToTls).by("go").exact(),
    says("speaking plain http to an ssl-enabled server port", F::HttpSpokenToTls)
        .by("apache")
        .exact(),
];

/// Tools that knock at ports, and clients of single services.
pub(super) const CLIENTS: &[Pattern] = &[
    says("unable to resolve host address", F::DnsNotFound).by("wget").also(UNRESOLVED),
    says("no data received", F::HttpEmptyReply).with("http request sent").by("wget"),
    says("no data received.", F::HttpEmptyReply).by("wget").whole(),
    says("connection closed.", F::HttpClosedEarly).by("wget").whole(),
    says("read error (connection reset by peer)", F::HttpReset).by("wget").also(&[F::TcpReset]),
    says("redirections exceeded", F::HttpTooManyRedirects).by("wget"),
    says("unable to establish ssl connection", F::TlsNotTls).by("wget").vague().also(HANDSHAKES),
    says("doesn't have a known issuer", F::TlsUnknownIssuer)
        .by("wget")
        .also(&[F::TlsSelfSigned, F::TlsIncompleteChain]),
    says("the certificate's owner does not match", F::TlsWrongName).by("wget"),
    says("the certificate has expired", F::TlsExpired),
    says("is not yet activated", F::TlsNotYetValid).with("the certificate of").by("wget"),
    says("has expired", F::TlsExpired).with("the certificate of"),
    says("proxy tunneling failed", F::ProxyTunnelFailed).by("wget"),
    says("ncat: timeout", F::TcpTimedOut).by("ncat"),
    says("ncat: connection refused", F::TcpRefused).by("ncat"),
    says("nc: connect to", F::TcpTimedOut).with("timed out").by("nc"),
    says("operation now in progress", F::TcpTimedOut).with("nc: connect to").by("nc"),
    says("telnet: unable to connect to remote host", F::TcpRefused).by("telnet").vague(),
    says("connection closed by foreign host", F::TcpReset)
        .by("telnet")
        .also(&[F::HttpEmptyReply, F::HttpReset]),
    says("could not open connection to the host, on port", F::TcpRefused)
        .by("telnet")
        .also(&[F::TcpTimedOut, F::TcpHostUnreachable]),
    says("could not resolve hostname", F::DnsNotFound).also(UNRESOLVED),
    says("could not resolve hostname", F::DnsTimedOut)
        .with("temporary failure in name resolution")
        .also(TEMPORARY),
    says("could not resolve hostname", F::DnsNoAddress).with("no address associated with hostname"),
    says("kex_exchange_identification: read: connection reset by peer", F::TcpReset).by("ssh"),
    says("kex_exchange_identification: connection closed by remote host", F::TcpReset)
        .by("ssh")
        .because(&[C::ServiceClosesConnections, C::ServiceOverloaded])
        .also(&[F::HttpEmptyReply]),
    says("ssh_exchange_identification: connection closed by remote host", F::TcpReset)
        .by("ssh")
        .because(&[C::ServiceClosesConnections, C::ServiceOverloaded]),
    says("ssh_exchange_identification: read: connection reset by peer", F::TcpReset).by("ssh"),
    says("connection timed out during banner exchange", F::HttpTimedOut)
        .by("ssh")
        .because(&[C::ServiceHung, C::ServiceOverloaded, C::PathMtu])
        .exact(),
    says("banner exchange: connection to", F::BannerUnexpected).with("invalid format").by("ssh"),
    says("bad remote protocol version identification", F::BannerUnexpected).by("ssh"),
    says("network error: connection refused", F::TcpRefused).by("putty"),
    says("network error: connection timed out", F::TcpTimedOut).by("putty"),
    says("network error: software caused connection abort", F::TcpReset).by("putty"),
    says("remote side unexpectedly closed network connection", F::TcpReset).by("putty"),
    says("could not translate host name", F::DnsNotFound).by("psql").also(UNRESOLVED),
    says("could not translate host name", F::DnsTimedOut)
        .with("temporary failure in name resolution")
        .by("psql")
        .also(TEMPORARY),
    says("server closed the connection unexpectedly", F::TcpReset)
        .by("psql")
        .also(&[F::HttpEmptyReply]),
    says("received invalid response to ssl negotiation", F::BannerUnexpected).by("psql"),
    says("expected authentication request from server", F::BannerUnexpected).by("psql"),
    says("is the server running on that host and accepting tcp/ip connections", F::TcpRefused)
        .by("psql")
        .vague()
        .also(&[F::TcpTimedOut, F::TcpHostUnreachable]),
    says("is the server running on host", F::TcpRefused).by("psql").vague().also(&[F::TcpTimedOut]),
    says("is the server running locally and accepting connections on", F::TcpRefused).by("psql"),
    says("timeout expired", F::TcpTimedOut).with("connection to server at").by("psql"),
    says("sorry, too many clients already", F::BannerUnexpected)
        .by("psql")
        .because(&[C::ServiceOverloaded]),
    says("remaining connection slots are reserved", F::BannerUnexpected)
        .by("psql")
        .because(&[C::ServiceOverloaded]),
    says("can't connect to mysql server on", F::TcpRefused)
        .by("mysql")
        .vague()
        .also(&[F::TcpTimedOut, F::TcpHostUnreachable]),
    says("can't connect to mysql server on", F::TcpRefused).with("(111)").by("mysql"),
    says("can't connect to mysql server on", F::TcpRefused).with("(61)").by("mysql"),
    says("can't connect to mysql server on", F::TcpRefused).with("(10061)").by("mysql"),
    says("can't connect to mysql server on", F::TcpTimedOut).with("(110)").by("mysql"),
    says("can't connect to mysql server on", F::TcpTimedOut).with("(60)").by("mysql"),
    says("can't connect to mysql server on", F::TcpTimedOut).with("(10060)").by("mysql"),
    says("can't connect to mysql server on", F::TcpTimedOut).with("(4)").by("mysql"),
    says("can't connect to mysql server on", F::TcpHostUnreachable).with("(113)").by("mysql"),
    says("can't connect to mysql server on", F::TcpNetworkUnreachable).with("(101)").by("mysql"),
    says("can't connect to mysql server on", F::TcpNotPermitted).with("(13)").by("mysql"),
    says("can't connect to mysql server on", F::TcpNoLocalAddress).with("(99)").by("mysql"),
    says("can't connect to mysql server on", F::TcpProtocolUnreachable).with("(92)").by("mysql"),
    says("can't connect to mysql server on", F::TcpNetworkUnreachable).with("(22)").by("mysql"),
    says("can't connect to server on", F::TcpRefused).with("(111)").by("mysql"),
    says("can't connect to local mysql server through socket", F::TcpRefused).by("mysql"),
    says("can't connect to local server through socket", F::TcpRefused).by("mysql"),
    says("error 2002 (hy000)", F::TcpRefused).by("mysql").vague(),
    says("error 2003 (hy000)", F::TcpRefused).by("mysql").vague(),
    says("sqlstate[hy000] [2002]", F::TcpRefused).by("php").vague(),
    says("unknown mysql server host", F::DnsNotFound).by("mysql").also(UNRESOLVED),
    says("lost connection to mysql server at 'reading initial communication packet'", F::TcpReset)
        .by("mysql")
        .also(&[F::HttpTimedOut, F::BannerUnexpected, F::HttpEmptyReply])
        .exact(),
    says("lost connection to mysql server during query", F::TcpReset).by("mysql"),
    says("mysql server has gone away", F::TcpReset)
        .by("mysql")
        .because(&[C::ServiceClosesConnections]),
    says("communications link failure", F::TcpRefused)
        .by("java")
        .vague()
        .also(&[F::TcpTimedOut, F::TcpReset]),
    says("could not connect to redis at", F::TcpRefused).by("redis-cli").vague(),
    says("error: server closed the connection", F::TcpReset)
        .by("redis-cli")
        .also(&[F::HttpEmptyReply]),
    says("as reply type byte", F::BannerUnexpected).by("redis-cli"),
    says("couldn't connect to server", F::TcpRefused).with("mongo").by("mongosh"),
    says("mongonetworkerror", F::TcpRefused).by("mongosh").vague().also(&[F::TcpTimedOut]),
    says("serverselectiontimeouterror", F::TcpTimedOut).by("python").vague().also(&[F::TcpRefused]),
    says("amqpconnectionerror", F::TcpRefused).by("python").vague(),
    says("failed to connect to", F::TcpRefused)
        .with("fatal: unable to access")
        .by("git")
        .vague()
        .also(&[F::TcpTimedOut]),
    says("could not read from remote repository", F::TcpRefused)
        .by("git")
        .vague()
        .also(&[F::TcpTimedOut, F::DnsNotFound]),
    says("the remote end hung up unexpectedly", F::HttpClosedEarly).by("git").also(&[F::TcpReset]),
    says("rpc failed; curl 56", F::HttpReset).by("git"),
    says("rpc failed; curl 18", F::HttpClosedEarly).by("git"),
    says("rpc failed; curl 28", F::HttpTimedOut).by("git"),
    says("cannot connect to the docker daemon", F::TcpRefused)
        .by("docker")
        .because(&[C::ServiceNotListening]),
    says("the connection to the server", F::TcpRefused)
        .with("did you specify the right host or port")
        .by("kubectl"),
    says("unable to connect to the server:", F::TcpTimedOut)
        .by("kubectl")
        .vague()
        .also(&[F::DnsNotFound, F::TcpRefused]),
    says("err! network timeout at", F::HttpTimedOut).by("npm"),
    says("request to", F::TcpRefused).with("failed, reason: connect econnrefused").by("node"),
    says("minecraft", F::TcpRefused).with("connection refused: no further information").by("java"),
    says("connection refused: no further information", F::TcpRefused).by("java"),
    says("connection refused: getsockopt", F::TcpRefused).by("java"),
    says("421 service not available", F::BannerUnexpected)
        .by("ftp")
        .because(&[C::ServiceOverloaded]),
    says("421 too many connections", F::BannerUnexpected).because(&[C::ServiceOverloaded]),
    says("554 5.7.1", F::BannerUnexpected).with("smtp").because(&[C::ServiceClosesConnections]),
    says("(connect to", F::TcpTimedOut)
        .with("status=deferred")
        .by("postfix")
        .vague()
        .also(&[F::TcpRefused]),
    says("while receiving the initial server greeting", F::TcpReset)
        .with("lost connection with")
        .by("postfix"),
    says("can't reach database server at", F::TcpRefused)
        .by("prisma")
        .vague()
        .also(&[F::TcpTimedOut]),
    says("ora-12541", F::TcpRefused).by("oracle"),
    says("ora-12170", F::TcpTimedOut).by("oracle"),
    says("can't contact ldap server", F::TcpRefused)
        .by("ldap")
        .vague()
        .also(&[F::TcpTimedOut, F::DnsNotFound]),
    says("broker may not be available", F::TcpRefused)
        .with("connection to node")
        .by("kafka")
        .also(&[F::TcpTimedOut]),
    blames("maxstartups throttling", &[C::ServiceOverloaded]).by("sshd"),
];
