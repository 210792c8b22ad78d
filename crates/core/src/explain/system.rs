//! Texts and numbers of operating systems: `strerror`, errno names, Winsock, WinINet, Darwin and
//! `getaddrinfo`. From errno(3), gai_strerror(3), Winsock and WinINet error lists, and
//! Foundation's `NSURLError.h`.

use super::pattern::{Pattern, TEMPORARY, UNRESOLVED, says};
use crate::failure::Failure as F;

const RESETS: &[F] = &[F::HttpReset, F::TlsReset, F::TlsClosed];
const TIMEOUTS: &[F] = &[F::HttpTimedOut, F::TlsTimedOut, F::DnsTimedOut];
const PROXY: &[F] = &[F::ProxyRefused, F::UdpRefused];
const SECURE: &[F] = &[F::TlsProtocolVersion, F::TlsNoCommonCipher, F::TlsNotTls, F::TlsClosed];

/// Words and names.
pub(super) const PATTERNS: &[Pattern] = &[
    says("connection refused", F::TcpRefused).at_end().also(PROXY),
    says("connection refused to host:", F::TcpRefused).by("java"),
    says("econnrefused", F::TcpRefused).also(PROXY),
    says("connectionrefused", F::TcpRefused).also(PROXY),
    says("connection timed out", F::TcpTimedOut).at_end().also(TIMEOUTS),
    says("operation timed out", F::TcpTimedOut).at_end().also(TIMEOUTS).vague(),
    says("connect timed out", F::TcpTimedOut).at_end(),
    says("connection attempt timed out", F::TcpTimedOut).at_end(),
    says("etimedout", F::TcpTimedOut).also(TIMEOUTS),
    says("connection reset by peer", F::TcpReset).also(RESETS),
    says("econnreset", F::TcpReset).also(RESETS),
    says("connectionreset", F::TcpReset).also(RESETS),
    says("connection aborted", F::TcpReset).at_end().vague().also(RESETS),
    says("software caused connection abort", F::TcpReset).also(RESETS),
    says("econnaborted", F::TcpReset).also(RESETS),
    says("broken pipe", F::HttpReset).at_end().vague().also(&[F::TcpReset]),
    says("epipe", F::HttpReset).vague().also(&[F::TcpReset]),
    says("no route to host", F::TcpHostUnreachable).at_end(),
    says("ehostunreach", F::TcpHostUnreachable),
    says("host is down", F::TcpHostUnreachable).at_end(),
    says("ehostdown", F::TcpHostUnreachable),
    says("destination host unreachable", F::TcpHostUnreachable).by("ping"),
    says("destination port unreachable", F::UdpRefused).by("ping"),
    says("destination net unreachable", F::TcpNetworkUnreachable).by("ping"),
    says("packet filtered", F::TcpHostUnreachable).with("icmp_seq").by("ping"),
    says("request timed out", F::IcmpNoReply).with("pinging").by("ping"),
    says("request timeout for icmp_seq", F::IcmpNoReply).by("ping"),
    says("100% packet loss", F::IcmpNoReply).by("ping"),
    says("network is unreachable", F::TcpNetworkUnreachable).at_end(),
    says("enetunreach", F::TcpNetworkUnreachable),
    says("network is down", F::SelfOffline).at_end(),
    says("enetdown", F::SelfOffline),
    says("permission denied", F::TcpNotPermitted).with("file_get_contents(https").by("php"),
    says("permission denied", F::TcpNotPermitted).with("connect to host"),
    says("permission denied", F::TcpNotPermitted).with("connect to"),
    says("permission denied", F::TcpNotPermitted).with("connect()"),
    says("permission denied", F::TcpNotPermitted).with("connecting to"),
    says("permission denied", F::TcpNotPermitted).with("connection to server at").by("psql"),
    says("permission denied", F::TcpNotPermitted).with("file_get_contents(http").by("php"),
    says("connect: permission denied", F::TcpNotPermitted),
    says("ncat: permission denied", F::TcpNotPermitted).by("ncat"),
    says("failed: permission denied.", F::TcpNotPermitted).by("wget").whole(),
    says("permission denied (13)", F::TcpNotPermitted).whole(),
    says("java.net.bindexception: permission denied", F::TcpNotPermitted).by("java"),
    says("java.net.socketexception: permission denied", F::TcpNotPermitted).by("java"),
    says("permissionerror", F::TcpNotPermitted).by("python").whole(),
    says("eacces", F::TcpNotPermitted).whole(),
    says("eperm", F::TcpNotPermitted).whole(),
    says("connect eacces", F::TcpNotPermitted),
    says("connect eperm", F::TcpNotPermitted),
    says("operation not permitted", F::TcpNotPermitted).with("connect to"),
    says("operation not permitted", F::TcpNotPermitted).with("sendmsg"),
    says("invalid argument", F::TcpNetworkUnreachable).with("connect to host"),
    says("connect einval", F::TcpNetworkUnreachable),
    says("protocol not available", F::TcpProtocolUnreachable).at_end(),
    says("enoprotoopt", F::TcpProtocolUnreachable),
    says("cannot assign requested address", F::TcpNoLocalAddress).at_end(),
    says("can't assign requested address", F::TcpNoLocalAddress).at_end(),
    says("eaddrnotavail", F::TcpNoLocalAddress),
    says("too many open files", F::SelfResources).at_end(),
    says("emfile", F::SelfResources),
    says("enfile", F::SelfResources),
    says("name or service not known", F::DnsNotFound).also(&[F::ProxyUnresolved]),
    says("nodename nor servname provided", F::DnsNotFound).by("macos").also(UNRESOLVED),
    says("no address associated with hostname", F::DnsNoAddress),
    says("no address associated with name", F::DnsNoAddress),
    says("temporary failure in name resolution", F::DnsTimedOut).also(TEMPORARY),
    says("temporary failure resolving", F::DnsTimedOut).by("apt").also(TEMPORARY),
    says("eai_again", F::DnsTimedOut).also(TEMPORARY),
    says("eai_noname", F::DnsNotFound),
    says("eai_nodata", F::DnsNoAddress),
    says("non-recoverable failure in name resolution", F::DnsServerFailure),
    says("nxdomain", F::DnsNotFound),
    says("servfail", F::DnsServerFailure),
    says("status: refused", F::DnsRefused).by("dig"),
    says("no servers could be reached", F::DnsTimedOut).by("dig"),
    says("communications error to", F::DnsTimedOut).with("timed out").by("dig"),
    says("communications error to", F::DnsUnreachable).with("connection refused").by("dig").exact(),
    says("can't find", F::DnsNotFound).with("non-existent domain").by("nslookup"),
    says("non-existent domain", F::DnsNotFound).by("nslookup"),
    says("query refused", F::DnsRefused).by("nslookup"),
    says("connection refused by server", F::TcpRefused),
    says("connection reset", F::TcpReset).at_end().also(RESETS),
    says("host unreachable", F::TcpHostUnreachable).at_end(),
    says("hostunreachable", F::TcpHostUnreachable),
    says("networkunreachable", F::TcpNetworkUnreachable),
    says("port unreachable", F::UdpRefused).at_end().also(&[F::TcpRefused]),
    says("read timed out", F::HttpTimedOut).at_end(),
    says("timeout", F::TcpTimedOut).whole().also(TIMEOUTS),
    says("timed out", F::TcpTimedOut).whole().also(TIMEOUTS),
    says("refused", F::TcpRefused).whole().also(&[F::DnsRefused]),
    says("unreachable", F::TcpHostUnreachable).whole().also(&[F::TcpNetworkUnreachable]),
    says("no route", F::TcpHostUnreachable).whole().also(&[F::TcpNetworkUnreachable]),
    says("connection closed", F::HttpEmptyReply).whole().also(&[F::TlsClosed, F::TcpReset]),
    says("nt_status_connection_refused", F::TcpRefused).by("smbclient"),
    says("nt_status_io_timeout", F::TcpTimedOut).by("smbclient"),
    says("nt_status_host_unreachable", F::TcpHostUnreachable).by("smbclient"),
    says("nt_status_network_unreachable", F::TcpNetworkUnreachable).by("smbclient"),
    // Windows
    says("actively refused it", F::TcpRefused).by("windows").also(PROXY),
    says("wsaeconnrefused", F::TcpRefused).by("windows"),
    says("error_connection_refused", F::TcpRefused).by("windows"),
    says("the remote computer refused the network connection", F::TcpRefused).by("windows"),
    says("did not properly respond after a period of time", F::TcpTimedOut).by("windows"),
    says("wsaetimedout", F::TcpTimedOut).by("windows"),
    says("an existing connection was forcibly closed", F::TcpReset).by("windows").also(RESETS),
    says("wsaeconnreset", F::TcpReset).by("windows").also(RESETS),
    says("an established connection was aborted", F::TcpReset).by("windows").also(RESETS),
    says("wsaeconnaborted", F::TcpReset).by("windows").also(RESETS),
    says("attempted to an unreachable host", F::TcpHostUnreachable).by("windows"),
    says("wsaehostunreach", F::TcpHostUnreachable).by("windows"),
    says("attempted to an unreachable network", F::TcpNetworkUnreachable).by("windows"),
    says("wsaenetunreach", F::TcpNetworkUnreachable).by("windows"),
    says("in a way forbidden by its access permissions", F::TcpNotPermitted).by("windows"),
    says("wsaeacces", F::TcpNotPermitted).by("windows"),
    says("wsaeaddrnotavail", F::TcpNoLocalAddress).by("windows"),
    says("lacked sufficient buffer space", F::TcpNoLocalAddress).by("windows"),
    says("wsaenobufs", F::TcpNoLocalAddress).by("windows"),
    says("no such host is known", F::DnsNotFound).by("windows"),
    says("wsahost_not_found", F::DnsNotFound).by("windows"),
    says("the remote name could not be resolved", F::DnsNotFound).by("dotnet"),
    says("wsano_data", F::DnsNoAddress).by("windows"),
    says("no data of the requested type was found", F::DnsNoAddress).by("windows"),
    says("wsatry_again", F::DnsTimedOut).by("windows").also(TEMPORARY),
    says("usually a temporary error during hostname resolution", F::DnsTimedOut)
        .by("windows")
        .also(TEMPORARY),
    says("tcptestsucceeded : false", F::TcpRefused)
        .by("Test-NetConnection")
        .vague()
        .also(&[F::TcpTimedOut, F::TcpHostUnreachable]),
    says("tcp connect to", F::TcpRefused)
        .with("warning: ")
        .by("Test-NetConnection")
        .vague()
        .also(&[F::TcpTimedOut, F::TcpHostUnreachable]),
    // WinINet and WinHTTP as HRESULT
    says("0x80072efd", F::TcpRefused).by("windows").also(&[F::TcpTimedOut, F::TcpHostUnreachable]),
    says("0x80072ee2", F::TcpTimedOut).by("windows").also(&[F::HttpTimedOut]),
    says("0x80072ee7", F::DnsNotFound).by("windows").also(UNRESOLVED),
    says("0x80072efe", F::HttpReset).by("windows").also(&[F::HttpEmptyReply, F::TlsReset]),
    says("0x80072eff", F::HttpReset).by("windows").also(RESETS),
    says("0x80072f05", F::TlsExpired).by("windows").also(&[F::TlsNotYetValid]),
    says("0x80072f06", F::TlsWrongName).by("windows"),
    says("0x80072f0d", F::TlsUnknownIssuer).by("windows").also(&[F::TlsSelfSigned]),
    says("0x80072f0c", F::TlsClientCertificateRequired).by("windows"),
    says("0x80072f7d", F::TlsAlert).by("windows").also(SECURE),
    says("0x80072f8f", F::TlsExpired).by("windows").also(&[F::TlsUnknownIssuer, F::TlsWrongName]),
    says("0x80072f78", F::HttpNotHttp).by("windows"),
    says("0x80072f76", F::HttpNotHttp).by("windows"),
    says("0x8007274d", F::TcpRefused).by("windows"),
    says("0x8007274c", F::TcpTimedOut).by("windows"),
    says("0x80072746", F::TcpReset).by("windows").also(RESETS),
    says("0x80072751", F::TcpHostUnreachable).by("windows"),
    says("0x80072743", F::TcpNetworkUnreachable).by("windows"),
    says("0x8007273d", F::TcpNotPermitted).by("windows"),
    says("0x80072af9", F::DnsNotFound).by("windows"),
    says("winhttp_error_12029", F::TcpRefused).by("windows"),
    says("error_winhttp_cannot_connect", F::TcpRefused).by("windows").also(&[F::TcpTimedOut]),
    says("error_winhttp_timeout", F::TcpTimedOut).by("windows").also(&[F::HttpTimedOut]),
    says("error_winhttp_name_not_resolved", F::DnsNotFound).by("windows"),
    says("error_winhttp_secure_failure", F::TlsUnknownIssuer).by("windows"),
    says("error_internet_cannot_connect", F::TcpRefused).by("windows").also(&[F::TcpTimedOut]),
    says("error_internet_name_not_resolved", F::DnsNotFound).by("windows"),
];

/// How errno numbers are written around the number.
const ERRNO_BEFORE: &[&str] = &[
    "errno ",
    "errno: ",
    "errno: -",
    "errno=",
    "errno = ",
    "errno -",
    "os error ",
    "system error: ",
    "socket error ",
    "socket error: ",
    "error(",
    "so_error=",
    "posix error ",
    "nsposixerrordomain code=",
    "nsposixerrordomain error ",
    "kcferrordomainposix code=",
    "kcferrordomainposix error ",
];

/// errno numbers of Linux and of Darwin that a failing connection carries and that mean nothing
/// else on the other system.
const ERRNOS: &[(&str, F)] = &[
    ("111", F::TcpRefused),
    ("110", F::TcpTimedOut),
    ("104", F::TcpReset),
    ("113", F::TcpHostUnreachable),
    ("101", F::TcpNetworkUnreachable),
    ("92", F::TcpProtocolUnreachable),
    ("99", F::TcpNoLocalAddress),
    ("61", F::TcpRefused),
    ("60", F::TcpTimedOut),
    ("54", F::TcpReset),
    ("65", F::TcpHostUnreachable),
    ("51", F::TcpNetworkUnreachable),
    ("49", F::TcpNoLocalAddress),
    ("24", F::SelfResources),
];

/// Winsock numbers; distinctive enough to need only a hint that an error is meant.
const WINSOCK: &[(&str, F)] = &[
    ("10061", F::TcpRefused),
    ("10060", F::TcpTimedOut),
    ("10054", F::TcpReset),
    ("10053", F::TcpReset),
    ("10065", F::TcpHostUnreachable),
    ("10051", F::TcpNetworkUnreachable),
    ("10050", F::SelfOffline),
    ("10013", F::TcpNotPermitted),
    ("10049", F::TcpNoLocalAddress),
    ("10055", F::TcpNoLocalAddress),
    ("11001", F::DnsNotFound),
    ("11002", F::DnsTimedOut),
    ("11004", F::DnsNoAddress),
    ("12029", F::TcpRefused),
    ("12002", F::TcpTimedOut),
    ("12007", F::DnsNotFound),
    ("12030", F::HttpReset),
    ("12037", F::TlsExpired),
    ("12038", F::TlsWrongName),
    ("12045", F::TlsUnknownIssuer),
    ("12175", F::TlsAlert),
];
const WINSOCK_BEFORE: &[&str] = &[
    "wsa ",
    "wsa error ",
    "socket error ",
    "error ",
    "error: ",
    "errno ",
    "errno: ",
    "error code ",
    "error code: ",
    "socketexception (",
    "winerror ",
    "winhttp error ",
    "os error ",
    "[hy000] (",
];

/// Foundation's URL errors, the same numbers in CFNetwork.
const NSURL: &[(&str, F)] = &[
    ("-1001", F::TcpTimedOut),
    ("-1003", F::DnsNotFound),
    ("-1004", F::TcpRefused),
    ("-1005", F::HttpReset),
    ("-1006", F::DnsNotFound),
    ("-1007", F::HttpTooManyRedirects),
    ("-1009", F::SelfOffline),
    ("-1011", F::HttpStatus),
    ("-1017", F::HttpNotHttp),
    ("-1200", F::TlsAlert),
    ("-1201", F::TlsExpired),
    ("-1202", F::TlsUnknownIssuer),
    ("-1203", F::TlsUnknownIssuer),
    ("-1204", F::TlsNotYetValid),
    ("-1205", F::TlsClientCertificateRequired),
    ("-1206", F::TlsClientCertificateRequired),
];
const NSURL_DOMAINS: &[&str] = &["nsurlerrordomain", "kcferrordomaincfnetwork"];

/// curl's exit codes (libcurl-errors(3)) that concern the network.
const CURL_EXITS: &[(&str, F)] = &[
    ("5", F::ProxyUnresolved),
    ("6", F::DnsNotFound),
    ("7", F::TcpRefused),
    ("18", F::HttpClosedEarly),
    ("22", F::HttpStatus),
    ("28", F::TcpTimedOut),
    ("35", F::TlsAlert),
    ("47", F::HttpTooManyRedirects),
    ("52", F::HttpEmptyReply),
    ("56", F::HttpReset),
    ("58", F::TlsClientCertificateRequired),
    ("60", F::TlsUnknownIssuer),
    ("97", F::ProxyTunnelFailed),
];
const EXIT_BEFORE: &[&str] = &[
    "exit code ",
    "exit code: ",
    "exit status ",
    "exit ",
    "exited with ",
    "exited with code ",
    "exit=",
    "returned ",
    "rc=",
    "code ",
];

/// A number that was recognised in its context: what it means, the text found, whose it is.
pub(super) struct Number {
    pub(super) failure: F,
    pub(super) at: usize,
    pub(super) length: usize,
    pub(super) client: &'static str,
    pub(super) vague: bool,
}

/// Looks for error numbers in contexts that make them error numbers.
pub(super) fn find_number(paste: &super::paste::Paste) -> Option<Number> {
    let combined = |before: &[&str], numbers: &[(&str, F)]| {
        before.iter().find_map(|before| {
            numbers.iter().find_map(|(number, failure)| {
                let needle = format!("{before}{number}");
                paste.find_word(&needle).map(|at| (*failure, at, needle.len()))
            })
        })
    };
    let found =
        |client, vague| move |(failure, at, length)| Number { failure, at, length, client, vague };
    let whole_exit = || {
        let text = paste.text().trim();
        let exact = |number: &str| {
            let curl = text == format!("curl {number}");
            curl || EXIT_BEFORE.iter().any(|before| text == format!("{before}{number}"))
        };
        CURL_EXITS
            .iter()
            .find(|(number, _)| exact(number))
            .map(|(_, failure)| (*failure, 0, text.len()))
    };
    let about_curl = paste.find_word("curl").is_some();
    combined(ERRNO_BEFORE, ERRNOS)
        .map(found("", false))
        .or_else(|| combined(WINSOCK_BEFORE, WINSOCK).map(found("windows", false)))
        .or_else(|| {
            let domain = NSURL_DOMAINS.iter().any(|domain| paste.find_word(domain).is_some());
            domain.then(|| combined(&[""], NSURL)).flatten().map(found("macos", false))
        })
        .or_else(|| {
            let exits = about_curl.then(|| combined(EXIT_BEFORE, CURL_EXITS)).flatten();
            exits.or_else(whole_exit).map(found("curl", true))
        })
}
