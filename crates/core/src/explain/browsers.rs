//! What browsers show: Chromium's codes and sentences, Firefox's pages and security codes,
//! Safari's sentences. Measured, and from `net_error_list.h`, `netError.ftl`, `SSLerrs.h`.

use super::pattern::{Pattern, TEMPORARY, UNRESOLVED, blames, says};
use crate::cause::Cause as C;
use crate::failure::Failure as F;

const CHROME: &str = "chrome";
const FIREFOX: &str = "firefox";
const SAFARI: &str = "safari";
const RESETS: &[F] = &[F::TlsReset, F::TcpReset];
const TIMEOUTS: &[F] = &[F::TlsTimedOut, F::HttpTimedOut, F::ProxyTimedOut];

pub(super) const PATTERNS: &[Pattern] = &[
    says("err_connection_refused", F::TcpRefused).by(CHROME),
    says("refused to connect", F::TcpRefused).at_end().by(CHROME),
    says("err_connection_timed_out", F::TcpTimedOut).by(CHROME),
    says("took too long to respond", F::TcpTimedOut).at_end().by(CHROME).also(TIMEOUTS),
    says("err_timed_out", F::TlsTimedOut).by(CHROME).also(&[
        F::ProxyTimedOut,
        F::HttpTimedOut,
        F::TcpTimedOut,
    ]),
    says("err_connection_reset", F::HttpReset).by(CHROME).also(RESETS),
    says("the connection was reset", F::HttpReset).at_end().also(&[
        F::HttpEmptyReply,
        F::TcpReset,
        F::HttpNotHttp,
        F::ProxyClosed,
    ]),
    says("err_connection_closed", F::TlsClosed).by(CHROME).also(&[F::HttpEmptyReply]),
    says("unexpectedly closed the connection", F::TlsClosed)
        .at_end()
        .by(CHROME)
        .also(&[F::HttpEmptyReply]),
    says("err_connection_aborted", F::HttpReset).by(CHROME),
    says("err_connection_failed", F::TcpRefused)
        .by(CHROME)
        .also(&[F::TcpTimedOut, F::TcpHostUnreachable]),
    says("err_socket_not_connected", F::HttpReset).by(CHROME),
    says("err_address_unreachable", F::TcpHostUnreachable)
        .by(CHROME)
        .also(&[F::TcpNetworkUnreachable]),
    says("err_network_access_denied", F::TcpNotPermitted).by(CHROME),
    says("err_access_denied", F::TcpNotPermitted).by(CHROME),
    says("err_invalid_argument", F::TcpNetworkUnreachable).by(CHROME),
    says("err_not_implemented", F::TcpProtocolUnreachable).by(CHROME),
    says("err_address_invalid", F::TcpNoLocalAddress).by(CHROME),
    says("err_internet_disconnected", F::SelfOffline).by(CHROME),
    says("err_network_changed", F::SelfOffline).by(CHROME),
    says("err_network_io_suspended", F::SelfOffline).by(CHROME),
    says("err_insufficient_resources", F::SelfResources).by(CHROME),
    says("err_name_not_resolved", F::DnsNotFound).by(CHROME).also(UNRESOLVED),
    says("err_name_resolution_failed", F::DnsServerFailure).by(CHROME).also(UNRESOLVED),
    says("err_icann_name_collision", F::DnsNotFound).by(CHROME),
    says("dns_probe_finished_nxdomain", F::DnsNotFound).by(CHROME),
    says("dns_probe_finished_no_internet", F::SelfOffline)
        .by(CHROME)
        .also(&[F::DnsNotFound, F::DnsTimedOut]),
    says("dns_probe_finished_bad_config", F::DnsTimedOut).by(CHROME).also(TEMPORARY),
    says("dns_probe_finished_bad_secure_config", F::DnsTimedOut).by(CHROME),
    says("dns_probe_started", F::DnsTimedOut).by(CHROME).also(TEMPORARY),
    says("dns_probe_possible", F::DnsTimedOut).by(CHROME).also(TEMPORARY),
    says("server ip address could not be found", F::DnsNotFound).by(CHROME).also(UNRESOLVED),
    says("dns address could not be found", F::DnsNotFound).by(CHROME).also(UNRESOLVED),
    says("err_proxy_connection_failed", F::ProxyRefused)
        .by(CHROME)
        .also(&[F::ProxyUnreachable, F::ProxyUnresolved]),
    says("err_tunnel_connection_failed", F::ProxyTunnelFailed).by(CHROME),
    says("err_proxy_auth_unsupported", F::ProxyAuthRequired).by(CHROME),
    says("err_proxy_auth_requested", F::ProxyAuthRequired).by(CHROME),
    says("err_invalid_auth_credentials", F::ProxyAuthRequired).by(CHROME).also(&[F::HttpStatus]),
    says("err_proxy_certificate_invalid", F::ProxyTunnelFailed).by(CHROME),
    says("something wrong with the proxy server", F::ProxyRefused).by(CHROME),
    says("err_cert_date_invalid", F::TlsExpired).by(CHROME).also(&[F::TlsNotYetValid]),
    says("err_cert_authority_invalid", F::TlsUnknownIssuer)
        .by(CHROME)
        .also(&[F::TlsSelfSigned, F::TlsIncompleteChain]),
    says("err_cert_common_name_invalid", F::TlsWrongName).by(CHROME),
    says("err_cert_weak_signature_algorithm", F::TlsUnknownIssuer).by(CHROME),
    says("err_cert_revoked", F::TlsUnknownIssuer).by(CHROME),
    says("err_cert_invalid", F::TlsUnknownIssuer).by(CHROME),
    says("err_certificate_transparency_required", F::TlsUnknownIssuer).by(CHROME),
    says("your connection is not private", F::TlsUnknownIssuer).by(CHROME).vague().also(&[
        F::TlsExpired,
        F::TlsWrongName,
        F::TlsSelfSigned,
        F::TlsIncompleteChain,
        F::TlsNotYetValid,
    ]),
    says("your clock is behind", F::TlsNotYetValid).by(CHROME).because(&[C::ClientClock]),
    says("your clock is ahead", F::TlsExpired).by(CHROME).because(&[C::ClientClock]),
    says("err_ssl_version_or_cipher_mismatch", F::TlsNoCommonCipher)
        .by(CHROME)
        .also(&[F::TlsProtocolVersion]),
    says("uses an unsupported protocol", F::TlsNoCommonCipher)
        .by(CHROME)
        .also(&[F::TlsProtocolVersion]),
    says("err_ssl_obsolete_version", F::TlsProtocolVersion).by(CHROME),
    says("err_ssl_protocol_error", F::TlsNotTls).by(CHROME).also(&[F::TlsAlert]),
    says("sent an invalid response", F::TlsNotTls).at_end().by(CHROME).also(&[F::HttpNotHttp]),
    says("err_ssl_unrecognized_name_alert", F::TlsAlert).by(CHROME),
    says("err_ssl_decrypt_error_alert", F::TlsAlert).by(CHROME),
    says("err_ssl_bad_record_mac_alert", F::TlsAlert).by(CHROME),
    says("err_bad_ssl_client_auth_cert", F::TlsClientCertificateRequired).by(CHROME),
    says("err_ssl_client_auth_cert_needed", F::TlsClientCertificateRequired).by(CHROME),
    says("didn't accept your login certificate", F::TlsClientCertificateRequired).by(CHROME),
    says("err_empty_response", F::HttpEmptyReply).by(CHROME).also(&[F::ProxyClosed]),
    says("didn't send any data", F::HttpEmptyReply).at_end().by(CHROME),
    says("err_invalid_http_response", F::HttpNotHttp).by(CHROME),
    says("err_content_length_mismatch", F::HttpClosedEarly).by(CHROME),
    says("err_incomplete_chunked_encoding", F::HttpClosedEarly).by(CHROME),
    says("err_http2_protocol_error", F::HttpClosedEarly).by(CHROME).also(&[F::HttpNotHttp]),
    says("err_http2_ping_failed", F::HttpTimedOut).by(CHROME),
    says("err_quic_protocol_error", F::HttpClosedEarly).by(CHROME).also(&[F::HttpTimedOut]),
    says("err_http_response_code_failure", F::HttpStatus).by(CHROME),
    says("this page isn't working", F::HttpStatus).by(CHROME).vague().also(&[F::HttpEmptyReply]),
    says("err_too_many_redirects", F::HttpTooManyRedirects).by(CHROME),
    says("redirected you too many times", F::HttpTooManyRedirects).by(CHROME),
    blames("err_unsafe_port", &[C::ClientUnsafePort]).by(CHROME),
    says("this site can't be reached", F::TcpRefused).by(CHROME).vague().also(&[
        F::TcpTimedOut,
        F::DnsNotFound,
        F::TcpHostUnreachable,
    ]),
    says("no internet", F::SelfOffline).with("err_internet_disconnected").by(CHROME),
    blames("bad port", &[C::ClientUnsafePort]).by("node").whole(),
    says("this server could not prove that it is", F::TlsWrongName)
        .by(CHROME)
        .also(&[F::TlsExpired, F::TlsUnknownIssuer]),
    // Firefox
    says("unable to connect", F::TcpRefused)
        .with("firefox")
        .by(FIREFOX)
        .also(&[F::TcpHostUnreachable, F::TcpNetworkUnreachable]),
    says("firefox can't establish a connection to the server", F::TcpRefused)
        .by(FIREFOX)
        .also(&[F::TcpHostUnreachable, F::TcpNetworkUnreachable]),
    says("e=connectionfailure", F::TcpRefused).by(FIREFOX).also(&[
        F::TcpHostUnreachable,
        F::TcpNetworkUnreachable,
        F::TcpNotPermitted,
        F::ProxyTunnelFailed,
        F::TcpNoLocalAddress,
    ]),
    says("ns_error_connection_refused", F::TcpRefused).by(FIREFOX),
    says("the connection has timed out", F::TcpTimedOut)
        .at_end()
        .by(FIREFOX)
        .also(&[F::ProxyTimedOut]),
    says("is taking too long to respond", F::TcpTimedOut)
        .at_end()
        .by(FIREFOX)
        .also(&[F::ProxyTimedOut]),
    says("e=nettimeout", F::TcpTimedOut).by(FIREFOX).also(&[F::ProxyTimedOut]),
    says("ns_error_net_timeout", F::TcpTimedOut).by(FIREFOX).also(TIMEOUTS),
    says("e=netreset", F::HttpReset).by(FIREFOX).also(&[
        F::HttpEmptyReply,
        F::HttpNotHttp,
        F::TcpReset,
        F::ProxyClosed,
    ]),
    says("the connection to the server was reset while the page was loading", F::HttpReset)
        .by(FIREFOX)
        .also(&[F::HttpEmptyReply, F::HttpNotHttp]),
    says("looks like there's a problem with this site", F::HttpReset).by(FIREFOX).vague().also(&[
        F::HttpEmptyReply,
        F::HttpNotHttp,
        F::TcpReset,
        F::HttpStatus,
    ]),
    says("ns_error_net_reset", F::HttpReset).by(FIREFOX).also(&[F::HttpEmptyReply]),
    says("ns_error_net_interrupt", F::HttpClosedEarly).by(FIREFOX),
    says("ns_error_net_partial_transfer", F::HttpClosedEarly).by(FIREFOX),
    says("ns_error_net_empty_response", F::HttpEmptyReply).by(FIREFOX),
    says("e=netinterrupt", F::HttpClosedEarly).by(FIREFOX),
    says("we're having trouble finding that site", F::DnsNotFound).by(FIREFOX).also(UNRESOLVED),
    says("server not found", F::DnsNotFound).whole().by(FIREFOX).also(UNRESOLVED),
    says("server not found", F::DnsNotFound).with("firefox").by(FIREFOX).also(UNRESOLVED),
    says("we can't connect to the server at", F::DnsNotFound).by(FIREFOX).also(UNRESOLVED),
    says("e=dnsnotfound", F::DnsNotFound).by(FIREFOX).also(UNRESOLVED),
    says("ns_error_unknown_host", F::DnsNotFound).by(FIREFOX).also(UNRESOLVED),
    says("ns_error_offline", F::SelfOffline).by(FIREFOX),
    says("e=netoffline", F::SelfOffline).by(FIREFOX),
    says("the proxy server is refusing connections", F::ProxyRefused)
        .by(FIREFOX)
        .also(&[F::ProxyUnreachable, F::ProxyTunnelFailed]),
    says("e=proxyconnectfailure", F::ProxyRefused)
        .by(FIREFOX)
        .also(&[F::ProxyUnreachable, F::ProxyTunnelFailed]),
    says("ns_error_proxy_connection_refused", F::ProxyRefused).by(FIREFOX),
    says("unable to find the proxy server", F::ProxyUnresolved).by(FIREFOX),
    says("e=proxyresolvefailure", F::ProxyUnresolved).by(FIREFOX),
    says("ns_error_unknown_proxy_host", F::ProxyUnresolved).by(FIREFOX),
    blames("this address is restricted", &[C::ClientUnsafePort]).by(FIREFOX),
    blames("e=deniedportaccess", &[C::ClientUnsafePort]).by(FIREFOX),
    blames("ns_error_port_access_not_allowed", &[C::ClientUnsafePort]).by(FIREFOX),
    says("sec_error_expired_certificate", F::TlsExpired).by(FIREFOX),
    says("sec_error_expired_issuer_certificate", F::TlsExpired).by(FIREFOX),
    says("mozilla_pkix_error_not_yet_valid_certificate", F::TlsNotYetValid).by(FIREFOX),
    says("mozilla_pkix_error_self_signed_cert", F::TlsSelfSigned).by(FIREFOX),
    says("sec_error_unknown_issuer", F::TlsUnknownIssuer)
        .by(FIREFOX)
        .also(&[F::TlsIncompleteChain]),
    says("mozilla_pkix_error_mitm_detected", F::TlsUnknownIssuer).by(FIREFOX),
    says("sec_error_ca_cert_invalid", F::TlsUnknownIssuer).by(FIREFOX),
    says("ssl_error_bad_cert_domain", F::TlsWrongName).by(FIREFOX),
    says("ssl_error_unsupported_version", F::TlsProtocolVersion).by(FIREFOX),
    says("ssl_error_protocol_version_alert", F::TlsProtocolVersion).by(FIREFOX),
    says("ssl_error_no_cypher_overlap", F::TlsNoCommonCipher).by(FIREFOX),
    says("ssl_error_handshake_failure_alert", F::TlsNoCommonCipher)
        .by(FIREFOX)
        .also(&[F::TlsClientCertificateRequired]),
    says("ssl_error_unrecognized_name_alert", F::TlsAlert).by(FIREFOX),
    says("ssl_error_internal_error_alert", F::TlsAlert).by(FIREFOX),
    says("ssl_error_access_denied_alert", F::TlsAlert).by(FIREFOX),
    says("ssl_error_rx_certificate_required_alert", F::TlsClientCertificateRequired).by(FIREFOX),
    says("ssl_error_bad_cert_alert", F::TlsClientCertificateRequired).by(FIREFOX),
    says("ssl_error_rx_record_too_long", F::TlsNotTls).by(FIREFOX),
    says("ssl_error_rx_malformed", F::TlsNotTls).by(FIREFOX),
    says("pr_end_of_file_error", F::TlsClosed).by(FIREFOX),
    says("pr_connect_reset_error", F::TlsReset).by(FIREFOX),
    says("potential security risk ahead", F::TlsUnknownIssuer).by(FIREFOX).vague().also(&[
        F::TlsExpired,
        F::TlsSelfSigned,
        F::TlsWrongName,
        F::TlsIncompleteChain,
        F::TlsNotYetValid,
    ]),
    says("be careful. something doesn't look right", F::TlsUnknownIssuer).by(FIREFOX).vague().also(
        &[
            F::TlsExpired,
            F::TlsSelfSigned,
            F::TlsWrongName,
            F::TlsIncompleteChain,
            F::TlsNotYetValid,
            F::TlsNoCommonCipher,
        ],
    ),
    says("secure connection failed", F::TlsAlert).at_end().by(FIREFOX).vague().also(&[
        F::TlsNotTls,
        F::TlsClosed,
        F::TlsReset,
        F::ProxyClosed,
        F::TlsNoCommonCipher,
        F::TlsProtocolVersion,
    ]),
    says("the page isn't redirecting properly", F::HttpTooManyRedirects).by(FIREFOX),
    says("e=redirectloop", F::HttpTooManyRedirects).by(FIREFOX),
    says("ns_error_redirect_loop", F::HttpTooManyRedirects).by(FIREFOX),
    // Safari and other users of CFNetwork
    says("safari can't connect to the server", F::TcpRefused).by(SAFARI).also(&[
        F::TcpHostUnreachable,
        F::TcpNetworkUnreachable,
        F::TcpNotPermitted,
        F::TcpProtocolUnreachable,
        F::TcpNoLocalAddress,
    ]),
    says("could not connect to the server", F::TcpRefused)
        .at_end()
        .by(SAFARI)
        .also(&[F::TcpHostUnreachable]),
    says("safari can't find the server", F::DnsNotFound).by(SAFARI).also(UNRESOLVED),
    says("a server with the specified hostname could not be found", F::DnsNotFound).by(SAFARI),
    says("the server where this page is located isn't responding", F::TcpTimedOut)
        .by(SAFARI)
        .also(&[F::HttpTimedOut, F::TlsTimedOut]),
    says("the server unexpectedly dropped the connection", F::HttpReset).by(SAFARI).also(&[
        F::HttpEmptyReply,
        F::HttpClosedEarly,
        F::TcpReset,
    ]),
    says("the network connection was lost", F::HttpReset)
        .at_end()
        .by(SAFARI)
        .also(&[F::HttpEmptyReply]),
    says("the request timed out", F::TcpTimedOut).with("nsurl").by(SAFARI).also(&[F::HttpTimedOut]),
    says("safari can't establish a secure connection to the server", F::TlsAlert).by(SAFARI).also(
        &[F::TlsNotTls, F::TlsClosed, F::TlsReset, F::TlsNoCommonCipher, F::TlsProtocolVersion],
    ),
    says(
        "an ssl error has occurred and a secure connection to the server cannot be made",
        F::TlsAlert,
    )
    .by(SAFARI)
    .also(&[F::TlsNotTls, F::TlsProtocolVersion]),
    says("this connection is not private", F::TlsUnknownIssuer).by(SAFARI).vague().also(&[
        F::TlsExpired,
        F::TlsSelfSigned,
        F::TlsWrongName,
        F::TlsIncompleteChain,
        F::TlsNotYetValid,
    ]),
    says("the certificate for this server is invalid", F::TlsUnknownIssuer)
        .by(SAFARI)
        .also(&[F::TlsExpired, F::TlsWrongName]),
    says("the certificate for this server has expired", F::TlsExpired).by(SAFARI),
    says("requires a client certificate", F::TlsClientCertificateRequired).by(SAFARI),
    says("you are not connected to the internet", F::SelfOffline).by(SAFARI),
    says("the internet connection appears to be offline", F::SelfOffline).by(SAFARI),
    blames("not allowed to use restricted network port", &[C::ClientUnsafePort]).by(SAFARI),
    says("too many redirects occurred trying to open", F::HttpTooManyRedirects).by(SAFARI),
];
