//! What clients say follows the facts of the attempt. The expected values are measured ones
//! unless the test's name says otherwise.

use std::net::IpAddr;
use std::time::Duration;

use whydown_core::client::{SeenAs, seen_as, unsafe_port};
use whydown_core::failure::Failure;
use whydown_core::observation::{Attempt, HttpFacts, Step, TlsFacts};
use whydown_core::target::Target;

fn target(text: &str) -> Target {
    text.parse().expect("a valid target")
}

fn attempt(failure: Failure, step: Step) -> Attempt {
    let mut attempt =
        Attempt::new("10.99.2.10".parse::<IpAddr>().expect("an address"), 80, Duration::ZERO);
    attempt.failure = Some(failure);
    attempt.step = step;
    attempt.elapsed = Duration::from_millis(10);
    attempt
}

fn with_errno(failure: Failure, errno: i32) -> SeenAs {
    let mut attempt = attempt(failure, Step::Connect);
    attempt.errno = Some(errno);
    seen_as(failure, &target("http://s.example/"), Some(&attempt))
}

fn with_alert(failure: Failure, alert: u8) -> SeenAs {
    let mut attempt = attempt(failure, Step::TlsHandshake);
    attempt.tls = Some(TlsFacts { alert: Some(alert), ..TlsFacts::default() });
    seen_as(failure, &target("https://s.example/"), Some(&attempt))
}

fn with_http(failure: Failure, url: &str, status: u16, body_bytes: u64) -> SeenAs {
    let mut attempt = attempt(failure, Step::Body);
    attempt.http =
        Some(HttpFacts { status, body_bytes, content_length: Some(1_000), ..HttpFacts::default() });
    seen_as(failure, &target(url), Some(&attempt))
}

fn chrome(seen: &SeenAs) -> &str {
    seen.chrome.as_deref().unwrap_or("-")
}

fn firefox(seen: &SeenAs) -> &str {
    seen.firefox.as_ref().map_or("-", |page| page.id.as_str())
}

fn curl(seen: &SeenAs) -> Option<u8> {
    seen.curl.as_ref().map(|said| said.exit)
}

fn node(seen: &SeenAs) -> &str {
    seen.node.as_deref().unwrap_or("-")
}

fn python(seen: &SeenAs) -> &str {
    seen.python.as_deref().unwrap_or("-")
}

/// errno, failure, Chromium, Firefox, curl's exit, Node's fetch, strerror.
type ConnectError = (i32, Failure, &'static str, &'static str, u8, &'static str, &'static str);

const CONNECT_ERRORS: [ConnectError; 8] = [
    (
        111,
        Failure::TcpRefused,
        "ERR_CONNECTION_REFUSED",
        "connectionFailure",
        7,
        "ECONNREFUSED",
        "Connection refused",
    ),
    (
        113,
        Failure::TcpHostUnreachable,
        "ERR_ADDRESS_UNREACHABLE",
        "connectionFailure",
        7,
        "EHOSTUNREACH",
        "No route to host",
    ),
    (
        101,
        Failure::TcpNetworkUnreachable,
        "ERR_ADDRESS_UNREACHABLE",
        "connectionFailure",
        7,
        "ENETUNREACH",
        "Network is unreachable",
    ),
    (
        22,
        Failure::TcpNetworkUnreachable,
        "ERR_INVALID_ARGUMENT",
        "-",
        7,
        "EINVAL",
        "Invalid argument",
    ),
    (
        92,
        Failure::TcpProtocolUnreachable,
        "ERR_NOT_IMPLEMENTED",
        "-",
        7,
        "ENOPROTOOPT",
        "Protocol not available",
    ),
    (
        13,
        Failure::TcpNotPermitted,
        "ERR_NETWORK_ACCESS_DENIED",
        "connectionFailure",
        7,
        "EACCES",
        "Permission denied",
    ),
    (
        99,
        Failure::TcpNoLocalAddress,
        "ERR_ADDRESS_INVALID",
        "connectionFailure",
        7,
        "EADDRNOTAVAIL",
        "Cannot assign requested address",
    ),
    (
        110,
        Failure::TcpTimedOut,
        "ERR_CONNECTION_TIMED_OUT",
        "netTimeout",
        28,
        "UND_ERR_CONNECT_TIMEOUT",
        "Connection timed out",
    ),
];

#[test]
fn connect_errors_are_worded_by_their_errno() {
    for (errno, failure, in_chrome, in_firefox, exit, in_node, strerror) in CONNECT_ERRORS {
        let seen = with_errno(failure, errno);
        assert_eq!(chrome(&seen), in_chrome);
        assert_eq!(firefox(&seen), in_firefox, "{errno}");
        assert_eq!(curl(&seen), Some(exit), "{errno}");
        assert_eq!(node(&seen), in_node);
        let nc = seen.nc.unwrap();
        assert_eq!(
            nc,
            format!("nc: connect to s.example (10.99.2.10) port 80 (tcp) failed: {strerror}")
        );
        let said = seen.curl.unwrap().message;
        assert_eq!(
            said,
            "Failed to connect to s.example port 80 after 10 ms: Couldn't connect to server"
        );
    }
}

#[test]
fn python_raises_the_class_of_the_errno() {
    assert_eq!(python(&with_errno(Failure::TcpRefused, 111)), "ConnectionRefusedError");
    assert_eq!(python(&with_errno(Failure::TcpTimedOut, 110)), "TimeoutError");
    assert_eq!(python(&with_errno(Failure::TcpNotPermitted, 13)), "PermissionError");
    assert_eq!(
        python(&with_errno(Failure::TcpHostUnreachable, 113)),
        "OSError: [Errno 113] No route to host"
    );
}

#[test]
fn a_timeout_is_etimedout_to_nodes_sockets_and_a_limit_of_its_own_to_fetch() {
    let plain = seen_as(Failure::TcpTimedOut, &target("tcp://s.example:5000"), None);
    assert_eq!(node(&plain), "ETIMEDOUT");
}

#[test]
fn dns_failures_share_one_code_except_in_getaddrinfo() {
    let seen = |failure| seen_as(failure, &target("http://nosuch.example/"), None);
    for failure in [
        Failure::DnsNotFound,
        Failure::DnsNoAddress,
        Failure::DnsServerFailure,
        Failure::DnsRefused,
        Failure::DnsTimedOut,
        Failure::DnsUnreachable,
    ] {
        let seen = seen(failure);
        assert_eq!(chrome(&seen), "ERR_NAME_NOT_RESOLVED");
        assert_eq!(firefox(&seen), "dnsNotFound");
        assert_eq!(curl(&seen), Some(6));
    }
    assert_eq!(node(&seen(Failure::DnsNoAddress)), "ENOTFOUND");
    assert_eq!(node(&seen(Failure::DnsRefused)), "EAI_AGAIN");
    assert!(python(&seen(Failure::DnsNotFound)).contains("[Errno -2]"));
    assert!(python(&seen(Failure::DnsNoAddress)).contains("[Errno -5]"));
    assert!(python(&seen(Failure::DnsTimedOut)).contains("[Errno -3]"));
}

#[test]
fn closing_without_an_answer_differs_from_cutting() {
    let at = target("http://s.example/");
    let empty = seen_as(Failure::HttpEmptyReply, &at, None);
    assert_eq!(
        (chrome(&empty), firefox(&empty), curl(&empty)),
        ("ERR_EMPTY_RESPONSE", "netReset", Some(52))
    );
    assert_eq!(
        (node(&empty), python(&empty)),
        ("UND_ERR_SOCKET", "http.client.RemoteDisconnected")
    );
    let cut = seen_as(Failure::HttpReset, &at, None);
    assert_eq!(
        (chrome(&cut), firefox(&cut), curl(&cut)),
        ("ERR_CONNECTION_RESET", "netReset", Some(56))
    );
    assert_eq!((node(&cut), python(&cut)), ("ECONNRESET", "ConnectionResetError"));
}

#[test]
fn firefox_shows_a_truncated_page_without_an_error() {
    let seen = with_http(Failure::HttpClosedEarly, "http://s.example/", 200, 3);
    assert_eq!((chrome(&seen), firefox(&seen)), ("ERR_CONTENT_LENGTH_MISMATCH", "-"));
    assert_eq!(seen.curl.unwrap().message, "transfer closed with 997 bytes remaining to read");
}

#[test]
fn garbage_on_port_80_is_a_page_to_chromium() {
    let seen = |url: &str| seen_as(Failure::HttpNotHttp, &target(url), None);
    assert_eq!(chrome(&seen("http://s.example/")), "-");
    assert_eq!(chrome(&seen("http://s.example:8080/")), "ERR_INVALID_HTTP_RESPONSE");
    assert_eq!(curl(&seen("http://s.example/")), Some(1));
    assert_eq!(node(&seen("http://s.example/")), "HPE_INVALID_CONSTANT");
}

#[test]
fn an_error_status_is_a_page_unless_its_body_is_empty() {
    let page = with_http(Failure::HttpStatus, "http://s.example/", 502, 157);
    assert_eq!((chrome(&page), firefox(&page), curl(&page)), ("-", "-", Some(0)));
    let empty = with_http(Failure::HttpStatus, "http://s.example/", 502, 0);
    assert_eq!(chrome(&empty), "HTTP ERROR 502");
    assert_eq!(python(&page), "urllib.error.HTTPError: HTTP Error 502");
}

#[test]
fn a_client_that_waits_shows_nothing() {
    let hang = seen_as(Failure::HttpTimedOut, &target("http://s.example/"), None);
    assert_eq!(
        (hang.chrome.as_ref(), hang.firefox.as_ref(), hang.curl.as_ref()),
        (None, None, None)
    );
    assert_eq!(node(&hang), "UND_ERR_HEADERS_TIMEOUT");
    let handshake = seen_as(Failure::TlsTimedOut, &target("https://s.example/"), None);
    assert_eq!((chrome(&handshake), firefox(&handshake)), ("ERR_TIMED_OUT", "-"));
    assert_eq!(handshake.curl.unwrap().message, "SSL connection timeout");
    assert!(handshake.python.is_none());
}

#[test]
fn certificate_defects_have_their_own_codes() {
    let rows = [
        (
            Failure::TlsExpired,
            "ERR_CERT_DATE_INVALID",
            "SEC_ERROR_EXPIRED_CERTIFICATE",
            "CERT_HAS_EXPIRED",
            "certificate has expired",
        ),
        (
            Failure::TlsNotYetValid,
            "ERR_CERT_DATE_INVALID",
            "MOZILLA_PKIX_ERROR_NOT_YET_VALID_CERTIFICATE",
            "CERT_NOT_YET_VALID",
            "certificate is not yet valid",
        ),
        (
            Failure::TlsSelfSigned,
            "ERR_CERT_AUTHORITY_INVALID",
            "MOZILLA_PKIX_ERROR_SELF_SIGNED_CERT",
            "DEPTH_ZERO_SELF_SIGNED_CERT",
            "self-signed certificate",
        ),
        (
            Failure::TlsUnknownIssuer,
            "ERR_CERT_AUTHORITY_INVALID",
            "SEC_ERROR_UNKNOWN_ISSUER",
            "SELF_SIGNED_CERT_IN_CHAIN",
            "self-signed certificate in certificate chain",
        ),
        (
            Failure::TlsIncompleteChain,
            "ERR_CERT_AUTHORITY_INVALID",
            "SEC_ERROR_UNKNOWN_ISSUER",
            "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
            "unable to get local issuer certificate",
        ),
        (
            Failure::TlsWrongName,
            "ERR_CERT_COMMON_NAME_INVALID",
            "SSL_ERROR_BAD_CERT_DOMAIN",
            "ERR_TLS_CERT_ALTNAME_INVALID",
            "no alternative certificate subject name matches",
        ),
    ];
    for (failure, in_chrome, in_firefox, in_node, in_curl) in rows {
        let seen = seen_as(failure, &target("https://s.example/"), None);
        assert_eq!((chrome(&seen), firefox(&seen), node(&seen)), (in_chrome, in_firefox, in_node));
        let said = seen.curl.unwrap();
        assert_eq!(said.exit, 60);
        assert!(said.message.contains(in_curl), "{}", said.message);
    }
}

#[test]
fn alerts_choose_the_words() {
    let name = with_alert(Failure::TlsAlert, 112);
    assert_eq!(
        (chrome(&name), firefox(&name)),
        ("ERR_SSL_UNRECOGNIZED_NAME_ALERT", "SSL_ERROR_UNRECOGNIZED_NAME_ALERT")
    );
    assert_eq!(
        (node(&name), python(&name)),
        ("ERR_SSL_TLSV1_UNRECOGNIZED_NAME", "ssl.SSLError: TLSV1_UNRECOGNIZED_NAME")
    );
    assert_eq!(name.curl.unwrap().message, "error:0A000458:SSL routines::tlsv1 unrecognized name");
    let internal = with_alert(Failure::TlsAlert, 80);
    assert_eq!(
        (chrome(&internal), node(&internal)),
        ("ERR_SSL_PROTOCOL_ERROR", "ERR_SSL_TLSV1_ALERT_INTERNAL_ERROR")
    );
    let late = with_alert(Failure::TlsClientCertificateRequired, 116);
    assert_eq!((curl(&late), node(&late)), (Some(56), "UND_ERR_SOCKET"));
    let early = with_alert(Failure::TlsClientCertificateRequired, 40);
    assert_eq!((curl(&early), firefox(&early)), (Some(35), "SSL_ERROR_HANDSHAKE_FAILURE_ALERT"));
    assert_eq!(node(&early), "ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE");
}

#[test]
fn ends_of_the_handshake_differ_by_fin_and_rst() {
    let at = target("https://s.example/");
    let closed = seen_as(Failure::TlsClosed, &at, None);
    assert_eq!(
        (chrome(&closed), firefox(&closed), curl(&closed)),
        ("ERR_CONNECTION_CLOSED", "PR_END_OF_FILE_ERROR", Some(35))
    );
    let reset = seen_as(Failure::TlsReset, &at, None);
    assert_eq!(
        (chrome(&reset), firefox(&reset), curl(&reset)),
        ("ERR_CONNECTION_RESET", "PR_CONNECT_RESET_ERROR", Some(35))
    );
}

#[test]
fn proxies_are_named_by_some_and_hidden_by_others() {
    let seen = |failure, url: &str| seen_as(failure, &target(url), None);
    let refused = seen(Failure::ProxyRefused, "https://s.example/");
    assert_eq!(
        (chrome(&refused), firefox(&refused), curl(&refused)),
        ("ERR_PROXY_CONNECTION_FAILED", "proxyConnectFailure", Some(7))
    );
    assert_eq!((node(&refused), python(&refused)), ("-", "ConnectionRefusedError"));
    let silent = seen(Failure::ProxyTimedOut, "https://s.example/");
    assert_eq!(
        (chrome(&silent), firefox(&silent), curl(&silent)),
        ("ERR_TIMED_OUT", "netTimeout", Some(28))
    );
    let unknown = seen(Failure::ProxyUnresolved, "http://s.example/");
    assert_eq!((firefox(&unknown), curl(&unknown)), ("proxyResolveFailure", Some(5)));
    assert_eq!(curl(&seen(Failure::ProxyAuthRequired, "http://s.example/")), Some(0));
    assert_eq!(curl(&seen(Failure::ProxyAuthRequired, "https://s.example/")), Some(56));
    let forbidden = with_http(Failure::ProxyTunnelFailed, "https://s.example/", 403, 0);
    assert_eq!(
        (chrome(&forbidden), firefox(&forbidden)),
        ("ERR_TUNNEL_CONNECTION_FAILED", "proxyConnectFailure")
    );
    let failed = with_http(Failure::ProxyTunnelFailed, "https://s.example/", 502, 0);
    assert_eq!(firefox(&failed), "connectionFailure");
}

#[test]
fn browsers_refuse_bad_ports_whatever_the_server_does() {
    let seen = seen_as(Failure::TcpRefused, &target("http://s.example:6000/"), None);
    assert_eq!(
        (chrome(&seen), firefox(&seen), node(&seen)),
        ("ERR_UNSAFE_PORT", "deniedPortAccess", "bad port")
    );
    assert_eq!(curl(&seen), Some(7));
    assert!(unsafe_port(22) && unsafe_port(10_080) && unsafe_port(1));
    assert!(!unsafe_port(80) && !unsafe_port(443) && !unsafe_port(8080) && !unsafe_port(5432));
}

#[test]
fn clients_of_services_speak_for_their_own_targets_only() {
    let ssh = seen_as(Failure::TcpRefused, &target("ssh://s.example"), None);
    assert_eq!(
        ssh.ssh.as_deref(),
        Some("ssh: connect to host s.example port 22: Connection refused")
    );
    assert_eq!((ssh.psql, ssh.chrome), (None, None));
    let psql = seen_as(Failure::TcpReset, &target("postgres://192.0.2.7"), None).psql.unwrap();
    assert_eq!(
        psql,
        "connection to server at \"192.0.2.7\", port 5432 failed: server closed the connection \
            unexpectedly"
    );
    let redis = seen_as(Failure::TcpRefused, &target("redis://s.example"), None).redis_cli;
    assert_eq!(
        redis.as_deref(),
        Some("Could not connect to Redis at s.example:6379: Connection refused")
    );
    let mysql = seen_as(Failure::TcpTimedOut, &target("mysql://s.example"), None).mysql.unwrap();
    assert!(mysql.ends_with("on 's.example:3306' (110)"), "{mysql}");
}

#[test]
fn every_contract_field_is_in_the_json() {
    let json = serde_json::to_value(SeenAs::default()).unwrap();
    for key in ["chrome", "firefox", "safari", "curl", "nc", "node", "python", "go", "java"] {
        assert!(json.get(key).is_some(), "{key}");
    }
}

/// Everything that clients say about a failure, by client.
fn said(seen: SeenAs) -> Vec<(&'static str, String)> {
    let curl = seen.curl.filter(|said| said.exit != 0);
    let all = [
        ("chrome", seen.chrome),
        ("firefox", seen.firefox.map(|page| format!("{} (e={})", page.message, page.id))),
        ("safari", seen.safari),
        ("curl", curl.map(|said| format!("curl: ({}) {}", said.exit, said.message))),
        ("wget", seen.wget),
        ("nc", seen.nc),
        ("node", seen.node),
        ("python", seen.python),
        ("go", seen.go),
        ("java", seen.java),
        ("ssh", seen.ssh),
        ("psql", seen.psql),
        ("mysql", seen.mysql),
        ("redis-cli", seen.redis_cli),
        ("telnet", seen.telnet),
        ("ncat", seen.ncat),
        ("dotnet", seen.dotnet),
        ("php", seen.php),
        ("windows", seen.windows),
        ("macos", seen.macos),
    ];
    all.into_iter().filter_map(|(client, text)| text.map(|text| (client, text))).collect()
}

fn over_tcp() -> impl Iterator<Item = &'static Failure> {
    let other = [Failure::UdpRefused, Failure::UdpNoReply, Failure::IcmpNoReply];
    Failure::ALL.iter().filter(move |one| !one.is_own_fault() && !other.contains(one))
}

/// Texts too short or too common to mean anything without what stands around them.
const MEANS_NOTHING_ALONE: &[&str] = &["Connection closed by s.example port 22"];

#[test]
fn what_clients_say_is_understood_by_explain_again() {
    let mut wrong = Vec::new();
    for url in [
        "https://s.example/",
        "http://s.example/",
        "ssh://s.example",
        "postgres://s.example",
        "mysql://s.example",
        "redis://s.example",
        "tcp://s.example:5000",
    ] {
        for failure in over_tcp() {
            for (client, text) in said(seen_as(*failure, &target(url), None)) {
                let got = whydown_core::explain::explain(&text);
                let same = got.failure == Some(*failure) || got.could_also_be.contains(failure);
                if !same && !MEANS_NOTHING_ALONE.contains(&text.as_str()) {
                    wrong.push(format!("{failure} {client}: {text}\n    got {:?}", got.failure));
                }
            }
        }
    }
    wrong.sort();
    wrong.dedup();
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn python_says_what_a_certificate_does_not_fit() {
    let said =
        |url| python(&seen_as(Failure::TlsWrongName, &target(url), None)).contains("IP address");
    assert!(said("https://10.99.2.10/"));
    assert!(!said("https://s.example/"));
}

#[test]
fn a_server_of_tls_hangs_up_on_plain_http_or_answers_in_its_own_language() {
    let seen = |errno| {
        let mut attempt = attempt(Failure::HttpSpokenToTls, Step::FirstByte);
        attempt.errno = errno;
        seen_as(Failure::HttpSpokenToTls, &target("http://s.example:8443/"), Some(&attempt))
    };
    let hung_up = seen(Some(104));
    assert_eq!((chrome(&hung_up), node(&hung_up)), ("ERR_CONNECTION_RESET", "ECONNRESET"));
    assert_eq!(curl(&hung_up), Some(56));
    let alert = seen(None);
    assert_eq!(
        (chrome(&alert), node(&alert)),
        ("ERR_INVALID_HTTP_RESPONSE", "HPE_INVALID_CONSTANT")
    );
    assert_eq!(curl(&alert), Some(1));
}

#[test]
fn python_takes_a_reset_inside_of_tls_for_the_end() {
    let said = |url| seen_as(Failure::HttpReset, &target(url), None).python;
    assert_eq!(said("http://s.example/").as_deref(), Some("ConnectionResetError"));
    assert_eq!(said("https://s.example/").as_deref(), Some("http.client.RemoteDisconnected"));
}
