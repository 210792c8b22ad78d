//! The faults, in groups that share a lab and a browser.

use std::fs;
use std::path::Path;
use std::time::Duration;

use whydown_lab::{
    Answer, Behaviour, Ca, DnsServer, Flavour, Haproxy, Hook, Host, Identity, Lab, Nginx, OldTls,
    Peer, Reject, Route, Rule, Say, Sshd, TlsVersion,
};

use super::fault::{Fault, Panel};

/// How long a client is watched that is expected to wait for ever.
pub(super) const HANG: Duration = Duration::from_secs(4);

pub(super) fn page() -> Behaviour {
    Behaviour::Http(Answer::new(200).body("hello"))
}

/// The server's addresses as they stand in a URL.
fn hosts(lab: &Lab) -> [String; 2] {
    [lab.server().v4().to_string(), format!("[{}]", lab.server().v6())]
}

#[test]
fn every_way_of_rejecting_a_connection() {
    let lab = Lab::new();
    let [v4, v6] = hosts(&lab);
    let mut faults = vec![
        Fault::new("nothing listens", format!("http://{v4}/")),
        Fault::new("nothing listens, IPv6", format!("http://{v6}/")),
        Fault::new("nothing listens, TCP only", format!("tcp://{v4}:8090")),
        Fault::new("nothing listens, TLS", format!("https://{v4}:8443/")),
    ];
    for (port, reject) in (8101..).zip(Reject::ALL) {
        lab.server().rule(Rule::Reject(Hook::Input, port, reject));
        for (address, host) in lab.server().both(port).into_iter().zip([&v4, &v6]) {
            if reject.concerns(address) {
                let target = format!("http://{host}:{port}/");
                let fault = Fault::new(format!("{reject:?}"), target);
                faults.push(match reject {
                    // It knows no error page for ENOPROTOOPT.
                    Reject::ProtocolUnreachable => fault.firefox_shows_nothing(),
                    _ => fault,
                });
            }
        }
    }
    lab.r1().rule(Rule::Reject(Hook::Forward, 8131, Reject::AdminProhibited));
    faults.push(Fault::new("the router rejects", format!("tcp://{v4}:8131")));
    lab.client().rule(Rule::Reject(Hook::Output, 8132, Reject::PortUnreachable));
    faults.push(Fault::new("the own firewall rejects", format!("http://{v4}:8132/")));
    Panel::on(&lab.client()).agrees(&faults);
}

#[test]
fn routes_that_lead_nowhere() {
    let lab = Lab::new();
    // One address each, behind r2, where nobody is.
    let mut faults = Vec::new();
    let mut add = |who: &Host, route: Route, number: u8| {
        let (v4, v6) = (format!("10.99.2.{number}"), format!("fd99:2::{number}"));
        who.add_route(route, format!("{v4}/32"));
        who.add_route(route, format!("{v6}/128"));
        let what = format!("{route:?} on {}", who.name());
        for target in [format!("http://{v4}/"), format!("http://[{v6}]/")] {
            let fault = Fault::new(&what, target);
            faults.push(match route {
                // It knows no error page for EINVAL.
                Route::Blackhole => fault.firefox_shows_nothing(),
                _ => fault,
            });
        }
    };
    for (number, route) in (101..).zip(Route::ALL) {
        add(&lab.client(), route, number);
    }
    for (number, route) in (111..).zip([Route::Unreachable, Route::Prohibit, Route::Throw]) {
        add(&lab.r1(), route, number);
    }
    faults.push(Fault::new("the host is down", "http://10.99.2.77/"));
    faults.push(Fault::new("the host is down, IPv6", "tcp://[fd99:2::77]:80"));
    faults.push(Fault::new("the host on the own link is down", "tcp://10.99.1.77:80"));
    Panel::on(&lab.client()).agrees(&faults);
}

#[test]
fn packets_that_vanish() {
    let lab = Lab::new();
    let [v4, v6] = hosts(&lab);
    // The kernel gives up after three seconds instead of two minutes.
    lab.client().sysctl(&[("net.ipv4.tcp_syn_retries", "2")]);
    lab.server().rule(Rule::Drop(Hook::Input, 80));
    lab.r2().rule(Rule::Drop(Hook::Forward, 8101));
    lab.client().rule(Rule::Drop(Hook::Output, 8102));
    let _full = Peer::start(&lab.server(), 8103, Behaviour::BacklogFull);
    // Chromium tries again before it says so.
    let gone = Duration::from_secs(30);
    let silent = |what: &str, target: String| Fault::new(what, target).silent(gone);
    Panel::on(&lab.client()).agrees(&[
        silent("the server drops", format!("http://{v4}/")),
        silent("the server drops, IPv6", format!("http://{v6}/")),
        silent("the router drops", format!("tcp://{v4}:8101")),
        silent("the own firewall drops", format!("tcp://{v4}:8102")),
        silent("the backlog is full", format!("tcp://{v4}:8103")),
    ]);
}

#[test]
fn services_that_treat_a_request_badly() {
    let lab = Lab::new();
    let [v4, _] = hosts(&lab);
    let behaviours = [
        Behaviour::Reset,
        Behaviour::ResetAfterRequest,
        Behaviour::CloseAfterRequest,
        Behaviour::ResetMidBody,
        Behaviour::CloseMidBody,
        Behaviour::RedirectLoop,
        Behaviour::Http(Answer::new(500).body("sorry")),
        Behaviour::Http(Answer::new(503)),
        Behaviour::Http(Answer::new(404).body("what?")),
        Behaviour::Banner(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()),
        Behaviour::NeverAnswer,
        Behaviour::NeverAccept,
        Behaviour::Stopped,
    ];
    let mut peers = Vec::new();
    let mut faults = Vec::new();
    for (port, behaviour) in (8101..).zip(behaviours) {
        let fault = Fault::new(format!("{behaviour:?}"), format!("http://{v4}:{port}/"));
        faults.push(match behaviour {
            Behaviour::NeverAnswer | Behaviour::NeverAccept | Behaviour::Stopped => {
                fault.silent(HANG)
            }
            // The RST can come before the browser has looked at its new socket.
            Behaviour::Reset => fault.or("chrome", Some("ERR_SOCKET_NOT_CONNECTED")),
            // Node says which of the two it has noticed first: the RST, or that the body ends.
            Behaviour::ResetMidBody => fault.or("node", Some("UND_ERR_SOCKET")),
            // It waits for more than a greeting, for as long as this peer holds the line; a real
            // server of SSH hangs up at the sight of HTTP.
            Behaviour::Banner(_) => fault.silent(HANG).or("firefox", None),
            // The page stays as far as it came, and never ends.
            Behaviour::CloseMidBody => fault.firefox_shows_nothing(),
            _ => fault,
        });
        peers.push(Peer::start(&lab.server(), port, behaviour));
    }
    let _nginx = Nginx::start(
        &lab.server(),
        "server { listen 80; location / { proxy_pass http://10.99.2.20:8080; } }",
    );
    let _ssh = Sshd::start(&lab.server(), 8122);
    faults.push(Fault::new("HTTP to SSH", format!("http://{v4}:8122/")));
    faults.push(Fault::new("nginx without a backend", format!("http://{v4}/")));
    faults.push(Fault::new("a port that browsers refuse", format!("http://{v4}:6000/")));
    Panel::on(&lab.client()).agrees(&faults);
}

#[test]
fn names_that_are_not_resolved() {
    let lab = Lab::new();
    lab.client().resolv_conf("nameserver 10.99.2.53\noptions timeout:1 attempts:1\n");
    let dns = DnsServer::start(&lab.resolver(), 53);
    let answers =
        [Say::NxDomain, Say::NoData, Say::ServFail, Say::Refused, Say::Silence].into_iter();
    let mut faults = Vec::new();
    for (number, say) in (1..).zip(answers) {
        let name = format!("shop{number}.test");
        faults.push(Fault::new(format!("{say:?}"), format!("http://{name}/")));
        faults.push(Fault::new(format!("{say:?}, TCP only"), format!("tcp://{name}:8090")));
        dns.set(&name, say);
    }
    let panel = Panel::on(&lab.client());
    panel.agrees(&faults);
    drop(dns);
    panel.agrees(&[Fault::new("nothing listens on the resolver's port", "http://shop9.test/")]);
}

/// A lab and an authority.
fn shop() -> (Lab, Ca) {
    let (lab, ca) = (Lab::new(), Ca::new());
    lab.client().hosts("127.0.0.1 localhost\n10.99.2.10 shop.test\n");
    (lab, ca)
}

#[test]
fn certificates_that_clients_refuse() {
    let (lab, ca) = shop();
    let mut peers = Vec::new();
    let mut faults = Vec::new();
    for (port, flavour) in (8101..).zip(Flavour::DEFECTS) {
        let identity = ca.identity(flavour, &["shop.test"]);
        peers.push(Peer::start_tls(&lab.server(), port, page(), &identity));
        for scheme in ["https", "tls"] {
            let target = format!("{scheme}://shop.test:{port}");
            faults.push(Fault::new(format!("{flavour:?}"), target));
        }
    }
    let good = ca.identity(Flavour::Good, &["shop.test"]);
    peers.push(Peer::start_tls(&lab.server(), 8100, page(), &good));
    let panel = Panel::trusting(&lab.client(), &ca);
    assert_eq!(panel.browser.try_open("https://shop.test:8100/"), Ok(()), "the root is trusted");
    panel.agrees(&faults);
}

/// Servers of TLS that are asked without, besides nginx.
fn plain_http_to_tls(lab: &Lab, good: &Identity, faults: &mut Vec<Fault>) -> impl Sized + use<> {
    let server = lab.server();
    let text = |path: &Path| path.display().to_string();
    let (chain, key) = (text(&good.chain), text(&good.key));
    let args = ["s_server", "-quiet", "-www", "-accept", "8093", "-cert", &chain, "-key", &key];
    let mut openssl = server.spawn("openssl", &args);
    let frontend = format!(
        "frontend web\n bind :8094 ssl crt {}\n http-request return status 200\n",
        good.chain_and_key.display()
    );
    let haproxy = Haproxy::start(&server, &frontend);
    let directory = server.directory("apache");
    let apache = format!(
        "ServerRoot /usr/lib/apache2\nServerName shop.test\nPidFile {0}/pid\nMutex file:{0}\n\
         ErrorLog {0}/error.log\nListen 8095\nLoadModule mpm_event_module modules/mod_mpm_event.so\n\
         LoadModule ssl_module modules/mod_ssl.so\n\
         LoadModule authz_core_module modules/mod_authz_core.so\n\
         <VirtualHost *:8095>\nSSLEngine on\nSSLCertificateFile {chain}\n\
         SSLCertificateKeyFile {key}\n</VirtualHost>\n",
        directory.display()
    );
    let conf = directory.join("apache.conf");
    fs::write(&conf, apache).unwrap();
    let mut apache = server.spawn("apache2", &["-f", &text(&conf), "-DFOREGROUND"]);
    openssl.wait_listening(8093);
    apache.wait_listening(8095);
    for (port, what) in (8093..).zip(["OpenSSL", "HAProxy", "Apache"]) {
        let what = format!("HTTP to the TLS of {what}");
        faults.push(Fault::new(what, format!("http://shop.test:{port}/")));
    }
    (openssl, haproxy, apache)
}

#[test]
fn handshakes_that_fail() {
    let (lab, ca) = shop();
    let good = ca.identity(Flavour::Good, &["shop.test"]);
    let mut peers = Vec::new();
    let mut faults = Vec::new();
    let mut ports = 8101..;
    let mut add = |behaviour: Behaviour, needs_identity: bool| {
        let port = ports.next().unwrap();
        let fault = Fault::new(format!("{behaviour:?}"), format!("https://shop.test:{port}/"));
        // Chromium gives a handshake half a minute.
        let longer = Duration::from_secs(40);
        faults.push(match behaviour {
            Behaviour::NeverAnswer => fault.silent(longer).firefox_shows_nothing(),
            // Firefox waits for more; a real server of SSH hangs up.
            Behaviour::Banner(_) => fault.silent(HANG).or("firefox", None),
            // A server that has the old versions takes OpenSSL's offer of them; this one says no
            // to whatever is offered.
            Behaviour::TlsAlert(70) => fault
                .or("curl", Some("35 error:0A00042E:SSL routines::tlsv1 alert protocol version"))
                .or("python", Some("ssl.SSLError: TLSV1_ALERT_PROTOCOL_VERSION")),
            // The refusal comes after the client has sent its request, or while it does.
            Behaviour::ClientCertificate(TlsVersion::Tls13) => {
                fault.or("node", Some("EPIPE")).or("node", Some("ECONNRESET"))
            }
            _ => fault,
        });
        peers.push(if needs_identity {
            Peer::start_tls(&lab.server(), port, behaviour, &good)
        } else {
            Peer::start(&lab.server(), port, behaviour)
        });
    };
    for old in [OldTls::Tls10, OldTls::Tls11, OldTls::OldCipher] {
        add(Behaviour::OldTls(old), true);
    }
    for version in [TlsVersion::Tls12, TlsVersion::Tls13] {
        add(Behaviour::ClientCertificate(version), true);
    }
    for alert in [40, 70, 80, 112] {
        add(Behaviour::TlsAlert(alert), false);
    }
    for behaviour in [
        Behaviour::ResetAfterRequest,
        Behaviour::CloseAfterRequest,
        page(),
        Behaviour::Banner(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()),
        Behaviour::NeverAnswer,
    ] {
        add(behaviour, false);
    }
    let nginx = format!(
        "server {{ listen 8091 ssl; ssl_certificate {}; ssl_certificate_key {}; }}",
        good.chain.display(),
        good.key.display()
    );
    let _nginx = Nginx::start(&lab.server(), &nginx);
    faults.push(Fault::new("HTTP to nginx's TLS", "http://shop.test:8091/"));
    let _ssh = Sshd::start(&lab.server(), 8122);
    faults.push(Fault::new("TLS to SSH", "https://shop.test:8122/"));
    let _strict = plain_http_to_tls(&lab, &good, &mut faults);
    Panel::trusting(&lab.client(), &ca).agrees(&faults);
}
