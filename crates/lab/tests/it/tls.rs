//! TLS faults: each as OpenSSL's clients word it.

use std::path::Path;

use whydown_lab::{Answer, Behaviour, Ca, Flavour, Host, Identity, Lab, OldTls, Peer, TlsVersion};

use crate::witness::curl;

/// The exit code and message of curl at `https://shop.lab:PORT/`, with the CA's root.
fn https(host: &Host, ca: &Ca, port: u16, more: &[&str]) -> (i32, String) {
    let bundle = ca.bundle().display().to_string();
    let resolve = format!(
        "shop.lab:{port}:{}",
        if host.namespace().is_some() { "10.99.2.10" } else { "127.0.0.1" }
    );
    let url = format!("https://shop.lab:{port}/");
    let mut args = vec!["--cacert", bundle.as_str(), "--resolve", resolve.as_str(), url.as_str()];
    args.extend(more);
    let output = curl(host, &args);
    (output.code.expect("curl was killed"), output.stdout + &output.stderr)
}

fn hello() -> Behaviour {
    Behaviour::Http(Answer::new(200))
}

#[test]
fn every_flavour_of_certificate_is_refused_for_its_own_reason() {
    let (machine, ca) = (Host::machine(), Ca::new());
    let expected = [
        (Flavour::Good, 0, "200"),
        (Flavour::ExpiresIn(3), 0, "200"),
        (Flavour::Expired, 60, "certificate has expired"),
        (Flavour::NotYetValid, 60, "certificate is not yet valid"),
        (Flavour::SelfSigned, 60, "self-signed certificate"),
        (Flavour::UnknownCa, 60, "self-signed certificate in certificate chain"),
        (Flavour::MissingIntermediate, 60, "unable to get local issuer certificate"),
        (Flavour::WrongName, 60, "no alternative certificate subject name matches"),
    ];
    for (flavour, code, message) in expected {
        let peer = Peer::start_tls(&machine, 0, hello(), &ca.identity(flavour, &["shop.lab"]));
        let (seen, text) = https(&machine, &ca, peer.port(), &[]);
        assert_eq!(seen, code, "{flavour:?}: {text}");
        assert!(text.contains(message), "{flavour:?}: {text}");
    }
}

#[test]
fn the_days_that_a_certificate_is_still_valid_are_as_asked_for() {
    let ca = Ca::new();
    let identity = ca.identity(Flavour::ExpiresIn(3), &["shop.lab"]);
    let chain = identity.chain.display().to_string();
    let valid_in = |seconds: &str| {
        let args = ["x509", "-noout", "-checkend", seconds, "-in", &chain];
        Host::machine().exec("openssl", &args).code == Some(0)
    };
    assert!(valid_in("259200") && !valid_in("270000"));
}

#[test]
fn silence_resets_closes_alerts_and_plain_text_in_the_handshake_are_told_apart() {
    let (machine, ca) = (Host::machine(), Ca::new());
    let expected = [
        (Behaviour::NeverAnswer, 28, "timed out"),
        (Behaviour::ResetAfterRequest, 35, "Connection reset by peer"),
        (Behaviour::CloseAfterRequest, 35, "SSL_ERROR_SYSCALL"),
        (Behaviour::TlsAlert(40), 35, "handshake failure"),
        (Behaviour::TlsAlert(112), 35, "unrecognized name"),
        (Behaviour::TlsAlert(80), 35, "internal error"),
        (Behaviour::Http(Answer::new(200)), 35, "wrong version number"),
        (
            Behaviour::Banner(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()),
            35,
            "wrong version number",
        ),
    ];
    for (behaviour, code, message) in expected {
        let peer = Peer::start(&machine, 0, behaviour.clone());
        let (seen, text) = https(&machine, &ca, peer.port(), &["-m", "1"]);
        assert_eq!(seen, code, "{behaviour:?}: {text}");
        assert!(text.contains(message), "{behaviour:?}: {text}");
    }
}

#[test]
fn old_protocols_and_ciphers_are_refused_by_curl_and_spoken_by_a_lax_openssl() {
    let (lab, ca) = (Lab::builder().small().build(), Ca::new());
    let identity = ca.identity(Flavour::Good, &["shop.lab"]);
    let cases = [
        (OldTls::Tls10, "-tls1", "DEFAULT@SECLEVEL=0"),
        (OldTls::Tls11, "-tls1_1", "DEFAULT@SECLEVEL=0"),
        (OldTls::OldCipher, "-tls1_2", "ECDHE-ECDSA-NULL-SHA:@SECLEVEL=0"),
    ];
    for (port, (old, option, cipher)) in (443..).zip(cases) {
        let _peer = Peer::start_tls(&lab.server(), port, Behaviour::OldTls(old), &identity);
        let (code, text) = https(&lab.client(), &ca, port, &[]);
        assert_eq!(code, 35, "{old:?}: {text}");
        for to in lab.server().both(port) {
            let to = to.to_string();
            let args = ["s_client", "-connect", &to, option, "-cipher", cipher];
            let output = lab.client().exec("openssl", &args);
            let session = output.stdout.lines().find(|line| line.starts_with("New, "));
            assert!(
                session.is_some_and(|s| s.contains("Cipher is") && !s.contains("NONE")),
                "{output}"
            );
        }
    }
}

#[test]
fn a_wanted_client_certificate_fails_in_or_after_the_handshake_and_works_when_given() {
    let (lab, ca) = (Lab::builder().small().build(), Ca::new());
    let identity = ca.identity(Flavour::Good, &["shop.lab"]);
    let client = ca.client("visitor");
    let path = |path: &Path| path.display().to_string();
    let (cert, key) = (path(&client.chain), path(&client.key));
    let cases = [
        (TlsVersion::Tls12, 35, "handshake failure"),
        (TlsVersion::Tls13, 56, "certificate required"),
    ];
    for (port, (version, code, message)) in (443..).zip(cases) {
        let behaviour = Behaviour::ClientCertificate(version);
        let _peer = Peer::start_tls(&lab.server(), port, behaviour, &identity);
        let (seen, text) = https(&lab.client(), &ca, port, &[]);
        assert_eq!(seen, code, "{version:?}: {text}");
        assert!(text.contains(message), "{version:?}: {text}");
        let (seen, text) = https(&lab.client(), &ca, port, &["--cert", &cert, "--key", &key]);
        assert_eq!((seen, text.as_str()), (0, "200"), "{version:?}");
    }
}

#[test]
fn what_happens_behind_tls_happens_after_the_handshake() {
    let (machine, ca) = (Host::machine(), Ca::new());
    let identity: Identity = ca.identity(Flavour::Good, &["shop.lab"]);
    let expected = [
        (Behaviour::ResetAfterRequest, 56),
        (Behaviour::CloseAfterRequest, 52),
        (Behaviour::ResetMidBody, 56),
        (Behaviour::HugeBody(100_000), 0),
        (Behaviour::NeverAnswer, 28),
        (Behaviour::RedirectLoop, 47),
    ];
    for (behaviour, code) in expected {
        let peer = Peer::start_tls(&machine, 0, behaviour.clone(), &identity);
        let (seen, text) = https(&machine, &ca, peer.port(), &["-L", "-m", "1"]);
        assert_eq!(seen, code, "{behaviour:?}: {text}");
    }
}
