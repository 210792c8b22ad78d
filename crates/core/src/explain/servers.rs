//! What servers write: logs of nginx, Apache and HAProxy about the backends behind them, error
//! pages of proxies and content networks, systemd, Docker and the kernel.

use super::pattern::{Pattern, blames, says};
use crate::cause::Cause as C;
use crate::failure::Failure as F;

const NGINX: &str = "nginx";
const HAPROXY: &str = "haproxy";
const APACHE: &str = "apache";
const CDN: &str = "cloudflare";
const BACKEND: &[C] = &[C::UpstreamDead];
const START: &[C] = &[C::ServiceStoppedAfterDeploy, C::ServiceNotListening];

pub(super) const PATTERNS: &[Pattern] = &[
    says("connect() failed (111: connection refused) while connecting to upstream", F::TcpRefused)
        .by(NGINX)
        .because(BACKEND)
        .exact(),
    says(
        "connect() failed (113: no route to host) while connecting to upstream",
        F::TcpHostUnreachable,
    )
    .by(NGINX)
    .because(BACKEND)
    .exact(),
    says(
        "connect() failed (110: connection timed out) while connecting to upstream",
        F::TcpTimedOut,
    )
    .by(NGINX)
    .because(BACKEND)
    .exact(),
    says("connect() failed", F::TcpRefused)
        .with("connecting to upstream")
        .by(NGINX)
        .because(BACKEND)
        .vague(),
    says(
        "upstream timed out (110: connection timed out) while connecting to upstream",
        F::TcpTimedOut,
    )
    .by(NGINX)
    .because(BACKEND)
    .exact(),
    says(
        "upstream timed out (110: connection timed out) while reading response header from \
        upstream",
        F::HttpTimedOut,
    )
    .by(NGINX)
    .because(BACKEND)
    .exact(),
    says("upstream timed out (110: connection timed out) while reading upstream", F::HttpTimedOut)
        .by(NGINX)
        .because(BACKEND)
        .exact(),
    says("upstream prematurely closed connection", F::HttpEmptyReply)
        .by(NGINX)
        .because(BACKEND)
        .exact(),
    says(
        "recv() failed (104: connection reset by peer) while reading response header from \
        upstream",
        F::HttpReset,
    )
    .by(NGINX)
    .because(BACKEND)
    .exact(),
    says("no live upstreams while connecting to upstream", F::HttpStatus)
        .by(NGINX)
        .because(BACKEND)
        .exact(),
    says("host not found in upstream", F::DnsNotFound)
        .by(NGINX)
        .because(&[C::ServiceStoppedAfterDeploy])
        .exact(),
    says("could not be resolved", F::DnsNotFound).with("resolver").by(NGINX),
    says("(13: permission denied) while connecting to upstream", F::TcpNotPermitted)
        .by(NGINX)
        .because(BACKEND)
        .exact(),
    says("(2: no such file or directory) while connecting to upstream", F::TcpRefused)
        .by(NGINX)
        .because(BACKEND)
        .exact(),
    says("(11: resource temporarily unavailable) while connecting to upstream", F::TcpTimedOut)
        .by(NGINX)
        .because(&[C::ServiceOverloaded])
        .exact(),
    says("upstream sent invalid header", F::HttpNotHttp).by(NGINX).because(BACKEND).exact(),
    says("upstream sent no valid http/1.0 header", F::HttpNotHttp)
        .by(NGINX)
        .because(BACKEND)
        .exact(),
    says("ssl handshaking to upstream", F::TlsAlert).by(NGINX).because(BACKEND).exact(),
    says("broken header", F::HttpNotHttp)
        .with("proxy protocol")
        .by(NGINX)
        .because(&[C::ServiceWrongProtocol]),
    blames("worker_connections are not enough", &[C::ServiceOverloaded]).by(NGINX),
    says("layer4 connection problem", F::TcpRefused)
        .by(HAPROXY)
        .because(BACKEND)
        .vague()
        .also(&[F::TcpHostUnreachable]),
    says("layer4 timeout", F::TcpTimedOut).by(HAPROXY).because(BACKEND).exact(),
    says("layer6 timeout", F::TlsTimedOut).by(HAPROXY).because(BACKEND).exact(),
    says("layer6 invalid response", F::TlsNotTls).by(HAPROXY).because(BACKEND).exact(),
    says("layer7 timeout", F::HttpTimedOut).by(HAPROXY).because(BACKEND).exact(),
    says("layer7 wrong status", F::HttpStatus).by(HAPROXY).because(BACKEND).exact(),
    says("layer7 invalid response", F::HttpNotHttp).by(HAPROXY).because(BACKEND).exact(),
    says("has no server available!", F::HttpStatus).by(HAPROXY).because(BACKEND),
    says("no server is available to handle this request", F::HttpStatus)
        .by(HAPROXY)
        .because(BACKEND),
    says("ah00957", F::TcpRefused).by(APACHE).because(BACKEND).vague().also(&[F::TcpTimedOut]),
    says("ah01114", F::TcpRefused).by(APACHE).because(BACKEND).vague().also(&[F::TcpTimedOut]),
    says("ah01102", F::HttpEmptyReply).by(APACHE).because(BACKEND),
    says("ah01071", F::HttpStatus).by(APACHE).because(&[C::AppError]),
    says("ah01075", F::HttpTimedOut).by(APACHE).because(BACKEND),
    says("the proxy server received an invalid response from an upstream server", F::HttpStatus)
        .by(APACHE)
        .because(BACKEND)
        .exact(),
    says("the proxy server could not handle the request", F::HttpStatus)
        .by(APACHE)
        .because(BACKEND)
        .exact(),
    says("upstream connect error or disconnect/reset before headers", F::HttpStatus)
        .by("envoy")
        .because(BACKEND)
        .exact(),
    says("no healthy upstream", F::HttpStatus).by("envoy").because(BACKEND).exact(),
    // Status lines and pages
    says("502 bad gateway", F::HttpStatus).because(BACKEND),
    says("503 service unavailable", F::HttpStatus)
        .because(&[C::UpstreamDead, C::ServiceOverloaded]),
    says("503 service temporarily unavailable", F::HttpStatus)
        .because(&[C::UpstreamDead, C::ServiceOverloaded]),
    says("504 gateway time-out", F::HttpStatus).because(BACKEND).exact(),
    says("504 gateway timeout", F::HttpStatus).because(BACKEND).exact(),
    says("500 internal server error", F::HttpStatus).because(&[C::AppError]),
    says("404 not found", F::HttpStatus).because(&[C::AppError]),
    says("403 forbidden", F::HttpStatus).because(&[C::AppError]),
    says("http error 500", F::HttpStatus).because(&[C::AppError]),
    says("http error 502", F::HttpStatus).because(BACKEND),
    says("http error 503", F::HttpStatus).because(BACKEND),
    says("http error 504", F::HttpStatus).because(BACKEND),
    says("proxy authentication required", F::ProxyAuthRequired).exact(),
    says("http error 407", F::ProxyAuthRequired).exact(),
    says("error 520", F::HttpStatus).by(CDN).because(BACKEND).exact(),
    says("error 521", F::HttpStatus)
        .by(CDN)
        .because(&[C::UpstreamDead, C::ServiceNotListening])
        .exact(),
    says("error 522", F::HttpStatus).by(CDN).because(&[C::UpstreamDead, C::FirewallDrops]).exact(),
    says("error 523", F::HttpStatus).by(CDN).because(&[C::UpstreamDead, C::PathNoRoute]).exact(),
    says("error 524", F::HttpStatus).by(CDN).because(&[C::UpstreamDead, C::ServiceHung]).exact(),
    says("error 525", F::HttpStatus)
        .by(CDN)
        .because(&[C::UpstreamDead, C::TlsConfiguration])
        .exact(),
    says("error 526", F::HttpStatus).by(CDN).because(&[C::UpstreamDead, C::TlsCertificate]).exact(),
    says("error code: 521", F::HttpStatus)
        .by(CDN)
        .because(&[C::UpstreamDead, C::ServiceNotListening])
        .exact(),
    says("error code: 522", F::HttpStatus)
        .by(CDN)
        .because(&[C::UpstreamDead, C::FirewallDrops])
        .exact(),
    says("error code: 523", F::HttpStatus)
        .by(CDN)
        .because(&[C::UpstreamDead, C::PathNoRoute])
        .exact(),
    says("error code: 525", F::HttpStatus)
        .by(CDN)
        .because(&[C::UpstreamDead, C::TlsConfiguration])
        .exact(),
    says("web server is down", F::HttpStatus)
        .with("521")
        .by(CDN)
        .because(&[C::UpstreamDead, C::ServiceNotListening])
        .exact(),
    // Why a server does not start, or stops
    blames("address already in use", START).at_end(),
    blames("eaddrinuse", START),
    blames("only one usage of each socket address", START).by("windows"),
    blames(
        "start request repeated too quickly",
        &[C::ServiceCrashLoop, C::ServiceStoppedAfterDeploy],
    )
    .by("systemd"),
    blames("failed with result 'exit-code'", &[C::ServiceStoppedAfterDeploy, C::ServiceCrashLoop])
        .by("systemd"),
    blames("failed with result 'oom-kill'", &[C::ServiceCrashLoop, C::ServiceOverloaded])
        .by("systemd"),
    blames("failed with result 'timeout'", &[C::ServiceStoppedAfterDeploy, C::ServiceHung])
        .by("systemd"),
    blames(
        "main process exited, code=exited, status=",
        &[C::ServiceStoppedAfterDeploy, C::ServiceCrashLoop],
    )
    .by("systemd"),
    blames("main process exited, code=killed", &[C::ServiceCrashLoop]).by("systemd"),
    blames("scheduled restart job, restart counter is at", &[C::ServiceCrashLoop]).by("systemd"),
    blames("crashloopbackoff", &[C::ServiceCrashLoop]).by("kubernetes"),
    blames("back-off restarting failed container", &[C::ServiceCrashLoop]).by("kubernetes"),
    blames("test failed", &[C::ServiceStoppedAfterDeploy])
        .with("nginx: configuration file")
        .by(NGINX),
    blames("possible syn flooding on port", &[C::ServiceOverloaded]).by("linux"),
    blames("bind for 0.0.0.0", START).with("port is already allocated").by("docker"),
    blames("out of memory: killed process", &[C::ServiceCrashLoop, C::ServiceOverloaded])
        .by("linux"),
];

/// Texts that tell whose message it is when the failure's own words do not.
pub(super) const MARKERS: &[(&str, &str)] = &[
    ("curl: (", "curl"),
    ("curl error", "php"),
    ("wget: ", "wget"),
    ("http request sent, awaiting response", "wget"),
    ("... failed: ", "wget"),
    ("nc: ", "nc"),
    ("ncat: ", "ncat"),
    ("telnet: ", "telnet"),
    ("ssh: connect to host", "ssh"),
    ("ssh: could not resolve", "ssh"),
    ("kex_exchange_identification", "ssh"),
    ("psql: ", "psql"),
    ("connection to server at", "psql"),
    ("could not connect to server:", "psql"),
    ("sqlstate[", "php"),
    ("(hy000)", "mysql"),
    ("could not connect to redis at", "redis-cli"),
    ("dial tcp", "go"),
    ("dial udp", "go"),
    ("read tcp", "go"),
    ("lookup ", "go"),
    ("java.net.", "java"),
    ("java.io.", "java"),
    ("javax.net.ssl", "java"),
    ("caused by: ", "java"),
    ("traceback (most recent call last)", "python"),
    ("urllib3.exceptions", "python"),
    ("urllib.error", "python"),
    ("<urlopen error", "python"),
    ("requests.exceptions", "python"),
    ("[errno ", "python"),
    ("oserror: ", "python"),
    ("ssl.sslerror", "python"),
    ("sslcertverificationerror", "python"),
    ("typeerror: fetch failed", "node"),
    ("node:internal", "node"),
    ("nodejs", "node"),
    ("system.net.", "dotnet"),
    ("socketexception (", "dotnet"),
    ("stream_socket_client()", "php"),
    ("file_get_contents(", "php"),
    ("fsockopen()", "php"),
    ("php warning", "php"),
    ("os error ", "rust"),
    ("hyper::", "rust"),
    ("reqwest::", "rust"),
    ("errno::", "ruby"),
    ("net::err_", "chrome"),
    ("net::http", "ruby"),
    ("about:neterror", "firefox"),
    ("while connecting to upstream", "nginx"),
    ("nginx: ", "nginx"),
    ("haproxy[", "haproxy"),
    ("nsurlerrordomain", "macos"),
    ("kcferrordomain", "macos"),
    ("nsposixerrordomain", "macos"),
    ("wsa", "windows"),
    ("fatal: unable to access", "git"),
    ("git@", "git"),
    ("npm err!", "npm"),
    ("npm error", "npm"),
    ("error response from daemon", "docker"),
    ("the connection to the server", "kubectl"),
    ("err: http", "apt"),
    ("failed to fetch http", "apt"),
    ("status=deferred", "postfix"),
    ("icmp_seq", "ping"),
];
