//! Exim takes mail from curl in every way that mail servers want to be spoken to.

use std::time::Duration;

use whydown_lab::{Ca, Doorman, Exim, Flavour, Host, Lab, Output, Smtp};

const MESSAGE: &str = "From: a@b.example\nTo: ops@example.com\nSubject: =?utf-8?q?It=27s_down?=\n\
                       Content-Transfer-Encoding: quoted-printable\n\nrefused =E2=80=94 why\n";

/// curl's attempt to send [`MESSAGE`].
fn send(host: &Host, url: &str, more: &[&str]) -> Output {
    let file = host.directory("message").join("message.eml");
    std::fs::write(&file, MESSAGE).expect("a file for curl");
    let file = file.display().to_string();
    let mut args = vec!["-sS", "-m", "9", "--crlf", "--mail-from", "a@b.example", "-T", &file];
    args.extend(["--mail-rcpt", "ops@example.com", "--noproxy", "*", "--url", url]);
    args.extend(more);
    host.exec("curl", &args)
}

#[test]
fn a_message_is_accepted_and_can_be_read_back_parsed() {
    let machine = Host::machine();
    let exim = Exim::start(&machine, 0, &Smtp::default());
    let url = format!("smtp://127.0.0.1:{}", exim.port());
    send(&machine, &url, &[]).success();
    let mail = exim.wait_for(1, Duration::from_secs(5)).remove(0);
    assert_eq!(mail.sender, "a@b.example");
    assert_eq!(mail.recipients, ["ops@example.com"]);
    assert_eq!(mail.subject(), "It's down");
    assert_eq!(mail.text("text/plain").trim_end(), "refused — why");
}

#[test]
fn recipients_are_greylisted_and_rejected_when_the_doorman_says_so() {
    let lab = Lab::builder().small().build();
    let exim = Exim::start(&lab.server(), 25, &Smtp::default());
    let url = "smtp://[fd99:2::10]";
    for (doorman, code) in [(Doorman::Greylists, "451"), (Doorman::Rejects, "550")] {
        exim.set_doorman(doorman);
        let output = send(&lab.client(), url, &["-v"]);
        assert_eq!(output.code, Some(55), "{output}");
        assert!(output.stderr.contains(&format!("< {code} ")), "{output}");
    }
    exim.set_doorman(Doorman::Accepts);
    send(&lab.client(), url, &[]).success();
    assert_eq!(exim.wait_for(1, Duration::from_secs(5)).len(), 1);
}

#[test]
fn starttls_and_a_password_are_required_and_accepted() {
    let (machine, ca) = (Host::machine(), Ca::new());
    let identity = ca.identity(Flavour::Good, &["127.0.0.1"]);
    let smtp = Smtp::default().starttls(&identity).login("whydown", "secret-1");
    let exim = Exim::start(&machine, 0, &smtp);
    let url = format!("smtp://127.0.0.1:{}", exim.port());
    let bundle = ca.bundle().display().to_string();
    let tls = ["--ssl-reqd", "--cacert", &bundle];
    let refused = send(&machine, &url, &[&tls[..], &["-v"]].concat());
    assert!(refused.stderr.contains("< 530 "), "{refused}");
    for login in ["whydown:secret-1", "whydown:wrong"] {
        for method in ["AUTH=PLAIN", "AUTH=LOGIN"] {
            let more = [&tls[..], &["-u", login, "--login-options", method]].concat();
            let output = send(&machine, &url, &more);
            let expected = if login.ends_with("-1") { 0 } else { 67 };
            assert_eq!(output.code, Some(expected), "{login} {method} {output}");
        }
    }
    assert_eq!(exim.wait_for(2, Duration::from_secs(5)).len(), 2);
}

#[test]
fn implicit_tls_speaks_tls_from_the_first_byte() {
    let (machine, ca) = (Host::machine(), Ca::new());
    let identity = ca.identity(Flavour::Good, &["127.0.0.1"]);
    let exim = Exim::start(&machine, 0, &Smtp::default().implicit_tls(&identity));
    let bundle = ca.bundle().display().to_string();
    let url = format!("smtps://127.0.0.1:{}", exim.port());
    send(&machine, &url, &["--cacert", &bundle]).success();
    assert_eq!(exim.wait_for(1, Duration::from_secs(5)).len(), 1);
}
