//! Certificates in every flavour of wrong, and handshakes that go wrong.

use std::time::{Duration, SystemTime};

use whydown_lab::{Answer, Behaviour, Flavour, OldTls, TlsVersion};

use crate::scene::{Scene, down, faults, own, page, up};

const CERTIFICATE: [&str; 3] = ["server", "tls.certificate", "owner"];
const SETTINGS: [&str; 3] = ["server", "tls.configuration", "owner"];
const CLOSES: [&str; 3] = ["server", "service.closes_connections", "owner"];
const HUNG: [&str; 3] = ["server", "service.hung", "owner"];
const WRONG_PROTOCOL: [&str; 3] = ["server", "service.wrong_protocol", "owner"];
const VISITORS: [&str; 3] = ["server", "tls.client_certificate", "visitor"];
const LARGE_HELLO: [&str; 3] = ["network", "path.large_hello", "network"];
const DAY: u64 = 86_400;

fn flavour(scene: &mut Scene, flavour: Flavour) {
    scene.tls(flavour, page());
}

fn old(scene: &mut Scene, old: OldTls) {
    scene.tls(Flavour::Good, Behaviour::OldTls(old));
}

/// The whole world but the client agrees on another day, on which the certificate is good.
fn other_day(scene: &mut Scene, flavour: Flavour, days: i64) {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let there = now.saturating_add_signed(days * DAY.cast_signed());
    let date = jiff::Timestamp::from_second(there.cast_signed()).unwrap();
    let date = date.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let page = Answer::new(200).header("Date", &date).body("hello");
    scene.tls(flavour, Behaviour::Http(page));
}

/// A device that wants a whole ClientHello in one packet: it looks at the beginning of every TLS
/// record (32 bytes of TCP header before it) and refuses those of more than 600 bytes.
fn intolerant(scene: &mut Scene, says_no: &str) {
    scene.tls(Flavour::Good, page());
    scene.ssh();
    scene.lab.r1().nft(&format!(
        "add table inet inspector\n\
         add chain inet inspector forward {{ type filter hook forward priority 0; }}\n\
         add rule inet inspector forward tcp dport 443 @th,256,8 22 @th,280,16 > 600 {says_no}\n"
    ));
}

faults! {
    a_good_certificate_is_up: "https://shop.test/", |s| flavour(s, Flavour::Good), up();
    the_certificate_has_ended: "https://shop.test/", |s| flavour(s, Flavour::Expired),
        down("tls.expired", CERTIFICATE);
    the_certificate_ends_soon: "https://shop.test/",
        |s| { flavour(s, Flavour::ExpiresIn(5)); s.flag("--certificate-days=14"); },
        down("assertion.certificate_days", CERTIFICATE);
    the_certificate_has_not_begun: "https://shop.test/", |s| flavour(s, Flavour::NotYetValid),
        down("tls.not_yet_valid", CERTIFICATE);
    the_certificate_is_self_signed: "https://shop.test/", |s| flavour(s, Flavour::SelfSigned),
        down("tls.self_signed", CERTIFICATE);
    the_certificates_issuer_is_unknown: "https://shop.test/",
        |s| flavour(s, Flavour::UnknownCa), down("tls.unknown_issuer", CERTIFICATE);
    the_intermediate_certificate_is_missing: "https://shop.test/",
        |s| flavour(s, Flavour::MissingIntermediate), down("tls.incomplete_chain", CERTIFICATE);
    the_certificate_has_another_name: "https://shop.test/", |s| flavour(s, Flavour::WrongName),
        down("tls.wrong_name", CERTIFICATE);
    the_certificate_is_for_a_name_not_the_address: "https://10.99.2.10/",
        |s| flavour(s, Flavour::Good), down("tls.wrong_name", CERTIFICATE);
    our_clock_is_ahead: "https://shop.test/", |s| other_day(s, Flavour::Expired, -60),
        own("tls.expired", "client", "client.clock");
    our_clock_is_behind: "https://shop.test/", |s| other_day(s, Flavour::NotYetValid, 60),
        own("tls.not_yet_valid", "client", "client.clock");
    the_handshake_is_not_answered: "https://shop.test/", |s| s.no_tls(Behaviour::NeverAnswer),
        down("tls.timed_out", HUNG);
    the_handshake_meets_a_stopped_process: "https://shop.test/",
        |s| s.no_tls(Behaviour::Stopped), down("tls.timed_out", HUNG);
    the_handshake_is_closed: "https://shop.test/", |s| s.no_tls(Behaviour::CloseAfterRequest),
        down("tls.closed", CLOSES);
    the_handshake_is_reset: "https://shop.test/", |s| s.no_tls(Behaviour::ResetAfterRequest),
        down("tls.reset", CLOSES);
    the_handshake_is_closed_at_once: "https://shop.test/", |s| s.no_tls(Behaviour::Close),
        down("tls.closed", CLOSES);
    the_server_has_an_internal_error: "https://shop.test/",
        |s| s.no_tls(Behaviour::TlsAlert(80)), down("tls.alert", SETTINGS);
    the_server_does_not_know_the_name: "https://shop.test/",
        |s| s.no_tls(Behaviour::TlsAlert(112)), down("tls.alert", SETTINGS);
    the_server_fails_the_handshake: "https://shop.test/",
        |s| s.no_tls(Behaviour::TlsAlert(40)), down("tls.no_common_cipher", SETTINGS);
    http_is_spoken_where_tls_is_asked: "https://shop.test/", |s| s.no_tls(page()),
        down("tls.not_tls", WRONG_PROTOCOL);
    ssh_is_spoken_where_tls_is_asked: "https://shop.test/",
        |s| {
            s.no_tls(Behaviour::Banner(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()));
            // It waits for more, for as long as this peer holds the line; a real SSH hangs up.
            s.either("firefox", None);
        },
        down("tls.not_tls", WRONG_PROTOCOL);
    only_tls_1_0_is_spoken: "https://shop.test/", |s| old(s, OldTls::Tls10),
        down("tls.protocol_version", SETTINGS);
    only_tls_1_1_is_spoken: "https://shop.test/", |s| old(s, OldTls::Tls11),
        down("tls.protocol_version", SETTINGS);
    only_an_old_cipher_is_spoken: "https://shop.test/", |s| old(s, OldTls::OldCipher),
        down("tls.no_common_cipher", SETTINGS);
    a_client_certificate_is_wanted_by_tls_1_2: "https://shop.test/",
        |s| s.tls(Flavour::Good, Behaviour::ClientCertificate(TlsVersion::Tls12)),
        down("tls.client_certificate_required", VISITORS);
    a_client_certificate_is_wanted_by_tls_1_3: "https://shop.test/",
        |s| {
            s.tls(Flavour::Good, Behaviour::ClientCertificate(TlsVersion::Tls13));
            // The refusal comes after it has sent its request, or while it does.
            s.either("node", Some("EPIPE"));
            s.either("node", Some("ECONNRESET"));
        },
        down("tls.client_certificate_required", VISITORS);
    a_large_greeting_is_dropped_on_the_way: "https://shop.test/", |s| intolerant(s, "drop"),
        down("tls.timed_out", LARGE_HELLO).knowing("with a small ClientHello is answered");
    a_large_greeting_is_reset_on_the_way: "https://shop.test/",
        |s| { intolerant(s, "reject with tcp reset"); s.shop_is_at(&["fd99:2::10"]); },
        down("tls.reset", LARGE_HELLO).knowing("with a small ClientHello is answered");
    the_encrypted_service_resets: "https://shop.test/",
        |s| {
            s.tls(Flavour::Good, Behaviour::ResetAfterRequest);
            // It says which of the two it has noticed first: the RST, or that the line has ended.
            s.either("node", Some("UND_ERR_SOCKET"));
            // It counts a reset by its first data to the handshake.
            s.either("firefox", Some("PR_CONNECT_RESET_ERROR: Secure Connection Failed"));
        },
        down("http.reset", ["app", "service.closes_connections", "owner"]);
    the_encrypted_service_hangs: "https://shop.test/",
        |s| { s.timeout = Duration::from_secs(2); s.tls(Flavour::Good, Behaviour::NeverAnswer); },
        down("http.timed_out", ["app", "service.hung", "owner"]);
}
