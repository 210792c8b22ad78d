//! Behaviours that only a real program shows: a stopped process, and TLS of an OpenSSL server.

use std::fmt::Write as _;

use super::{Listen, OldTls, Peer, TlsVersion};
use crate::ca::Identity;
use crate::host::Host;
use crate::process::Signal;
use crate::service::{Haproxy, Nginx};

/// nginx, stopped: its kernel goes on accepting until the backlog (511) is full.
pub(super) fn stopped(host: &Host, listen: Listen) -> Peer {
    let (listen, port) = with_port(host, listen);
    let mut directives = String::new();
    for address in addresses(listen, port) {
        let _ = write!(directives, "listen {address};");
    }
    let nginx = Nginx::start(host, &format!("server {{ {directives} return 200 \"never\"; }}"));
    nginx.signal(Signal::SIGSTOP);
    Peer::of_service(port, nginx.into_service())
}

/// haproxy with an old protocol or cipher; it takes many connections at once, `openssl s_server`
/// takes one.
pub(super) fn old_tls(host: &Host, listen: Listen, old: OldTls, identity: &Identity) -> Peer {
    let options = match old {
        OldTls::Tls10 => "ssl-min-ver TLSv1.0 ssl-max-ver TLSv1.0 ciphers ALL:@SECLEVEL=0",
        OldTls::Tls11 => "ssl-min-ver TLSv1.1 ssl-max-ver TLSv1.1 ciphers ALL:@SECLEVEL=0",
        OldTls::OldCipher => "ssl-max-ver TLSv1.2 ciphers ECDHE-ECDSA-NULL-SHA:@SECLEVEL=0",
    };
    haproxy(host, listen, options, identity)
}

/// haproxy that wants a client certificate signed by the CA's root.
pub(super) fn client_certificate(
    host: &Host,
    listen: Listen,
    version: TlsVersion,
    identity: &Identity,
) -> Peer {
    let version = match version {
        TlsVersion::Tls12 => "ssl-max-ver TLSv1.2",
        TlsVersion::Tls13 => "ssl-min-ver TLSv1.3",
    };
    let ca = identity.client_ca.display();
    let options = format!("{version} ca-file {ca} verify required");
    haproxy(host, listen, &options, identity)
}

fn haproxy(host: &Host, listen: Listen, options: &str, identity: &Identity) -> Peer {
    let (listen, port) = with_port(host, listen);
    let certificate = identity.chain_and_key.display();
    let mut conf = String::from("frontend lab\n");
    for address in addresses(listen, port) {
        let _ = writeln!(conf, "    bind {address} ssl crt {certificate} {options}");
    }
    conf.push_str("    http-request return status 200 content-type text/plain string \"hello\"\n");
    Peer::of_service(port, Haproxy::start(host, &conf).into_service())
}

/// Real programs are given a port: 0 becomes a free one.
fn with_port(host: &Host, listen: Listen) -> (Listen, u16) {
    match listen {
        Listen::Everywhere(0) => {
            let port = host.free_port();
            (Listen::Everywhere(port), port)
        }
        listen => (listen, listen.address().port()),
    }
}

/// One address per family, as configuration files want it.
fn addresses(listen: Listen, port: u16) -> Vec<String> {
    match listen {
        Listen::Everywhere(_) => vec![format!("0.0.0.0:{port}"), format!("[::]:{port}")],
        Listen::Only(address) => vec![address.to_string()],
    }
}
