//! TLS: certificates, versions, alerts, and ports that speak something else.

use whydown_core::failure::Failure;
use whydown_core::observation::{Observation, State, Step};
use whydown_lab::{Answer, Behaviour, Ca, Flavour, Host, OldTls, Peer, TlsVersion};
use whydown_probe::observe::Settings;

use crate::looking::{SHORT, monitor, see, see_with, trusting};

fn hello() -> Behaviour {
    Behaviour::Http(Answer::new(200).body("hello"))
}

/// A look at `https://127.0.0.1:PORT/` or another scheme, trusting the CA.
fn look(scheme: &str, port: u16, settings: &Settings) -> Observation {
    see_with(&Host::machine(), &monitor(&format!("{scheme}://127.0.0.1:{port}")), settings)
}

#[test]
fn every_flavour_of_certificate_has_its_own_failure_and_the_chain_is_shown() {
    let (machine, ca) = (Host::machine(), Ca::new());
    let settings = trusting(&ca);
    for (flavour, failure, presented) in [
        (Flavour::Good, None, 2),
        (Flavour::ExpiresIn(3), None, 2),
        (Flavour::Expired, Some(Failure::TlsExpired), 2),
        (Flavour::NotYetValid, Some(Failure::TlsNotYetValid), 2),
        (Flavour::SelfSigned, Some(Failure::TlsSelfSigned), 1),
        (Flavour::UnknownCa, Some(Failure::TlsUnknownIssuer), 2),
        (Flavour::MissingIntermediate, Some(Failure::TlsIncompleteChain), 1),
        (Flavour::WrongName, Some(Failure::TlsWrongName), 2),
    ] {
        let identity = ca.identity(flavour, &["127.0.0.1", "shop.lab"]);
        let peer = Peer::start_tls(&machine, 0, hello(), &identity);
        for scheme in ["https", "tls"] {
            let seen = look(scheme, peer.port(), &settings);
            let attempt = &seen.attempts[0];
            assert_eq!(seen.failure, failure, "{flavour:?} {attempt:#?}");
            let tls = attempt.tls.as_ref().unwrap();
            assert_eq!(tls.chain.len(), presented, "{flavour:?}");
            assert_eq!(tls.defects.first().copied(), failure, "{flavour:?}");
            assert_eq!(tls.version.as_deref(), Some("TLSv1.3"), "{flavour:?}");
            assert_eq!(tls.chain[0].self_signed, flavour == Flavour::SelfSigned);
            if failure.is_some() {
                assert_eq!(attempt.step, Step::TlsHandshake, "{flavour:?}");
                assert!(attempt.detail.is_some() && attempt.http.is_none(), "{flavour:?}");
            }
        }
    }
}

#[test]
fn a_certificate_for_another_name_is_said_to_be_for_which() {
    let (machine, ca) = (Host::machine(), Ca::new());
    let identity = ca.identity(Flavour::WrongName, &[]);
    let peer = Peer::start_tls(&machine, 0, hello(), &identity);
    let seen = look("https", peer.port(), &trusting(&ca));
    let detail = seen.attempts[0].detail.clone().unwrap();
    assert_eq!(detail, "valid for elsewhere.example, not for 127.0.0.1");
}

#[test]
fn several_defects_are_all_listed_and_the_authority_comes_first_as_in_browsers() {
    let (machine, ca, other) = (Host::machine(), Ca::new(), Ca::new());
    let identity = ca.identity(Flavour::Expired, &["elsewhere.example"]);
    let peer = Peer::start_tls(&machine, 0, hello(), &identity);
    let seen = look("https", peer.port(), &trusting(&other));
    let defects = &seen.attempts[0].tls.as_ref().unwrap().defects;
    let expected = [Failure::TlsUnknownIssuer, Failure::TlsWrongName, Failure::TlsExpired];
    assert_eq!(defects, &expected);
}

#[test]
fn a_certificate_that_ends_too_soon_misses_its_expectation() {
    let (machine, ca) = (Host::machine(), Ca::new());
    let identity = ca.identity(Flavour::ExpiresIn(3), &["127.0.0.1"]);
    let peer = Peer::start_tls(&machine, 0, hello(), &identity);
    for scheme in ["https", "tls"] {
        let mut monitor = monitor(&format!("{scheme}://127.0.0.1:{}", peer.port()));
        monitor.expect.certificate_days = Some(14);
        let seen = see_with(&machine, &monitor, &trusting(&ca));
        assert_eq!(seen.failure, Some(Failure::AssertionCertificateDays));
        let detail = seen.attempts[0].detail.clone().unwrap();
        assert!(detail.starts_with("expected 14 days of validity left, found "), "{detail}");
        monitor.expect.certificate_days = Some(2);
        assert_eq!(see_with(&machine, &monitor, &trusting(&ca)).failure, None);
    }
}

#[test]
fn servers_of_another_age_are_told_by_version_or_by_cipher() {
    let (machine, ca) = (Host::machine(), Ca::new());
    let identity = ca.identity(Flavour::Good, &["127.0.0.1"]);
    for (old, failure, words) in [
        (OldTls::Tls10, Failure::TlsProtocolVersion, "TLS 1.0"),
        (OldTls::Tls11, Failure::TlsProtocolVersion, "TLS 1.1"),
        (OldTls::OldCipher, Failure::TlsNoCommonCipher, ""),
    ] {
        let peer = Peer::start_tls(&machine, 0, Behaviour::OldTls(old), &identity);
        let seen = look("https", peer.port(), &trusting(&ca));
        let attempt = &seen.attempts[0];
        assert_eq!(seen.failure, Some(failure), "{old:?} {attempt:#?}");
        assert!(attempt.detail.as_ref().unwrap().contains(words), "{attempt:#?}");
    }
}

#[test]
fn a_client_certificate_that_is_missing_is_told_in_both_versions_of_tls() {
    let (machine, ca) = (Host::machine(), Ca::new());
    let identity = ca.identity(Flavour::Good, &["127.0.0.1"]);
    for version in [TlsVersion::Tls12, TlsVersion::Tls13] {
        let behaviour = Behaviour::ClientCertificate(version);
        let peer = Peer::start_tls(&machine, 0, behaviour, &identity);
        for scheme in ["https", "tls"] {
            let seen = look(scheme, peer.port(), &trusting(&ca));
            let attempt = &seen.attempts[0];
            let expected = Some(Failure::TlsClientCertificateRequired);
            assert_eq!(seen.failure, expected, "{version:?} {scheme} {attempt:#?}");
            let tls = attempt.tls.as_ref().unwrap();
            assert!(tls.client_certificate_requested && tls.alert.is_some(), "{tls:#?}");
        }
    }
}

#[test]
fn alerts_are_kept_with_their_number() {
    let machine = Host::machine();
    for (alert, failure) in [
        (112, Failure::TlsAlert),
        (80, Failure::TlsAlert),
        (70, Failure::TlsProtocolVersion),
        (40, Failure::TlsNoCommonCipher),
    ] {
        let peer = Peer::start(&machine, 0, Behaviour::TlsAlert(alert));
        let seen = look("https", peer.port(), &Settings::default());
        assert_eq!(seen.failure, Some(failure), "{alert}: {:#?}", seen.attempts);
        assert_eq!(seen.attempts[0].tls.as_ref().unwrap().alert, Some(alert));
    }
}

#[test]
fn a_handshake_that_is_not_answered_as_tls_says_how() {
    let machine = Host::machine();
    for (behaviour, failure, sample) in [
        (hello(), Failure::TlsNotTls, Some("HTTP/1.1")),
        (Behaviour::Banner(b"SSH-2.0-x\r\n".to_vec()), Failure::TlsNotTls, Some("SSH-2.0-x")),
        (Behaviour::CloseAfterRequest, Failure::TlsClosed, None),
        (Behaviour::ResetAfterRequest, Failure::TlsReset, None),
    ] {
        let peer = Peer::start(&machine, 0, behaviour.clone());
        let seen = look("https", peer.port(), &Settings::default());
        let attempt = &seen.attempts[0];
        assert_eq!(seen.failure, Some(failure), "{behaviour:?} {attempt:#?}");
        assert_eq!(attempt.step, Step::TlsHandshake);
        let banner = attempt.banner.as_deref();
        assert_eq!(banner.map(|text| text.get(..sample.map_or(0, str::len))), sample.map(Some));
    }
    let peer = Peer::start(&machine, 0, Behaviour::NeverAnswer);
    let mut monitor = monitor(&format!("https://127.0.0.1:{}", peer.port()));
    monitor.timeout = SHORT;
    let seen = see(&machine, &monitor);
    assert_eq!((seen.state, seen.failure), (State::Down, Some(Failure::TlsTimedOut)));
}
