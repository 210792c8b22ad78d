//! Certificates in every flavour of wrong, and handshakes that go wrong.

use whydown_lab::{Answer, Behaviour, Ca, Flavour, Lab, OldTls, Peer, TlsVersion};

use crate::run::{Verdict, diagnose_with, whydown};

fn page() -> Behaviour {
    Behaviour::Http(Answer::new(200).body("hello"))
}

/// The verdict on https://shop.test/ of a client that trusts the lab's authority.
fn look(lab: &Lab, ca: &Ca) -> Verdict {
    lab.client().hosts("10.99.2.10 shop.test\n");
    let mut command = whydown(&lab.client());
    command.env("SSL_CERT_FILE", ca.bundle());
    diagnose_with(command, "https://shop.test/")
}

#[test]
fn a_good_certificate_is_up() {
    let (lab, ca) = (Lab::new(), Ca::new());
    let good = ca.identity(Flavour::Good, &["shop.test"]);
    let _web = Peer::start_tls(&lab.server(), 443, page(), &good);
    look(&lab, &ca).is(["up", "-", "-", "-", "-"]);
}

#[test]
fn each_defect_of_a_certificate() {
    for (flavour, failure) in [
        (Flavour::Expired, "tls.expired"),
        (Flavour::NotYetValid, "tls.not_yet_valid"),
        (Flavour::SelfSigned, "tls.self_signed"),
        (Flavour::UnknownCa, "tls.unknown_issuer"),
        (Flavour::MissingIntermediate, "tls.incomplete_chain"),
        (Flavour::WrongName, "tls.wrong_name"),
    ] {
        let (lab, ca) = (Lab::new(), Ca::new());
        let identity = ca.identity(flavour, &["shop.test"]);
        let _web = Peer::start_tls(&lab.server(), 443, page(), &identity);
        look(&lab, &ca).is(["down", failure, "server", "tls.certificate", "owner"]);
    }
}

#[test]
fn each_way_in_which_a_handshake_fails() {
    for (behaviour, failure, cause) in [
        (Behaviour::NeverAnswer, "tls.timed_out", "service.hung"),
        (Behaviour::CloseAfterRequest, "tls.closed", "service.closes_connections"),
        (Behaviour::ResetAfterRequest, "tls.reset", "service.closes_connections"),
        (Behaviour::TlsAlert(80), "tls.alert", "tls.configuration"),
        (Behaviour::TlsAlert(112), "tls.alert", "tls.configuration"),
        (page(), "tls.not_tls", "service.wrong_protocol"),
    ] {
        let (lab, ca) = (Lab::new(), Ca::new());
        let _web = Peer::start(&lab.server(), 443, behaviour);
        look(&lab, &ca).is(["down", failure, "server", cause, "owner"]);
    }
}

#[test]
fn servers_that_only_speak_what_is_refused_today() {
    for (old, failure) in [
        (OldTls::Tls10, "tls.protocol_version"),
        (OldTls::Tls11, "tls.protocol_version"),
        (OldTls::OldCipher, "tls.no_common_cipher"),
    ] {
        let (lab, ca) = (Lab::new(), Ca::new());
        let good = ca.identity(Flavour::Good, &["shop.test"]);
        let _web = Peer::start_tls(&lab.server(), 443, Behaviour::OldTls(old), &good);
        look(&lab, &ca).is(["down", failure, "server", "tls.configuration", "owner"]);
    }
}

#[test]
fn the_server_wants_a_certificate_of_the_visitor() {
    for version in [TlsVersion::Tls12, TlsVersion::Tls13] {
        let (lab, ca) = (Lab::new(), Ca::new());
        let good = ca.identity(Flavour::Good, &["shop.test"]);
        let want = Behaviour::ClientCertificate(version);
        let _web = Peer::start_tls(&lab.server(), 443, want, &good);
        look(&lab, &ca).is([
            "down",
            "tls.client_certificate_required",
            "server",
            "tls.client_certificate",
            "visitor",
        ]);
    }
}
